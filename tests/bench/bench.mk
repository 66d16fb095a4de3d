# Benchmarks (tests/bench/README.md). BENCH_POINTS=20000 takes a part of the data, BENCH_KEEP=1 keeps the graphs of an
# earlier run, whose build times are then missing.
BENCH_FOLDER := $(BUILD_ROOT)/bench
BENCH_BIN := $(BUILD)/tests/bench
BENCH_PYTHON := $(BUILD_ROOT)/venv/bin/python
BENCH_READY := $(BUILD_ROOT)/venv/.bench-ready
BENCH_RUN = PATH="$(abspath $(BUILD_ROOT)/venv/bin):$$PATH" $(BENCH_PYTHON) -u tests/bench/bench_server.py \
    --folder $(BENCH_FOLDER) --server $(SERVER) --tools $(BENCH_BIN) $(if $(BENCH_POINTS),--points $(BENCH_POINTS)) \
    $(if $(BENCH_KEEP),--keep)

.PHONY: bench bench-index bench-server bench-log bench-json
bench: $(SERVER) $(BENCH_BIN)/bench_index $(BENCH_BIN)/load $(BENCH_BIN)/bench_log $(BENCH_BIN)/bench_json $(BENCH_READY)
bench: ## index, server, log and JSON on real vectors, beside hnswlib (BENCH_POINTS=20000: a part)
	@mkdir -p $(BENCH_FOLDER)
	@$(BENCH_BIN)/bench_log $(BENCH_FOLDER) >$(BENCH_FOLDER)/log.jsonl
	@$(BENCH_BIN)/bench_json >$(BENCH_FOLDER)/json.jsonl
	@$(BENCH_RUN) --add $(BENCH_FOLDER)/log.jsonl --add $(BENCH_FOLDER)/json.jsonl

bench-index: $(BENCH_BIN)/bench_index $(BENCH_READY) ## the graph index alone, beside hnswlib
	@$(BENCH_RUN) --only index

bench-server: $(SERVER) $(BENCH_BIN)/bench_index $(BENCH_BIN)/load $(BENCH_READY) ## the server, beside its index alone
	@$(BENCH_RUN) --only server

bench-log: $(BENCH_BIN)/bench_log ## durable log records a second
	@mkdir -p $(BENCH_FOLDER)
	@$(BENCH_BIN)/bench_log $(BENCH_FOLDER)

bench-json: $(BENCH_BIN)/bench_json ## MB/s of JSON bodies
	@$(BENCH_BIN)/bench_json

$(BENCH_BIN)/load: $(BENCH_BIN)/load.o $(BENCH_BIN)/bodies.o
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

$(BENCH_BIN)/bench_%: $(BENCH_BIN)/bench_%.o $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# hnswlib is compiled when it is installed: that needs the headers of this Python.
$(BENCH_READY): tests/bench/requirements.txt
	$(call SAY,PIP)
	@tests/run.sh tools
	@$(BENCH_PYTHON) -c 'import os, sys, sysconfig; \
	    sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || \
	    { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends python3-dev; }
	@$(BENCH_PYTHON) -m pip install -q --disable-pip-version-check -r $<
	@touch $@
