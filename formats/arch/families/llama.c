/* Llama 2 and 3.x and everything in their layout (SmolLM2, TinyLlama), Mistral.
 * Source: transformers' LlamaConfig and MistralConfig (class defaults), modeling_llama;
 * llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

/* What both classes have in common. */
static const struct arch_key common_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 32, 0, 0, KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 4096, 0, 0, KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 32, 0, 0, KEY_IN_GGUF},
    {ARCH_NORM_EPS, "rms_norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, 1e-6, 0, 0, KEY_IN_GGUF},
    {ARCH_N_VOCAB, "vocab_size", "{}.vocab_size", META_U32, ARCH_CONST, 32000},
    KEYS_ACT("hidden_act", ACT_SILU),
    {ARCH_HEAD_K, "head_dim", "{}.attention.key_length", META_U32, ARCH_QUOTIENT, 0, ARCH_N_EMBD, ARCH_N_HEAD, 0},
    {ARCH_HEAD_V, "head_dim", "{}.attention.value_length", META_U32, ARCH_SAME_AS, 0, ARCH_HEAD_K, 0, 0},
    {ARCH_N_ROT, "head_dim", "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, 0, ARCH_HEAD_K, 0, 0},
    {0},
};

static const struct arch_key llama_keys[] = {
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 2048, 0, 0, KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 11008, 0, 0, KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, 0, ARCH_N_HEAD, 0, 0},
    {0},
};

/* The reference converter drops the window. */
static const struct arch_key mistral_keys[] = {
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 131072, 0, 0, KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 14336, 0, 0, KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_CONST, 8, 0, 0, KEY_IN_GGUF},
    {ARCH_WINDOW, "sliding_window", NULL, META_U32, ARCH_CONST, 4096, 0, 0, KEY_NULL_NONE},
    {0},
};

static const struct arch_key *const llama_key_sets[] = {common_keys, llama_keys, arch_keys_rope, NULL};
static const struct arch_key *const mistral_key_sets[] = {common_keys, mistral_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_longrope, arch_rows_norms, arch_rows_attn_pairs, arch_rows_gated, arch_rows_bias_if_asked_pairs, arch_rows_mlp_bias_if_asked, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

/* transformers' Mistral has no biases, whatever config.json says. */
static const struct arch_only mistral_only[] = {
    {"partial_rotary_factor", "1"},
    {"attention_bias", "false"},
    {"mlp_bias", "false"},
    {0},
};

static const char *const llama_classes[] = {"LlamaForCausalLM", "LLaMAForCausalLM", NULL};
static const char *const mistral_classes[] = {"MistralForCausalLM", NULL};

const struct arch arch_llama = {
    .name = "llama",
    .classes = llama_classes,
    .model_type = "llama",
    .whole_heads = true,
    .keys = llama_key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .mix_70b = 80,
    .traits = {.mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_llama,
};

const struct arch arch_mistral = {
    .name = "llama",
    .classes = mistral_classes,
    .model_type = "mistral",
    .keys = mistral_key_sets,
    .tensors = row_sets,
    .only = mistral_only,
    .ignored = arch_ignored_rotary,
    .mix_70b = 80,
    .traits = {.mixer = MIXER_ATTENTION},
    .vocab = &vocab_rules_llama,
};
