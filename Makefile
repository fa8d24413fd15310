# ctrace: the build, top to bottom in pipeline order.  `make help` lists the targets; V=1 shows commands.
B ?= build
CC ?= gcc
CXX ?= g++
CLANG ?= clang
BPFTOOL ?= $(shell sh user/gen/deps.sh bpftool)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PREFIX ?= /usr/local

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wstrict-prototypes -Wmissing-prototypes
override CFLAGS += -std=gnu11 $(WARN) -fno-omit-frame-pointer
CPPFLAGS := -Iinclude -Iuser -I$(B)/gen -D_GNU_SOURCE
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDLIBS := -lbpf -ldw -lelf -lz -ljansson -liberty -lZydis -lpthread

ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
# clang -target bpf does not search the host's multiarch headers
BPF_INC := $(shell $(CLANG) -v -E - </dev/null 2>&1 | sed -n '/<...> search starts here:/,/End of search list./{ s| \(/.*\)|-idirafter \1|p }')
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Iinclude -Ibpf -Wall -Wno-missing-declarations $(BPF_INC)

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2);)

# definitions first: libbpf 1.1's linker loses the offset of a map whose extern it met before it
BPF_SRC := bpf/state.bpf.c $(filter-out bpf/state.bpf.c,$(wildcard bpf/*.bpf.c))
USER_SRC := $(wildcard user/*.c user/*/*.c)
LIB_SRC := $(filter-out user/main.c $(wildcard user/gen/*.c),$(USER_SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
DEMO_SRC := $(wildcard demos/*.c)
DEMOS := $(DEMO_SRC:demos/%.c=$(B)/demos/%)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNITS := $(UNIT_SRC:%.c=$(B)/%)

.PHONY: all demos units deps deps-test demo test check check-root lint golden bench soak install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/ctrace demos

help:
	@sed -n 's/^## //p' Makefile

## make            build ctrace and the demos
## make demo       install what is missing, build, and watch the first demo under ctrace
## make test       install what is missing, build, and run every test (those with BPF need root)
## make deps       install what building needs (by the distribution's package manager)
## make check      every test that needs no root
## make check-root the tests that record (BPF; root)
## make bench      measure overhead (root)
## make soak       many runs of what must be announced, and of what must not (root; a quarter of an hour)
## make golden     write the expected outputs of tests/golden anew; review them as a diff
## make install    copy ctrace to $(PREFIX)/bin, the demos to $(PREFIX)/lib/ctrace; DESTDIR is respected
## make clean      remove build/

# ---- kernel side -----------------------------------------------------------------------------
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call msg,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(B)/bpf/ctrace.bpf.linked.o: $(BPF_SRC:%.c=$(B)/%.o)
	$(call msg,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/gen/ctrace.skel.h: $(B)/bpf/ctrace.bpf.linked.o
	$(call msg,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name ctrace_bpf > $@

# ---- generated from the system and from the schema -------------------------------------------
$(B)/gen/syscall_table.h: user/gen/syscalls.sh
	$(call msg,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)CC="$(CC)" sh $< > $@

$(B)/gen/demo_table.h: user/gen/demo_table.sh demos/README.md $(DEMO_SRC)
	$(call msg,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)sh $< demos > $@

$(B)/gen/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '#define CT_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define CT_VERSION "$(VERSION)"' > $@
FORCE:

# ---- user side -------------------------------------------------------------------------------
$(B)/user/%.o: user/%.c
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIB_OBJ) $(B)/user/main.o: | $(B)/gen/version.h $(B)/gen/syscall_table.h $(B)/gen/ctrace.skel.h
$(B)/user/capture/session.o: $(B)/gen/ctrace.skel.h
$(B)/user/capture/syscalls.o: $(B)/gen/syscall_table.h
$(B)/user/cmd/demo.o: $(B)/gen/demo_table.h

$(B)/libctrace.a: $(LIB_OBJ)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/ctrace: $(B)/user/main.o $(B)/libctrace.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# ---- demos: built as a user would, with debug information -------------------------------------
demos: $(DEMOS)
$(B)/demos/%: demos/%.c $(wildcard demos/*.h)
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -Wall -Wextra -pthread $< -o $@

# ---- tests ------------------------------------------------------------------------------------
units: $(UNITS)
$(B)/tests/unit/%: tests/unit/%.c $(B)/libctrace.a
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $< $(B)/libctrace.a $(LDLIBS) -lcmocka -o $@

# The programs that test_symbols looks into, built in every way that programs are built.
SAMPLES := $(B)/tests/unit/samples/built
$(SAMPLES): $(wildcard tests/unit/samples/*)
	$(call msg,SAMPLE,$(@D))
	$(Q)CC="$(CC)" CXX="$(CXX)" CLANG="$(CLANG)" sh tests/unit/samples/build.sh $(@D)
$(B)/tests/unit/test_symbols: tests/unit/sample_stacks.h | $(SAMPLES)

DEPS_SH := user/gen/deps.sh
deps:
	@sh $(DEPS_SH) build
deps-test:
	@sh $(DEPS_SH) build test

demo: deps
	@$(MAKE) --no-print-directory all
	@echo "+ $(strip $(SUDO) $(B)/ctrace $(B)/demos/contention)"
	@$(SUDO) $(B)/ctrace $(B)/demos/contention

test: deps-test
	@$(MAKE) --no-print-directory all units
	@tests/run.sh all

check: all units
	@tests/run.sh check
check-root: all units
	@$(SUDO) tests/run.sh root
lint:
	@tests/run.sh lint
golden: all
	@tests/run.sh golden-write
bench: all
	@$(SUDO) tests/bench/run.py
soak: all
	@$(SUDO) B=$(B) tests/soak.py

install: all
	install -D -m 755 $(B)/ctrace $(DESTDIR)$(PREFIX)/bin/ctrace
	install -d $(DESTDIR)$(PREFIX)/lib/ctrace/demos
	install -m 755 $(DEMOS) $(DESTDIR)$(PREFIX)/lib/ctrace/demos

clean:
	rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(B)/user/main.d $(BPF_SRC:%.bpf.c=$(B)/%.bpf.d)
