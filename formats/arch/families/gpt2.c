/* GPT-2: learned positions, fused QKV in matrices stored [in, out]. Old checkpoints lack the
 * "transformer." of the names.
 * Source: transformers' GPT2Config (class defaults), modeling_gpt2; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define BOTH(name) "transformer." name "|" name
#define B          "blk.{}."

static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "n_layer|num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 12, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "n_positions|max_position_embeddings|n_ctx", "{}.context_length", META_U32, ARCH_CONST, 1024, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "n_embd|hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 768, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "n_inner", "{}.feed_forward_length", META_U32, ARCH_TIMES, 4, ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "n_head|num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 12, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, NULL, "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_SILENT},
    KEYS_LAYER_NORM("layer_norm_epsilon", 1e-5),
    KEYS_VOCAB(50257),
    KEYS_HEAD_SILENT,
    KEYS_ACT("activation_function", ACT_GELU_TANH),
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, BOTH("wte.weight"), "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_POS_EMBD, BOTH("wpe.weight"), "position_embd.weight", {DIM_EMBD, DIM_CTX}},
    {ROLE_OUTPUT_NORM, BOTH("ln_f.weight"), "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, BOTH("ln_f.bias"), "output_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, BOTH("h.{}.ln_1.weight"), B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, BOTH("h.{}.ln_1.bias"), B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_QKV, BOTH("h.{}.attn.c_attn.weight"), B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}, CHANGE_NONE, TENSOR_TRANSPOSED},
    {ROLE_ATTN_QKV_BIAS, BOTH("h.{}.attn.c_attn.bias"), B "attn_qkv.bias", {DIM_QKV}},
    {ROLE_ATTN_OUT, BOTH("h.{}.attn.c_proj.weight"), B "attn_output.weight", {DIM_O, DIM_EMBD}, CHANGE_NONE, TENSOR_TRANSPOSED},
    {ROLE_ATTN_OUT_BIAS, BOTH("h.{}.attn.c_proj.bias"), B "attn_output.bias", {DIM_EMBD}},
    {ROLE_FFN_NORM, BOTH("h.{}.ln_2.weight"), B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM_BIAS, BOTH("h.{}.ln_2.bias"), B "ffn_norm.bias", {DIM_EMBD}},
    {ROLE_FFN_UP, BOTH("h.{}.mlp.c_fc.weight"), B "ffn_up.weight", {DIM_EMBD, DIM_FF}, CHANGE_NONE, TENSOR_TRANSPOSED},
    {ROLE_FFN_UP_BIAS, BOTH("h.{}.mlp.c_fc.bias"), B "ffn_up.bias", {DIM_FF}},
    {ROLE_FFN_DOWN, BOTH("h.{}.mlp.c_proj.weight"), B "ffn_down.weight", {DIM_FF, DIM_EMBD}, CHANGE_NONE, TENSOR_TRANSPOSED},
    {ROLE_FFN_DOWN_BIAS, BOTH("h.{}.mlp.c_proj.bias"), B "ffn_down.bias", {DIM_EMBD}},
    {0},
};

static const struct arch_only only[] = {
    {"scale_attn_weights", "true"},
    {"scale_attn_by_inverse_layer_idx", "false"},
    {"add_cross_attention", "false"},
    {0},
};

/* Causal masks that old versions saved. */
static const char *const ignored[] = {
    "transformer.h.{}.attn.bias|h.{}.attn.bias",
    "transformer.h.{}.attn.masked_bias|h.{}.attn.masked_bias",
    NULL,
};

static const struct arch_key *const key_sets[] = {keys, NULL};
static const struct arch_tensor *const row_sets[] = {rows, NULL};
static const char *const classes[] = {"GPT2LMHeadModel", "GPT2Model", NULL};

const struct arch arch_gpt2 = {
    .name = "gpt2",
    .classes = classes,
    .model_type = "gpt2",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = ignored,
    .tied = true,
    .traits = {.norm = NORM_LAYER, .position = POS_LEARNED, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_TANH},
};
