#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/arch/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int read_config(struct arch_params *p, const char *class, const char *text, struct err *err)
{
    json_val *config = NULL;

    assert_int_equal(json_parse(&config, text, strlen(text), err), 0);
    const int rc = arch_params_from_config(p, arch_by_class(class), config, 1000, err);
    json_free(config);
    return rc;
}

static void ok(struct arch_params *p, const char *class, const char *text)
{
    struct err err = {0};

    if (read_config(p, class, text, &err))
        fail_msg("%s: %s", text, err.msg);
}

/* The message must hold `says`. */
static void bad(const char *text, int code, const char *says)
{
    struct arch_params p;
    struct err err = {0};

    assert_int_equal(read_config(&p, "LlamaForCausalLM", text, &err), code);
    if (!strstr(err.msg, says))
        fail_msg("%s: expected \"%s\" in \"%s\"", text, says, err.msg);
}

/* ---- the table ---- */

/* What every family must keep to, whoever adds it. */
static void test_arch_table(void **state)
{
    const struct arch *a;
    struct arch_tensor const *row;
    char name[256];
    int layer, expert;

    (void)state;
    for (size_t i = 0; (a = arch_at(i)); i++) {
        assert_non_null(a->classes[0]);
        for (const char *const *c = a->classes; *c; c++)
            assert_true((arch_by_class(*c) == a) == !a->config_if);
        assert_string_equal(arch_by_name(a->name)->name, a->name);
        for (size_t r = 0; (row = arch_row(a, r)); r++) {
            assert_int_not_equal(row->role, ROLE_NONE);
            assert_true(row->hf ? !(row->flags & TENSOR_MADE)
                                : row->flags & (TENSOR_MADE | TENSOR_OPTIONAL));
            assert_true(arch_expand(name, sizeof(name), row->gguf, 7, 3));
            const struct arch_tensor *found = arch_match_gguf(a, name, &layer);
            assert_non_null(found); /* old and new spellings of a checkpoint give the same tensor */
            assert_int_equal(found->role, row->role);
            assert_memory_equal(found->dims, row->dims, sizeof(row->dims));
            assert_int_equal(layer, arch_in_block(row) ? 7 : -1);
            if (!row->hf)
                continue;
            assert_true(arch_expand(name, sizeof(name), row->hf, 7, 3));
            found = arch_match_hf(a, name, &layer, &expert);
            while (found && found != row)
                found = arch_match_next(a, found, name);
            assert_ptr_equal(found, row);
            assert_int_equal(layer, arch_in_block(row) ? 7 : -1);
            assert_int_equal(expert, row->flags & TENSOR_EXPERTS ? 3 : -1);
        }
    }
    assert_null(arch_by_class("NobodyForCausalLM"));
    assert_null(arch_by_name("nobody"));
}

static void test_arch_match(void **state)
{
    const struct arch *a = arch_by_class("LlamaForCausalLM");
    static const char *const none[] = {
        "model.layers.007.mlp.up_proj.weight",
        "model.layers..mlp.up_proj.weight",
        "model.layers.7.mlp.up_proj.weightx",
        "model.layers.7.mlp.up_proj",
        "model.layers.-1.mlp.up_proj.weight",
        "model.layers.9999999999.mlp.up_proj.weight",
        "blk.0.attn_q.weight",
        "",
    };
    int layer, expert;

    (void)state;
    assert_non_null(arch_match_hf(a, "model.layers.12.mlp.up_proj.weight", &layer, &expert));
    assert_int_equal(layer, 12);
    assert_null(
        arch_match_next(a, arch_match_hf(a, "lm_head.weight", &layer, &expert), "lm_head.weight"));
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_null(arch_match_hf(a, none[i], &layer, &expert));
    assert_true(arch_ignores(a, "model.layers.3.self_attn.rotary_emb.inv_freq"));
    assert_false(arch_ignores(a, "model.layers.3.self_attn.q_proj.weight"));
}

