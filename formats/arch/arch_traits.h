#ifndef FORMATS_ARCH_ARCH_TRAITS_H
#define FORMATS_ARCH_ARCH_TRAITS_H

/* What the layers compute. */

#include <stdbool.h>

enum arch_norm { NORM_RMS,
                 NORM_LAYER };
/* x += part(norm(x)); x += norm(part(x)); x += norm(part(norm(x))) */
enum arch_norm_place { NORM_PRE,
                       NORM_POST,
                       NORM_SANDWICH };
enum arch_position { POS_ROPE_PAIRS,
                     POS_ROPE_HALVES,
                     POS_LEARNED,
                     POS_ALIBI,
                     POS_NONE };
enum arch_mixer { MIXER_NONE,
                  MIXER_ATTENTION,
                  MIXER_MLA,
                  MIXER_MAMBA,
                  MIXER_MAMBA2,
                  MIXER_DELTA_NET,
                  MIXER_SHORT_CONV };
enum arch_ffn { FFN_GATED,
                FFN_PLAIN,
                FFN_NONE };
/* ARCH_ACT_NAMES gives their numbers. */
enum arch_act { ACT_SILU = 0,
                ACT_GELU_TANH = 1,
                ACT_GELU_ERF = 2,
                ACT_RELU2 = 3,
                ACT_RELU = 4,
                ACT_XIELU = 5,      /* Apertus: alpha_p, alpha_n, beta, eps by layer */
                ACT_SWIGLU_OAI = 6, /* (up + 1) * gate * sigmoid(1.702 gate), both cut off */
                ACT_GELU_QUICK = 7 };
enum arch_qk_norm { QK_NONE,
                    QK_HEAD, /* each head, one weight vector for all */
                    QK_EACH, /* each head, a weight vector of its own */
                    QK_FULL, /* all heads as one vector */
                    QK_L2 /* each head, RMS without weights, after rotation, where it is rotated */ };
/* Scores -> weights of the chosen experts. The numbers are llama.cpp's. */
enum arch_router { ROUTER_SOFTMAX = 1,
                   ROUTER_SIGMOID = 2,
                   ROUTER_SOFTMAX_CHOSEN = 3 /* softmax over the chosen ones only */ };

/* Zero is the most common case. */
struct arch_traits {
    enum arch_norm norm;
    bool norm_plain; /* norms of the blocks and the output have no weights */
    enum arch_norm_place norm_place;
    bool parallel;
    enum arch_position position;
    bool alibi_rounded;        /* ALiBi: bf16(bf16(slope) * bf16(position)) / sqrt(head) (Falcon) */
    enum arch_mixer mixer;     /* MIXER_ATTENTION almost everywhere */
    enum arch_mixer recurrent; /* in layers with ARCH_AT_RECURRENT */
    bool both;                 /* every layer has mixer and recurrent side by side, added */
    enum arch_qk_norm qk_norm;
    bool qk_norm_late; /* after rotation instead of before */
    bool v_norm;       /* values are RMS-normalised by head, without weights */
    bool attn_gate;    /* attention's output *= sigmoid(gate), the gate coming with the query */
    enum arch_ffn ffn; /* of layers without experts */
    enum arch_act act;
    bool delta_tiled;         /* delta net: value head h has key head h mod n, not h / (m / n) */
    enum arch_router router;  /* 0: ROUTER_SOFTMAX */
    bool expert_weight_first; /* the weight scales the expert's input, not its output */
};

#endif /* FORMATS_ARCH_ARCH_TRAITS_H */
