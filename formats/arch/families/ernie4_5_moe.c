/* ERNIE 4.5 MoE: neighbouring values are rotated together, experts from layer
 * moe_layer_start_index to moe_layer_end_index in every moe_layer_interval-th layer, chosen by
 * softmax with a correction bias; some that every token visits.
 * Source: transformers' Ernie4_5_MoeConfig (class defaults), modeling_ernie4_5_moe; llama.cpp's
 * key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* The file's width of the shared expert is not that of its tensors but intermediate_size /
 * key-value heads, as the reference converter writes it. */
static const struct arch_key keys[] = {
    KEYS_SIZES(28, 131072, 2560, 12288, 20),
    KEYS_HEAD_KV_OR(4),
    KEYS_RMS(1e-5),
    KEYS_VOCAB(103424),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_N_DENSE, "moe_layer_start_index", "{}.leading_dense_block_count", META_U32, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_EXPERT_STEP, "moe_layer_interval", "{}.interleave_moe_layer_step", META_U32, ARCH_CONST, 1},
    {ARCH_N_EXPERT, "moe_num_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 64, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "moe_k|num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 6, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 1536},
    {ARCH_N_EXPERT_SHARED, "moe_num_shared_experts", "{}.expert_shared_count", META_U32, ARCH_CONST, 2, .flags = KEY_ZERO},
    {ARCH_N_FF_SHARED, NULL, NULL, META_U32, ARCH_PRODUCT, .other = ARCH_N_FF_EXPERT, .other2 = ARCH_N_EXPERT_SHARED},
    {ARCH_FF_SHARED_TOLD, NULL, "{}.expert_shared_feed_forward_length", META_U32, ARCH_RATIO, .other = ARCH_N_FF, .other2 = ARCH_N_HEAD_KV, .when = "!moe_num_shared_experts=0"},
    {ARCH_EXPERT_NORM, NULL, NULL, META_BOOL, ARCH_CONST, 1},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key theta[] = {KEYS_THETA(500000), {0}};

static const struct arch_choice choices[] = {
    {ARCH_AT_EXPERTS, RULE_LAST, .number = ARCH_EXPERT_STEP, .flags = CHOICE_AND},
    {ARCH_AT_EXPERTS, RULE_FROM, .number = ARCH_N_DENSE, .flags = CHOICE_AND},
    {ARCH_AT_EXPERTS, RULE_UPTO, "moe_layer_end_index"},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_FFN_CHOICE_BIAS, L "mlp.moe_statics.e_score_correction_bias|" L "mlp.gate.moe_statics.e_score_correction_bias", B "exp_probs_b.bias", {DIM_EXPERT, DIM_ONE}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {ROLE_FFN_ROUTER, L "mlp.gate.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_EXPS, L "mlp.experts.{e}.gate_proj.weight", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, L "mlp.experts.{e}.up_proj.weight", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, L "mlp.experts.{e}.down_proj.weight", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_SHARED, L "mlp.shared_experts.gate_proj.weight", B "ffn_gate_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {ROLE_FFN_UP_SHARED, L "mlp.shared_experts.up_proj.weight", B "ffn_up_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_SHARED, L "mlp.shared_experts.down_proj.weight", B "ffn_down_shexp.weight", {DIM_FF_SHARED, DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, rows, arch_rows_gated, arch_rows_experts_fused, NULL};

static const struct arch_only only[] = {
    {"use_bias", "false"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const ignored[] = {
    "model.layers.{}.self_attn.rotary_emb.inv_freq",
    "model.mtp_block.*",
    "model.mtp_emb_norm.*",
    "model.mtp_hidden_norm.*",
    "model.mtp_linear_proj.*",
    NULL,
};

static const char *const classes[] = {"Ernie4_5_MoeForCausalLM", NULL};

const struct arch arch_ernie4_5_moe = {
    .name = "ernie4_5-moe",
    .classes = classes,
    .model_type = "ernie4_5_moe",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = ignored,
    .choices = choices,
    .vocab = &vocab_rules_ernie,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION},
};
