/* MiniMax M2: queries and keys normalised as a whole, part of a head is rotated, mixtures
 * routed by sigmoid with a correction bias.
 * Source: transformers' MiniMaxM2Config (class defaults), modeling_minimax_m2; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define L   "model.layers.{}."
#define B   "blk.{}."
#define MOE L "block_sparse_moe."

/* partial_rotary_factor goes before rotary_dim, as in transformers. */
static const struct arch_key keys[] = {
    KEYS_SIZES(62, 196608, 3072, 1536, 48),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(200064),
    KEYS_HEAD_OR(128),
    {ARCH_ROPE_PART, "rope_parameters.partial_rotary_factor|partial_rotary_factor", NULL, META_F32, ARCH_OPTIONAL_KEY},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_PRODUCT, .other = ARCH_HEAD_K, .other2 = ARCH_ROPE_PART},
    {ARCH_N_ROT, "rotary_dim", "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_EXPERT, "num_local_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 256, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, "intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_EXPERT_NORM, NULL, NULL, META_BOOL, ARCH_CONST, 1},
    {ARCH_ROUTER, "scoring_func", "{}.expert_gating_func", META_U32, ARCH_CONST, ROUTER_SIGMOID, .flags = KEY_GIVEN, .names = "sigmoid=2"},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key theta[] = {KEYS_THETA(5000000), {0}};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_Q}},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_K}},
    {ROLE_FFN_ROUTER, MOE "gate.weight|" L "mlp.gate.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}},
    {ROLE_FFN_CHOICE_BIAS, MOE "e_score_correction_bias|" L "mlp.e_score_correction_bias", B "exp_probs_b.bias", {DIM_EXPERT}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_FFN_GATE_EXPS, MOE "experts.{e}.w1.weight", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, MOE "experts.{e}.w2.weight", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS},
    {ROLE_FFN_UP_EXPS, MOE "experts.{e}.w3.weight", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, rows, arch_rows_experts_fused, NULL};

static const char *const ignored[] = {
    "model.layers.{}.self_attn.rotary_emb.inv_freq",
    "model.mtp_modules.*",
    NULL,
};

static const char *const classes[] = {"MiniMaxM2ForCausalLM", NULL};

const struct arch arch_minimax_m2 = {
    .name = "minimax-m2",
    .classes = classes,
    .model_type = "minimax_m2",
    .keys = key_sets,
    .tensors = row_sets,
    .ignored = ignored,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_FULL, .router = ROUTER_SIGMOID},
};
