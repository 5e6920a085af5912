#include "eval/verify.h"

#include "eval/score.h"
#include "runtime/model.h"
#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 96 };

/* Prose, code, digits and other scripts: tokens of many kinds. */
static const char prompt[] =
    "The river was 1,482 metres wide where the old ferry crossed it, and on a clear morning you "
    "could read the clock on the far bank.\n\nint main(void) { return 40 + 2; }\n\n"
    "\xc3\x9c"
    "ber den Fluss f\xc3\xbchrt eine Br\xc3\xbc"
    "cke. \xe6\xb2\xb3\xe4\xb8\x8a\xe6\x9c\x89"
    "\xe4\xb8\x80\xe5\xba\xa7\xe6\xa1\xa5\xe3\x80\x82 "
    "\xd0\xa7\xd0\xb5\xd1\x80\xd0\xb5\xd0\xb7 \xd1\x80\xd0\xb5\xd0\xba\xd1\x83 \xd0\xbc\xd0\xbe"
    "\xd1\x81\xd1\x82.";

static int make_ids(struct tok_ids *ids, const struct model *m, struct err *err)
{
    int rc = 0;

    if (model_tok(m))
        rc = tok_encode(ids, model_tok(m), prompt, strlen(prompt), TOK_ADD_SPECIAL, err);
    if (rc)
        return rc;
    if (!ids->n) {
        ids->id = calloc(MOST_TOKENS, sizeof(*ids->id));
        if (!ids->id)
            return err_nomem(err);
        ids->cap = ids->n = MOST_TOKENS;
        for (size_t i = 0; i < ids->n; i++)
            ids->id[i] = (int32_t)(i % model_n_vocab(m));
    }
    if (ids->n > MOST_TOKENS)
        ids->n = MOST_TOKENS;
    if (ids->n > model_n_ctx(m) && model_n_ctx(m))
        ids->n = model_n_ctx(m);
    return 0;
}

/* logits[n, n_vocab], owned by the caller. */
static int run(float **logits, const struct model *m, const struct tok_ids *ids,
               const struct par *par, struct err *err)
{
    const size_t n_vocab = model_n_vocab(m);
    struct sess *s = NULL;
    int rc = sess_new(&s, m, ids->n, ids->n, par, err);

    if (rc)
        return rc;
    *logits = calloc(ids->n * n_vocab, sizeof(**logits));
    rc = *logits ? sess_eval(s, ids->id, ids->n, *logits, ids->n, err) : err_nomem(err);
    for (size_t i = 0; !rc && i < ids->n * n_vocab; i++)
        if (!isfinite((*logits)[i]))
            rc = err_set(err, ERR_FORMAT, "position %zu, token %zu: a logit that is not finite",
                         i / n_vocab, i % n_vocab);
    sess_free(s);
    return rc;
}

static void compare(struct verify *out, const float *a, const float *b, size_t n, size_t n_vocab)
{
    double error = 0, power = 0;

    *out = (struct verify){.n_tokens = n};
    for (size_t i = 0; i < n * n_vocab; i++) {
        const double d = (double)a[i] - (double)b[i];
        error += d * d;
        power += (double)a[i] * (double)a[i];
    }
    out->nmse = power > 0 ? error / power : error;
    for (size_t i = 0; i < n; i++)
        out->same_best +=
            score_top(a + i * n_vocab, n_vocab) == score_top(b + i * n_vocab, n_vocab);
}

int verify_models(struct verify *out, const char *path_a, const char *path_b,
                  const struct verify_opts *opts, struct err *err)
{
    const struct model_opts o = {
        .cpu = opts->cpu, .math = KERN_F32, .pre = opts->pre, .log = opts->log};
    struct model *a = NULL, *b = NULL;
    struct tok_ids ids = {0};
    float *x = NULL, *y = NULL;
    int rc = model_open(&a, path_a, &o, err);

    if (!rc)
        rc = model_open(&b, path_b, &o, err);
    if (!rc && model_n_vocab(a) != model_n_vocab(b))
        rc = err_set(err, ERR_FORMAT, "%s: %zu logits, %s has %zu", path_b, model_n_vocab(b),
                     path_a, model_n_vocab(a));
    if (!rc)
        rc = make_ids(&ids, a, err);
    if (!rc && run(&x, a, &ids, &opts->par, err))
        rc = err_wrap(err, "%s", path_a);
    if (!rc && run(&y, b, &ids, &opts->par, err))
        rc = err_wrap(err, "%s", path_b);
    if (!rc)
        compare(out, x, y, ids.n, model_n_vocab(a));
    free(x);
    free(y);
    tok_ids_release(&ids);
    model_free(b);
    model_free(a);
    return rc;
}
