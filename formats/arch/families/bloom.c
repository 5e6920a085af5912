/* BLOOM: ALiBi, a norm after the embeddings, fused QKV head by head. Old checkpoints lack the
 * "transformer." of the names.
 * Source: transformers' BloomConfig (class defaults), modeling_bloom; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define BOTH(name) "transformer." name "|" name
#define B          "blk.{}."

static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "n_layer|num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 2, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "n_embed|hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 64, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "seq_length", "{}.context_length", META_U32, ARCH_SAME_AS, .other = ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, NULL, "{}.feed_forward_length", META_U32, ARCH_TIMES, 4, ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "n_head|num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, NULL, "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD},
    KEYS_LAYER_NORM("layer_norm_epsilon", 1e-5),
    KEYS_VOCAB(250880),
    KEYS_HEAD_SILENT,
    {ARCH_ALIBI_MAX, NULL, NULL, META_F32, ARCH_CONST, 8},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, BOTH("word_embeddings.weight"), "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_TOKEN_EMBD_NORM, BOTH("word_embeddings_layernorm.weight"), "token_embd_norm.weight", {DIM_EMBD}},
    {ROLE_TOKEN_EMBD_NORM_BIAS, BOTH("word_embeddings_layernorm.bias"), "token_embd_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM, BOTH("ln_f.weight"), "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, BOTH("ln_f.bias"), "output_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, BOTH("h.{}.input_layernorm.weight"), B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, BOTH("h.{}.input_layernorm.bias"), B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_QKV, BOTH("h.{}.self_attention.query_key_value.weight"), B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}, CHANGE_QKV_HEADS},
    {ROLE_ATTN_QKV_BIAS, BOTH("h.{}.self_attention.query_key_value.bias"), B "attn_qkv.bias", {DIM_QKV}, CHANGE_QKV_HEADS},
    {ROLE_ATTN_OUT, BOTH("h.{}.self_attention.dense.weight"), B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_ATTN_OUT_BIAS, BOTH("h.{}.self_attention.dense.bias"), B "attn_output.bias", {DIM_EMBD}},
    {ROLE_FFN_NORM, BOTH("h.{}.post_attention_layernorm.weight"), B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM_BIAS, BOTH("h.{}.post_attention_layernorm.bias"), B "ffn_norm.bias", {DIM_EMBD}},
    {ROLE_FFN_UP, BOTH("h.{}.mlp.dense_h_to_4h.weight"), B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, BOTH("h.{}.mlp.dense_h_to_4h.bias"), B "ffn_up.bias", {DIM_FF}},
    {ROLE_FFN_DOWN, BOTH("h.{}.mlp.dense_4h_to_h.weight"), B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, BOTH("h.{}.mlp.dense_4h_to_h.bias"), B "ffn_down.bias", {DIM_EMBD}},
    {0},
};

static const struct arch_only only[] = {
    {"apply_residual_connection_post_layernorm", "false"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, NULL};
static const struct arch_tensor *const row_sets[] = {rows, NULL};
static const char *const classes[] = {"BloomForCausalLM", "BloomModel", NULL};

const struct arch arch_bloom = {
    .name = "bloom",
    .classes = classes,
    .model_type = "bloom",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .tied = true,
    .traits = {.norm = NORM_LAYER, .position = POS_ALIBI, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_TANH},
};
