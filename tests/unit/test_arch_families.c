/* formats/arch/families: what class defaults, rules by layer and conditions on config.json give
 * in families that use them, and that a GGUF brings all of it back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/arch/arch.h"
#include "formats/arch/arch_export.h"

#include <math.h>
#include <string.h>

static int read_config(struct arch_params *p, const char *class, const char *text, struct err *err)
{
    json_val *config = NULL;
    int rc = json_parse(&config, text, strlen(text), err);

    if (!rc)
        rc = arch_params_from_config(p, arch_by_class(class), config, 1000, err);
    json_free(config);
    return rc;
}

static void ok(struct arch_params *p, const char *class, const char *text)
{
    struct err err = {0};

    if (read_config(p, class, text, &err))
        fail_msg("%s %s: %s", class, text, err.msg);
}

/* The choice is made in exactly the layers with a '1'. */
static void chosen(const char *class, const char *text, enum arch_param which, const char *want)
{
    struct arch_params p;

    ok(&p, class, text);
    assert_int_equal(arch_int(&p, ARCH_N_LAYER, 0), strlen(want));
    for (size_t l = 0; want[l]; l++)
        if ((arch_num(&p, which, l) != 0) != (want[l] == '1'))
            fail_msg("%s %s: layer %zu of %s", class, text, l, want);
    arch_params_release(&p);
}

static void test_families_windows(void **state)
{
    (void)state;
    chosen("Qwen2ForCausalLM", "{\"num_hidden_layers\": 4, \"max_window_layers\": 3}",
           ARCH_AT_WINDOW, "0001");
    chosen("Qwen3ForCausalLM", "{\"num_hidden_layers\": 3}", ARCH_AT_WINDOW, "000");
    chosen("Gemma2ForCausalLM", "{\"num_hidden_layers\": 5}", ARCH_AT_WINDOW, "10101");
    chosen("Gemma3ForCausalLM", "{\"num_hidden_layers\": 7}", ARCH_AT_WINDOW, "1111101");
    chosen("Gemma3ForCausalLM", "{\"num_hidden_layers\": 4, \"sliding_window_pattern\": 2}",
           ARCH_AT_WINDOW, "1010");
    chosen("Gemma4ForCausalLM", "{\"num_hidden_layers\": 4}", ARCH_AT_WINDOW, "1110");
    chosen("Olmo3ForCausalLM", "{\"num_hidden_layers\": 5}", ARCH_AT_WINDOW, "11101");
    chosen("Exaone4ForCausalLM",
           "{\"num_hidden_layers\": 3, \"layer_types\": [\"full_attention\", \"sliding_attention\","
           "\"full_attention\"]}",
           ARCH_AT_WINDOW, "010");
}

static void test_families_rotation(void **state)
{
    (void)state;
    chosen("SmolLM3ForCausalLM", "{\"num_hidden_layers\": 5}", ARCH_AT_ROPE, "11101");
    chosen("SmolLM3ForCausalLM", "{\"num_hidden_layers\": 3, \"no_rope_layers\": [0, 1, 0]}",
           ARCH_AT_ROPE, "010");
    chosen("SmolLM3ForCausalLM", "{\"num_hidden_layers\": 3, \"no_rope_layer_interval\": 2}",
           ARCH_AT_ROPE, "101");
    /* full layers do not rotate, but only beside windowed ones */
    chosen("Exaone4ForCausalLM", "{\"num_hidden_layers\": 5}", ARCH_AT_ROPE, "11101");
    chosen("Exaone4ForCausalLM", "{\"num_hidden_layers\": 5, \"sliding_window\": null}",
           ARCH_AT_ROPE, "11111");
}

