/* Qwen 2 and 2.5 (biases on queries, keys and values) and Qwen 3 (heads of a width of their
 * own, normalised queries and keys), dense. With use_sliding_window the layers from
 * max_window_layers on see a window; the reference converter drops it.
 * Source: transformers' Qwen2Config and Qwen3Config (class defaults), modeling_qwen2 and
 * modeling_qwen3; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

static const struct arch_key common_keys[] = {
    KEYS_SIZES(32, 32768, 4096, 22016, 32),
    KEYS_HEAD_KV_OR(32),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(151936),
    KEYS_ACT("hidden_act", ACT_SILU),
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE, .when = "use_sliding_window"},
    {0},
};

static const struct arch_key qwen2_keys[] = {
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {0},
};

static const struct arch_key qwen3_keys[] = {
    KEYS_HEAD_OR(128),
    KEYS_ROT_HEAD,
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_FROM, "max_window_layers"},
    {ARCH_AT_WINDOW, RULE_FROM, .n = 28},
    {ARCH_AT_WINDOW, RULE_FROM, .n = 28},
    {0},
};

static const struct arch_key *const qwen2_key_sets[] = {common_keys, qwen2_keys, arch_keys_rope, NULL};
static const struct arch_key *const qwen3_key_sets[] = {common_keys, qwen3_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const qwen2_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn, arch_rows_qkv_bias, arch_rows_gated, NULL};
static const struct arch_tensor *const qwen3_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn, arch_rows_qk_norm, arch_rows_bias_if_asked, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const qwen2_classes[] = {"Qwen2ForCausalLM", NULL};
static const char *const qwen3_classes[] = {"Qwen3ForCausalLM", NULL};

const struct arch arch_qwen2 = {
    .name = "qwen2",
    .classes = qwen2_classes,
    .model_type = "qwen2",
    .keys = qwen2_key_sets,
    .tensors = qwen2_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .mix_70b = 80,
    .traits = {.mixer = MIXER_ATTENTION, .position = POS_ROPE_HALVES},
};

const struct arch arch_qwen3 = {
    .name = "qwen3",
    .classes = qwen3_classes,
    .model_type = "qwen3",
    .keys = qwen3_key_sets,
    .tensors = qwen3_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD},
};
