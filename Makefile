# Every variant builds in a folder of its own: make; make SAN=address,undefined;
# make CC=clang BUILD=build-clang.
SAN     ?=
BUILD   ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
comma   := ,
PREFIX  ?= /usr/local
DESTDIR ?=
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Wconversion -Wimplicit-fallthrough -Werror
CFLAGS  ?= -O2 -g
PKGS    := libssh2 libarchive libzstd libconfig openssl sqlite3 libuv jansson
BASE     = -std=gnu11 -D_GNU_SOURCE -Iinclude -MMD -MP $(WARN) \
           $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) \
           -DBASCULE_VERSION='"$(VERSION)"' -pthread
VERSION := 0.1.0
LIBS     = $(shell pkg-config --libs $(PKGS)) -pthread

LIB_SRC    := $(wildcard lib/*/*.c)
CLI_SRC    := $(wildcard cli/*.c)
DAEMON_SRC := $(wildcard daemon/*.c)
TEST_SRC   := $(wildcard tests/unit/*/*.c tests/support/*.c)
HEADERS    := $(wildcard include/bascule/*.h include/bascule/*/*.h lib/*/*.h)
obj         = $(patsubst %.c,$(BUILD)/%.o,$(1))
WRAPPED    := $(shell sh tools/wrapped.sh tests/support/fault.c)

# A line a step; V=1 shows the commands.
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo "  $(1)	$@")

.PHONY: all unit test floors symbols format format-check clean
all: $(BUILD)/bascule $(if $(DAEMON_SRC),$(BUILD)/basculed)

$(BUILD)/libbascule.a: $(call obj,$(LIB_SRC))
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^
$(BUILD)/bascule: $(call obj,$(CLI_SRC)) $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/basculed: $(call obj,$(DAEMON_SRC)) $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE) $(CFLAGS) -c -o $@ $<

# --- tests -----------------------------------------------------------------
# tests/unit/store/test_pack.c has one suite_store_pack(); M=store runs one
# module's suites only.
M ?=
unit: $(BUILD)/unit-tests
	$(if $(SAN),CK_FORK=no) $(BUILD)/unit-tests $(M)
$(BUILD)/tests/suites.c: tools/suites.sh $(wildcard tests/unit/*/test_*.c)
	@mkdir -p $(@D)
	sh tools/suites.sh $(wildcard tests/unit/*/test_*.c) >$@
$(BUILD)/tests/suites.o: $(BUILD)/tests/suites.c
	$(CC) $(BASE) $(CFLAGS) -c -o $@ $<
$(BUILD)/unit-tests: $(call obj,$(TEST_SRC)) $(BUILD)/tests/suites.o \
    $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ \
	    $(shell pkg-config --libs check) $(LIBS)
$(BUILD)/tests/%.o: BASE += -Itests

floors:
	awk -f tools/floors.awk lib/FLOORS $(LIB_SRC) $(CLI_SRC) $(DAEMON_SRC) \
	    $(HEADERS)
symbols: $(call obj,$(LIB_SRC))
	sh tools/symbols.sh $(BUILD)
C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null | grep -v '^tests/bench/')
format:
	clang-format -i $(C_FILES)
format-check:
	clang-format --dry-run -Werror $(C_FILES)

clean:
	rm -rf build build-*
-include $(patsubst %.o,%.d,$(call obj,$(LIB_SRC) $(CLI_SRC) $(DAEMON_SRC) \
    $(TEST_SRC)))
