# ctrace: the build, top to bottom in pipeline order.  `make help` lists the targets; V=1 shows commands.
B ?= build
FUZZ_SECONDS ?= 3600
CC ?= gcc
CXX ?= g++
CLANG ?= clang
PROTOC_C ?= protoc-c
BPFTOOL ?= $(shell sh user/gen/deps.sh bpftool)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PREFIX ?= /usr/local

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wstrict-prototypes -Wmissing-prototypes
override CFLAGS += -std=gnu11 $(WARN) -fno-omit-frame-pointer
CPPFLAGS := -Iinclude -Iuser -I$(B)/gen -D_GNU_SOURCE
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDLIBS := -lbpf -ldw -lelf -lz -ljansson -lprotobuf-c -liberty -lZydis -lpthread

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
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/gen/perfetto.pb-c.o $(B)/user/export/viewer.o
VIEWER_SRC := $(wildcard dashboards/*.* dashboards/src/*.* dashboards/src/*/*.*)
DEMO_SRC := $(wildcard demos/*.c)
DEMOS := $(DEMO_SRC:demos/%.c=$(B)/demos/%)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNITS := $(UNIT_SRC:%.c=$(B)/%)

.PHONY: all demos units deps deps-test demo test check check-root check-kernels check-sanitize analyze fuzz fuzzers lint golden bench soak install clean help
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
## make check-kernels  the same recordings on other kernels, in qemu (no root)
## make fuzz       an hour (FUZZ_SECONDS) of hostile input for all that reads traces and programs
## make check-sanitize  unit tests, exports and some recordings under the sanitizers (root for the latter)
## make analyze    clang-tidy, cppcheck, gcc -fanalyzer: what they say beyond tests/analyze.accepted
## make bench      what tracing costs, beside perf, bcc, bpftrace and strace (root)
## make soak       many runs of what must be announced, and of what must not (root; about an hour)
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

$(B)/gen/perfetto.pb-c.c: user/export/perfetto.proto
	$(call msg,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PROTOC_C) -I $(<D) --c_out=$(@D) $<
$(B)/gen/perfetto.pb-c.h: $(B)/gen/perfetto.pb-c.c ;

$(B)/gen/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '#define CT_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define CT_VERSION "$(VERSION)"' > $@
.PHONY: FORCE
FORCE:

# ---- the page: one file, built with npm; empty where that cannot be ----------------------------
$(B)/viewer.html: user/gen/viewer.sh $(VIEWER_SRC) $(if $(wildcard $(B)/viewer.html),$(shell test -s $(B)/viewer.html || echo FORCE))
	$(call msg,PAGE,$@)
	$(Q)mkdir -p $(@D)
	$(Q)sh $< dashboards $@

$(B)/user/export/viewer.o: user/export/viewer.S $(B)/viewer.html
	$(call msg,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Wa,-I$(B) -c $< -o $@

# ---- user side -------------------------------------------------------------------------------
$(B)/user/%.o: user/%.c
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/gen/%.o: $(B)/gen/%.c
	$(call msg,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIB_OBJ) $(B)/user/main.o: | $(B)/gen/version.h $(B)/gen/syscall_table.h $(B)/gen/ctrace.skel.h $(B)/gen/perfetto.pb-c.h
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

# ---- fuzzing and sanitizers -----------------------------------------------------------------------
# Everything that reads what others wrote, with the fuzzer's coverage and checks in it.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_LIB := $(filter user/base/% user/trace/% user/model/% user/analysis/% user/export/% user/symbols/%,$(LIB_SRC))
FUZZ_OBJ := $(FUZZ_LIB:%.c=$(B)/fuzz/%.o)

fuzzers: $(FUZZERS) $(B)/fuzz/seed
$(B)/fuzz/user/%.o: user/%.c | $(B)/gen/version.h
	$(call msg,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@
# what is generated or assembled is as it is elsewhere
FUZZ_REST := $(filter-out $(LIB_SRC:%.c=$(B)/%.o),$(LIB_OBJ))
$(B)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(FUZZ_OBJ) $(FUZZ_REST)
	$(call msg,FUZZ,$<)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 $(FUZZ_FLAGS) -fsanitize=fuzzer $< $(FUZZ_OBJ) $(FUZZ_REST) \
		$(LDLIBS) -o $@
$(B)/fuzz/seed: tests/fuzz/seed.c $(B)/libctrace.a
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(B)/libctrace.a $(LDLIBS) -o $@

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
check-kernels: all
	@tests/run.sh kernels
check-sanitize: all
	@$(SUDO) tests/run.sh sanitize
analyze: all
	@tests/analyze.sh
fuzz:
	@tests/fuzz/run.sh $(FUZZ_SECONDS)
lint:
	@tests/run.sh lint
golden: all
	@tests/run.sh golden-write
bench: all
	@sh $(DEPS_SH) build test bench || echo "bench: who is missing is left out"
	@$(SUDO) B=$(abspath $(B)) tests/bench/run.py
soak: all
	@$(SUDO) B=$(B) tests/soak.py

install: all
	install -D -m 755 $(B)/ctrace $(DESTDIR)$(PREFIX)/bin/ctrace
	install -d $(DESTDIR)$(PREFIX)/lib/ctrace/demos
	install -m 755 $(DEMOS) $(DESTDIR)$(PREFIX)/lib/ctrace/demos

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ctrace
	rm -rf $(DESTDIR)$(PREFIX)/lib/ctrace

clean:
	rm -rf $(B)

-include $(LIB_SRC:%.c=$(B)/%.d) $(FUZZ_OBJ:.o=.d) $(B)/user/main.d $(BPF_SRC:%.bpf.c=$(B)/%.bpf.d)
