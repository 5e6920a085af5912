/* Granite: Llama with multipliers on embeddings, residuals, attention and logits. GraniteSWA:
 * windows with attention sinks in most layers, a rotary base for each layer (0: no rotation).
 * Source: transformers' GraniteConfig and GraniteSWAConfig (class defaults),
 * modeling_granite and modeling_granite_swa; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* head_dim is not a key of the class, yet the model reads it; GGUF has the quotient only. */
static const struct arch_key common_keys[] = {
    KEYS_RMS(1e-6),
    {ARCH_HEAD_K, "head_dim", NULL, META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .flags = KEY_FLOOR},
    {ARCH_HEAD_V, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .flags = KEY_FIXED | KEY_FLOOR},
    {ARCH_N_ROT, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_ATTN_SCALE, "attention_multiplier", "{}.attention.scale", META_F32, ARCH_CONST, 1},
    {ARCH_EMBD_SCALE, "embedding_multiplier", "{}.embedding_scale", META_F32, ARCH_CONST, 1},
    {ARCH_RESIDUAL_SCALE, "residual_multiplier", "{}.residual_scale", META_F32, ARCH_CONST, 1},
    {ARCH_LOGIT_DIVISOR, "logits_scaling", "{}.logit_scale", META_F32, ARCH_CONST, 1},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key granite_keys[] = {
    KEYS_SIZES(32, 2048, 4096, 11008, 32),
    KEYS_HEAD_KV,
    KEYS_VOCAB_TOLD(32000),
    {0},
};

static const struct arch_key *const granite_key_sets[] = {granite_keys, common_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const granite_row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn_pairs, arch_rows_gated, arch_rows_bias_if_asked_pairs, arch_rows_mlp_bias_if_asked, NULL};

static const char *const granite_classes[] = {"GraniteForCausalLM", NULL};

const struct arch arch_granite = {
    .name = "granite",
    .classes = granite_classes,
    .model_type = "granite",
    .keys = granite_key_sets,
    .tensors = granite_row_sets,
    .ignored = arch_ignored_rotary,
    .traits = {.mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_llama,
};

/* ---- with windows ------------------------------------------------------------------ */

static const struct arch_key swa_keys[] = {
    KEYS_SIZES(24, 8192, 2560, 8192, 20),
    KEYS_HEAD_KV_OR(4),
    KEYS_VOCAB_TOLD(100352),
    KEYS_RMS(1e-5),
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_ROPE_BASE_LAYER, "layer_rope_theta", NULL, META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {0},
};

static const struct arch_choice swa_choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", "{}.attention.sliding_window_pattern", "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_OFFSET, .n = 4, .flags = CHOICE_NOT},
    {ARCH_AT_ROPE, RULE_ZERO, .number = ARCH_ROPE_BASE_LAYER, .flags = CHOICE_NOT},
    {0},
};

static const struct arch_tensor swa_rows[] = {
    {ROLE_ATTN_SINKS, L "self_attn.sinks", B "attn_sinks.weight", {DIM_HEAD}},
    {0},
};

static const struct arch_key *const swa_key_sets[] = {swa_keys, common_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const swa_row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn_pairs, swa_rows, arch_rows_gated, arch_rows_bias_if_asked_pairs, arch_rows_mlp_bias_if_asked, NULL};

static const char *const swa_classes[] = {"GraniteSWAForCausalLM", NULL};

const struct arch arch_granite_swa = {
    .name = "granite_swa",
    .classes = swa_classes,
    .model_type = "granite_swa",
    .keys = swa_key_sets,
    .tensors = swa_row_sets,
    .ignored = arch_ignored_rotary,
    .choices = swa_choices,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_llama,
};
