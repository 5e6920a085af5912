/* Jamba: Mamba with normalised dt, B and C; attention without positions every few layers,
 * experts every few layers. Source: transformers' JambaConfig (class defaults),
 * modeling_jamba; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L       "model.layers.{}."
#define B       "blk.{}."
#define F(name) L "feed_forward." name "|" L "moe." name

static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_position_embeddings|n_ctx", "{}.context_length", META_U32, ARCH_CONST, 262144, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 4096, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 14336, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF | KEY_AT_ATTENTION | KEY_NULL_NONE},
    {ARCH_N_HEAD_KV, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_AT_ATTENTION},
    {ARCH_HEAD_K, NULL, NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},
    {ARCH_HEAD_V, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    KEYS_RMS(1e-6),
    KEYS_VOCAB(65536),
    {ARCH_SSM_CONV, "mamba_d_conv", "{}.ssm.conv_kernel", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_SSM_EXPAND, "mamba_expand", NULL, META_F32, ARCH_CONST, 2},
    {ARCH_SSM_INNER, NULL, "{}.ssm.inner_size", META_U32, ARCH_PRODUCT, .other = ARCH_SSM_EXPAND, .other2 = ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_SSM_STATE, "mamba_d_state", "{}.ssm.state_size", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "mamba_dt_rank", "{}.ssm.time_step_rank", META_U32, ARCH_CEIL, 16, .other = ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT, "num_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok|num_experts_per_token", "{}.expert_used_count", META_U32, ARCH_CONST, 2, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_N_DENSE, NULL, NULL, META_U32, ARCH_CONST, 1, .when = "num_experts|num_local_experts=1"}, /* not 0: no layer has experts, one being none */
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_RECURRENT, RULE_OFFSET, "attn_layer_period", .offset = 4, .flags = CHOICE_NOT, .offset_key = "attn_layer_offset"},
    {ARCH_AT_RECURRENT, RULE_ZERO, NULL, "{}.attention.head_count_kv", .number = ARCH_N_HEAD_KV},
    {ARCH_AT_RECURRENT, RULE_OFFSET, .n = 8, .offset = 4, .flags = CHOICE_NOT},
    {ARCH_AT_EXPERTS, RULE_ZERO, .number = ARCH_N_DENSE},
    {ARCH_AT_EXPERTS, RULE_OFFSET, "expert_layer_period", .offset = 1, .offset_key = "expert_layer_offset"},
    {ARCH_AT_EXPERTS, RULE_OFFSET, .n = 2, .offset = 1},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.final_layernorm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "pre_ff_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_SSM_DT_NORM, L "mamba.dt_layernorm.weight", B "ssm_dt_norm.weight", {DIM_SSM_RANK}, .where = AT_RECURRENT},
    {ROLE_SSM_B_NORM, L "mamba.b_layernorm.weight", B "ssm_b_norm.weight", {DIM_SSM_STATE}, .where = AT_RECURRENT},
    {ROLE_SSM_C_NORM, L "mamba.c_layernorm.weight", B "ssm_c_norm.weight", {DIM_SSM_STATE}, .where = AT_RECURRENT},
    {ROLE_FFN_GATE, F("gate_proj.weight"), B "ffn_gate.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_UP, F("up_proj.weight"), B "ffn_up.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_DOWN, F("down_proj.weight"), B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_DENSE},
    {ROLE_FFN_ROUTER, F("router.weight"), B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, F("experts.{e}.down_proj.weight"), B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_EXPS, F("experts.{e}.gate_proj.weight"), B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, F("experts.{e}.up_proj.weight"), B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, NULL};
static const struct arch_tensor *const row_sets[] = {rows, arch_rows_attn, arch_rows_mamba, NULL};

static const struct arch_only only[] = {
    {"hidden_act", "silu|swish"},
    {0},
};

static const char *const classes[] = {"JambaForCausalLM", NULL};

const struct arch arch_jamba = {
    .name = "jamba",
    .classes = classes,
    .model_type = "jamba",
    .spelling = ".mamba.",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_MAMBA, .position = POS_NONE},
};
