# Chronos. One Makefile, not recursive; `make help` lists the targets.
#
#   SAN=address|thread   builds into build/<SAN> with that sanitizer, and tests what was built
#   CC=clang             works everywhere; its files lie in build[/SAN]/clang
#   B=folder             builds into another folder altogether
#   V=1                  prints the commands whole
#   JOBS=n               compilations, and test programs, that run at once (default: one per
#                        processor); make -jN has the last word on compilations
#
# Every variant has its own folder, and an object is made again when the compiler or its flags
# change, so that variants never mix.

ifeq ($(origin CC),default)
CC := gcc
endif
SAN      ?=
B        := build$(if $(SAN),/$(SAN))$(if $(findstring clang,$(CC)),/clang)
JOBS     ?= $(shell nproc)
PYTHON   ?= python3
PREFIX   ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR  ?=
PKGS     := libevent_core sqlite3 libcrypto
TESTPKGS := cmocka hiredis
CLANG_FORMAT ?= $(shell command -v clang-format-14 || echo clang-format)
VERSION  := $(shell sed -n 's/^\#define CHRONOS_VERSION "\(.*\)".*/\1/p' src/*.h src/*/*.h 2>/dev/null)

MAKEFLAGS += -j$(JOBS)
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

ifneq ($(filter-out address thread,$(SAN)),)
$(error SAN is address or thread, not "$(SAN)")
endif

# A compilation is one short line; with V=1 it is the command itself.
quiet = $(if $(V),,@echo "  $(1)  $@";)

# --- flags ---------------------------------------------------------------------------------------

WERROR  ?= -Werror
# clang calls ASSERT(!"words") a conversion; it is how an impossible case is named.
WARN    := -Wall -Wextra $(WERROR) -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wvla -Wformat=2 -Wconversion -Wno-sign-conversion -Wno-string-conversion -Wundef \
           -Wpointer-arith -Wwrite-strings
CFLAGS  ?= -O2 -g
BASE    := -std=c17 -D_GNU_SOURCE -Isrc $(WARN) -fno-common -fstack-protector-strong
ALLC    := $(BASE) $(CFLAGS)
ALLLD   := -pthread $(LDFLAGS)
ifeq ($(SAN),address)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifeq ($(SAN),thread)
SANFLAGS := -fsanitize=thread
endif
ifdef SANFLAGS
ALLC  += $(SANFLAGS) -fno-omit-frame-pointer
ALLLD += $(SANFLAGS)
else ifeq ($(filter -O0,$(CFLAGS)),)
ALLC  += -D_FORTIFY_SOURCE=2
endif
ALLC  += $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS  := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
TESTLIBS := $(LIBS) $(shell pkg-config --libs $(TESTPKGS) 2>/dev/null)

ifneq ($(filter-out help clean format lint dist bare,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists $(PKGS) && echo found),found)
$(error a library is missing: run deps/install.sh build (or: deps/install.sh test))
endif
endif

# --- what there is -------------------------------------------------------------------------------

