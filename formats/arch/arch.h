#ifndef FORMATS_ARCH_ARCH_H
#define FORMATS_ARCH_ARCH_H

/* Model families as data. A family is one file of rows beside this one: which
 * Hugging Face classes it answers to, which config keys become which metadata
 * keys, which tensors it has and how they change on the way, and traits that say
 * what its layers compute. Converter, quantizer, runtime and trainer read these
 * rows and never compare a family's name.
 *
 * Adding a family: one file with a `const struct arch arch_<name>` (declared in
 * arch_rows.h), one line in arch.c's table. A trait, default or dimension nobody has yet
 * is added here, with its formula. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/dtype.h"
#include "formats/meta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- parameters: the numbers of one model ------------------------------- */

enum arch_param {
    ARCH_N_LAYER,   /* blocks */
    ARCH_N_CTX,     /* positions it was trained for */
    ARCH_N_EMBD,    /* residual width */
    ARCH_N_FF,      /* feed-forward width; may differ by layer */
    ARCH_N_HEAD,    /* query heads; may differ by layer */
    ARCH_N_HEAD_KV, /* key-value heads; may differ by layer */
    ARCH_HEAD_K,    /* width of a query or key head */
    ARCH_HEAD_V,    /* width of a value head */
    ARCH_N_VOCAB,
    ARCH_NORM_EPS,    /* of RMS or layer norm */
    ARCH_N_ROT,       /* rotated values of a head */
    ARCH_ROPE_BASE,   /* theta */
    ARCH_ROPE_TYPE,   /* enum arch_rope_scaling */
    ARCH_ROPE_FACTOR, /* context extension */
    ARCH_ROPE_CTX,    /* positions before extension */
    ARCH_ROPE_LOW,    /* llama3: low_freq_factor */
    ARCH_ROPE_HIGH,   /* llama3: high_freq_factor */
    ARCH_ROPE_ATTN,   /* yarn: factor on cos and sin; not set: 0.1 ln(factor) + 1 */
    ARCH_ROPE_FAST,   /* yarn: beta_fast */
    ARCH_ROPE_SLOW,   /* yarn: beta_slow */
    ARCH_ROPE_LOGMUL, /* yarn: mscale_all_dim's multiplier */
    ARCH_ROPE_EXT,    /* yarn: extrapolation_factor; carried, transformers has no use for it */
    ARCH_ROPE_EXACT,  /* yarn: 1: the ramp's ends are not rounded outward (truncate: false) */
    ARCH_WINDOW,      /* sliding window: a position sees this many, itself included */
    ARCH_N_EXPERT,
    ARCH_N_EXPERT_USED,
    ARCH_N_FF_EXPERT,
    ARCH_KV_LORA, /* MLA: rank of the compressed keys and values */
    ARCH_Q_LORA,
    ARCH_SSM_CONV, /* state space: convolution width, state, inner width, dt rank */
    ARCH_SSM_STATE,
    ARCH_SSM_INNER,
    ARCH_SSM_DT_RANK,
    ARCH_LOGIT_SCALE, /* logits *= this */
    ARCH_LOGIT_CAP,   /* logits = cap * tanh(logits / cap) */
    ARCH_ATTN_CAP,
    ARCH_ATTN_SCALE, /* instead of 1 / sqrt(head) */
    ARCH_EMBD_SCALE,
    ARCH_PARAM_COUNT
};

enum arch_rope_scaling { ARCH_ROPE_NONE,
                         ARCH_ROPE_LINEAR,
                         ARCH_ROPE_LLAMA3, /* its divisors are ROLE_ROPE_FREQS: nothing else to do */
                         ARCH_ROPE_YARN };

struct arch_value {
    bool set;
    bool derived;            /* not given under its own key: a default, or worked out */
    double v;                /* also holds whole numbers: below 2^53 they are exact */
    const double *per_layer; /* NULL: v for every layer; else ARCH_N_LAYER values */
};

struct arch_params {
    struct arch_value p[ARCH_PARAM_COUNT];
    struct arena arena; /* per_layer arrays */
};

/* 0 where not set. */
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
    ARCH_TIMES         /* absent: value * other (feed-forward = 4 * hidden) */
};

