# Benchmarks (tests/bench/README.md). BENCH_SETS=words,sentences and BENCH_POINTS=20000 take a part of the data; BENCH_KEEP=1 keeps
# the indexes of the peers, BENCH_KEEP=all ours too; BENCH_ENGINES=sagitta-hnsw,scann measures these alone, all every kind of code.
BENCH_FOLDER := $(BUILD_ROOT)/bench
BENCH_BIN := $(BUILD)/tests/bench
BENCH_PYTHON := $(BUILD_ROOT)/venv/bin/python
BENCH_READY := $(BUILD_ROOT)/venv/.bench-ready
BENCH_ALONE := $(BENCH_BIN)/bench_index $(BENCH_BIN)/bench_kernel
BENCH_TOOLS := $(BENCH_ALONE) $(BENCH_BIN)/load $(BENCH_BIN)/bench_log $(BENCH_BIN)/bench_json
BENCH_ENV = PATH="$(abspath $(BUILD_ROOT)/venv/bin):$$PATH" $(BENCH_PYTHON) -u
BENCH_ARGUMENTS = --folder $(BENCH_FOLDER) --tools $(BENCH_BIN) $(if $(BENCH_POINTS),--points $(BENCH_POINTS))
BENCH_RUN = $(BENCH_ENV) tests/bench/bench_server.py $(BENCH_ARGUMENTS) --server $(SERVER) $(if $(BENCH_KEEP),--keep)
BENCH_RUN_INDEX = $(BENCH_ENV) tests/bench/run_index.py $(BENCH_ARGUMENTS) $(if $(BENCH_SETS),--sets $(BENCH_SETS)) \
    $(if $(BENCH_ENGINES),--engines $(BENCH_ENGINES)) \
    $(if $(BENCH_KEEP),--keep $(if $(filter all,$(BENCH_KEEP)),all,peers))

# What has to be installed comes first: another make then sees the libraries.
.PHONY: bench bench-index bench-filter bench-payload bench-run-filter calibrate-plan bench-server bench-kernel bench-log bench-json bench-ready bench-run bench-run-index bench-run-server
bench: bench-ready ## server, log and JSON on real vectors, beside the index alone and hnswlib (BENCH_POINTS=20000: a part)
	@$(MAKE) --no-print-directory bench-run

bench-index: bench-ready ## the index engine beside hnswlib, faiss, ScaNN, usearch, NGT (BENCH_SETS=words,.. BENCH_KEEP=1)
	@$(MAKE) --no-print-directory bench-run-index

bench-server: bench-ready ## the server, beside its index alone
	@$(MAKE) --no-print-directory bench-run-server

bench-filter: bench-ready ## filtered search beside FAISS and the plain scan (BENCH_POINTS=200000: a part)
	@$(MAKE) --no-print-directory bench-run-filter

bench-payload: bench-ready $(SERVER) ## payload indexes through the server: making them, facets, counts, tenants (BENCH_POINTS)
	@$(BENCH_ENV) tests/bench/bench_payload.py --folder $(BENCH_FOLDER) --server $(SERVER) $(if $(BENCH_POINTS),--points $(BENCH_POINTS))

calibrate-plan: bench-ready $(BENCH_BIN)/bench_filter ## costs of index/segment/plan_costs.h on this machine (after bench-filter)
	@$(BENCH_ENV) tests/bench/calibrate_plan.py $(BENCH_ARGUMENTS)

bench-kernel: $(BENCH_BIN)/bench_kernel ## ns a distance, every kernel and code
	@$(BENCH_BIN)/bench_kernel

bench-log: $(BENCH_BIN)/bench_log ## durable log records a second
	@mkdir -p $(BENCH_FOLDER)
	@$(BENCH_BIN)/bench_log $(BENCH_FOLDER)

bench-json: $(BENCH_BIN)/bench_json ## MB/s of JSON bodies
	@$(BENCH_BIN)/bench_json

# What the targets above run.
bench-run: $(SERVER) $(BENCH_TOOLS)
	@mkdir -p $(BENCH_FOLDER)
	@$(BENCH_BIN)/bench_log $(BENCH_FOLDER) >$(BENCH_FOLDER)/log.jsonl
	@$(BENCH_BIN)/bench_json >$(BENCH_FOLDER)/json.jsonl
	@$(BENCH_RUN) --add $(BENCH_FOLDER)/log.jsonl --add $(BENCH_FOLDER)/json.jsonl

bench-run-index: $(BENCH_ALONE)
	@$(BENCH_RUN_INDEX)

bench-run-filter: $(BENCH_BIN)/bench_index $(BENCH_BIN)/bench_filter
	@$(BENCH_ENV) tests/bench/bench_filter.py $(BENCH_ARGUMENTS)

bench-run-server: $(SERVER) $(BENCH_TOOLS)
	@$(BENCH_RUN)

$(BENCH_BIN)/load: $(BENCH_BIN)/load.o $(BENCH_BIN)/bodies.o
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

$(BENCH_BIN)/bench_kernel: $(BENCH_BIN)/bench_kernel.o $(BENCH_BIN)/set.o $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BENCH_BIN)/bench_index: $(BENCH_BIN)/bench_index.o $(BENCH_BIN)/churn.o $(BENCH_BIN)/set.o $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BENCH_BIN)/bench_filter: $(BENCH_BIN)/bench_filter.o $(BENCH_BIN)/set.o $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BENCH_BIN)/bench_%: $(BENCH_BIN)/bench_%.o $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# hnswlib is compiled when it is installed: that needs the headers of this Python.
bench-ready:
	@tests/run.sh tools
	@$(MAKE) --no-print-directory $(BENCH_READY)

$(BENCH_READY): tests/bench/requirements.txt tests/bench/requirements-alone.txt
	$(call SAY,PIP)
	@packages="$$($(BENCH_PYTHON) -c 'import os, sysconfig; \
	    print("" if os.path.exists(sysconfig.get_path("include") + "/Python.h") else "python3-dev")') \
	    $$(test -d /usr/share/wordnet || echo wordnet-base)"; \
	    test -z "$$(echo $$packages)" || \
	    { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends $$packages; }
	@$(BENCH_PYTHON) -m pip install -q --disable-pip-version-check -r $<
	@$(BENCH_PYTHON) -m pip install -q --disable-pip-version-check --no-deps -r tests/bench/requirements-alone.txt
	@touch $@
