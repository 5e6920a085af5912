#ifndef FORMATS_ARCH_ARCH_H
#define FORMATS_ARCH_ARCH_H

/* Model families as data. A family is one file of rows beside this one: which
 * Hugging Face classes it answers to, which config keys become which metadata
 * keys, which tensors it has and how they change on the way, and traits that say
 * what its layers compute. Converter, quantizer, runtime and trainer read these
 * rows and never compare a family's name.
 *
 * Adding a family: one file in families/ with a `const struct arch arch_<name>` (declared
 * in arch_rows.h), one line in arch.c's table. A trait, default or dimension nobody has yet
 * is added here, with its formula. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/dtype.h"
#include "formats/meta.h"
#include "formats/vocab_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- parameters: the numbers of one model ------------------------------- */

enum arch_param {
    ARCH_N_LAYER,       /* blocks */
    ARCH_N_CTX,         /* positions it was trained for */
    ARCH_N_EMBD,        /* residual width */
    ARCH_N_FF,          /* feed-forward width; may differ by layer */
    ARCH_N_VOCAB_LAYER, /* rows of those embeddings */
    ARCH_FF_WIDE,       /* 1: layers of ARCH_KV_SHARED have a feed-forward twice as wide */
    ARCH_N_EMBD_LAYER,  /* width of the embeddings each layer has of its own; 0: none */
    ARCH_N_HEAD,        /* query heads; may differ by layer */
    ARCH_N_HEAD_KV,     /* key-value heads; may differ by layer; 0 where a layer is recurrent */
    ARCH_HEAD_K,        /* width of a query or key head */
    ARCH_HEAD_V,        /* width of a value head */
    ARCH_N_VOCAB,
    ARCH_NORM_EPS,        /* of RMS or layer norm */
    ARCH_N_ROT,           /* rotated values of a head */
    ARCH_ROPE_BASE,       /* theta */
    ARCH_ROPE_BASE_LAYER, /* by layer: instead of it */
    ARCH_ROPE_TYPE,       /* enum arch_rope_scaling */
    ARCH_ROPE_FACTOR,     /* context extension */
    ARCH_ROPE_CTX,        /* positions before extension */
    ARCH_ROPE_LOW,        /* llama3: low_freq_factor */
    ARCH_ROPE_HIGH,       /* llama3: high_freq_factor */
    ARCH_ROPE_ATTN,       /* yarn, longrope: factor on cos and sin; not set: worked out */
    ARCH_ROPE_FAST,       /* yarn: beta_fast */
    ARCH_ROPE_SLOW,       /* yarn: beta_slow */
    ARCH_ROPE_LOGMUL,     /* yarn: mscale_all_dim's multiplier */
    ARCH_ROPE_EXT,        /* yarn: extrapolation_factor; carried, transformers has no use for it */
    ARCH_ROPE_EXACT,      /* yarn: 1: the ramp's ends are not rounded outward (truncate: false) */
    ARCH_ROPE_PART,       /* part of a head that is rotated (partial_rotary_factor) */
    ARCH_ROPE_TEMP,       /* llama4, ministral3: queries *= 1 + this * ln(1 + floor(pos / TEMP_CTX)) */
    ARCH_ROPE_TEMP_CTX,
    ARCH_ROPE_SECTION_T, /* rotary sections of time, height and width: text does without */
    ARCH_ROPE_SECTION_H,
    ARCH_ROPE_SECTION_W,
    ARCH_ROPE_TUNED, /* rope.scaling.finetuned; carried */
    ARCH_WINDOW,     /* sliding window: a position sees this many, itself included */
    ARCH_KV_SHARED,  /* so many last layers attend to the keys and values of the last layer of their
                       kind before them */
    ARCH_CHUNK,      /* chunked attention: a position sees its own chunk of this many */
    /* windowed layers' own values, where they differ from the others' (see arch_num) */
    ARCH_HEAD_K_SWA,
    ARCH_HEAD_V_SWA,
    ARCH_N_HEAD_KV_SWA,
    ARCH_N_ROT_SWA,
    ARCH_ROPE_BASE_SWA,
    ARCH_ROPE_TYPE_SWA,
    /* mixture of experts */
    ARCH_N_EXPERT,
    ARCH_N_EXPERT_USED,
    ARCH_N_FF_EXPERT,
    ARCH_N_EXPERT_SHARED,    /* experts every token visits, stored as one wide one */
    ARCH_N_FF_SHARED,        /* its width */
    ARCH_EXPERT_GROUPS,      /* routing picks groups first ... */
    ARCH_EXPERT_GROUPS_USED, /* ... so many of them */
    ARCH_EXPERT_SCALE,       /* on the chosen experts' weights */
    ARCH_EXPERT_NORM,        /* 1: their weights are made to sum to 1 */
    ARCH_ROUTER,             /* enum arch_router */
    ARCH_N_DENSE,            /* leading layers without experts */
    ARCH_EXPERT_STEP,        /* every so many layers have experts */
    ARCH_N_PREDICT,          /* further layers that predict later tokens (MTP): not read */
    ARCH_EXPERT_GREEDY,      /* 1: groups there are, and routing passes over them (DeepSeek V2) */
    ARCH_EXPERT_NORM_TOLD,   /* in metadata only: an EXPERT_NORM that the model does not follow */
    ARCH_FF_SHARED_TOLD,     /* in metadata only: ERNIE's N_FF_SHARED is another */
    /* multi-head latent attention */
    ARCH_KV_LORA, /* rank of the compressed keys and values */
    ARCH_Q_LORA,
    ARCH_HEAD_K_MLA, /* width of a query or key head before compression, its rotated part included */
    ARCH_HEAD_V_MLA,
    ARCH_HEAD_NOPE,   /* the part of HEAD_K_MLA that is not rotated */
    ARCH_YARN_MSCALE, /* mscale_all_dim, before it becomes ROPE_LOGMUL */
    /* recurrent layers */
    ARCH_SSM_CONV,       /* convolution width */
    ARCH_SSM_STATE,      /* state per channel; delta net: key head width */
    ARCH_SSM_INNER,      /* inner width */
    ARCH_SSM_DT_RANK,    /* Mamba: rank of the time step; Mamba 2: heads; delta net: value heads */
    ARCH_SSM_GROUPS,     /* B and C are shared by inner / groups; delta net: key heads */
    ARCH_SSM_NORMS,      /* 1: dt, B and C are RMS-normalised (FalconMamba) */
    ARCH_SSM_NORM_EPS,   /* their epsilon, where it is another than NORM_EPS */
    ARCH_SSM_NORM_FIRST, /* Mamba 2: 1: the norm comes before the gate */
    ARCH_SSM_DT_MIN,     /* Mamba 2: time steps are kept within these ... */
    ARCH_SSM_DT_MAX,     /* ... 0: no upper end */
    ARCH_SSM_EXPAND,     /* inner / embd */
    ARCH_SSM_HEAD,       /* Mamba 2: width of a head; delta net: of a value head */
    ARCH_CONV_CACHE,     /* short convolution: its width */
    ARCH_FULL_EVERY,     /* every so many layers attend, the others are recurrent */
    /* multipliers and caps */
    ARCH_EMBD_SCALE,     /* embeddings *= this */
    ARCH_RESIDUAL_SCALE, /* what a part adds to the residual *= this */
    ARCH_SCALE_DEPTH,    /* RESIDUAL_SCALE = this / SCALE_ROOT, which is sqrt(layers) (MiniCPM) */
    ARCH_SCALE_ROOT,
    ARCH_DIM_BASE,      /* LOGIT_DIVISOR = width / this */
    ARCH_LOGIT_SCALE,   /* logits *= this */
    ARCH_LOGIT_DIVISOR, /* logits /= this */
    ARCH_LOGIT_CAP,     /* logits = cap * tanh(logits / cap) */
    ARCH_ATTN_CAP,      /* the same for attention scores */
    ARCH_QUERY_DIM,     /* attention scores /= sqrt of this instead of the head's width ... */
    ARCH_ATTN_SCALE,    /* ... *= this instead of 1 / sqrt(head); what the runtime reads */
    ARCH_CLAMP_QKV,     /* queries, keys and values are cut off at +- this */
    ARCH_ALIBI_MAX,     /* ALiBi's largest bias */
    ARCH_ACT_LIMIT,     /* gate and up are cut off at this (ACT_SWIGLU_OAI) */
    ARCH_XIELU_ALPHA_P, /* by layer */
    ARCH_XIELU_ALPHA_N,
    ARCH_XIELU_BETA,
    ARCH_XIELU_EPS,
    /* Multipliers that conversion folds into weights (Falcon-H1): a GGUF has none */
    ARCH_FOLD_EMBD,
    ARCH_FOLD_HEAD,
    ARCH_FOLD_ATTN_IN,
    ARCH_FOLD_ATTN_OUT,
    ARCH_FOLD_KEY,
    ARCH_FOLD_SSM_IN,
    ARCH_FOLD_SSM_OUT,
    ARCH_FOLD_Z, /* parts of ROLE_SSM_IN's rows */
    ARCH_FOLD_X,
    ARCH_FOLD_B,
    ARCH_FOLD_C,
    ARCH_FOLD_DT,
    ARCH_FOLD_GATE,
    ARCH_FOLD_DOWN,
    /* Feed-forward width as Lfm2 adjusts it: 2/3 of it, times this, up to a multiple */
    ARCH_FF_ADJUST, /* 1: it is adjusted */
    ARCH_FF_FACTOR,
    ARCH_FF_MULTIPLE,
    /* Traits that config.json may change; where no key row sets them: the family's trait */
    ARCH_ACT,      /* enum arch_act */
    ARCH_POSITION, /* enum arch_position */
    ARCH_PARALLEL, /* 1: mixer and feed-forward read the same residual and are added together */
    ARCH_QK_NORM,  /* enum arch_qk_norm */
    /* Choices by layer, 0 or 1 (see struct arch_choice) */
    ARCH_AT_WINDOW,    /* ARCH_WINDOW and the *_SWA values hold here; default 1 */
    ARCH_AT_ROPE,      /* positions are rotated here; default 1 */
    ARCH_AT_RECURRENT, /* the mixer is traits.recurrent instead of traits.mixer; default 0 */
    ARCH_AT_EXPERTS,   /* the feed-forward is a mixture; default 1 where there are experts */
    ARCH_AT_MIXER,     /* there is a mixer; default 1 */
    ARCH_AT_FFN,       /* there is a feed-forward; default 1 */
    ARCH_PARAM_COUNT
};

