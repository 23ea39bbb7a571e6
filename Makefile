# weir. Everything that is built goes below build/, a folder for each variant; nothing else is written.
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules
.PHONY: build help run test check spec unit conformance e2e crash soak asan tsan bench lint format install clean
.PHONY: packages test-packages programs sanitized

BUILD ?= build
CFLAGS ?= -O2 -g
DESTDIR ?=
PREFIX ?= /usr/local

# A library as pkg-config calls it, and the Debian package it comes in.
LIBRARIES = lua5.4:liblua5.4-dev lua5.4-cjson:lua-cjson-dev hiredis:libhiredis-dev libuv:libuv1-dev libmd:libmd-dev
PACKAGES = gcc libc6-dev pkg-config uthash-dev lua5.4 redis-server lua-rex-pcre2 \
           $(foreach library,$(LIBRARIES),$(lastword $(subst :, ,$(library))))
TEST_PACKAGES = $(PACKAGES) lua-busted lua-cjson lua-check libcmocka-dev \
                lua-socket lua-sec lua-penlight lua-unit lua-term man-db mandoc zsh fish supervisor runit

names := $(foreach library,$(LIBRARIES),$(firstword $(subst :, ,$(library))))
LIBRARY_FLAGS := $(shell pkg-config --cflags $(names) 2>/dev/null)
LIBRARY_LINKS := $(shell pkg-config --libs $(names) 2>/dev/null) -lm -pthread

# Lines of the build are short; V=1 shows them whole.
say = $(if $(V),,@echo '  $(1) $(patsubst $(BUILD)/%,%,$(2))';)

# Sanitizers look for the same themselves, and fortified functions need optimization.
HARDEN = $(if $(SANITIZE)$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
         $(if $(SANITIZE),,-fstack-protector-strong -fstack-clash-protection)
RELRO = -Wl,-z,relro,-z,now

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
COMPILE = $(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(HARDEN) $(SANITIZE) $(CFLAGS) -Ihost $(LIBRARY_FLAGS)
LINK = $(CC) $(SANITIZE) $(CFLAGS) $(RELRO) $(LDFLAGS)

sources := $(wildcard host/*.c host/*/*.c)
objects := $(sources:%.c=$(BUILD)/%.o) $(BUILD)/assets_table.o
units := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/test_*.c))
faults := $(wildcard tests/fault.c)
natives := $(patsubst host/lua/%.c,build/native/weir/native/%.so,$(wildcard host/lua/json.c host/lua/order.c)) \
           build/native/resp.so build/native/clock.so
assets := $(shell find lua redis-scripts -name '*.lua' 2>/dev/null | LC_ALL=C sort)

build: $(BUILD)/weir ## build build/weir (also plain `make`; V=1 shows each command)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: packages ## install what is missing, build, run the first example on a Redis of its own
	@$(MAKE) build
	$(BUILD)/weir run task-a --dir workflows --data '{"value":10,"message":"hello"}'

test: test-packages ## install what is missing, build, run every test; the last line counts them
	@$(MAKE) programs
	@lua5.4 tests/run.lua $(BUILD) style unit spec redis conformance e2e crash

check: programs ## what to run before a commit: lint, units, specs, conformance
	@$(MAKE) lint
	@lua5.4 tests/run.lua $(BUILD) unit spec redis conformance

unit: programs ## the C units
	@lua5.4 tests/run.lua $(BUILD) unit

spec: programs ## specs of the Lua modules and of the Redis scripts
	@lua5.4 tests/run.lua $(BUILD) spec redis

conformance: programs ## the same cases in memory and on a host
	@lua5.4 tests/run.lua $(BUILD) conformance

e2e: programs ## stories on the binary and a real Redis
	@lua5.4 tests/run.lua $(BUILD) e2e

crash: programs ## abort at every call and cut every connection, all of them
	@WEIR_CRASH=all lua5.4 tests/run.lua $(BUILD) crash

