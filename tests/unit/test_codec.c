#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "formats/base/hash.h"
#include "quant/codec.h"
#include "quant/half.h"
#include "quant/ref/search.h"
#include "tests/codec_try.h"

#include <math.h>
#include <string.h>

static const struct codec_how plain = {0};

enum { N = 1024 };

/* The codecs that can write, one after another; NULL at the end. */
static const struct codec *writer_at(size_t want)
{
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        const struct codec *c = codec_get((enum dtype)t, CPU_ALL);
        if (c && c->enc && !want--)
            return c;
    }
    return NULL;
}

static size_t row_bytes(const struct codec *c, size_t n)
{
    size_t bytes = 0;

    assert_true(dtype_row_bytes(&bytes, c->type, n));
    return bytes;
}

static double error_of(const struct codec *c, const float *x, size_t n, const float *importance)
{
    uint8_t blocks[N * 4];
    float back[N];
    struct err err;
    double e = 0, s = 0;

    assert_int_equal(
        codec_encode_row(c, blocks, x, n, &(struct codec_how){importance, EFFORT_NORMAL}, &err), 0);
    c->dec(back, blocks, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(back[i]));
        e += ((double)x[i] - (double)back[i]) * ((double)x[i] - (double)back[i]);
        s += (double)x[i] * (double)x[i];
    }
    return s > 0 ? sqrt(e / s) : sqrt(e);
}

/* Relative error for a normal distribution: steps of 2 sigma * 2.5 / levels, and some
 * room. Half of it is the error of even steps, so twice is a real mistake. */
static double bound(const struct codec *c)
{
    static const double bounds[DTYPE_COUNT] = {
        [DTYPE_F32] = 1e-9,    [DTYPE_F16] = 3e-4,     [DTYPE_BF16] = 2.5e-3,
        [DTYPE_Q8_0] = 0.007,  [DTYPE_Q6_K] = 0.02,    [DTYPE_Q5_0] = 0.05,
        [DTYPE_Q5_1] = 0.045,  [DTYPE_Q5_K] = 0.04,    [DTYPE_Q4_0] = 0.1,
        [DTYPE_Q4_K] = 0.08,   [DTYPE_Q4_1] = 0.09,    [DTYPE_MXFP4] = 0.13,
        [DTYPE_NVFP4] = 0.11,  [DTYPE_TQ1_0] = 0.46,   [DTYPE_TQ2_0] = 0.46,
        [DTYPE_Q2_0] = 0.38,   [DTYPE_IQ2_XXS] = 0.36, [DTYPE_IQ2_XS] = 0.31,
        [DTYPE_IQ2_S] = 0.27,  [DTYPE_IQ3_XXS] = 0.19, [DTYPE_IQ3_S] = 0.145,
        [DTYPE_Q2_K] = 0.3,    [DTYPE_Q3_K] = 0.16,    [DTYPE_Q1_0] = 0.63,
        [DTYPE_IQ4_NL] = 0.09, [DTYPE_IQ4_XS] = 0.09,  [DTYPE_IQ1_S] = 0.49,
        [DTYPE_IQ1_M] = 0.45,
    };
    return bounds[c->type];
}

static void test_codec_round_trip(void **state)
{
    (void)state;
    float x[N];
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++) {
        assert_true(bound(c) > 0); /* a new type needs a bound */
        for (uint64_t seed = 1; seed <= 8; seed++) {
            try_normal(x, N, seed % 2 ? 0.02F : 3.0F, seed);
            assert_true(error_of(c, x, N, NULL) <= bound(c));
        }
    }
}

/* What was decoded encodes without further loss worth the name. */
static void test_codec_idempotence(void **state)
{
    (void)state;
    float x[N], once[N];
    uint8_t blocks[N * 4];
    struct err err;
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++) {
        try_normal(x, N, 0.05F, 99);
        assert_int_equal(codec_encode_row(c, blocks, x, N, &plain, &err), 0);
        c->dec(once, blocks, N);
        assert_true(error_of(c, once, N, NULL) <= bound(c) / 2);
        if (dtype_get(c->type)->block == 1)
            assert_true(error_of(c, once, N, NULL) <= 0);
    }
}

/* Of 4-bit floats the scale has few bits too, and NVFP4 has no number above 2688. */
static bool is_float4(const struct codec *c)
{
    return c->type == DTYPE_MXFP4 || c->type == DTYPE_NVFP4;
}

