/* Mamba, FalconMamba (dt, B and C are normalised) and Mamba 2: no attention, no
 * feed-forward. Source: transformers' MambaConfig, FalconMambaConfig and Mamba2Config
 * (class defaults), modeling_mamba and the others; llama.cpp's key and tensor names. */

#include "formats/arch/arch_rows.h"

#define L "backbone.layers.{}."
#define B "blk.{}."

static const struct arch_key sizes[] = {
    {ARCH_N_CTX, NULL, "{}.context_length", META_U32, ARCH_CONST, 1048576, .flags = KEY_FACT},
    {ARCH_N_FF, NULL, "{}.feed_forward_length", META_U32, ARCH_CONST, 0, .flags = KEY_FACT | KEY_ZERO},
    {ARCH_N_HEAD, NULL, "{}.attention.head_count", META_U32, ARCH_CONST, 0, .flags = KEY_FACT | KEY_ZERO},
    {ARCH_NORM_EPS, "layer_norm_epsilon|rms_norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, 1e-5, .flags = KEY_IN_GGUF},
    {ARCH_SSM_CONV, "conv_kernel|d_conv", "{}.ssm.conv_kernel", META_U32, ARCH_CONST, 4, .flags = KEY_IN_GGUF},
    {ARCH_SSM_EXPAND, "expand", NULL, META_F32, ARCH_CONST, 2},
    {ARCH_SSM_INNER, "intermediate_size|d_inner", "{}.ssm.inner_size", META_U32, ARCH_PRODUCT, .other = ARCH_SSM_EXPAND, .other2 = ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {0},
};

static const struct arch_key mamba_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers|n_layer", "{}.block_count", META_U32, ARCH_CONST, 32, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size|d_model", "{}.embedding_length", META_U32, ARCH_CONST, 768, .flags = KEY_IN_GGUF},
    {ARCH_N_VOCAB, "vocab_size", NULL, META_U32, ARCH_CONST, 50280},
    {ARCH_SSM_STATE, "state_size|d_state", "{}.ssm.state_size", META_U32, ARCH_CONST, 16, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "time_step_rank|dt_rank", "{}.ssm.time_step_rank", META_U32, ARCH_CEIL, 16, .other = ARCH_N_EMBD, .flags = KEY_IN_GGUF},
    {0},
};

/* A GGUF of either class says which it is. */
static const struct arch_key plain_keys[] = {
    {ARCH_SSM_NORMS, NULL, "{}.ssm.dt_b_c_rms", META_BOOL, ARCH_CONST, 0, .flags = KEY_FACT | KEY_ZERO},
    {0},
};

static const struct arch_key falcon_keys[] = {
    {ARCH_SSM_NORMS, NULL, "{}.ssm.dt_b_c_rms", META_BOOL, ARCH_CONST, 1, .flags = KEY_FACT | KEY_ZERO},
    {ARCH_SSM_NORM_EPS, "mixer_rms_eps", NULL, META_F32, ARCH_CONST, 1e-6},
    {0},
};

static const struct arch_key mamba2_keys[] = {
    {ARCH_N_LAYER, "num_hidden_layers|n_layer", "{}.block_count", META_U32, ARCH_CONST, 64, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size|d_model|dim", "{}.embedding_length", META_U32, ARCH_CONST, 4096, .flags = KEY_IN_GGUF},
    {ARCH_N_VOCAB, "vocab_size", NULL, META_U32, ARCH_CONST, 32768},
    {ARCH_SSM_STATE, "state_size|d_state", "{}.ssm.state_size", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_SSM_DT_RANK, "num_heads", "{}.ssm.time_step_rank", META_U32, ARCH_CONST, 128, .flags = KEY_IN_GGUF},
    {ARCH_SSM_GROUPS, "n_groups", "{}.ssm.group_count", META_U32, ARCH_CONST, 8, .flags = KEY_IN_GGUF},
    {0},
};

static const struct arch_key mamba2_head[] = {
    {ARCH_SSM_HEAD, "head_dim", NULL, META_U32, ARCH_RATIO, .other = ARCH_SSM_INNER, .other2 = ARCH_SSM_DT_RANK},
    {0},
};

static const struct arch_tensor ends[] = {
    {ROLE_TOKEN_EMBD, "backbone.embeddings.weight|backbone.embedding.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "backbone.norm_f.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {ROLE_ATTN_NORM, L "norm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {0},
};

static const struct arch_choice choices[] = {
    {ARCH_AT_RECURRENT, RULE_ALL},
    {0},
};

static const struct arch_only only[] = {
    {"hidden_act", "silu|swish"},
    {0},
};

static const struct arch_key *const mamba_key_sets[] = {mamba_keys, sizes, plain_keys, NULL};
static const struct arch_key *const falcon_key_sets[] = {mamba_keys, sizes, falcon_keys, NULL};
static const struct arch_key *const mamba2_key_sets[] = {mamba2_keys, sizes, arch_keys_dt_limit, mamba2_head, NULL};
static const struct arch_tensor *const mamba_row_sets[] = {ends, arch_rows_mamba, NULL};
static const struct arch_tensor *const mamba2_row_sets[] = {ends, arch_rows_mamba2, NULL};

static const char *const mamba_classes[] = {"MambaForCausalLM", "MambaLMHeadModel", NULL};
static const char *const falcon_classes[] = {"FalconMambaForCausalLM", NULL};
static const char *const mamba2_classes[] = {"Mamba2ForCausalLM", NULL};

const struct arch arch_mamba = {
    .name = "mamba",
    .classes = mamba_classes,
    .model_type = "mamba",
    .keys = mamba_key_sets,
    .tensors = mamba_row_sets,
    .only = only,
    .choices = choices,
    .tied = true,
    .traits = {.recurrent = MIXER_MAMBA, .position = POS_NONE, .ffn = FFN_NONE},
    .vocab = &vocab_rules_mamba,
};

const struct arch arch_falcon_mamba = {
    .name = "mamba",
    .classes = falcon_classes,
    .model_type = "falcon_mamba",
    .keys = falcon_key_sets,
    .tensors = mamba_row_sets,
    .only = only,
    .choices = choices,
    .tied = true,
    .traits = {.recurrent = MIXER_MAMBA, .position = POS_NONE, .ffn = FFN_NONE},
    .vocab = &vocab_rules_mamba,
};

const struct arch arch_mamba2 = {
    .name = "mamba2",
    .classes = mamba2_classes,
    .model_type = "mamba2",
    .keys = mamba2_key_sets,
    .tensors = mamba2_row_sets,
    .only = only,
    .choices = choices,
    .traits = {.recurrent = MIXER_MAMBA2, .position = POS_NONE, .ffn = FFN_NONE},
    .vocab = &vocab_rules_mamba2,
};
