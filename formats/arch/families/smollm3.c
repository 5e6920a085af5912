/* SmolLM3: Llama whose every fourth layer does not rotate (no_rope_layers holds 1 where a
 * layer does rotate); with use_sliding_window those layers see a window.
 * Source: transformers' SmolLM3Config (class defaults), modeling_smollm3; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

static const struct arch_key keys[] = {
    KEYS_SIZES(36, 32768, 2048, 11008, 16),
    KEYS_HEAD_KV_OR(4),
    KEYS_RMS(1e-6),
    KEYS_VOCAB_TOLD(128256),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_GIVEN,
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_OPTIONAL_KEY, .when = "use_sliding_window"},
    {0},
};

static const struct arch_key theta[] = {
    KEYS_THETA(2000000),
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_ROPE, RULE_LIST, "no_rope_layers", NULL, "1"},
    {ARCH_AT_ROPE, RULE_LAST, "no_rope_layer_interval", .flags = CHOICE_NOT},
    {ARCH_AT_ROPE, RULE_LAST, .n = 4, .flags = CHOICE_NOT},
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_LIST, "no_rope_layers", NULL, "0"},
    {ARCH_AT_WINDOW, RULE_LAST, "no_rope_layer_interval"},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 4},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn_pairs, arch_rows_gated, arch_rows_bias_if_asked_pairs, arch_rows_mlp_bias_if_asked, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"SmolLM3ForCausalLM", NULL};

const struct arch arch_smollm3 = {
    .name = "smollm3",
    .classes = classes,
    .model_type = "smollm3",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .vocab = &vocab_rules_llama,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION},
};