static void test_codec_zero_and_equal(void **state)
{
    (void)state;
    float x[N] = {0};
    const float values[] = {0.3F, -0.7F, 1.0F, 1e3F, -1e3F};
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++) {
        memset(x, 0, sizeof(x));
        assert_true(error_of(c, x, N, NULL) <= 0);
        x[7] = -0.0F;
        assert_true(error_of(c, x, N, NULL) <= 0);
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            for (size_t j = 0; j < N; j++)
                x[j] = values[v];
            assert_true(error_of(c, x, N, NULL) <= (is_float4(c) ? 0.2 : 0.005));
        }
    }
}

/* Tiny numbers: nothing but finite values comes back, and none grows. */
static void test_codec_tiny(void **state)
{
    (void)state;
    const float sigmas[] = {1e-42F, 1e-38F, 1e-30F, 1e-9F, 3e-8F, 2e-7F, 1e-6F, 1e-5F};
    float x[N];
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++)
        for (size_t k = 0; k < sizeof(sigmas) / sizeof(sigmas[0]); k++) {
            try_normal(x, N, sigmas[k], k);
            const double e = error_of(c, x, N, NULL);
            assert_true(e <= 1.0);
        }
}

static void test_codec_refuses(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float x[N];
    uint8_t blocks[N * 4];
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++)
        for (size_t k = 0; k < 3; k++)
            for (size_t at = 0; at < N; at += N - 1) {
                struct err err = {0};
                try_normal(x, N, 0.02F, k);
                x[at] = bad[k];
                assert_int_equal(codec_encode_row(c, blocks, x, N, &plain, &err), ERR_FORMAT);
                assert_non_null(strstr(err.msg, at ? "column 1023" : "column 0"));
                assert_non_null(strstr(err.msg, k ? "found infinity" : "found NaN"));
            }
    struct err err = {0};
    try_normal(x, N, 0.02F, 5);
    x[17] = 65520.0F;
    assert_int_equal(codec_encode_row(codec_get(DTYPE_F16, CPU_ALL), blocks, x, N, &plain, &err),
                     ERR_FORMAT);
    assert_string_equal(err.msg, "column 17: value 65520 is too large for F16");
    x[17] = 65519.0F;
    assert_int_equal(codec_encode_row(codec_get(DTYPE_F16, CPU_ALL), blocks, x, N, &plain, &err),
                     0);
}

/* The largest values a type takes don't become infinite. */
static void test_codec_largest(void **state)
{
    (void)state;
    float x[N];
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++) {
        const float most = f32_from_bits(f32_bits(c->max) - 1);
        if (dtype_get(c->type)->block == 1 || c->type == DTYPE_NVFP4)
            continue;
        try_normal(x, N, most * 0.1F, 3);
        for (size_t j = 0; j < N; j += 32)
            x[j] = j % 64 ? most : -most;
        const double usual = is_float4(c) ? 0.4 : 0.2, two_bits = bound(c) > 0.14 ? 0.9 : 0;
        assert_true(error_of(c, x, N, NULL) < fmax(usual, two_bits));
    }
}

/* A row in one call, or a block at a time. */
static void test_codec_blocks_are_independent(void **state)
{
    (void)state;
    float x[N];
    uint8_t whole[N * 4], parts[N * 4];
    struct err err;
    const struct codec *c;

    try_normal(x, N, 0.02F, 8);
    for (size_t i = 0; (c = writer_at(i)); i++) {
        const size_t block = dtype_get(c->type)->block, bytes = dtype_get(c->type)->bytes;
        assert_int_equal(codec_encode_row(c, whole, x, N, &plain, &err), 0);
        for (size_t b = 0; b < N / block; b++)
            assert_int_equal(
                codec_encode_row(c, parts + b * bytes, x + b * block, block, &plain, &err), 0);
        assert_memory_equal(whole, parts, row_bytes(c, N));
    }
}

/* Importance moves the error to where it matters less, and zeros in it do no harm. */
static void test_codec_importance(void **state)
{
    (void)state;
    float x[N], w[N];
    const struct codec *c;

    for (size_t i = 0; (c = writer_at(i)); i++) {
        uint8_t blocks[N * 4];
        float even[N], uneven[N];
        double e_even = 0, e_uneven = 0;
        struct err err;
        try_normal(x, N, 0.02F, 11);
        for (size_t j = 0; j < N; j++)
            w[j] = j % 8 ? 0.1F : 20.0F;
        assert_int_equal(codec_encode_row(c, blocks, x, N, &plain, &err), 0);
        c->dec(even, blocks, N);
        assert_int_equal(
            codec_encode_row(c, blocks, x, N, &(struct codec_how){w, EFFORT_NORMAL}, &err), 0);
        c->dec(uneven, blocks, N);
        for (size_t j = 0; j < N; j++) {
            e_even += (double)w[j] * pow((double)(x[j] - even[j]), 2);
            e_uneven += (double)w[j] * pow((double)(x[j] - uneven[j]), 2);
        }
        assert_true(e_uneven <= e_even);
        memset(w, 0, sizeof(w));
        assert_true(error_of(c, x, N, w) <= bound(c));
        w[N - 1] = 1;
        assert_true(error_of(c, x, N, w) <= 2 * bound(c));
    }
}

