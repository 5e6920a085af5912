#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/blocks.h"
#include "quant/codec.h"
#include "quant/half.h"
#include "tests/codec_try.h"

#include <math.h>
#include <string.h>

enum { N = 1024 };

static const enum dtype types[] = {DTYPE_Q2_K, DTYPE_Q3_K, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

/* From 1 up, few of them large. */
static void fill_importance(float *w, size_t n, uint64_t seed)
{
    try_normal(w, n, 1.5F, seed);
    for (size_t i = 0; i < n; i++)
        w[i] = expf(w[i]);
}

/* Relative error, weighted by w (NULL: all alike), of x[from, to) as part of a row. */
static double error_part(enum dtype t, const float *x, const float *importance, const float *w,
                         enum codec_effort effort, size_t from, size_t to)
{
    const struct codec *c = codec_get(t, CPU_ALL);
    uint8_t blocks[N];
    float back[N];
    struct err err;
    double e = 0, s = 0;

    assert_int_equal(
        codec_encode_row(c, blocks, x, N, &(struct codec_how){importance, effort}, &err), 0);
    c->dec(back, blocks, N);
    for (size_t i = from; i < to; i++) {
        const double d = (double)x[i] - (double)back[i], u = w ? (double)w[i] : 1;
        assert_true(isfinite(back[i]));
        e += u * d * d;
        s += u * (double)x[i] * (double)x[i];
    }
    return s > 0 ? sqrt(e / s) : sqrt(e);
}

static double error_of(enum dtype t, const float *x, const float *importance, const float *w,
                       enum codec_effort effort)
{
    return error_part(t, x, importance, w, effort, 0, N);
}

/* Of normal numbers: what was measured, and a hundredth. */
static void test_codec_k_error(void **state)
{
    (void)state;
    static const double most[TYPES] = {0.2633, 0.1443, 0.0693, 0.0345, 0.0166};
    float x[N];

    for (int t = 0; t < TYPES; t++) {
        double sum = 0;
        for (uint64_t seed = 1; seed <= 32; seed++) {
            try_normal(x, N, 0.02F, seed);
            sum += pow(error_of(types[t], x, NULL, NULL, EFFORT_NORMAL), 2);
        }
        if (sqrt(sum / 32) > most[t])
            print_message("%s %.4f\n", dtype_get(types[t])->name, sqrt(sum / 32));
        assert_true(sqrt(sum / 32) <= most[t]);
    }
}

/* More effort, less error; with importance, where it asks for that. */
static void test_codec_k_effort(void **state)
{
    (void)state;
    float x[N], w[N];

    for (int t = 0; t < TYPES; t++)
        for (int importance = 0; importance < 2; importance++) {
            double e[EFFORT_COUNT] = {0}, without = 0;
            for (uint64_t seed = 1; seed <= 16; seed++) {
                const float *how = importance ? w : NULL;
                try_normal(x, N, 0.02F, seed);
                fill_importance(w, N, seed + 100);
                for (int effort = 0; effort < EFFORT_COUNT; effort++)
                    e[effort] += pow(error_of(types[t], x, how, how, (enum codec_effort)effort), 2);
                without += pow(error_of(types[t], x, NULL, w, EFFORT_NORMAL), 2);
            }
            assert_true(e[EFFORT_NORMAL] < e[EFFORT_FAST]);
            assert_true(e[EFFORT_BEST] < e[EFFORT_NORMAL]);
            if (importance)
                assert_true(e[EFFORT_FAST] < 0.9 * without);
        }
}

/* No importance over a run, or over all but one column: the run is still written. */
static void test_codec_k_importance_zero(void **state)
{
    (void)state;
    static const double most[TYPES] = {0.33, 0.2, 0.09, 0.05, 0.025};
    float x[N], w[N];

    try_normal(x, N, 0.02F, 5);
    for (int t = 0; t < TYPES; t++) {
        for (size_t i = 0; i < N; i++)
            w[i] = i / 32 % 2 ? 0 : 1;
        for (size_t at = 0; at < N; at += 32)
            assert_true(error_part(types[t], x, w, NULL, EFFORT_NORMAL, at, at + 32) < 2 * most[t]);
        memset(w, 0, sizeof(w));
        assert_true(error_of(types[t], x, w, NULL, EFFORT_NORMAL) < most[t]);
        w[3] = 1;
        assert_true(error_part(types[t], x, w, NULL, EFFORT_NORMAL, 256, N) < most[t]);
    }
}

/* Where the scales are among F16's smallest numbers, or below them. */
static void test_codec_k_tiny(void **state)
{
    (void)state;
    static const struct {
        float sigma;
        double most[TYPES];
    } rows[] = {
        {1e-5F, {0.28, 0.17, 0.08, 0.05, 0.04}},
        {1e-6F, {0.3, 0.2, 0.09, 0.06, 0.06}  },
        {2e-7F, {0.35, 0.35, 0.12, 0.1, 0.1}  },
    };
    float x[N], w[N];

    fill_importance(w, N, 9);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int t = 0; t < TYPES; t++) {
            try_normal(x, N, rows[i].sigma, i);
            const double plain = error_of(types[t], x, NULL, NULL, EFFORT_NORMAL);
            const double weighted = error_of(types[t], x, w, w, EFFORT_NORMAL);
            if (plain > rows[i].most[t] || weighted > rows[i].most[t])
                print_message("%s %g: %g %g\n", dtype_get(types[t])->name, (double)rows[i].sigma,
                              plain, weighted);
            assert_true(plain <= rows[i].most[t] && weighted <= rows[i].most[t]);
        }
}

