/* MiniCPM3: latent attention (MLA) whose K and V stay in one tensor, with multipliers that
 * its GGUF does not hold.
 * Source: transformers' MiniCPM3Config (class defaults), modeling_minicpm3; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(62, 32768, 2560, 6400, 40),
    KEYS_HEAD_KV_OR(40),
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(73448),
    {ARCH_Q_LORA, "q_lora_rank", "{}.attention.q_lora_rank", META_U32, ARCH_CONST, 768, .flags = KEY_NULL_NONE},
    {ARCH_KV_LORA, "kv_lora_rank", "{}.attention.kv_lora_rank", META_U32, ARCH_CONST, 256, .flags = KEY_IN_GGUF},
    {ARCH_N_ROT, "qk_rope_head_dim", "{}.rope.dimension_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_HEAD_NOPE, "qk_nope_head_dim", NULL, META_U32, ARCH_CONST, 64},
    {ARCH_HEAD_K_MLA, NULL, "{}.attention.key_length", META_U32, ARCH_SUM, .other = ARCH_HEAD_NOPE, .other2 = ARCH_N_ROT},
    {ARCH_HEAD_NOPE, NULL, NULL, META_U32, ARCH_DIFFERENCE, .other = ARCH_HEAD_K_MLA, .other2 = ARCH_N_ROT},
    {ARCH_HEAD_K, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K_MLA},
    {ARCH_HEAD_V_MLA, "v_head_dim", NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},
    {ARCH_HEAD_V, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_V_MLA},
    {ARCH_YARN_MSCALE, "rope_scaling.mscale_all_dim|rope_parameters.mscale_all_dim", NULL, META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_ROPE_LOGMUL, NULL, NULL, META_F32, ARCH_TIMES, 0.1, .other = ARCH_YARN_MSCALE},
    {ARCH_EMBD_SCALE, "scale_emb", NULL, META_F32, ARCH_CONST, 12, .flags = KEY_GGUF_CONST},
    {ARCH_SCALE_DEPTH, "scale_depth", NULL, META_F32, ARCH_CONST, 1.4, .flags = KEY_GGUF_CONST | KEY_NULL_NONE},
    {ARCH_SCALE_ROOT, NULL, NULL, META_F32, ARCH_SQRT, 1, .other = ARCH_N_LAYER},
    {ARCH_RESIDUAL_SCALE, NULL, NULL, META_F32, ARCH_RATIO, .other = ARCH_SCALE_DEPTH, .other2 = ARCH_SCALE_ROOT},
    {ARCH_DIM_BASE, "dim_model_base", NULL, META_U32, ARCH_CONST, 256, .flags = KEY_GGUF_CONST | KEY_NULL_NONE},
    {ARCH_LOGIT_DIVISOR, NULL, NULL, META_F32, ARCH_RATIO, .other = ARCH_N_EMBD, .other2 = ARCH_DIM_BASE},
    KEYS_THETA(10000),
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_tensor mla[] = {
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q_MLA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_Q_A, L "self_attn.q_a_proj.weight", B "attn_q_a.weight", {DIM_EMBD, DIM_Q_LORA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_Q_A_NORM, L "self_attn.q_a_layernorm.weight", B "attn_q_a_norm.weight", {DIM_Q_LORA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_Q_B, L "self_attn.q_b_proj.weight", B "attn_q_b.weight", {DIM_Q_LORA, DIM_Q_MLA}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_MLA_KV_A, L "self_attn.kv_a_proj_with_mqa.weight", B "attn_kv_a_mqa.weight", {DIM_EMBD, DIM_KV_A}},
    {ROLE_MLA_KV_A_NORM, L "self_attn.kv_a_layernorm.weight", B "attn_kv_a_norm.weight", {DIM_KV_LORA}},
    {ROLE_MLA_KV_B, L "self_attn.kv_b_proj.weight", B "attn_kv_b.weight", {DIM_KV_LORA, DIM_KV_B}},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O_MLA, DIM_EMBD}},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_longrope, arch_rows_ends, arch_rows_norms, mla, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"attention_bias", "false"},
    {"mlp_bias", "false"},
    {0},
};

static const char *const classes[] = {"MiniCPM3ForCausalLM", NULL};

const struct arch arch_minicpm3 = {
    .name = "minicpm3",
    .classes = classes,
    .model_type = "minicpm3",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .tied = true,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_MLA},
};
