/* EXAONE 4: RMS norm after each part instead of before, queries and keys normed by head. A
 * model with a window alternates windowed and full layers, and the full ones do not rotate.
 * Source: transformers' Exaone4Config (class defaults), modeling_exaone4; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 2048, 4096, 16384, 32),
    KEYS_HEAD_KV_OR(32),
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(102400),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", "{}.attention.sliding_window_pattern", "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_LAST, "sliding_window_pattern", .flags = CHOICE_NOT},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 4, .flags = CHOICE_NOT},
    {ARCH_AT_ROPE, RULE_WINDOWED},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_POST_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_POST_NORM, L "post_feedforward_layernorm.weight", B "post_ffw_norm.weight", {DIM_EMBD}},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, rows, arch_rows_attn, arch_rows_qk_norm, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"Exaone4ForCausalLM", NULL};

const struct arch arch_exaone4 = {
    .name = "exaone4",
    .classes = classes,
    .model_type = "exaone4",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.norm_place = NORM_POST, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD},
};