static void test_arch_expand_fits(void **state)
{
    char small[8];

    (void)state;
    assert_true(arch_expand(small, sizeof(small), "b.{}.x|y", 12, 0));
    assert_string_equal(small, "b.12.x");
    assert_true(arch_expand(small, sizeof(small), "b.{}.xy", 12, 0));
    assert_false(arch_expand(small, sizeof(small), "b.{}.xyz", 12, 0));
}

/* ---- config.json ---- */

/* transformers' class defaults where the file is silent. */
static void test_arch_defaults(void **state)
{
    struct arch_params p;

    (void)state;
    ok(&p, "LlamaForCausalLM", "{}");
    assert_int_equal(arch_int(&p, ARCH_N_LAYER, 0), 32);
    assert_int_equal(arch_int(&p, ARCH_N_CTX, 0), 2048);
    assert_int_equal(arch_int(&p, ARCH_N_FF, 0), 11008);
    assert_int_equal(arch_int(&p, ARCH_N_HEAD_KV, 0), 32);
    assert_int_equal(arch_int(&p, ARCH_HEAD_K, 0), 128);
    assert_int_equal(arch_int(&p, ARCH_N_ROT, 0), 128);
    assert_true(arch_num(&p, ARCH_NORM_EPS, 0) == 1e-6);
    assert_true(arch_num(&p, ARCH_ROPE_BASE, 0) == 10000);
    assert_int_equal(arch_int(&p, ARCH_ROPE_TYPE, 0), ARCH_ROPE_NONE);
    assert_false(arch_has(&p, ARCH_WINDOW));
    arch_params_release(&p);

    ok(&p, "MistralForCausalLM", "{}");
    assert_int_equal(arch_int(&p, ARCH_N_HEAD_KV, 0), 8);
    assert_int_equal(arch_int(&p, ARCH_WINDOW, 0), 4096);
    assert_int_equal(arch_int(&p, ARCH_N_CTX, 0), 131072);
    arch_params_release(&p);

    ok(&p, "MistralForCausalLM", "{\"sliding_window\": null, \"head_dim\": null}");
    assert_false(arch_has(&p, ARCH_WINDOW));
    assert_int_equal(arch_int(&p, ARCH_HEAD_K, 0), 128);
    arch_params_release(&p);
}

static void test_arch_config_errors(void **state)
{
    (void)state;
    bad("[]", ERR_FORMAT, "object");
    bad("{\"hidden_act\": \"sine\"}", ERR_UNSUPPORTED, "hidden_act: \"sine\"");
    bad("{\"hidden_size\": \"64\"}", ERR_FORMAT, "hidden_size: expected a number, found \"64\"");
    bad("{\"hidden_size\": 64.5}", ERR_FORMAT, "hidden_size: expected a whole number");
    bad("{\"hidden_size\": -1}", ERR_FORMAT, "hidden_size");
    bad("{\"hidden_size\": 0}", ERR_FORMAT, "hidden_size: expected a positive number");
    bad("{\"hidden_size\": 1e300}", ERR_FORMAT, "hidden_size");
    bad("{\"hidden_size\": 100}", ERR_FORMAT, "100 / 32");
    bad("{\"num_hidden_layers\": [1]}", ERR_FORMAT, "num_hidden_layers");
    bad("{\"rms_norm_eps\": 0}", ERR_FORMAT, "rms_norm_eps");
    bad("{\"num_key_value_heads\": 5}", ERR_FORMAT, "32 query heads");
    bad("{\"head_dim\": 33}", ERR_UNSUPPORTED, "33");
    bad("{\"num_key_value_heads\": [1, 2]}", ERR_FORMAT, "32 layers, found 2");
    bad("{\"rope_scaling\": 1}", ERR_FORMAT, "rope_scaling: expected an object");
    bad("{\"rope_scaling\": {\"type\": \"spiral\", \"factor\": 2}}", ERR_UNSUPPORTED, "\"spiral\"");
    bad("{\"rope_parameters\": {\"other_attention\": {}}}", ERR_UNSUPPORTED, "other_attention");
    bad("{\"rope_scaling\": {\"type\": \"linear\"}}", ERR_FORMAT, "rope_scaling.factor is missing");
    bad("{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}}", ERR_FORMAT, "positive");
    bad("{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 2}}", ERR_FORMAT,
        "low_freq_factor is missing");
    bad("{\"rope_theta\": \"x\"}", ERR_FORMAT, "rope_theta");
    bad("{\"rope_theta\": -3}", ERR_FORMAT, "rope_theta");
}

