/* Llama 2 and 3.x and everything in their layout (SmolLM2, TinyLlama), Mistral.
 * Source: transformers' LlamaConfig and MistralConfig (class defaults), modeling_llama;
 * llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

/* What both classes have in common. */
static const struct arch_key common_keys[] = {
    {ARCH_N_LAYER,  "num_hidden_layers",   "{}.block_count",                      META_U32, ARCH_CONST,    32,    0,           0,           KEY_IN_GGUF},
    {ARCH_N_EMBD,   "hidden_size",         "{}.embedding_length",                 META_U32, ARCH_CONST,    4096,  0,           0,           KEY_IN_GGUF},
    {ARCH_N_HEAD,   "num_attention_heads", "{}.attention.head_count",             META_U32, ARCH_CONST,    32,    0,           0,           KEY_IN_GGUF},
    {ARCH_NORM_EPS, "rms_norm_eps",        "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST,    1e-6,  0,           0,           KEY_IN_GGUF},
    {ARCH_N_VOCAB,  "vocab_size",          "{}.vocab_size",                       META_U32, ARCH_CONST,    32000, 0,           0,           0          },
    {ARCH_HEAD_K,   "head_dim",            "{}.attention.key_length",             META_U32, ARCH_QUOTIENT, 0,     ARCH_N_EMBD, ARCH_N_HEAD, 0          },
    {ARCH_HEAD_V,   "head_dim",            "{}.attention.value_length",           META_U32, ARCH_SAME_AS,  0,     ARCH_HEAD_K, 0,           0          },
    {ARCH_N_ROT,    "head_dim",            "{}.rope.dimension_count",             META_U32, ARCH_SAME_AS,  0,     ARCH_HEAD_K, 0,           0          },
    {0,             NULL,                  NULL,                                  0,        0,             0,     0,           0,           0          },
};

static const struct arch_key llama_keys[] = {
    {ARCH_N_CTX,     "max_position_embeddings", "{}.context_length",          META_U32, ARCH_CONST,   2048,  0,           0, KEY_IN_GGUF},
    {ARCH_N_FF,      "intermediate_size",       "{}.feed_forward_length",     META_U32, ARCH_CONST,   11008, 0,           0, KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads",     "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, 0,     ARCH_N_HEAD, 0, 0          },
    {0,              NULL,                      NULL,                         0,        0,            0,     0,           0, 0          },
};

/* The reference converter drops the window; other programs ignore the pare key. */
static const struct arch_key mistral_keys[] = {
    {ARCH_N_CTX,     "max_position_embeddings", "{}.context_length",             META_U32, ARCH_CONST, 131072, 0, 0, KEY_IN_GGUF  },
    {ARCH_N_FF,      "intermediate_size",       "{}.feed_forward_length",        META_U32, ARCH_CONST, 14336,  0, 0, KEY_IN_GGUF  },
    {ARCH_N_HEAD_KV, "num_key_value_heads",     "{}.attention.head_count_kv",    META_U32, ARCH_CONST, 8,      0, 0, KEY_IN_GGUF  },
    {ARCH_WINDOW,    "sliding_window",          "pare.attention.sliding_window", META_U32, ARCH_CONST, 4096,   0, 0, KEY_NULL_NONE},
    {0,              NULL,                      NULL,                            0,        0,          0,      0, 0, 0            },
};

static const struct arch_key *const llama_key_sets[] = {common_keys, llama_keys, arch_keys_rope, NULL};
static const struct arch_key *const mistral_key_sets[] = {common_keys, mistral_keys, arch_keys_rope, NULL};

static const struct arch_tensor ends[] = {
    {ROLE_ROPE_FREQS,  NULL,                        "rope_freqs.weight",  {DIM_ROT_HALF},        CHANGE_NONE, TENSOR_MADE, NULL},
    {ROLE_TOKEN_EMBD,  "model.embed_tokens.weight", "token_embd.weight",  {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, 0,           NULL},
    {ROLE_OUTPUT_NORM, "model.norm.weight",         "output_norm.weight", {DIM_EMBD},            CHANGE_NONE, 0,           NULL},
    {ROLE_OUTPUT,      "lm_head.weight",            "output.weight",      {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED, NULL},
    {ROLE_NONE,        NULL,                        NULL,                 {DIM_END},             CHANGE_NONE, 0,           NULL},
};

#define L "model.layers.{}."
static const struct arch_tensor blocks[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight",          "blk.{}.attn_norm.weight",   {DIM_EMBD},         CHANGE_NONE,      0, NULL},
    {ROLE_ATTN_Q,    L "self_attn.q_proj.weight",         "blk.{}.attn_q.weight",      {DIM_EMBD, DIM_Q},  CHANGE_PERMUTE_Q, 0, NULL},
    {ROLE_ATTN_K,    L "self_attn.k_proj.weight",         "blk.{}.attn_k.weight",      {DIM_EMBD, DIM_K},  CHANGE_PERMUTE_K, 0, NULL},
    {ROLE_ATTN_V,    L "self_attn.v_proj.weight",         "blk.{}.attn_v.weight",      {DIM_EMBD, DIM_V},  CHANGE_NONE,      0, NULL},
    {ROLE_ATTN_OUT,  L "self_attn.o_proj.weight",         "blk.{}.attn_output.weight", {DIM_O, DIM_EMBD},  CHANGE_NONE,      0, NULL},
    {ROLE_FFN_NORM,  L "post_attention_layernorm.weight", "blk.{}.ffn_norm.weight",    {DIM_EMBD},         CHANGE_NONE,      0, NULL},
    {ROLE_FFN_GATE,  L "mlp.gate_proj.weight",            "blk.{}.ffn_gate.weight",    {DIM_EMBD, DIM_FF}, CHANGE_NONE,      0, NULL},
    {ROLE_FFN_UP,    L "mlp.up_proj.weight",              "blk.{}.ffn_up.weight",      {DIM_EMBD, DIM_FF}, CHANGE_NONE,      0, NULL},
    {ROLE_FFN_DOWN,  L "mlp.down_proj.weight",            "blk.{}.ffn_down.weight",    {DIM_FF, DIM_EMBD}, CHANGE_NONE,      0, NULL},
    {ROLE_NONE,      NULL,                                NULL,                        {DIM_END},          CHANGE_NONE,      0, NULL},
};

static const struct arch_tensor biases[] = {
    {ROLE_ATTN_Q_BIAS,   L "self_attn.q_proj.bias", "blk.{}.attn_q.bias",      {DIM_Q},    CHANGE_PERMUTE_Q, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_K_BIAS,   L "self_attn.k_proj.bias", "blk.{}.attn_k.bias",      {DIM_K},    CHANGE_PERMUTE_K, TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_V_BIAS,   L "self_attn.v_proj.bias", "blk.{}.attn_v.bias",      {DIM_V},    CHANGE_NONE,      TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", "blk.{}.attn_output.bias", {DIM_EMBD}, CHANGE_NONE,      TENSOR_OPTIONAL, "attention_bias"},
    {ROLE_FFN_GATE_BIAS, L "mlp.gate_proj.bias",    "blk.{}.ffn_gate.bias",    {DIM_FF},   CHANGE_NONE,      TENSOR_OPTIONAL, "mlp_bias"      },
    {ROLE_FFN_UP_BIAS,   L "mlp.up_proj.bias",      "blk.{}.ffn_up.bias",      {DIM_FF},   CHANGE_NONE,      TENSOR_OPTIONAL, "mlp_bias"      },
    {ROLE_FFN_DOWN_BIAS, L "mlp.down_proj.bias",    "blk.{}.ffn_down.bias",    {DIM_EMBD}, CHANGE_NONE,      TENSOR_OPTIONAL, "mlp_bias"      },
    {ROLE_NONE,          NULL,                      NULL,                      {DIM_END},  CHANGE_NONE,      0,               NULL            },
};

static const struct arch_tensor *const row_sets[] = {ends, blocks, biases, NULL};

static const char *const ignored[] = {
    "model.layers.{}.self_attn.rotary_emb.inv_freq",
    "model.rotary_emb.inv_freq",
    NULL,
};

static const struct arch_only only[] = {
    {"hidden_act",            "silu|swish"},
    {"quantization_config",   ""          },
    {"partial_rotary_factor", "1"         },
    {NULL,                    NULL        },
};

static const char *const llama_classes[] = {"LlamaForCausalLM", "LLaMAForCausalLM", NULL};
static const char *const mistral_classes[] = {"MistralForCausalLM", NULL};

#define TRAITS                                                                      \
    {                                                                               \
        NORM_RMS, NORM_PRE, POS_ROPE_PAIRS, MIXER_ATTENTION, FFN_GATED, ACT_SILU, 1 \
    }

const struct arch arch_llama = {
    .name = "llama",
    .classes = llama_classes,
    .keys = llama_key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = ignored,
    .traits = TRAITS,
};

const struct arch arch_mistral = {
    .name = "llama",
    .classes = mistral_classes,
    .gguf_if = "pare.attention.sliding_window",
    .keys = mistral_key_sets,
    .tensors = row_sets,
    .only = only,
    .ignored = ignored,
    .traits = TRAITS,
};
