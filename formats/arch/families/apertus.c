/* Apertus: a plain feed-forward of xIELU, whose shape each layer learns (stored as tensors of
 * one value, written as metadata), queries and keys normed by head. The class rotates by
 * llama3 scaling unless config.json says otherwise.
 * Source: transformers' ApertusConfig (class defaults), modeling_apertus; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(32, 65536, 4096, 14336, 32),
    KEYS_HEAD_KV,
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(131072),
    KEYS_HEAD_GIVEN,
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    KEYS_ACT("hidden_act", ACT_XIELU),
    {ARCH_XIELU_ALPHA_N, NULL, "xielu.alpha_n", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO | KEY_LIST},
    {ARCH_XIELU_ALPHA_P, NULL, "xielu.alpha_p", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO | KEY_LIST},
    {ARCH_XIELU_BETA, NULL, "xielu.beta", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO | KEY_LIST},
    {ARCH_XIELU_EPS, NULL, "xielu.eps", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO | KEY_LIST},
    {0},
};

static const struct arch_key theta[] = {
    KEYS_THETA(12000000),
    {0},
};

static const struct arch_scalar scalars[] = {
    {L "mlp.act_fn.alpha_n", ARCH_XIELU_ALPHA_N},
    {L "mlp.act_fn.alpha_p", ARCH_XIELU_ALPHA_P},
    {L "mlp.act_fn.beta", ARCH_XIELU_BETA, .bare = true},
    {L "mlp.act_fn.eps", ARCH_XIELU_EPS, .bare = true},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_NORM, L "attention_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "feedforward_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_UP, L "mlp.up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_DOWN, L "mlp.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, rows, arch_rows_attn, arch_rows_bias_if_asked, arch_rows_qk_norm, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"ApertusForCausalLM", NULL};

const struct arch arch_apertus = {
    .name = "apertus",
    .classes = classes,
    .model_type = "apertus",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .scalars = scalars,
    .vocab = &vocab_rules_llama,
    .rope = "{\"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 12000000, \"factor\": 8, "
            "\"original_max_position_embeddings\": 8192, \"low_freq_factor\": 1, "
            "\"high_freq_factor\": 4}}",
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD, .ffn = FFN_PLAIN, .act = ACT_XIELU},
};