enum arch_key_flag {
    KEY_IN_GGUF = 1,    /* a GGUF of the family always has it: absent there is an error */
    KEY_GGUF_CONST = 2, /* ARCH_CONST's value is also what absence in a GGUF means */
    KEY_NULL_NONE = 4,  /* null in config.json: not set; without the flag: as absent */
    KEY_ZERO = 8,       /* not only positive values make sense */
    KEY_GIVEN = 16,     /* written only when its value was given */
    KEY_DERIVED = 32    /* written only when it was not */
};

/* Several rows may fill one parameter: the first that is present wins. In a GGUF an
 * absent key is an error (KEY_IN_GGUF), follows ARCH_SAME_AS, ARCH_QUOTIENT or
 * ARCH_TIMES, or stays unset; so does a row without a key on either side. */
struct arch_key {
    enum arch_param param;
    const char *config; /* path in config.json, "a|b" for alternatives; NULL: not from there */
    const char *gguf;   /* "{}.block_count": "{}" stands for the family's name; NULL: not written */
    enum meta_type type;
    enum arch_default when_absent;
    double value;
    enum arch_param other, other2; /* in rows before this one */
    unsigned flags;
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
    ROLE_POS_EMBD,
    ROLE_OUTPUT, /* absent in tied models: the token embedding serves */
    ROLE_OUTPUT_NORM,
    ROLE_OUTPUT_NORM_BIAS,
    ROLE_ROPE_FREQS, /* divisors of the rotary frequencies */
    ROLE_ATTN_NORM,
    ROLE_ATTN_NORM_BIAS,
    ROLE_ATTN_Q,
    ROLE_ATTN_Q_BIAS,
    ROLE_ATTN_K,
    ROLE_ATTN_K_BIAS,
    ROLE_ATTN_V,
    ROLE_ATTN_V_BIAS,
    ROLE_ATTN_QKV, /* fused, rows of Q, then K, then V */
    ROLE_ATTN_QKV_BIAS,
    ROLE_ATTN_OUT,
    ROLE_ATTN_OUT_BIAS,
    ROLE_ATTN_Q_NORM, /* per head */
    ROLE_ATTN_K_NORM,
    ROLE_ATTN_POST_NORM,
    ROLE_FFN_NORM,
    ROLE_FFN_NORM_BIAS,
    ROLE_FFN_GATE,
    ROLE_FFN_GATE_BIAS,
    ROLE_FFN_UP,
    ROLE_FFN_UP_BIAS,
    ROLE_FFN_DOWN,
    ROLE_FFN_DOWN_BIAS,
    ROLE_FFN_POST_NORM,
    ROLE_FFN_ROUTER,
    ROLE_FFN_GATE_EXPS, /* stacked: [in, out, expert] */
    ROLE_FFN_UP_EXPS,
    ROLE_FFN_DOWN_EXPS,
    ROLE_SSM_IN,
    ROLE_SSM_CONV,
    ROLE_SSM_CONV_BIAS,
    ROLE_SSM_X,
    ROLE_SSM_DT,
    ROLE_SSM_DT_BIAS,
    ROLE_SSM_A,
    ROLE_SSM_D,
    ROLE_SSM_OUT,
    ROLE_MLA_Q_A,
    ROLE_MLA_Q_A_NORM,
    ROLE_MLA_Q_B,
    ROLE_MLA_KV_A,
    ROLE_MLA_KV_A_NORM,
    ROLE_MLA_K_B,
    ROLE_MLA_V_B,
    ROLE_COUNT
};

/* A dimension as a formula over the parameters (see arch_dim). */
enum arch_dim {
    DIM_END, /* no more dimensions */
    DIM_EMBD,
    DIM_VOCAB,
    DIM_FF,
    DIM_FF_EXPERT,
    DIM_EXPERT,
    DIM_Q,   /* heads * head_k */
    DIM_K,   /* kv heads * head_k */
    DIM_V,   /* kv heads * head_v */
    DIM_O,   /* heads * head_v */
    DIM_QKV, /* DIM_Q + DIM_K + DIM_V */
    DIM_HEAD_K,
    DIM_CTX,
    DIM_ROT_HALF, /* n_rot / 2 */
    DIM_ONE
};

