# Chronos. One Makefile, not recursive; `make help` lists the targets.
# SAN=address|thread builds into build/<SAN> with that sanitizer; CC=clang works everywhere.

CC       ?= gcc
SAN      ?=
B        := build$(if $(SAN),/$(SAN))$(if $(findstring clang,$(CC)),/clang)
PKGS     := libevent_core sqlite3 libcrypto
TESTPKGS := cmocka hiredis

WARN := -Wall -Wextra -Werror -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wformat=2 -Wconversion -Wno-sign-conversion -Wundef -Wpointer-arith -Wwrite-strings
CFLAGS  ?= -O2 -g
ALLC    := -std=c17 -D_GNU_SOURCE -Isrc $(WARN) -fno-common -fstack-protector-strong $(CFLAGS)
ALLLD   := -pthread
ifeq ($(SAN),address)
ALLC += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ALLLD += -fsanitize=address,undefined
else ifeq ($(SAN),thread)
ALLC += -fsanitize=thread -fno-omit-frame-pointer
ALLLD += -fsanitize=thread
else
ALLC += -D_FORTIFY_SOURCE=2
endif
ALLC += $(shell pkg-config --cflags $(PKGS))
LIBS := $(shell pkg-config --libs $(PKGS)) -lm

SRC  := $(wildcard src/*/*.c)
OBJ  := $(SRC:src/%.c=$(B)/obj/%.o)
UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c tests/conformance/test_*.c tests/protocol/test_*.c))
TESTLIB := $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(wildcard tests/lib/*.c))

.PHONY: all clean
all: $(B)/chronos-server  ## build the server

$(B)/chronos-server: $(B)/obj/main.o $(B)/libchronos.a
	$(CC) $(ALLC) $(ALLLD) -o $@ $^ $(LIBS)

$(B)/libchronos.a: $(OBJ)
	rm -f $@ && ar rcs $@ $^

$(B)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(ALLC) -Itests -MMD -MP -c -o $@ $<

$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(ALLC) -MMD -MP -c -o $@ $<

$(B)/tests/%: $(B)/obj/tests/%.o $(TESTLIB) $(B)/libchronos.a
	@mkdir -p $(@D)
	$(CC) $(ALLC) $(ALLLD) -o $@ $^ $(LIBS) $(shell pkg-config --libs $(TESTPKGS))

tests-build: $(UNIT)

clean:  ## remove build/
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