/* A parameter, with the class's default where config.json is silent. */
static void test_families_defaults(void **state)
{
    static const struct {
        const char *class, *config;
        enum arch_param which;
        double want;
    } rows[] = {
        {"Qwen3ForCausalLM",          "{}",                                                             ARCH_HEAD_K,        128             },
        {"Qwen2ForCausalLM",          "{}",                                                             ARCH_HEAD_K,        128             },
        {"Qwen2ForCausalLM",          "{\"num_attention_heads\": 64}",                                  ARCH_HEAD_K,        64              },
        {"Qwen2ForCausalLM",          "{\"num_attention_heads\": 64}",                                  ARCH_N_HEAD_KV,     32              },
        {"SmolLM3ForCausalLM",        "{\"num_key_value_heads\": null}",                                ARCH_N_HEAD_KV,     16              },
        {"SmolLM3ForCausalLM",        "{}",                                                             ARCH_N_HEAD_KV,     4               },
        {"SmolLM3ForCausalLM",        "{}",                                                             ARCH_ROPE_BASE,     2000000         },
        {"SmolLM3ForCausalLM",        "{\"rope_theta\": 5}",                                            ARCH_ROPE_BASE,     5               },
        {"Qwen2ForCausalLM",          "{}",                                                             ARCH_WINDOW,        0               },
        {"Qwen2ForCausalLM",          "{\"use_sliding_window\": true}",                                 ARCH_WINDOW,        4096            },
        {"Gemma2ForCausalLM",         "{}",                                                             ARCH_ATTN_CAP,      50              },
        {"Gemma2ForCausalLM",         "{\"attn_logit_softcapping\": null}",                             ARCH_ATTN_CAP,      0               },
        {"Gemma2ForCausalLM",         "{\"query_pre_attn_scalar\": 64}",                                ARCH_ATTN_SCALE,    0.125           },
        {"GemmaForCausalLM",          "{\"hidden_size\": 64}",                                          ARCH_EMBD_SCALE,    8               },
        {"GemmaForCausalLM",          "{\"hidden_act\": \"gelu\"}",                                     ARCH_ACT,           ACT_GELU_TANH   },
        {"Gemma2ForCausalLM",         "{\"hidden_activation\": \"gelu\"}",                              ARCH_ACT,           ACT_GELU_ERF    },
        {"ArceeForCausalLM",          "{}",                                                             ARCH_ACT,           ACT_RELU2       },
        {"PhiForCausalLM",            "{}",                                                             ARCH_N_ROT,         32              },
        {"PhiForCausalLM",            "{\"qk_layernorm\": true}",                                       ARCH_QK_NORM,       QK_HEAD         },
        {"Phi3ForCausalLM",           "{\"partial_rotary_factor\": 0.75}",                              ARCH_N_ROT,         72              },
        {"OlmoForCausalLM",           "{\"rms_norm_eps\": 7}",                                          ARCH_NORM_EPS,      1e-5            },
        {"ApertusForCausalLM",        "{\"rope_theta\": 5}",                                            ARCH_ROPE_BASE,     12000000        },
        {"ApertusForCausalLM",        "{}",                                                             ARCH_ROPE_TYPE,     ARCH_ROPE_LLAMA3},
        {"ApertusForCausalLM",        "{\"rope_scaling\": {\"type\": \"default\"}, \"rope_theta\": 5}",
         ARCH_ROPE_BASE,                                                                                                    5               },
        {"Ministral3ForCausalLM",     "{}",                                                             ARCH_ROPE_TEMP,     0.1             },
        {"Ministral3ForCausalLM",     "{}",                                                             ARCH_ROPE_TEMP_CTX, 16384           },
        {"HunYuanDenseV1ForCausalLM", "{}",                                                             ARCH_N_CTX,         2048            },
        {"HunYuanDenseV1ForCausalLM",
         "{\"rope_scaling\": {\"type\": \"dynamic\", \"alpha\": 1000}}",                                ARCH_N_CTX,         262144          },
        {"HunYuanDenseV1ForCausalLM",
         "{\"head_dim\": 4, \"rope_scaling\": {\"type\": \"dynamic\", \"alpha\": 3}}",                  ARCH_ROPE_BASE,     90000           },
        {"LlamaForCausalLM",          "{\"hidden_act\": \"relu\"}",                                     ARCH_ACT,           ACT_RELU        },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arch_params p;
        ok(&p, rows[i].class, rows[i].config);
        const double found = arch_num(&p, rows[i].which, ARCH_NO_LAYER);
        if (fabs(found - rows[i].want) > 1e-9 * (1 + fabs(rows[i].want)))
            fail_msg("%s %s: %.17g, not %.17g", rows[i].class, rows[i].config, found, rows[i].want);
        arch_params_release(&p);
    }
}

