/* Granite MoE, with and without an expert every token visits: Granite's multipliers, gate and
 * up of all experts in one tensor, weights by a softmax over the chosen ones.
 * Source: transformers' GraniteMoeConfig and GraniteMoeSharedConfig (class defaults),
 * modeling_granitemoe and modeling_granitemoeshared; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L   "model.layers.{}."
#define B   "blk.{}."
#define MOE L "block_sparse_moe."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 2048, 4096, 11008, 32),
    KEYS_HEAD_KV,
    KEYS_RMS(1e-6),
    KEYS_VOCAB_TOLD(32000),
    {ARCH_HEAD_K, NULL, NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},
    {ARCH_HEAD_V, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_ATTN_SCALE, "attention_multiplier", "{}.attention.scale", META_F32, ARCH_CONST, 1},
    {ARCH_EMBD_SCALE, "embedding_multiplier", "{}.embedding_scale", META_F32, ARCH_CONST, 1},
    {ARCH_RESIDUAL_SCALE, "residual_multiplier", "{}.residual_scale", META_F32, ARCH_CONST, 1},
    {ARCH_LOGIT_DIVISOR, "logits_scaling", "{}.logit_scale", META_F32, ARCH_CONST, 1},
    {ARCH_N_EXPERT, "num_local_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 2, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_N_FF_SHARED, "shared_intermediate_size", "{}.expert_shared_feed_forward_length", META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO_NONE},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_tensor experts[] = {
    {ROLE_FFN_ROUTER, MOE "router.layer.weight|" MOE "router.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}},
    {ROLE_FFN_GATE_EXPS, MOE "input_linear.weight|" MOE "experts.gate_up_proj", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_FIRST_HALF, TENSOR_STACKED},
    {ROLE_FFN_UP_EXPS, MOE "input_linear.weight|" MOE "experts.gate_up_proj", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_SECOND_HALF, TENSOR_STACKED},
    {ROLE_FFN_DOWN_EXPS, MOE "output_linear.weight|" MOE "experts.down_proj", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED},
    {ROLE_FFN_GATE_SHARED, L "shared_mlp.input_linear.weight", B "ffn_gate_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, CHANGE_FIRST_HALF, TENSOR_OPTIONAL},
    {ROLE_FFN_UP_SHARED, L "shared_mlp.input_linear.weight", B "ffn_up_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, CHANGE_SECOND_HALF, TENSOR_OPTIONAL},
    {ROLE_FFN_DOWN_SHARED, L "shared_mlp.output_linear.weight", B "ffn_down_shexp.weight", {DIM_FF_SHARED, DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn_pairs, arch_rows_bias_if_asked_pairs, experts, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {"position_embedding_type", "rope"},
    {0},
};

static const char *const classes[] = {"GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM", NULL};

const struct arch arch_granitemoe = {
    .name = "granitemoe",
    .classes = classes,
    .model_type = "granitemoe|granitemoeshared",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_llama,
    .traits = {.mixer = MIXER_ATTENTION, .router = ROUTER_SOFTMAX_CHOSEN},
};
