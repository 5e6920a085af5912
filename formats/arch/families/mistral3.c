/* Ministral 3: Mistral whose queries grow with the logarithm of their position (Llama 4's
 * temperature), under YaRN.
 * Source: transformers' Ministral3Config (class defaults), modeling_ministral3; llama.cpp's key
 * and tensor names. */

#include "formats/arch/arch_rows.h"

#define IN_ROPE(key) "rope_scaling." key "|rope_parameters." key

static const struct arch_key keys[] = {
    KEYS_SIZES(34, 262144, 4096, 14336, 32),
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(131072),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_OR(128),
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_OPTIONAL_KEY},
    {ARCH_ROPE_LOGMUL, IN_ROPE("mscale_all_dim"), "{}.rope.scaling.yarn_log_multiplier", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_ROPE_TEMP, IN_ROPE("llama_4_scaling_beta"), "{}.attention.temperature_scale", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_ROPE_TEMP_CTX, IN_ROPE("original_max_position_embeddings"), NULL, META_U32, ARCH_OPTIONAL_KEY},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn_pairs, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"Ministral3ForCausalLM", NULL};

const struct arch arch_mistral3 = {
    .name = "mistral3",
    .classes = classes,
    .model_type = "ministral3",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_llama,
    .rope = "{\"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 1000000, \"factor\": 16, "
            "\"original_max_position_embeddings\": 16384, \"beta_fast\": 32, \"beta_slow\": 1, "
            "\"mscale_all_dim\": 1, \"mscale\": 1, \"llama_4_scaling_beta\": 0.1}}",
    .traits = {.mixer = MIXER_ATTENTION},
};