/* Numbers that no block can hold become zeros, and denormals are no trap. */
static void test_codec_k_denormals(void **state)
{
    (void)state;
    float x[N], w[N], back[N];
    uint8_t blocks[N];
    struct err err;

    fill_importance(w, N, 9);
    for (size_t i = 0; i < N; i++)
        x[i] = f32_from_bits((uint32_t)(i * 8000) | (i % 3 ? 0x80000000U : 0));
    for (int t = 0; t < TYPES; t++)
        for (int importance = 0; importance < 2; importance++) {
            const struct codec *c = codec_get(types[t], CPU_ALL);
            assert_int_equal(codec_encode_row(c, blocks, x, N,
                                              &(struct codec_how){importance ? w : NULL, 0}, &err),
                             0);
            c->dec(back, blocks, N);
            for (size_t i = 0; i < N; i++)
                assert_true(fabsf(back[i]) <= 0);
        }
}

/* Values that lie on a lattice the type has are kept, as those of ternary models. */
static void test_codec_k_lattice(void **state)
{
    (void)state;
    static const int most[TYPES] = {1, 3, 7, 15, 31}; /* multiples to either side */
    float x[N];

    for (int t = 0; t < TYPES; t++)
        for (int levels = 1; levels <= most[t]; levels += most[t] > 1 ? most[t] - 1 : 1) {
            uint64_t seed = 77;
            for (size_t i = 0; i < N; i++)
                x[i] = 0.043F * (float)((int)(next(&seed) % (2 * (unsigned)levels + 1)) - levels);
            for (size_t i = 0; i < N; i += 8)
                x[i] = i % 16 ? 0.043F * (float)levels : -0.043F * (float)levels;
            const double e = error_of(types[t], x, NULL, NULL, EFFORT_NORMAL);
            if (e > 0.002)
                print_message("%s %d: %g\n", dtype_get(types[t])->name, levels, e);
            assert_true(e <= 0.002);
        }
}

/* All values on one side of zero, and constants. */
static void test_codec_k_one_sided(void **state)
{
    (void)state;
    static const double most[TYPES] = {0.2, 0.135, 0.045, 0.022, 0.02};
    float x[N];

    for (int t = 0; t < TYPES; t++)
        for (int sign = -1; sign <= 1; sign += 2) {
            try_normal(x, N, 0.02F, 4);
            for (size_t i = 0; i < N; i++)
                x[i] = (float)sign * fabsf(x[i]);
            const double e = error_of(types[t], x, NULL, NULL, EFFORT_NORMAL);
            for (size_t i = 0; i < N; i++)
                x[i] = (float)sign * 0.7F;
            const double constant = error_of(types[t], x, NULL, NULL, EFFORT_NORMAL);
            if (e > most[t] || constant > 0.003)
                print_message("%s %d: %g %g\n", dtype_get(types[t])->name, sign, e, constant);
            assert_true(e <= most[t] && constant <= 0.003);
        }
}

/* The same bytes whatever the processor, with each effort. */
static void test_codec_k_levels(void **state)
{
    (void)state;
    float x[N], w[N];
    uint8_t want[N], got[N];
    struct err err;

    for (int t = 0; t < TYPES; t++)
        for (uint64_t seed = 0; seed < 24; seed++) {
            const struct codec *scalar = codec_get(types[t], 0);
            const struct codec_how how = {seed % 2 ? w : NULL, (enum codec_effort)(seed % 3)};
            size_t bytes = 0;
            try_normal(x, N, ldexpf(1.0F, (int)seed - 20), seed);
            fill_importance(w, N, seed + 50);
            assert_true(dtype_row_bytes(&bytes, types[t], N));
            assert_int_equal(codec_encode_row(scalar, want, x, N, &how, &err), 0);
            for (unsigned cpu = CPU_AVX2; cpu; cpu = cpu == CPU_AVX2 ? CPU_ALL : 0) {
                assert_int_equal(codec_encode_row(codec_get(types[t], cpu), got, x, N, &how, &err),
                                 0);
                assert_memory_equal(got, want, bytes);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_k_error),           cmocka_unit_test(test_codec_k_effort),
        cmocka_unit_test(test_codec_k_importance_zero), cmocka_unit_test(test_codec_k_tiny),
        cmocka_unit_test(test_codec_k_denormals),       cmocka_unit_test(test_codec_k_lattice),
        cmocka_unit_test(test_codec_k_one_sided),       cmocka_unit_test(test_codec_k_levels),
    };

    return cmocka_run_group_tests_name("codec_k", tests, NULL, NULL);
}