asan: $(natives) ## units, stories and crashes under AddressSanitizer and UBSan
	@$(MAKE) sanitized BUILD=build/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover'

tsan: $(natives) ## the same under ThreadSanitizer
	@TSAN_OPTIONS=report_thread_leaks=0 $(MAKE) sanitized BUILD=build/tsan SANITIZE=-fsanitize=thread

sanitized: build $(BUILD)/faulty $(units)
	@lua5.4 tests/run.lua $(BUILD) unit e2e crash

soak: programs ## random specs from a new seed, scheduling under load, then hosts killed at random (WEIR_SOAK=10m)
	@WEIR_SEED=$${WEIR_SEED:-new} WEIR_TIMES=$${WEIR_TIMES:-10} lua5.4 tests/run.lua $(BUILD) random
	@WEIR_JOBS=$$((4 * $$(nproc))) lua5.4 tests/run.lua $(BUILD) scheduling
	@WEIR_FAILOVERS=20 lua5.4 tests/run.lua $(BUILD) failovers
	@lua5.4 tests/soak.lua $(BUILD)

bench: build $(BUILD)/bench $(natives) ## throughput and latency beside the floor, measured in the same run (ONLY=name)
	@$(if $(filter testing takeover,$(ONLY)),,$(BUILD)/bench $(BUILD)/weir $(ONLY))
	@$(if $(filter-out takeover,$(ONLY)),,lua5.4 tests/bench/takeover.lua $(BUILD))
	@$(if $(filter-out testing,$(ONLY)),,lua5.4 tests/bench/testing.lua)

lint: ## luacheck, clang-format, and the warnings of clang beside those of gcc
	luacheck -q lua redis-scripts spec tests workflows host .busted .luacheckrc
	clang-format --dry-run -Werror $(wildcard host/*.[ch] host/*/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])
	@for file in $(sources); do \
	    $(COMPILE) -Werror -fsyntax-only $$file && \
	    clang -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -Werror -fsyntax-only -Ihost $(LIBRARY_FLAGS) $$file || exit 1; \
	done

