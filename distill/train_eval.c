/* How near the student is on text that it is not trained on: KL to the judge at T = 1, perplexity, and how
 * often both think the same token the most probable. */

#include "distill/train_impl.h"

#include <math.h>
#include <stdlib.h>

struct sums {
    double kl, ce, same;
    uint64_t rows, labels;
};

/* What a row gave. */
struct seen {
    double kl, ce;
    bool same;
};

struct look {
    struct train *t;
    const struct data_window *w;
    size_t row0;
    struct seen *seen; /* [rows] */
};

static size_t top(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static void look_row(void *arg, size_t i, int thread)
{
    static const struct loss kl = {.term = {{LOSS_FORWARD_KL, 1, 0}}, .n = 1, .temperature = 1};
    const struct look *l = arg;
    struct train *t = l->t;
    struct loss_target *target = &t->target[i];
    const float *z = t->z + i * t->n_vocab;
    const int32_t label = l->w->label[l->row0 + i];

    (void)thread;
    l->seen[i] = (struct seen){0};
    if (!l->w->counted[l->row0 + i])
        return;
    target->counted = true;
    target->label = label;
    if (label >= 0)
        l->seen[i].ce = t->kern.log_sum_exp(z, t->n_vocab) - (double)z[label];
    if (!target->logits)
        return;
    l->seen[i].kl = loss_row(t->d + i * t->n_vocab, &kl, &t->kern, z, target, t->n_vocab, 1);
    l->seen[i].same = top(z, t->n_vocab) == top(target->logits, t->n_vocab);
}

static int look_chunk(struct sums *s, struct look *l, size_t seq, size_t n, struct err *err)
{
    struct train *t = l->t;
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        t->target[i] = (struct loss_target){0};
    if (t->job->judge)
        rc = teacher_rows(t->target, t->job->judge, l->row0, n, err);
    if (rc)
        return rc;
    net_logits(t->net, t->z, seq * t->n_tok + l->row0, n);
    par_for(&t->o->par, n, look_row, l);
    for (size_t i = 0; i < n; i++) {
        const bool counted = l->w->counted[l->row0 + i];

        s->kl += l->seen[i].kl;
        s->ce += l->seen[i].ce;
        s->same += l->seen[i].same;
        s->rows += counted;
        s->labels += counted && l->w->label[l->row0 + i] >= 0;
    }
    return 0;
}

static int look_batch(struct sums *s, struct look *l, struct err *err)
{
    struct train *t = l->t;
    const struct net_batch b = {t->ids, t->doc, t->n_seq, t->n_tok};
    int rc = net_forward(t->net, &b, err);

    for (size_t i = 0; i < t->n_seq && !rc; i++) {
        l->w = &t->window[i];
        if (t->job->judge)
            rc = teacher_sequence(t->job->judge, t->key[i], l->w->ids, l->w->doc, t->n_tok, err);
        for (size_t n, at = 0; at < t->n_tok && !rc; at += n) {
            n = t->n_tok - at < t->rows ? t->n_tok - at : t->rows;
            l->row0 = at;
            rc = look_chunk(s, l, i, n, err);
        }
    }
    return rc;
}

/* Weights and their moving average change places. */
static int swap(struct train *t, struct err *err)
{
    const struct optim_state s = optim_state(t->optim);
    float *w = t->own->w + t->first;

    for (size_t i = 0; s.ema && i < s.n; i++) {
        const float x = w[i];
        w[i] = s.ema[i];
        s.ema[i] = x;
    }
    return s.ema ? comm_gather(t->comm, t->own->w, t->own->n_values, err) : 0;
}

/* Of all ranks, and what the first one makes of it. */
static int add_up(struct train_row *out, struct sums *s, struct train *t, struct err *err)
{
    double x[] = {s->kl, s->ce, s->same, (double)s->rows, (double)s->labels};
    int rc = comm_sum(t->comm, x, 5, err);
    const bool judged = t->job->judge && x[3] > 0;

    if (!rc && !(isfinite(x[0]) && isfinite(x[1])))
        return train_not_finite(t, t->mark.step, "the loss of held-back text is", err);
    out->evaluated = true;
    out->kl = judged ? x[0] / x[3] : (double)NAN;
    out->top1 = judged ? x[2] / x[3] : (double)NAN;
    out->ppl = x[4] > 0 ? exp(x[1] / x[4]) : (double)NAN;
    return rc ? rc : comm_broadcast(t->comm, out, sizeof(*out), err);
}

int train_evaluate(struct train_row *out, struct train *t, struct err *err)
{
    size_t first, n;
    struct look l = {.t = t, .seen = calloc(t->rows, sizeof(*l.seen))};
    struct sums s = {0};
    int rc = l.seen ? 0 : err_nomem(err), back;

    comm_share(&first, &n, t->comm, data_n_held(t->job->data));
    if (!rc)
        rc = swap(t, err);
    if (!rc)
        rc = train_quantized(t, t->mark.step, err);
    for (uint64_t at = 0; at < n && !rc; at += t->n_seq) {
        log_progress(t->o->log, "evaluation windows", at, n);
        train_fill(t, first + at, first + n, true);
        rc = look_batch(&s, &l, err);
        if (!rc && comm_size(t->comm) == 1)
            rc = log_stop(t->o->log, err);
    }
    back = l.seen ? swap(t, err) : 0;
    rc = rc ? rc : back;
    free(l.seen);
    return rc ? rc : add_up(out, &s, t, err);
}
