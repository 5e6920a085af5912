#include "runtime/batch.h"

#include "runtime/rng.h"
#include "runtime/session.h"

#include <stdlib.h>

enum { BATCH = 512, PORTION = 8 /* texts a thread, between two times of handing them over */ };

struct text {
    struct tok_ids ids;
    bool ended;
};

struct worker {
    struct sess *s;
    float *logits; /* [n_vocab] */
    struct err err;
    size_t bad; /* whose err it is; SIZE_MAX: none */
};

struct batch {
    const struct model *m;
    const struct batch_opts *o;
    struct worker *worker; /* [threads] */
    struct text *text;     /* [portion] */
    size_t first;          /* number of text[0] */
};

/* Far apart for neighbouring numbers and seeds. */
static uint64_t seed_of(uint64_t seed, uint64_t i)
{
    struct rng r = rng_init(seed);

    r = rng_init(rng_u64(&r) ^ i);
    return rng_u64(&r);
}

/* A text is over: at a token that ends one, or begins the next, as in models trained on texts
 * parted by BOS alone. */
static bool is_over(const struct tok *t, int32_t id)
{
    return tok_is_end(t, id) || id == tok_vocab(t)->bos;
}

static int write_text(struct text *t, struct worker *w, struct sampler *sampler,
                      const struct batch *b, size_t i, struct err *err)
{
    const struct tok_ids *prompt = &b->o->prompt[i % b->o->n_prompts];
    int rc = log_stop(b->o->log, err);

    t->ids.n = 0;
    t->ended = false;
    if (!rc && sess_keep(w->s, 0) != 0)
        rc = err_set(err, ERR_UNSUPPORTED, "the session cannot begin anew");
    if (!rc)
        rc = sess_feed(w->s, prompt->id, prompt->n, w->logits, err);
    while (!rc && t->ids.n < b->o->n_tokens) {
        int32_t id;
        rc = sampler_next(&id, sampler, w->logits, err);
        t->ended = !rc && is_over(model_tok(b->m), id);
        if (rc || t->ended)
            break;
        rc = tok_push(&t->ids, id, err);
        if (!rc && t->ids.n < b->o->n_tokens)
            rc = sess_eval(w->s, &id, 1, w->logits, 1, err);
    }
    return rc;
}

static void work(void *arg, size_t k, int thread)
{
    struct batch *b = arg;
    struct worker *w = &b->worker[thread];
    struct sample_opts so = b->o->sample;
    struct sampler *sampler = NULL;
    struct err err;

    if (w->bad < k)
        return;
    so.seed = seed_of(so.seed, b->first + k);
    int rc = sampler_new(&sampler, &so, model_n_vocab(b->m), &err);
    if (!rc)
        rc = write_text(&b->text[k], w, sampler, b, b->first + k, &err);
    sampler_free(sampler);
    if (!rc)
        return;
    w->err = err;
    w->bad = k;
}

static int first_error(const struct batch *b, int n_threads, struct err *err)
{
    int first = 0;

    for (int i = 1; i < n_threads; i++)
        if (b->worker[i].bad < b->worker[first].bad)
            first = i;
    if (b->worker[first].bad == SIZE_MAX)
        return 0;
    *err = b->worker[first].err;
    return err->code;
}

static int open_workers(struct batch *b, int n_threads, struct err *err)
{
    const struct par one = {1};
    size_t longest = 0;
    int rc = 0;

    for (size_t i = 0; i < b->o->n_prompts; i++)
        if (b->o->prompt[i].n > longest)
            longest = b->o->prompt[i].n;
    for (int i = 0; !rc && i < n_threads; i++) {
        struct worker *w = &b->worker[i];
        w->bad = SIZE_MAX;
        w->logits = calloc(model_n_vocab(b->m), sizeof(*w->logits));
        rc = w->logits ? sess_new(&w->s, b->m, longest + b->o->n_tokens,
                                  longest < BATCH ? longest : BATCH, &one, err)
                       : err_nomem(err);
    }
    return rc;
}

static int run(struct batch *b, int n_threads, batch_fn *fn, void *arg, struct err *err)
{
    const struct par par = {n_threads};
    const size_t portion = (size_t)n_threads * PORTION;
    int rc = 0;

    for (b->first = b->o->first; !rc && b->first < b->o->n; b->first += portion) {
        const size_t left = b->o->n - b->first, n = left < portion ? left : portion;
        par_for(&par, n, work, b);
        rc = first_error(b, n_threads, err);
        for (size_t i = 0; !rc && i < n; i++)
            rc = fn(arg, b->first + i, b->text[i].ids.id, b->text[i].ids.n, b->text[i].ended, err);
        if (!rc)
            log_progress(b->o->log, "texts", b->first + n, b->o->n);
    }
    return rc;
}

int batch_generate(const struct model *m, const struct batch_opts *o, batch_fn *fn, void *arg,
                   struct err *err)
{
    const size_t wanted = (size_t)(o->par.n_threads > 0 ? o->par.n_threads : 1);
    const int n_threads = (int)(wanted < o->n ? wanted : o->n ? o->n : 1);
    struct batch b = {.m = m, .o = o};
    int rc = 0;

    b.worker = calloc((size_t)n_threads, sizeof(*b.worker));
    b.text = calloc((size_t)n_threads * PORTION, sizeof(*b.text));
    if (!b.worker || !b.text)
        rc = err_nomem(err);
    if (!rc)
        rc = open_workers(&b, n_threads, err);
    if (!rc)
        rc = run(&b, n_threads, fn, arg, err);
    for (int i = 0; b.worker && i < n_threads; i++) {
        sess_free(b.worker[i].s);
        free(b.worker[i].logits);
    }
    for (size_t i = 0; b.text && i < (size_t)n_threads * PORTION; i++)
        tok_ids_release(&b.text[i].ids);
    free(b.worker);
    free(b.text);
    return rc;
}

int batch_begin(struct tok_ids *out, const struct tok *t, struct err *err)
{
    const struct vocab *v = tok_vocab(t);
    const int32_t id = v->bos >= 0 ? v->bos : v->eos >= 0 ? v->eos : v->eot;

    if (id < 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "the model has no token that a text begins with: a prompt is needed");
    return tok_push(out, id, err);
}