format: ## lay out the C sources
	clang-format -i $(wildcard host/*.[ch] host/*/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

# Made of the tables from which `weir help` is made.
packaging := $(addprefix $(BUILD)/packaging/,weir.1 weir.bash _weir weir.fish weir.service)

install: build $(packaging) ## install to $(PREFIX): binary, Lua for editors and busted, manual page, completions, unit
	install -D -m 755 $(BUILD)/weir $(DESTDIR)$(PREFIX)/bin/weir
	for file in $(filter lua/%,$(assets)); do \
	    install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/lua/5.4/$${file#lua/} || exit 1; \
	done
	install -D -m 644 $(BUILD)/packaging/weir.1 $(DESTDIR)$(PREFIX)/share/man/man1/weir.1
	install -D -m 644 $(BUILD)/packaging/weir.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	install -D -m 644 $(BUILD)/packaging/_weir $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_weir
	install -D -m 644 $(BUILD)/packaging/weir.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/weir.fish
	install -D -m 644 $(BUILD)/packaging/weir.service $(DESTDIR)$(PREFIX)/lib/systemd/system/weir.service
	install -D -m 644 host/packaging/notify-reload.conf $(DESTDIR)$(PREFIX)/share/weir/notify-reload.conf

clean: ## remove what was built
	rm -rf build

packages:
	@.ci/packages $(PACKAGES)

test-packages:
	@.ci/packages $(TEST_PACKAGES)

programs: build $(BUILD)/faulty $(units) $(natives)

# Says all that is to be installed before the compiler complains about a header.
$(BUILD)/libraries: Makefile
	@missing=; \
	for tool in pkg-config lua5.4; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	command -v $(firstword $(CC)) >/dev/null || missing="$$missing gcc libc6-dev"; \
	for pair in $(LIBRARIES); do pkg-config --exists $${pair%:*} 2>/dev/null || missing="$$missing $${pair#*:}"; done; \
	echo '#include <uthash.h>' | $(CC) -E - >/dev/null 2>&1 || missing="$$missing uthash-dev"; \
	[ -z "$$missing" ] || { echo "weir needs more to be built: apt-get install$$missing" >&2; exit 1; }
	@mkdir -p $(@D) && touch $@

$(BUILD)/host/%.o: host/%.c $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -MMD -MP -c $< -o $@

$(BUILD)/assets_table.c: host/assets/assets.lua $(assets) $(BUILD)/libraries
	$(call say,LUA,$@)lua5.4 host/assets/assets.lua $(assets) > $@

$(BUILD)/assets_table.o: $(BUILD)/assets_table.c host/assets/assets.h
	$(call say,CC,$@)$(COMPILE) -c $< -o $@

PACKAGING = @mkdir -p $(@D)
LUA_TABLES = LUA_PATH='lua/?.lua;lua/?/init.lua' lua5.4

$(BUILD)/packaging/weir.1: host/packaging/manual_page.lua $(wildcard lua/weir/cli/*.lua) $(BUILD)/weir
	$(PACKAGING)
	$(call say,LUA,$@)$(LUA_TABLES) $< "$$($(BUILD)/weir version)" > $@

$(BUILD)/packaging/weir.bash: SHELL_NAME = bash
$(BUILD)/packaging/_weir: SHELL_NAME = zsh
$(BUILD)/packaging/weir.fish: SHELL_NAME = fish
$(BUILD)/packaging/weir.bash $(BUILD)/packaging/_weir $(BUILD)/packaging/weir.fish: host/packaging/completions.lua \
    $(wildcard lua/weir/cli/*.lua)
	$(PACKAGING)
	$(call say,LUA,$@)$(LUA_TABLES) $< $(SHELL_NAME) > $@

# PREFIX may differ from the last call.
.PHONY: $(BUILD)/packaging/weir.service
$(BUILD)/packaging/weir.service: host/packaging/weir.service
	$(PACKAGING)
	$(call say,SED,$@)sed 's|@bindir@|$(PREFIX)/bin|' $< > $@

# All but main: a unit test that includes the file under test takes the rest from here.
$(BUILD)/host.a: $(filter-out $(BUILD)/host/main.o,$(objects))
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/weir: $(objects)
	$(call say,LD,$@)$(LINK) $^ $(LIBRARY_LINKS) -o $@

$(BUILD)/faulty: $(BUILD)/weir $(faults)
	$(call say,LD,$@)$(COMPILE) $(faults) $(objects) $(LDFLAGS) $(LIBRARY_LINKS) -o $@

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/host.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(COMPILE) -Itests/unit -MMD -MP $< $(BUILD)/host.a $(LDFLAGS) $(LIBRARY_LINKS) -lcmocka -o $@

$(BUILD)/bench: $(wildcard tests/bench/*.[ch]) $(BUILD)/host.a
	$(call say,LD,$@)$(COMPILE) $(filter %.c %.a,$^) $(LDFLAGS) $(LIBRARY_LINKS) -o $@

build/native/weir/native/json.so: host/lua/json_encode.c host/lua/json_decode.c
build/native/weir/native/%.so: host/lua/%.c $(wildcard host/*/*.h) $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call say,CC,$@)$(COMPILE) -fPIC -shared $(filter %.c,$^) -o $@

# The Redis client of the script specs.
build/native/resp.so: tests/support/resp.c $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call say,CC,$@)$(COMPILE) -fPIC -shared $< $(shell pkg-config --libs hiredis 2>/dev/null) -o $@

# Preloaded into the Redis of a story, to move its clock.
build/native/clock.so: tests/support/clock.c $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call say,CC,$@)$(COMPILE) -fPIC -shared $< -o $@

-include $(objects:.o=.d) $(units:=.d)
