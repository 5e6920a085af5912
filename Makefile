# pare: build, checks, demo. One file, nothing generated outside build/.
#
#   make demo      install what is missing, build, run the embedded demo recipe
#   make test      install what is missing, build, run every test
#   make           build build/release/pare
#   make lint      layers, globals, headers, banned functions, format
#   make bench     pare beside llama.cpp on real models (see docs/speed.md)
#   make bench-quantize   pare quantize beside llama-quantize, every type
#   make bench-eval   pare eval --against beside llama-perplexity --kl-divergence
#   make bench-distill   a distillation step beside PyTorch's
#   make fuzz      each fuzz target for FUZZ_SECONDS (60)
#   make install   pare into $(DESTDIR)$(PREFIX)/bin
#   make format    rewrite the sources in the house format
#   make docs      the table of docs/architectures.md from the rows
#   make clean
#
# test-unit test-check test-golden test-cli test-fuzz test-oom test-lint run one kind.
# CONFIG=release|clang|asan|tsan|fuzz chooses the flags and the folder under build/.

CONFIG ?= release
PREFIX ?= /usr/local
B      := build/$(CONFIG)

MAKEFLAGS += -r
.DELETE_ON_ERROR:
.SUFFIXES:

FLAGS_release := -O2 -fopenmp
FLAGS_clang   := -O2 -Wno-unknown-pragmas
FLAGS_asan    := -O1 -Wno-unknown-pragmas -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -Wno-unknown-pragmas -fsanitize=thread
FLAGS_fuzz    := -O1 -Wno-unknown-pragmas -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
$(if $(FLAGS_$(CONFIG)),,$(error CONFIG=$(CONFIG): one of release clang asan tsan fuzz))
ifneq ($(filter clang fuzz,$(CONFIG)),)
CC := clang-14
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wundef -Wwrite-strings -Wcast-qual \
	-Wformat=2 -Wpointer-arith -Wno-missing-field-initializers $(WERROR)
PKGS   := libcjson yaml-0.1 libpcre2-8 libutf8proc libcrypto zlib sqlite3 openblas
FLAGS  := -std=c11 -g $(FLAGS_$(CONFIG)) $(WARN) -fno-common -fvisibility=hidden \
	-ffp-contract=off -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. -include tests/lint/banned.h
CFLAGS ?=
# Several machines: where OpenMPI is installed. MPI= leaves it out.
MPI    := $(if $(filter release clang,$(CONFIG)),$(shell pkg-config --exists ompi-c 2>/dev/null && echo ompi-c))
LIBS    = $(shell pkg-config --libs $(PKGS) $(MPI)) -lmvec -lm -lpthread