/* Gemma 4: full layers have heads of their own, by either spelling. */
static void test_families_gemma4_heads(void **state)
{
    static const char *const spellings[] = {
        "{\"num_hidden_layers\": 2, \"head_dim\": 32, \"num_key_value_heads\": 4,"
        "\"layer_types\": [\"sliding_attention\", \"full_attention\"], \"global_head_dim\": 64,"
        "\"num_global_key_value_heads\": 2, \"attention_k_eq_v\": true}",
        "{\"num_hidden_layers\": 2, \"head_dim\": 32, \"num_key_value_heads\": 4,"
        "\"layer_types\": [\"sliding_attention\", \"full_attention\"],"
        "\"per_layer_config\": {\"1\": {\"head_dim\": 64, \"num_key_value_heads\": 2}}}",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct arch_params p;
        ok(&p, "Gemma4ForCausalLM", spellings[i]);
        assert_int_equal(arch_int(&p, ARCH_HEAD_K, 0), 32);
        assert_int_equal(arch_int(&p, ARCH_HEAD_K, 1), 64);
        assert_int_equal(arch_int(&p, ARCH_N_HEAD_KV, 0), 4);
        assert_int_equal(arch_int(&p, ARCH_N_HEAD_KV, 1), 2);
        assert_int_equal(arch_dim(DIM_V, &p, 0), 128);
        arch_params_release(&p);
    }
}

/* What is written is read back, in every layer. */
static void test_families_round_trip(void **state)
{
    static const struct {
        const char *class, *config;
    } rows[] = {
        {"Qwen2ForCausalLM",
         "{\"num_hidden_layers\": 3, \"use_sliding_window\": true, \"max_window_layers\": 1}"                             },
        {"Qwen3ForCausalLM",          "{\"num_hidden_layers\": 3, \"hidden_act\": \"gelu\"}"                              },
        {"GemmaForCausalLM",          "{\"rope_theta\": 77, \"hidden_act\": \"relu\"}"                                    },
        {"Gemma2ForCausalLM",         "{\"num_hidden_layers\": 2, \"query_pre_attn_scalar\": 7, "
                              "\"layer_types\": [\"full_attention\", \"sliding_attention\"]}"},
        {"Gemma2ForCausalLM",         "{\"attn_logit_softcapping\": null, \"final_logit_softcapping\": "
                              "null, \"sliding_window\": null}"                              },
        {"Gemma3ForCausalLM",         "{\"sliding_window_pattern\": 2, \"rope_scaling\": {\"rope_type\": "
                              "\"linear\", \"factor\": 8}}"                                  },
        {"Gemma4ForCausalLM",         "{\"num_global_key_value_heads\": 2, \"attention_k_eq_v\": true, "
                              "\"num_kv_shared_layers\": 4, \"use_double_wide_mlp\": true}"  },
        {"PhiForCausalLM",
         "{\"partial_rotary_factor\": 0.25, \"qk_layernorm\": true, \"rope_theta\": 55}"                                  },
        {"Phi3ForCausalLM",           "{\"sliding_window\": 48}"                                                          },
        {"OlmoForCausalLM",           "{\"clip_qkv\": 8}"                                                                 },
        {"Olmo2ForCausalLM",          "{}"                                                                                },
        {"Olmo3ForCausalLM",          "{\"rope_theta\": 10000}"                                                           },
        {"SmolLM3ForCausalLM",        "{\"num_hidden_layers\": 3, \"no_rope_layers\": [0, 1, 1]}"                         },
        {"SeedOssForCausalLM",        "{\"head_dim\": 16}"                                                                },
        {"Exaone4ForCausalLM",        "{\"sliding_window_pattern\": 3}"                                                   },
        {"Exaone4ForCausalLM",        "{\"sliding_window\": null}"                                                        },
        {"HunYuanDenseV1ForCausalLM", "{\"rope_scaling\": {\"type\": \"dynamic\", \"alpha\": 3}}"                         },
        {"ArceeForCausalLM",          "{\"hidden_act\": \"silu\"}"                                                        },
        {"ApertusForCausalLM",        "{}"                                                                                },
        {"Ministral3ForCausalLM",     "{\"sliding_window\": 5}"                                                           },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct arch *a = arch_by_class(rows[i].class);
        struct arch_params p, q;
        struct meta meta = {0};
        struct err err = {0};
        ok(&p, rows[i].class, rows[i].config);
        assert_int_equal(meta_set_str(&meta, "general.architecture", a->name, &err), 0);
        assert_int_equal(arch_params_to_meta(&meta, a, &p, &err), 0);
        if (arch_params_from_meta(&q, arch_of_meta(&meta), &meta, 1000, &err))
            fail_msg("%s: %s", rows[i].class, err.msg);
        for (int k = 0; k < ARCH_PARAM_COUNT; k++) {
            const enum arch_param which = (enum arch_param)k;
            /* what only config.json and tensors know */
            if (which == ARCH_N_VOCAB || which == ARCH_ROPE_PART || which == ARCH_QUERY_DIM ||
                which == ARCH_ROPE_FACTOR || which == ARCH_ROPE_CTX || which == ARCH_ROPE_LOW ||
                which == ARCH_ROPE_HIGH || which == ARCH_ROPE_TYPE || which == ARCH_N_HEAD_KV_SWA ||
                which == ARCH_FF_WIDE)
                continue;
            for (size_t l = 0; l < arch_int(&p, ARCH_N_LAYER, 0); l++)
                if (fabs((double)(float)arch_num(&p, which, l) - arch_num(&q, which, l)) >
                    1e-6 * fabs(arch_num(&p, which, l)))
                    fail_msg("%s %s: parameter %d of layer %zu is %g, not %g", rows[i].class,
                             rows[i].config, k, l, arch_num(&q, which, l), arch_num(&p, which, l));
        }
        arch_params_release(&p);
        arch_params_release(&q);
        meta_release(&meta);
    }
}

