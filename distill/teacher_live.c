#include "distill/teacher_impl.h"

#include "formats/base/arena.h"
#include "formats/base/rd.h"
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 512 }; /* columns of logits a thread computes at a time */

struct live {
    struct teacher base;
    struct sess *s;
    size_t n_model_layers, n_embd;
    size_t n_same;        /* columns that the model has as well */
    const size_t *layers; /* [base.n_layers], as net_hidden counts */
    float **hidden;       /* [base.n_layers] of [n_tok, n_embd] */
    float *last;          /* [n_tok, n_embd] after the last block */
    float *logits;        /* [n_rows, n_vocab] */
    size_t at;            /* where in the sequence the tokens lie that are evaluated now */
    struct arena arena;   /* holds all of these */
};

static void keep_stream(void *arg, size_t layer, const float *x, size_t n)
{
    struct live *l = arg;
    const size_t at = l->at * l->n_embd, bytes = n * l->n_embd * sizeof(*x);

    for (size_t i = 0; i < l->base.n_layers; i++)
        if (l->layers[i] + 1 == layer)
            memcpy(l->hidden[i] + at, x, bytes);
    if (layer == l->n_model_layers)
        memcpy(l->last + at, x, bytes);
}

/* Documents are apart: each is a sequence of its own. */
static int sequence(struct teacher *t, uint64_t key, const int32_t *ids, const int32_t *doc,
                    size_t n, struct err *err)
{
    struct live *l = (struct live *)t;
    int rc = 0;

    (void)key;
    for (size_t first = 0, end; !rc && first < n; first = end) {
        for (end = first + 1; end < n && (!doc || (size_t)doc[end] != end); end++)
            ;
        sess_keep(l->s, 0);
        l->at = first;
        rc = sess_eval(l->s, ids + first, end - first, NULL, 0, err);
    }
    return rc;
}

static void head_piece(void *arg, size_t i, int thread)
{
    const struct live *l = arg;
    const size_t first = i * PIECE, left = l->n_same - first;

    sess_head_part(l->s, l->logits + first, l->base.n_vocab, first, left < PIECE ? left : PIECE,
                   thread);
}

static int rows(struct loss_target *out, struct teacher *t, size_t row0, size_t n, struct err *err)
{
    struct live *l = (struct live *)t;
    int rc = sess_stream(l->s, l->last + row0 * l->n_embd, n, err);

    if (!rc)
        rc = sess_head(l->s, 0, n, err);
    if (rc)
        return rc;
    par_for(&t->par, (l->n_same + PIECE - 1) / PIECE, head_piece, l);
    for (size_t i = 0; i < n; i++) {
        float *z = l->logits + i * t->n_vocab;
        for (size_t j = l->n_same; j < t->n_vocab; j++)
            z[j] = -INFINITY;
        out[i].logits = z;
        out[i].sparse = NULL;
    }
    return 0;
}

static const float *hidden(const struct teacher *t, size_t i)
{
    return ((const struct live *)t)->hidden[i];
}

static void live_free(struct teacher *t)
{
    struct live *l = (struct live *)t;

    sess_free(l->s);
    arena_release(&l->arena);
    free(l);
}

static const struct teacher_kind kind = {
    .sequence = sequence, .rows = rows, .hidden = hidden, .free = live_free};

static int alloc(struct live *l, struct err *err)
{
    const size_t row = l->n_embd * sizeof(float);
    size_t n;

    l->hidden = arena_array(&l->arena, l->base.n_layers + 1, sizeof(*l->hidden));
    l->last = arena_array(&l->arena, l->base.n_tok, row);
    l->logits = mul_ok(&n, l->base.n_rows, l->base.n_vocab)
                    ? arena_array(&l->arena, n, sizeof(*l->logits))
                    : NULL;
    bool good = l->hidden && l->last && l->logits;
    for (size_t i = 0; good && i < l->base.n_layers; i++)
        good = (l->hidden[i] = arena_array(&l->arena, l->base.n_tok, row));
    return good ? 0 : err_nomem(err);
}

static int watch(struct live *l, const struct teacher_opts *o, struct err *err)
{
    const struct sess_watch w = {.layer_fn = keep_stream, .arg = l, .n_layers = SIZE_MAX};
    size_t *layers = arena_array(&l->arena, l->base.n_layers + 1, sizeof(*layers));

    if (!layers)
        return err_nomem(err);
    for (size_t i = 0; i < l->base.n_layers; i++) {
        layers[i] = o->layers[i];
        if (layers[i] >= l->n_model_layers)
            return err_set(err, ERR_ARG, "block %zu of a teacher of %zu", layers[i],
                           l->n_model_layers);
    }
    l->layers = layers;
    return sess_watch(l->s, &w, err);
}

int teacher_live(struct teacher **out, const struct model *m, const struct teacher_opts *o,
                 struct err *err)
{
    const struct arch_params *p = source_params(model_source(m));
    const struct vocab *v = model_tok(m) ? tok_vocab(model_tok(m)) : NULL;
    struct live *l = calloc(1, sizeof(*l));
    int rc;

    *out = NULL;
    if (!l)
        return err_nomem(err);
    l->n_embd = (size_t)arch_int(p, ARCH_N_EMBD, 0);
    l->n_model_layers = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    rc = teacher_init(&l->base, &kind, o, err);
    if (!rc)
        rc = teacher_same_tokens(&l->n_same, v, model_n_vocab(m), o->student, o->n_vocab, err);
    if (!rc)
        rc = alloc(l, err);
    if (!rc)
        rc = sess_new(&l->s, m, o->n_tok, o->n_tok, &o->par, err);
    if (!rc)
        rc = watch(l, o, err);
    if (rc) {
        live_free(&l->base);
        return rc;
    }
    *out = &l->base;
    return 0;
}
