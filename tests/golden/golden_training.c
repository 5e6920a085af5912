/* The training pass on every golden model: its logits are the session's, also of sequences that
 * are made of documents, and the loss changes along directions as the gradients say. A model
 * without a way back is refused, and told why. */

#include "runtime/rng.h"
#include "runtime/session.h"
#include "tests/models.h"
#include "tests/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sequence 0 is one document, sequence 1 has a second one from DOC on. */
enum { SEQS = 2, TOKENS = 14, DOC = 6, ROWS = SEQS * TOKENS };

static const double LOGIT_BOUND = 1e-4; /* of the logits' standard deviation */

struct data {
    int32_t ids[ROWS], doc[ROWS], label[ROWS];
    struct net_batch b;
    struct nets_target target;
};

static void data_make(struct data *d, size_t n_vocab)
{
    struct rng r = rng_init(7);

    for (size_t i = 0; i < ROWS; i++) {
        d->ids[i] = (int32_t)(rng_u64(&r) % n_vocab);
        d->label[i] = (int32_t)(rng_u64(&r) % n_vocab);
        d->doc[i] = i >= TOKENS + DOC ? DOC : 0;
    }
    d->label[3] = -1;
    d->b = (struct net_batch){d->ids, d->doc, SEQS, TOKENS};
    d->target = (struct nets_target){.label = d->label};
}

/* ---- logits ------------------------------------------------------------------------- */

/* logits[n, n_vocab] of a sequence alone. */
static int session_logits(float *logits, const struct model *m, const int32_t *ids, size_t n,
                          struct err *err)
{
    const struct par par = {1};
    struct sess *s = NULL;
    int rc = sess_new(&s, m, n, n, &par, err);

    if (!rc)
        rc = sess_eval(s, ids, n, logits, n, err);
    sess_free(s);
    return rc;
}

/* Largest difference over the standard deviation. */
static double apart(const float *a, const float *b, size_t n)
{
    double most = 0, sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        most = d <= most ? most : d; /* NaN counts */
        sum += (double)b[i];
        squares += (double)b[i] * (double)b[i];
    }
    const double mean = sum / (double)n;
    return most / sqrt(squares / (double)n - mean * mean);
}

static void check_logits(struct tap *t, const char *name, struct nets *net, const struct data *d)
{
    const size_t v = model_n_vocab(net->m);
    const size_t starts[] = {0, TOKENS, TOKENS + DOC, ROWS};
    float *got = calloc(ROWS * v, sizeof(*got)), *want = calloc(ROWS * v, sizeof(*want));
    struct err err = {0};
    int rc = got && want ? 0 : err_nomem(&err);

    if (!rc && isnan(nets_loss(net, &d->b, &d->target, got, 0, &err)))
        rc = 1;
    for (size_t i = 0; !rc && i + 1 < sizeof(starts) / sizeof(starts[0]); i++)
        rc = session_logits(want + starts[i] * v, net->m, d->ids + starts[i],
                            starts[i + 1] - starts[i], &err);
    const double far = rc ? (double)NAN : apart(got, want, ROWS * v);
    (void)tap_ok(t, far <= LOGIT_BOUND, "%s: logits within %.1e of the session's %s", name, far,
                 err.msg);
    free(got);
    free(want);
}

/* ---- gradients ------------------------------------------------------------------------- */

/* d[n], of length 1: the gradient's direction, and as much of a random one. */
static void direction(float *d, const float *g, size_t n, struct rng *r)
{
    double of_g = 0, of_r = 0;

    for (size_t i = 0; i < n; i++) {
        d[i] = (float)(rng_unit(r) - 0.5);
        of_r += (double)d[i] * (double)d[i];
        of_g += (double)g[i] * (double)g[i];
    }
    for (size_t i = 0; i < n; i++)
        d[i] =
            (float)(((double)d[i] / sqrt(of_r) + (of_g > 0 ? (double)g[i] / sqrt(of_g) : 0)) / 1.5);
}

/* The loss with w moved by `step` along dir. */
static double moved(struct nets *net, const struct data *d, const struct param *p, const float *dir,
                    double step)
{
    float *w = net->ps.w + p->at, *kept = malloc(p->n * sizeof(*kept));
    struct err err = {0};

    if (!kept)
        return (double)NAN;
    memcpy(kept, w, p->n * sizeof(*kept));
    for (size_t i = 0; i < p->n; i++)
        w[i] = (float)((double)w[i] + step * (double)dir[i]);
    const double loss = nets_loss(net, &d->b, &d->target, NULL, 0, &err);
    memcpy(w, kept, p->n * sizeof(*kept));
    free(kept);
    return loss;
}

/* How far the loss' change along a direction is from what the gradient says, over the norm of the
 * larger; `all` is the norm of all gradients, beside which rounding counts for nothing. */
static double slope_error(struct nets *net, const struct data *d, const struct param *p, double all,
                          struct rng *r)
{
    const float *g = net->ps.g + p->at;
    float *dir = malloc(p->n * sizeof(*dir));
    const double size = nets_distance(net->ps.w + p->at, NULL, p->n);
    double told = 0;

    if (!dir)
        return (double)NAN;
    direction(dir, g, p->n, r);
    for (size_t i = 0; i < p->n; i++)
        told += (double)g[i] * (double)dir[i];
    /* small beside the weights, and for the loss: where its input is small, a norm bends much */
    const double h = fmin(4e-3 * fmax(size, 0.1), 0.01 / fabs(told));
    /* of fourth order in h */
    const double near = moved(net, d, p, dir, h) - moved(net, d, p, dir, -h);
    const double far = moved(net, d, p, dir, 2 * h) - moved(net, d, p, dir, -2 * h);
    const double seen = (8 * near - far) / (12 * h);
    free(dir);
    return fabs(seen - told) / (fabs(told) + 1e-2 * all + 1e-3);
}

static void check_slopes(struct tap *t, const char *name, struct nets *net, const struct data *d)
{
    struct rng r = rng_init(3);
    struct err err = {0};
    double worst = 0;
    const char *where = "";

    memset(net->ps.g, 0, net->ps.n_values * sizeof(float));
    bool ok = !isnan(nets_loss(net, &d->b, &d->target, NULL, 1, &err));
    const double all = nets_distance(net->ps.g, NULL, net->ps.n_values);
    for (size_t i = 0; ok && i < net->ps.n; i++) {
        const struct param *p = &net->ps.p[i];
        const double e = p->fixed ? 0 : slope_error(net, d, p, all, &r);
        if (!(e <= worst)) {
            worst = e;
            where = p->t->name;
        }
    }
    (void)tap_ok(t, ok && worst <= 1e-2, "%s: slopes within %.1e (%s) %s", name, worst, where,
                 err.msg);
}

static void check_model(struct tap *t, const json_val *entry, const char *dir, const char *out)
{
    const char *name = json_str(json_get(entry, "name"));
    const struct nets_opts o = {.pre = json_str(json_get(entry, "pre_tokenizer_override")),
                                .n_seq = SEQS,
                                .n_tok = TOKENS,
                                .head_rows = 32,
                                .threads = 1};
    struct err err = {0};
    struct nets net;
    struct data d;

    (void)out;
    if (nets_open(&net, dir, &o, &err)) {
        (void)tap_ok(t, strstr(err.msg, "training has no way back through") != NULL,
                     "%s: refused: %s", name, err.msg);
        return;
    }
    data_make(&d, model_n_vocab(net.m));
    check_logits(t, name, &net, &d);
    check_slopes(t, name, &net, &d);
    nets_free(&net);
}

int main(void)
{
    return models_each("training", check_model);
}