static void test_families_scalars(void **state)
{
    const struct arch *a = arch_by_class("ApertusForCausalLM");
    struct arch_params p;
    struct err err = {0};
    enum arch_param which;
    size_t lacks;
    int layer;

    (void)state;
    ok(&p, "ApertusForCausalLM", "{\"num_hidden_layers\": 2}");
    assert_false(arch_match_scalar(&which, &layer, a, "model.layers.1.mlp.up_proj.weight"));
    assert_true(arch_match_scalar(&which, &layer, a, "model.layers.1.mlp.act_fn.alpha_p"));
    assert_int_equal(which, ARCH_XIELU_ALPHA_P);
    assert_int_equal(layer, 1);
    assert_null(arch_lacks_scalar(&lacks, a, &p));
    assert_int_equal(arch_set_scalar(&p, which, 1, 0.5, &err), 0);
    assert_string_equal(arch_lacks_scalar(&lacks, a, &p)->hf, "model.layers.{}.mlp.act_fn.alpha_p");
    assert_int_equal(lacks, 0);
    assert_int_equal(arch_set_scalar(&p, which, 0, 0.25, &err), 0);
    assert_null(arch_lacks_scalar(&lacks, a, &p));
    assert_true(arch_num(&p, which, 0) == 0.25);
    assert_true(arch_num(&p, which, 1) == 0.5);
    arch_params_release(&p);
}

