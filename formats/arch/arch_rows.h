#ifndef FORMATS_ARCH_ARCH_ROWS_H
#define FORMATS_ARCH_ARCH_ROWS_H

/* Inside formats/arch: the families' rows, row sets they share, and how rotary
 * scaling is read, which is the same for all of them. */

#include "formats/arch/arch.h"

/* The families, one file each. */
extern const struct arch arch_llama, arch_mistral;
extern const struct arch arch_qwen2, arch_qwen3;
extern const struct arch arch_gemma, arch_gemma2, arch_gemma3, arch_gemma4;
extern const struct arch arch_phi2, arch_phi3;
extern const struct arch arch_olmo, arch_olmo2, arch_olmo3;
extern const struct arch arch_smollm3, arch_seed_oss, arch_exaone4, arch_hunyuan_dense, arch_arcee,
    arch_apertus, arch_mistral3;
extern const struct arch arch_granite, arch_granite_swa, arch_ernie4_5, arch_chatglm, arch_glm4;
extern const struct arch arch_command_r, arch_cohere2, arch_nemotron, arch_stablelm, arch_jais2;
extern const struct arch arch_starcoder, arch_starcoder2, arch_gpt2, arch_gptneox, arch_falcon;
extern const struct arch arch_bloom, arch_mpt;
extern const struct arch arch_mixtral, arch_qwen2moe, arch_qwen3moe, arch_olmoe, arch_granitemoe;
extern const struct arch arch_gpt_oss, arch_deepseek2, arch_deepseek3, arch_minicpm3, arch_glm4moe;
extern const struct arch arch_dots1, arch_ernie4_5_moe, arch_minimax_m2, arch_llama4;
extern const struct arch arch_mamba, arch_falcon_mamba, arch_mamba2, arch_falcon_h1, arch_jamba;
extern const struct arch arch_nemotron_h, arch_nemotron_h_moe, arch_granite_hybrid, arch_granite_attention, arch_lfm2, arch_lfm2moe;
extern const struct arch arch_qwen3next, arch_qwen35, arch_qwen35moe;

/* Rows of sizes with a configuration class's defaults. */
#define KEYS_SIZES(layers, ctx, embd, ff, heads)                                                \
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, layers,         \
     .flags = KEY_IN_GGUF},                                                                     \
        {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, ctx, \
         .flags = KEY_IN_GGUF},                                                                 \
        {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, embd,         \
         .flags = KEY_IN_GGUF},                                                                 \
        {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, ff,    \
         .flags = KEY_IN_GGUF},                                                                 \
    {                                                                                           \
        ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST,    \
            heads, .flags = KEY_IN_GGUF                                                         \
    }
/* Absent: as many as query heads; or absent: `n`, null: as many as query heads. */
#define KEYS_HEAD_KV                                                                                 \
    {                                                                                                \
        ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, \
            .other = ARCH_N_HEAD                                                                     \
    }
#define KEYS_HEAD_KV_OR(n)                                                                         \
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, n, \
     .flags = KEY_NULL_NONE},                                                                      \
    {                                                                                              \
        ARCH_N_HEAD_KV, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD                   \
    }
