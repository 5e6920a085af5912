#ifndef RUNTIME_FORWARD_FORWARD_H
#define RUNTIME_FORWARD_FORWARD_H

/* The forward pass, in parts that each layer chooses by traits and parameters. Seen
 * by runtime, and by training, which goes by the same plan.
 *
 * Adding a mixer or feed-forward kind: a file with a `const struct part`, and a row
 * in parts.c. Nothing else names it: loading, shape checks, scratch, cache and state
 * are done from what the part says about itself. */

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
    const float *vec[ROLE_COUNT];  /* norms and biases, decoded, rows one after another;
                                      NULL: absent */
};

enum weight_flag { WEIGHT_OPTIONAL = 1, WEIGHT_VECTOR = 2 };

/* What some step computes with. Lists end with ROLE_NONE. */
struct weight_use {
    enum arch_role role;
    unsigned flags;
};

/* ---- parts ------------------------------------------------------------------ */

/* A mixer or a feed-forward network: s->y[n, n_embd] = part(s->xn[n, n_embd]) for n
 * tokens from position s->n on. s->xn stays as it is. */
struct part {
    const struct weight_use *uses;
    /* Can it compute with these numbers? Shapes have been checked. NULL: always. */
    int (*check)(const struct model *m, size_t layer, struct err *err);
    /* Floats of scratch for one token. */
    size_t (*work_floats)(const struct model *m, size_t layer);
    /* Floats of scratch of a thread that takes n_query tokens: sess_thread_floats. NULL: none. */
    size_t (*thread_floats)(const struct model *m, size_t layer, size_t n_query);
    /* Floats kept for each position: s->cache[layer]. NULL: none. */
    size_t (*cache_floats)(const struct model *m, size_t layer);
    /* Floats kept for the sequence: s->state[layer], zeros before its first token.
     * NULL: none. A sequence with state cannot be cut short. */
    size_t (*state_floats)(const struct model *m, size_t layer);
    /* Floats kept for one token when somebody watches: s->seen. NULL: none. */
    size_t (*watch_floats)(const struct model *m, size_t layer);
    void (*run)(struct sess *s, size_t layer, size_t n);
};

/* y[n] = norm(x[n]) * w + bias of one vector; w and bias may be NULL, y may be x. */
typedef void norm_fn(const struct model *m, float *y, const float *x, const float *w,
                     const float *bias, size_t n);

/* Rotate one head in place; see struct kern. */
typedef void rope_fn(float *x, const float *cs, size_t n_rot);

/* y[n] = act(gate[n]) * up[n]; up NULL: act(gate[n]). y may be gate. */
typedef void act_fn(const struct model *m, size_t layer, float *y, const float *gate,
                    const float *up, size_t n);

/* NULL: no such activation. */
act_fn *act_of(enum arch_act act);

/* What traits and parameters ask for: m->traits, norm and act; the parts of layer i.
 * Errors: ERR_UNSUPPORTED naming the trait. */
int plan_model(struct model *m, struct err *err) WARN_UNUSED;
int plan_layer(struct model *m, size_t i, struct err *err) WARN_UNUSED;

/* Weights outside blocks, and those of a block that belong to no part. */
extern const struct weight_use top_uses[], block_uses[];

extern const struct part part_attention, part_mla;
extern const struct part part_mamba, part_mamba2, part_delta_net, part_short_conv;
extern const struct part part_ffn_gated, part_ffn_plain, part_experts;

/* ---- model and session ---------------------------------------------------- */

struct layer {
    struct weights w;
    const struct part *mixer;     /* attention of some kind; NULL: none */
    const struct part *recurrent; /* NULL: none; beside a mixer: both, added */
    const struct part *ffn;       /* NULL: none */
    size_t n_head, n_head_kv, head_k, head_v, n_ff;
    size_t window; /* positions seen; 0: all before */
    size_t chunk;  /* positions of a chunk, of which the own one is seen; 0: all */
    int rope;      /* of model.ropes; -1: not rotated */
    bool borrows;  /* attends to the keys and values of layer kv_layer, has none itself */
    size_t kv_layer;
};

enum { LAYER_PARTS = 3 };

/* Rotary angles of a kind of layer. */
struct rope {
    size_t n_rot;     /* rotated values of a head, even */
    double *freq;     /* n_rot / 2 angles per position, scaled */
    double *freq_far; /* longrope: of sequences beyond model.rope_near; NULL: freq */
    double magnitude; /* on cos and sin */
};

struct model {
    struct source *source; /* owned */
    struct tok *tok;       /* owned; NULL: no vocabulary */
    const struct arch_params *params;
    struct arch_traits traits; /* with what parameters changed: act, position, parallel, qk_norm */
    struct kern kern;
    enum kern_math math;
    size_t n_layer, n_embd, n_vocab, n_ctx;
    size_t n_embd_layer; /* width of each layer's own input; 0: none */
    norm_fn *norm;       /* traits.norm */
    act_fn *act;         /* traits.act */
    float norm_eps;
    float residual_scale; /* on what a part adds */
    const float *ones;    /* for norms without weights: as many as any of them has */
    struct weights top;
    const struct matrix *head; /* the output matrix, or the tied token embedding */
    struct layer *layer;       /* n_layer */
    rope_fn *rotate;
    struct rope *ropes; /* n_ropes that differ */
    size_t n_ropes;
    bool rope_skips;  /* some attention is not rotated */
    size_t rope_near; /* longrope: longest sequence of freq; 0: any */
    bool has_state;   /* some part keeps state */
    struct arena arena;
};

