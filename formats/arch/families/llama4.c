/* Llama 4, text: rotated layers see their own chunk and normalise queries and keys without
 * weights; the others see all, and may sharpen their scores with the position. The weight of
 * an expert is on its input. Experts are stored [expert, in, out].
 * Source: transformers' Llama4TextConfig (class defaults), modeling_llama4; llama.cpp's key and
 * tensor names. */

#include "formats/arch/arch_rows.h"

#define L  "model.layers.{}."
#define B  "blk.{}."
#define FF L "feed_forward."

static const struct arch_key keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_CONST, 48, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_CONST, 131072, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_CONST, 5120, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size_mlp", "{}.feed_forward_length", META_U32, ARCH_CONST, 16384, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_CONST, 40, .flags = KEY_IN_GGUF},
    KEYS_HEAD_KV_OR(8),
    KEYS_RMS(1e-5),
    KEYS_VOCAB_TOLD(202048),
    KEYS_HEAD_OR(128),
    {ARCH_N_ROT, NULL, "{}.rope.dimension_count", META_U32, ARCH_SAME_AS, .other = ARCH_HEAD_K},
    {ARCH_N_FF_EXPERT, "intermediate_size", "{}.expert_feed_forward_length", META_U32, ARCH_CONST, 8192, .flags = KEY_IN_GGUF},
    {ARCH_N_FF_SHARED, NULL, NULL, META_U32, ARCH_SAME_AS, .other = ARCH_N_FF_EXPERT},
    {ARCH_N_EXPERT, "num_local_experts|num_experts", "{}.expert_count", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    {ARCH_N_EXPERT_USED, "num_experts_per_tok", "{}.expert_used_count", META_U32, ARCH_CONST, 1, .flags = KEY_IN_GGUF},
    {ARCH_EXPERT_STEP, "interleave_moe_layer_step", "{}.interleave_moe_layer_step", META_U32, ARCH_CONST, 1, .flags = KEY_IN_GGUF},
    {ARCH_CHUNK, "attention_chunk_size", NULL, META_U32, ARCH_CONST, 8192, .flags = KEY_NULL_NONE | KEY_GGUF_CONST},
    {ARCH_QK_NORM, "use_qk_norm", NULL, META_U32, ARCH_CONST, QK_L2, .flags = KEY_GGUF_CONST, .names = "true=4|false=0"},
    {ARCH_ROPE_TEMP, "attn_scale", NULL, META_F32, ARCH_CONST, 0.1, .flags = KEY_GGUF_CONST, .when = "!attn_temperature_tuning=false"},
    {ARCH_ROPE_TEMP_CTX, "floor_scale", NULL, META_F32, ARCH_CONST, 8192, .flags = KEY_GGUF_CONST},
    KEYS_ACT("hidden_act", ACT_SILU),
    {0},
};

static const struct arch_key theta[] = {KEYS_THETA(500000), {0}};

static const struct arch_choice choices[] = {
    {ARCH_AT_EXPERTS, RULE_MEMBER, "moe_layers"},
    {ARCH_AT_EXPERTS, RULE_LAST, .number = ARCH_EXPERT_STEP},
    {ARCH_AT_ROPE, RULE_LIST, "no_rope_layers", NULL, "1|true"},
    {ARCH_AT_ROPE, RULE_LAST, "no_rope_layer_interval", .flags = CHOICE_NOT},
    {ARCH_AT_ROPE, RULE_LAST, .n = 4, .flags = CHOICE_NOT},
    {ARCH_AT_WINDOW, RULE_LIST, "layer_types", NULL, "chunked_attention"},
    {ARCH_AT_WINDOW, RULE_LIST, "no_rope_layers", NULL, "1|true"},
    {ARCH_AT_WINDOW, RULE_LAST, "no_rope_layer_interval", .flags = CHOICE_NOT},
    {ARCH_AT_WINDOW, RULE_LAST, .n = 4, .flags = CHOICE_NOT},
    {0},
};

static const struct arch_tensor feed_forward[] = {
    {ROLE_FFN_GATE, FF "gate_proj.weight", B "ffn_gate.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_UP, FF "up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_DOWN, FF "down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_DENSE},
    {ROLE_FFN_ROUTER, FF "router.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_EXPS, FF "experts.gate_up_proj", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_FIRST_HALF, TENSOR_STACKED | TENSOR_TRANSPOSED, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, FF "experts.gate_up_proj", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_SECOND_HALF, TENSOR_STACKED | TENSOR_TRANSPOSED, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, FF "experts.down_proj", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED | TENSOR_TRANSPOSED, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_SHARED, FF "shared_expert.gate_proj.weight", B "ffn_gate_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, .where = AT_EXPERTS},
    {ROLE_FFN_UP_SHARED, FF "shared_expert.up_proj.weight", B "ffn_up_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_SHARED, FF "shared_expert.down_proj.weight", B "ffn_down_shexp.weight", {DIM_FF_SHARED, DIM_EMBD}, .where = AT_EXPERTS},
    {0},
};

static const struct arch_key *const key_sets[] = {keys, arch_keys_rope, theta, NULL};
static const struct arch_tensor *const row_sets[] = {arch_rows_ends, arch_rows_norms, arch_rows_attn, arch_rows_bias_if_asked, feed_forward, NULL};

static const struct arch_only only[] = {
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const classes[] = {"Llama4ForCausalLM", NULL};

const struct arch arch_llama4 = {
    .name = "llama4",
    .classes = classes,
    .model_type = "llama4_text",
    .keys = key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = arch_ignored_rotary,
    .choices = choices,
    .traits = {.mixer = MIXER_ATTENTION, .qk_norm = QK_L2, .router = ROUTER_SIGMOID, .expert_weight_first = true},
};
