/* DeepSeek V2 and V3: latent attention (MLA), dense layers first, then mixtures of fine experts
 * with some that every token visits. V2 routes by softmax, V3 by sigmoid with a correction
 * bias and groups. A GGUF has keys and values as one head of rank + rotated values.
 * Source: transformers' DeepseekV2Config and DeepseekV3Config (class defaults),
 * modeling_deepseek_v2 and modeling_deepseek_v3; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* Files from before the split have head widths under key_length and value_length only. */
static const struct arch_key mla_keys[] = {
    KEYS_ACT("hidden_act", ACT_SILU),
    {ARCH_N_HEAD_KV, NULL, "{}.attention.head_count_kv", META_U32, ARCH_QUOTIENT, .other = ARCH_N_HEAD, .other2 = ARCH_N_HEAD},
    {ARCH_NORM_EPS, "rms_norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, 1e-6, .flags = KEY_IN_GGUF},
    {ARCH_Q_LORA, "q_lora_rank", "{}.attention.q_lora_rank", META_U32, ARCH_CONST, 1536, .flags = KEY_NULL_NONE},
    {ARCH_KV_LORA, "kv_lora_rank", "{}.attention.kv_lora_rank", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {ARCH_N_ROT, "qk_rope_head_dim", "{}.rope.dimension_count", META_U32, ARCH_CONST, 64, .flags = KEY_IN_GGUF},
    {ARCH_HEAD_NOPE, "qk_nope_head_dim", NULL, META_U32, ARCH_CONST, 128},
    {ARCH_HEAD_K, NULL, "{}.attention.key_length", META_U32, ARCH_SUM, .other = ARCH_KV_LORA, .other2 = ARCH_N_ROT},
    {ARCH_HEAD_V, NULL, "{}.attention.value_length", META_U32, ARCH_SAME_AS, .other = ARCH_KV_LORA},
    {ARCH_HEAD_K_MLA, NULL, "{}.attention.key_length_mla", META_U32, ARCH_SUM, .other = ARCH_HEAD_NOPE, .other2 = ARCH_N_ROT},
    {ARCH_HEAD_K_MLA, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_HEAD_V_MLA, "v_head_dim", "{}.attention.value_length_mla", META_U32, ARCH_CONST, 128},
    {ARCH_HEAD_V_MLA, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_V},
    {ARCH_HEAD_NOPE, NULL, NULL, META_U32, ARCH_DIFFERENCE, .other = ARCH_HEAD_K_MLA, .other2 = ARCH_N_ROT},
    {ARCH_YARN_MSCALE, "rope_scaling.mscale_all_dim|rope_parameters.mscale_all_dim", NULL, META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_ROPE_LOGMUL, NULL, "{}.rope.scaling.yarn_log_multiplier", META_F32, ARCH_TIMES, 0.1, .other = ARCH_YARN_MSCALE, .flags = KEY_ZERO},
    {ARCH_N_PREDICT, "num_nextn_predict_layers|num_mtp_layers", NULL, META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_N_EXPERT_SHARED, "n_shared_experts", "{}.expert_shared_count", META_U32, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_N_FF_SHARED, NULL, NULL, META_U32, ARCH_PRODUCT, .other = ARCH_N_FF_EXPERT, .other2 = ARCH_N_EXPERT_SHARED},
    {ARCH_EXPERT_GROUPS, "n_group", "{}.expert_group_count", META_U32, ARCH_OPTIONAL_KEY},
    {ARCH_EXPERT_GROUPS_USED, "topk_group", "{}.expert_group_used_count", META_U32, ARCH_OPTIONAL_KEY},
    {0},
};

/* V2 as transformers computes it never makes the weights sum to 1, whatever the key says. */
static const struct arch_key v2_keys[] = {
    KEYS_SIZES(32, 2048, 4096, 11008, 32),
    KEYS_VOCAB_TOLD(102400),
    {ARCH_N_DENSE, "first_k_dense_replace", "{}.leading_dense_block_count", META_U32, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_N_EXPERT, "n_routed_experts", "{}.expert_count", META_U32, ARCH_CONST, 64},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_REQUIRED},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 1407},
    {ARCH_EXPERT_SCALE, "routed_scaling_factor", "{}.expert_weights_scale", META_F32, ARCH_CONST, 1},
    {ARCH_N_EXPERT_SHARED, "n_shared_experts", "{}.expert_shared_count", META_U32, ARCH_CONST, 2, .flags = KEY_ZERO},
    {ARCH_EXPERT_NORM_TOLD, "norm_topk_prob", "{}.expert_weights_norm", META_BOOL, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO_NONE},
    {ARCH_EXPERT_GREEDY, "topk_method", NULL, META_BOOL, ARCH_CONST, 1, .names = "greedy=1|group_limited_greedy=0"},
    {ARCH_ROUTER, "scoring_func", "{}.expert_gating_func", META_U32, ARCH_CONST, ROUTER_SOFTMAX, .flags = KEY_GIVEN, .names = "softmax=1"},
    {0},
};