enum arch_rope_scaling { ARCH_ROPE_NONE,
                         ARCH_ROPE_LINEAR,
                         ARCH_ROPE_LLAMA3, /* its divisors are ROLE_ROPE_FREQS: nothing else to do */
                         ARCH_ROPE_YARN,
                         ARCH_ROPE_LONG, /* two sets of divisors, ROLE_ROPE_LONG beyond ROPE_CTX */
                         ARCH_ROPE_TABLE /* its divisors are ROLE_ROPE_FREQS (proportional) */ };

struct arch_value {
    bool set;
    bool derived;            /* not given under its own key: a default, or worked out */
    double v;                /* also holds whole numbers: below 2^53 they are exact */
    const double *per_layer; /* NULL: v for every layer; else ARCH_N_LAYER values */
};

struct arch_params {
    struct arch_value p[ARCH_PARAM_COUNT];
    const float *rope_long, *rope_short; /* longrope's divisors from config.json, rope_n each */
    size_t rope_n;
    struct arena arena; /* per_layer arrays */
};

/* For what stands outside blocks. */
#define ARCH_NO_LAYER SIZE_MAX

/* 0 where not set. In a layer with ARCH_AT_WINDOW, a parameter that has a *_SWA value
 * has that one. */
double arch_num(const struct arch_params *p, enum arch_param which, size_t layer);
uint64_t arch_int(const struct arch_params *p, enum arch_param which, size_t layer);
bool arch_has(const struct arch_params *p, enum arch_param which);

