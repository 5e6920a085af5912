/* LFM2: short convolutions, attention in some layers; its mixtures of experts too.
 * Source: transformers' Lfm2Config and Lfm2MoeConfig (class defaults), modeling_lfm2 and
 * modeling_lfm2_moe; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."
#define F L "feed_forward."

static const struct arch_key common_keys[] = {
    {ARCH_NORM_EPS, "norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_IN_GGUF},
    KEYS_VOCAB_TOLD(65536),
    {ARCH_CONV_CACHE, "conv_L_cache", "{}.shortconv.l_cache", META_U32, ARCH_CONST, 3, .flags = KEY_IN_GGUF},
    {ARCH_HEAD_K, "head_dim", NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},
    {ARCH_HEAD_V, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    KEYS_ROT_HEAD,
    {0},
};

static const struct arch_key lfm2_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 128000, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 2560, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "block_ff_dim|intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 12288, .flags = KEY_IN_GGUF},
    {ARCH_FF_ADJUST, "block_auto_adjust_ff_dim", NULL, META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_FF_FACTOR, "block_ffn_dim_multiplier", NULL, META_F32, ARCH_CONST, 1, .flags = KEY_NULL_NONE},
    {ARCH_FF_MULTIPLE, "block_multiple_of", NULL, META_U32, ARCH_CONST, 256},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF | KEY_AT_ATTENTION},
    {0},
};

static const struct arch_key moe_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 128000, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 2048, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 7168, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF | KEY_AT_ATTENTION},
    {ARCH_N_EXPERT, "num_experts", "{}.expert_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 1792, .flags = KEY_IN_GGUF},
    {ARCH_N_DENSE, "num_dense_layers", "{}.leading_dense_block_count", META_U32, ARCH_CONST, 2, .flags = KEY_ZERO},
    {ARCH_ROUTER, NULL, "{}.expert_gating_func", META_U32, ARCH_CONST, ROUTER_SIGMOID, .flags = KEY_FACT},
    {ARCH_EXPERT_NORM, "norm_topk_prob", NULL, META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_EXPERT_NORM, NULL, NULL, META_BOOL, ARCH_CONST, 1}, /* GGUFs do not say */
    {ARCH_EXPERT_SCALE, "routed_scaling_factor", NULL, META_F32, ARCH_CONST, 1},
    {0},
};

static const struct arch_key theta[] = {
    KEYS_THETA(1000000),
    {0},
};

/* The norm before the head has this name in GGUFs. */
static const struct arch_tensor common_rows[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.embedding_norm.weight", "token_embd_norm.weight|output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "operator_norm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "ffn_norm.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q}, .where = AT_ATTENTION},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}, .where = AT_ATTENTION},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}, .where = AT_ATTENTION},
    {ROLE_ATTN_OUT, L "self_attn.out_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}, .where = AT_ATTENTION},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_layernorm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}, .where = AT_ATTENTION},
    {ROLE_ATTN_K_NORM, L "self_attn.k_layernorm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, .where = AT_ATTENTION},
    {ROLE_CONV_IN, L "conv.in_proj.weight", B "shortconv.in_proj.weight", {DIM_EMBD, DIM_EMBD_3}, .where = AT_RECURRENT},
    {ROLE_CONV_IN_BIAS, L "conv.in_proj.bias", B "shortconv.in_proj.bias", {DIM_EMBD_3}, CHANGE_NONE, TENSOR_OPTIONAL, "conv_bias", AT_RECURRENT},
    {ROLE_CONV, L "conv.conv.weight", B "shortconv.conv.weight", {DIM_CONV, DIM_EMBD}, CHANGE_SQUEEZE, .where = AT_RECURRENT},
    {ROLE_CONV_BIAS, L "conv.conv.bias", B "shortconv.conv.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "conv_bias", AT_RECURRENT},
    {ROLE_CONV_OUT, L "conv.out_proj.weight", B "shortconv.out_proj.weight", {DIM_EMBD, DIM_EMBD}, .where = AT_RECURRENT},
    {ROLE_CONV_OUT_BIAS, L "conv.out_proj.bias", B "shortconv.out_proj.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "conv_bias", AT_RECURRENT},
    {ROLE_FFN_GATE, F "w1.weight", B "ffn_gate.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_UP, F "w3.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_DOWN, F "w2.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_DENSE},
    {0},
};

static const struct arch_tensor moe_rows[] = {
    {ROLE_FFN_ROUTER, F "gate.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_CHOICE_BIAS, F "expert_bias", B "exp_probs_b.bias", {DIM_EXPERT}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_expert_bias=false", AT_EXPERTS},
    {ROLE_FFN_GATE_EXPS, F "experts.{e}.w1.weight", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, F "experts.{e}.w2.weight", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, F "experts.{e}.w3.weight", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {0},
};

static const struct arch_choice lfm2_choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layer_types", NULL, "conv"},
    {ARCH_AT_RECURRENT, RULE_MEMBER, "full_attn_idxs", .flags = CHOICE_NOT},
    {ARCH_AT_RECURRENT, RULE_ZERO, .number = ARCH_N_HEAD_KV},
    {0},
};

static const struct arch_choice moe_choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layer_types", NULL, "conv"},
    {ARCH_AT_RECURRENT, RULE_ZERO, .number = ARCH_N_HEAD_KV},
    {ARCH_AT_EXPERTS, RULE_FROM, .number = ARCH_N_DENSE},
    {0},
};

static const struct arch_key *const lfm2_key_sets[] = {lfm2_keys, common_keys, arch_keys_rope, theta, NULL};
static const struct arch_key *const moe_key_sets[] = {moe_keys, common_keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const lfm2_row_sets[] = {common_rows, NULL};
static const struct arch_tensor *const moe_row_sets[] = {common_rows, moe_rows, NULL};

static const char *const lfm2_classes[] = {"Lfm2ForCausalLM", "LFM2ForCausalLM", NULL};
static const char *const moe_classes[] = {"Lfm2MoeForCausalLM", NULL};

const struct arch arch_lfm2 = {
    .name = "lfm2",
    .classes = lfm2_classes,
    .model_type = "lfm2",
    .keys = lfm2_key_sets,
    .tensors = lfm2_row_sets,
    .ignored = arch_ignored_rotary,
    .choices = lfm2_choices,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_SHORT_CONV, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD},
};

const struct arch arch_lfm2moe = {
    .name = "lfm2moe",
    .classes = moe_classes,
    .model_type = "lfm2_moe",
    .keys = moe_key_sets,
    .tensors = moe_row_sets,
    .ignored = arch_ignored_rotary,
    .choices = moe_choices,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_SHORT_CONV, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD, .router = ROUTER_SIGMOID},
};
