/* Qwen3-Next and Qwen 3.5, dense and with experts: gated delta nets, attention with an output
 * gate every fourth layer, norms stored as w - 1. Their MTP layers and vision towers are
 * left out. In Qwen 3.5's GGUFs value heads that share a key head stand apart (tiled).
 * Source: transformers' Qwen3NextConfig, Qwen3_5TextConfig and Qwen3_5MoeTextConfig (class
 * defaults), modeling_qwen3_next, modeling_qwen3_5; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."
#define D L "linear_attn."

static const struct arch_key next_keys[] = {
    KEYS_SIZES(48, 32768, 2048, 5632, 16),
    KEYS_HEAD_KV_OR(2),
    KEYS_VOCAB(151936),
    {ARCH_N_EXPERT, "num_experts", "{}.expert_count", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 10, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {ARCH_EXPERT_NORM, "norm_topk_prob", NULL, META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_EXPERT_NORM, NULL, NULL, META_BOOL, ARCH_CONST, 1}, /* GGUFs do not say */
    {0},
};

static const struct arch_key dense_keys[] = {
    KEYS_SIZES(32, 32768, 4096, 12288, 16),
    KEYS_HEAD_KV_OR(4),
    KEYS_VOCAB(248320),
    {0},
};

static const struct arch_key moe_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 40, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 32768, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 2048, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    KEYS_HEAD_KV_OR(2),
    KEYS_VOCAB(248320),
    {ARCH_N_EXPERT, "num_experts", "{}.expert_count", META_U32, ARCH_CONST, 256, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "moe_intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {ARCH_EXPERT_NORM, NULL, NULL, META_BOOL, ARCH_CONST, 1},
    {0},
};

static const struct arch_key common_keys[] = {
    KEYS_RMS(1e-6),
    KEYS_HEAD_OR(256),
    KEYS_ROT_PART(0.25),
    {ARCH_SSM_CONV, "linear_conv_kernel_dim", "{}.ssm.conv_kernel", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_SSM_STATE, "linear_key_head_dim", "{}.ssm.state_size", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_SSM_GROUPS, "linear_num_key_heads", "{}.ssm.group_count", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "linear_num_value_heads", "{}.ssm.time_step_rank", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_SSM_HEAD, "linear_value_head_dim", NULL, META_U32, ARCH_CONST, 128},
    {ARCH_SSM_INNER, NULL, "{}.ssm.inner_size", META_U32, ARCH_PRODUCT, .other = ARCH_SSM_HEAD, .other2 = ARCH_SSM_DT_RANK, .flags = KEY_IN_GGUF},
    {ARCH_FULL_EVERY, "full_attention_interval", "{}.full_attention_interval", META_U32, ARCH_CONST, 4},
    {ARCH_FULL_EVERY, NULL, NULL, META_U32, ARCH_CONST, 4},
    {0},
};

static const struct arch_key shared_keys[] = {
    {ARCH_N_FF_SHARED, "shared_expert_intermediate_size", "{}.expert_shared_feed_forward_length", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {0},
};

/* Text has the same position in all three sections: they only are carried. */
static const struct arch_key sections[] = {
    {ARCH_ROPE_SECTION_T, "rope_parameters.mrope_section.0|rope_scaling.mrope_section.0", NULL, META_U32, ARCH_CONST, 11, .flags = KEY_ZERO},
    {ARCH_ROPE_SECTION_H, "rope_parameters.mrope_section.1|rope_scaling.mrope_section.1", NULL, META_U32, ARCH_CONST, 11, .flags = KEY_ZERO},
    {ARCH_ROPE_SECTION_W, "rope_parameters.mrope_section.2|rope_scaling.mrope_section.2", NULL, META_U32, ARCH_CONST, 10, .flags = KEY_ZERO},
    {ARCH_ROPE_SECTION_T, NULL, "{}.rope.dimension_sections", META_I32, ARCH_OPTIONAL_KEY, .flags = KEY_SECTIONS},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layer_types", "{}.attention.recurrent_layers", "linear_attention"},
    {ARCH_AT_RECURRENT, RULE_LAST, .number = ARCH_FULL_EVERY, .flags = CHOICE_NOT},
    {0},
};

static const struct arch_choice next_choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layer_types", "{}.attention.recurrent_layers", "linear_attention"},
    {ARCH_AT_RECURRENT, RULE_LAST, .number = ARCH_FULL_EVERY, .flags = CHOICE_NOT},
    {ARCH_AT_EXPERTS, RULE_LAST, "decoder_sparse_step", .flags = CHOICE_AND},
    {ARCH_AT_EXPERTS, RULE_MEMBER, "mlp_only_layers", .flags = CHOICE_NOT},
    {0},
};

static const struct arch_tensor common_rows[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.norm.weight", "output_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q_2}, .where = AT_ATTENTION},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}, .where = AT_ATTENTION},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}, .where = AT_ATTENTION},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}, .where = AT_ATTENTION},
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q_2}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}, CHANGE_ADD_ONE, .where = AT_ATTENTION},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, CHANGE_ADD_ONE, .where = AT_ATTENTION},
    {ROLE_SSM_NORM, D "norm.weight", B "ssm_norm.weight", {DIM_SSM_HEAD}, .where = AT_RECURRENT},
    {0},
};

