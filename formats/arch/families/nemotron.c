/* Nemotron (Minitron): layer norms stored less one, half of each head rotated, squared ReLU.
 * Source: transformers' NemotronConfig (class defaults), modeling_nemotron; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* The reference converter writes the epsilon under both norms' names. */
static const struct arch_key keys[] = {
    KEYS_SIZES(32, 4096, 6144, 24576, 48),
    KEYS_HEAD_KV,
    KEYS_LAYER_NORM("norm_eps", 1e-5),
    {ARCH_NORM_EPS, NULL, "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_SAME_AS, .other = ARCH_NORM_EPS},
    KEYS_VOCAB_TOLD(256000),
    KEYS_HEAD_TOLD,
    KEYS_ROT_PART(0.5),
    KEYS_ACT("hidden_act", ACT_RELU2),
    {0},
};

static const struct arch_key after_rope[] = {KEYS_ROPE_TYPE_NONE, {0}};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.norm.weight", "output_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {0},
};

static const struct arch_tensor mlp_bias[] = {
    {ROLE_FFN_UP_BIAS, L "mlp.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias"},
    {ROLE_FFN_DOWN_BIAS, L "mlp.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, after_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_rope_freqs, arch_rows_longrope, rows, arch_rows_norm_biases, arch_rows_attn, arch_rows_bias_if_asked, arch_rows_plain, mlp_bias, NULL};
static const char *const classes[] = {"NemotronForCausalLM", NULL};

const struct arch arch_nemotron = {
    .name = "nemotron",
    .classes = classes,
    .model_type = "nemotron",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = arch_ignored_rotary,
    .traits = {.norm = NORM_LAYER, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_RELU2},
    .vocab = &vocab_rules_nemotron,
};
