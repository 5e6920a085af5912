/* Nemotron-H: every layer is Mamba 2, attention without positions or a plain feed-forward;
 * Nemotron 3: a mixture of plain ones, routed by sigmoid with a correction bias.
 * Source: transformers' NemotronHConfig (class defaults), modeling_nemotron_h; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define L(name) "backbone.layers.{}." name "|model.layers.{}." name
#define B       "blk.{}."

static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "layers_block_type|hybrid_override_pattern", "{}.block_count", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF | KEY_COUNT},
    {ARCH_N_CTX, NULL, "{}.context_length", META_U32, ARCH_CONST, 1048576, .flags = KEY_FACT},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 4096, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF | KEY_AT_ATTENTION | KEY_NULL_NONE},
    {ARCH_N_HEAD_KV, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_AT_ATTENTION},
    {ARCH_NORM_EPS, "layer_norm_epsilon", "{}.attention.layer_norm_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_IN_GGUF},
    {ARCH_NORM_EPS_TOLD, "norm_eps|rms_norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_OPTIONAL_KEY},
    {ARCH_ROPE_BASE, "rope_theta", "{}.rope.freq_base", META_F32, ARCH_OPTIONAL_KEY},
    KEYS_VOCAB_TOLD(131072),
    {ARCH_HEAD_K, "head_dim|attention_head_dim", "{}.attention.key_length", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_HEAD_V, NULL, "{}.attention.value_length", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .flags = KEY_FLOOR},
    {ARCH_ROPE_TUNED, NULL, "{}.rope.scaling.finetuned", META_BOOL, ARCH_CONST, 0, .flags = KEY_FACT | KEY_ZERO},
    {ARCH_SSM_CONV, "mamba_d_conv|conv_kernel", "{}.ssm.conv_kernel", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_SSM_STATE, "ssm_state_size", "{}.ssm.state_size", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_SSM_GROUPS, "mamba_n_groups|n_groups", "{}.ssm.group_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "mamba_num_heads", "{}.ssm.time_step_rank", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_SSM_HEAD, "mamba_head_dim", NULL, META_U32, ARCH_CONST, 64},
    {ARCH_SSM_INNER, NULL, "{}.ssm.inner_size", META_U32, ARCH_PRODUCT, .other = ARCH_SSM_HEAD, .other2 = ARCH_SSM_DT_RANK, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_MIN, "mamba_dt_min|time_step_min", NULL, META_F32, ARCH_CONST, 0.001, .flags = KEY_ZERO},
    KEYS_ACT("mlp_hidden_act", ACT_RELU2),
    {0},
};

static const struct arch_key dense_keys[] = {
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 21504, .flags = KEY_IN_GGUF | KEY_AT_FFN},
    {0},
};

static const struct arch_key moe_keys[] = {
    {ARCH_N_FF, "moe_intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 7688, .flags = KEY_IN_GGUF | KEY_AT_FFN},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 7688, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_SHARED, "moe_shared_expert_intermediate_size", "{}.expert_shared_feed_forward_length", META_U32, ARCH_CONST, 7688},
    {ARCH_N_EXPERT, "n_routed_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 2, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_SHARED, "n_shared_experts", "{}.expert_shared_count", META_U32, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_EXPERT_NORM, "norm_topk_prob", "{}.expert_weights_norm", META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_EXPERT_SCALE, "routed_scaling_factor", "{}.expert_weights_scale", META_F32, ARCH_CONST, 1},
    {ARCH_EXPERT_GROUPS, "n_group", "{}.expert_group_count", META_U32, ARCH_CONST, 1},
    {ARCH_EXPERT_GROUPS_USED, "topk_group", "{}.expert_group_used_count", META_U32, ARCH_CONST, 1},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layers_block_type", NULL, "linear_attention|mamba"},
    {ARCH_AT_RECURRENT, RULE_LETTERS, "hybrid_override_pattern", NULL, "M"},
    {ARCH_AT_RECURRENT, RULE_ZERO, NULL, "{}.attention.head_count_kv", .number = ARCH_N_HEAD_KV},
    {ARCH_AT_FFN, RULE_LIST, "layers_block_type", NULL, "mlp|moe"},
    {ARCH_AT_FFN, RULE_LETTERS, "hybrid_override_pattern", NULL, "-|E"},
    {ARCH_AT_FFN, RULE_ZERO, NULL, "{}.feed_forward_length", .number = ARCH_N_FF, .flags = CHOICE_NOT},
    {ARCH_AT_MIXER, RULE_LIST, "layers_block_type", NULL, "mlp|moe", .flags = CHOICE_NOT},
    {ARCH_AT_MIXER, RULE_LETTERS, "hybrid_override_pattern", NULL, "-|E", .flags = CHOICE_NOT},
    {ARCH_AT_MIXER, RULE_ZERO, NULL, "{}.feed_forward_length", .number = ARCH_N_FF},
    {0},
};

static const struct arch_choice moe_choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layers_block_type", NULL, "linear_attention|mamba"},
    {ARCH_AT_RECURRENT, RULE_LETTERS, "hybrid_override_pattern", NULL, "M"},
    {ARCH_AT_RECURRENT, RULE_ZERO, NULL, "{}.attention.head_count_kv", .number = ARCH_N_HEAD_KV},
    {ARCH_AT_FFN, RULE_LIST, "layers_block_type", NULL, "moe"},
    {ARCH_AT_FFN, RULE_LETTERS, "hybrid_override_pattern", NULL, "E"},
    {ARCH_AT_FFN, RULE_ZERO, NULL, "{}.feed_forward_length", .number = ARCH_N_FF, .flags = CHOICE_NOT},
    {ARCH_AT_MIXER, RULE_LIST, "layers_block_type", NULL, "moe", .flags = CHOICE_NOT},
    {ARCH_AT_MIXER, RULE_LETTERS, "hybrid_override_pattern", NULL, "E", .flags = CHOICE_NOT},
    {ARCH_AT_MIXER, RULE_ZERO, NULL, "{}.feed_forward_length", .number = ARCH_N_FF},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, "backbone.embeddings.weight|model.embeddings.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "backbone.norm_f.weight|model.norm_f.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L("norm.weight"), B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_Q, L("mixer.q_proj.weight"), B "attn_q.weight", {DIM_EMBD, DIM_Q}, CHANGE_PERMUTE_Q, .where = AT_ATTENTION},
    {ROLE_ATTN_K, L("mixer.k_proj.weight"), B "attn_k.weight", {DIM_EMBD, DIM_K}, CHANGE_PERMUTE_K, .where = AT_ATTENTION},
    {ROLE_ATTN_V, L("mixer.v_proj.weight"), B "attn_v.weight", {DIM_EMBD, DIM_V}, .where = AT_ATTENTION},
    {ROLE_ATTN_OUT, L("mixer.o_proj.weight"), B "attn_output.weight", {DIM_O, DIM_EMBD}, .where = AT_ATTENTION},
    {0},
};

static const struct arch_tensor dense_rows[] = {
    {ROLE_FFN_UP, L("mixer.up_proj.weight"), B "ffn_up.weight", {DIM_EMBD, DIM_FF}, .where = AT_FFN},
    {ROLE_FFN_DOWN, L("mixer.down_proj.weight"), B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_FFN},
    {ROLE_FFN_UP_BIAS, L("mixer.up_proj.bias"), B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", AT_FFN},
    {ROLE_FFN_DOWN_BIAS, L("mixer.down_proj.bias"), B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", AT_FFN},
    {0},
};

static const struct arch_tensor moe_rows[] = {
    {ROLE_FFN_CHOICE_BIAS, L("mixer.gate.e_score_correction_bias") "|" L("mixer.gate.e_score_correction.bias"), B "exp_probs_b.bias", {DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_ROUTER, L("mixer.gate.weight"), B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, L("mixer.experts.{e}.down_proj.weight"), B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, L("mixer.experts.{e}.up_proj.weight"), B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, L("mixer.experts.down_proj"), B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, L("mixer.experts.up_proj"), B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_SHARED, L("mixer.shared_experts.down_proj.weight"), B "ffn_down_shexp.weight", {DIM_FF_SHARED, DIM_EMBD}, .where = AT_EXPERTS},
    {ROLE_FFN_UP_SHARED, L("mixer.shared_experts.up_proj.weight"), B "ffn_up_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, dense_keys, NULL};
static const struct arch_key *const moe_key_sets[] = {keys, moe_keys, NULL};
static const struct arch_tensor *const row_sets[] = {rows, dense_rows, arch_rows_mamba2, NULL};
static const struct arch_tensor *const moe_row_sets[] = {rows, moe_rows, arch_rows_mamba2, NULL};

static const struct arch_only only[] = {
    {"mamba_hidden_act", "silu|swish"},
    {"tie_word_embeddings", "false"},
    {0},
};

static const struct arch_only moe_only[] = {
    {"mamba_hidden_act", "silu|swish"},
    {"tie_word_embeddings", "false"},
    {"moe_latent_size", ""},
    {"mlp_bias", "false"},
    {0},
};

static const char *const with_experts[] = {"hybrid_override_pattern|layers_block_type:E|moe", NULL};
static const char *const classes[] = {"NemotronHForCausalLM", NULL};
static const char *const ignored[] = {"mtp.*", NULL};

const struct arch arch_nemotron_h = {
    .name = "nemotron_h",
    .classes = classes,
    .model_type = "nemotron_h",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = ignored,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_MAMBA2, .position = POS_NONE, .ffn = FFN_PLAIN, .act = ACT_RELU2},
    .vocab = &vocab_rules_mamba,
};

const struct arch arch_nemotron_h_moe = {
    .name = "nemotron_h_moe",
    .classes = classes,
    .model_type = "nemotron_h",
    .config_if = with_experts,
    .keys = moe_key_sets,
    .tensors = moe_row_sets,
    .only = moe_only,
    .ignored = ignored,
    .choices = moe_choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_MAMBA2, .position = POS_NONE, .ffn = FFN_PLAIN, .act = ACT_RELU2, .router = ROUTER_SIGMOID},
    .vocab = &vocab_rules_mamba,
};
