/* StableLM: a quarter of each head rotated, optionally a layer norm for each head's queries
 * and keys, and attention and feed-forward side by side after one norm.
 * Source: transformers' StableLmConfig (class defaults), modeling_stablelm; llama.cpp's key
 * and tensor names, and how its converter stacks the heads' norms. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* The reference converter keeps neither theta nor scaling. */
static const struct arch_key keys[] = {
    KEYS_SIZES(32, 4096, 2560, 6912, 32),
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 32},
    KEYS_LAYER_NORM("layer_norm_eps|norm_eps", 1e-5),
    KEYS_VOCAB(50304),
    KEYS_HEAD_SILENT,
    KEYS_ROT_PART(0.25),
    {ARCH_PARALLEL, "use_parallel_residual", "{}.use_parallel_residual", META_BOOL, ARCH_CONST, 0, .flags = KEY_ZERO},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, L "input_layernorm.bias", B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_parallel_residual"},
    {ROLE_FFN_NORM_BIAS, L "post_attention_layernorm.bias", B "ffn_norm.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_parallel_residual"},
    {ROLE_OUTPUT_NORM_BIAS, "model.norm.bias", "output_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qkv_bias"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qkv_bias"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qkv_bias"},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_layernorm.norms.{e}.weight", B "attn_q_norm.weight", {DIM_HEAD_K, DIM_HEAD}, CHANGE_NONE, TENSOR_OPTIONAL | TENSOR_EXPERTS | TENSOR_HEADS, "qk_layernorm"},
    {ROLE_ATTN_K_NORM, L "self_attn.k_layernorm.norms.{e}.weight", B "attn_k_norm.weight", {DIM_HEAD_K, DIM_HEAD_KV}, CHANGE_NONE, TENSOR_OPTIONAL | TENSOR_EXPERTS | TENSOR_HEADS, "qk_layernorm"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope_silent, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, rows, arch_rows_attn, arch_rows_gated, NULL};
static const char *const classes[] = {"StableLmForCausalLM", "StableLMEpochForCausalLM", NULL};

const struct arch arch_stablelm = {
    .name = "stablelm",
    .classes = classes,
    .model_type = "stablelm",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = arch_ignored_rotary,
    .traits = {.norm = NORM_LAYER, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_EACH},
};