/* The bytes themselves, the same with every compiler, flag and CPU: release builds
 * run the widest vectors, sanitizer builds the plain code. A change of an encoder
 * changes them: raise PARE_ENCODER_VERSION with it. */
static void test_codec_bytes_are_fixed(void **state)
{
    (void)state;
    static const struct {
        enum dtype type;
        const char *plain, *importance;
    } want[] = {
        {DTYPE_F16,    "03366a071290f069", "03366a071290f069"},
        {DTYPE_BF16,   "f0d7ce08d02388bf", "f0d7ce08d02388bf"},
        {DTYPE_Q8_0,   "4b720699a0047f75", "010c39a9f549876d"},
        {DTYPE_Q4_0,   "f1d4817025c58c2c", "eca9e6c3eae81b0e"},
        {DTYPE_Q5_0,   "22a6b24281e61350", "7f12f165f357e679"},
        {DTYPE_Q5_1,   "106f83698900ef92", "b770a32a6baaed41"},
        {DTYPE_Q4_K,   "d1719855b887632b", "00ecdd64cc2ec254"},
        {DTYPE_Q5_K,   "e01d1d545ddd51ec", "7e7b1b392eec377d"},
        {DTYPE_Q6_K,   "0f1a24b22bd0649f", "a9395a687a84839c"},
        {DTYPE_IQ4_NL, "cdd3daf77907d3d5", "bfcf99110a6813b4"},
        {DTYPE_IQ4_XS, "72984221f82201a8", "d8a67fba23e5cd9d"},
        {DTYPE_IQ1_S,  "15a80e43c92e3e96", "5cc6729d9508dd17"},
        {DTYPE_IQ1_M,  "bb6b3754240f7078", "f900bb3c1afd8961"},
    };
    enum { ROWS = 64 };
    int bad = 0;

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        for (int importance = 0; importance < 2; importance++) {
            const struct codec *c = codec_get(want[i].type, CPU_ALL);
            struct hash *h;
            struct err err;
            char hex[HASH_HEX_BYTES];
            assert_int_equal(hash_new(&h, &err), 0);
            for (uint64_t r = 0; r < ROWS; r++) {
                float x[N], w[N];
                uint8_t blocks[N * 4];
                try_normal(x, N, ldexpf(1.0F, (int)(r % 40) - 30), r);
                x[r * 13 % N] *= 20.0F;
                try_normal(w, N, 1.0F, r + 1000);
                for (size_t j = 0; j < N; j++)
                    w[j] *= w[j];
                assert_int_equal(
                    codec_encode_row(c, blocks, x, N,
                                     &(struct codec_how){importance ? w : NULL, EFFORT_NORMAL},
                                     &err),
                    0);
                hash_add(h, blocks, row_bytes(c, N));
            }
            assert_int_equal(hash_hex(h, hex, &err), 0);
            hash_free(h);
            const char *expected = importance ? want[i].importance : want[i].plain;
            if (memcmp(hex, expected, 16) != 0) {
                print_message("%s %d %.16s\n", dtype_get(c->type)->name, importance, hex);
                bad++;
            }
        }
    assert_int_equal(bad, 0);
}

/* Every F16, and every rounding step between two of them. */
static void test_codec_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float f = f32_from_f16((uint16_t)h);
        const float up = h == 0x7bff ? 65536.0F : f32_from_f16((uint16_t)(h + 1));
        const float mid = f + (up - f) / 2;
        assert_true(f32_from_f16((uint16_t)(h | 0x8000)) <= 0);
        assert_int_equal(f16_from_f32(f), h);
        assert_int_equal(f16_from_f32(-f), h | 0x8000);
        assert_int_equal(f16_from_f32(mid), h + (h & 1)); /* ties to even */
        assert_int_equal(f16_from_f32(f32_from_bits(f32_bits(mid) - 1)), h);
        assert_int_equal(f16_from_f32(f32_from_bits(f32_bits(mid) + 1)), h + 1);
    }
    assert_true(f32_from_f16(1) >= 0x1p-24F && f32_from_f16(1) <= 0x1p-24F);
    assert_int_equal(f16_from_f32(INFINITY), 0x7c00);
    assert_int_equal(f16_from_f32(-INFINITY), 0xfc00);
    assert_true(isinf(f32_from_f16(0x7c00)));
    assert_true(isnan(f32_from_f16(0x7c01)));
    assert_int_equal(f16_from_f32(NAN) & 0x7e00, 0x7e00);
}

