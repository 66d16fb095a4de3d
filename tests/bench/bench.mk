# Benchmarks (tests/bench/README.md). BENCH_POINTS=20000 takes a part of the data, BENCH_KEEP=1 keeps the graphs of an
# earlier run, whose build times are then missing.
BENCH_FOLDER := $(BUILD_ROOT)/bench
BENCH_BIN := $(BUILD)/tests/bench
BENCH_PYTHON := $(BUILD_ROOT)/venv/bin/python
BENCH_READY := $(BUILD_ROOT)/venv/.bench-ready
BENCH_TOOLS := $(BENCH_BIN)/bench_index $(BENCH_BIN)/load $(BENCH_BIN)/bench_log $(BENCH_BIN)/bench_json
BENCH_RUN = PATH="$(abspath $(BUILD_ROOT)/venv/bin):$$PATH" $(BENCH_PYTHON) -u tests/bench/bench_server.py \
    --folder $(BENCH_FOLDER) --server $(SERVER) --tools $(BENCH_BIN) $(if $(BENCH_POINTS),--points $(BENCH_POINTS)) \
    $(if $(BENCH_KEEP),--keep)

# What has to be installed comes first: another make then sees the libraries.
.PHONY: bench bench-index bench-server bench-log bench-json bench-ready bench-run bench-run-index bench-run-server
bench: bench-ready ## index, server, log and JSON on real vectors, beside hnswlib (BENCH_POINTS=20000: a part)
	@$(MAKE) --no-print-directory bench-run

bench-index: bench-ready ## the graph index alone, beside hnswlib
	@$(MAKE) --no-print-directory bench-run-index

bench-server: bench-ready ## the server, beside its index alone
	@$(MAKE) --no-print-directory bench-run-server

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

bench-run-index: $(BENCH_TOOLS)
	@$(BENCH_RUN) --only index

bench-run-server: $(SERVER) $(BENCH_TOOLS)
	@$(BENCH_RUN) --only server

$(BENCH_BIN)/load: $(BENCH_BIN)/load.o $(BENCH_BIN)/bodies.o
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

$(BENCH_BIN)/bench_%: $(BENCH_BIN)/bench_%.o $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# hnswlib is compiled when it is installed: that needs the headers of this Python.
bench-ready:
	@tests/run.sh tools
	@$(MAKE) --no-print-directory $(BENCH_READY)

$(BENCH_READY): tests/bench/requirements.txt
	$(call SAY,PIP)
	@$(BENCH_PYTHON) -c 'import os, sys, sysconfig; \
	    sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || \
	    { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends python3-dev; }
	@$(BENCH_PYTHON) -m pip install -q --disable-pip-version-check -r $<
	@touch $@
