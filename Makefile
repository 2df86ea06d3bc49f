# Minnow's build: no configure step. Everything made lies in $(BUILD), the program also as ./minnow.
#   make run | test | asan | tsan | test-arm | fuzz | bench | packs | install | clean        V=1 shows the commands
#   make measure | measure-guard | measure-schema | measure-private | measure-tok            on data sets: DATA=FOLDER
BUILD ?= build
PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
VERSION := 0.1.0
SOVERSION := 0

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wvla -Wdouble-promotion \
  $(if $(WERROR),-Werror)
OPTIMISE ?= -O3 -g
# -ffp-contract=off: fused multiply-add only where a kernel says so, for the same bits everywhere
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -ffp-contract=off -fPIC -fvisibility=hidden -pthread \
  $(OPTIMISE) $(WARNINGS) -Isrc -Iinclude $(shell $(PKG_CONFIG) --cflags jansson sqlite3 libcurl 2>/dev/null) \
  $(SANITIZE) $(CFLAGS)
LIBS := $(shell $(PKG_CONFIG) --libs jansson sqlite3 2>/dev/null || echo -ljansson -lsqlite3) -lm -ldl
# The program takes in those that are there as archives: loading them would be a fifth of a millisecond of its start
archive_of = $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a 2>/dev/null))
LIBS_INSIDE := $(foreach l,jansson sqlite3,$(or $(call archive_of,$(l)),-l$(l))) -lm -ldl
LINK = $(CC) -pthread $(OPTIMISE) $(SANITIZE) $(LDFLAGS)

# where an installed library looks for its packs when they are not beside the program
FLAGS_api/shipped := -DMN_DATA_DIR='"$(PREFIX)/share/minnow"'
# kernels are compiled once per instruction set; a file for another machine compiles to nothing. Sanitizers make
# compilers take minutes for them. clang (fuzz) leaves them unchecked; gcc (asan, tsan) has their memory checked by
# calls, and the rest of its checks in isa_scalar alone: the same bodies but for AMX's, there kept out of line.
UNCHECKED := $(if $(SANITIZE),$(if $(findstring clang,$(CC)),-fno-sanitize=all,-fno-sanitize=undefined \
  --param asan-instrumentation-with-call-threshold=0))
FLAGS_cpu/isa_scalar := $(if $(SANITIZE),-O1 -fno-inline $(if $(findstring clang,$(CC)),-fno-sanitize=all))
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
ifneq (,$(findstring x86_64,$(MACHINE)))
FLAGS_cpu/isa_avx2 := -mavx2 -mfma -mf16c $(UNCHECKED)
FLAGS_cpu/isa_avx512vnni := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma $(UNCHECKED)
FLAGS_cpu/isa_amx := $(FLAGS_cpu/isa_avx512vnni)
else ifneq (,$(findstring aarch64,$(MACHINE)))
FLAGS_cpu/isa_neondot := -march=armv8.2-a+dotprod $(UNCHECKED)
endif

