/* Ernie 4.5, dense.
 * Source: transformers' Ernie4_5Config (class defaults), modeling_ernie4_5; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(18, 131072, 1024, 3072, 16),
    KEYS_HEAD_KV_OR(2),
    KEYS_RMS(1e-5),
    KEYS_VOCAB(103424),
    KEYS_HEAD_OR(128),
    KEYS_ROT_HEAD,
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key after_rope[] = {KEYS_THETA(500000), {0}};

static const struct arch_tensor biases[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {ROLE_FFN_GATE_BIAS, L "mlp.gate_proj.bias", B "ffn_gate.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {ROLE_FFN_UP_BIAS, L "mlp.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {ROLE_FFN_DOWN_BIAS, L "mlp.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, after_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn, arch_rows_gated, biases, NULL};
static const char *const classes[] = {"Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM", NULL};

const struct arch arch_ernie4_5 = {
    .name = "ernie4_5",
    .classes = classes,
    .model_type = "ernie4_5",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = arch_ignored_rotary,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_ernie,
};
