#ifndef FORMATS_ARCH_ARCH_TENSORS_H
#define FORMATS_ARCH_ARCH_TENSORS_H

/* Rows about tensors: what each is for, its shape, and how it changes between a
 * checkpoint and a GGUF. */

#include "formats/arch/arch_params.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a tensor is for. One name serves every family; runtime and trainer find
 * weights by (role, layer). A role is a matrix or vector; its bias is another. */
enum arch_role {
    ROLE_NONE,
    ROLE_TOKEN_EMBD,
    ROLE_TOKEN_EMBD_NORM,
    ROLE_TOKEN_EMBD_NORM_BIAS,
    ROLE_POS_EMBD,
    ROLE_OUTPUT, /* absent in tied models: the token embedding serves */
    ROLE_OUTPUT_BIAS,
    ROLE_OUTPUT_NORM,
    ROLE_OUTPUT_NORM_BIAS,
    ROLE_ROPE_FREQS, /* divisors of the rotary frequencies */
    ROLE_ROPE_LONG,  /* longrope's, beyond the original context, and within it */
    ROLE_ROPE_SHORT,
    ROLE_ATTN_NORM,
    ROLE_ATTN_NORM_BIAS,
    ROLE_ATTN_NORM_2, /* parallel blocks: the attention's own, where ATTN_NORM is the feed-forward's */
    ROLE_ATTN_NORM_2_BIAS,
    ROLE_ATTN_Q, /* with an output gate (traits.attn_gate): head by head, query then gate */
    ROLE_ATTN_Q_BIAS,
    ROLE_ATTN_K,
    ROLE_ATTN_K_BIAS,
    ROLE_ATTN_V, /* absent where values are the keys (Gemma 4) */
    ROLE_ATTN_V_BIAS,
    ROLE_ATTN_QKV, /* fused, rows of Q, then K, then V */
    ROLE_ATTN_QKV_BIAS,
    ROLE_ATTN_OUT,
    ROLE_ATTN_OUT_BIAS,
    ROLE_ATTN_Q_NORM, /* see enum arch_qk_norm */
    ROLE_ATTN_Q_NORM_BIAS,
    ROLE_ATTN_K_NORM,
    ROLE_ATTN_K_NORM_BIAS,
    ROLE_ATTN_SINKS, /* [head]: a score that takes part in the softmax and has no value */
    ROLE_ATTN_POST_NORM,
    ROLE_FFN_NORM,
    ROLE_FFN_NORM_BIAS,
    ROLE_FFN_GATE,
    ROLE_FFN_GATE_BIAS,
    ROLE_FFN_UP,
    ROLE_FFN_UP_BIAS,
    ROLE_FFN_GATE_UP, /* fused: rows of gate, then up */
    ROLE_FFN_DOWN,
    ROLE_FFN_DOWN_BIAS,
    ROLE_FFN_POST_NORM,
    ROLE_FFN_ROUTER,
    ROLE_FFN_ROUTER_BIAS,
    ROLE_FFN_CHOICE_BIAS, /* [expert]: added to the scores when experts are chosen, not to weights */
    ROLE_FFN_GATE_EXPS,   /* stacked: [in, out, expert] */
    ROLE_FFN_GATE_EXPS_BIAS,
    ROLE_FFN_UP_EXPS,
    ROLE_FFN_UP_EXPS_BIAS,
    ROLE_FFN_GATE_UP_EXPS, /* fused: rows of gate, then up */
    ROLE_FFN_DOWN_EXPS,
    ROLE_FFN_DOWN_EXPS_BIAS,
    ROLE_FFN_GATE_SHARED, /* the expert every token visits */
    ROLE_FFN_UP_SHARED,
    ROLE_FFN_DOWN_SHARED,
    ROLE_FFN_SHARED_ROUTER, /* [in]: sigmoid of x . this on the shared expert's output */
    ROLE_SSM_IN,            /* Mamba: rows of x, z; Mamba 2: z, x, B, C, dt; delta net: q, k, v */
    ROLE_SSM_IN_BIAS,
    ROLE_SSM_CONV,
    ROLE_SSM_CONV_BIAS,
    ROLE_SSM_X,
    ROLE_SSM_DT,
    ROLE_SSM_DT_BIAS,
    ROLE_SSM_DT_NORM,
    ROLE_SSM_B_NORM,
    ROLE_SSM_C_NORM,
    ROLE_SSM_A,
    ROLE_SSM_D,
    ROLE_SSM_NORM, /* gated, before the output */
    ROLE_SSM_OUT,
    ROLE_SSM_OUT_BIAS,
    ROLE_SSM_GATE,       /* delta net: z */
    ROLE_SSM_BETA,       /* delta net: b */
    ROLE_SSM_ALPHA,      /* delta net: a */
    ROLE_SSM_BETA_ALPHA, /* fused: by key head, its betas, then its alphas */
    ROLE_CONV_IN,        /* short convolution: rows of B, C, x */
    ROLE_CONV_IN_BIAS,
    ROLE_CONV,
    ROLE_CONV_BIAS,
    ROLE_CONV_OUT,
    ROLE_CONV_OUT_BIAS,
    ROLE_MLA_Q_A,
    ROLE_MLA_Q_A_NORM,
    ROLE_MLA_Q_B,
    ROLE_MLA_KV_A,
    ROLE_MLA_KV_A_NORM,
    ROLE_MLA_KV_B,        /* [rank, head * (nope + v)] where it is not split */
    ROLE_MLA_K_B,         /* [nope, rank, head] */
    ROLE_MLA_V_B,         /* [rank, v, head] */
    ROLE_LAYER_EMBD,      /* embeddings that each layer has of its own, all in one row */
    ROLE_LAYER_EMBD_PROJ, /* the token's embedding as inputs of the layers, in addition */
    ROLE_LAYER_EMBD_NORM, /* of these, one vector for all layers */
    ROLE_LAYER_IN_GATE,   /* x += norm(out . (act(gate . x) * the layer's input)) */
    ROLE_LAYER_IN_OUT,
    ROLE_LAYER_IN_NORM,
    ROLE_LAYER_SCALE, /* [1]: the residual after the layer *= this */
    ROLE_COUNT
};

