/* OLMo 1: layer norm without weights, queries, keys and values cut off (clip_qkv), Llama's
 * interleaved pairs. OLMo 2: RMS norm after each part instead of before, queries and keys
 * normed over all heads. OLMo 3: windowed layers whose rotation is not scaled; in a GGUF it
 * shares OLMo 2's name.
 * Source: transformers' OlmoConfig, Olmo2Config, Olmo3Config (class defaults) and their
 * modeling files; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key sizes_keys[] = {
    KEYS_SIZES(32, 2048, 4096, 11008, 32),
    KEYS_HEAD_KV,
    KEYS_VOCAB(50304),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {0},
};

/* The class' own epsilon, whatever config.json says. */
static const struct arch_key olmo_keys[] = {
    {ARCH_NORM_EPS, NULL, "{}.attention.layer_norm_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_IN_GGUF},
    {ARCH_NORM_EPS, NULL, NULL, META_F32, ARCH_CONST, 1e-5},
    {ARCH_CLAMP_QKV, "clip_qkv", "{}.attention.clamp_kqv", META_F32, ARCH_OPTIONAL_KEY},
    {0},
};

static const struct arch_key olmo2_keys[] = {
    KEYS_RMS(1e-5),
    {0},
};

static const struct arch_key olmo3_keys[] = {
    KEYS_RMS(1e-5),
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE},
    {ARCH_ROPE_BASE_SWA, "rope_parameters.sliding_attention.rope_theta", "{}.rope.freq_base_swa", META_F32, ARCH_CONST, 500000},
    {ARCH_ROPE_TYPE_SWA, NULL, NULL, META_U32, ARCH_CONST, ARCH_ROPE_NONE},
    {0},
};

static const struct arch_key olmo3_theta[] = {
    KEYS_THETA(500000),
    {0},
};

static const struct arch_choice olmo3_choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", "{}.attention.sliding_window_pattern", "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 4, .flags = CHOICE_NOT},
    {0},
};

static const struct arch_key *const olmo_key_sets[] = {sizes_keys, olmo_keys, arch_keys_rope, NULL};
static const struct arch_key *const olmo2_key_sets[] = {sizes_keys, olmo2_keys, arch_keys_rope, NULL};
static const struct arch_key *const olmo3_key_sets[] = {sizes_keys, olmo3_keys, arch_keys_rope, olmo3_theta, NULL};

static const struct arch_tensor olmo_ends[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {0},
};

static const struct arch_tensor post_norms[] = {
    {ROLE_ATTN_POST_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_POST_NORM, L "post_feedforward_layernorm.weight", B "post_ffw_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_Q}},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_K}},
    {0},
};

static const struct arch_tensor *const olmo_sets[] = {olmo_ends, arch_rows_longrope, arch_rows_attn_pairs, arch_rows_bias_if_asked_pairs, arch_rows_gated, NULL};
static const struct arch_tensor *const olmo2_sets[] = {arch_rows_ends, arch_rows_longrope, post_norms, arch_rows_attn, arch_rows_bias_if_asked, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const olmo_classes[] = {"OlmoForCausalLM", "OLMoForCausalLM", NULL};
static const char *const olmo2_classes[] = {"Olmo2ForCausalLM", NULL};
static const char *const olmo3_classes[] = {"Olmo3ForCausalLM", NULL};

const struct arch arch_olmo = {
    .name = "olmo",
    .classes = olmo_classes,
    .model_type = "olmo",
    .keys = olmo_key_sets,
    .tensors = olmo_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .mix_70b = 80,
    .traits = {.norm = NORM_LAYER, .norm_plain = true, .mixer = MIXER_ATTENTION},
};

const struct arch arch_olmo2 = {
    .name = "olmo2",
    .classes = olmo2_classes,
    .model_type = "olmo2",
    .keys = olmo2_key_sets,
    .tensors = olmo2_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .traits = {.norm_place = NORM_POST, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_FULL},
};

const struct arch arch_olmo3 = {
    .name = "olmo2",
    .classes = olmo3_classes,
    .model_type = "olmo3",
    .gguf_if = "{}.attention.sliding_window",
    .keys = olmo3_key_sets,
    .tensors = olmo2_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = olmo3_choices,
    .traits = {.norm_place = NORM_POST, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_FULL},
};
