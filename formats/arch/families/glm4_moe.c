/* GLM 4.5 and later: part of a head is rotated, dense layers first, then mixtures routed by
 * sigmoid with a correction bias.
 * Source: transformers' Glm4MoeConfig (class defaults), modeling_glm4_moe; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(46, 131072, 4096, 10944, 96),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-5),
    KEYS_VOCAB(151552),
    KEYS_HEAD_GIVEN,
    {ARCH_ROPE_PART, "rope_parameters.partial_rotary_factor|partial_rotary_factor", NULL, META_F32, ARCH_CONST, 0.5},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_PRODUCT, .other = ARCH_HEAD_K, .other2 = ARCH_ROPE_PART},
    {ARCH_QK_NORM, "use_qk_norm", NULL, META_BOOL, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_N_DENSE, "first_k_dense_replace", "{}.leading_dense_block_count", META_U32, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_N_EXPERT, "n_routed_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 1408},
    {ARCH_N_PREDICT, "num_nextn_predict_layers|num_mtp_layers", NULL, META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_N_EXPERT_SHARED, "n_shared_experts", "{}.expert_shared_count", META_U32, ARCH_CONST, 1},
    {ARCH_N_FF_SHARED, NULL, NULL, META_U32, ARCH_PRODUCT, .other = ARCH_N_FF_EXPERT, .other2 = ARCH_N_EXPERT_SHARED},
    {ARCH_EXPERT_GROUPS, "n_group", "{}.expert_group_count", META_U32, ARCH_CONST, 1},
    {ARCH_EXPERT_GROUPS_USED, "topk_group", "{}.expert_group_used_count", META_U32, ARCH_CONST, 1},
    {ARCH_EXPERT_SCALE, "routed_scaling_factor", "{}.expert_weights_scale", META_F32, ARCH_CONST, 1},
    {ARCH_EXPERT_NORM, "norm_topk_prob", "{}.expert_weights_norm", META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_ROUTER, "scoring_func", "{}.expert_gating_func", META_U32, ARCH_CONST, ROUTER_SIGMOID, .names = "sigmoid=2"},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_EXPERTS, RULE_FROM, .number = ARCH_N_DENSE},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qk_norm"},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qk_norm"},
    {ROLE_FFN_CHOICE_BIAS, L "mlp.gate.e_score_correction_bias", B "exp_probs_b.bias", {DIM_EXPERT}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, rows, arch_rows_attn, arch_rows_gated, arch_rows_experts, arch_rows_experts_fused, arch_rows_shared_expert, NULL};

static const char *const classes[] = {"Glm4MoeForCausalLM", NULL};

const struct arch arch_glm4moe = {
    .name = "glm4moe",
    .classes = classes,
    .model_type = "glm4_moe",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .vocab = &vocab_rules_glm4moe,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD, .router = ROUTER_SIGMOID},
};
