/* Mixtral: Llama's attention with a mixture of experts in every layer; its GGUF is a
 * "llama" that has experts.
 * Source: transformers' MixtralConfig (class defaults), modeling_mixtral; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L   "model.layers.{}."
#define B   "blk.{}."
#define MOE L "block_sparse_moe."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 131072, 4096, 14336, 32),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(32000),
    KEYS_HEAD_GIVEN,
    {ARCH_N_ROT, "head_dim", "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_OPTIONAL_KEY},
    {ARCH_N_EXPERT, "num_local_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 2, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_EXPERT_NORM, NULL, NULL, META_BOOL, ARCH_CONST, 1},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key theta[] = {KEYS_THETA(1000000), {0}};

static const struct arch_tensor experts[] = {
    {ROLE_FFN_ROUTER, MOE "gate.weight|" L "mlp.gate.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}},
    {ROLE_FFN_GATE_EXPS, MOE "experts.{e}.w1.weight", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, MOE "experts.{e}.w2.weight", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS},
    {ROLE_FFN_UP_EXPS, MOE "experts.{e}.w3.weight", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn_pairs, experts, arch_rows_experts_fused, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"MixtralForCausalLM", NULL};

const struct arch arch_mixtral = {
    .name = "llama",
    .classes = classes,
    .model_type = "mixtral",
    .gguf_if = "{}.expert_count",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_llama,
    .mix_70b = 80,
    .traits = {.mixer = MIXER_ATTENTION},
};
