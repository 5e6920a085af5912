/* Row sets that many families share, in the names most checkpoints use. A family lists
 * the sets it has and adds its own. */

#include "formats/arch/arch_rows.h"

#define L "model.layers.{}."
#define B "blk.{}."

const struct arch_key arch_keys_common[] = {
    {ARCH_N_LAYER, "num_hidden_layers", "{}.block_count", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_CTX, "max_position_embeddings", "{}.context_length", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_EMBD, "hidden_size", "{}.embedding_length", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_FF, "intermediate_size", "{}.feed_forward_length", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD, "num_attention_heads", "{}.attention.head_count", META_U32, ARCH_REQUIRED, .flags = KEY_IN_GGUF},
    {ARCH_N_HEAD_KV, "num_key_value_heads", "{}.attention.head_count_kv", META_U32, ARCH_SAME_AS, .other = ARCH_N_HEAD},
    {0},
};

const struct arch_key arch_keys_vocab[] = {
    {ARCH_N_VOCAB, "vocab_size", "{}.vocab_size", META_U32, ARCH_REQUIRED},
    {0},
};

const struct arch_key arch_keys_vocab_silent[] = {
    {ARCH_N_VOCAB, "vocab_size", NULL, META_U32, ARCH_REQUIRED},
    {0},
};

const struct arch_key arch_keys_rms[] = {
    {ARCH_NORM_EPS, "rms_norm_eps", "{}.attention.layer_norm_rms_epsilon", META_F32, ARCH_CONST, 1e-6, .flags = KEY_IN_GGUF},
    {0},
};

/* Of families that do not list arch_rows_ends, which has it. */
const struct arch_tensor arch_rows_rope_freqs[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {0},
};

const struct arch_tensor arch_rows_ends[] = {
    {ROLE_ROPE_FREQS, NULL, "rope_freqs.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_TOKEN_EMBD, "model.embed_tokens.weight", "token_embd.weight", {DIM_EMBD, DIM_VOCAB}},
    {ROLE_OUTPUT_NORM, "model.norm.weight", "output_norm.weight", {DIM_EMBD}},
    {ROLE_OUTPUT, "lm_head.weight", "output.weight", {DIM_EMBD, DIM_VOCAB}, CHANGE_NONE, TENSOR_TIED},
    {0},
};

const struct arch_tensor arch_rows_longrope[] = {
    {ROLE_ROPE_LONG, NULL, "rope_factors_long.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {ROLE_ROPE_SHORT, NULL, "rope_factors_short.weight", {DIM_ROT_HALF}, CHANGE_NONE, TENSOR_MADE},
    {0},
};

const struct arch_tensor arch_rows_norms[] = {
    {ROLE_ATTN_NORM, L "input_layernorm.weight", B "attn_norm.weight", {DIM_EMBD}},
    {ROLE_FFN_NORM, L "post_attention_layernorm.weight", B "ffn_norm.weight", {DIM_EMBD}},
    {0},
};

const struct arch_tensor arch_rows_norm_biases[] = {
    {ROLE_ATTN_NORM_BIAS, L "input_layernorm.bias", B "attn_norm.bias", {DIM_EMBD}},
    {ROLE_FFN_NORM_BIAS, L "post_attention_layernorm.bias", B "ffn_norm.bias", {DIM_EMBD}},
    {ROLE_OUTPUT_NORM_BIAS, "model.norm.bias", "output_norm.bias", {DIM_EMBD}},
    {0},
};

const struct arch_tensor arch_rows_attn[] = {
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q}, .where = AT_ATTENTION},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}, .where = AT_ATTENTION},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}, .where = AT_ATTENTION},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}, .where = AT_ATTENTION},
    {0},
};

const struct arch_tensor arch_rows_attn_pairs[] = {
    {ROLE_ATTN_Q, L "self_attn.q_proj.weight", B "attn_q.weight", {DIM_EMBD, DIM_Q}, CHANGE_PERMUTE_Q, .where = AT_ATTENTION},
    {ROLE_ATTN_K, L "self_attn.k_proj.weight", B "attn_k.weight", {DIM_EMBD, DIM_K}, CHANGE_PERMUTE_K, .where = AT_ATTENTION},
    {ROLE_ATTN_V, L "self_attn.v_proj.weight", B "attn_v.weight", {DIM_EMBD, DIM_V}, .where = AT_ATTENTION},
    {ROLE_ATTN_OUT, L "self_attn.o_proj.weight", B "attn_output.weight", {DIM_O, DIM_EMBD}, .where = AT_ATTENTION},
    {0},
};

const struct arch_tensor arch_rows_qkv_bias[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, .where = AT_ATTENTION},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, .where = AT_ATTENTION},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, .where = AT_ATTENTION},
    {0},
};

const struct arch_tensor arch_rows_bias_if_asked[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {0},
};

