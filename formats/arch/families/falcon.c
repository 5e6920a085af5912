/* Falcon: fused QKV with the queries of each key-value head together. 7B: one key-value head,
 * attention and feed-forward after one norm; 40B (new_decoder_architecture): several, and a
 * norm for each; RW: ALiBi, biases, one after the other. RWForCausalLM is their first class.
 * Source: transformers' FalconConfig (class defaults), modeling_falcon; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define T "transformer."
#define L T "h.{}."
#define B "blk.{}."

/* The reference converter writes a context of 2048 and four times the width, and keeps
 * neither theta nor ALiBi. Only the first class's 40B has n_head_kv. */
static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers|n_layer", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, NULL, "{}.context_length", META_U32, ARCH_CONST, 2048, .flags = KEY_FIXED},
    {ARCH_N_CTX, "max_position_embeddings", NULL, META_U32, ARCH_CONST, 2048},
    {ARCH_N_EMBD, "n_embed|hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 4544, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "ffn_hidden_size", "{}.feed_forward_length", META_U32, ARCH_TIMES, 4, ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads|n_head", "{}.attention.head_count", META_U32, ARCH_CONST, 71, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "n_head_kv", "{}.attention.head_count_kv", META_U32, ARCH_OPTIONAL_KEY},
    {ARCH_N_HEAD_KV, "num_kv_heads", NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .when = "new_decoder_architecture"},
    {ARCH_N_HEAD_KV, "num_kv_heads", NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .when = "multi_query=false"},
    {ARCH_N_HEAD_KV, NULL, NULL, META_U32, ARCH_CONST, 1},
    {ARCH_NORM_EPS, "layer_norm_epsilon", "{}.attention.layer_norm_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_IN_GGUF},
    KEYS_VOCAB(65024),
    KEYS_HEAD_SILENT,
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K, .flags = KEY_SILENT},
    {ARCH_POSITION, "alibi", NULL, META_U32, ARCH_CONST, POS_ROPE_HALVES, .flags = KEY_ZERO, .names = "false=1|true=3"},
    {ARCH_ALIBI_MAX, NULL, NULL, META_F32, ARCH_CONST, 8},
    {ARCH_PARALLEL, NULL, NULL, META_BOOL, ARCH_CONST, 1, .when = "new_decoder_architecture"},
    {ARCH_PARALLEL, "parallel_attn", NULL, META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    KEYS_ACT("activation", ACT_GELU_ERF),
    {ARCH_N_LAYER, NULL, "{}.tensor_data_layout", META_STR, ARCH_CONST, .flags = KEY_FIXED, .names = "jploski"},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, T "word_embeddings.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, T "ln_f.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, T "ln_f.bias", "output_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "input_layernorm.weight|" L "ln_mlp.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, L "input_layernorm.bias|" L "ln_mlp.bias", B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_NORM_2, L "ln_attn.weight", B "attn_norm_2.weight", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_NORM_2_BIAS, L "ln_attn.bias", B "attn_norm_2.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_QKV, L "self_attention.query_key_value.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}, CHANGE_QKV_GROUPS},
    {ROLE_ATTN_QKV_BIAS, L "self_attention.query_key_value.bias", B "attn_qkv.bias", {DIM_QKV}, CHANGE_QKV_GROUPS, TENSOR_OPTIONAL, "bias"},
    {ROLE_ATTN_OUT, L "self_attention.dense.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_ATTN_OUT_BIAS, L "self_attention.dense.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "bias"},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "parallel_attn=false"},
    {ROLE_FFN_NORM_BIAS, L "post_attention_layernorm.bias", B "ffn_norm.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "parallel_attn=false"},
    {ROLE_FFN_UP, L "mlp.dense_h_to_4h.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, L "mlp.dense_h_to_4h.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "bias"},
    {ROLE_FFN_DOWN, L "mlp.dense_4h_to_h.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, L "mlp.dense_4h_to_h.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "bias"},
    {0},
};

static const char *const ignored[] = {
    L "self_attention.rotary_emb.inv_freq",
    L "self_attention.maybe_rotary.inv_freq",
    NULL,
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope_silent, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_rope_freqs, arch_rows_longrope, rows, NULL};
static const char *const classes[] = {"FalconForCausalLM", "RWForCausalLM", NULL};

const struct arch arch_falcon = {
    .name = "falcon",
    .classes = classes,
    .model_type = "falcon",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = ignored,
    .tied = true,
    .mix_falcon = true,
    .traits = {.norm = NORM_LAYER, .parallel = true, .position = POS_ROPE_HALVES, .alibi_rounded = true, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_ERF},
};
