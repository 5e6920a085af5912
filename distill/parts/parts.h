#ifndef DISTILL_PARTS_PARTS_H
#define DISTILL_PARTS_PARTS_H

/* The training pass in parts, each a pair x_forward, x_backward. A block's arrays are what the way
 * back needs; what is cheap (norms, products of activations) is computed again instead.
 *
 * Rows are the tokens of all sequences of a batch, one after another. A gradient has the shape
 * of what it belongs to; those of weights are added to params.g. */

#include "distill/gemm.h"
#include "distill/net.h"
#include "distill/params.h"
#include "distill/wide/wide.h"
#include "runtime/forward/forward.h"

/* Rows that a piece of work takes, and queries that a piece of attention takes at a time: neither
 * depends on the number of threads. */
enum { PIECE_ROWS = 32, PIECE_QUERIES = 32 };

struct norm {
    bool on;                      /* false: its output is its input */
    const struct param *w, *bias; /* NULL: without */
    float *stat;                  /* [rows, 2] */
};

/* Values of a token: query heads, then keys, then values. */
struct attention {
    size_t q, k, v, out, all;
    float *qkv;  /* [rows, all] as the scores meet them */
    float *raw;  /* [rows, q + k] as the norms of queries and keys read them; NULL: no such norms */
    float *stat; /* [rows, norms of a token, 2] */
    float *lse;  /* [rows, n_head] log of the sum of exp(score) */
    float *met;  /* [rows, out] what meets the output matrix */
    struct wide_score how;
};

struct block {
    const struct layer *plan;
    size_t layer;
    const struct param **role; /* [ROLE_COUNT]; NULL: absent */
    struct norm first, second, post_mix, post_ffn;
    float *x;             /* [rows, n_embd] residual stream that enters it */
    float *mid;           /* [rows, n_embd] after the attention; NULL: parallel */
    float *y_mix, *y_ffn; /* [rows, n_embd] what the norms after the parts read; NULL: none */
    struct attention a;
    float *gate;   /* [rows, n_ff], rows n_gate apart; up follows in the same row */
    size_t n_gate; /* n_ff, or 2 n_ff where there are gate and up */
    float *watch;  /* [rows, n_embd] gradient of its own by what leaves it; NULL: none */
};

struct net {
    const struct model *m;
    struct params *ps;
    struct gemm *gemm;
    struct par par;
    const struct wide *wide;
    size_t most_rows, most_seq, most_tok, head_rows;
    size_t n_seq, n_tok, rows; /* of the batch */
    bool far;                  /* its positions are rotated by freq_far */
    int32_t *ids;              /* [rows] */
    int32_t *from;             /* [rows] first token of its sequence that a token's document has */
    float **cs, **cs_far; /* by model.ropes: cosines and sines of each place, as struct wide_turns
                             reads them: [n_tok, 2, n_rot]; cs_far NULL: cs */

    struct block *block; /* [n_layer] */
    float *x;            /* [rows, n_embd] after the last block */
    float *embd;         /* [rows, n_embd] what the embedding's norm reads; NULL: there is none */
    struct norm embd_norm, last;
    float *xl, *dxl; /* [rows, n_embd] what meets the output matrix */

    float *xn, *y;        /* [rows, n_embd] input and output of a part */
    float *dx, *dy, *dxn; /* [rows, n_embd] */
    float *dx2;           /* [rows, n_embd] parallel blocks with two norms; NULL */
    float *work;          /* [rows, floats a row of the part that needs most] of the running part */
    float *partial;       /* [pieces, partial_floats] sums of a piece's rows */
    size_t partial_floats;
    float *scratch; /* [n_threads, scratch_floats] */
    size_t scratch_floats;
    struct arena arena;
};

/* ---- steps that parts share (steps.c) ----------------------------------------------------- */

static inline const float *param_w(const struct net *n, const struct param *p)
{
    return p ? n->ps->w + p->at : NULL;
}

static inline float *param_g(const struct net *n, const struct param *p)
{
    return p ? n->ps->g + p->at : NULL;
}