SERVER  := $(B)/chronos-server
SRC     := $(wildcard src/*/*.c)
OBJ     := $(SRC:src/%.c=$(B)/obj/%.o)

# What a test is linked with: tests/lib, and the files of its own folder that are no tests.
shared  = $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(wildcard tests/lib/*.c) \
              $(foreach f,$(wildcard tests/$(1)*.c),$(if $(filter test_%,$(notdir $(f))),,$(f))))

# A suite is a folder of tests/: every test_*.c in it is a program, every test_*.py a script, and
# so is every executable file without a suffix; arguments for one of these stand in
# args_<folder>_<name>.
bins    = $(patsubst tests/%.c,$(B)/tests/%,$(foreach d,$(1),$(wildcard tests/$(d)/test_*.c)))
scripts = $(foreach d,$(1),$(wildcard tests/$(d)/test_*.py) \
              $(foreach f,$(call found,$(d)),"tests/$(d)/$(f) $(args_$(d)_$(f))"))
found   = $(shell find tests/$(1) -maxdepth 1 -type f -perm -u+x ! -name '*.*' -printf '%f\n' | sort)
QUICK   := unit protocol conformance
KILLS   ?= $(if $(SAN),60,200)
args_fault_run = --kills $(KILLS) $(if $(SEED),--seed $(SEED))
args_model_run = $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED))
TOOLS   := readme utils
PURE    := tests/model/test_commit.py # runs nothing that a sanitizer could see
CRASH   := fault
BINS    := $(call bins,$(QUICK) model $(CRASH))
BENCH   := $(B)/bench/load

.PHONY: all run tests-build FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(SERVER)  ## build the server: build/chronos-server

run: $(SERVER)  ## start the server on the embedded store in ./chronos-data (ARGS="--port 7400")
	$(SERVER) $(ARGS)

$(SERVER): $(B)/obj/main.o $(B)/libchronos.a
	$(call quiet,LD)$(CC) $(ALLC) $(ALLLD) -o $@ $^ $(LIBS)

$(B)/libchronos.a: $(OBJ) $(B)/sources
	$(call quiet,AR)rm -f $@ && ar rcs $@ $(OBJ)

$(B)/obj/tests/%.o: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALLC) -Itests -MMD -MP -c -o $@ $<

$(B)/obj/%.o: src/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALLC) -MMD -MP -c -o $@ $<

.SECONDEXPANSION:
$(B)/tests/%: $(B)/obj/tests/%.o $$(call shared,$$(dir $$*)) $(B)/libchronos.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALLC) $(ALLLD) -o $@ $^ $(TESTLIBS)

# Two small files that change only when what they hold changes: the compiler with its flags, and
# the list of sources (else an archive would keep the object of a file that was removed).
FORCE:
note = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(B)/flags: FORCE
	$(call note,$(CC) $(ALLC) $(ALLLD))
$(B)/sources: FORCE
	$(call note,$(SRC))

tests-build: $(BINS) $(SERVER)  ## build every test program, run none

# --- tests ---------------------------------------------------------------------------------------

export CHRONOS_SERVER := $(if $(filter /%,$(B)),$(SERVER),$(CURDIR)/$(SERVER))
export SAN
RUN := utils/run-tests --jobs $(JOBS)$(if $(SAN), --san $(SAN))

# A fuzz target is built by clang with libFuzzer for a run, and by $(CC) with replay_main.c to
# replay the corpus.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS := $(FUZZERS:%=$(B)/tests/fuzz/replay_%)
REPLAY_RUNS := $(foreach f,$(FUZZERS),"$(B)/tests/fuzz/replay_$(f) tests/fuzz/corpus/$(f)")
PAGES := $(shell grep -lsE '^\$$ redis-cli' README.md src/README.md docs/*.md)
README_RUNS := $(PAGES:%="tests/readme/run-transcript %")

.PHONY: test test-unit test-protocol test-conformance test-model test-crash test-readme
.PHONY: test-replay valgrind

# What measures time and what loads the machine most run last, one at a time.
test: $(BINS) $(SERVER) $(REPLAYS) $(if $(SAN),,fuzz-build $(BENCH))  ## every test; SAN=address|thread: with that build
	@$(RUN) $(call bins,$(QUICK)) $(call scripts,$(QUICK)) \
	    $(call bins,model) $(filter-out $(if $(SAN),$(PURE)),$(call scripts,model)) $(REPLAY_RUNS) \
	    $(if $(SAN),,$(wildcard $(TOOLS:%=tests/%/test_*.py))) \
	    $(if $(SAN),,$(README_RUNS) $(FUZZ_RUNS)) \
	    --alone $(if $(SAN),,$(wildcard tests/bench/test_*.py)) \
	    $(call bins,$(CRASH)) $(call scripts,$(CRASH))

test-unit: $(call bins,unit)  ## unit tests: one module each, no server
	@$(RUN) $^ $(call scripts,unit)

test-protocol: $(call bins,protocol) $(SERVER)  ## a real server over real sockets
	@$(RUN) $(filter-out $(SERVER),$^) $(call scripts,protocol)

test-conformance: $(call bins,conformance)  ## what any store must do, faults injected
	@$(RUN) $^ $(call scripts,conformance)

test-model: $(call bins,model) $(SERVER)  ## random commands against a plain model (STEPS=n SEED=n); the protocol's model check
	@$(RUN) $(filter-out $(SERVER),$^) $(call scripts,model)

test-crash: $(call bins,$(CRASH)) $(SERVER)  ## kills at fault points and random moments, then every promise checked (KILLS=n)
	@$(RUN) --verbose --alone $(filter-out $(SERVER),$^) $(call scripts,$(CRASH))

test-readme: $(SERVER) $(BENCH)  ## the transcripts of the README, executed; the tools' own tests
	@$(RUN) $(wildcard $(TOOLS:%=tests/%/test_*.py)) $(README_RUNS) \
	    --alone $(wildcard tests/bench/test_*.py)

test-replay: $(REPLAYS)  ## replay the fuzz corpus
	@$(RUN) $(REPLAY_RUNS)

valgrind: $(call bins,unit conformance)  ## unit and conformance tests under valgrind
	@$(RUN) --wrap "valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite" $^

# --- fuzz ----------------------------------------------------------------------------------------

FUZZ ?= json
TIME ?= 60
FB   := build/fuzz
FUZZCC  := clang
FUZZC   := $(BASE) -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
           -fsanitize=address,undefined
FUZZOBJ := $(SRC:src/%.c=$(FB)/obj/%.o)
FUZZ_RUNS = $(foreach f,$(FUZZERS),"tests/fuzz/run $(f) 20")

.PHONY: fuzz fuzz-short fuzz-build
fuzz: $(FB)/fuzz_$(FUZZ)  ## fuzz one target: FUZZ=json|resp TIME=60 (seconds)
	tests/fuzz/run $(FUZZ) $(TIME)

fuzz-short: fuzz-build  ## 20 s of each fuzz target
	@utils/run-tests --jobs $(JOBS) $(FUZZ_RUNS)

fuzz-build: $(FUZZERS:%=$(FB)/fuzz_%)

$(FB)/fuzz_%: $(FB)/obj/tests/fuzz_%.o $(FB)/libchronos.a
	$(call quiet,LD)$(FUZZCC) $(FUZZC) -fsanitize=fuzzer -pthread -o $@ $^ $(LIBS)

$(FB)/obj/tests/%.o: tests/fuzz/%.c $(FB)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(FUZZCC) $(FUZZC) -Itests -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FB)/obj/%.o: src/%.c $(FB)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(FUZZCC) $(FUZZC) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FB)/libchronos.a: $(FUZZOBJ) $(FB)/sources
	$(call quiet,AR)rm -f $@ && ar rcs $@ $(FUZZOBJ)

$(FB)/flags: FORCE
	$(call note,$(FUZZCC) $(FUZZC))
$(FB)/sources: FORCE
	$(call note,$(SRC))

$(B)/tests/fuzz/replay_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay_main.o $(B)/libchronos.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALLC) $(ALLLD) -o $@ $^ $(LIBS)

# --- speed ---------------------------------------------------------------------------------------

.PHONY: bench bench-build
bench: bench-build  ## the speed table: ratios against redis-server in one run (see tests/bench)
	tests/bench/run $(ARGS)

bench-build: $(BENCH) $(SERVER)

$(BENCH): $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(wildcard tests/bench/load*.c)) $(B)/libchronos.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALLC) $(ALLLD) -o $@ $^ $(LIBS)

# --- form and documents --------------------------------------------------------------------------

CFILES := $(wildcard src/*.[ch] src/*/*.[ch] tests/*/*.[ch])

.PHONY: lint format docs check-docs
lint:  ## layers, sizes, style, format, static analysis
	@utils/lint $(CLANG_FORMAT)

format:  ## rewrite the sources in the project's format
	$(CLANG_FORMAT) -i $(CFILES)

# What is printed by the program is never written by hand.
PRINTED := docs/COMMANDS.md docs/SETTINGS.md conf/chronos.json
print_docs/COMMANDS.md  := --print-commands
print_docs/SETTINGS.md  := --print-settings
print_conf/chronos.json := --print-config

docs: $(SERVER)  ## rewrite docs/COMMANDS.md, docs/SETTINGS.md, conf/chronos.json from the server
	@mkdir -p docs conf
	@$(foreach f,$(PRINTED),$(SERVER) $(print_$(f)) > $(f).new && mv $(f).new $(f) &&) echo "docs: $(PRINTED)"

check-docs: $(SERVER)  ## fail when one of them differs from what the server prints
	@bad=0; $(foreach f,$(PRINTED),$(SERVER) $(print_$(f)) | diff -u $(f) - || bad=1;) \
	if [ $$bad = 1 ]; then echo "a printed file is out of date: run make docs" >&2; exit 1; fi
	@echo "check-docs: $(words $(PRINTED)) files are what the server prints"

# --- delivery ------------------------------------------------------------------------------------

.PHONY: install dist bare clean help
install: $(SERVER)  ## install into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/chronos \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(SYSCONFDIR)/chronos
	install -m 755 $(SERVER) $(DESTDIR)$(PREFIX)/bin/chronos-server
	install -m 644 $(wildcard README.md LICENSE CHANGELOG.md docs/*.md) \
	    $(DESTDIR)$(PREFIX)/share/doc/chronos
	sed -e "s|@bindir@|$(PREFIX)/bin|" -e "s|@sysconfdir@|$(SYSCONFDIR)|" \
	    -e "s|@docdir@|$(PREFIX)/share/doc/chronos|" utils/chronos.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/chronos.service
	test -e $(DESTDIR)$(SYSCONFDIR)/chronos/chronos.json || \
	    install -m 644 conf/chronos.json $(DESTDIR)$(SYSCONFDIR)/chronos/chronos.json

dist:  ## a tarball of what is committed, in build/
	@mkdir -p build
	git archive --format=tar.gz --prefix=chronos-$(VERSION)/ \
	    -o build/chronos-$(VERSION).tar.gz HEAD
	@echo build/chronos-$(VERSION).tar.gz

bare:  ## the README's two commands on a bare Debian 12 (needs root and debootstrap)
	tests/bare/run

clean:  ## remove build/
	rm -rf build

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile

-include $(OBJ:.o=.d) $(B)/obj/main.d
-include $(patsubst tests/%.c,$(B)/obj/tests/%.d,$(wildcard tests/*/*.c))
-include $(FUZZOBJ:.o=.d) $(FUZZERS:%=$(FB)/obj/tests/fuzz_%.d)