SOURCES := $(sort $(wildcard src/*/*.c))
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
CLI_OBJECTS := $(filter $(BUILD)/obj/cli/%,$(OBJECTS))
LIB_OBJECTS := $(filter-out $(CLI_OBJECTS),$(OBJECTS))
PROGRAM := $(if $(CLI_OBJECTS),$(BUILD)/minnow)

TEST_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/test_*.c)))
HELPERS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/*_cases.c)))
FUZZ_SOURCES := $(filter-out tests/fuzz_main.c,$(sort $(wildcard tests/fuzz_*.c)))
REPLAYS := $(FUZZ_SOURCES:tests/fuzz_%.c=$(BUILD)/tests/replay_%)
FUZZERS := $(REPLAYS:$(BUILD)/tests/replay_%=$(BUILD)/tests/fuzz_%)
BENCHES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/bench_*.c)))

Q := $(if $(V),,@)
SAY = $(if $(V),@:,@echo "  $(1)	$(2)")

.PHONY: all tests fuzzers run test asan tsan test-arm fuzz bench packs install clean \
  measure measure-guard measure-schema measure-private measure-tok
.DELETE_ON_ERROR:
.SECONDARY:

# the program at the root is the plain build's
all: $(BUILD)/libminnow.a $(BUILD)/libminnow.so $(PROGRAM) \
  $(if $(and $(PROGRAM),$(filter build,$(BUILD))),minnow)

# ---- the library and the program ----

$(BUILD)/obj/%.o: src/%.c Makefile
	$(call SAY,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(FLAGS_$*) -MMD -MP -c $< -o $@

# the list of objects is a file of its own, so that a source that was taken away leaves the library too
$(BUILD)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJECTS)' | cmp -s - $@ || echo '$(LIB_OBJECTS)' > $@
.PHONY: FORCE
FORCE:

# and so is PREFIX, so that "make, make install PREFIX=..." gives a library that finds its packs there
$(BUILD)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' > $@

$(BUILD)/obj/api/shipped.o: $(BUILD)/prefix

$(BUILD)/libminnow.a: $(LIB_OBJECTS) $(BUILD)/objects
	$(call SAY,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJECTS)

$(BUILD)/libminnow.so.$(SOVERSION): $(LIB_OBJECTS) $(BUILD)/objects
	$(call SAY,LD,$@)
	$(Q)$(LINK) -shared -Wl,-soname,libminnow.so.$(SOVERSION) $(LIB_OBJECTS) $(LIBS) -o $@

$(BUILD)/libminnow.so: $(BUILD)/libminnow.so.$(SOVERSION)
	@ln -sf $(<F) $@

# the program looks for packs/ beside itself; in $(BUILD) that is a link
$(BUILD)/minnow: $(CLI_OBJECTS) $(BUILD)/libminnow.a
	$(call SAY,LD,$@)
	$(Q)$(LINK) $(CLI_OBJECTS) $(BUILD)/libminnow.a $(LIBS_INSIDE) -o $@
	@ln -sfn $(CURDIR)/packs $(BUILD)/packs

minnow: $(BUILD)/minnow
	@cp -f $< $@

# ---- tests, fuzz targets, benchmarks: what is tested is optimised, what tests it need not be ----

$(BUILD)/tests/%.o: tests/%.c Makefile
	$(call SAY,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -O1 -Itests -DTEST_BUILD='"$(BUILD)"' -MMD -MP -c $< -o $@

$(BUILD)/tests/replay_%: $(BUILD)/tests/fuzz_%.o $(BUILD)/tests/fuzz_main.o $(BUILD)/libminnow.a
	$(call SAY,LD,$@)
	$(Q)$(LINK) $^ $(LIBS) -o $@

$(BUILD)/tests/fuzz_%: $(BUILD)/tests/fuzz_%.o $(BUILD)/libminnow.a
	$(call SAY,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer $^ $(LIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libminnow.a
	$(call SAY,LD,$@)
	$(Q)$(LINK) $^ $(LIBS) -o $@

# a test that makes allocations fail where no allocator is handed in
$(BUILD)/tests/test_convert: override LDFLAGS += -Wl,--wrap=realloc

# the packs of tests/tiny are trained once for the tests that need them; without TINY each trains its own
TINY ?= $(BUILD)/tiny/trained
$(BUILD)/tiny/trained: $(BUILD)/tests/tiny_cases $(wildcard tests/tiny/*/*)
	$(call SAY,TRAIN,$(@D))
	$(Q)rm -rf $(@D) && mkdir -p $(@D) && { $< $(@D) > $(@D)/log || { cat $(@D)/log; exit 1; }; } && touch $@

$(addprefix $(BUILD)/tests/,test_api test_handoff replay_do fuzz_do): | $(TINY)

tests: all $(TINY) $(TEST_PROGRAMS) $(HELPERS) $(REPLAYS)

fuzzers: $(FUZZERS)

# ---- what people call ----

run:
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@./minnow run examples/requests.txt

test:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) tests
	@tests/run.sh $(BUILD)

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

asan:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/asan OPTIMISE="-O1 -g" SANITIZE="$(ASAN)" tests
	@TEST_SLOWER=5 tests/run.sh build/asan

tsan:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/tsan OPTIMISE="-O1 -g" SANITIZE=-fsanitize=thread tests
	@TEST_SLOWER=10 tests/run.sh build/tsan

fuzz:
	@tools/deps.sh fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/fuzz CC=clang OPTIMISE="-O1 -g" \
	  SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz.sh build/fuzz

