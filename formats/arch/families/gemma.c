/* Gemma 1, 2 and 3: embeddings times sqrt(width), norm weights stored as w - 1, a gated
 * feed-forward with GELU. Gemma 2 and 3 also norm what a part gives, alternate windowed and
 * full layers, and divide scores by sqrt(query_pre_attn_scalar); Gemma 2 caps scores and
 * logits; Gemma 3 norms queries and keys, and its windowed layers have a theta of their own
 * and no scaling.
 * Source: transformers' GemmaConfig, Gemma2Config and Gemma3TextConfig (class defaults) and
 * their modeling files; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"
#include "formats/vocab_rules.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* The output matrix is the embedding's; embeddings are scaled; what rotates is a head. */
static const struct arch_key facts[] = {
    {ARCH_EMBD_SCALE, NULL, NULL, META_F32, ARCH_SQRT, 1, .other = ARCH_N_EMBD},
    KEYS_ROT_HEAD,
    {0},
};

/* The reference converter writes no rotary keys for Gemma 1 and 2. */
static const struct arch_key silent_rope[] = {
    {ARCH_ROPE_BASE, NULL, "{}.rope.freq_base", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_SILENT},
    KEYS_THETA(10000),
    {0},
};

/* The class takes its old "gelu" for the approximation. */
static const struct arch_key gemma_keys[] = {
    KEYS_SIZES(28, 8192, 3072, 24576, 16),
    KEYS_HEAD_KV_OR(16),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(256000),
    KEYS_HEAD_OR(256),
    {ARCH_ACT, "hidden_act", NULL, META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO, .names = "gelu=1|" ARCH_ACT_NAMES},
    {0},
};

static const struct arch_key scores_keys[] = {
    {ARCH_QUERY_DIM, "query_pre_attn_scalar", NULL, META_F32, ARCH_CONST, 256},
    {ARCH_QUERY_DIM, NULL, NULL, META_F32, ARCH_RATIO, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .gguf_layers = 46}, /* Gemma 2 27B and ... */
    {ARCH_QUERY_DIM, NULL, NULL, META_F32, ARCH_RATIO, .other = ARCH_N_EMBD, .other2 = ARCH_N_HEAD, .gguf_layers = 62}, /* ... Gemma 3 27B have no key for it */
    {ARCH_ATTN_SCALE, NULL, NULL, META_F32, ARCH_RSQRT, 1, .other = ARCH_QUERY_DIM},
    KEYS_ACT("hidden_activation", ACT_GELU_TANH),
    {0},
};

static const struct arch_key gemma2_keys[] = {
    KEYS_SIZES(26, 8192, 2304, 9216, 8),
    KEYS_HEAD_KV_OR(4),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(256000),
    KEYS_HEAD_OR(256),
    {ARCH_ATTN_CAP, "attn_logit_softcapping", "{}.attn_logit_softcapping", META_F32, ARCH_CONST, 50, .flags = KEY_NULL_NONE | KEY_GGUF_CONST},
    {ARCH_LOGIT_CAP, "final_logit_softcapping", "{}.final_logit_softcapping", META_F32, ARCH_CONST, 30, .flags = KEY_NULL_NONE | KEY_GGUF_CONST},
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE | KEY_GGUF_CONST},
    {0},
};

static const struct arch_key gemma3_keys[] = {
    KEYS_SIZES(26, 131072, 2304, 9216, 8),
    KEYS_HEAD_KV_OR(4),
    KEYS_RMS(1e-6),
    KEYS_VOCAB(262208),
    KEYS_HEAD_OR(256),
    {ARCH_LOGIT_CAP, "final_logit_softcapping", "{}.final_logit_softcapping", META_F32, ARCH_OPTIONAL_KEY},
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 4096, .flags = KEY_NULL_NONE},
    {ARCH_ROPE_BASE_SWA, "rope_parameters.sliding_attention.rope_theta|rope_local_base_freq", "{}.rope.freq_base_swa", META_F32, ARCH_CONST, 10000, .flags = KEY_GGUF_CONST},
    {ARCH_ROPE_TYPE_SWA, NULL, NULL, META_U32, ARCH_CONST, ARCH_ROPE_NONE},
    {0},
};