/* A token's place in its document. */
static inline size_t row_place(const struct net *n, size_t row)
{
    return row % n->n_tok - (size_t)n->from[row];
}

/* x[n] *= by */
static inline void values_scale(float *x, float by, size_t n)
{
    for (size_t i = 0; by != 1 && i < n; i++)
        x[i] *= by;
}

/* Work on rows [r0, r1), piece number `piece` of the batch. */
typedef void rows_fn(void *arg, size_t piece, size_t r0, size_t r1);
void net_rows(const struct net *n, rows_fn *fn, void *arg);

/* partial[piece, ...] of a piece, zeroed. */
float *net_partial(const struct net *n, size_t piece);
/* g[width] += the sums over all pieces of their values from `at` on; NULL: nothing. */
void net_collect(const struct net *n, float *g, size_t at, size_t width);

/* y[rows, w.rows] = x[rows, w.cols] . w^T, rows ld apart. */
void linear_forward(struct net *n, float *y, size_t ld_y, const float *x, size_t ld_x,
                    const struct param *w);

/* What a product gives back. */
struct linear_back {
    float *dx; /* [rows, w.cols]; NULL: not wanted */
    size_t ld_dx;
    bool add; /* dx += */
    const float *dy, *x;
    size_t ld_dy, ld_x;
    const struct param *w;
};
void linear_backward(struct net *n, const struct linear_back *l);

/* y[rows, bias.n] += bias; NULL: nothing. */
void bias_forward(const struct net *n, float *y, size_t ld, const struct param *bias);
/* gradient of bias += sums of columns of dy[rows, bias.n]. */
void bias_backward(const struct net *n, const float *dy, size_t ld, size_t rows,
                   const struct param *bias);

/* ---- norms (norm.c) ------------------------------------------------------------------------- */

/* What the loops need to know of a norm of `width` values. */
struct wide_norm norm_how(const struct net *n, const struct norm *norm, size_t width);
/* y[rows, n_embd] = norm(x). `again`: by the stat of last time. */
void norm_forward(const struct net *n, float *y, const float *x, const struct norm *norm,
                  bool again);
/* dx = or += scale times the gradient through it; dx may be dy. Not `on`: the identity. */
struct norm_back {
    float *dx;
    const float *dy, *x;
    const struct norm *norm;
    float scale;
    bool add;
};
void norm_backward(const struct net *n, const struct norm_back *b);

/* ---- parts ------------------------------------------------------------------------------------ */

/* block.x of the first block from the ids; and back from n->dx. */
void embed_forward(struct net *n);
void embed_backward(struct net *n);

/* y[rows, n_embd] from n->xn; and back: dxn (+= when add) from dy, given n->xn again. */
void attention_forward(struct net *n, struct block *b, float *y);
void attention_backward(struct net *n, struct block *b, float *dxn, const float *dy, bool add);
void ffn_forward(struct net *n, struct block *b, float *y);
void ffn_backward(struct net *n, struct block *b, float *dxn, const float *dy);

/* Floats for a row in net.work, and for the sums of a piece. */
size_t attention_work(const struct net *n, const struct block *b);
size_t attention_partial(const struct block *b);
/* Norms of a token's queries and keys. */
size_t attention_norms(const struct net *n, const struct block *b);

/* a.met and a.lse from a.qkv; and back: dqkv [rows, all] from dmet. Where query heads share keys,
 * those of keys and values go to dkv [seq, head, token, head_k + head_v] instead. */
void scores_forward(struct net *n, struct block *b);
void scores_backward(struct net *n, struct block *b, float *dqkv, float *dkv, const float *dmet);
/* Floats of a thread. */
size_t scores_scratch(const struct net *n, const struct block *b);

/* x of the next block, n->xn as scratch; and back: n->dx in place. */
void block_forward(struct net *n, struct block *b, float *out);
void block_backward(struct net *n, struct block *b);

#endif /* DISTILL_PARTS_PARTS_H */