#define KEYS_RMS(eps)                                                                               \
    {                                                                                               \
        ARCH_NORM_EPS, "rms_norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, \
            eps, .flags = KEY_IN_GGUF                                                               \
    }
/* vocab_size, not written; or written. */
#define KEYS_VOCAB(n)                                             \
    {                                                             \
        ARCH_N_VOCAB, "vocab_size", NULL, META_U32, ARCH_CONST, n \
    }
#define KEYS_VOCAB_TOLD(n)                                                   \
    {                                                                        \
        ARCH_N_VOCAB, "vocab_size", "{}.vocab_size", META_U32, ARCH_CONST, n \
    }
/* head_dim with a default: always written; without one: written when config.json has it. */
#define KEYS_HEAD_OR(n)                                                               \
    {ARCH_HEAD_K, "head_dim", "{}.attention.key_length", META_U32, ARCH_CONST, n,     \
     .flags = KEY_NULL_NONE},                                                         \
        {ARCH_HEAD_K, NULL, NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD,      \
         .other2 = ARCH_N_HEAD},                                                      \
    {                                                                                 \
        ARCH_HEAD_V, "head_dim", "{}.attention.value_length", META_U32, ARCH_SAME_AS, \
            .other = ARCH_HEAD_K                                                      \
    }
#define KEYS_HEAD_GIVEN                                                               \
    {ARCH_HEAD_K, "head_dim", "{}.attention.key_length", META_U32, ARCH_QUOTIENT,     \
     .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .flags = KEY_GIVEN},                \
    {                                                                                 \
        ARCH_HEAD_V, "head_dim", "{}.attention.value_length", META_U32, ARCH_SAME_AS, \
            .other = ARCH_HEAD_K, .flags = KEY_GIVEN                                  \
    }
#define KEYS_ROT_HEAD                                                        \
    {                                                                        \
        ARCH_N_ROT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K \
    }
/* head_dim always written, or never. */
#define KEYS_HEAD_TOLD                                                                \
    {ARCH_HEAD_K, "head_dim", "{}.attention.key_length", META_U32, ARCH_QUOTIENT,     \
     .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},                                    \
    {                                                                                 \
        ARCH_HEAD_V, "head_dim", "{}.attention.value_length", META_U32, ARCH_SAME_AS, \
            .other = ARCH_HEAD_K                                                      \
    }
#define KEYS_HEAD_SILENT                                                        \
    {ARCH_HEAD_K, NULL, "{}.attention.key_length", META_U32, ARCH_QUOTIENT,     \
     .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .flags = KEY_SILENT},         \
    {                                                                           \
        ARCH_HEAD_V, NULL, "{}.attention.value_length", META_U32, ARCH_SAME_AS, \
            .other = ARCH_HEAD_K, .flags = KEY_SILENT                           \
    }
/* The part of each head that is rotated, where config.json is silent. */
#define KEYS_ROT_PART(part)                                                      \
    {ARCH_ROPE_PART,                                                             \
     "rope_scaling.partial_rotary_factor|rope_parameters.partial_rotary_factor|" \
     "partial_rotary_factor|rope_pct",                                           \
     NULL, META_F32, ARCH_CONST, part},                                          \
    {                                                                            \
        ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_PRODUCT,     \
            .other = ARCH_HEAD_K, .other2 = ARCH_ROPE_PART                       \
    }
#define KEYS_LAYER_NORM(key, eps)                                                         \
    {                                                                                     \
        ARCH_NORM_EPS, key, "{}.attention.layer_norm_epsilon", META_F32, ARCH_CONST, eps, \
            .flags = KEY_IN_GGUF                                                          \
    }
/* Activations that a class reads from config.json; no key of other programs has them. */
#define KEYS_ACT(key, act)                                                      \
    {                                                                           \
        ARCH_ACT, key, NULL, META_U32, ARCH_CONST, act, .names = ARCH_ACT_NAMES \
    }
/* rope.scaling.type is written where it is none too: before arch_keys_rope, whatever the
 * scaling; after it, where there is none. */
#define KEYS_ROPE_TYPE_NONE                                                 \
    {                                                                       \
        ARCH_ROPE_TYPE, NULL, "{}.rope.scaling.type", META_STR, ARCH_CONST, \
            .flags = KEY_FIXED, .names = "none"                             \
    }
/* The class's rope_theta; after arch_keys_rope. */
#define KEYS_THETA(base)                                       \
    {                                                          \
        ARCH_ROPE_BASE, NULL, NULL, META_F32, ARCH_CONST, base \
    }

/* Shared key sets (families/sets.c): block count, context, width, feed-forward width, heads and
 * key-value heads; vocab_size written or not; RMS norm's epsilon. */
extern const struct arch_key arch_keys_common[], arch_keys_vocab[], arch_keys_vocab_silent[],
    arch_keys_rms[];
/* rope.* keys, filled by rope_from_config and rope_from_meta; `silent`: read,
 * never written. A family whose class has another default base adds KEYS_THETA after. */
extern const struct arch_key arch_keys_rope[], arch_keys_rope_silent[];

/* Shared tensor sets, in the names most checkpoints use. `pairs`: Q and K permuted. */
extern const struct arch_tensor arch_rows_ends[], arch_rows_rope_freqs[], arch_rows_longrope[], arch_rows_norms[], arch_rows_norm_biases[], arch_rows_attn[],
    arch_rows_attn_pairs[], arch_rows_qkv_bias[], arch_rows_bias_if_asked[],
    arch_rows_bias_if_asked_pairs[], arch_rows_qk_norm[], arch_rows_gated[], arch_rows_plain[],
    arch_rows_mlp_bias_if_asked[], arch_rows_experts[], arch_rows_experts_fused[], arch_rows_shared_expert[];

/* Mamba's and Mamba 2's mixers, in layers that are recurrent. */
extern const struct arch_tensor arch_rows_mamba[], arch_rows_mamba2[];
/* Mamba 2's limits of the time step. */
extern const struct arch_key arch_keys_dt_limit[];

/* Buffers of rotary frequencies that old checkpoints carry. */
extern const char *const arch_ignored_rotary[];

/* Choices by layer, once the keys were read; then what neither set. */
int choices_from_config(struct arch_params *p, const struct arch *a, const json_val *config,
                        struct err *err) WARN_UNUSED;
int choices_from_meta(struct arch_params *p, const struct arch *a, const struct meta *meta,
                      struct err *err) WARN_UNUSED;
void set_trait_defaults(struct arch_params *p, const struct arch *a);

/* "pare.arch.*" keys: append those that arch_params_from_meta would need to give p; read
 * them over what the family's keys gave. */
int own_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                struct err *err) WARN_UNUSED;
int own_from_meta(struct arch_params *p, const struct meta *meta, struct err *err) WARN_UNUSED;

