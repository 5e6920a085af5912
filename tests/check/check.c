/* Every kernel of every CPU level against the scalar ones. `check --bench` measures
 * instead; `check SEED` replays a failure. */

#include "tests/check/check.h"

#include "formats/base/cpu.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[] = {"avx2", "avx512", "amx"};

/* {name, function, rounds, for each type} */
static const struct {
    const char *name;
    check_fn *fn;
    int rounds;
    bool types;
} checks[] = {
    {"dec",         check_dec,         20,  true },
    {"ints",        check_ints,        20,  true },
    {"gemm f32",    check_gemm_f32,    12,  true },
    {"gemm bf16",   check_gemm_bf16,   12,  true },
    {"gemm int16",  check_gemm_int16,  12,  true },
    {"vec f32",     check_vec_f32,     20,  true },
    {"vec bf16",    check_vec_bf16,    20,  true },
    {"vec int16",   check_vec_int16,   20,  true },
    {"pack int16",  check_pack_int16,  200, false},
    {"dot",         check_dot,         200, false},
    {"axpy",        check_axpy,        200, false},
    {"rms_norm",    check_rms_norm,    200, false},
    {"silu_mul",    check_silu_mul,    200, false},
    {"layer_norm",  check_layer_norm,  200, false},
    {"gelu_tanh",   check_gelu_tanh,   200, false},
    {"gelu_erf",    check_gelu_erf,    200, false},
    {"log_sum_exp", check_log_sum_exp, 200, false},
    {"max",         check_max,         200, false},
    {"divergence",  check_divergence,  200, false},
    {"exp_from",    check_exp_from,    200, false},
    {"log",         check_log,         200, false},
    {"soft_sums",   check_soft_sums,   200, false},
    {"soft_pull",   check_soft_pull,   200, false},
    {"rope",        check_rope,        200, false},
    {"attn",        check_attn,        60,  false},
};

static const enum dtype types[] = {DTYPE_F32,  DTYPE_F16,  DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0,
                                   DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K};

enum {
    N_LEVELS = sizeof(levels) / sizeof(levels[0]),
    N_CHECKS = sizeof(checks) / sizeof(checks[0]),
    N_TYPES = sizeof(types) / sizeof(types[0])
};

static void run_check(struct tap *tap, const char *level, const struct kern *now, size_t c,
                      enum dtype t, uint64_t seed)
{
    struct kern ref;
    struct rnd r = {seed};
    struct why w = {{0}};
    bool good = true;
    const char *type = t ? dtype_get(t)->name : "";

    kern_init(&ref, 0);
    for (int i = 0; i < checks[c].rounds && good; i++)
        good = checks[c].fn(&ref, now, t, &r, &w);
    tap_ok(tap, good, "%s: %s %s", level, checks[c].name, type);
    if (!good)
        tap_note("seed %" PRIu64 ": %s", seed, w.msg);
}

static void run_level(struct tap *tap, const char *level, uint64_t seed)
{
    struct err err;
    struct kern now;
    unsigned mask = 0;

    if (cpu_mask(&mask, level, &err))
        return;
    if (strcmp(cpu_level(cpu_detect() & mask), level)) {
        tap_skip(tap, level, "this CPU lacks it");
        return;
    }
    kern_init(&now, cpu_detect() & mask);
    for (size_t c = 0; c < N_CHECKS; c++)
        for (size_t t = 0; t < (checks[c].types ? N_TYPES : 1); t++)
            run_check(tap, level, &now, c, checks[c].types ? types[t] : DTYPE_NONE, seed);
}

int main(int argc, char **argv)
{
    struct tap tap = {0};
    uint64_t seed = 1;

    if (argc > 1 && !strcmp(argv[1], "--bench"))
        return bench();
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10) | !strtoull(argv[1], NULL, 10);
    for (int l = 0; l < N_LEVELS; l++)
        run_level(&tap, levels[l], seed);
    return tap_done(&tap);
}
