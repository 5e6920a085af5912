/* IQ1_S and IQ1_M: the lists derived from the codebook, entries that are the best there are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/blocks.h"
#include "quant/grid_iq2s.h"
#include "quant/grids.h"
#include "quant/half.h"
#include "tests/codec_try.h"

#include <math.h>

static const enum dtype types[] = {DTYPE_IQ1_S, DTYPE_IQ1_M};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static const struct codec *type(int t)
{
    return codec_get(types[t], CPU_ALL);
}

static int half_of(unsigned digits, int at)
{
    int h = 0;

    for (int j = at; j < at + 4; j++)
        h = 3 * h + (int)(digits >> 2 * j & 3);
    return h;
}

/* Every entry stands once, but for the last of a list, and at its halves. */
static void test_codec_iq1_lists(void **state)
{
    (void)state;
    static const struct {
        int entries, listed;
        const uint16_t *digits, *start, *entry;
        const uint8_t *second;
    } books[] = {
        {GRID_IQ1, GRID_IQ1_LISTED,  grid_iq1,  grid_iq1_start,  grid_iq1_entry,  grid_iq1_second },
        {1024,     GRID_IQ2S_LISTED, grid_iq2s, grid_iq2s_start, grid_iq2s_entry, grid_iq2s_second},
    };

    for (size_t b = 0; b < sizeof(books) / sizeof(books[0]); b++) {
        const uint16_t *start = books[b].start, *entry = books[b].entry;
        int seen[GRID_IQ1] = {0};
        assert_int_equal(start[0], 0);
        assert_int_equal(start[GRID_IQ1_HALVES] * GRID_IQ1_STEP, books[b].listed);
        for (int h = 0; h < GRID_IQ1_HALVES; h++) {
            const int end = GRID_IQ1_STEP * start[h + 1];
            for (int e = GRID_IQ1_STEP * start[h]; e < end; e++) {
                assert_true(entry[e] < books[b].entries);
                assert_int_equal(half_of(books[b].digits[entry[e]], 0), h);
                assert_int_equal(half_of(books[b].digits[entry[e]], 4), books[b].second[e]);
                seen[entry[e]]++;
                if (seen[entry[e]] > 1) {
                    assert_int_equal(entry[e], entry[e - 1]);
                    assert_true(end - e < GRID_IQ1_STEP);
                }
            }
        }
        for (int e = 0; e < books[b].entries; e++)
            assert_true(seen[e] > 0);
    }
}

static void test_codec_iq1_round_trip(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_again(type(t)) <= 0.02);
}

/* Other entries would suit octets hardly better at the scale and delta they were given (the
 * last change of d comes after the search). */
static void test_codec_iq1_entries_are_best(void **state)
{
    (void)state;
    struct block_iq1_s b[TRY_N * 4 / sizeof(struct block_iq1_s) + 1];
    float x[TRY_N], back[TRY_N];
    double all = 0, best = 0;

    for (uint64_t seed = 0; seed < 8; seed++) {
        try_fill(x, 1.0F, seed);
        assert_true(try_encode((uint8_t *)b, type(0), x, NULL, EFFORT_NORMAL) > 0);
        type(0)->dec(back, b, TRY_N);
        for (int o = 0; o < TRY_N / 8; o++) {
            const unsigned h = b[o / 32].qh[o % 32 / 4];
            const float scale = f32_from_f16(b[o / 32].d) * (float)(2 * (h >> 12 & 7) + 1);
            double got = 0, least = (double)INFINITY;
            for (int j = 0; j < 8; j++)
                got += pow((double)(x[8 * o + j] - back[8 * o + j]), 2);
            for (unsigned e = 0; e < GRID_IQ1; e++) {
                double err = 0;
                for (int j = 0; j < 8; j++) {
                    const float q = (float)grid_iq1_value(e, j) + (h >> 15 ? -0.125F : 0.125F);
                    err += pow((double)(x[8 * o + j] - scale * q), 2);
                }
                least = err < least ? err : least;
            }
            assert_true(got <= least + 0.3 * (double)(scale * scale));
            all += got;
            best += least;
        }
    }
    assert_true(all <= best * 1.005);
}

static void test_codec_iq1_constant(void **state)
{
    (void)state;
    float x[TRY_N];

    for (int sign = -1; sign <= 1; sign += 2)
        for (int t = 0; t < TYPES; t++) {
            for (int i = 0; i < TRY_N; i++)
                x[i] = 0.3F * (float)sign;
            assert_true(try_error(type(t), x, NULL, NULL) <= 1e-3);
        }
}

static void test_codec_iq1_levels_agree(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_levels_agree(type(t)));
}

static void test_codec_iq1_zero_importance(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_zero_importance(type(t), 1.1));
}

static void test_codec_iq1_tiny(void **state)
{
    (void)state;

    for (int t = 0; t < TYPES; t++)
        assert_true(try_tiny(type(t), 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_iq1_lists),
        cmocka_unit_test(test_codec_iq1_round_trip),
        cmocka_unit_test(test_codec_iq1_entries_are_best),
        cmocka_unit_test(test_codec_iq1_constant),
        cmocka_unit_test(test_codec_iq1_levels_agree),
        cmocka_unit_test(test_codec_iq1_zero_importance),
        cmocka_unit_test(test_codec_iq1_tiny),
    };

    return cmocka_run_group_tests_name("codec_iq1", tests, NULL, NULL);
}
