/* IQ4_NL and IQ4_XS: the nearest of the uneven numbers, scales near the best there are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/blocks.h"
#include "quant/half.h"
#include "tests/codec_try.h"

#include <math.h>
#include <string.h>

static const enum dtype types[] = {DTYPE_IQ4_NL, DTYPE_IQ4_XS};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static const float number[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};

static void test_codec_iq4_round_trip(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_again(codec_get(types[t], CPU_ALL)) <= (t ? 0.02 : 0.0005));
}

/* Values on the grid of a scale of either sign come back as they were. */
static void test_codec_iq4_grid_is_exact(void **state)
{
    (void)state;
    float x[TRY_N];

    for (int sign = -1; sign <= 1; sign += 2) {
        for (int i = 0; i < TRY_N; i++)
            x[i] = (float)sign * 0x1.8p-9F * number[i * 7 % 16];
        for (int t = 0; t < TYPES; t++)
            assert_true(try_error(codec_get(types[t], CPU_ALL), x, NULL, NULL) <= 1e-3);
    }
}

/* Of every block the codes are the nearest ones, but for borders. */
static void test_codec_iq4_codes_are_nearest(void **state)
{
    (void)state;
    const struct codec *c = codec_get(DTYPE_IQ4_NL, CPU_ALL);
    struct block_iq4_nl b[TRY_N * 4 / sizeof(struct block_iq4_nl) + 1];
    float x[TRY_N];

    for (uint64_t seed = 0; seed < 50; seed++) {
        try_fill(x, 1.0F, seed);
        (void)try_encode((uint8_t *)b, c, x, NULL, EFFORT_NORMAL);
        for (int i = 0; i < TRY_N; i++) {
            const int j = i % 32, q = b[i / 32].qs[j % 16] >> 4 * (j / 16) & 15;
            const float v = x[i] / f32_from_f16(b[i / 32].d), off = fabsf(v - number[q]);
            for (int k = 0; k < 16; k++)
                assert_true(off <= fabsf(v - number[k]) + 0.5F);
        }
    }
}

/* Weighted squared error with the best of very many scales. */
static double least(const float *x, const float *w)
{
    float extreme = 0;
    double best = (double)INFINITY;

    for (int i = 0; i < 32; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    for (int k = -2600; k <= 2000; k++) {
        const float s = extreme / (0.1F * (float)k + 0.03F);
        double e = 0;
        for (int i = 0; i < 32; i++) {
            float near = number[0];
            for (int q = 1; q < 16; q++)
                near = fabsf(x[i] - s * number[q]) < fabsf(x[i] - s * near) ? number[q] : near;
            const double off = (double)(x[i] - s * near);
            e += (double)w[i] * off * off;
        }
        best = e < best ? e : best;
    }
    return best;
}

static void test_codec_iq4_search_is_near_the_best(void **state)
{
    (void)state;
    const struct codec *c = codec_get(DTYPE_IQ4_NL, CPU_ALL);
    float x[TRY_N], one[TRY_N];
    double best = 0, got = 0;

    for (int i = 0; i < TRY_N; i++)
        one[i] = 1.0F;
    for (uint64_t seed = 1000; seed < 1004; seed++) {
        double squares = 0;
        try_fill(x, 1.0F, seed);
        for (int i = 0; i < TRY_N; i += 32)
            best += least(x + i, one);
        for (int i = 0; i < TRY_N; i++)
            squares += (double)x[i] * (double)x[i];
        got += pow(try_error(c, x, NULL, NULL), 2) * squares;
    }
    assert_true(got <= best * 1.01);
}

static void test_codec_iq4_levels_agree(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_levels_agree(codec_get(types[t], CPU_ALL)));
}

static void test_codec_iq4_zero_importance(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_zero_importance(codec_get(types[t], CPU_ALL), 1.1));
}

static void test_codec_iq4_tiny(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_tiny(codec_get(types[t], CPU_ALL), 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_iq4_round_trip),
        cmocka_unit_test(test_codec_iq4_grid_is_exact),
        cmocka_unit_test(test_codec_iq4_codes_are_nearest),
        cmocka_unit_test(test_codec_iq4_search_is_near_the_best),
        cmocka_unit_test(test_codec_iq4_levels_agree),
        cmocka_unit_test(test_codec_iq4_zero_importance),
        cmocka_unit_test(test_codec_iq4_tiny),
    };

    return cmocka_run_group_tests_name("codec_iq4", tests, NULL, NULL);
}
