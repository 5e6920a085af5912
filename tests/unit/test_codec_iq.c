#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/blocks.h"
#include "quant/codec.h"
#include "quant/grids.h"
#include "quant/half.h"

#include <math.h>
#include <string.h>

enum { N = 512, OCTETS = N / 8, BYTES_MOST = N / QK_K * 110 };

/* What a brute force needs to know of a type. */
static const struct type {
    enum dtype type;
    const uint16_t *digits;
    int entries, dim;
    const struct grid_levels *levels;
    bool even;
    double error; /* of a normal distribution */
} types[] = {
    {DTYPE_IQ2_XXS, grid_iq2xxs, 256,  8, &grid_levels_2,    true,  0.36 },
    {DTYPE_IQ2_XS,  grid_iq2xs,  512,  8, &grid_levels_2,    true,  0.31 },
    {DTYPE_IQ2_S,   grid_iq2s,   1024, 8, &grid_levels_2,    false, 0.27 },
    {DTYPE_IQ3_XXS, grid_iq3xxs, 256,  4, &grid_levels_3xxs, true,  0.19 },
    {DTYPE_IQ3_S,   grid_iq3s,   512,  4, &grid_levels_3s,   false, 0.145},
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

/* Sums of twelve even numbers: close to a normal distribution, whole operations only. */
static void fill(float *x, float sigma, uint64_t seed)
{
    for (size_t i = 0; i < N; i++) {
        float sum = -6.0F;
        for (int k = 0; k < 12; k++)
            sum += (float)(next(&seed) & 0xffff) * 0x1p-16F;
        x[i] = sum * sigma;
    }
}

static void fill_weights(float *w, uint64_t seed)
{
    fill(w, 1.0F, seed);
    for (size_t i = 0; i < N; i++)
        w[i] = w[i] * w[i] * w[i] * w[i] + 0.01F;
}

static void encode(uint8_t *blocks, enum dtype t, unsigned cpu, const float *x, const float *w,
                   enum codec_effort effort)
{
    struct err err;

    assert_int_equal(
        codec_encode_row(codec_get(t, cpu), blocks, x, N, &(struct codec_how){w, effort}, &err), 0);
}

/* Relative to the values. */
static double error_of(const float *x, const float *w, const uint8_t *blocks, enum dtype t)
{
    float back[N];
    double e = 0, s = 0;

    codec_get(t, CPU_ALL)->dec(back, blocks, N);
    for (size_t i = 0; i < N; i++) {
        const double d = (double)x[i] - (double)back[i], u = w ? (double)w[i] : 1;
        e += u * d * d;
        s += u * (double)x[i] * (double)x[i];
    }
    return sqrt(e / s);
}

static void test_codec_iq_round_trip(void **state)
{
    (void)state;
    float x[N];
    uint8_t blocks[BYTES_MOST];

    for (int t = 0; t < TYPES; t++)
        for (int effort = 0; effort < EFFORT_COUNT; effort++)
            for (uint64_t seed = 1; seed <= 4; seed++) {
                fill(x, seed % 2 ? 0.02F : 30.0F, seed);
                encode(blocks, types[t].type, CPU_ALL, x, NULL, (enum codec_effort)effort);
                assert_true(error_of(x, NULL, blocks, types[t].type) <=
                            types[t].error * (effort == EFFORT_FAST ? 1.1 : 1));
            }
}

/* Every level of processor writes the same bytes; so does every compiler, or these would not
 * be the ones. */
static void test_codec_iq_bytes_are_the_same(void **state)
{
    (void)state;
    static const uint64_t want[TYPES] = {0x8fb6ef39d21a04afU, 0x4eb4fe46ead64e05U,
                                         0x25acd86caf4c92eeU, 0xbad5b6fa8ae7e52dU,
                                         0xc6ce31b5a7cfdffcU};
    int bad = 0;

    for (int t = 0; t < TYPES; t++) {
        uint64_t hash = 14695981039346656037U;
        for (uint64_t seed = 0; seed < 24; seed++) {
            float x[N], w[N];
            uint8_t wide[BYTES_MOST] = {0}, narrow[BYTES_MOST] = {0}, plain[BYTES_MOST] = {0};
            const enum codec_effort effort = (enum codec_effort)(seed % EFFORT_COUNT);
            const float *importance = seed / 3 % 2 ? w : NULL;
            fill(x, ldexpf(1.0F, (int)seed * 2 - 30), seed);
            x[seed * 19] *= 25.0F;
            fill_weights(w, seed + 500);
            encode(wide, types[t].type, CPU_ALL, x, importance, effort);
            encode(narrow, types[t].type, CPU_AVX2, x, importance, effort);
            encode(plain, types[t].type, 0, x, importance, effort);
            assert_memory_equal(wide, plain, sizeof(wide));
            assert_memory_equal(narrow, plain, sizeof(wide));
            for (size_t i = 0; i < sizeof(plain); i++)
                hash = (hash ^ plain[i]) * 1099511628211U;
        }
        if (hash != want[t]) {
            print_message("%s 0x%016llx\n", dtype_get(types[t].type)->name,
                          (unsigned long long)hash);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* The scale of octet i of a block, from its bytes. */
static float scale_of(enum dtype t, const uint8_t *block, int i)
{
    const struct block_iq2_xxs *xxs = (const void *)block;
    const struct block_iq2_xs *xs = (const void *)block;
    const struct block_iq2_s *s2 = (const void *)block;
    const struct block_iq3_xxs *x3 = (const void *)block;
    const struct block_iq3_s *s3 = (const void *)block;
    const int shift = i % 4 / 2 * 4;

    switch (t) {
    case DTYPE_IQ2_XXS:
        return f32_from_f16(xxs->d) * 0.25F * (0.5F + (float)(xxs->qs[i / 4 * 8 + 7] >> 4));
    case DTYPE_IQ2_XS:
        return f32_from_f16(xs->d) * 0.25F * (0.5F + (float)(xs->scales[i / 4] >> shift & 15));
    case DTYPE_IQ2_S:
        return f32_from_f16(s2->d) * 0.25F * (0.5F + (float)(s2->scales[i / 4] >> shift & 15));
    case DTYPE_IQ3_XXS:
        return f32_from_f16(x3->d) * 0.5F * (0.5F + (float)(x3->words[i / 4 * 4 + 3] >> 4));
    default:
        return f32_from_f16(s3->d) *
               (1.0F + 2.0F * (float)(s3->scales[i / 8] >> i / 4 % 2 * 4 & 15));
    }
}

/* The least error of dim values at a scale over all entries; bent: one sign is wrong. */
static double least_error(const struct type *t, const float *x, const float *w, float scale,
                          bool bent)
{
    const int bits = t->dim == 8 ? 2 : 3;
    double least = (double)INFINITY;

    for (int e = 0; e < t->entries; e++) {
        double sum = 0, flip = (double)INFINITY;
        for (int i = 0; i < t->dim; i++) {
            const double v =
                (double)scale * grid_level(t->levels, t->digits[e] >> bits * i & ((1 << bits) - 1));
            const double a = fabs((double)x[i]), u = w ? (double)w[i] : 1;
            sum += u * (a - v) * (a - v);
            flip = fmin(flip, u * 4 * a * v);
        }
        least = fmin(least, bent ? sum + flip : sum);
    }
    return least;
}

static double least_of_octet(const struct type *t, const float *x, const float *w, float scale)
{
    unsigned signs = 0;

    for (int i = 0; i < 8; i++)
        signs |= (unsigned)(x[i] < 0) << i;
    const bool odd = t->even && grid_signs(signs & 127) != signs;
    if (t->dim == 8)
        return least_error(t, x, w, scale, odd);
    const float *w4 = w ? w + 4 : NULL;
    const double first = least_error(t, x, w, scale, false);
    const double second = least_error(t, x + 4, w4, scale, false);
    if (!odd)
        return first + second;
    return fmin(least_error(t, x, w, scale, true) + second,
                first + least_error(t, x + 4, w4, scale, true));
}

/* At the scales that the longest search chose no other entries and signs are better worth the
 * name. */
static void test_codec_iq_entries_are_the_best(void **state)
{
    (void)state;
    for (int k = 0; k < TYPES; k++)
        for (uint64_t seed = 20; seed < 24; seed++) {
            const struct type *t = &types[k];
            const size_t bytes = dtype_get(t->type)->bytes;
            float x[N], weights[N], back[N];
            uint8_t blocks[BYTES_MOST];
            double ours = 0, best = 0;
            const float *w = seed % 2 ? weights : NULL;
            fill(x, 0.1F, seed);
            fill_weights(weights, seed + 50);
            encode(blocks, t->type, CPU_ALL, x, w, EFFORT_BEST);
            codec_get(t->type, CPU_ALL)->dec(back, blocks, N);
            for (int i = 0; i < N; i++)
                ours += (w ? (double)w[i] : 1) * pow((double)x[i] - (double)back[i], 2);
            for (int i = 0; i < OCTETS; i++)
                best += least_of_octet(t, x + 8 * i, w ? w + 8 * i : NULL,
                                       scale_of(t->type, blocks + (size_t)i / 32 * bytes, i % 32));
            assert_true(ours >= best * (1 - 1e-5));
            assert_true(ours <= best * 1.01);
        }
}

/* Columns that were never seen keep their values, even a whole row of them. */
static void test_codec_iq_zero_importance(void **state)
{
    (void)state;
    float x[N], w[N], alone[N];
    uint8_t blocks[BYTES_MOST];

    fill(x, 0.05F, 3);
    for (int t = 0; t < TYPES; t++) {
        for (int i = 0; i < N; i++) {
            w[i] = i / 64 % 2 ? 1.0F : 0.0F;
            alone[i] = i / 64 % 2 ? 0.0F : 1.0F;
        }
        encode(blocks, types[t].type, CPU_ALL, x, w, EFFORT_NORMAL);
        assert_true(error_of(x, alone, blocks, types[t].type) <= 1.2 * types[t].error);
        memset(w, 0, sizeof(w));
        encode(blocks, types[t].type, CPU_ALL, x, w, EFFORT_NORMAL);
        assert_true(error_of(x, NULL, blocks, types[t].type) <= types[t].error);
    }
}

/* Where F16 has few bits left for the scale of all, the others make up for it. */
static void test_codec_iq_tiny(void **state)
{
    (void)state;
    static const float sigma[] = {1e-4F, 1e-5F, 3e-6F, 1e-6F};
    float x[N];
    uint8_t blocks[BYTES_MOST];

    for (int t = 0; t < TYPES; t++) {
        for (int k = 0; k < 4; k++) {
            fill(x, sigma[k], 9);
            encode(blocks, types[t].type, CPU_ALL, x, NULL, EFFORT_NORMAL);
            assert_true(error_of(x, NULL, blocks, types[t].type) <=
                        types[t].error * (k < 2 ? 1.05 : 1.6));
        }
        fill(x, 1e-40F, 9);
        encode(blocks, types[t].type, CPU_ALL, x, NULL, EFFORT_NORMAL);
        assert_true(error_of(x, NULL, blocks, types[t].type) <= 1);
        for (int i = 0; i < N; i++)
            x[i] = i % 3 ? -0.7F : 0.7F; /* one magnitude; some octets have odd signs */
        encode(blocks, types[t].type, CPU_ALL, x, NULL, EFFORT_NORMAL);
        assert_true(error_of(x, NULL, blocks, types[t].type) <= (types[t].even ? 0.6 : 0.001));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_iq_round_trip),
        cmocka_unit_test(test_codec_iq_bytes_are_the_same),
        cmocka_unit_test(test_codec_iq_entries_are_the_best),
        cmocka_unit_test(test_codec_iq_zero_importance),
        cmocka_unit_test(test_codec_iq_tiny),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