/* A dimension as a formula over the parameters (see arch_dim). */
enum arch_dim {
    DIM_END, /* no more dimensions */
    DIM_EMBD,
    DIM_VOCAB,
    DIM_FF,
    DIM_FF_2, /* 2 * DIM_FF */
    DIM_FF_EXPERT,
    DIM_FF_EXPERT_2,
    DIM_FF_SHARED,
    DIM_EXPERT,
    DIM_Q,   /* heads * head_k */
    DIM_Q_2, /* with the output gate */
    DIM_K,   /* kv heads * head_k */
    DIM_V,   /* kv heads * head_v */
    DIM_O,   /* heads * head_v */
    DIM_QKV, /* DIM_Q + DIM_K + DIM_V */
    DIM_HEAD_K,
    DIM_HEAD,    /* heads */
    DIM_HEAD_KV, /* kv heads */
    DIM_CTX,
    DIM_ROT_HALF, /* n_rot / 2 */
    DIM_SSM_CONV,
    DIM_SSM_STATE,
    DIM_SSM_INNER,
    DIM_SSM_INNER_2, /* 2 * inner: x and z */
    DIM_SSM_RANK,    /* dt_rank */
    DIM_SSM_X,       /* dt_rank + 2 * state */
    DIM_SSM_CH,      /* convolved channels: inner + 2 * groups * state */
    DIM_SSM_IN,      /* Mamba 2: z, those, and dt */
    DIM_SSM_GROUP,   /* inner / groups */
    DIM_SSM_GROUPS,
    DIM_SSM_B,      /* groups * state */
    DIM_SSM_RANK_2, /* 2 * dt_rank */
    DIM_SSM_HEAD,   /* inner / dt_rank */
    DIM_EMBD_3,     /* 3 * DIM_EMBD */
    DIM_CONV,       /* width of the short convolution */
    DIM_Q_LORA,
    DIM_KV_LORA,
    DIM_Q_MLA, /* heads * head_k_mla */
    DIM_O_MLA, /* heads * head_v_mla */
    DIM_KV_A,  /* kv_lora + n_rot */
    DIM_KV_B,  /* heads * (nope + head_v_mla) */
    DIM_HEAD_NOPE,
    DIM_HEAD_V_MLA,
    DIM_EMBD_LAYER,
    DIM_EMBD_LAYERS, /* layers * DIM_EMBD_LAYER */
    DIM_VOCAB_LAYER,
    DIM_ONE
};

/* Which stored rows become a tensor's rows, and in which order (formats/source_map.h
 * has the formulas), and what happens to the values. */
