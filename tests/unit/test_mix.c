#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/cpu.h"
#include "quant/codec.h"
#include "quant/mix.h"

#include <string.h>

/* A small llama: hidden 512, two value-like heads, eight layers; "ragged" rows of 320. */
enum { LAYERS = 8, N = 2 + LAYERS * 3 };

static void build(struct mix_tensor t[N], char names[N][64], uint64_t row_len)
{
    size_t n = 0;

    t[n++] = (struct mix_tensor){"token_embd.weight", ROLE_TOKEN_EMBD, -1, 2, row_len, DTYPE_BF16};
    t[n++] = (struct mix_tensor){"output.weight", ROLE_OUTPUT, -1, 2, row_len, DTYPE_BF16};
    /* in the order of a checkpoint's header: blk.10 style names don't sort by number */
    for (int l = LAYERS - 1; l >= 0; l--) {
        const struct {
            const char *name;
            enum arch_role role;
        } rows[] = {
            {"attn_v",    ROLE_ATTN_V   },
            {"ffn_down",  ROLE_FFN_DOWN },
            {"attn_norm", ROLE_ATTN_NORM}
        };
        for (int k = 0; k < 3; k++, n++) {
            (void)snprintf(names[n], 64, "blk.%d.%s.weight", l, rows[k].name);
            t[n] =
                (struct mix_tensor){names[n],       rows[k].role, l,
                                    k == 2 ? 1 : 2, row_len,      k == 2 ? DTYPE_F32 : DTYPE_BF16};
        }
    }
}

static enum dtype type_of(const struct mix_tensor *t, const enum dtype *types, const char *name)
{
    for (size_t i = 0; i < N; i++)
        if (!strcmp(t[i].name, name))
            return types[i];
    return DTYPE_NONE;
}

static void test_mix_names(void **state)
{
    (void)state;
    assert_ptr_equal(mix_by_name("q4_k"), mix_by_name("Q4_K_M"));
    assert_ptr_equal(mix_by_name("Q5_K"), mix_by_name("Q5_K_M"));
    assert_null(mix_by_name("Q4"));
    assert_null(mix_by_name(""));
    assert_string_equal(mix_name(mix_by_name("q8_0")), "Q8_0");
    for (size_t i = 0; mix_at(i); i++)
        assert_ptr_equal(mix_by_name(mix_name(mix_at(i))), mix_at(i));
    assert_int_equal(mix_file_type(mix_by_name("Q4_K_M")), 15);
    assert_int_equal(mix_file_type(mix_by_name("BF16")), 32);
}

static void test_mix_counts_by_block(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_opts opts = {0};
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};

    build(t, names, 512);
    assert_int_equal(mix_assign(types, mix_by_name("Q4_K_M"), &m, &opts, &err), 0);
    /* first and last eighth, and every third between: 0, 3, 6, 7 */
    for (int l = 0; l < LAYERS; l++) {
        char name[64];
        const bool more = l == 0 || l == 3 || l == 6 || l == 7;
        (void)snprintf(name, sizeof(name), "blk.%d.ffn_down.weight", l);
        assert_int_equal(type_of(t, types, name), more ? DTYPE_Q6_K : DTYPE_Q4_K);
        (void)snprintf(name, sizeof(name), "blk.%d.attn_norm.weight", l);
        assert_int_equal(type_of(t, types, name), DTYPE_F32);
    }
    assert_int_equal(type_of(t, types, "output.weight"), DTYPE_Q6_K);
    assert_int_equal(type_of(t, types, "token_embd.weight"), DTYPE_Q4_K);
}

static void test_mix_falls_back(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_opts opts = {0};
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};

    build(t, names, 320);
    assert_int_equal(mix_assign(types, mix_by_name("Q4_K_M"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "output.weight"), DTYPE_Q8_0);
    assert_int_equal(type_of(t, types, "token_embd.weight"), DTYPE_Q5_0);
    assert_int_equal(type_of(t, types, "blk.0.attn_v.weight"), DTYPE_Q8_0); /* was Q6_K */
    assert_int_equal(type_of(t, types, "blk.1.attn_v.weight"), DTYPE_Q5_0);
    assert_int_equal(mix_assign(types, mix_by_name("Q5_K_S"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "blk.1.attn_v.weight"), DTYPE_Q5_1);
    build(t, names, 40);
    assert_int_equal(mix_assign(types, mix_by_name("Q8_0"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "blk.1.attn_v.weight"), DTYPE_F16);
}

static void test_mix_options(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
    const struct mix_override over[] = {
        {"blk\\.[0-3]\\.ffn_down", DTYPE_Q8_0},
        {"ffn_down",               DTYPE_Q5_0},
        {"norm",                   DTYPE_Q8_0}
    };
    struct mix_opts opts = {.overrides = over, .n_overrides = 3};

    build(t, names, 512);
    assert_int_equal(mix_assign(types, mix_by_name("Q4_K_M"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "blk.3.ffn_down.weight"), DTYPE_Q8_0);
    assert_int_equal(type_of(t, types, "blk.7.ffn_down.weight"), DTYPE_Q5_0);
    assert_int_equal(type_of(t, types, "blk.7.attn_norm.weight"), DTYPE_F32);
    assert_int_equal(type_of(t, types, "blk.7.attn_v.weight"), DTYPE_Q6_K);

    opts = (struct mix_opts){.pure = true};
    assert_int_equal(mix_assign(types, mix_by_name("Q4_K_M"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "output.weight"), DTYPE_Q4_K);
    assert_int_equal(type_of(t, types, "blk.7.attn_v.weight"), DTYPE_Q4_K);

    opts = (struct mix_opts){.output_type = DTYPE_Q8_0, .embedding_type = DTYPE_F16};
    assert_int_equal(mix_assign(types, mix_by_name("Q4_0"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "output.weight"), DTYPE_Q8_0);
    assert_int_equal(type_of(t, types, "token_embd.weight"), DTYPE_F16);
}

static void test_mix_bad_pattern(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
    const struct mix_override over[] = {
        {"ffn",     DTYPE_Q8_0},
        {"attn_(v", DTYPE_Q8_0}
    };
    const struct mix_opts opts = {.overrides = over, .n_overrides = 2};

    build(t, names, 512);
    assert_int_equal(mix_assign(types, mix_by_name("Q4_K_M"), &m, &opts, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "\"attn_(v\""));
}

/* Every base type and fallback can be written, so that no mix fails halfway. */
static void test_mix_types_have_encoders(void **state)
{
    (void)state;
    const uint64_t lens[] = {512, 320, 40};

    for (size_t i = 0; mix_at(i); i++)
        for (size_t k = 0; k < 3; k++) {
            struct mix_tensor t[N];
            char names[N][64];
            enum dtype types[N];
            struct err err;
            const struct mix_opts opts = {0};
            const struct mix_model m = {t, N, LAYERS, 8, 2, k == 2 ? 8 : 0, false};
            build(t, names, lens[k]);
            assert_int_equal(mix_assign(types, mix_at(i), &m, &opts, &err), 0);
            for (size_t j = 0; j < N; j++) {
                assert_non_null(codec_get(types[j], CPU_ALL));
                assert_non_null(codec_get(types[j], CPU_ALL)->enc);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mix_names),       cmocka_unit_test(test_mix_counts_by_block),
        cmocka_unit_test(test_mix_falls_back),  cmocka_unit_test(test_mix_options),
        cmocka_unit_test(test_mix_bad_pattern), cmocka_unit_test(test_mix_types_have_encoders),
    };

    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
