/* dots.llm1: normalised queries and keys, dense layers first, then mixtures routed by sigmoid
 * with a correction bias.
 * Source: transformers' Dots1Config (class defaults), modeling_dots1; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(62, 2048, 4608, 10944, 32),
    KEYS_HEAD_KV_OR(32),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(152064),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE},
    {ARCH_N_DENSE, "first_k_dense_replace", "{}.leading_dense_block_count", META_U32, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_N_EXPERT, "n_routed_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 1408},
    {ARCH_N_EXPERT_SHARED, "n_shared_experts", "{}.expert_shared_count", META_U32, ARCH_REQUIRED},
    {ARCH_N_FF_SHARED, NULL, NULL, META_U32, ARCH_PRODUCT, .other = ARCH_N_FF_EXPERT, .other2 = ARCH_N_EXPERT_SHARED},
    {ARCH_EXPERT_GROUPS, "n_group", "{}.expert_group_count", META_U32, ARCH_CONST, 1, .flags = KEY_NULL_NONE},
    {ARCH_EXPERT_GROUPS_USED, "topk_group", "{}.expert_group_used_count", META_U32, ARCH_CONST, 1, .flags = KEY_NULL_NONE},
    {ARCH_EXPERT_SCALE, "routed_scaling_factor", "{}.expert_weights_scale", META_F32, ARCH_CONST, 1},
    {ARCH_EXPERT_NORM, "norm_topk_prob", "{}.expert_weights_norm", META_BOOL, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_ROUTER, "scoring_func", "{}.expert_gating_func", META_U32, ARCH_CONST, ROUTER_SIGMOID, .flags = KEY_GIVEN, .names = "sigmoid=2|noaux_tc=2"},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_EXPERTS, RULE_FROM, .number = ARCH_N_DENSE},
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_FROM, "max_window_layers"},
    {ARCH_AT_WINDOW, RULE_FROM, .n = 62},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_FFN_CHOICE_BIAS, L "mlp.gate.e_score_correction_bias", B "exp_probs_b.bias", {DIM_EXPERT}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, arch_rows_qk_norm, arch_rows_bias_if_asked, rows, arch_rows_gated, arch_rows_experts, arch_rows_experts_fused, arch_rows_shared_expert, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {"moe_layer_freq", "1"},
    {0},
};

static const char *const classes[] = {"Dots1ForCausalLM", NULL};

const struct arch arch_dots1 = {
    .name = "dots1",
    .classes = classes,
    .model_type = "dots1",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD, .router = ROUTER_SIGMOID},
};