static void test_codec_small_floats(void **state)
{
    (void)state;
    const struct codec *a = codec_get(DTYPE_F8_E4M3, CPU_ALL),
                       *b = codec_get(DTYPE_F8_E5M2, CPU_ALL);
    const uint8_t e4m3[] = {0x00, 0x01, 0x08, 0x38, 0xb8, 0x7e};
    const float want4[] = {0, 0x1p-9F, 0x1p-6F, 1, -1, 448};
    const uint8_t e5m2[] = {0x00, 0x01, 0x3c, 0xbc, 0x7b, 0x7c};
    const float want5[] = {0, 0x1p-16F, 1, -1, 57344, INFINITY};
    float got[6];

    a->dec(got, e4m3, 6);
    assert_memory_equal(got, want4, sizeof(got));
    b->dec(got, e5m2, 6);
    assert_memory_equal(got, want5, sizeof(got));
    assert_true(isnan(f32_from_e4m3(0x7f)) && isnan(f32_from_e4m3(0xff)));
}

static void test_codec_plain_numbers(void **state)
{
    (void)state;
    const double d[] = {0.1, 1e300, -2};
    const int64_t i64[] = {-5, 1LL << 40};
    const uint8_t u8[] = {0, 255};
    float got[3];

    codec_get(DTYPE_F64, CPU_ALL)->dec(got, d, 3);
    assert_true(got[0] >= 0.1F && got[0] <= 0.1F && isinf(got[1]) && got[2] <= -2);
    codec_get(DTYPE_I64, CPU_ALL)->dec(got, i64, 2);
    assert_true(got[0] <= -5 && got[1] >= 0x1p40F);
    codec_get(DTYPE_U8, CPU_ALL)->dec(got, u8, 2);
    assert_true(got[1] >= 255 && got[1] <= 255);
    codec_get(DTYPE_I8, CPU_ALL)->dec(got, u8, 2);
    assert_true(got[1] <= -1);
}

/* Against a fine grid of every scale: the quick search comes close, the thorough one
 * closer. Seeds of our own, so nothing here was tuned on the golden data. */
static void test_codec_search_is_near_the_best(void **state)
{
    (void)state;
    double quick = 0, thorough = 0, best = 0;

    for (uint64_t seed = 500; seed < 600; seed++) {
        float x[32], w[32], least = INFINITY;
        try_normal(x, 32, 1.0F, seed);
        try_normal(w, 32, 1.0F, seed + 7);
        for (int i = 0; i < 32; i++)
            w[i] = w[i] * w[i] + 0.1F;
        const float most = fabsf(srch_extreme(x, 32));
        for (int k = -4000; k <= 4000; k++) {
            const float s = most / 8 * (float)k / 2500;
            float e = 0;
            int8_t code[32];
            srch_codes(code, x, 32, s, 0, -8, 7);
            for (int i = 0; i < 32; i++)
                e += w[i] * (x[i] - s * code[i]) * (x[i] - s * code[i]);
            least = e < least ? e : least;
        }
        best += (double)least;
        for (int effort = 0; effort < 2; effort++) {
            const float s = srch_symmetric(x, w, 32, 8, effort ? SRCH_THOROUGH : SRCH_QUICK);
            float e = 0;
            int8_t code[32];
            srch_codes(code, x, 32, s, 0, -8, 7);
            for (int i = 0; i < 32; i++)
                e += w[i] * (x[i] - s * code[i]) * (x[i] - s * code[i]);
            *(effort ? &thorough : &quick) += (double)e;
        }
    }
    assert_true(quick <= best * 1.10);
    assert_true(thorough <= best * 1.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_round_trip),
        cmocka_unit_test(test_codec_idempotence),
        cmocka_unit_test(test_codec_zero_and_equal),
        cmocka_unit_test(test_codec_tiny),
        cmocka_unit_test(test_codec_refuses),
        cmocka_unit_test(test_codec_largest),
        cmocka_unit_test(test_codec_blocks_are_independent),
        cmocka_unit_test(test_codec_importance),
        cmocka_unit_test(test_codec_bytes_are_fixed),
        cmocka_unit_test(test_codec_half),
        cmocka_unit_test(test_codec_small_floats),
        cmocka_unit_test(test_codec_plain_numbers),
        cmocka_unit_test(test_codec_search_is_near_the_best),
    };

    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
