#include "distill/net.h"

#include "distill/parts/parts.h"
#include "formats/base/rd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory: one arena, taken once -------------------------------------------------- */

/* Floats for `count` things of `each`; 0: none are needed. */
static int floats(float **out, struct net *n, size_t count, size_t each, struct err *err)
{
    size_t bytes;

    *out = NULL;
    if (!count || !each)
        return 0;
    if (!mul_ok(&bytes, count, each) || !mul_ok(&bytes, bytes, sizeof(**out)))
        return err_nomem(err);
    *out = arena_alloc(&n->arena, bytes);
    return *out ? 0 : err_nomem(err);
}

static int by_row(float **out, struct net *n, size_t each, struct err *err)
{
    return floats(out, n, n->most_rows, each, err);
}

/* A norm that is there: with or without weights. */
static int norm_on(struct norm *norm, struct net *n, const struct param *w,
                   const struct param *bias, struct err *err)
{
    *norm = (struct norm){.on = true, .w = w, .bias = bias};
    return by_row(&norm->stat, n, 2, err);
}

/* ---- blocks -------------------------------------------------------------------------- */

/* Which norms a block has; see runtime/forward/forward.c. */
static int plan_norms(struct net *n, struct block *b, struct err *err)
{
    const struct param **role = b->role;
    const enum arch_norm_place place = n->m->traits.norm_place;
    const bool parallel = n->m->traits.parallel, two = role[ROLE_ATTN_NORM_2] != NULL;
    const struct param *w = role[ROLE_ATTN_NORM], *bias = role[ROLE_ATTN_NORM_BIAS];
    int rc = 0;

    if (place != NORM_POST)
        rc = norm_on(&b->first, n, two ? role[ROLE_ATTN_NORM_2] : w,
                     two ? role[ROLE_ATTN_NORM_2_BIAS] : bias, err);
    if (!rc && place != NORM_POST && (!parallel || role[ROLE_FFN_NORM]))
        rc = norm_on(&b->second, n, role[ROLE_FFN_NORM], role[ROLE_FFN_NORM_BIAS], err);
    else if (!rc && place != NORM_POST && two)
        rc = norm_on(&b->second, n, w, bias, err);
    if (rc || place == NORM_PRE)
        return rc;
    rc = norm_on(&b->post_mix, n, role[ROLE_ATTN_POST_NORM], NULL, err);
    if (!rc)
        rc = norm_on(&b->post_ffn, n, role[ROLE_FFN_POST_NORM], NULL, err);
    if (!rc)
        rc = by_row(&b->y_mix, n, n->m->n_embd, err);
    return rc ? rc : by_row(&b->y_ffn, n, n->m->n_embd, err);
}

static int plan_attention(struct net *n, struct block *b, struct err *err)
{
    const struct layer *l = b->plan;
    const double scale = arch_num(n->m->params, ARCH_ATTN_SCALE, b->layer);
    struct attention *a = &b->a;

    a->q = l->n_head * l->head_k;
    a->k = l->n_head_kv * l->head_k;
    a->v = l->n_head_kv * l->head_v;
    a->out = l->n_head * l->head_v;
    a->all = a->q + a->k + a->v;
    a->how.scale = (float)(scale != 0 ? scale : 1.0 / sqrt((double)l->head_k));
    a->how.cap = (float)arch_num(n->m->params, ARCH_ATTN_CAP, b->layer);
    const bool normed = n->m->traits.qk_norm != QK_NONE && b->role[ROLE_ATTN_Q_NORM];
    int rc = by_row(&a->qkv, n, a->all, err);
    if (!rc)
        rc = by_row(&a->met, n, a->out, err);
    if (!rc)
        rc = by_row(&a->lse, n, l->n_head, err);
    if (!rc && normed)
        rc = by_row(&a->raw, n, a->q + a->k, err);
    return rc || !normed ? rc : by_row(&a->stat, n, 2 * attention_norms(n, b), err);
}

static int plan_block(struct net *n, size_t layer, struct err *err)
{
    struct block *b = &n->block[layer];
    const size_t e = n->m->n_embd;
    int rc = plan_norms(n, b, err);

    if (!rc)
        rc = by_row(&b->x, n, e, err);
    if (!rc && !n->m->traits.parallel)
        rc = by_row(&b->mid, n, e, err);
    if (!rc)
        rc = plan_attention(n, b, err);
    b->n_gate = b->plan->n_ff * (b->plan->ffn == &part_ffn_gated ? 2 : 1);
    if (!rc)
        rc = by_row(&b->gate, n, b->n_gate, err);
    return rc;
}

static int plan_blocks(struct net *n, struct err *err)
{
    int rc = 0;

    n->block = arena_array(&n->arena, n->m->n_layer, sizeof(*n->block));
    if (!n->block)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < n->m->n_layer; i++) {
        n->block[i].plan = &n->m->layer[i];
        n->block[i].layer = i;
        n->block[i].role = n->ps->by_role + (i + 1) * ROLE_COUNT;
        rc = plan_block(n, i, err);
    }
    return rc;
}

