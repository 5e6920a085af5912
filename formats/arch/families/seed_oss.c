/* Seed-OSS: biases on queries, keys and values, by default; heads of a width of their own.
 * The feed-forward's norm has the GGUF name that others give to a norm after attention.
 * Source: transformers' SeedOssConfig (class defaults), modeling_seed_oss; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(64, 524288, 4096, 27648, 80),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(155136),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_OR(128),
    KEYS_ROT_HEAD,
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_out_bias"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, rows, arch_rows_attn, arch_rows_gated, arch_rows_mlp_bias_if_asked, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"SeedOssForCausalLM", NULL};

const struct arch arch_seed_oss = {
    .name = "seed_oss",
    .classes = classes,
    .model_type = "seed_oss",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION},
};