/* ---- keys: where a parameter stands in config.json and in a GGUF --------- */

enum arch_default {
    ARCH_REQUIRED,     /* absent in config.json: an error naming the key */
    ARCH_OPTIONAL_KEY, /* absent: not set, not written */
    ARCH_CONST,        /* absent: `value` */
    ARCH_SAME_AS,      /* absent: the value of the parameter `other` */
    ARCH_QUOTIENT,     /* absent: other / other2 (head width = hidden / heads) */
    ARCH_TIMES,        /* absent: value * other (feed-forward = 4 * hidden) */
    ARCH_SQRT,         /* absent: value * sqrt(other); not set where other is not */
    ARCH_RSQRT,        /* absent: value / sqrt(other); the same */
    ARCH_PRODUCT,      /* absent: other * other2, rounded down (rotated part of a head) */
    ARCH_CEIL,         /* absent: other / value, rounded up */
    ARCH_SUM,          /* absent: other + other2; not set where one of them is not; so are: */
    ARCH_DIFFERENCE,   /* absent: other - other2 */
    ARCH_RATIO         /* absent: other / other2, rounded down for whole numbers */
};

enum arch_key_flag {
    KEY_IN_GGUF = 1,       /* a GGUF of the family always has it: absent there is an error */
    KEY_GGUF_CONST = 2,    /* ARCH_CONST's value is also what absence in a GGUF means */
    KEY_NULL_NONE = 4,     /* null in config.json: not set; without the flag: as absent */
    KEY_ZERO = 8,          /* not only positive values make sense */
    KEY_GIVEN = 16,        /* written only when its value was given */
    KEY_DERIVED = 32,      /* written only when it was not */
    KEY_AT_ATTENTION = 64, /* 0 in recurrent layers and those without a mixer: a list when there are any */
    KEY_AT_FFN = 128,      /* 0 in layers without a feed-forward */
    KEY_LIST = 256,        /* written as a list though every layer has the same */
    KEY_LINEAR = 512,      /* written only under this scaling of rotary positions; with several */
    KEY_YARN = 1024,       /* flags, under any of them */
    KEY_LONG = 2048,
    KEY_SILENT = 4096,      /* read from GGUFs, not written: the reference converter does not */
    KEY_FOLD = 8192,        /* *_SWA: has no key of its own, the windowed layers' entries of a list */
    KEY_FIXED = 16384,      /* not from config.json; the row's default (META_STR: its `names`) is written
                          whatever the parameter is, as the reference converter does */
    KEY_FACT = 32768,       /* config.json has no say: the row's default, written under `gguf` */
    KEY_COUNT = 65536,      /* the value is how many entries a list, or letters a text, has */
    KEY_FLOOR = 131072,     /* ARCH_QUOTIENT is rounded down */
    KEY_INF_NONE = 262144,  /* infinite in config.json: not set */
    KEY_ZERO_NONE = 524288, /* 0 and false in config.json: not set */
    KEY_SECTIONS = 1048576  /* written as a list of this parameter, the next two and 0; not read */
};