/* Every spelling of scaling; theta inside the object wins, the older object too. */
static void test_arch_rope_spellings(void **state)
{
    struct arch_params p;

    (void)state;
    ok(&p, "LlamaForCausalLM",
       "{\"rope_theta\": 7, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4},"
       "\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 2, \"rope_theta\": 9}}");
    assert_int_equal(arch_int(&p, ARCH_ROPE_TYPE, 0), ARCH_ROPE_LINEAR);
    assert_true(arch_num(&p, ARCH_ROPE_BASE, 0) == 7);
    assert_true(arch_num(&p, ARCH_ROPE_FACTOR, 0) == 4);
    arch_params_release(&p);

    ok(&p, "LlamaForCausalLM",
       "{\"rope_theta\": 7, \"rope_scaling\": {}, \"max_position_embeddings\": 512,"
       "\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 4, \"rope_theta\": 9,"
       "\"mscale\": 1, \"mscale_all_dim\": 0.5, \"truncate\": false}}");
    assert_int_equal(arch_int(&p, ARCH_ROPE_TYPE, 0), ARCH_ROPE_YARN);
    assert_true(arch_num(&p, ARCH_ROPE_BASE, 0) == 9);
    assert_int_equal(arch_int(&p, ARCH_ROPE_CTX, 0), 512);
    assert_int_equal(arch_int(&p, ARCH_ROPE_EXACT, 0), 1);
    const double want = (0.1 * log(4) + 1) / (0.05 * log(4) + 1);
    assert_true(fabs(arch_num(&p, ARCH_ROPE_ATTN, 0) - want) < 1e-15);
    arch_params_release(&p);
}

/* llama3's divisors by hand: a head of 4 with base 10000 has wavelengths 2 pi and 200 pi. */
static void test_arch_rope_divisors(void **state)
{
    const struct arch *a = arch_by_class("LlamaForCausalLM");
    const struct arch_tensor *row = arch_row(a, 0);
    struct arch_params p;
    float d[2];

    (void)state;
    ok(&p, "LlamaForCausalLM",
       "{\"head_dim\": 4, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8,"
       "\"low_freq_factor\": 1, \"high_freq_factor\": 4,"
       "\"original_max_position_embeddings\": 1024}}");
    assert_int_equal(row->role, ROLE_ROPE_FREQS);
    assert_true(arch_makes(row, &p));
    arch_make(d, 2, row, &p);
    const double smooth = (1024 / (200 * acos(-1)) - 1) / 3;
    assert_true(d[0] == 1.0F);
    assert_true(fabs((double)d[1] - 1 / ((1 - smooth) / 8 + smooth)) < 1e-5);
    arch_params_release(&p);
    ok(&p, "LlamaForCausalLM", "{}");
    assert_false(arch_makes(row, &p));
    arch_params_release(&p);
}

/* ---- GGUF ---- */

