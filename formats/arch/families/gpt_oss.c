/* gpt-oss: every second layer sees a window, attention has sinks and biases, experts have
 * biases and a SwiGLU that is cut off; gate and up rows alternate in one tensor. Its experts
 * come as BF16, [expert, in, out], or as MXFP4 blocks and scales, [expert, out, in].
 * Source: transformers' GptOssConfig (class defaults), modeling_gpt_oss; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L    "model.layers.{}."
#define B    "blk.{}."
#define EXPS L "mlp.experts."

static const struct arch_key keys[] = {
    KEYS_SIZES(36, 131072, 2880, 2880, 64),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-5),
    KEYS_VOCAB(201088),
    KEYS_HEAD_OR(64),
    KEYS_ROT_HEAD,
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 128, .flags = KEY_NULL_NONE},
    {ARCH_N_EXPERT, "num_local_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok|experts_per_token", "{}.expert_used_count", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_ACT_LIMIT, "swiglu_limit", NULL, META_F32, ARCH_CONST, 7, .flags = KEY_GGUF_CONST},
    {0},
};

static const struct arch_key theta[] = {KEYS_THETA(150000), {0}};

static const struct arch_choice choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_OFFSET, .n = 2, .offset = 0},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_SINKS, L "self_attn.sinks", B "attn_sinks.weight", {DIM_HEAD}},
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_FFN_ROUTER, L "mlp.router.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}},
    {ROLE_FFN_ROUTER_BIAS, L "mlp.router.bias", B "ffn_gate_inp.bias", {DIM_EXPERT}},
    {0},
};

static const struct arch_tensor experts[] = {
    {ROLE_FFN_GATE_EXPS, EXPS "gate_up_proj", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_EVEN, TENSOR_STACKED | TENSOR_TRANSPOSED},
    {ROLE_FFN_UP_EXPS, EXPS "gate_up_proj", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_ODD, TENSOR_STACKED | TENSOR_TRANSPOSED},
    {ROLE_FFN_DOWN_EXPS, EXPS "down_proj", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED | TENSOR_TRANSPOSED},
    {ROLE_FFN_GATE_EXPS, EXPS "gate_up_proj.weight", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_EVEN, TENSOR_STACKED},
    {ROLE_FFN_UP_EXPS, EXPS "gate_up_proj.weight", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_ODD, TENSOR_STACKED},
    {ROLE_FFN_DOWN_EXPS, EXPS "down_proj.weight", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED},
    {ROLE_FFN_GATE_EXPS_BIAS, EXPS "gate_up_proj_bias", B "ffn_gate_exps.bias", {DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_EVEN, TENSOR_STACKED},
    {ROLE_FFN_UP_EXPS_BIAS, EXPS "gate_up_proj_bias", B "ffn_up_exps.bias", {DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_ODD, TENSOR_STACKED},
    {ROLE_FFN_DOWN_EXPS_BIAS, EXPS "down_proj_bias", B "ffn_down_exps.bias", {DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, rows, arch_rows_attn, experts, NULL};

static const struct arch_only only[] = {
    {"swiglu_alpha", "1.702"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"GptOssForCausalLM", NULL};

const struct arch arch_gpt_oss = {
    .name = "gpt-oss",
    .classes = classes,
    .model_type = "gpt_oss",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .act = ACT_SWIGLU_OAI, .router = ROUTER_SOFTMAX_CHOSEN},
};