/* Several rows may fill one parameter: the first that is present wins. In a GGUF an
 * absent key is an error (KEY_IN_GGUF), follows ARCH_SAME_AS or a rule of arithmetic, or
 * stays unset. A row without a key on either side is a fact of the family: its rule holds
 * for both, also ARCH_CONST. */
struct arch_key {
    enum arch_param param;
    const char *config; /* path in config.json, "a|b" for alternatives; NULL: not from there.
                           The text "auto" counts as absent */
    const char *gguf;   /* "{}.block_count": "{}" stands for the family's name; NULL: not written */
    enum meta_type type;
    enum arch_default when_absent;
    double value;
    enum arch_param other, other2; /* in rows before this one */
    unsigned flags;
    const char *names; /* "silu=0|gelu_new=1": texts config.json may hold, and what they mean;
                          a text that is not here is an error naming those that are. With
                          "true=4|false=0" booleans mean something too. NULL: numbers */
    const char *when;  /* the row counts only where config.json asks for it (arch_asks); always in
                          a GGUF. Without `config` the row's rule holds there. NULL: always */
};

/* ACT_* by config.json's names. */
#define ARCH_ACT_NAMES                                                                     \
    "silu=0|swish=0|gelu_pytorch_tanh=1|gelu_new=1|gelu_fast=1|gelu_python_tanh=1|gelu=2|" \
    "gelu_python=2|relu2=3|relu=4|xielu=5|quick_gelu=7"

