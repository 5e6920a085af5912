/* A batch: teacher's targets, student's pass, the loss in chunks of rows. */

#include "distill/train_impl.h"

#include <string.h>

/* ---- windows ------------------------------------------------------------------------ */

/* Does row i of a window take part in the loss? */
static bool counts(const struct train *t, const struct data_window *w, size_t i)
{
    return w->counted[i] && (w->label[i] >= 0 || loss_needs_teacher(&t->o->loss));
}

uint64_t train_counted(const struct train *t, const struct data_window *w)
{
    uint64_t n = 0;

    for (size_t i = 0; i < t->n_tok; i++)
        n += counts(t, w, i);
    return n;
}

static void fill_window(struct train *t, size_t i)
{
    const struct data_window *w = &t->window[i];
    const size_t at = i * t->n_tok;

    memcpy(t->ids + at, w->ids, t->n_tok * sizeof(*t->ids));
    if (w->doc)
        memcpy(t->doc + at, w->doc, t->n_tok * sizeof(*t->doc));
    else
        memset(t->doc + at, 0, t->n_tok * sizeof(*t->doc));
}

void train_fill(struct train *t, uint64_t at, uint64_t end, bool held)
{
    struct data *d = t->job->data;

    t->n_seq = end - at < t->o->n_seq ? (size_t)(end - at) : t->o->n_seq;
    for (size_t i = 0; i < t->n_seq; i++) {
        const size_t number = held ? (size_t)at + i : data_order(d, at + i);

        t->key[i] = number;
        t->window[i] = held ? data_held(d, number) : data_window(d, number);
        fill_window(t, i);
    }
}

/* ---- the loss of a sequence --------------------------------------------------------- */

/* Rows of a sequence whose loss is due. */
struct due {
    struct train *t;
    const struct data_window *w;
    size_t seq, row0, n; /* of the sequence */
    double scale;
};

static void loss_of_row(void *arg, size_t i, int thread)
{
    const struct due *p = arg;
    struct train *t = p->t;
    struct loss_target *target = &t->target[i];
    const size_t v = t->n_vocab;

    (void)thread;
    target->label = p->w->label[p->row0 + i];
    target->counted = counts(t, p->w, p->row0 + i);
    t->value[i] = loss_row(t->d + i * v, &t->o->loss, &t->kern, t->z + i * v, target, v, p->scale);
}

static bool any_counts(const struct due *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (counts(p->t, p->w, p->row0 + i))
            return true;
    return false;
}

static int chunk(double *sum, const struct due *p, struct err *err)
{
    struct train *t = p->t;
    const size_t row = p->seq * t->n_tok + p->row0;
    int rc = 0;

    if (!any_counts(p))
        return 0;
    memset(t->target, 0, p->n * sizeof(*t->target));
    if (loss_needs_logits(&t->o->loss))
        rc = teacher_rows(t->target, t->job->teacher, p->row0, p->n, err);
    if (rc)
        return rc;
    net_logits(t->net, t->z, row, p->n);
    par_for(&t->o->par, p->n, loss_of_row, (void *)(uintptr_t)p);
    for (size_t i = 0; i < p->n; i++)
        *sum += p->scale * t->value[i];
    net_logits_back(t->net, t->d, t->z, row, p->n);
    return 0;
}

struct streams {
    const struct due *p;
    float *grad;
    const float *h, *t;
    double scale;
};

static void hidden_row(void *arg, size_t i, int thread)
{
    const struct streams *s = arg;
    struct train *t = s->p->t;
    const size_t at = i * t->n_embd;

    (void)thread;
    t->value[i] = 0;
    if (counts(t, s->p->w, i))
        t->value[i] =
            loss_hidden_row(s->grad + at, &t->o->loss, s->h + at, s->t + at, t->n_embd, s->scale);
}

/* Residual streams of the whole sequence: the mean over the blocks that take part. */
static void hidden(double *sum, const struct due *p)
{
    struct train *t = p->t;
    const size_t at = p->seq * t->n_tok * t->n_embd;

    for (size_t i = 0; i < t->o->n_hidden; i++) {
        const size_t layer = t->o->hidden[i];
        struct streams s = {p, net_hidden_grad(t->net, layer) + at, net_hidden(t->net, layer) + at,
                            teacher_hidden(t->job->teacher, i), p->scale / (double)t->o->n_hidden};

        par_for(&t->o->par, t->n_tok, hidden_row, &s);
        for (size_t j = 0; j < t->n_tok; j++)
            *sum += s.scale * t->value[j];
    }
}

static int sequence(double *sum, struct train *t, size_t seq, double scale, struct err *err)
{
    struct due p = {t, &t->window[seq], seq, 0, 0, scale};
    const struct loss *l = &t->o->loss;
    int rc = 0;

    if (loss_needs_teacher(l))
        rc = teacher_sequence(t->job->teacher, t->key[seq], p.w->ids, p.w->doc, t->n_tok, err);
    if (!rc && loss_needs_hidden(l))
        hidden(sum, &p);
    for (; !rc && p.row0 < t->n_tok; p.row0 += p.n) {
        p.n = t->n_tok - p.row0 < t->rows ? t->n_tok - p.row0 : t->rows;
        rc = chunk(sum, &p, err);
    }
    return rc;
}

int train_batch(double *sum, struct train *t, double scale, struct err *err)
{
    const struct net_batch b = {t->ids, t->doc, t->n_seq, t->n_tok};
    int rc = net_forward(t->net, &b, err);

    for (size_t i = 0; i < t->n_seq && !rc; i++)
        rc = sequence(sum, t, i, scale, err);
    if (!rc)
        net_backward(t->net);
    return rc;
}
