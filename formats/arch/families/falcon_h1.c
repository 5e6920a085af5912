/* Falcon-H1: every layer has attention and Mamba 2 side by side. Its multipliers are folded
 * into the weights, in the reference converter's order of F32 products. A tied output matrix is
 * the embedding as it is folded: its logits make up for that.
 * Source: transformers' FalconH1Config (class defaults), modeling_falcon_h1; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 8192, 4096, 14336, 32),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(128000),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_SSM_CONV, "mamba_d_conv", "{}.ssm.conv_kernel", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_SSM_STATE, "mamba_d_state", "{}.ssm.state_size", META_U32, ARCH_CONST, 256, .flags = KEY_IN_GGUF},
    {ARCH_SSM_GROUPS, "mamba_n_groups", "{}.ssm.group_count", META_U32, ARCH_CONST, 1, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "mamba_n_heads", "{}.ssm.time_step_rank", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_SSM_EXPAND, "mamba_expand", NULL, META_F32, ARCH_CONST, 2},
    {ARCH_SSM_INNER, "mamba_d_ssm", "{}.ssm.inner_size", META_U32, ARCH_CONST, 1024, .flags = KEY_IN_GGUF | KEY_NULL_NONE},
    {ARCH_SSM_INNER, NULL, NULL, META_U32, ARCH_PRODUCT, .other = ARCH_SSM_EXPAND, .other2 = ARCH_N_EMBD},
    {ARCH_SSM_NORM_FIRST, "mamba_norm_before_gate", NULL, META_BOOL, ARCH_CONST, 1, .flags = KEY_ZERO},
    {ARCH_FOLD_EMBD, "embedding_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_HEAD, "lm_head_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_LOGIT_SCALE, NULL, NULL, META_F32, ARCH_RATIO, .other = ARCH_FOLD_HEAD, .other2 = ARCH_FOLD_EMBD, .when = "tie_word_embeddings"},
    {ARCH_FOLD_ATTN_IN, "attention_in_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_ATTN_OUT, "attention_out_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_KEY, "key_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_SSM_IN, "ssm_in_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_SSM_OUT, "ssm_out_multiplier", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_GATE, "mlp_multipliers.0", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_DOWN, "mlp_multipliers.1", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_Z, "ssm_multipliers.0", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_X, "ssm_multipliers.1", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_B, "ssm_multipliers.2", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_C, "ssm_multipliers.3", NULL, META_F32, ARCH_CONST, 1},
    {ARCH_FOLD_DT, "ssm_multipliers.4", NULL, META_F32, ARCH_CONST, 1},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_dt_limit, arch_keys_rope, NULL};

static const struct arch_scale in_scales[] = {
    {DIM_SSM_INNER, ARCH_FOLD_Z},
    {DIM_SSM_INNER, ARCH_FOLD_X},
    {DIM_SSM_B, ARCH_FOLD_B},
    {DIM_SSM_B, ARCH_FOLD_C},
    {DIM_SSM_RANK, ARCH_FOLD_DT},
    {DIM_END, 0},
};

/* Biases are added before the multipliers of outputs and after those of inputs. */
static const struct arch_tensor rows[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}, .scale = ARCH_FOLD_EMBD},
    {ROLE_OUTPUT_NORM, "model.final_layernorm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED, .scale = ARCH_FOLD_HEAD},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "pre_ff_layernorm.weight", B "ffn_norm", {DIM_EMBD}},
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q}, .scale = ARCH_FOLD_ATTN_IN},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}, .scale = ARCH_FOLD_KEY, .scale_2 = ARCH_FOLD_ATTN_IN},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}, .scale = ARCH_FOLD_ATTN_IN},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}, .scale = ARCH_FOLD_ATTN_OUT},
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", .scale = ARCH_FOLD_KEY},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", .scale = ARCH_FOLD_ATTN_OUT},
    {ROLE_FFN_GATE, L "feed_forward.gate_proj.weight", B "ffn_gate.weight", {DIM_EMBD, DIM_FF}, .scale = ARCH_FOLD_GATE},
    {ROLE_FFN_UP, L "feed_forward.up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_DOWN, L "feed_forward.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .scale = ARCH_FOLD_DOWN},
    {ROLE_FFN_GATE_BIAS, L "feed_forward.gate_proj.bias", B "ffn_gate.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", .scale = ARCH_FOLD_GATE},
    {ROLE_FFN_UP_BIAS, L "feed_forward.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias"},
    {ROLE_FFN_DOWN_BIAS, L "feed_forward.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", .scale = ARCH_FOLD_DOWN},
    {ROLE_SSM_IN, L "mamba.in_proj.weight", B "ssm_in.weight", {DIM_EMBD, DIM_SSM_IN}, .scale = ARCH_FOLD_SSM_IN, .scales = in_scales},
    {ROLE_SSM_IN_BIAS, L "mamba.in_proj.bias", B "ssm_in.bias", {DIM_SSM_IN}, CHANGE_NONE, TENSOR_OPTIONAL, "mamba_proj_bias", .scales = in_scales},
    {ROLE_SSM_CONV, L "mamba.conv1d.weight", B "ssm_conv1d.weight", {DIM_SSM_CONV, DIM_SSM_CH}, CHANGE_SQUEEZE},
    {ROLE_SSM_CONV_BIAS, L "mamba.conv1d.bias", B "ssm_conv1d.bias", {DIM_SSM_CH}, CHANGE_NONE, TENSOR_OPTIONAL, "!mamba_conv_bias=false"},
    {ROLE_SSM_DT_BIAS, L "mamba.dt_bias", B "ssm_dt.bias", {DIM_SSM_RANK}},
    {ROLE_SSM_A, L "mamba.A_log", B "ssm_a", {DIM_ONE, DIM_SSM_RANK}, CHANGE_NEG_EXP, TENSOR_VECTOR},
    {ROLE_SSM_D, L "mamba.D", B "ssm_d", {DIM_ONE, DIM_SSM_RANK}, CHANGE_NONE, TENSOR_VECTOR},
    {ROLE_SSM_NORM, L "mamba.norm.weight", B "ssm_norm.weight", {DIM_SSM_GROUP, DIM_SSM_GROUPS}, CHANGE_NONE, TENSOR_VECTOR | TENSOR_OPTIONAL, "mamba_rms_norm"},
    {ROLE_SSM_OUT, L "mamba.out_proj.weight", B "ssm_out.weight", {DIM_SSM_INNER, DIM_EMBD}, .scale = ARCH_FOLD_SSM_OUT},
    {ROLE_SSM_OUT_BIAS, L "mamba.out_proj.bias", B "ssm_out.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "projectors_bias", .scale = ARCH_FOLD_SSM_OUT},
    {0},
};

static const struct arch_tensor *const row_sets[] = {rows, NULL};

static const struct arch_only only[] = {
    {"hidden_act", "silu|swish"},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_RECURRENT, RULE_ALL},
    {0},
};

static const char *const classes[] = {"FalconH1ForCausalLM", NULL};

const struct arch arch_falcon_h1 = {
    .name = "falcon-h1",
    .classes = classes,
    .model_type = "falcon_h1",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .choices = choices,
    .ignored = arch_ignored_rotary,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_MAMBA2, .both = true, .position = POS_ROPE_HALVES},
};
