/* Phi 1, 1.5 and 2: attention and feed-forward read the same norm and are added together,
 * layer norm, a bias everywhere, part of a head rotated.
 * Phi 3, 3.5 and 4: fused queries, keys and values, fused gate and up; a window for all
 * layers (llama.cpp switches it off, transformers does not), longrope.
 * Source: transformers' PhiConfig and Phi3Config (class defaults), modeling_phi and
 * modeling_phi3; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L        "model.layers.{}."
#define B        "blk.{}."
#define PART     "rope_scaling.partial_rotary_factor|rope_parameters.partial_rotary_factor|partial_rotary_factor"
#define ORIGINAL "rope_scaling.original_max_position_embeddings|rope_parameters.original_max_position_embeddings|original_max_position_embeddings"

/* ---- Phi 2 -------------------------------------------------------------------- */

static const struct arch_key phi2_keys[] = {
    KEYS_SIZES(24, 2048, 2048, 8192, 32),
    KEYS_HEAD_KV,
    KEYS_VOCAB(51200),
    KEYS_HEAD_GIVEN,
    {ARCH_NORM_EPS, "layer_norm_eps", "{}.attention.layer_norm_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_IN_GGUF},
    {ARCH_ROPE_PART, PART, NULL, META_F32, ARCH_CONST, 0.5},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_PRODUCT, .other = ARCH_HEAD_K, .other2 = ARCH_ROPE_PART},
    KEYS_ACT("hidden_act", ACT_GELU_TANH),
    {ARCH_QK_NORM, "qk_layernorm", NULL, META_U32, ARCH_OPTIONAL_KEY, .flags = KEY_ZERO},
    {ARCH_ROPE_BASE, NULL, "{}.rope.freq_base", META_F32, ARCH_OPTIONAL_KEY, .flags = KEY_SILENT},
    KEYS_THETA(10000),
    {0},
};

static const struct arch_tensor phi2_rows[] = {
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.final_layernorm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, "model.final_layernorm.bias", "output_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_OUTPUT_BIAS, "lm_head.bias", "output.bias", {DIM_VOCAB}},
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_ATTN_NORM_BIAS, L "input_layernorm.bias", B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q}},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}},
    {ROLE_ATTN_OUT, L "self_attn.dense.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.dense.bias", B "attn_output.bias", {DIM_EMBD}},
    {ROLE_ATTN_Q_NORM, L "self_attn.q_layernorm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL, "qk_layernorm"},
    {ROLE_ATTN_Q_NORM_BIAS, L "self_attn.q_layernorm.bias", B "attn_q_norm.bias", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL, "qk_layernorm"},
    {ROLE_ATTN_K_NORM, L "self_attn.k_layernorm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL, "qk_layernorm"},
    {ROLE_ATTN_K_NORM_BIAS, L "self_attn.k_layernorm.bias", B "attn_k_norm.bias", {DIM_HEAD_K}, CHANGE_NONE, TENSOR_OPTIONAL, "qk_layernorm"},
    {ROLE_FFN_UP, L "mlp.fc1.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}},
    {ROLE_FFN_UP_BIAS, L "mlp.fc1.bias", B "ffn_up.bias", {DIM_FF}},
    {ROLE_FFN_DOWN, L "mlp.fc2.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {ROLE_FFN_DOWN_BIAS, L "mlp.fc2.bias", B "ffn_down.bias", {DIM_EMBD}},
    {0},
};

static const struct arch_key *const phi2_key_sets[] = {phi2_keys, NULL};
static const struct arch_tensor *const phi2_sets[] = {arch_rows_rope_freqs, arch_rows_longrope, phi2_rows, arch_rows_qkv_bias, NULL};
static const char *const phi2_classes[] = {"PhiForCausalLM", NULL};

const struct arch arch_phi2 = {
    .name = "phi2",
    .classes = phi2_classes,
    .model_type = "phi",
    .keys = phi2_key_sets,
    .tensors = phi2_sets,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_phi2,
    .traits = {.norm = NORM_LAYER, .parallel = true, .position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION, .ffn = FFN_PLAIN, .act = ACT_GELU_TANH},
};

/* ---- Phi 3 -------------------------------------------------------------------- */

static const struct arch_key phi3_keys[] = {
    KEYS_SIZES(32, 4096, 3072, 8192, 32),
    KEYS_HEAD_KV,
    KEYS_RMS(1e-5),
    KEYS_VOCAB(32064),
    KEYS_ACT("hidden_act", ACT_SILU),
    KEYS_HEAD_GIVEN,
    {ARCH_ROPE_PART, PART, NULL, META_F32, ARCH_CONST, 1},
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_PRODUCT, .other = ARCH_HEAD_K, .other2 = ARCH_ROPE_PART},
    {ARCH_WINDOW, "sliding_window", "{}.attention.sliding_window", META_U32, ARCH_CONST, 0, .flags = KEY_ZERO | KEY_GGUF_CONST},
    {ARCH_ROPE_CTX, ORIGINAL, "{}.rope.scaling.original_context_length", META_U32, ARCH_CONST, 4096},
    {0},
};

static const struct arch_tensor phi3_rows[] = {
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.norm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_QKV, L "self_attn.qkv_proj.weight", B "attn_qkv.weight", {DIM_EMBD, DIM_QKV}},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}},
    {ROLE_FFN_GATE_UP, L "mlp.gate_up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF_2}},
    {ROLE_FFN_DOWN, L "mlp.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}},
    {0},
};

static const struct arch_key *const phi3_key_sets[] = {phi3_keys, arch_keys_rope, NULL};
static const struct arch_tensor *const phi3_sets[] = {arch_rows_rope_freqs, arch_rows_longrope, phi3_rows, arch_rows_norms, NULL};
static const char *const phi3_classes[] = {"Phi3ForCausalLM", NULL};

const struct arch arch_phi3 = {
    .name = "phi3",
    .classes = phi3_classes,
    .model_type = "phi3",
    .keys = phi3_key_sets,
    .tensors = phi3_sets,
    .ignored = arch_ignored_rotary,
    .vocab = &vocab_rules_phi3,
    .traits = {.position = POS_ROPE_HALVES, .mixer = MIXER_ATTENTION},
};