bench:
	@tools/deps.sh bench
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BENCHES)
	@tools/bench.sh $(BUILD)

# the built packs are in the repository; this makes them again from their sources and packs/trunk.gguf
packs: all
	tools/train_packs.sh

# Figures on data sets that are not part of the repository (README, "Measuring"): DATA is the folder that holds them.
# $(call needs,FOLDER in it,what says more)
needs = @test -d "$(DATA)$(1)" || { echo 'make $@: set DATA to the folder of $(2)' >&2; exit 2; }

measure: all $(BUILD)/tests/value_cases $(BUILD)/tests/do_cases
	$(call needs,/nlu,the data sets; README.md says which)
	DATA=$(DATA)/nlu tools/measure_nlu.sh
	tools/measure_slurp.py $(DATA)/nlu/slurp.devel.jsonl --cases $(BUILD)/tests/do_cases
	tools/recognizers.py $(BUILD)/tests/value_cases $(DATA)/value/recognizers --record

# what the guard finds
measure-guard: all $(BUILD)/tests/guard_cases
	$(call needs,/guard,the data sets; docs/guard.md says which)
	tools/measure_guard.py $(BUILD)/tests/guard_cases packs/guard.gguf $(DATA) --record
	tools/check_redteam.py $(BUILD)/tests/guard_cases packs/guard.gguf

# what the validator and masks reach: schema/, json/ and tok/ in DATA
measure-schema: all $(BUILD)/tests/schema_cases $(BUILD)/tests/json_cases $(BUILD)/tests/maskbench_cases
	$(call needs,/schema,the data sets; docs/schema.md says which)
	tools/measure_schema.sh $(BUILD) $(DATA)

# that nothing kept leaves, on 100,000 made-up requests; with DATA on the texts of its guard/ too
measure-private: $(BUILD)/tests/test_wire
	$(BUILD)/tests/test_wire 100000 $(if $(DATA),$(wildcard $(DATA)/guard/*.jsonl))

# vocabularies with texts and the ids that they should give
measure-tok: $(BUILD)/tests/vocab_cases
	$(call needs,,NAME.gguf with .gguf.inp and .gguf.out)
	tools/measure_tok.py $(BUILD)/tests/vocab_cases $(DATA)

# The packs of tests/tiny come from this machine: training them under an emulator would take hours, and their bytes are
# the same everywhere (docs/architecture.md, "The same bits everywhere")
ARM := aarch64-linux-gnu
test-arm:
	@tools/deps.sh arm
	@$(MAKE) --no-print-directory -j$(JOBS) $(TINY)
	@mkdir -p build/arm/tiny && cp $(dir $(TINY))* build/arm/tiny
	@PKG_CONFIG_LIBDIR=/usr/lib/$(ARM)/pkgconfig $(MAKE) --no-print-directory -j$(JOBS) BUILD=build/arm \
	  CC=$(ARM)-gcc AR=$(ARM)-ar LDFLAGS=-static TINY= tests-static
	@TEST_SLOWER=10 RUNNER=qemu-aarch64-static tests/run.sh build/arm

.PHONY: tests-static
tests-static: $(BUILD)/libminnow.a $(PROGRAM) $(TEST_PROGRAMS) $(REPLAYS)

DEST = $(DESTDIR)$(PREFIX)
install: all
	install -d $(DEST)/bin $(DEST)/lib/pkgconfig $(DEST)/include $(DEST)/share/minnow/packs
	install -m 755 $(BUILD)/minnow $(DEST)/bin/minnow
	install -m 644 include/minnow.h $(DEST)/include/minnow.h
	install -m 644 $(BUILD)/libminnow.a $(DEST)/lib/libminnow.a
	install -m 755 $(BUILD)/libminnow.so.$(SOVERSION) $(DEST)/lib/libminnow.so.$(SOVERSION)
	ln -sf libminnow.so.$(SOVERSION) $(DEST)/lib/libminnow.so
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' tools/minnow.pc.in > $(DEST)/lib/pkgconfig/minnow.pc
	$(if $(wildcard packs/*.gguf),install -m 644 $(wildcard packs/*.gguf) $(DEST)/share/minnow/packs)

clean:
	rm -rf build minnow

-include $(OBJECTS:.o=.d) $(wildcard $(BUILD)/tests/*.d)
