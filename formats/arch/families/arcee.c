/* Arcee (AFM): Llama with a plain feed-forward of squared ReLU.
 * Source: transformers' ArceeConfig (class defaults), modeling_arcee; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 4096, 2560, 18432, 32),
    KEYS_HEAD_KV,
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(32000),
    {ARCH_HEAD_K, "head_dim", "{}.attention.key_length", META_U32, ARCH_QUOTIENT, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD},
    {ARCH_HEAD_V, "head_dim", "{}.attention.value_length", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    KEYS_ACT("hidden_act", ACT_RELU2),
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_FFN_UP, L "mlp.up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, L "mlp.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias"},
    {ROLE_FFN_DOWN, L "mlp.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, L "mlp.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias"},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn_pairs, arch_rows_bias_if_asked_pairs, rows, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"ArceeForCausalLM", NULL};

const struct arch arch_arcee = {
    .name = "arcee",
    .classes = classes,
    .model_type = "arcee",
    .whole_heads = true,
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_llama,
    .traits = {.mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_RELU2},
};