/* ---- what blocks share ------------------------------------------------------------------ */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int plan_shared(struct net *n, struct err *err)
{
    const size_t e = n->m->n_embd;
    float **rows[] = {&n->x, &n->xl, &n->dxl, &n->xn, &n->y, &n->dx, &n->dy, &n->dxn};
    size_t work = 0;
    int rc = 0;

    n->partial_floats = 2 * e;
    for (size_t i = 0; i < n->m->n_layer; i++) {
        const struct block *b = &n->block[i];
        work = larger(work, larger(attention_work(n, b), b->plan->n_ff));
        n->partial_floats = larger(n->partial_floats, attention_partial(b));
        n->scratch_floats = larger(n->scratch_floats, scores_scratch(n, b));
    }
    for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
        rc = by_row(rows[i], n, e, err);
    if (!rc && n->m->traits.parallel)
        rc = by_row(&n->dx2, n, e, err);
    if (!rc)
        rc = by_row(&n->work, n, work, err);
    if (!rc)
        rc = floats(&n->partial, n, (n->most_rows + PIECE_ROWS - 1) / PIECE_ROWS, n->partial_floats,
                    err);
    return rc ? rc : floats(&n->scratch, n, (size_t)n->par.n_threads, n->scratch_floats, err);
}

static int plan_ends(struct net *n, struct err *err)
{
    const struct param *embd_norm = params_role(n->ps, ROLE_TOKEN_EMBD_NORM, -1);
    int rc = norm_on(&n->last, n, params_role(n->ps, ROLE_OUTPUT_NORM, -1),
                     params_role(n->ps, ROLE_OUTPUT_NORM_BIAS, -1), err);

    if (!rc && embd_norm) {
        rc = by_row(&n->embd, n, n->m->n_embd, err);
        if (!rc)
            rc = norm_on(&n->embd_norm, n, embd_norm,
                         params_role(n->ps, ROLE_TOKEN_EMBD_NORM_BIAS, -1), err);
    }
    if (rc)
        return rc;
    n->ids = arena_array(&n->arena, n->most_rows, sizeof(*n->ids));
    n->from = arena_array(&n->arena, n->most_rows, sizeof(*n->from));
    return n->ids && n->from ? 0 : err_nomem(err);
}

/* ---- rotation ----------------------------------------------------------------------------- */

/* From the runtime's pairs of cosine and sine to struct wide_turns' rows; `of` is scratch. */
static void spread(float *cs, const float *of, size_t n_rot, size_t n_tok, bool halves)
{
    const size_t half = n_rot / 2;

    for (size_t t = 0; t < n_tok; t++, cs += 2 * n_rot, of += n_rot)
        for (size_t i = 0; i < half; i++)
            for (size_t twin = 0; twin < 2; twin++) {
                const size_t at = halves ? i + twin * half : 2 * i + twin;
                cs[at] = of[2 * i];
                cs[n_rot + at] = halves || twin ? of[2 * i + 1] : -of[2 * i + 1];
            }
}

/* The table of one kind for the places of a sequence. */
static int table(float **cs, struct net *n, const struct rope *r, bool far, struct err *err)
{
    const size_t values = n->most_tok * r->n_rot;
    float *pairs = calloc(values + 1, sizeof(*pairs));
    int rc = pairs ? floats(cs, n, values, 2, err) : err_nomem(err);

    if (!rc) {
        rope_table(pairs, r, far, n->most_tok);
        spread(*cs, pairs, r->n_rot, n->most_tok, n->m->traits.position == POS_ROPE_HALVES);
    }
    free(pairs);
    return rc;
}

static int plan_ropes(struct net *n, struct err *err)
{
    const size_t k = n->m->n_ropes + 1;
    int rc = 0;

    n->cs = arena_array(&n->arena, k, sizeof(*n->cs));
    n->cs_far = arena_array(&n->arena, k, sizeof(*n->cs_far));
    if (!n->cs || !n->cs_far)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < n->m->n_ropes; i++) {
        rc = table(&n->cs[i], n, &n->m->ropes[i], false, err);
        if (!rc && n->m->rope_near)
            rc = table(&n->cs_far[i], n, &n->m->ropes[i], true, err);
    }
    return rc;
}

/* ---- the net ---------------------------------------------------------------------------------- */

static int check_sizes(const struct net *n, const struct net_opts *o, struct err *err)
{
    const struct param *places = params_role(n->ps, ROLE_POS_EMBD, -1);

    if (!n->most_seq || !n->most_tok)
        return err_set(err, ERR_ARG, "a batch of %zu sequences of %zu tokens", n->most_seq,
                       n->most_tok);
    if (!o->head_rows)
        return err_set(err, ERR_ARG, "0 rows of logits at a time");
    if (n->most_tok > INT32_MAX || n->most_rows > INT32_MAX)
        return err_set(err, ERR_ARG, "%zu sequences of %zu tokens are too many", n->most_seq,
                       n->most_tok);
    if (places && places->rows < n->most_tok)
        return err_set(err, ERR_ARG, "sequences of %zu tokens, but the model has %zu positions",
                       n->most_tok, places->rows);
    return 0;
}

