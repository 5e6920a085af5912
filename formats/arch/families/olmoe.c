/* OLMoE: queries and keys normalised as a whole, a mixture of experts in every layer.
 * Source: transformers' OlmoeConfig (class defaults), modeling_olmoe; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(16, 4096, 2048, 2048, 16),
    KEYS_HEAD_KV,
    KEYS_RMS(1e-5),
    KEYS_VOCAB(50304),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_CLAMP_QKV, "clip_qkv", NULL, META_F32, ARCH_OPTIONAL_KEY},
    {ARCH_N_EXPERT, "num_experts|num_local_experts", "{}.expert_count", META_U32, ARCH_CONST, 64, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_EXPERT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF},
    {ARCH_EXPERT_NORM, "norm_topk_prob", NULL, META_BOOL, ARCH_CONST, 0, .flags = KEY_ZERO},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_tensor qk_norm[] = {
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_Q}},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_K}},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, qk_norm, arch_rows_bias_if_asked, arch_rows_experts, arch_rows_experts_fused, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"OlmoeForCausalLM", NULL};

const struct arch arch_olmoe = {
    .name = "olmoe",
    .classes = classes,
    .model_type = "olmoe",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_FULL},
};