/* How a choice by layer is made. Layers count from 0. */
enum arch_rule {
    RULE_LIST,     /* an array with an entry for each layer: 1 where it is one of `names` */
    RULE_LETTERS,  /* a string with a letter for each layer, the same */
    RULE_MEMBER,   /* an array of the layers' numbers */
    RULE_LAST,     /* l % n == n - 1: every n-th */
    RULE_OFFSET,   /* l % n == offset */
    RULE_FROM,     /* l >= n */
    RULE_UPTO,     /* l <= n; every layer where n < 0 */
    RULE_ZERO,     /* the parameter `number` is 0 in the layer; not applied where it is not set */
    RULE_WINDOWED, /* ARCH_AT_WINDOW, or no layer has a window; after AT_WINDOW's rows */
    RULE_TAIL,     /* the last n layers */
    RULE_ALL
};

enum arch_choice_flag {
    CHOICE_NOT = 1,      /* 0 and 1 exchanged */
    CHOICE_LAST_NOT = 2, /* then 0 in the last layer, whatever the rule says */
    CHOICE_AND = 4       /* and the next row, which is of the same parameter, where it can be applied */
};

/* One way to make a choice; the first row of a parameter that can be applied does. From
 * config.json rows with `config` count when the key is there; from a GGUF, rows with
 * `gguf`; rows with neither count for both. */
struct arch_choice {
    enum arch_param param; /* ARCH_AT_* */
    enum arch_rule rule;
    const char *config;     /* key of the list, the letters or n; "a|b" */
    const char *gguf;       /* the same; lists there are of booleans or numbers: 1 where not 0.
                               RULE_LIST's is written, of booleans */
    const char *names;      /* "sliding_attention|local"; numbers and booleans as text */
    unsigned n, offset;     /* without keys; 0 for RULE_LAST and OFFSET: the row is not applied */
    enum arch_param number; /* n from this parameter instead, where it is set; RULE_ZERO's. 0: none */
    unsigned flags;
    const char *offset_key; /* RULE_OFFSET: config.json's offset, in place of `offset` */
};

/* A tensor of one value in each layer that a GGUF holds as metadata. */
struct arch_scalar {
    const char *hf; /* "{}" is the block */
    enum arch_param param;
};

/* A config key that changes what a model computes in a way pare does not know. */
struct arch_only {
    const char *config;  /* path; absent and null are fine */
    const char *allowed; /* values as text, "silu|swish"; "": none */
};

/* ---- tensors ------------------------------------------------------------- */

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

/* ---- traits: what the layers compute ------------------------------------- */

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

/* ---- a family -------------------------------------------------------------- */

/* Rows that share a GGUF name (Llama, Mistral and Mixtral are all "llama") differ in
 * their classes and class defaults. A GGUF of that name belongs to the first row in
 * table order whose gguf_if it has. */
struct arch {
    const char *name;                         /* general.architecture */
    const char *const *classes;               /* config.json "architectures"[0]; ends with NULL */
    const char *gguf_if;                      /* a GGUF of this row has this key; NULL: any has */
    const struct arch_key *const *keys;       /* key sets, shared between families; ends with NULL.
                                                 A set ends with a row of zeros */
    const struct arch_tensor *const *tensors; /* row sets, the same way */
    const struct arch_only *only;             /* ends with a NULL config */
    const char *const *ignored;               /* checkpoint tensors to skip: "{}" as above, "*" at
                                                 the end for anything; ends with NULL */
    const struct arch_scalar *scalars;        /* ends with a NULL name; NULL: none */
    const struct arch_choice *choices;        /* ends with a row of zeros; NULL: none */
    const char *rope;                         /* JSON: {"rope_parameters": ...} of a config.json that
                                                 has none; NULL: not scaled, theta as it says */
    bool tied;                                /* tie_word_embeddings where config.json is silent */
    bool mix_falcon;                          /* quantization mixes have exceptions for it */
    bool no_file_type;                        /* its converter does not write general.file_type */
    struct arch_traits traits;
    const struct vocab_rules *vocab; /* formats/vocab_rules.h; NULL: the general rules only */
};

