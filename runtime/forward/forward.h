#ifndef RUNTIME_FORWARD_FORWARD_H
#define RUNTIME_FORWARD_FORWARD_H

/* The forward pass, in parts chosen by an architecture's traits. Seen by runtime
 * only.
 *
 * Adding a mixer or feed-forward kind: a file with a `const struct part`, and a row
 * in parts.c. Nothing else names it: loading, shape checks, scratch and cache are
 * done from what the part says about itself. */

#include "formats/arch/arch.h"
#include "formats/base/arena.h"
#include "formats/base/par.h"
#include "formats/source.h"
#include "quant/kern.h"
#include "quant/matmul.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- weights ---------------------------------------------------------------- */

/* Those of one block, or those outside blocks, by role. */
struct weights {
    struct matrix mat[ROLE_COUNT]; /* .t is NULL: absent */
    const float *vec[ROLE_COUNT];  /* norms and biases, decoded; NULL: absent */
};

enum weight_flag { WEIGHT_OPTIONAL = 1, WEIGHT_VECTOR = 2 };

/* What some step computes with. Lists end with ROLE_NONE. */
struct weight_use {
    enum arch_role role;
    unsigned flags;
};

/* ---- parts ------------------------------------------------------------------ */

/* A mixer or a feed-forward network: s->y[n, n_embd] = part(s->xn[n, n_embd]). */
struct part {
    const struct weight_use *uses;
    /* Can it compute with these numbers? Shapes have been checked. NULL: always. */
    int (*check)(const struct model *m, size_t layer, struct err *err);
    /* Floats of scratch for one token; of cache for one position. */
    size_t (*work_floats)(const struct model *m, size_t layer);
    size_t (*cache_floats)(const struct model *m, size_t layer); /* NULL: keeps nothing */
    void (*run)(struct sess *s, size_t layer, size_t n);
};

/* y[n] = norm(x[n]) of one token; y may be x. */
typedef void norm_fn(const struct model *m, float *y, const float *x, const float *w,
                     const float *bias);

/* How norms and residual sums surround the parts of a block. */
struct placement {
    const struct weight_use *uses;
    /* s->x[n, n_embd] after all blocks, from s->x before them. */
    void (*run)(struct sess *s, size_t n);
};

/* Rotate one head in place; see struct kern. */
typedef void rope_fn(float *x, const float *cs, size_t n_rot);

/* What a model's traits amount to. */
struct plan {
    const struct placement *placement;
    const struct part *mixer, *ffn;
    norm_fn *norm;
    const struct weight_use *top; /* weights outside blocks */
};

/* Errors: ERR_UNSUPPORTED naming the trait. */
int plan_of(struct plan *out, const struct arch_traits *t, struct err *err) WARN_UNUSED;

extern const struct part part_attention;
extern const struct part part_ffn_gated;
extern const struct placement placement_pre;

/* ---- model and session ---------------------------------------------------- */

struct layer {
    struct weights w;
    size_t n_head, n_head_kv, head_k, head_v, n_ff;
    size_t window; /* positions seen; 0: all before */
};

struct model {
    struct source *source; /* owned */
    struct tok *tok;       /* owned; NULL: no vocabulary */
    const struct arch_params *params;
    struct kern kern;
    enum kern_math math;
    struct plan plan;
    size_t n_layer, n_embd, n_vocab, n_ctx;
    float norm_eps;
    struct weights top;
    const struct matrix *head; /* the output matrix, or the tied token embedding */
    struct layer *layer;       /* n_layer */
    rope_fn *rope;
    size_t n_rot;          /* rotated values of a head, even */
    double *rope_freq;     /* n_rot / 2 angles per position, scaled */
    double rope_magnitude; /* on cos and sin */
    struct arena arena;
};

struct sess {
    const struct model *m;
    struct par par;
    size_t n_ctx, n_batch;
    size_t n;      /* positions in the cache */
    size_t n_last; /* tokens of the last sess_eval, whose x is still there */
    float *rope;   /* [n_ctx, n_rot / 2, 2] cos and sin */
    float **cache; /* by layer; laid out by the mixer */
    float *x;      /* [n_batch, n_embd] residual stream */
    float *xn;     /* [n_batch, n_embd] normalised: input of a part */
    float *y;      /* [n_batch, n_embd] output of a part */
    float *work;   /* scratch of the running part */
    void *mm_scratch;
    uint8_t *attn_scratch; /* attn_each for every thread */
    size_t attn_each;
    struct arena arena;
};

/* Queries that one piece of attention work takes: keeps the scores in cache. */
enum { QUERY_BLOCK = 64 };

/* ---- shared steps ----------------------------------------------------------- */

/* Work on tokens [i0, i1). */
typedef void span_fn(void *arg, size_t i0, size_t i1);

/* Call fn on spans that cover [0, n), in parallel; the cut depends on n only. */
void span_for(const struct par *par, size_t n, span_fn *fn, void *arg);

/* jobs' y = x[n, .] . w^T */
void sess_mm(struct sess *s, const struct mm_job *jobs, size_t n_jobs, const float *x, size_t ld_x,
             size_t n);

/* x[i] += bias[i]; nothing for a NULL bias. */
void bias_add(const struct model *m, float *x, const float *bias, size_t n);

/* s->x = embeddings of the ids. */
void forward_embed(struct sess *s, const int32_t *ids, size_t n);
/* logits[n, n_vocab] of rows row0 .. of s->x. */
void forward_head(struct sess *s, float *logits, size_t row0, size_t n);

/* Fill rope, n_rot, rope_freq and rope_magnitude. Errors: ERR_UNSUPPORTED, ERR_FORMAT. */
int rope_init(struct model *m, struct err *err) WARN_UNUSED;
/* cs[n, n_rot / 2, 2] for positions 0 .. n - 1. */
void rope_table(float *cs, const struct model *m, size_t n);

#endif /* RUNTIME_FORWARD_FORWARD_H */