struct sess {
    const struct model *m;
    enum kern_math math;
    struct par par;
    size_t n_ctx, n_batch;
    size_t n;      /* positions in the cache */
    size_t n_last; /* tokens of the last sess_eval, whose x is still there */
    bool far;      /* positions are rotated by freq_far */
    int32_t *ids;  /* [n_ctx] the sequence so far */
    float **rope;  /* by model.ropes: [n_ctx, n_rot / 2, 2] cos and sin */
    float **cache; /* by layer: n_ctx * cache_floats of its parts, laid out by them */
    float **state; /* by layer: state_floats of its parts */
    float *x;      /* [n_batch, n_embd] residual stream */
    float *xn;     /* [n_batch, n_embd] normalised: input of a part */
    float *y;      /* [n_batch, n_embd] output of a part */
    float *y2;     /* the same of a mixer, while a recurrent part runs beside it, or NULL */
    float *inputs; /* [n_batch, n_layer, n_embd_layer] the layers' own, or NULL */
    float *table;  /* the same, of embeddings; scratch of layer_input_run */
    float *work;   /* scratch of the running part */
    /* Tokens of each branch that is being computed, after n_shared ones; NULL: one sequence. */
    const size_t *branch;
    size_t n_shared;
    struct sess_watch watch;
    float *seen; /* [n_batch, watch_floats] of the running part; NULL: nobody watches */
    void *mm_scratch;
    struct mm_parts head; /* of forward_head_open */
    /* attn_each for every thread: attn_bytes of kern.attn's, then the part's */
    uint8_t *attn_scratch;
    size_t attn_each, attn_bytes;
    struct arena arena;
};

/* Queries that one piece of attention work takes: keeps the scores in cache. */
enum { QUERY_BLOCK = 64 };

/* Position of token i of the batch that is being computed. */
size_t sess_pos(const struct sess *s, size_t i);

/* parts[LAYER_PARTS] of a layer, without holes; returns how many. */
size_t layer_parts(const struct part **parts, const struct layer *l);

/* A weight that a part reads as this many rows and columns; rows 0: as a vector. */
struct weight_want {
    enum arch_role role;
    size_t rows, cols;
};

/* Are those of want[n] that a block has of these sizes? For the checks of parts. */
int weights_expect(const struct model *m, size_t layer, const struct weight_want *want, size_t n,
                   struct err *err) WARN_UNUSED;

/* ---- shared steps ----------------------------------------------------------- */

/* Work on tokens [i0, i1). */
typedef void span_fn(void *arg, size_t i0, size_t i1);

/* Call fn on spans that cover [0, n), in parallel; the cut depends on n only. */
void span_for(const struct par *par, size_t n, span_fn *fn, void *arg);

/* The running part's thread_floats of a thread, for at most QUERY_BLOCK tokens. */
float *sess_thread_floats(const struct sess *s, int thread);

/* jobs' y = x[n, .] . w^T */
void sess_mm(struct sess *s, const struct mm_job *jobs, size_t n_jobs, const float *x, size_t ld_x,
             size_t n);

/* Tell who watches of rows that meet weights, but not through sess_mm. */
void sess_tell(struct sess *s, const struct sess_input *in);

/* x[i] += bias[i]; nothing for a NULL bias. */
void bias_add(const struct model *m, float *x, const float *bias, size_t n);

/* RMS norm without bias, whatever the model's norm is; w may be NULL. */
void norm_rms(const struct model *m, float *y, const float *x, const float *w, const float *bias,
              size_t n);

/* s->x = embeddings of the ids. */
void forward_embed(struct sess *s, const int32_t *ids, size_t n);
/* s->x after all blocks. */
void forward_blocks(struct sess *s, size_t n);
/* Tell who watches of the output matrix's input, for rows 0 .. n - 1 of s->x. */
void forward_head_tell(struct sess *s, size_t n);
/* logits[n, n_vocab] of rows row0 .. of s->x. */
void forward_head(struct sess *s, float *logits, size_t row0, size_t n);
/* The same by parts of the vocabulary: logits[n, n_tokens], rows ld apart, of tokens `first`
 * on, of the rows that were opened. */
void forward_head_open(struct sess *s, size_t row0, size_t n);
void forward_head_part(const struct sess *s, float *logits, size_t ld, size_t first,
                       size_t n_tokens, int thread);

/* Layers' own inputs: are their weights there? s->inputs for tokens whose embeddings are
 * s->x; s->y = what a layer makes of s->x and its own input. */
int layer_input_check(const struct model *m, struct err *err) WARN_UNUSED;
void layer_inputs(struct sess *s, const int32_t *ids, size_t n);
void layer_input_run(struct sess *s, size_t layer, size_t n);

/* ALiBi: 2^(-max (h + 1) / p) for the first p heads, p the power of two not above
 * n_head; the others lie between those of twice as many. */
float alibi_slope(double max, size_t h, size_t n_head);

/* Fill rotate, ropes and every layer's rope. Errors: ERR_UNSUPPORTED, ERR_FORMAT. */
int rope_init(struct model *m, struct err *err) WARN_UNUSED;
/* cs[n, n_rot / 2, 2] for positions 0 .. n - 1. */
void rope_table(float *cs, const struct rope *r, bool far, size_t n);
/* Cosines and sines for a head at pos in this layer; NULL: it is not rotated. */
const float *sess_rope(const struct sess *s, size_t layer, size_t pos);

#endif /* RUNTIME_FORWARD_FORWARD_H */