/* NULL when there is none. arch_by_name: the first row of that name; a GGUF's row is
 * arch_of_meta's. */
const struct arch *arch_by_name(const char *gguf_name);
const struct arch *arch_by_class(const char *hf_class);
const struct arch *arch_of_meta(const struct meta *meta);
/* Every family, in table order; NULL past the end. */
const struct arch *arch_at(size_t i);

/* Read the parameters; errors name the key, what was expected and found
 * (ERR_FORMAT), or the feature that is not supported (ERR_UNSUPPORTED). On failure
 * *out is empty. */
int arch_params_from_config(struct arch_params *out, const struct arch *a, const json_val *config,
                            struct err *err) WARN_UNUSED;
/* The same from a GGUF's keys. */
int arch_params_from_meta(struct arch_params *out, const struct arch *a, const struct meta *meta,
                          struct err *err) WARN_UNUSED;
/* Accepts an all-zero struct. */
void arch_params_release(struct arch_params *p);

/* Append the family's keys ("llama.block_count", ...), then a "pare.arch.*" key for every
 * parameter and choice that reading those back would not give: class defaults other
 * programs do not know, windows they drop. arch_params_from_meta reads these first. */
int arch_params_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                        struct err *err) WARN_UNUSED;

/* The value of a dimension formula in `layer`; 0 for DIM_END. */
uint64_t arch_dim(enum arch_dim d, const struct arch_params *p, size_t layer);
/* dims[0, n) of a row in `layer`, as in a GGUF; returns n. */
int arch_dims(uint64_t dims[4], const struct arch_tensor *row, const struct arch_params *p,
              size_t layer);

/* Find the row a name belongs to; *layer and *expert get the numbers in the name
 * (-1 where it has none). NULL: no row has such a name. */
const struct arch_tensor *arch_match_hf(const struct arch *a, const char *name, int *layer,
                                        int *expert);
/* The next row that takes a part of the same checkpoint tensor, or NULL. */
const struct arch_tensor *arch_match_next(const struct arch *a, const struct arch_tensor *row,
                                          const char *name);
/* The same for a GGUF's name. */
const struct arch_tensor *arch_match_gguf(const struct arch *a, const char *name, int *layer);
/* Is it a checkpoint tensor that carries nothing (buffers old versions saved)? */
bool arch_ignores(const struct arch *a, const char *name);

/* Is it a tensor of the ARCH_N_PREDICT layers after the last? */
bool arch_is_beyond(const struct arch_params *p, const char *name);

/* Rows in order, all sets: NULL past the end. */
const struct arch_tensor *arch_row(const struct arch *a, size_t i);
/* Does the row belong to this layer? */
bool arch_is_at(enum arch_where where, const struct arch_params *p, size_t layer);
/* Does config.json ask for this, a row's `when`? "x": sets x to true; "x=false": to that text or
 * number; "a|b=..." either; "!" before it: does not. True for NULL. */
bool arch_asks(const char *when, const json_val *config);
/* Does the name have a "{}"? */
bool arch_in_block(const struct arch_tensor *row);
/* dst[0, size) = the first alternative of `pattern` with its numbers put in; false
 * when it does not fit. */
bool arch_expand(char *dst, size_t size, const char *pattern, int layer, int expert);

/* Is the checkpoint tensor of this name a scalar? Which one, and of which layer. */
bool arch_match_scalar(enum arch_param *which, int *layer, const struct arch *a, const char *name);
/* Put its value among the parameters. */
int arch_set_scalar(struct arch_params *p, enum arch_param which, size_t layer, double v,
                    struct err *err) WARN_UNUSED;
/* A scalar that only some layers gave, or NULL; *layer: one that did not. */
const struct arch_scalar *arch_lacks_scalar(size_t *layer, const struct arch *a,
                                            const struct arch_params *p);

/* Does a TENSOR_MADE row exist in a model with these parameters? */
bool arch_makes(const struct arch_tensor *row, const struct arch_params *p);
/* dst[n] = its values, n the product of its dims. */
void arch_make(float *dst, size_t n, const struct arch_tensor *row, const struct arch_params *p);

#endif /* FORMATS_ARCH_ARCH_H */