LAYERS := formats quant runtime eval distill recipes
LEVELS := scalar $(if $(filter x86_64,$(shell uname -m)),avx2 avx512)
REF_C  := $(sort $(wildcard quant/ref/*.c))
WIDE_C := $(sort $(wildcard distill/wide/*.c))
LIB_C  := $(filter-out $(REF_C) $(WIDE_C),$(sort $(foreach d,$(LAYERS),$(wildcard $(d)/*.c $(d)/*/*.c $(d)/*/*/*.c))))
TOOL_C := $(sort $(wildcard tools/*.c))
UNIT_C := $(sort $(wildcard tests/unit/test_*.c))
CHECK_C := $(sort $(wildcard tests/check/*.c))
GOLD_C := $(sort $(wildcard tests/golden/golden_*.c))
FUZZ_C := $(sort $(wildcard tests/fuzz/fuzz_*.c))
OOM_C  := $(sort $(wildcard tests/oom/oom_*.c))
TEST_C := $(sort $(wildcard tests/*.c)) # helpers shared by test programs

obj  = $(patsubst %.c,$(B)/%.o,$(1))
exe  = $(patsubst %.c,$(B)/%,$(1))
LIB := $(B)/libpare.a
CODECS_O = $(LEVELS:%=$(B)/quant/codecs_%.o)
WIDE_O = $(LEVELS:%=$(B)/distill/wide_%.o)
PARE := $(B)/pare

all: $(PARE)

# V=1 shows the commands.
Q := $(if $(V),,@)

# Flags a file needs beyond the common ones follow its name, nothing else does.
$(B)/%_avx2.o:   ISA := -mavx2 -mfma -mf16c
$(B)/%_avx512.o: ISA := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl \
	-mavx512vnni
$(B)/%_avx512bf16.o: ISA := -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16
$(B)/%_amx.o:    ISA := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl \
	-mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16

# Conversions and losses are plain C that gains from the vectorizer; it keeps every order of
# operations, so the numbers stay the same.
$(B)/quant/pipe/%.o $(B)/quant/half.o $(B)/quant/codec.o $(B)/quant/coded.o \
$(B)/quant/coded/%.o $(B)/quant/rows.o $(B)/distill/loss_%.o $(B)/distill/optim.o: ISA := -O3 -fno-math-errno -fno-trapping-math

$(B)/distill/comm.o: ISA := $(if $(MPI),-DPARE_MPI $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(MPI))))
$(B)/distill/comm.o: $(B)/mpi
$(B)/mpi: FORCE
	@mkdir -p $(B)
	@echo '$(MPI)' | cmp -s - $@ || echo '$(MPI)' >$@

# A change of compiler or flags rebuilds everything, a no-op rebuilds nothing.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(FLAGS) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(FLAGS) $(CFLAGS)' >$@

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(if $(V),,echo "  CC    $<";) $(CC) $(FLAGS) $(CFLAGS) $(ISA) -MMD -MP -c -o $@ $<

# The codecs are compiled for each level of processor and linked to one object a level, in
# which only the table keeps its name. No FMA: every level gives the same bytes.
REF_FAST   := $(if $(filter release clang,$(CONFIG)),-O3 -fno-math-errno -fno-trapping-math)
REF_scalar :=
REF_avx2   := -mavx2 -mf16c
REF_avx512 := $(REF_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
define CODECS
$(B)/quant/ref/%.$(1).o: quant/ref/%.c $(B)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(if $$(V),,echo "  CC    $$< ($(1))";) $$(CC) $$(FLAGS) $$(REF_FAST) $$(CFLAGS) \
		$$(REF_$(1)) -DCODEC_TABLE=codec_table_$(1) -MMD -MP -c -o $$@ $$<

$(B)/quant/codecs_$(1).o: $(patsubst %.c,$(B)/%.$(1).o,$(REF_C))
	$$(Q)ld -r -o $$@.all $$^ && objcopy --keep-global-symbol=codec_table_$(1) $$@.all $$@ && rm $$@.all
endef
$(foreach l,$(LEVELS),$(eval $(call CODECS,$(l))))

# Training's inner loops are made the same way, with FMA: levels differ in the last bits.
WIDE_FAST   := $(if $(filter release clang,$(CONFIG)),-O3 -fno-math-errno -fno-trapping-math) -Wno-psabi
WIDE_avx2   := -mavx2 -mfma -ffp-contract=fast
WIDE_avx512 := $(WIDE_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
define WIDES
$(B)/distill/wide/%.$(1).o: distill/wide/%.c $(B)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(if $$(V),,echo "  CC    $$< ($(1))";) $$(CC) $$(FLAGS) $$(WIDE_FAST) $$(CFLAGS) \
		$$(WIDE_$(1)) -DWIDE_TABLE=wide_table_$(1) -MMD -MP -c -o $$@ $$<

$(B)/distill/wide_$(1).o: $(patsubst %.c,$(B)/%.$(1).o,$(WIDE_C))
	$$(Q)ld -r -o $$@.all $$^ && objcopy --keep-global-symbol=wide_table_$(1) $$@.all $$@ && rm $$@.all
endef
$(foreach l,$(LEVELS),$(eval $(call WIDES,$(l))))

$(LIB): $(call obj,$(LIB_C)) $(CODECS_O) $(WIDE_O)
	@rm -f $@
	$(Q)ar rcsD $@ $^

$(PARE): $(call obj,$(TOOL_C)) $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(FLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(LIBS)

# ---- test programs: one executable a file, TAP on stdout ----------------------
$(B)/tests/unit/test_codec: $(B)/quant/ref/search.scalar.o $(B)/quant/ref/symmetric.scalar.o # what no other file sees
$(call exe,$(UNIT_C)): $(B)/%: $(B)/%.o $(call obj,$(TEST_C)) $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(FLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(call exe,$(GOLD_C)): $(B)/%: $(B)/%.o $(call obj,$(TEST_C)) $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(FLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/tests/check/check: $(call obj,$(CHECK_C)) $(call obj,$(TEST_C)) $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(FLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(LIBS)

WRAPS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=posix_memalign
$(call exe,$(OOM_C)): $(B)/%: $(B)/%.o $(B)/tests/oom/alloc.o $(call obj,$(TEST_C)) $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(FLAGS_$(CONFIG)) $(LDFLAGS) $(WRAPS) -o $@ $^ $(LIBS)

$(B)/tests/bench/synthetic: $(B)/tests/bench/synthetic.o $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(FLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(LIBS)

# With CONFIG=fuzz these explore; with any other they replay the files they are given.
$(call exe,$(FUZZ_C)): $(B)/%: $(B)/%.o \
		$(if $(filter fuzz,$(CONFIG)),,$(B)/tests/fuzz/replay.o) $(LIB)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) $(patsubst -fsanitize=fuzzer-no-link%,-fsanitize=fuzzer%,$(FLAGS_$(CONFIG))) \
		$(LDFLAGS) -o $@ $^ $(LIBS)

TESTS := $(call exe,$(UNIT_C) $(GOLD_C) $(OOM_C) $(FUZZ_C)) $(B)/tests/check/check
tests: $(PARE) $(TESTS)

# ---- targets for people --------------------------------------------------------
demo:
	@sh .ci/packages.sh build
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(PARE) run recipes/demo/student.yaml --out build/demo

TEST_KINDS ?= unit check golden cli fuzz oom lint
FUZZ_SECONDS ?= 60
test:
	@sh .ci/packages.sh build test
	@sh .ci/packages.sh browser || echo 'pare: no chromium: pages are not looked at' >&2
	@sh .ci/packages.sh mpi || echo 'pare: no OpenMPI: one machine only' >&2
	@sh .ci/packages.sh trace || echo 'pare: no strace: no kills at chosen system calls' >&2
	@$(MAKE) --no-print-directory -j$$(nproc) tests WERROR=-Werror
	@$(MAKE) --no-print-directory -j$$(nproc) tests CONFIG=asan WERROR=-Werror
	@$(MAKE) --no-print-directory -j$$(nproc) all CONFIG=clang
	@PARE=$(PARE) FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/run.sh $(TEST_KINDS)

test-%: 
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@PARE=$(PARE) B=$(B) sh tests/run.sh $*

lint:
	@sh .ci/packages.sh build test
	@$(MAKE) --no-print-directory -j$$(nproc) tests WERROR=-Werror
	@PARE=$(PARE) B=$(B) sh tests/run.sh lint

fuzz: fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/run.sh explore

fuzzers:
	@sh .ci/packages.sh build test fuzz
	@$(MAKE) --no-print-directory -j$$(nproc) CONFIG=fuzz $(patsubst %.c,build/fuzz/%,$(FUZZ_C))

bench: all
	@sh tests/bench/all.sh

bench-quantize: all $(B)/tests/bench/synthetic
	@sh tests/bench/quantize.sh

bench-eval: all
	@sh tests/bench/eval.sh

bench-distill: all
	@sh tests/bench/distill.sh

install: all
	install -D -m 755 $(PARE) $(DESTDIR)$(PREFIX)/bin/pare

format:
	clang-format-14 -i $$(git ls-files '*.c' '*.h')

docs: $(PARE)
	$(Q)$(PARE) inspect --architectures > $(B)/families.md
	$(Q)sed -i -e '/^<!-- families -->$$/,/^<!-- end -->$$/{/^|/d}' \
		-e '/^<!-- families -->$$/r $(B)/families.md' docs/architectures.md

clean:
	rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

FORCE:
.PHONY: all tests demo test lint fuzz fuzzers bench bench-quantize bench-eval bench-distill install format docs clean help FORCE
.SECONDARY:

-include $(foreach l,$(LEVELS),$(REF_C:%.c=$(B)/%.$(l).d) $(WIDE_C:%.c=$(B)/%.$(l).d))
-include $(patsubst %.o,%.d,$(call obj,$(LIB_C) $(TOOL_C) $(UNIT_C) $(CHECK_C) $(GOLD_C) \
	$(FUZZ_C) $(OOM_C) $(TEST_C)))