/* Refused by name, not computed wrongly. */
static void test_families_refused(void **state)
{
    static const struct {
        const char *class, *config, *says;
    } rows[] = {
        {"Gemma4ForCausalLM", "{\"enable_moe_block\": true}",            "enable_moe_block"      },
        {"GemmaForCausalLM",  "{\"use_bidirectional_attention\": true}",
         "use_bidirectional_attention"                                                           },
        {"Gemma3ForCausalLM", "{\"attn_logit_softcapping\": 3}",         "attn_logit_softcapping"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arch_params p;
        struct err err = {0};
        assert_int_equal(read_config(&p, rows[i].class, rows[i].config, &err), ERR_UNSUPPORTED);
        assert_non_null(strstr(err.msg, rows[i].says));
    }
}

/* A feed-forward of another width than config.json's reader works out. */
static void test_families_unsayable(void **state)
{
    static const struct {
        const char *class;
        bool key;
    } rows[] = {
        {"BloomForCausalLM", false},
        {"MPTForCausalLM",   false},
        {"GPT2LMHeadModel",  true },
        {"LlamaForCausalLM", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct arch *a = arch_by_class(rows[i].class);
        struct arch_params p;
        struct err err = {0};
        ok(&p, rows[i].class, "{\"vocab_size\": 64}");
        assert_int_equal(arch_export_can(a, &p, &err), 0);
        p.p[ARCH_N_FF].v /= 2;
        assert_int_equal(arch_export_can(a, &p, &err), rows[i].key ? 0 : ERR_UNSUPPORTED);
        assert_true(rows[i].key || strstr(err.msg, "cannot say ffn"));
        arch_params_release(&p);
    }
}

/* A width that is no multiple of the heads: some classes do not load it, and Mistral stands in for Llama. */
static void test_families_whole_heads(void **state)
{
    static const struct {
        const char *class;
        bool loads, exports;
    } rows[] = {
        {"LlamaForCausalLM",   false, true },
        {"MistralForCausalLM", true,  true },
        {"Qwen3ForCausalLM",   true,  true },
        {"Gemma2ForCausalLM",  false, false},
        {"Gemma3ForCausalLM",  false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct arch *a = arch_by_class(rows[i].class);
        struct arch_params p;
        struct err err = {0};
        ok(&p, rows[i].class,
           "{\"hidden_size\": 64, \"num_attention_heads\": 4, \"num_key_value_heads\": 4}");
        assert_false(arch_export_refuses(a, &p));
        p.p[ARCH_N_EMBD].v = 50;
        assert_true(arch_export_refuses(a, &p) == !rows[i].loads);
        assert_int_equal(arch_export_can(a, &p, &err), rows[i].exports ? 0 : ERR_UNSUPPORTED);
        assert_true(rows[i].exports || strstr(err.msg, "of width 50 with 4 heads"));
        arch_params_release(&p);
    }
}

static const char *one_name(const void *arg, size_t i)
{
    (void)arg;
    (void)i;
    return "output_norm.weight";
}

/* Everything; biases where *arg is true. */
static bool has_name(const void *arg, const char *gguf)
{
    return *(const bool *)arg || !strstr(gguf, "bias");
}

/* What transformers is particular about in a config.json that was made of a GGUF's numbers. */
static void test_families_exported(void **state)
{
    static const struct {
        const char *class, *config, *says;
    } rows[] = {
        {"PhiForCausalLM",     "{\"qk_layernorm\": true}",                                            "\"qk_layernorm\": true"  },
        {"SeedOssForCausalLM", "{}",                                                                  "\"attention_bias\": true"},
        {"LlamaForCausalLM",   "{\"hidden_size\": 50, \"num_attention_heads\": 4, \"head_dim\": 16}",
         "[\"MistralForCausalLM\"]"                                                                                             },
        {"LlamaForCausalLM",   "{\"hidden_size\": 48, \"num_attention_heads\": 4, \"head_dim\": 16}",
         "[\"LlamaForCausalLM\"]"                                                                                               },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct arch *a = arch_by_class(rows[i].class);
        struct arch_config out = {0};
        const bool biases = strcmp(a->name, "llama") != 0;
        struct arch_params p;
        struct meta meta = {0};
        struct err err = {0};
        const struct arch_model m = {.meta = &meta,
                                     .name = one_name,
                                     .has = has_name,
                                     .arg = &biases,
                                     .n_tensors = 1000,
                                     .n_vocab = 64,
                                     .dtype = "float32"};

        ok(&p, rows[i].class, rows[i].config);
        assert_int_equal(meta_set_str(&meta, "general.architecture", a->name, &err), 0);
        assert_int_equal(arch_params_to_meta(&meta, a, &p, &err), 0);
        if (arch_export(&out, &m, &err))
            fail_msg("%s: %s", rows[i].class, err.msg);
        if (!strstr(out.text.p, rows[i].says))
            fail_msg("%s: no %s in %s", rows[i].class, rows[i].says, out.text.p);
        buf_release(&out.text);
        meta_release(&meta);
        arch_params_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_windows),     cmocka_unit_test(test_families_rotation),
        cmocka_unit_test(test_families_defaults),    cmocka_unit_test(test_families_gemma4_heads),
        cmocka_unit_test(test_families_round_trip),  cmocka_unit_test(test_families_scalars),
        cmocka_unit_test(test_families_refused),     cmocka_unit_test(test_families_unsayable),
        cmocka_unit_test(test_families_whole_heads), cmocka_unit_test(test_families_exported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
