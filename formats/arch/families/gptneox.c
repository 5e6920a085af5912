/* GPT-NeoX (Pythia): fused QKV head by head, a quarter of each head rotated, attention and
 * feed-forward side by side, each after a norm of its own, or one after the other.
 * Source: transformers' GPTNeoXConfig (class defaults), modeling_gpt_neox; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "gpt_neox.layers.{}."
#define B "blk.{}."

/* The class reads rotary_emb_base and rotary_pct, not rope_theta and partial_rotary_factor;
 * the reference converter keeps neither theta nor scaling. */
static const struct arch_key keys[] = {
    KEYS_SIZES(44, 2048, 6144, 24576, 64),
    {ARCH_N_HEAD_KV, NULL, "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_SILENT},
    KEYS_LAYER_NORM("layer_norm_eps", 1e-5),
    KEYS_VOCAB(50432),
    KEYS_HEAD_SILENT,
    {ARCH_ROPE_BASE, "rotary_emb_base", "{}.rope.freq_base", META_F32, ARCH_CONST, 10000, .flags = KEY_SILENT | KEY_GGUF_CONST},
    {ARCH_ROPE_PART, "rope_scaling.partial_rotary_factor|rope_parameters.partial_rotary_factor|rotary_pct", NULL, META_F32, ARCH_CONST, 0.25},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_PRODUCT, .other = ARCH_HEAD_K, .other2 = ARCH_ROPE_PART},
    {ARCH_PARALLEL, "use_parallel_residual", "{}.use_parallel_residual", META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    KEYS_ACT("hidden_act", ACT_GELU_ERF),
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, "gpt_neox.embed_in.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "gpt_neox.final_layer_norm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, "gpt_neox.final_layer_norm.bias", "output_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT, "embed_out.weight|lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, L "input_layernorm.bias", B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_QKV, L "attention.query_key_value.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}, CHANGE_QKV_HEADS},
    {ROLE_ATTN_QKV_BIAS, L "attention.query_key_value.bias", B "attn_qkv.bias", {DIM_QKV}, CHANGE_QKV_HEADS, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_OUT, L "attention.dense.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_ATTN_OUT_BIAS, L "attention.dense.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM_BIAS, L "post_attention_layernorm.bias", B "ffn_norm.bias", {DIM_EMBD}},
    {ROLE_FFN_UP, L "mlp.dense_h_to_4h.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, L "mlp.dense_h_to_4h.bias", B "ffn_up.bias", {DIM_FF}},
    {ROLE_FFN_DOWN, L "mlp.dense_4h_to_h.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, L "mlp.dense_4h_to_h.bias", B "ffn_down.bias", {DIM_EMBD}},
    {0},
};

/* Causal masks and rotary frequencies that old versions saved. */
static const char *const ignored[] = {
    L "attention.bias",
    L "attention.masked_bias",
    L "attention.rotary_emb.inv_freq",
    NULL,
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope_silent, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_rope_freqs, arch_rows_longrope, rows, NULL};
static const char *const classes[] = {"GPTNeoXForCausalLM", NULL};

const struct arch arch_gptneox = {
    .name = "gptneox",
    .classes = classes,
    .model_type = "gpt_neox",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = ignored,
    .no_file_type = true,
    .traits = {.norm = NORM_LAYER, .parallel = true, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_ERF},
};
