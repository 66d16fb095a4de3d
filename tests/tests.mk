# Test targets. `make unit T=test_arena` runs one unit test; `make unit` runs all; `make test` is tests/run.sh.
UNIT_BINARIES := $(UNIT_TESTS:%=$(BUILD)/tests/unit/%)
LIB_ARCHIVE := $(BUILD)/libsagitta.a

$(LIB_ARCHIVE): $(LIB_OBJECTS) $(GEN_OBJECTS) $(LLHTTP_OBJECT)
	@rm -f $@
	$(call SAY,AR)
	$(Q)ar rcs $@ $^

TEST_LIB := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/*.c))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(TEST_LIB) $(LIB_ARCHIVE)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(PKG_LIBS)
.PRECIOUS: $(BUILD)/tests/unit/%.o

# Libraries that are not built with the sanitizers.
export TSAN_OPTIONS ?= suppressions=$(abspath tests/lib/tsan.supp)

# The unit tests whose subject has threads: what make test runs under the thread sanitizer.
THREADED := $(filter $(UNIT_TESTS),$(shell grep -lE 'pthread\.h|mailbox\.h|replica\.h|engine\.h|worker\.h|log\.h|pool\.h' \
              tests/unit/*.c 2>/dev/null | sed 's,.*/,,; s,\.c$$,,'))

# Figures of recall say nothing about memory, and take minutes under a sanitizer.
SLOW_SANITIZED := $(if $(SAN),$(BUILD)/tests/unit/test_recall)

.PHONY: unit unit-build unit-threads
unit: $(if $(T),$(T:%=$(BUILD)/tests/unit/%),$(filter-out $(SLOW_SANITIZED),$(UNIT_BINARIES))) ## run the unit tests (T=test_x for one)
	@printf '%s\n' $^ | xargs -P $(JOBS) -n 1 tests/lib/run_unit.sh $(BUILD)/unit.lock

unit-threads:
	@$(MAKE) --no-print-directory unit T="$(THREADED)"

# The kernels of 64-bit ARM, cross-compiled and run under emulation with a stand-in for cmocka. On ARM itself `unit`
# runs them.
NEON_CC ?= aarch64-linux-gnu-gcc
NEON_RUN ?= qemu-aarch64
NEON_BUILD := $(BUILD_ROOT)/neon
NEON_TESTS := $(filter test_kernel test_codes test_fastscan,$(UNIT_TESTS))
NEON_SOURCES := $(wildcard index/kernel/*.c) $(addprefix storage/base/,assert.c mem.c random.c)
$(NEON_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(Q)$(CCACHE) $(NEON_CC) -std=gnu17 $(OPT) -O3 -ffp-contract=fast $(WARNINGS) -I. -Itests/lib/emulated \
	    -MMD -MP -c -o $@ $<
$(NEON_BUILD)/test_%: $(NEON_BUILD)/tests/unit/test_%.o $(NEON_SOURCES:%.c=$(NEON_BUILD)/%.o)
	$(call SAY,LINK)
	$(Q)$(NEON_CC) -static -o $@ $^ -lm

.PHONY: test-neon
test-neon: ## run the kernel tests for 64-bit ARM under emulation
	@if command -v $(NEON_CC) >/dev/null && command -v $(NEON_RUN) >/dev/null; then \
	    $(MAKE) --no-print-directory $(NEON_TESTS:%=$(NEON_BUILD)/%) && \
	    for t in $(NEON_TESTS:%=$(NEON_BUILD)/%); do echo "== $$t"; $(NEON_RUN) $$t || exit 1; done; \
	else echo "test-neon: skipped, $(NEON_CC) or $(NEON_RUN) is not installed"; fi
-include $(shell find $(NEON_BUILD) -name '*.d' 2>/dev/null)

.PHONY: test api kill memory differential lint
test: ## set up and run everything that a change must pass
	@tests/run.sh

TEST_ENV = SAGITTA_BIN=$(abspath $(SERVER))
api: $(SERVER) ## run the API tests in Python and JavaScript (A=test_errors.py for one file)
	@tests/run.sh tools && cd tests/api && $(TEST_ENV) $(abspath $(BUILD_ROOT))/venv/bin/pytest -q $(A) \
	    $(if $(A),,&& $(abspath tests)/run.sh js)

kill: $(SERVER) ## kill the server 100 times in the middle of writes and check it each time (N=100)
	@tests/run.sh tools && $(TEST_ENV) $(abspath $(BUILD_ROOT))/venv/bin/python -u tests/fault/kill_test.py $(or $(N),100)

memory: $(SERVER) ## 2.7 GB of vectors in a server that may have 256 MB (root; 15 minutes)
	@tests/run.sh tools && $(TEST_ENV) $(abspath $(BUILD_ROOT))/venv/bin/python -u tests/fault/memory_test.py $(A)

differential: $(SERVER) ## random operations here and on the client's in-memory mode (SAGITTA_SEED, SAGITTA_STEPS)
	@tests/run.sh tools && cd tests/api && $(TEST_ENV) $(abspath $(BUILD_ROOT))/venv/bin/pytest -q -s test_differential.py

CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-14) $(shell command -v clang-format))
lint: ## check layout, layers, words and sizes (tests/lint), and the format
	@tests/lint/lint.sh
	@git ls-files '*.c' '*.h' '*.cc' | xargs $(CLANG_FORMAT) --dry-run -Werror

include $(wildcard tests/fuzz/fuzz.mk tests/bench/bench.mk)