/* Facts that the families' own keys lose. */
static const char *const lossy[] = {
    "FalconForCausalLM {\"max_position_embeddings\": 4096, \"rope_theta\": 7, \"hidden_size\": 64, "
    "\"num_attention_heads\": 4}",
    "FalconForCausalLM {\"alibi\": true, \"multi_query\": false, \"parallel_attn\": false, "
    "\"hidden_size\": 64, \"num_attention_heads\": 4}",
    "GPTNeoXForCausalLM {\"rotary_emb_base\": 50, \"rotary_pct\": 0.5, \"rope_scaling\": "
    "{\"type\": \"linear\", \"factor\": 4}}",
    "StableLmForCausalLM {\"use_parallel_residual\": true, \"rope_theta\": 50}",
    "GlmForCausalLM {\"rope_theta\": 50, \"rms_norm_eps\": 0.001, \"partial_rotary_factor\": 0.25}",
    "Cohere2ForCausalLM {\"sliding_window_pattern\": 3}",
    "GraniteSWAForCausalLM {\"num_hidden_layers\": 3, \"layer_rope_theta\": [10, 0, 30]}",
    "GraniteForCausalLM {\"head_dim\": 32, \"hidden_act\": \"gelu\"}",
    "GPTBigCodeForCausalLM {\"multi_query\": false}",
    "MPTForCausalLM {\"layer_norm_epsilon\": 0.5, \"attn_config\": {\"clip_qkv\": 3, "
    "\"softmax_scale\": 0.5}}",
};

/* What is written is read back, and belongs to the row it came from. */
static void round_trip(const char *class, const char *config)
{
    const struct arch *a = arch_by_class(class);
    struct arch_params p, q;
    struct meta meta = {0};
    struct err err = {0};
    ok(&p, class, config);
    assert_int_equal(meta_set_str(&meta, "general.architecture", a->name, &err), 0);
    assert_int_equal(arch_params_to_meta(&meta, a, &p, &err), 0);
    if (arch_params_from_meta(&q, arch_of_meta(&meta), &meta, 1000, &err))
        fail_msg("%s", err.msg);
    for (int k = 0; k < ARCH_PARAM_COUNT; k++)
        for (size_t l = 0; l < 3; l++)
            if (k != ARCH_N_VOCAB && k != ARCH_ROPE_PART && /* the tokens and N_ROT tell */
                arch_has(&p, (enum arch_param)k) &&
                (float)arch_num(&p, (enum arch_param)k, l) !=
                    (float)arch_num(&q, (enum arch_param)k, l))
                fail_msg("%s: parameter %d of layer %zu", config, k, l);
    arch_params_release(&p);
    arch_params_release(&q);
    meta_release(&meta);
}

