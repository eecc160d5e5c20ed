# Every variant builds in a folder of its own: make; make SAN=address,undefined;
# make CC=clang BUILD=build-clang.
SAN     ?=
BUILD   ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
comma   := ,
PREFIX  ?= /usr/local
DESTDIR ?=
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Wconversion -Wimplicit-fallthrough -Werror
CFLAGS  ?= $(if $(SAN),-O1 -g1,-O2 -g)
PKGS    := libssh2 libarchive libzstd libconfig openssl sqlite3 libuv jansson \
           libgfshare fuse3 libcurl
BASE     = -std=gnu11 -D_GNU_SOURCE -Iinclude -MMD -MP $(WARN) \
           $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) \
           $(COVERAGE) \
           -DBASCULE_VERSION='"$(VERSION)"' -pthread
VERSION := 0.1.0
# A program loads what it uses: only basculed needs libcurl and its many own.
LIBS     = -Wl,--as-needed $(shell pkg-config --libs $(PKGS)) -pthread

LIB_SRC    := $(wildcard lib/*/*.c)
CLI_SRC    := $(wildcard cli/*.c)
DAEMON_SRC := $(wildcard daemon/*.c)
DAEMON_LIB := $(filter-out daemon/main.c,$(DAEMON_SRC)) # for its tests
TEST_SRC   := $(wildcard tests/unit/*/*.c tests/support/*.c)
HEADERS    := $(wildcard include/bascule/*.h include/bascule/*/*.h lib/*/*.h)
obj         = $(patsubst %.c,$(BUILD)/%.o,$(1))
WRAPPED    := $(shell sh tools/wrapped.sh \
    tests/support/fault.c tests/support/fault_process.c \
    tests/support/chance.c tests/support/puppet.c)

# A line a step; V=1 shows the commands.
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo "  $(1)	$@")

.PHONY: all unit unit-tests model sim sim-mutants soak shim test demo deps floors symbols format format-check \
    lengths checked-build checked-unit fuzzers fuzz valgrind bench bench-huge bench-many bench-steps torture crash worker-faults fidelity install clean policy-doc
all: $(BUILD)/bascule $(if $(DAEMON_SRC),$(BUILD)/basculed)

# Everything the compiler needs is there, or the one line that installs it is
# printed (make deps does it).
$(BUILD)/deps: tools/deps.sh
	@mkdir -p $(@D)
	@sh tools/deps.sh check build || sh tools/deps.sh install build
	@touch $@
$(call obj,$(LIB_SRC) $(CLI_SRC) $(DAEMON_SRC)): | $(BUILD)/deps

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
# module's suites only, M=a,b those of two.
M ?=
unit-tests: $(BUILD)/unit-tests
unit: $(BUILD)/unit-tests build/ward
	CK_DEFAULT_TIMEOUT=120 $(if $(SAN),CK_FORK=no) sh tools/unit.sh \
	    $(BUILD)/unit-tests $(subst $(comma), ,$(M))
# Answers for what a test leaves behind: of one kind, whatever the variant.
build/ward: tests/tools/ward.c
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 $(WARN) -o $@ $<
$(BUILD)/tests/suites.c: tools/suites.sh $(wildcard tests/unit/*/test_*.c)
	@mkdir -p $(@D)
	sh tools/suites.sh $(wildcard tests/unit/*/test_*.c) >$@
$(BUILD)/tests/suites.o: $(BUILD)/tests/suites.c
	$(CC) $(BASE) $(CFLAGS) -c -o $@ $<
$(BUILD)/unit-tests: $(call obj,$(TEST_SRC)) $(BUILD)/tests/suites.o \
    $(call obj,$(DAEMON_LIB)) $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ \
	    $(shell pkg-config --libs check) $(LIBS)
$(BUILD)/tests/%.o: BASE += -Itests -I.
# Half of what a build for the tests would take is optimising the tests.
$(BUILD)/tests/unit/%.o $(BUILD)/tests/support/%.o: CFLAGS = -O0 -g1

# The store against a simple model of it: tests/model/README.md.
MODEL_SRC := $(wildcard tests/model/*.c)
model: $(BUILD)/model
$(BUILD)/model: $(call obj,$(MODEL_SRC)) $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $(patsubst %,-Wl$(comma)--wrap=%,\
	    $(shell sh tools/wrapped.sh tests/model/*.c)) -o $@ $^ $(LIBS)

# Authority, plans and both daemons' shells in a simulated world: tests/sim/README.md.
SIM_SRC := $(wildcard tests/sim/*.c)
$(BUILD)/sim: $(call obj,$(SIM_SRC)) $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
# SEED=N tells one history; HISTORIES=N runs as many.
sim: $(BUILD)/sim
	$(BUILD)/sim $(if $(SEED),-s $(SEED) -n 1 -t,-n $(or $(HISTORIES),10000))
# Each guard's call removed, each mistake of a shell made: all must be seen.
sim-mutants: $(BUILD)/sim
	sh tests/sim/mutants.sh $(BUILD)/sim

# Ten million files that are on no disk, in 256 MiB.
$(BUILD)/huge: $(call obj,tests/huge/huge.c) $(BUILD)/libbascule.a
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $(patsubst %,-Wl$(comma)--wrap=%,\
	    $(shell sh tools/wrapped.sh tests/huge/huge.c)) -o $@ $^ $(LIBS)

# Between a program and the kernel, for the campaigns of tests/crash.
shim: $(BUILD)/tests/crash/shim.so
$(BUILD)/tests/crash/shim.so: tests/crash/shim.c
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) -fPIC -shared -o $@ $< -ldl
.PHONY: gate move-faults
gate: $(BUILD)/tests/crash/gate.so
$(BUILD)/tests/crash/gate.so: tests/crash/gate.c
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(BASE) $(CFLAGS) -fPIC -shared -o $@ $< -ldl
# Every fault at every record of every mode of a move; RESULTS keeps what was done.
move-faults: all gate
	sh tests/crash/moves.sh

test:
	@sh tools/deps.sh install test
	@MAKE=$(MAKE) sh tests/run.sh

# Modules whose suites are quick enough under valgrind; the rest of the code it
# sees in whole runs of the program (the sanitizers see all of it).
VALGRIND_M ?= base archive wire policy report
valgrind: $(BUILD)/unit-tests $(BUILD)/bascule build/ward
	CK_FORK=no sh tools/unit.sh valgrind -q --error-exitcode=9 --leak-check=full \
	    --errors-for-leak-kinds=definite $(BUILD)/unit-tests $(VALGRIND_M)
	sh tests/support/valgrind.sh $(BUILD)/bascule

# What make test runs with the sanitizers is one build, by clang: it warns of all
# there is, and its unit tests and fuzz targets share the library.  -O0: optimising
# what the sanitizers have added takes far longer than it saves.
CHECKED := build-checked
CHECKED_CFLAGS := -O0 -g1
BY_CLANG = $(MAKE) CC=clang BUILD=$(CHECKED) CHECKED=$(CHECKED) SAN=address,undefined \
           CFLAGS='$(CHECKED_CFLAGS)' COVERAGE=-fsanitize=fuzzer-no-link
checked-build:
	+$(BY_CLANG) all unit-tests fuzzers
checked-unit:
	+$(BY_CLANG) unit M=$(M)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_SECONDS ?= 60
fuzzers: $(FUZZ_SRC:tests/fuzz/%.c=$(CHECKED)/%)
# One program with all targets, linked once; which one it is its name says.
$(CHECKED)/tests/fuzz/fuzz_%.o: BASE += -Wno-missing-prototypes \
    -DLLVMFuzzerTestOneInput=$(basename $(@F))
$(CHECKED)/fuzz: $(FUZZ_SRC:%.c=$(CHECKED)/%.o) $(CHECKED)/tests/fuzz/target.o \
    $(CHECKED)/libbascule.a
	$(call say,LINK)
	$(Q)clang $(BASE) $(CFLAGS) -fsanitize=fuzzer '-Wl,--export-dynamic-symbol=fuzz_*' \
	    -o $@ $^ $(LIBS)
$(CHECKED)/fuzz_%: $(CHECKED)/fuzz
	@ln -f $< $@
# For longer than make test does it, in a build that is quicker to run than to make.
fuzz: CHECKED = build-fuzz
fuzz: CHECKED_CFLAGS = -O1 -g1
fuzz:
	+$(BY_CLANG) fuzzers
	sh tools/fuzz.sh $(CHECKED) $(FUZZ_SECONDS)

# --- the house's own rules -------------------------------------------------
floors:
	@awk -f tools/floors.awk lib/FLOORS $(LIB_SRC) $(CLI_SRC) $(DAEMON_SRC) \
	    $(HEADERS)
symbols: $(call obj,$(LIB_SRC))
	@sh tools/symbols.sh $(BUILD)
C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null | grep -v '^tests/bench/')
format:
	clang-format -i $(C_FILES)
format-check:
	@clang-format --dry-run -Werror $(C_FILES)

lengths:
	@awk -v max=80 -f tools/lengths.awk $(LIB_SRC) $(CLI_SRC) $(DAEMON_SRC)

# docs/POLICY.md is written from the table that loads policies; a test fails
# when it is not current.
policy-doc: $(BUILD)/bascule
	$(BUILD)/bascule policy reference >docs/POLICY.md

# --- for people -------------------------------------------------------------
deps:
	sh tools/deps.sh install build demo test
demo:
	@sh tools/deps.sh install demo
	@$(MAKE) -j$$(nproc) all
	@sh demo/demo.sh
# The long form of scenarios that make test runs short; SEED repeats one.
torture: all
	EVERY_CALL=1 $(MAKE) SAN=address,undefined unit
	ROUNDS=$${ROUNDS:-50} tests/scenario/60-kill.sh
	ROUNDS=$${ROUNDS:-50} tests/scenario/61-daemon-kill.sh
	ROUNDS=$${ROUNDS:-50} tests/scenario/65-prune-differences.sh
	CUTS=$${CUTS:-100} BYTES=$${BYTES:-2GiB} tests/scenario/81-cuts.sh
	FILES=$${FILES:-100000} tests/scenario/26-far-killed.sh
	EVERY=1 tests/scenario/84-heal-both-ways.sh
	EVERY=1 tests/scenario/85-hostile-sender.sh
	EVERY=1 tests/scenario/79-hostile-trees.sh
	EVERY=1 tests/scenario/79-hostile-archives.sh
	EVERY=1 tests/scenario/95-etcd.sh
	EVERY=1 tests/scenario/95-etcd-move.sh
	EVERY=1 tests/scenario/96-real-service.sh
	FLIPS=$${FLIPS:-every} tests/scenario/62-flip.sh
	HISTORIES=$${HISTORIES:-2000} sh tests/scenario/11-retention-second-opinion.sh
	$(MAKE) crash
	sh tests/fidelity.sh
# Every call at which a run can be cut off or fail, every state a power cut can
# leave, hostile repositories: tests/crash/README.md.
crash: all shim
	$(MAKE) SAN=address,undefined all
	for s in tests/scenario/6[6-9]-*.sh; do MOST=0 $$s || exit 1; done
worker-faults: all shim
	MOST=0 tests/scenario/68-worker-calls.sh
# The store in generated interleavings and moves in generated histories, millions
# of them where there is time.
soak: model $(BUILD)/sim
	$(BUILD)/sim -s $${FIRST:-1} -n $${SEEDS:-1000000}
	$(BUILD)/model -s $${FIRST:-1} -n $${SEEDS:-1000000}
# What this system is made of, there and back: 8 GB of room in TMPDIR.
fidelity: all
	sh tests/fidelity.sh
bench: all
	@sh tools/deps.sh install bench
	@sh tests/bench/bench.sh
bench-many: all
	@sh tests/bench/many.sh
bench-steps: all
	@sh tests/bench/steps.sh
bench-huge: $(BUILD)/huge
	tests/huge/huge.sh $(BUILD)/huge
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin \
	    $(DESTDIR)$(PREFIX)/share/doc/bascule/policies
	install -m 755 $(BUILD)/bascule $(DESTDIR)$(PREFIX)/bin/bascule
	install -m 755 $(BUILD)/basculed $(DESTDIR)$(PREFIX)/sbin/basculed
	cp -R policies/. $(DESTDIR)$(PREFIX)/share/doc/bascule/policies/
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/bascule completion bash \
	    >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/bascule
	$(BUILD)/bascule completion zsh \
	    >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_bascule
	$(BUILD)/bascule completion fish \
	    >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/bascule.fish
	for unit in daemon/systemd/*.service; do \
	    sed 's,@BINDIR@,$(PREFIX)/bin,; s,@SBINDIR@,$(PREFIX)/sbin,' $$unit | \
	    install -D -m 644 /dev/stdin \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}; done
	install -D -m 644 daemon/systemd/bascule.sysusers \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/bascule.conf
	for page in man/*; do install -D -m 644 $$page \
	    $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	install -m 644 README.md docs/schema/bascule.schema.json \
	    $(DESTDIR)$(PREFIX)/share/doc/bascule/

clean:
	rm -rf build build-*
-include $(patsubst %.o,%.d,$(call obj,$(LIB_SRC) $(CLI_SRC) $(DAEMON_SRC) \
    $(TEST_SRC) $(MODEL_SRC) $(SIM_SRC) $(FUZZ_SRC)))
