# Fuzz targets: tests/fuzz/fuzz_<name>.c with its seeds in tests/fuzz/corpus/<name>/.
#   make fuzz-replay            every target over its seeds, gcc with the address sanitizer
#   make fuzz FUZZ_SECONDS=60   every target under libFuzzer (clang); FUZZ=<name> for one
FUZZ_SECONDS ?= 60
FUZZ_CLANG ?= clang-14
FUZZ_CLANGXX ?= clang++-14
FUZZ_NAMES := $(if $(FUZZ),$(FUZZ),$(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c))))
FUZZ_REPLAYS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/replay_%)
FUZZ_BINARIES := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/fuzz_%)

.PHONY: fuzz-replay fuzz fuzz-replay-run fuzz-run
fuzz-replay: ## run every fuzz target over its seeds, under the address sanitizer
	$(MAKE) SAN=asan fuzz-replay-run

fuzz: ## fuzz every target for FUZZ_SECONDS seconds (needs clang)
	$(MAKE) SAN=fuzz CC=$(FUZZ_CLANG) CXX=$(FUZZ_CLANGXX) fuzz-run \
	    SAN_FLAGS_fuzz="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"

# What the two above run, in the variant that they chose.
fuzz-replay-run: $(FUZZ_REPLAYS)
	@for name in $(FUZZ_NAMES); do \
	    $(BUILD)/tests/fuzz/replay_$$name tests/fuzz/corpus/$$name || exit 1; done

# New inputs go to the build folder; only what is worth keeping is copied to the seeds by hand.
fuzz-run: $(FUZZ_BINARIES)
	@for name in $(FUZZ_NAMES); do echo "== fuzz_$$name"; \
	    mkdir -p $(BUILD)/tests/fuzz/found/$$name; \
	    $(BUILD)/tests/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	        -artifact_prefix=$(BUILD)/tests/fuzz/found/ \
	        $(BUILD)/tests/fuzz/found/$$name tests/fuzz/corpus/$$name || exit 1; done

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(TEST_LIB) $(LIB_ARCHIVE)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(TEST_LIB) $(LIB_ARCHIVE)
	$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

.PRECIOUS: $(BUILD)/%.o