const struct arch_tensor arch_rows_bias_if_asked_pairs[] = {
    {ROLE_ATTN_Q_BIAS, L "self_attn.q_proj.bias", B "attn_q.bias", {DIM_Q}, CHANGE_PERMUTE_Q, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_K_BIAS, L "self_attn.k_proj.bias", B "attn_k.bias", {DIM_K}, CHANGE_PERMUTE_K, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_V_BIAS, L "self_attn.v_proj.bias", B "attn_v.bias", {DIM_V}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {ROLE_ATTN_OUT_BIAS, L "self_attn.o_proj.bias", B "attn_output.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "attention_bias", AT_ATTENTION},
    {0},
};

const struct arch_tensor arch_rows_qk_norm[] = {
    {ROLE_ATTN_Q_NORM, L "self_attn.q_norm.weight", B "attn_q_norm.weight", {DIM_HEAD_K}, .where = AT_ATTENTION},
    {ROLE_ATTN_K_NORM, L "self_attn.k_norm.weight", B "attn_k_norm.weight", {DIM_HEAD_K}, .where = AT_ATTENTION},
    {0},
};

const struct arch_tensor arch_rows_gated[] = {
    {ROLE_FFN_GATE, L "mlp.gate_proj.weight", B "ffn_gate.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_UP, L "mlp.up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_DOWN, L "mlp.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_DENSE},
    {0},
};

const struct arch_tensor arch_rows_plain[] = {
    {ROLE_FFN_UP, L "mlp.up_proj.weight", B "ffn_up.weight", {DIM_EMBD, DIM_FF}, .where = AT_DENSE},
    {ROLE_FFN_DOWN, L "mlp.down_proj.weight", B "ffn_down.weight", {DIM_FF, DIM_EMBD}, .where = AT_DENSE},
    {0},
};

const struct arch_tensor arch_rows_mlp_bias_if_asked[] = {
    {ROLE_FFN_GATE_BIAS, L "mlp.gate_proj.bias", B "ffn_gate.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", AT_DENSE},
    {ROLE_FFN_UP_BIAS, L "mlp.up_proj.bias", B "ffn_up.bias", {DIM_FF}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", AT_DENSE},
    {ROLE_FFN_DOWN_BIAS, L "mlp.down_proj.bias", B "ffn_down.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "mlp_bias", AT_DENSE},
    {0},
};

const struct arch_tensor arch_rows_experts[] = {
    {ROLE_FFN_ROUTER, L "mlp.gate.weight", B "ffn_gate_inp.weight", {DIM_EMBD, DIM_EXPERT}, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, L "mlp.experts.{e}.down_proj.weight", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_GATE_EXPS, L "mlp.experts.{e}.gate_proj.weight", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, L "mlp.experts.{e}.up_proj.weight", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_NONE, TENSOR_EXPERTS, .where = AT_EXPERTS},
    {0},
};

/* The same as transformers 5 has them in memory: stacked, rows of gate, then up. */
const struct arch_tensor arch_rows_experts_fused[] = {
    {ROLE_FFN_GATE_EXPS, L "mlp.experts.gate_up_proj", B "ffn_gate_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_FIRST_HALF, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_UP_EXPS, L "mlp.experts.gate_up_proj", B "ffn_up_exps.weight", {DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERT}, CHANGE_SECOND_HALF, TENSOR_STACKED, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_EXPS, L "mlp.experts.down_proj", B "ffn_down_exps.weight", {DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERT}, CHANGE_NONE, TENSOR_STACKED, .where = AT_EXPERTS},
    {0},
};

const struct arch_tensor arch_rows_shared_expert[] = {
    {ROLE_FFN_GATE_SHARED, L "mlp.shared_experts.gate_proj.weight|" L "mlp.shared_expert.gate_proj.weight", B "ffn_gate_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, .where = AT_EXPERTS},
    {ROLE_FFN_UP_SHARED, L "mlp.shared_experts.up_proj.weight|" L "mlp.shared_expert.up_proj.weight", B "ffn_up_shexp.weight", {DIM_EMBD, DIM_FF_SHARED}, .where = AT_EXPERTS},
    {ROLE_FFN_DOWN_SHARED, L "mlp.shared_experts.down_proj.weight|" L "mlp.shared_expert.down_proj.weight", B "ffn_down_shexp.weight", {DIM_FF_SHARED, DIM_EMBD}, .where = AT_EXPERTS},
    {0},
};

/* Mixers' names: those of Mamba, Mamba 2 and NemotronH, and those of Jamba and Granite. */
#define R(name) "backbone.layers.{}.mixer." name "|" L "mixer." name "|" L "mamba." name

const struct arch_tensor arch_rows_mamba[] = {
    {ROLE_SSM_IN, R("in_proj.weight"), B "ssm_in.weight", {DIM_EMBD, DIM_SSM_INNER_2}, .where = AT_RECURRENT},
    {ROLE_SSM_IN_BIAS, R("in_proj.bias"), B "ssm_in.bias", {DIM_SSM_INNER_2}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias|mamba_proj_bias", AT_RECURRENT},
    {ROLE_SSM_CONV, R("conv1d.weight"), B "ssm_conv1d.weight", {DIM_SSM_CONV, DIM_SSM_INNER}, CHANGE_SQUEEZE, .where = AT_RECURRENT},
    {ROLE_SSM_CONV_BIAS, R("conv1d.bias"), B "ssm_conv1d.bias", {DIM_SSM_INNER}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_conv_bias|mamba_conv_bias=false", AT_RECURRENT},
    {ROLE_SSM_X, R("x_proj.weight"), B "ssm_x.weight", {DIM_SSM_INNER, DIM_SSM_X}, .where = AT_RECURRENT},
    {ROLE_SSM_DT, R("dt_proj.weight"), B "ssm_dt.weight", {DIM_SSM_RANK, DIM_SSM_INNER}, .where = AT_RECURRENT},
    {ROLE_SSM_DT_BIAS, R("dt_proj.bias"), B "ssm_dt.bias", {DIM_SSM_INNER}, .where = AT_RECURRENT},
    {ROLE_SSM_A, R("A_log"), B "ssm_a", {DIM_SSM_STATE, DIM_SSM_INNER}, CHANGE_NEG_EXP, .where = AT_RECURRENT},
    {ROLE_SSM_D, R("D"), B "ssm_d", {DIM_SSM_INNER}, .where = AT_RECURRENT},
    {ROLE_SSM_OUT, R("out_proj.weight"), B "ssm_out.weight", {DIM_SSM_INNER, DIM_EMBD}, .where = AT_RECURRENT},
    {ROLE_SSM_OUT_BIAS, R("out_proj.bias"), B "ssm_out.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias|mamba_proj_bias", AT_RECURRENT},
    {0},
};

const struct arch_tensor arch_rows_mamba2[] = {
    {ROLE_SSM_IN, R("in_proj.weight"), B "ssm_in.weight", {DIM_EMBD, DIM_SSM_IN}, .where = AT_RECURRENT},
    {ROLE_SSM_IN_BIAS, R("in_proj.bias"), B "ssm_in.bias", {DIM_SSM_IN}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias|mamba_proj_bias", AT_RECURRENT},
    {ROLE_SSM_CONV, R("conv1d.weight"), B "ssm_conv1d.weight", {DIM_SSM_CONV, DIM_SSM_CH}, CHANGE_SQUEEZE, .where = AT_RECURRENT},
    {ROLE_SSM_CONV_BIAS, R("conv1d.bias"), B "ssm_conv1d.bias", {DIM_SSM_CH}, CHANGE_NONE, TENSOR_OPTIONAL, "!use_conv_bias|mamba_conv_bias=false", AT_RECURRENT},
    {ROLE_SSM_DT_BIAS, R("dt_bias"), B "ssm_dt.bias", {DIM_SSM_RANK}, .where = AT_RECURRENT},
    {ROLE_SSM_A, R("A_log"), B "ssm_a", {DIM_ONE, DIM_SSM_RANK}, CHANGE_NEG_EXP, TENSOR_VECTOR, .where = AT_RECURRENT},
    {ROLE_SSM_D, R("D"), B "ssm_d", {DIM_ONE, DIM_SSM_RANK}, CHANGE_NONE, TENSOR_VECTOR, .where = AT_RECURRENT},
    {ROLE_SSM_NORM, R("norm.weight"), B "ssm_norm.weight", {DIM_SSM_GROUP, DIM_SSM_GROUPS}, CHANGE_NONE, TENSOR_VECTOR, .where = AT_RECURRENT},
    {ROLE_SSM_OUT, R("out_proj.weight"), B "ssm_out.weight", {DIM_SSM_INNER, DIM_EMBD}, .where = AT_RECURRENT},
    {ROLE_SSM_OUT_BIAS, R("out_proj.bias"), B "ssm_out.bias", {DIM_EMBD}, CHANGE_NONE, TENSOR_OPTIONAL, "use_bias|mamba_proj_bias", AT_RECURRENT},
    {0},
};

/* [least, most]; most may be infinite, which transformers writes in two ways. */
const struct arch_key arch_keys_dt_limit[] = {
    {ARCH_SSM_DT_MIN, "time_step_limit.0", NULL, META_F32, ARCH_CONST, 0, .flags = KEY_ZERO},
    {ARCH_SSM_DT_MAX, "time_step_limit.1.__float__|time_step_limit.1", NULL, META_F32, ARCH_CONST, 0, .flags = KEY_ZERO | KEY_INF_NONE, .names = "Infinity=inf"},
    {0},
};

const char *const arch_ignored_rotary[] = {
    "model.layers.{}.self_attn.rotary_emb.inv_freq",
    "model.rotary_emb.inv_freq",
    NULL,
};
