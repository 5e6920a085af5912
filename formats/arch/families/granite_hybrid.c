/* Granite hybrid: Mamba 2, attention in some layers, usually without positions; an expert
 * every token visits beside the others, or alone. Granite's multipliers.
 * Source: transformers' GraniteMoeHybridConfig (class defaults), modeling_granitemoehybrid;
 * llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L   "model.layers.{}."
#define B   "blk.{}."
#define MOE L "block_sparse_moe."

static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 4096, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 11008, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    KEYS_RMS(1e-6),
    KEYS_VOCAB_TOLD(32000),
    {ARCH_HEAD_K, "head_dim", NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},
    {ARCH_HEAD_V, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_ROPE_BASE, "rope_parameters.rope_theta|rope_theta", "{}.rope.freq_base", META_F32, ARCH_CONST, 10000},
    {ARCH_POSITION, "position_embedding_type", NULL, META_U32, ARCH_CONST, POS_NONE, .flags = KEY_ZERO, .names = "nope=4|rope=0"},
    {ARCH_ATTN_SCALE, "attention_multiplier", "{}.attention.scale", META_F32, ARCH_CONST, 1},
    {ARCH_EMBD_SCALE, "embedding_multiplier", "{}.embedding_scale", META_F32, ARCH_CONST, 1},
    {ARCH_RESIDUAL_SCALE, "residual_multiplier", "{}.residual_scale", META_F32, ARCH_CONST, 1},
    {ARCH_LOGIT_DIVISOR, "logits_scaling", "{}.logit_scale", META_F32, ARCH_CONST, 1},
    {ARCH_N_EXPERT, "num_local_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 8, .flags = KEY_ZERO},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 2, .flags = KEY_ZERO},
    {ARCH_N_FF_EXPERT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_N_FF_SHARED, "shared_intermediate_size", "{}.expert_shared_feed_forward_length", META_U32, ARCH_CONST, 1024},
    {ARCH_SSM_CONV, "mamba_d_conv", "{}.ssm.conv_kernel", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_SSM_STATE, "mamba_d_state", "{}.ssm.state_size", META_U32, ARCH_CONST, 256, .flags = KEY_IN_GGUF},
    {ARCH_SSM_GROUPS, "mamba_n_groups", "{}.ssm.group_count", META_U32, ARCH_CONST, 1, .flags = KEY_IN_GGUF},
    {ARCH_SSM_EXPAND, "mamba_expand", NULL, META_F32, ARCH_CONST, 2},
    {ARCH_SSM_INNER, NULL, "{}.ssm.inner_size", META_U32, ARCH_PRODUCT, .other = ARCH_SSM_EXPAND, .other2 = ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "mamba_n_heads", "{}.ssm.time_step_rank", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {0},
};

static const struct arch_key hybrid_keys[] = {
    {ARCH_N_CTX, NULL, "{}.context_length", META_U32, ARCH_CONST, 1048576, .flags = KEY_FACT},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_AT_ATTENTION},
    {ARCH_ROPE_TUNED, NULL, "{}.rope.scaling.finetuned", META_BOOL, ARCH_CONST, 0, .flags = KEY_FACT | KEY_ZERO},
    {0},
};

/* Granite 4's dense models: the class of the hybrids, with attention alone. */
static const struct arch_key attention_keys[] = {
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 2048, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD, .flags = KEY_LIST},
    {ARCH_ROPE_TUNED, NULL, "{}.rope.scaling.finetuned", META_BOOL, ARCH_CONST, 1, .flags = KEY_FACT | KEY_ZERO},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_RECURRENT, RULE_LIST, "layer_types|layers_block_type", NULL, "mamba|linear_attention"},
    {ARCH_AT_RECURRENT, RULE_ZERO, .number = ARCH_N_HEAD_KV},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_FFN_ROUTER, MOE "router.layer.weight|" MOE "router.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_EXPS, MOE "input_linear.weight|" MOE "experts.gate_up_proj", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_FIRST_HALF, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, MOE "input_linear.weight|" MOE "experts.gate_up_proj", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_SECOND_HALF, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, MOE "output_linear.weight|" MOE "experts.down_proj", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_SHARED, L "shared_mlp.input_linear.weight", B "ffn_gate_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, CHANGE_FIRST_HALF, .where = AT_EXPERTS},
    {ROLE_FFN_UP_SHARED, L "shared_mlp.input_linear.weight", B "ffn_up_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, CHANGE_SECOND_HALF, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_SHARED, L "shared_mlp.output_linear.weight", B "ffn_down_shexp.weight", {DIM_FF_SHARED, DIM_EMBD}, .where = AT_EXPERTS},
    {ROLE_FFN_GATE, L "shared_mlp.input_linear.weight", B "ffn_gate.weight", {DIM_EMBD, DIM_FF}, CHANGE_FIRST_HALF, .where = AT_DENSE},
    {ROLE_FFN_UP, L "shared_mlp.input_linear.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}, CHANGE_SECOND_HALF, .where = AT_DENSE},
    {ROLE_FFN_DOWN, L "shared_mlp.output_linear.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_DENSE},
    {0},
};

/* The mixers use it too. */
static const struct arch_only only[] = {
    {"hidden_act", "silu|swish"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, hybrid_keys, arch_keys_dt_limit, NULL};
static const struct arch_key *const attention_key_sets[] = {keys, attention_keys, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn_pairs, arch_rows_bias_if_asked_pairs, arch_rows_mamba2, rows, NULL};

static const char *const attention_alone[] = {"layer_types:attention", "!layer_types:mamba", "num_local_experts=0", NULL};
static const char *const classes[] = {"GraniteMoeHybridForCausalLM", NULL};

const struct arch arch_granite_hybrid = {
    .name = "granitehybrid",
    .classes = classes,
    .model_type = "granitemoehybrid",
    .spelling = ".mamba.",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_MAMBA2, .position = POS_NONE, .router = ROUTER_SOFTMAX_CHOSEN},
    .vocab = &vocab_rules_mamba,
};

const struct arch arch_granite_attention = {
    .name = "granite",
    .classes = classes,
    .model_type = "granitemoehybrid",
    .spelling = ".mamba.",
    .gguf_if = "{}.ssm.conv_kernel",
    .config_if = attention_alone,
    .keys = attention_key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .recurrent = MIXER_MAMBA2, .position = POS_NONE, .router = ROUTER_SOFTMAX_CHOSEN},
};
