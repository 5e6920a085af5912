/* Gemma 4 (text): Gemma 3 with norm weights stored as they are, values normed by head, scores
 * not scaled, heads of another width in full layers (global_head_dim, or per_layer_config as
 * transformers saves it), keys that serve as values there (attention_k_eq_v), only a part of
 * the full layers' heads rotated (proportional), and a scalar on each layer's output. E2B and
 * E4B: the last layers attend to the keys and values of earlier ones (num_kv_shared_layers) and
 * each layer has an input of its own (hidden_size_per_layer_input). The mixture is refused.
 * Source: transformers' Gemma4TextConfig (class defaults), modeling_gemma4; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

static const struct arch_key keys[] = {
    KEYS_SIZES(30, 131072, 2304, 9216, 8),
    {ARCH_N_HEAD_KV, "per_layer_config.*.num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_OPTIONAL_KEY},
    {ARCH_N_HEAD_KV, "num_global_key_value_heads", NULL, META_U32, ARCH_OPTIONAL_KEY, .when = "attention_k_eq_v"},
    {ARCH_N_HEAD_KV, "num_key_value_heads", NULL, META_U32, ARCH_CONST, 4},
    {ARCH_N_HEAD_KV_SWA, "num_key_value_heads", NULL, META_U32, ARCH_CONST, 4, .flags = KEY_FOLD},
    KEYS_RMS(1e-6),
    KEYS_VOCAB(262144),
    {ARCH_HEAD_K, "per_layer_config.*.head_dim|global_head_dim", "{}.attention.key_length", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {ARCH_HEAD_V, NULL, "{}.attention.value_length", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_HEAD_K_SWA, "head_dim", "{}.attention.key_length_swa", META_U32, ARCH_CONST, 256},
    {ARCH_HEAD_V_SWA, NULL, "{}.attention.value_length_swa", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K_SWA},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_ROT_SWA, NULL, "{}.rope.dimension_count_swa", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K_SWA},
    {ARCH_ROPE_BASE_SWA, "rope_parameters.sliding_attention.rope_theta", "{}.rope.freq_base_swa", META_F32, ARCH_CONST, 10000},
    {ARCH_ROPE_TYPE_SWA, NULL, NULL, META_U32, ARCH_CONST, ARCH_ROPE_NONE},
    {ARCH_ROPE_TYPE, NULL, NULL, META_U32, ARCH_CONST, ARCH_ROPE_TABLE},
    {ARCH_ROPE_PART, "rope_parameters.full_attention.partial_rotary_factor", NULL, META_F32, ARCH_CONST, 0.25},
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 512, .flags = KEY_IN_GGUF},
    {ARCH_LOGIT_CAP, "final_logit_softcapping", "{}.final_logit_softcapping", META_F32, ARCH_OPTIONAL_KEY},
    {ARCH_KV_SHARED, "num_kv_shared_layers", "{}.attention.shared_kv_layers", META_U32, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_N_EMBD_LAYER, "hidden_size_per_layer_input", "{}.embedding_length_per_layer_input", META_U32, ARCH_CONST, 256, .flags = KEY_ZERO},
    {ARCH_N_VOCAB_LAYER, "vocab_size_per_layer_input", NULL, META_U32, ARCH_CONST, 262144},
    {ARCH_FF_WIDE, "use_double_wide_mlp", NULL, META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    KEYS_ACT("hidden_activation", ACT_GELU_TANH),
    {ARCH_EMBD_SCALE, NULL, NULL, META_F32, ARCH_SQRT, 1, .other = ARCH_N_EMBD},
    {ARCH_ATTN_SCALE, NULL, NULL, META_F32, ARCH_CONST, 1},
    {0},
};

static const struct arch_key theta[] = {
    KEYS_THETA(1000000),
    {0},
};

/* Whatever the list says, the last layer sees everything. */
static const struct arch_choice choices[] = {
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", "{}.attention.sliding_window_pattern", "sliding_attention", .flags = CHOICE_LAST_NOT},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 6, .flags = CHOICE_NOT | CHOICE_LAST_NOT},
    {0},
};

static const struct arch_tensor rows[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.norm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_POST_NORM, L "post_attention_layernorm.weight", B "post_attention_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "pre_feedforward_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_POST_NORM, L "post_feedforward_layernorm.weight", B "post_ffw_norm.weight", {DIM_EMBD}},
    {ROLE_LAYER_SCALE, L "layer_scalar", B "layer_output_scale.weight", {DIM_ONE}},
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q}},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {0},
};

/* E2B and E4B: each layer has an input of its own. */
static const struct arch_tensor layer_rows[] = {
    {ROLE_LAYER_EMBD, "model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight", {DIM_EMBD_LAYERS, DIM_VOCAB_LAYER}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_LAYER_EMBD_PROJ, "model.per_layer_model_projection.weight", "per_layer_model_proj.weight", {DIM_EMBD, DIM_EMBD_LAYERS}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_LAYER_EMBD_NORM, "model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight", {DIM_EMBD_LAYER}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_LAYER_IN_GATE, L "per_layer_input_gate.weight", B "inp_gate.weight", {DIM_EMBD, DIM_EMBD_LAYER}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_LAYER_IN_OUT, L "per_layer_projection.weight", B "proj.weight", {DIM_EMBD_LAYER, DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_LAYER_IN_NORM, L "post_per_layer_input_norm.weight", B "post_norm.weight", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {rows, layer_rows, arch_rows_bias_if_asked, arch_rows_gated, NULL};

static const struct arch_only only[] = {
    {"use_bidirectional_attention", "vision|false"},
    {"enable_moe_block", "false"},
    {0},
};

static const char *const classes[] = {"Gemma4ForCausalLM", NULL};

const struct arch arch_gemma4 = {
    .name = "gemma4",
    .classes = classes,
    .model_type = "gemma4_text",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .vocab = &vocab_rules_gemma4,
    .rope = "{\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"proportional\", "
            "\"partial_rotary_factor\": 0.25, \"rope_theta\": 1000000}, "
            "\"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": 10000}}}",
    .tied = true,
    .traits = {.norm_place = NORM_SANDWICH, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .qk_norm = QK_HEAD, .v_norm = true, .act = ACT_GELU_TANH},
};