static const struct arch_key v3_keys[] = {
    KEYS_SIZES(61, 4096, 7168, 18432, 128),
    KEYS_VOCAB_TOLD(129280),
    {ARCH_N_DENSE, "first_k_dense_replace", "{}.leading_dense_block_count", META_U32, ARCH_CONST, 3, .flags = KEY_ZERO},
    {ARCH_N_EXPERT, "n_routed_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 256},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 8},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 2048},
    {ARCH_EXPERT_SCALE, "routed_scaling_factor", "{}.expert_weights_scale", META_F32, ARCH_CONST, 2.5},
    {ARCH_EXPERT_NORM, "norm_topk_prob", "{}.expert_weights_norm", META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO_NONE},
    {ARCH_ROUTER, "scoring_func", "{}.expert_gating_func", META_U32, ARCH_CONST, ROUTER_SIGMOID, .flags = KEY_GIVEN, .names = "sigmoid=2"},
    {ARCH_EXPERT_GROUPS, "n_group", "{}.expert_group_count", META_U32, ARCH_CONST, 8, .flags = KEY_NULL_NONE},
    {ARCH_EXPERT_GROUPS_USED, "topk_group", "{}.expert_group_used_count", META_U32, ARCH_CONST, 4, .flags = KEY_NULL_NONE},
    {ARCH_POSITION, "rope_interleave", NULL, META_U32, ARCH_CONST, POS_ROPE_PAIRS, .flags = KEY_ZERO, .names = "true=0|false=1"},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_EXPERTS, RULE_FROM, .number = ARCH_N_DENSE},
    {0},
};

/* K and V of all heads in one, split per head; unsplit in old GGUFs. */
static const struct arch_tensor mla[] = {
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q_MLA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_Q_A, L "self_attn.q_a_proj.weight", B "attn_q_a.weight", {DIM_EMBD, DIM_Q_LORA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_Q_A_NORM, L "self_attn.q_a_layernorm.weight", B "attn_q_a_norm.weight", {DIM_Q_LORA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_Q_B, L "self_attn.q_b_proj.weight", B "attn_q_b.weight", {DIM_Q_LORA, DIM_Q_MLA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_KV_A, L "self_attn.kv_a_proj_with_mqa.weight", B "attn_kv_a_mqa.weight", {DIM_EMBD, DIM_KV_A}},
    {ROLE_MLA_KV_A_NORM, L "self_attn.kv_a_layernorm.weight", B "attn_kv_a_norm.weight", {DIM_KV_LORA}},
    {ROLE_MLA_K_B, L "self_attn.kv_b_proj.weight", B "attn_k_b.weight", {DIM_HEAD_NOPE, DIM_KV_LORA, DIM_HEAD}, CHANGE_MLA_K, TENSOR_OPTIONAL},
    {ROLE_MLA_V_B, L "self_attn.kv_b_proj.weight", B "attn_v_b.weight", {DIM_KV_LORA, DIM_HEAD_V_MLA, DIM_HEAD}, CHANGE_MLA_V, TENSOR_OPTIONAL},
    {ROLE_MLA_KV_B, NULL, B "attn_kv_b.weight", {DIM_KV_LORA, DIM_KV_B}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O_MLA, DIM_EMBD}},
    {ROLE_FFN_CHOICE_BIAS, L "mlp.gate.e_score_correction_bias", B "exp_probs_b.bias", {DIM_EXPERT}, CHANGE_NONE, TENSOR_OPTIONAL, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const v2_key_sets[] = {v2_keys, mla_keys, arch_keys_rope, NULL};
static const struct arch_key *const v3_key_sets[] = {v3_keys, mla_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, mla, arch_rows_gated, arch_rows_experts, arch_rows_experts_fused, arch_rows_shared_expert, NULL};

static const struct arch_only only[] = {
    {"attention_bias", "false"},
    {"mlp_bias", "false"},
    {"moe_layer_freq", "1"},
    {0},
};

static const char *const v2_classes[] = {"DeepseekV2ForCausalLM", NULL};
static const char *const v3_classes[] = {"DeepseekV3ForCausalLM", NULL};

const struct arch arch_deepseek3 = {
    .name = "deepseek2",
    .classes = v3_classes,
    .model_type = "deepseek_v3",
    .gguf_if = "{}.expert_gating_func",
    .keys = v3_key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.mixer = MIXER_MLA, .router = ROUTER_SOFTMAX},
};

const struct arch arch_deepseek2 = {
    .name = "deepseek2",
    .classes = v2_classes,
    .model_type = "deepseek_v2",
    .keys = v2_key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.mixer = MIXER_MLA, .router = ROUTER_SOFTMAX},
};