static void test_arch_meta_round_trip(void **state)
{
    static const struct {
        const char *class, *config;
    } rows[] = {
        {"LlamaForCausalLM",   "{}"                                                                                      },
        {"LlamaForCausalLM",   "{\"num_key_value_heads\": 4, \"head_dim\": 64}"                                          },
        {"LlamaForCausalLM",   "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4}}"                               },
        {"LlamaForCausalLM",   "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"mscale\": 2,"
                             "\"mscale_all_dim\": 3, \"beta_fast\": 8, \"truncate\": false}}"},
        {"LlamaForCausalLM",   "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4,"
                             "\"attention_factor\": 1.25}}"                                  },
        {"MistralForCausalLM", "{}"                                                                                      },
        {"MistralForCausalLM", "{\"sliding_window\": 48}"                                                                },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        round_trip(rows[i].class, rows[i].config);
    for (size_t i = 0; i < sizeof(lossy) / sizeof(lossy[0]); i++) {
        char class[64] = "";
        memcpy(class, lossy[i], strcspn(lossy[i], " "));
        round_trip(class, strchr(lossy[i], ' '));
    }
}

/* What the reference converter writes whatever config.json says, and what it leaves out. */
static void test_arch_meta_fixed(void **state)
{
    const struct arch *a = arch_by_class("FalconForCausalLM");
    struct arch_params p;
    struct meta meta = {0};
    struct err err = {0};
    struct meta_str text;
    uint64_t n = 0;

    (void)state;
    ok(&p, "FalconForCausalLM",
       "{\"max_position_embeddings\": 4096, \"rope_theta\": 7, \"hidden_size\": 64,"
       "\"num_attention_heads\": 4}");
    assert_int_equal(meta_set_str(&meta, "general.architecture", a->name, &err), 0);
    assert_int_equal(arch_params_to_meta(&meta, a, &p, &err), 0);
    assert_true(meta_u64(&meta, "falcon.context_length", &n) && n == 2048);
    assert_true(meta_u64(&meta, "pare.arch.n_ctx", &n) && n == 4096);
    assert_true(meta_str(&meta, "falcon.tensor_data_layout", &text) && text.n == 7);
    assert_null(meta_get(&meta, "falcon.rope.freq_base"));
    assert_null(meta_get(&meta, "falcon.attention.key_length"));
    arch_params_release(&p);
    meta_release(&meta);
}

/* Conditions of rows. */
/* Rows of one class: config.json decides. */
static void test_arch_of_config(void **state)
{
    static const struct {
        const char *config, *name;
    } rows[] = {
        {"{\"hybrid_override_pattern\": \"M*-\"}",        "nemotron_h"    },
        {"{\"hybrid_override_pattern\": \"M*E\"}",        "nemotron_h_moe"},
        {"{\"layers_block_type\": [\"mamba\", \"moe\"]}", "nemotron_h_moe"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};
        json_val *config = NULL;
        assert_int_equal(json_parse(&config, rows[i].config, strlen(rows[i].config), &err), 0);
        const struct arch *a = arch_of_config("NemotronHForCausalLM", config);
        assert_non_null(a);
        assert_string_equal(a->name, rows[i].name);
        json_free(config);
    }
    assert_string_equal(arch_by_class("NemotronHForCausalLM")->name, "nemotron_h");
}

static void test_arch_asks(void **state)
{
    static const struct {
        const char *when, *config;
        bool asked;
    } rows[] = {
        {NULL,       "{}",                       true },
        {"x",        "{}",                       false},
        {"x",        "{\"x\": true}",            true },
        {"!x",       "{\"x\": false}",           true },
        {"x=false",  "{}",                       false},
        {"x=false",  "{\"x\": false}",           true },
        {"!x=false", "{}",                       true },
        {"!x=false", "{\"x\": false}",           false},
        {"x|y=a",    "{\"y\": \"a\"}",           true },
        {"x|y=a",    "{\"y\": \"ab\"}",          false},
        {"x=2",      "{\"x\": 2}",               true },
        {"x=2",      "{\"x\": 3}",               false},
        {"x",        "{\"x\": null}",            false},
        {"x:b|c",    "{\"x\": [\"a\", \"c\"]}",  true },
        {"x:b|c",    "{\"x\": [\"a\", \"cc\"]}", false},
        {"x|y:bb|c", "{\"y\": \"abc\"}",         true },
        {"x|y:bb|d", "{\"y\": \"abb\"}",         false},
        {"!x:b",     "{\"x\": [\"a\"]}",         true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};
        json_val *config = NULL;
        assert_int_equal(json_parse(&config, rows[i].config, strlen(rows[i].config), &err), 0);
        if (arch_asks(rows[i].when, config) != rows[i].asked)
            fail_msg("%s of %s", rows[i].when, rows[i].config);
        json_free(config);
    }
}

/* The least a GGUF may say, as old converters wrote it. */
static void test_arch_meta_minimal(void **state)
{
    const struct arch *a = arch_by_name("llama");
    struct meta meta = {0};
    struct arch_params p;
    struct err err = {0};

    (void)state;
    assert_int_equal(meta_set_str(&meta, "general.architecture", "llama", &err), 0);
    a = arch_of_meta(&meta);
    assert_int_equal(meta_set_u32(&meta, "llama.block_count", 2, &err), 0);
    assert_int_equal(meta_set_u32(&meta, "llama.context_length", 128, &err), 0);
    assert_int_equal(meta_set_u32(&meta, "llama.embedding_length", 64, &err), 0);
    assert_int_equal(meta_set_u32(&meta, "llama.attention.head_count", 4, &err), 0);
    assert_int_equal(meta_set_f32(&meta, "llama.attention.layer_norm_rms_epsilon", 1e-5F, &err), 0);
    assert_int_equal(arch_params_from_meta(&p, a, &meta, 1000, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "llama.feed_forward_length is missing");
    assert_int_equal(meta_set_u32(&meta, "llama.feed_forward_length", 96, &err), 0);
    if (arch_params_from_meta(&p, a, &meta, 1000, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(arch_int(&p, ARCH_N_HEAD_KV, 0), 4);
    assert_int_equal(arch_int(&p, ARCH_HEAD_V, 0), 16);
    assert_int_equal(arch_int(&p, ARCH_N_ROT, 0), 16);
    assert_true(arch_num(&p, ARCH_ROPE_BASE, 0) == 10000);
    assert_false(arch_has(&p, ARCH_WINDOW));
    assert_false(arch_has(&p, ARCH_N_VOCAB));
    arch_params_release(&p);
    assert_int_equal(meta_set_str(&meta, "llama.rope.scaling.type", "longrope", &err), 0);
    assert_int_equal(arch_params_from_meta(&p, a, &meta, 1000, &err), ERR_UNSUPPORTED);
    meta_release(&meta);
}

/* Values by layer, from a GGUF and back. */
static void test_arch_meta_per_layer(void **state)
{
    static const uint8_t kv[12] = {2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0};
    const struct arch *a = arch_by_class("LlamaForCausalLM");
    struct arch_params p, q;
    struct meta meta = {0}, again = {0};
    struct err err = {0};

    (void)state;
    ok(&p, "LlamaForCausalLM", "{\"num_hidden_layers\": 3, \"num_attention_heads\": 8}");
    assert_int_equal(arch_params_to_meta(&meta, a, &p, &err), 0);
    assert_int_equal(
        meta_set_array(&meta, "llama.attention.head_count_kv", META_I32, 3, kv, 12, &err), 0);
    assert_int_equal(arch_params_from_meta(&q, a, &meta, 1000, &err), 0);
    assert_int_equal(arch_int(&q, ARCH_N_HEAD_KV, 0), 2);
    assert_int_equal(arch_int(&q, ARCH_N_HEAD_KV, 1), 4);
    assert_int_equal(arch_most(&q, ARCH_N_HEAD_KV), 4);
    assert_int_equal(arch_most(&q, ARCH_N_HEAD), 8);
    assert_int_equal(arch_dim(DIM_K, &q, 1), 4 * 512);
    assert_int_equal(arch_params_to_meta(&again, a, &q, &err), 0);
    const struct meta_array *list = meta_array(&again, "llama.attention.head_count_kv", META_I32);
    assert_non_null(list);
    assert_memory_equal(list->raw, kv, 12);
    arch_params_release(&q);
    assert_int_equal(
        meta_set_array(&meta, "llama.attention.head_count_kv", META_I32, 1, kv, 4, &err), 0);
    assert_int_equal(arch_params_from_meta(&q, a, &meta, 1000, &err), ERR_FORMAT);
    arch_params_release(&p);
    meta_release(&meta);
    meta_release(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arch_table),          cmocka_unit_test(test_arch_match),
        cmocka_unit_test(test_arch_expand_fits),    cmocka_unit_test(test_arch_defaults),
        cmocka_unit_test(test_arch_config_errors),  cmocka_unit_test(test_arch_rope_spellings),
        cmocka_unit_test(test_arch_rope_divisors),  cmocka_unit_test(test_arch_meta_round_trip),
        cmocka_unit_test(test_arch_meta_minimal),   cmocka_unit_test(test_arch_meta_fixed),
        cmocka_unit_test(test_arch_asks),           cmocka_unit_test(test_arch_of_config),
        cmocka_unit_test(test_arch_meta_per_layer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
