/* Jais 2: layer norms, biases everywhere, squared ReLU.
 * Source: transformers' Jais2Config (class defaults), modeling_jais2; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 8192, 3328, 26624, 26),
    KEYS_HEAD_KV,
    KEYS_LAYER_NORM("layer_norm_eps", 1e-5),
    KEYS_VOCAB(150272),
    KEYS_HEAD_TOLD,
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    KEYS_ACT("hidden_act", ACT_RELU2),
    {0},
};

/* attention_bias and mlp_bias are true where config.json is silent. */
static const struct arch_tensor biases[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_FFN_UP_BIAS, L "mlp.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "!mlp_bias=false"},
    {ROLE_FFN_DOWN_BIAS, L "mlp.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!mlp_bias=false"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_norm_biases, arch_rows_attn, arch_rows_plain, biases, NULL};
static const char *const classes[] = {"Jais2ForCausalLM", NULL};

const struct arch arch_jais2 = {
    .name = "jais2",
    .classes = classes,
    .model_type = "jais2",
    .whole_heads = true,
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = arch_ignored_rotary,
    .mix_70b = 68,
    .traits = {.norm = NORM_LAYER, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_RELU2},
};
