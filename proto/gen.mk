# Generates C from the .proto files; nothing generated is committed.
PROTOS := qdrant_common json_with_int collections points command sagitta
GEN := $(BUILD_ROOT)/gen
GEN_HEADERS := $(PROTOS:%=$(GEN)/%.pb-c.h) $(GEN)/google/protobuf/timestamp.pb-c.h
GEN_SOURCES := $(GEN_HEADERS:.h=.c)
GEN_OBJECTS := $(GEN_SOURCES:$(GEN)/%.c=$(BUILD)/gen/%.o)

$(GEN)/%.pb-c.h $(GEN)/%.pb-c.c &: proto/%.proto
	@mkdir -p $(GEN)
	protoc-c --c_out=$(GEN) -Iproto -I/usr/include $<

$(GEN)/google/protobuf/timestamp.pb-c.h $(GEN)/google/protobuf/timestamp.pb-c.c &:
	@mkdir -p $(GEN)
	protoc-c --c_out=$(GEN) -I/usr/include google/protobuf/timestamp.proto

$(BUILD)/gen/%.o: $(GEN)/%.c | $(GEN_HEADERS)
	@mkdir -p $(@D)
	$(CCACHE) $(CC) -std=gnu17 -O2 -g -w $(SAN_FLAGS) -I$(GEN) -c -o $@ $<

# Not intermediate: kept between runs.
.SECONDARY: $(GEN_HEADERS) $(GEN_SOURCES)
