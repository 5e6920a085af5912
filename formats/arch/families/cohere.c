/* Command-R (Cohere) and Cohere 2: attention and feed-forward side by side after one norm
 * without bias; Cohere 2 rotates only where it sees a window.
 * Source: transformers' CohereConfig and Cohere2Config (class defaults), modeling_cohere and
 * modeling_cohere2; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

/* model_max_length: Command-R's context is longer than its config.json says. */
static const struct arch_key common_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 40, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 8192, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_CONST, 22528, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 64, .flags = KEY_IN_GGUF},
    KEYS_HEAD_KV,
    KEYS_LAYER_NORM("layer_norm_eps", 1e-5),
    {ARCH_LOGIT_SCALE, "logit_scale", "{}.logit_scale", META_F32, ARCH_CONST, 0.0625},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key command_r_keys[] = {
    {ARCH_N_CTX, "model_max_length|max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 8192, .flags = KEY_IN_GGUF},
    KEYS_VOCAB(256000),
    KEYS_HEAD_GIVEN,
    KEYS_ROT_HEAD,
    KEYS_ROPE_TYPE_NONE,
    {0},
};

static const struct arch_key after_rope[] = {KEYS_THETA(500000), {0}};

static const struct arch_key *const command_r_key_sets[] = {common_keys, command_r_keys, arch_keys_rope, after_rope, NULL};

static const struct arch_tensor rows[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {0},
};

static const struct arch_tensor qk_norm[] = {
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_HEAD_K, DIM_HEAD}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qk_norm"},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_HEAD_K, DIM_HEAD_KV}, CHANGE_NONE, TENSOR_OPTIONAL, "use_qk_norm"},
    {0},
};

static const struct arch_tensor *const command_r_row_sets[] = {arch_rows_ends, arch_rows_longrope, rows, arch_rows_attn, arch_rows_bias_if_asked, qk_norm, arch_rows_gated, NULL};

static const char *const command_r_classes[] = {"CohereForCausalLM", NULL};

const struct arch arch_command_r = {
    .name = "command-r",
    .classes = command_r_classes,
    .model_type = "cohere",
    .keys = command_r_key_sets,
    .tensors = command_r_row_sets,
    .ignored = arch_ignored_rotary,
    .tied = true,
    .traits = {.norm = NORM_LAYER, .parallel = true, .mixer = MIXER_ATTENTION, .qk_norm = QK_EACH},
};

/* ---- Cohere 2 ---------------------------------------------------------------------- */

/* The pattern is not written: other programs know every fourth layer. */
static const struct arch_key cohere2_keys[] = {
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 8192, .flags = KEY_IN_GGUF},
    KEYS_VOCAB_TOLD(256000),
    KEYS_HEAD_TOLD,
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 4096, .flags = KEY_IN_GGUF},
    KEYS_ROPE_TYPE_NONE,
    {0},
};

#define EVERY_FOURTH(param)                                                                 \
    {param, RULE_LIST, "layer_types", NULL, "sliding_attention"},                           \
        {param, RULE_LAST, "sliding_window_pattern", "{}.attention.sliding_window_pattern", \
         .flags = CHOICE_NOT},                                                              \
    {                                                                                       \
        param, RULE_LAST, .n = 4, .flags = CHOICE_NOT                                       \
    }

static const struct arch_choice cohere2_choices[] = {
    EVERY_FOURTH(ARCH_AT_WINDOW),
    EVERY_FOURTH(ARCH_AT_ROPE),
    {0},
};

static const struct arch_key *const cohere2_key_sets[] = {common_keys, cohere2_keys, arch_keys_rope, NULL};

static const struct arch_tensor *const cohere2_row_sets[] = {arch_rows_ends, arch_rows_longrope, rows, arch_rows_attn, arch_rows_bias_if_asked, arch_rows_gated, NULL};

static const char *const cohere2_classes[] = {"Cohere2ForCausalLM", NULL};

const struct arch arch_cohere2 = {
    .name = "cohere2",
    .classes = cohere2_classes,
    .model_type = "cohere2",
    .keys = cohere2_key_sets,
    .tensors = cohere2_row_sets,
    .ignored = arch_ignored_rotary,
    .choices = cohere2_choices,
    .tied = true,
    .traits = {.norm = NORM_LAYER, .parallel = true, .mixer = MIXER_ATTENTION},
};
