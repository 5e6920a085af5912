/* The types with one scale a block: ternary weights are exact, importance of zero harms nothing,
 * tiny numbers survive as far as F16 scales let them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "quant/codec.h"
#include "quant/half.h"

#include <math.h>
#include <string.h>

enum { N = 512 };

static const enum dtype legacy[] = {
    DTYPE_Q4_0,  DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1,  DTYPE_Q8_0,  DTYPE_TQ1_0,
    DTYPE_TQ2_0, DTYPE_Q1_0, DTYPE_Q2_0, DTYPE_MXFP4, DTYPE_NVFP4,
};
enum { LEGACY = sizeof(legacy) / sizeof(legacy[0]) };

static const unsigned levels[] = {0, CPU_AVX2, CPU_ALL};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 40);
}

/* Close to a normal distribution, of whole operations only. */
static void fill(float *x, float sigma, uint64_t seed)
{
    for (int i = 0; i < N; i++) {
        float sum = -6.0F;
        for (int k = 0; k < 12; k++)
            sum += (float)next(&seed) * 0x1p-24F;
        x[i] = sum * sigma;
    }
}

static size_t encode(uint8_t blocks[N * 4], const struct codec *c, const float *x,
                     const float *importance, enum codec_effort effort)
{
    const struct codec_how how = {importance, effort};
    struct err err = {0};
    size_t bytes = 0;

    assert_true(dtype_row_bytes(&bytes, c->type, N));
    memset(blocks, 0x5a, N * 4);
    if (codec_encode_row(c, blocks, x, N, &how, &err))
        fail_msg("%s", err.msg);
    return bytes;
}

/* Weighted squared error, relative; w NULL: even. */
static double error_of(const struct codec *c, const float *x, const float *w, const float *measure)
{
    uint8_t blocks[N * 4];
    float back[N];
    double e = 0, s = 0;

    (void)encode(blocks, c, x, w, EFFORT_NORMAL);
    c->dec(back, blocks, N);
    for (int i = 0; i < N; i++) {
        const double u = measure ? (double)measure[i] : 1;
        assert_true(isfinite(back[i]));
        e += u * ((double)x[i] - (double)back[i]) * ((double)x[i] - (double)back[i]);
        s += u * (double)x[i] * (double)x[i];
    }
    return s > 0 ? sqrt(e / s) : sqrt(e);
}

/* Weights that are -d, 0 and d already, also where d is no F16. */
static void test_codec_legacy_ternary_is_exact(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_TQ1_0, DTYPE_TQ2_0, DTYPE_Q2_0};
    static const float scales[] = {0.0123F, 1.0F, 0.75F, 3e-4F, 41.0F};
    float x[N], w[N];

    for (size_t t = 0; t < 3; t++)
        for (uint64_t k = 0; k < 200; k++) {
            const struct codec *c = codec_get(types[t], CPU_ALL);
            const float d = scales[k % 5], near = f32_from_f16(f16_from_f32(d));
            uint64_t seed = k;
            const uint32_t rare = 2 + (uint32_t)(k % 40);
            for (int i = 0; i < N; i++)
                x[i] = next(&seed) % rare > 1 ? 0 : next(&seed) & 1 ? d : -d;
            fill(w, 1.0F, k);
            for (int i = 0; i < N; i++)
                w[i] *= w[i];
            const double most = fabs((double)near - (double)d) / (double)d + 1e-12;
            assert_true(error_of(c, x, NULL, NULL) <= most);
            assert_true(error_of(c, x, w, NULL) <= most);
        }
}

/* Q1_0 of weights that are -d and d. */
static void test_codec_legacy_binary_is_exact(void **state)
{
    (void)state;
    const struct codec *c = codec_get(DTYPE_Q1_0, CPU_ALL);
    float x[N];
    uint64_t seed = 3;

    for (int i = 0; i < N; i++)
        x[i] = next(&seed) & 1 ? 0.375F : -0.375F;
    assert_true(error_of(c, x, NULL, NULL) <= 0);
}

/* No importance over the first half of the columns: they come out about as well as without
 * any, and certainly not as zeros. */
static void test_codec_legacy_zero_importance(void **state)
{
    (void)state;
    float x[N], w[N], unseen[N];

    for (size_t t = 0; t < LEGACY; t++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            const struct codec *c = codec_get(legacy[t], CPU_ALL);
            fill(x, 0.02F, seed);
            for (int i = 0; i < N; i++) {
                w[i] = i < N / 2 ? 0 : 3.0F;
                unseen[i] = i < N / 2;
            }
            assert_true(error_of(c, x, w, unseen) <= error_of(c, x, NULL, unseen) * 1.1 + 1e-9);
        }
}

/* Every level of processor writes the same bytes, whatever the effort and the magnitude. */
static void test_codec_legacy_levels_agree(void **state)
{
    (void)state;
    static const float sigmas[] = {1e-44F, 1e-39F, 1e-20F, 1e-8F, 3e-7F,
                                   1e-5F,  1e-3F,  0.02F,  1.0F,  3e2F};
    float x[N], w[N];
    uint8_t first[N * 4], again[N * 4];

    for (size_t t = 0; t < LEGACY; t++)
        for (uint64_t k = 0; k < 60; k++) {
            fill(x, sigmas[k % 10], k);
            fill(w, 1.0F, k + 100);
            for (int i = 0; i < N; i++)
                w[i] = i / 32 % 5 == 3 ? 0 : w[i] * w[i];
            x[k * 7 % N] *= 30.0F;
            x[k * 5 % N] = k % 2 ? 0.0F : -0.0F;
            for (int i = 96; i < 160 && k % 3 == 0; i++)
                x[i] = x[96];
            for (int e = 0; e < EFFORT_COUNT; e++) {
                const float *importance = k / 10 % 2 ? w : NULL;
                const size_t n = encode(first, codec_get(legacy[t], levels[0]), x, importance,
                                        (enum codec_effort)e);
                for (size_t l = 1; l < LEVELS; l++) {
                    (void)encode(again, codec_get(legacy[t], levels[l]), x, importance,
                                 (enum codec_effort)e);
                    assert_memory_equal(first, again, n);
                }
            }
        }
}

/* A scale of F16 keeps magnitudes down to 1e-6 well, and never makes any worse than zero. */
static void test_codec_legacy_tiny(void **state)
{
    (void)state;
    float x[N], one[N];

    for (size_t t = 0; t < LEGACY; t++)
        for (int e = -149; e < -10; e++) {
            const struct codec *c = codec_get(legacy[t], CPU_ALL);
            fill(x, ldexpf(1.0F, e), (uint64_t)(e + 200));
            fill(one, 1.0F, (uint64_t)(e + 200));
            const double got = error_of(c, x, NULL, NULL), usual = error_of(c, one, NULL, NULL);
            assert_true(got <= 1.0 + 1e-6);
            if (legacy[t] != DTYPE_NVFP4 && e > -16)
                assert_true(got <= usual * 1.2 + 0.005);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_legacy_ternary_is_exact),
        cmocka_unit_test(test_codec_legacy_binary_is_exact),
        cmocka_unit_test(test_codec_legacy_zero_importance),
        cmocka_unit_test(test_codec_legacy_levels_agree),
        cmocka_unit_test(test_codec_legacy_tiny),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
