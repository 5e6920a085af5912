/* HunYuan dense: queries and keys normed by head after they were rotated; "dynamic" rotation
 * with an alpha stretches theta once and for all.
 * Source: transformers' HunYuanDenseV1Config (class defaults), modeling_hunyuan_v1_dense;
 * llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

#define DYNAMIC "rope_scaling.rope_type|rope_scaling.type|rope_parameters.rope_type|rope_parameters.type=dynamic"

/* "dynamic" says nothing of the context it was stretched to: 256k, in the reference too. */
static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, NULL, "{}.context_length", META_U32, ARCH_CONST, 262144, .when = DYNAMIC},
    {ARCH_ROPE_TYPE, NULL, "{}.rope.scaling.type", META_STR, ARCH_CONST, ARCH_ROPE_NONE, .flags = KEY_DERIVED, .when = DYNAMIC},
    {ARCH_ROPE_FACTOR, NULL, "{}.rope.scaling.factor", META_F32, ARCH_CONST, 1, .when = DYNAMIC},
    {ARCH_ROPE_CTX, NULL, "{}.rope.scaling.original_context_length", META_U32, ARCH_CONST, 262144, .when = DYNAMIC},
    KEYS_SIZES(32, 2048, 4096, 11008, 32),
    KEYS_HEAD_KV,
    KEYS_RMS(1e-5),
    KEYS_VOCAB(290943),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_Q_NORM, L "self_attn.query_layernorm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}},
    {ROLE_ATTN_K_NORM, L "self_attn.key_layernorm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn, arch_rows_bias_if_asked, rows, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"HunYuanDenseV1ForCausalLM", NULL};

const struct arch arch_hunyuan_dense = {
    .name = "hunyuan-dense",
    .classes = classes,
    .model_type = "hunyuan_v1_dense",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_hunyuan,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD, .qk_norm_late = true},
};
