# Test targets. `make unit T=test_arena` runs one unit test; `make unit` runs all.
UNIT_BINARIES := $(UNIT_TESTS:%=$(BUILD)/tests/unit/%)
LIB_ARCHIVE := $(BUILD)/libsagitta.a

$(LIB_ARCHIVE): $(LIB_OBJECTS) $(GEN_OBJECTS) $(LLHTTP_OBJECT)
	@rm -f $@
	ar rcs $@ $^

TEST_LIB := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/*.c))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(TEST_LIB) $(LIB_ARCHIVE)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(PKG_LIBS)
.PRECIOUS: $(BUILD)/tests/unit/%.o

.PHONY: unit
unit: $(if $(T),$(T:%=$(BUILD)/tests/unit/%),$(UNIT_BINARIES)) ## run the unit tests (T=test_x for one)
	@for t in $^; do echo "== $$t"; $$t || exit 1; done
