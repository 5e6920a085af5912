/* Qwen 2 MoE (with an expert every token visits, under a gate of its own) and Qwen 3 MoE.
 * Layers of mlp_only_layers, and those decoder_sparse_step passes over, are dense.
 * Source: transformers' Qwen2MoeConfig and Qwen3MoeConfig (class defaults), modeling_qwen2_moe
 * and modeling_qwen3_moe; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key qwen2_keys[] = {
    KEYS_SIZES(24, 32768, 2048, 5632, 16),
    KEYS_HEAD_KV_OR(16),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(151936),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE | KEY_ZERO_NONE, .when = "use_sliding_window"},
    {ARCH_N_EXPERT, "num_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 60, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 1408},
    {ARCH_N_FF_SHARED, "shared_expert_intermediate_size", "{}.expert_shared_feed_forward_length", META_U32, ARCH_CONST, 5632},
    {ARCH_N_FF_SHARED, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF}, /* old GGUFs */
    {ARCH_EXPERT_NORM, "norm_topk_prob", NULL, META_BOOL, ARCH_CONST, 0, .flags = KEY_ZERO},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

/* The reference runtime always makes Qwen 3's weights sum to 1. */
static const struct arch_key qwen3_keys[] = {
    KEYS_SIZES(24, 32768, 2048, 6144, 32),
    KEYS_HEAD_KV_OR(4),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(151936),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE | KEY_ZERO_NONE, .when = "use_sliding_window"},
    {ARCH_N_EXPERT, "num_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 768},
    {ARCH_EXPERT_NORM, "norm_topk_prob", NULL, META_BOOL, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_EXPERT_NORM, "norm_topk_prob", NULL, META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO | KEY_GGUF_CONST},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_choice qwen2_choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 2, .flags = CHOICE_NOT | CHOICE_AND},
    {ARCH_AT_WINDOW, RULE_FROM, "max_window_layers", .flags = CHOICE_NOT},
    {ARCH_AT_EXPERTS, RULE_LAST, "decoder_sparse_step", .flags = CHOICE_AND},
    {ARCH_AT_EXPERTS, RULE_MEMBER, "mlp_only_layers", .flags = CHOICE_NOT},
    {0},
};

static const struct arch_choice qwen3_choices[] = {
    {ARCH_AT_EXPERTS, RULE_LAST, "decoder_sparse_step", .flags = CHOICE_AND},
    {ARCH_AT_EXPERTS, RULE_MEMBER, "mlp_only_layers", .flags = CHOICE_NOT},
    {0},
};

static const struct arch_tensor shared_gate[] = {
    {ROLE_FFN_SHARED_ROUTER, L "mlp.shared_expert_gate.weight", B "ffn_gate_inp_shexp.weight", {DIM_EMBD, DIM_ONE}, .where = AT_EXPERTS},
    {0},
};

static const struct arch_tensor qkv_bias[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL},
    {0},
};

static const struct arch_key *const qwen2_key_sets[] = {qwen2_keys, arch_keys_rope, NULL};
static const struct arch_key *const qwen3_key_sets[] = {qwen3_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const qwen2_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, qkv_bias, arch_rows_gated, arch_rows_experts, arch_rows_experts_fused, arch_rows_shared_expert, shared_gate, NULL};
static const struct arch_tensor *const qwen3_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, arch_rows_qk_norm, arch_rows_bias_if_asked, arch_rows_gated, arch_rows_experts, arch_rows_experts_fused, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const qwen2_classes[] = {"Qwen2MoeForCausalLM", NULL};
static const char *const qwen3_classes[] = {"Qwen3MoeForCausalLM", NULL};

const struct arch arch_qwen2moe = {
    .name = "qwen2moe",
    .classes = qwen2_classes,
    .model_type = "qwen2_moe",
    .spelling = "shared_expert.",
    .keys = qwen2_key_sets,
    .tensors = qwen2_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = qwen2_choices,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION},
};

const struct arch arch_qwen3moe = {
    .name = "qwen3moe",
    .classes = qwen3_classes,
    .model_type = "qwen3_moe",
    .keys = qwen3_key_sets,
    .tensors = qwen3_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = qwen3_choices,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD},
};