static const struct arch_key gemma3_theta[] = {
    KEYS_THETA(1000000),
    {0},
};

static const struct arch_key *const gemma_key_sets[] = {gemma_keys, facts, silent_rope, NULL};
static const struct arch_key *const gemma2_key_sets[] = {gemma2_keys, scores_keys, facts, silent_rope, NULL};
static const struct arch_key *const gemma3_key_sets[] = {gemma3_keys, scores_keys, facts, arch_keys_rope, gemma3_theta, NULL};

static const struct arch_choice gemma2_choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 2, .flags = CHOICE_NOT},
    {0},
};

static const struct arch_choice gemma3_choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "sliding_attention"},
    {ARCH_AT_WINDOW, RULE_LAST, "sliding_window_pattern", .flags = CHOICE_NOT},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 6, .flags = CHOICE_NOT},
    {0},
};

static const struct arch_tensor ends[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.norm.weight", "output_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {0},
};

static const struct arch_tensor pre_norms[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {0},
};

static const struct arch_tensor four_norms[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_ATTN_POST_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_FFN_NORM, L "pre_feedforward_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {ROLE_FFN_POST_NORM, L "post_feedforward_layernorm.weight", B "post_ffw_norm.weight", {DIM_EMBD}, CHANGE_ADD_ONE},
    {0},
};

static const struct arch_tensor qk_norms[] = {
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}, CHANGE_ADD_ONE},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, CHANGE_ADD_ONE},
    {0},
};

static const struct arch_tensor *const gemma_sets[] = {ends, pre_norms, arch_rows_attn, arch_rows_bias_if_asked, arch_rows_gated, NULL};
static const struct arch_tensor *const gemma2_sets[] = {ends, four_norms, arch_rows_attn, arch_rows_bias_if_asked, arch_rows_gated, NULL};
static const struct arch_tensor *const gemma3_sets[] = {ends, four_norms, arch_rows_attn, arch_rows_bias_if_asked, qk_norms, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"use_bidirectional_attention", "false"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const struct arch_only gemma3_only[] = {
    {"use_bidirectional_attention", "false"},
    {"partial_rotary_factor", "1"},
    {"attn_logit_softcapping", ""},
    {0},
};

static const char *const gemma_classes[] = {"GemmaForCausalLM", NULL};
static const char *const gemma2_classes[] = {"Gemma2ForCausalLM", NULL};
static const char *const gemma3_classes[] = {"Gemma3ForCausalLM", NULL};

const struct arch arch_gemma = {
    .name = "gemma",
    .classes = gemma_classes,
    .model_type = "gemma",
    .keys = gemma_key_sets,
    .tensors = gemma_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_gemma,
    .tied = true,
    .traits = {.mixer = MIXER_ATTENTION, .position = POS_ROPE_HALVES, .act = ACT_GELU_TANH},
};

const struct arch arch_gemma2 = {
    .name = "gemma2",
    .classes = gemma2_classes,
    .model_type = "gemma2",
    .whole_heads = true,
    .keys = gemma2_key_sets,
    .tensors = gemma2_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = gemma2_choices,
    .vocab = &vocab_rules_gemma2,
    .tied = true,
    .traits = {.norm_place = NORM_SANDWICH, .mixer = MIXER_ATTENTION, .position = POS_ROPE_HALVES, .act = ACT_GELU_TANH},
};

const struct arch arch_gemma3 = {
    .name = "gemma3",
    .classes = gemma3_classes,
    .model_type = "gemma3_text",
    .whole_heads = true,
    .keys = gemma3_key_sets,
    .tensors = gemma3_sets,
    .only = gemma3_only,
    .ignored = arch_ignored_rotary,
    .choices = gemma3_choices,
    .vocab = &vocab_rules_gemma2,
    .tied = true,
    .traits = {.norm_place = NORM_SANDWICH, .mixer = MIXER_ATTENTION, .position = POS_ROPE_HALVES, .qk_norm = QK_HEAD, .act = ACT_GELU_TANH},
};
