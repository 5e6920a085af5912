/* MPT: ALiBi, norms and matrices without biases. Its authors' code and llama.cpp also know
 * norms of queries and keys (qk_ln), biases and fewer key-value heads; transformers reads
 * none of these, but a checkpoint that has the tensors means them.
 * Source: transformers' MptConfig (class defaults), modeling_mpt; llama.cpp's key and tensor
 * names. */

#include "formats/arch/arch_rows.h"

#define T "transformer."
#define L T "blocks.{}."
#define B "blk.{}."

/* The reference converter writes 1e-5 and four times the width whatever config.json says. */
static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "n_layers|num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 24, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_seq_len", "{}.context_length", META_U32, ARCH_CONST, 2048, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "d_model|hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 2048, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, NULL, "{}.feed_forward_length", META_U32, ARCH_TIMES, 4, ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "n_heads|num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "attn_config.kv_n_heads", "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_GIVEN},
    {ARCH_NORM_EPS, NULL, "{}.attention.layer_norm_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_FIXED},
    {ARCH_NORM_EPS, "layer_norm_epsilon", NULL, META_F32, ARCH_CONST, 1e-5},
    KEYS_VOCAB(50368),
    KEYS_HEAD_SILENT,
    {ARCH_CLAMP_QKV, "attn_config.clip_qkv", "{}.attention.clamp_kqv", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_ALIBI_MAX, "attn_config.alibi_bias_max", "{}.attention.max_alibi_bias", META_F32, ARCH_CONST, 8},
    {ARCH_ATTN_SCALE, "attn_config.softmax_scale", "{}.attention.scale", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_SILENT},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, T "wte.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, T "norm_f.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, T "norm_f.bias", "output_norm.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "norm_1.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, L "norm_1.bias", B "attn_norm.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_QKV, L "attn.Wqkv.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}},
    {ROLE_ATTN_QKV_BIAS, L "attn.Wqkv.bias", B "attn_qkv.bias", {DIM_QKV}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_Q_NORM, L "attn.q_ln.weight", B "attn_q_norm.weight", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_Q_NORM_BIAS, L "attn.q_ln.bias", B "attn_q_norm.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_K_NORM, L "attn.k_ln.weight", B "attn_k_norm.weight", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_K_NORM_BIAS, L "attn.k_ln.bias", B "attn_k_norm.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_OUT, L "attn.out_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_ATTN_OUT_BIAS, L "attn.out_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_FFN_NORM, L "norm_2.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM_BIAS, L "norm_2.bias", B "ffn_norm.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_FFN_UP, L "ffn.up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, L "ffn.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_FFN_DOWN, L "ffn.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, L "ffn.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {0},
};

static const struct arch_only only[] = {
    {"attn_config.attn_type", "multihead_attention|grouped_query_attention"},
    {"attn_config.prefix_lm", "false"},
    {"attn_config.alibi", "true"},
    {"logit_scale", ""},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, NULL};
static const struct arch_tensor *const row_sets[] = {rows, NULL};
static const char *const classes[] = {"MPTForCausalLM", "MptForCausalLM", NULL};

const struct arch arch_mpt = {
    .name = "mpt",
    .classes = classes,
    .model_type = "mpt",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .tied = true,
    .no_file_type = true,
    .traits = {.norm = NORM_LAYER, .position = POS_ALIBI, .mixer = MIXER_ATTENTION, .qk_norm = QK_FULL, .ffn = FFN_PLAIN, .act = ACT_GELU_ERF},
    .vocab = &vocab_rules_mpt,
};