static const struct arch_tensor next_rows[] = {
    {ROLE_SSM_IN, D "in_proj_qkvz.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_SSM_CH}, CHANGE_DELTA_QKV, .where = AT_RECURRENT},
    {ROLE_SSM_GATE, D "in_proj_qkvz.weight", B "attn_gate.weight", {DIM_EMBD, DIM_SSM_INNER}, CHANGE_DELTA_Z, .where = AT_RECURRENT},
    {ROLE_SSM_BETA_ALPHA, D "in_proj_ba.weight", B "ssm_ba.weight", {DIM_EMBD, DIM_SSM_RANK_2}, .where = AT_RECURRENT},
    {ROLE_SSM_CONV, D "conv1d.weight", B "ssm_conv1d.weight", {DIM_SSM_CONV, DIM_SSM_CH}, CHANGE_SQUEEZE, .where = AT_RECURRENT},
    {ROLE_SSM_DT_BIAS, D "dt_bias", B "ssm_dt.bias", {DIM_SSM_RANK}, .where = AT_RECURRENT},
    {ROLE_SSM_A, D "A_log", B "ssm_a", {DIM_SSM_RANK}, CHANGE_NEG_EXP, .where = AT_RECURRENT},
    {ROLE_SSM_OUT, D "out_proj.weight", B "ssm_out.weight", {DIM_SSM_INNER, DIM_EMBD}, .where = AT_RECURRENT},
    {0},
};

static const struct arch_tensor tiled_rows[] = {
    {ROLE_SSM_IN, D "in_proj_qkv.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_SSM_CH}, CHANGE_TILE_QKV, .where = AT_RECURRENT},
    {ROLE_SSM_GATE, D "in_proj_z.weight", B "attn_gate.weight", {DIM_EMBD, DIM_SSM_INNER}, CHANGE_TILE, .where = AT_RECURRENT},
    {ROLE_SSM_BETA, D "in_proj_b.weight", B "ssm_beta.weight", {DIM_EMBD, DIM_SSM_RANK}, CHANGE_TILE, .where = AT_RECURRENT},
    {ROLE_SSM_ALPHA, D "in_proj_a.weight", B "ssm_alpha.weight", {DIM_EMBD, DIM_SSM_RANK}, CHANGE_TILE, .where = AT_RECURRENT},
    {ROLE_SSM_CONV, D "conv1d.weight", B "ssm_conv1d.weight", {DIM_SSM_CONV, DIM_SSM_CH}, CHANGE_TILE_QKV, .where = AT_RECURRENT},
    {ROLE_SSM_DT_BIAS, D "dt_bias", B "ssm_dt.bias", {DIM_SSM_RANK}, CHANGE_TILE, .where = AT_RECURRENT},
    {ROLE_SSM_A, D "A_log", B "ssm_a", {DIM_SSM_RANK}, CHANGE_TILE_NEG_EXP, .where = AT_RECURRENT},
    {ROLE_SSM_OUT, D "out_proj.weight", B "ssm_out.weight", {DIM_SSM_INNER, DIM_EMBD}, CHANGE_TILE_COLS, .where = AT_RECURRENT},
    {0},
};

static const struct arch_tensor shared_gate[] = {
    {ROLE_FFN_SHARED_ROUTER, L "mlp.shared_expert_gate.weight", B "ffn_gate_inp_shexp.weight", {DIM_EMBD, DIM_ONE}, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const next_key_sets[] = {next_keys, common_keys, shared_keys, arch_keys_rope, NULL};
static const struct arch_key *const dense_key_sets[] = {dense_keys, common_keys, sections, arch_keys_rope, NULL};
static const struct arch_key *const moe_key_sets[] = {moe_keys, common_keys, shared_keys, sections, arch_keys_rope, NULL};

static const struct arch_tensor *const next_row_sets[] = {common_rows, next_rows, arch_rows_gated, arch_rows_experts, arch_rows_experts_fused, arch_rows_shared_expert, shared_gate, NULL};
static const struct arch_tensor *const dense_row_sets[] = {common_rows, tiled_rows, arch_rows_gated, NULL};
static const struct arch_tensor *const moe_row_sets[] = {common_rows, tiled_rows, arch_rows_experts, arch_rows_experts_fused, arch_rows_shared_expert, shared_gate, NULL};

static const struct arch_only only[] = {
    {"hidden_act", "silu|swish"},
    {0},
};

static const char *const ignored[] = {"mtp.*", "model.mtp.*", "model.visual.*", NULL};
static const char *const next_classes[] = {"Qwen3NextForCausalLM", NULL};
static const char *const dense_classes[] = {"Qwen3_5ForCausalLM", NULL};
static const char *const moe_classes[] = {"Qwen3_5MoeForCausalLM", NULL};

const struct arch arch_qwen3next = {
    .name = "qwen3next",
    .classes = next_classes,
    .model_type = "qwen3_next",
    .spelling = "shared_expert.",
    .keys = next_key_sets,
    .tensors = next_row_sets,
    .only = only,
    .ignored = ignored,
    .choices = next_choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_DELTA_NET, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD, .attn_gate = true},
};

const struct arch arch_qwen35 = {
    .name = "qwen35",
    .classes = dense_classes,
    .model_type = "qwen3_5_text",
    .keys = dense_key_sets,
    .tensors = dense_row_sets,
    .only = only,
    .ignored = ignored,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_DELTA_NET, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD, .attn_gate = true, .delta_tiled = true},
};

const struct arch arch_qwen35moe = {
    .name = "qwen35moe",
    .classes = moe_classes,
    .model_type = "qwen3_5_moe_text",
    .spelling = "shared_expert.",
    .keys = moe_key_sets,
    .tensors = moe_row_sets,
    .only = only,
    .ignored = ignored,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_DELTA_NET, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD, .attn_gate = true, .delta_tiled = true},
};
