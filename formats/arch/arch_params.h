#ifndef FORMATS_ARCH_ARCH_PARAMS_H
#define FORMATS_ARCH_ARCH_PARAMS_H

/* The numbers of one model. */

#include "formats/base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    ARCH_NORM_EPS_TOLD,   /* in metadata only: another epsilon that config.json has */
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
/* The largest of any layer; recurrent layers have 0 of some. */
uint64_t arch_most(const struct arch_params *p, enum arch_param which);
bool arch_has(const struct arch_params *p, enum arch_param which);

#endif /* FORMATS_ARCH_ARCH_PARAMS_H */
