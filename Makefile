# Sagitta: one non-recursive Makefile. `make help` lists the targets.
VERSION := 0.1.0
BUILD_ROOT ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(JOBS)
endif
# One short line a command; V=1 shows the commands.
Q := $(if $(V),,@)
SAY = $(if $(V),,@echo "  $(1)	$@")
SAN ?=
VARIANT := $(if $(SAN),$(SAN),release)
BUILD ?= $(BUILD_ROOT)/$(VARIANT)
CC ?= gcc
CXX ?= g++
CCACHE := $(shell command -v ccache 2>/dev/null)

# Source folders; a narrower list builds a part alone: make unit MODULES="storage/base storage/log" T=test_log
MODULES ?= storage index replication server
LIB_SOURCES := $(filter-out server/main.c,$(shell find $(MODULES) -name '*.c' 2>/dev/null | sort))
CXX_SOURCES := $(shell find $(MODULES) -name '*.cc' 2>/dev/null | sort)

PACKAGES := libuv rocksdb openblas libprotobuf-c simdjson libxxhash yaml-0.1 zlib libcrypto icu-uc re2
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lroaring -lstemmer -lstdc++ -lm -lpthread

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef \
            -Wvla -Wformat=2 -Wcast-align -Wimplicit-fallthrough -Wdouble-promotion $(if $(CI),-Werror)
OPT := -O2 -g -fno-omit-frame-pointer -fstack-protector-strong
SAN_FLAGS_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_FLAGS_tsan := -fsanitize=thread
SAN_FLAGS := $(SAN_FLAGS_$(SAN))
FORTIFY := $(if $(SAN),,-D_FORTIFY_SOURCE=2)
CFLAGS_ALL = -std=gnu17 $(OPT) $(FORTIFY) $(WARNINGS) $(SAN_FLAGS) -I. -I$(BUILD_ROOT)/gen -DSAGITTA_VERSION=\"$(VERSION)\" \
              $(PKG_CFLAGS) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(OPT) $(FORTIFY) -Wall -Wextra -fno-exceptions -fno-rtti $(SAN_FLAGS) -I. $(PKG_CFLAGS) $(CXXFLAGS)
LDFLAGS_ALL := $(SAN_FLAGS) $(LDFLAGS)

LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o) $(CXX_SOURCES:%.cc=$(BUILD)/%.cc.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

# `make SAN=asan` leaves build/asan/sagitta and does not touch build/sagitta.
SERVER := $(if $(SAN),$(BUILD)/sagitta,$(BUILD_ROOT)/sagitta)

.PHONY: all
all: $(SERVER) ## build the server at build/sagitta (SAN=asan or tsan: build/SAN/sagitta)

LLHTTP_DIR ?= /usr/share/llhttp
LLHTTP_INCLUDE ?= /usr/share/include/llhttp
LLHTTP_OBJECT := $(if $(shell pkg-config --exists libllhttp 2>/dev/null && echo yes),,$(BUILD)/llhttp.o)

include proto/gen.mk
include tests/tests.mk

$(BUILD_ROOT)/sagitta: $(BUILD)/sagitta
	@ln -sf $(VARIANT)/sagitta $@

$(BUILD)/sagitta: $(BUILD)/server/main.o $(LIB_OBJECTS) $(GEN_OBJECTS) $(LLHTTP_OBJECT)
	$(call SAY,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/%.o: %.c | $(GEN_HEADERS)
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(Q)$(CCACHE) $(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The commit that the root endpoint names. The header is written only when it changes, and one file looks at it.
ZEROS := 0000000000000000000000000000000000000000
SAGITTA_COMMIT ?= $(or $(shell git rev-parse HEAD 2>/dev/null),$(ZEROS))
COMMIT_HEADER := $(BUILD_ROOT)/gen/commit.h
.PHONY: always
$(COMMIT_HEADER): always
	@mkdir -p $(@D)
	@echo '#define SAGITTA_COMMIT "$(SAGITTA_COMMIT)"' | cmp -s - $@ || \
	    echo '#define SAGITTA_COMMIT "$(SAGITTA_COMMIT)"' >$@
$(BUILD)/server/watch/info.o: $(COMMIT_HEADER)
$(BUILD)/server/watch/info.o: CFLAGS += -include $(COMMIT_HEADER)

$(BUILD)/%.cc.o: %.cc
	@mkdir -p $(@D)
	$(call SAY,CXX)
	$(Q)$(CCACHE) $(CXX) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

# llhttp: some distributions have the library, others only its generated sources. Built here it is in strict mode,
# which newer versions always are: loose mode lets smuggled requests through.
ifeq ($(shell pkg-config --exists libllhttp 2>/dev/null && echo yes),yes)
PKG_CFLAGS += $(shell pkg-config --cflags libllhttp)
PKG_LIBS += $(shell pkg-config --libs libllhttp)
else
$(LLHTTP_OBJECT):
	@mkdir -p $(@D)
	for part in api http llhttp; do $(CC) -O2 -w $(SAN_FLAGS) -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP_INCLUDE) -c \
	    -o $(@D)/llhttp_$$part.o $(LLHTTP_DIR)/$$part.c || exit 1; done
	ld -r -o $@ $(@D)/llhttp_api.o $(@D)/llhttp_http.o $(@D)/llhttp_llhttp.o
$(BUILD)/server/http/%.o: CFLAGS += -isystem $(LLHTTP_INCLUDE)
endif
$(BUILD)/index/kernel/%.o: CFLAGS += -O3 -ffp-contract=fast

# One list of packages, packages.txt, for this and for docker/Dockerfile.
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
.PHONY: deps deps-build run
deps: ## install what is missing to build and test (Debian, Ubuntu; sudo when not root)
	@missing="$$(docker/packages.sh --missing build test)"; if [ -n "$${missing% }" ]; then \
	    $(SUDO) apt-get update -q && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
	        $$(docker/packages.sh --missing build test); fi

deps-build:
	@missing="$$(docker/packages.sh --missing build)"; if [ -n "$${missing% }" ]; then \
	    $(SUDO) apt-get update -q && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
	        $$(docker/packages.sh --missing build); fi

run: deps-build ## install what is missing, build, serve on 127.0.0.1:6333 with the data in ./data
	@$(MAKE) --no-print-directory all
	@exec $(SERVER)

.PHONY: demo
demo: ## load real word vectors, query them, print recall, latency and rate (WORDS=30000: a part)
	@$(MAKE) --no-print-directory deps-build
	@$(MAKE) --no-print-directory all
	@demo/run.sh

.PHONY: docker-test
docker-test: all ## walk the steps of docker/Dockerfile in a debootstrap folder (root; no Docker needed)
	docker/test_rootfs.sh

.PHONY: clean help
clean: ## remove everything that was built
	rm -rf $(BUILD_ROOT)

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
