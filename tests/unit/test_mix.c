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
        {"ffn_down|norm",          DTYPE_Q5_0}
    };
    struct mix_opts opts = {.overrides = over, .n_overrides = 2};

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

static void test_mix_pattern_without_tensor(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
    const struct mix_override over[] = {
        {"ffn_",   DTYPE_Q8_0},
        {"ffn_d",  DTYPE_Q8_0}, /* finds some, though another has them */
        {"attn_w", DTYPE_Q8_0}
    };
    struct mix_opts opts = {.overrides = over, .n_overrides = 2};

    build(t, names, 512);
    assert_int_equal(mix_assign(types, mix_by_name("Q4_0"), &m, &opts, &err), 0);
    opts.n_overrides = 3;
    assert_int_equal(mix_assign(types, mix_by_name("Q4_0"), &m, &opts, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "\"attn_w\""));
    /* one that finds what is never quantized */
    const struct mix_override norms = {"_norm", DTYPE_Q8_0};
    opts = (struct mix_opts){.overrides = &norms, .n_overrides = 1};
    assert_int_equal(mix_assign(types, mix_by_name("Q4_0"), &m, &opts, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "\"_norm\""));
}

/* Tensors that a pattern decides are not among those that rules count. */
static void test_mix_counts_without_overridden(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
    const struct mix_override over = {"blk\\.0\\.ffn_down", DTYPE_Q8_0};
    const struct mix_opts opts = {.overrides = &over, .n_overrides = 1};

    build(t, names, 512);
    assert_int_equal(mix_assign(types, mix_by_name("Q4_K_S"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "blk.0.ffn_down.weight"), DTYPE_Q8_0);
    assert_int_equal(type_of(t, types, "blk.1.ffn_down.weight"), DTYPE_Q5_K);
    assert_int_equal(type_of(t, types, "blk.2.ffn_down.weight"), DTYPE_Q4_K);
}

/* A type without another in its place: the error says which tensor, and what fits. */
static void test_mix_nothing_fits(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
    struct mix_opts opts = {0};

    build(t, names, 576);
    assert_int_equal(mix_assign(types, mix_by_name("Q1_0"), &m, &opts, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "token_embd.weight: rows of 576 values"));
    assert_non_null(strstr(err.msg, " Q8_0 "));
    assert_null(strstr(err.msg, "Q6_K"));
    assert_int_equal(mix_assign(types, mix_by_name("NVFP4"), &m, &opts, &err), 0);
    opts.embedding_type = DTYPE_Q6_K; /* asked for by name: nothing takes its place */
    assert_int_equal(mix_assign(types, mix_by_name("Q4_0"), &m, &opts, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "token_embd.weight"));
    build(t, names, 544);
    opts.embedding_type = DTYPE_NONE;
    assert_int_equal(mix_assign(types, mix_by_name("NVFP4"), &m, &opts, &err), ERR_ARG);
}

/* The output matrix's type is the embedding's where that serves as one. */
static void test_mix_tied(void **state)
{
    (void)state;
    struct mix_tensor t[N];
    char names[N][64];
    enum dtype types[N];
    struct err err;
    const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
    struct mix_opts opts = {.output_type = DTYPE_IQ4_XS};

    build(t, names, 512);
    t[1] =
        (struct mix_tensor){"per_layer_token_embd.weight", ROLE_LAYER_EMBD, -1, 2, 512, DTYPE_BF16};
    assert_int_equal(mix_assign(types, mix_by_name("Q2_K"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "token_embd.weight"), DTYPE_IQ4_XS);
    opts.output_type = DTYPE_NONE;
    assert_int_equal(mix_assign(types, mix_by_name("IQ2_XXS"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "token_embd.weight"), DTYPE_Q5_K);
    assert_int_equal(type_of(t, types, "per_layer_token_embd.weight"), DTYPE_Q5_K);
    /* a pattern may name the second table, which else follows the first */
    const struct mix_override over = {"per_layer|token_embd", DTYPE_Q5_0};
    opts = (struct mix_opts){.embedding_type = DTYPE_Q8_0, .overrides = &over, .n_overrides = 1};
    assert_int_equal(mix_assign(types, mix_by_name("IQ2_XXS"), &m, &opts, &err), 0);
    assert_int_equal(type_of(t, types, "token_embd.weight"), DTYPE_Q8_0);
    assert_int_equal(type_of(t, types, "per_layer_token_embd.weight"), DTYPE_Q5_0);
}

static void test_mix_suggests(void **state)
{
    (void)state;
    const struct {
        const char *word, *nearest;
    } mixes[] = {
        {"Q4",     "the nearest is Q4_1"   },
        {"q4km",   "the nearest is Q4_K_M" },
        {"IQ2XXS", "the nearest is IQ2_XXS"},
        {"",       "the nearest is F32"    },
    };
    const struct mix *m;
    enum dtype type;
    struct err err;

    for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
        assert_int_equal(mix_read(&m, mixes[i].word, &err), ERR_ARG);
        assert_non_null(strstr(err.msg, mixes[i].nearest));
    }
    assert_int_equal(mix_read(&m, "iq3_m", &err), 0);
    assert_int_equal(mix_read_type(&type, "iq2_xx", &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "IQ2_XXS"));
    assert_int_equal(mix_read_type(&type, "q6_k", &err), 0);
    assert_int_equal(type, DTYPE_Q6_K);
    /* a type, but of no matrix */
    assert_int_equal(mix_read_type(&type, "I32", &err), ERR_ARG);
    assert_int_equal(mix_read_type(&type, "F8_E4M3", &err), ERR_ARG);
}

static void test_mix_needs_importance(void **state)
{
    (void)state;
    const struct mix *m = mix_by_name("IQ3_XXS");

    assert_true(mix_needs_importance(m, ROLE_ATTN_V, DTYPE_IQ3_XXS));
    assert_true(mix_needs_importance(m, ROLE_NONE, DTYPE_IQ1_S));
    assert_false(mix_needs_importance(m, ROLE_TOKEN_EMBD, DTYPE_IQ3_XXS));
    assert_false(mix_needs_importance(m, ROLE_LAYER_EMBD, DTYPE_IQ3_XXS));
    assert_false(mix_needs_importance(m, ROLE_OUTPUT, DTYPE_IQ3_XXS));
    assert_false(mix_needs_importance(m, ROLE_ATTN_V, DTYPE_IQ3_S));
    assert_false(mix_needs_importance(m, ROLE_ATTN_V, DTYPE_Q2_K));
    assert_true(mix_needs_importance(mix_by_name("Q2_K_S"), ROLE_ATTN_V, DTYPE_Q2_K));
}

/* Every type that a matrix can have is the base of a mix, which has its name where there is
 * no other of that name. */
static void test_mix_every_type(void **state)
{
    (void)state;
    for (int i = DTYPE_NONE + 1; i < DTYPE_COUNT; i++) {
        const struct dtype_info *d = dtype_get((enum dtype)i);
        enum dtype type;
        struct err err;
        if (mix_read_type(&type, d->name, &err))
            continue;
        assert_non_null(mix_by_name(d->name));
        /* and there is one that gives it to every matrix */
        struct mix_tensor t[N];
        char names[N][64];
        enum dtype types[N];
        const struct mix_model m = {t, N, LAYERS, 8, 2, 0, false};
        const struct mix_opts opts = {.pure = true};
        build(t, names, 512);
        assert_int_equal(mix_assign(types, mix_of_type(type), &m, &opts, &err), 0);
        assert_int_equal(type_of(t, types, "blk.3.attn_v.weight"), type);
        /* which can be written */
        assert_non_null(codec_get(type, CPU_ALL));
        assert_non_null(codec_get(type, CPU_ALL)->enc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mix_names),
        cmocka_unit_test(test_mix_counts_by_block),
        cmocka_unit_test(test_mix_falls_back),
        cmocka_unit_test(test_mix_options),
        cmocka_unit_test(test_mix_bad_pattern),
        cmocka_unit_test(test_mix_pattern_without_tensor),
        cmocka_unit_test(test_mix_counts_without_overridden),
        cmocka_unit_test(test_mix_nothing_fits),
        cmocka_unit_test(test_mix_tied),
        cmocka_unit_test(test_mix_suggests),
        cmocka_unit_test(test_mix_needs_importance),
        cmocka_unit_test(test_mix_every_type),
    };

    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
