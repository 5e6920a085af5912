/* GLM 4 (GlmForCausalLM, "chatglm") and GLM 4-0414 (Glm4ForCausalLM, with norms after each
 * part too): gate and up in one matrix, neighbouring values of half of each head rotated.
 * Source: transformers' GlmConfig and Glm4Config (class defaults), modeling_glm and
 * modeling_glm4; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* The reference converter looks for ChatGLM's older key names and writes its defaults. */
static const struct arch_key chatglm_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 40, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 4096, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, NULL, "{}.context_length", META_U32, ARCH_SAME_AS, .other = ARCH_N_EMBD, .flags = KEY_FIXED},
    {ARCH_N_CTX, "max_position_embeddings", NULL, META_U32, ARCH_CONST, 131072},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 13696, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    KEYS_HEAD_KV_OR(2),
    {ARCH_NORM_EPS, NULL, "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_FIXED},
    {ARCH_NORM_EPS, "rms_norm_eps", NULL, META_F32, ARCH_CONST, 1.5625e-7},
    {ARCH_ROPE_BASE, NULL, "{}.rope.freq_base", META_F32, ARCH_CONST, 10000, .flags = KEY_FIXED},
    KEYS_VOCAB(151552),
    {ARCH_HEAD_K, "head_dim", "{}.attention.key_length", META_U32, ARCH_CONST, 128, .flags = KEY_SILENT},
    {ARCH_HEAD_K, NULL, NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .flags = KEY_FLOOR},
    {ARCH_HEAD_V, "head_dim", "{}.attention.value_length", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K, .flags = KEY_SILENT},
    KEYS_ROT_PART(0.5),
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key glm4_keys[] = {
    KEYS_SIZES(40, 131072, 4096, 13696, 32),
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 2},
    KEYS_RMS(1.5625e-7),
    KEYS_VOCAB(151552),
    KEYS_HEAD_OR(128),
    KEYS_ROT_PART(0.5),
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

/* attention_bias is true where config.json is silent. */
static const struct arch_tensor common_rows[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "!attention_bias=false"},
    {ROLE_FFN_GATE_UP, L "mlp.gate_up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF_2}},
    {ROLE_FFN_DOWN, L "mlp.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {0},
};

static const struct arch_tensor glm4_rows[] = {
    {ROLE_ATTN_POST_NORM, L "post_self_attn_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_POST_NORM, L "post_mlp_layernorm.weight", B "post_ffw_norm.weight", {DIM_EMBD}},
    {0},
};

static const struct arch_key *const chatglm_key_sets[] = {chatglm_keys, arch_keys_rope_silent, NULL};
static const struct arch_key *const glm4_key_sets[] = {glm4_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const chatglm_row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn, common_rows, NULL};
static const struct arch_tensor *const glm4_row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn, common_rows, glm4_rows, NULL};

static const char *const chatglm_classes[] = {"GlmForCausalLM", NULL};
static const char *const glm4_classes[] = {"Glm4ForCausalLM", NULL};

const struct arch arch_chatglm = {
    .name = "chatglm",
    .classes = chatglm_classes,
    .model_type = "glm",
    .keys = chatglm_key_sets,
    .tensors = chatglm_row_sets,
    .ignored = arch_ignored_rotary,
    .traits = {.mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_glm,
};

const struct arch arch_glm4 = {
    .name = "glm4",
    .classes = glm4_classes,
    .model_type = "glm4",
    .keys = glm4_key_sets,
    .tensors = glm4_row_sets,
    .ignored = arch_ignored_rotary,
    .traits = {.norm_place = NORM_SANDWICH, .mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_glm4,
};
