/* StarCoder 2, and StarCoder (GPT-BigCode) with learned positions and one key-value head.
 * Source: transformers' Starcoder2Config and GPTBigCodeConfig (class defaults),
 * modeling_starcoder2 and modeling_gpt_bigcode; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."
#define T "transformer."

/* The reference converter drops the window. */
static const struct arch_key starcoder2_keys[] = {
    KEYS_SIZES(30, 4096, 3072, 12288, 24),
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 2},
    KEYS_LAYER_NORM("norm_epsilon", 1e-5),
    KEYS_VOCAB(49152),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_OPTIONAL_KEY},
    KEYS_ACT("hidden_act", ACT_GELU_TANH),
    {0},
};

static const struct arch_key *const starcoder2_key_sets[] = {starcoder2_keys, arch_keys_rope, NULL};

/* use_bias is true where config.json is silent. */
static const struct arch_tensor starcoder2_rows[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_bias=false"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_bias=false"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_bias=false"},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_bias=false"},
    {ROLE_FFN_UP, L "mlp.c_fc.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, L "mlp.c_fc.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_bias=false"},
    {ROLE_FFN_DOWN, L "mlp.c_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, L "mlp.c_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_bias=false"},
    {0},
};

static const struct arch_tensor *const starcoder2_row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_norm_biases, arch_rows_attn, starcoder2_rows, NULL};

static const char *const starcoder2_classes[] = {"Starcoder2ForCausalLM", NULL};

const struct arch arch_starcoder2 = {
    .name = "starcoder2",
    .classes = starcoder2_classes,
    .model_type = "starcoder2",
    .keys = starcoder2_key_sets,
    .tensors = starcoder2_row_sets,
    .ignored = arch_ignored_rotary,
    .tied = true,
    .traits = {.norm = NORM_LAYER, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_TANH},
};

/* ---- GPT-BigCode ------------------------------------------------------------------ */

/* The reference converter always writes one key-value head. */
static const struct arch_key bigcode_keys[] = {
    {ARCH_N_LAYER, "n_layer|num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 12, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "n_positions|max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 1024, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "n_embd|hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 768, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "n_inner", "{}.feed_forward_length", META_U32, ARCH_TIMES, 4, ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "n_head|num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 12, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, NULL, "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .when = "multi_query=false"},
    {ARCH_N_HEAD_KV, NULL, NULL, META_U32, ARCH_CONST, 1},
    KEYS_LAYER_NORM("layer_norm_epsilon", 1e-5),
    KEYS_VOCAB(50257),
    KEYS_HEAD_SILENT,
    KEYS_ACT("activation_function", ACT_GELU_TANH),
    {0},
};

/* Stored with a group of queries for each key-value head. */
static const struct arch_tensor bigcode_rows[] = {
    {ROLE_TOKEN_EMBD, T "wte.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_POS_EMBD, T "wpe.weight", "position_embd.weight", {DIM_EMBD, DIM_CTX}},
    {ROLE_OUTPUT_NORM, T "ln_f.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, T "ln_f.bias", "output_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, T "h.{}.ln_1.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, T "h.{}.ln_1.bias", B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_QKV, T "h.{}.attn.c_attn.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}, CHANGE_QKV_GROUPS},
    {ROLE_ATTN_QKV_BIAS, T "h.{}.attn.c_attn.bias", B "attn_qkv.bias", {DIM_QKV}, CHANGE_QKV_GROUPS},
    {ROLE_ATTN_OUT, T "h.{}.attn.c_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_ATTN_OUT_BIAS, T "h.{}.attn.c_proj.bias", B "attn_output.bias", {DIM_EMBD}},
    {ROLE_FFN_NORM, T "h.{}.ln_2.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM_BIAS, T "h.{}.ln_2.bias", B "ffn_norm.bias", {DIM_EMBD}},
    {ROLE_FFN_UP, T "h.{}.mlp.c_fc.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, T "h.{}.mlp.c_fc.bias", B "ffn_up.bias", {DIM_FF}},
    {ROLE_FFN_DOWN, T "h.{}.mlp.c_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, T "h.{}.mlp.c_proj.bias", B "ffn_down.bias", {DIM_EMBD}},
    {0},
};

static const struct arch_only bigcode_only[] = {
    {"scale_attn_weights", "true"},
    {"add_cross_attention", "false"},
    {0},
};

/* Causal masks that old versions saved. */
static const char *const bigcode_ignored[] = {
    T "h.{}.attn.bias",
    T "h.{}.attn.masked_bias",
    NULL,
};

static const struct arch_key *const bigcode_key_sets[] = {bigcode_keys, NULL};
static const struct arch_tensor *const bigcode_row_sets[] = {bigcode_rows, NULL};
static const char *const bigcode_classes[] = {"GPTBigCodeForCausalLM", NULL};

const struct arch arch_starcoder = {
    .name = "starcoder",
    .classes = bigcode_classes,
    .model_type = "gpt_bigcode",
    .keys = bigcode_key_sets,
    .tensors = bigcode_row_sets,
    .only = bigcode_only,
    .ignored = bigcode_ignored,
    .tied = true,
    .traits = {.norm = NORM_LAYER, .position = POS_LEARNED, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_TANH},
};