enum arch_change {
    CHANGE_NONE,
    CHANGE_PERMUTE_Q,   /* rows of each query head: two rotary halves -> interleaved pairs */
    CHANGE_PERMUTE_K,   /* the same for key heads */
    CHANGE_QKV_HEADS,   /* fused rows [head][q, k, v] -> [q, k, v][head] */
    CHANGE_QKV_GROUPS,  /* fused rows [kv head][queries, k, v] -> [q, k, v] */
    CHANGE_FIRST_HALF,  /* the first half of the stored rows */
    CHANGE_SECOND_HALF, /* and the second */
    CHANGE_EVEN,        /* stored rows 0, 2, 4 ... */
    CHANGE_ODD,         /* and 1, 3, 5 ... */
    CHANGE_MLA_K,       /* of [head][nope, v] rows: each head's nope, transposed */
    CHANGE_MLA_V,       /* of the same: each head's v */
    CHANGE_ADD_ONE,     /* norm weights stored as w - 1 */
    CHANGE_NEG_EXP,     /* A_log -> -exp(A_log) */
    CHANGE_SQUEEZE,     /* drop dimensions of 1 */
    /* Delta net's rows, H key heads with R = value heads / H each: */
    CHANGE_DELTA_QKV,    /* of [key head][q, k, R v, R z]: q, k, v, each by head */
    CHANGE_DELTA_Z,      /* of the same: z */
    CHANGE_TILE,         /* value heads [H][R] -> [R][H] */
    CHANGE_TILE_NEG_EXP, /* and -exp */
    CHANGE_TILE_QKV,     /* rows of q and k, then those; dimensions of 1 are dropped */
    CHANGE_TILE_COLS     /* the values of a row instead of rows */
};

enum arch_tensor_flag {
    TENSOR_OPTIONAL = 1,    /* may be absent */
    TENSOR_EXPERTS = 2,     /* `hf` has "{e}": one tensor per expert, stacked in the GGUF, where
                               the stacks of a layer follow in the order of their rows */
    TENSOR_TIED = 4,        /* may be absent when config.json ties it to the token embedding; one that
                            is there is kept, as transformers and the reference converter do */
    TENSOR_MADE = 8,        /* not in a checkpoint: made from parameters (rope_freqs) */
    TENSOR_TRANSPOSED = 16, /* stored [in, out] (Conv1D) or [expert, in, out]; `change` counts rows
                               after the transposition */
    TENSOR_STACKED = 32,    /* stored with the experts as its first dimension already */
    TENSOR_HEADS = 64,      /* with TENSOR_EXPERTS: of heads, as many as the last dimension says */
    TENSOR_VECTOR = 128     /* stored as a vector, whatever its shape in the GGUF */
};

/* The layers a row belongs to. */
enum arch_where {
    AT_ALL,
    AT_ATTENTION, /* ARCH_AT_MIXER and not ARCH_AT_RECURRENT */
    AT_RECURRENT, /* ARCH_AT_MIXER and ARCH_AT_RECURRENT */
    AT_DENSE,     /* ARCH_AT_FFN and not ARCH_AT_EXPERTS */
    AT_EXPERTS,   /* ARCH_AT_FFN and ARCH_AT_EXPERTS */
    AT_FFN        /* ARCH_AT_FFN */
};

/* The next `rows` rows of a tensor are multiplied by `by`. Lists end with DIM_END. */
struct arch_scale {
    enum arch_dim rows;
    enum arch_param by;
};

/* Trailing members may be left out of a row. */
struct arch_tensor {
    enum arch_role role;
    const char *hf;        /* "{}" is the block, "{e}" the expert, "a|b" alternatives; NULL with
                              TENSOR_MADE and where only (old) GGUFs have it. Several rows may
                              take parts of one tensor, or stand for spellings of it */
    const char *gguf;      /* "blk.{}.attn_q.weight" */
    enum arch_dim dims[4]; /* in GGUF order: fastest first */
    enum arch_change change;
    unsigned flags;
    const char *when;                /* present only when config.json asks for it (arch_asks). NULL: always */
    enum arch_where where;           /* in other layers it must be absent */
    enum arch_param scale;           /* values are multiplied by this parameter; 0: they are not */
    enum arch_param scale_2;         /* and then by this */
    const struct arch_scale *scales; /* and then ranges of rows by their own; NULL: none */
};

#endif /* FORMATS_ARCH_ARCH_TENSORS_H */