/* What happens to a tensor between a checkpoint and a GGUF. */
enum arch_change {
    CHANGE_NONE,
    CHANGE_PERMUTE_Q, /* rows of each query head: two rotary halves -> interleaved pairs */
    CHANGE_PERMUTE_K, /* the same for key heads */
    CHANGE_TRANSPOSE, /* Conv1D weights: [in, out] -> [out, in] */
    CHANGE_ADD_ONE,   /* norm weights stored as w - 1 */
    CHANGE_NEG_EXP,   /* A_log -> -exp(A_log) */
    CHANGE_SQUEEZE    /* drop dimensions of 1 */
};

enum arch_tensor_flag {
    TENSOR_OPTIONAL = 1, /* may be absent */
    TENSOR_EXPERTS = 2,  /* `hf` has "{e}": one tensor per expert, stacked in the GGUF */
    TENSOR_TIED = 4,     /* may be absent when config.json ties it to the token embedding; one that
                            is there is kept, as transformers and the reference converter do */
    TENSOR_MADE = 8      /* not in a checkpoint: made from parameters (rope_freqs) */
};

struct arch_tensor {
    enum arch_role role;
    const char *hf;        /* "{}" is the block, "{e}" the expert, "a|b" alternatives; NULL with
                              TENSOR_MADE. Several rows may take parts of one tensor */
    const char *gguf;      /* "blk.{}.attn_q.weight" */
    enum arch_dim dims[4]; /* in GGUF order: fastest first */
    enum arch_change change;
    unsigned flags;
    const char *when; /* present only when config.json sets this to true; NULL: always */
};

/* ---- traits: what the layers compute ------------------------------------- */

enum arch_norm { NORM_RMS,
                 NORM_LAYER };
enum arch_norm_place { NORM_PRE,
                       NORM_POST,
                       NORM_SANDWICH,
                       NORM_PARALLEL };
enum arch_position { POS_ROPE_PAIRS,
                     POS_ROPE_HALVES,
                     POS_LEARNED,
                     POS_ALIBI,
                     POS_NONE };
enum arch_mixer { MIXER_ATTENTION,
                  MIXER_MLA,
                  MIXER_SSM };
enum arch_ffn { FFN_GATED,
                FFN_PLAIN,
                FFN_EXPERTS };
enum arch_act { ACT_SILU,
                ACT_GELU_TANH,
                ACT_GELU_ERF,
                ACT_RELU2 };

struct arch_traits {
    enum arch_norm norm;
    enum arch_norm_place norm_place;
    enum arch_position position;
    enum arch_mixer mixer; /* of every layer; families that mix kinds give mixer_at */
    enum arch_ffn ffn;
    enum arch_act act;
    int window_every; /* layers with l % window_every != window_every - 1 use ARCH_WINDOW,
                         where it is set; 1: every layer; 0: none */
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
    const char *const *ignored;               /* checkpoint tensors to skip: "{}" as above; ends with NULL */
    bool tied;                                /* tie_word_embeddings where config.json is silent */
    struct arch_traits traits;
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

/* Append the family's keys ("llama.block_count", ...). */
int arch_params_to_meta(struct meta *meta, const struct arch *a, const struct arch_params *p,
                        struct err *err) WARN_UNUSED;

/* The value of a dimension formula in `layer`; 0 for DIM_END. */
uint64_t arch_dim(enum arch_dim d, const struct arch_params *p, size_t layer);
/* dims[0, n) of a row in `layer` (0 outside blocks), as in a GGUF; returns n. */
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

/* Rows in order, all sets: NULL past the end. */
const struct arch_tensor *arch_row(const struct arch *a, size_t i);
/* Does the name have a "{}"? */
bool arch_in_block(const struct arch_tensor *row);
/* dst[0, size) = the first alternative of `pattern` with its numbers put in; false
 * when it does not fit. */
bool arch_expand(char *dst, size_t size, const char *pattern, int layer, int expert);

/* Does a TENSOR_MADE row exist in a model with these parameters? */
bool arch_makes(const struct arch_tensor *row, const struct arch_params *p);
/* dst[n] = its values, n the product of its dims. */
void arch_make(float *dst, size_t n, const struct arch_tensor *row, const struct arch_params *p);

#endif /* FORMATS_ARCH_ARCH_H */