/* v[n] = a list of numbers or booleans, one for each layer. */
int meta_layer_list(double *v, const char *key, const struct meta_array *a, uint64_t n,
                    struct err *err) WARN_UNUSED;

/* The first of "a|b" that config.json has, or NULL; a path goes into objects: "a.b". */
const json_val *config_find(const json_val *config, const char *paths);

/* Is the name one of the pattern's alternatives? *layer: the number in it, or -1. */
bool name_matches(const char *pattern, const char *name, int *layer);

/* Set a parameter; negative zero and NaN never get here. */
void param_set(struct arch_params *p, enum arch_param which, double v);

/* rope_theta, rope_scaling and rope_parameters as transformers 5 standardizes them: the
 * older object wins when it is not empty, theta inside wins over theta beside.
 * Errors: ERR_UNSUPPORTED (the kind of scaling), ERR_FORMAT (a key of it). */
int rope_from_config(struct arch_params *p, const json_val *config, struct err *err) WARN_UNUSED;

/* After the keys were read: a factor without a type is linear scaling. */
int rope_from_meta(struct arch_params *p, const struct arch *a, const struct meta *meta,
                   struct err *err) WARN_UNUSED;

/* Is this key written under the scaling in use? True for others than rope's. */
bool rope_writes(const struct arch_params *p, const struct arch_key *k);
/* rope.scaling.type's value; NULL: the key is not written. */
const char *rope_type_name(const struct arch_params *p);

/* Rotary divisors of llama3 and proportional scaling, n = half of what is rotated. */
void rope_divisors(float *dst, size_t n, const struct arch_params *p);

/* "{}" in a metadata key replaced by the family's name; false: it does not fit. */
bool key_expand(char *dst, size_t size, const char *key, const struct arch *a);

#endif /* FORMATS_ARCH_ARCH_ROWS_H */