static int plan(struct net *n, const struct net_opts *o, struct err *err)
{
    int rc;

    if (!mul_ok(&n->most_rows, n->most_seq, n->most_tok))
        return err_nomem(err);
    rc = check_sizes(n, o, err);
    if (!rc)
        rc = net_covers(n->m, err);
    if (!rc)
        rc = gemm_new(&n->gemm, o->math, o->cpu, &o->par, err);
    if (!rc)
        rc = plan_blocks(n, err);
    if (!rc)
        rc = plan_shared(n, err);
    if (!rc)
        rc = plan_ends(n, err);
    if (!rc)
        rc = plan_ropes(n, err);
    n->head_rows = o->head_rows < n->most_rows ? o->head_rows : n->most_rows;
    return rc;
}

int net_new(struct net **out, const struct model *plan_of, struct params *ps,
            const struct net_opts *opts, struct err *err)
{
    struct net *n = calloc(1, sizeof(*n));

    *out = NULL;
    if (!n)
        return err_nomem(err);
    n->m = plan_of;
    n->ps = ps;
    n->par = opts->par;
    n->wide = wide_for(opts->cpu);
    n->most_seq = opts->n_seq;
    n->most_tok = opts->n_tok;
    const int rc = plan(n, opts, err);
    if (rc) {
        net_free(n);
        return rc;
    }
    *out = n;
    return 0;
}

void net_free(struct net *n)
{
    if (!n)
        return;
    gemm_free(n->gemm);
    arena_release(&n->arena);
    free(n);
}

size_t net_head_rows(const struct net *n)
{
    return n->head_rows;
}

/* ---- a batch ------------------------------------------------------------------------------------- */

static int take_batch(struct net *n, const struct net_batch *b, struct err *err)
{
    if (!b->n_seq || !b->n_tok || b->n_seq > n->most_seq || b->n_tok > n->most_tok)
        return err_set(err, ERR_ARG, "a batch of %zu sequences of %zu tokens, at most %zu of %zu",
                       b->n_seq, b->n_tok, n->most_seq, n->most_tok);
    for (size_t r = 0; r < b->n_seq * b->n_tok; r++) {
        const size_t t = r % b->n_tok;
        if (b->ids[r] < 0 || (size_t)b->ids[r] >= n->m->n_vocab)
            return err_set(err, ERR_ARG, "token %d is outside the vocabulary of %zu", b->ids[r],
                           n->m->n_vocab);
        n->ids[r] = b->ids[r];
        n->from[r] = b->doc ? b->doc[r] : 0;
        if (n->from[r] < (t ? n->from[r - 1] : 0) || (size_t)n->from[r] > t)
            return err_set(err, ERR_ARG, "token %zu of a sequence is in a document from %d on", t,
                           n->from[r]);
    }
    n->n_seq = b->n_seq;
    n->n_tok = b->n_tok;
    n->rows = b->n_seq * b->n_tok;
    n->far = n->m->rope_near && b->n_tok > n->m->rope_near;
    return 0;
}

int net_forward(struct net *n, const struct net_batch *b, struct err *err)
{
    const size_t e = n->m->n_embd, layers = n->m->n_layer;
    const int rc = take_batch(n, b, err);

    if (rc)
        return rc;
    memset(n->dxl, 0, n->rows * e * sizeof(*n->dxl));
    for (size_t i = 0; i < layers; i++)
        if (n->block[i].watch)
            memset(n->block[i].watch, 0, n->rows * e * sizeof(*n->block[i].watch));
    embed_forward(n);
    for (size_t i = 0; i < layers; i++)
        block_forward(n, &n->block[i], i + 1 < layers ? n->block[i + 1].x : n->x);
    norm_forward(n, n->xl, n->x, &n->last, false);
    return 0;
}

void net_backward(struct net *n)
{
    norm_backward(n, &(struct norm_back){n->dx, n->dxl, n->x, &n->last, 1, false});
    for (size_t i = n->m->n_layer; i-- > 0;)
        block_backward(n, &n->block[i]);
    embed_backward(n);
}

const float *net_hidden(const struct net *n, size_t layer)
{
    return layer + 1 < n->m->n_layer ? n->block[layer + 1].x : n->x;
}

float *net_hidden_grad(struct net *n, size_t layer)
{
    return n->block[layer].watch;
}

int net_watch(struct net *n, const size_t *layers, size_t n_layers, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n_layers; i++)
        if (layers[i] >= n->m->n_layer)
            rc = err_set(err, ERR_ARG, "block %zu of %zu", layers[i], n->m->n_layer);
        else if (!n->block[layers[i]].watch)
            rc = by_row(&n->block[layers[i]].watch, n, n->m->n_embd, err);
    return rc;
}
