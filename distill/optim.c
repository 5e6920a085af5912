#include "distill/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A part of the work: fixed by the params alone, so that no number of threads shows in a sum. */
struct piece {
    size_t at, n; /* in ps->w */
    bool matrix;
};

enum { PIECE = 1 << 16 };

struct optim {
    struct params *ps;
    struct optim_opts o;
    struct par par;
    size_t first, n;
    struct piece *piece; /* [n_pieces] */
    double *sum;         /* [n_pieces] */
    size_t n_pieces;
    struct optim_state state;
};

/* ---- options ------------------------------------------------------------------------ */

static int check_range(const char *name, double v, double least, double below, struct err *err)
{
    if (v >= least && v < below)
        return 0;
    return err_set(err, ERR_ARG, "%s is %g: it is to be at least %g and below %g", name, v, least,
                   below);
}

static int check(const struct optim_opts *o, struct err *err)
{
    const struct {
        const char *name;
        double v, least, below;
    } all[] = {
        {"learning rate",       o->lr,           0, (double)INFINITY},
        {"least learning rate", o->min_lr_ratio, 0, 1.0000001       },
        {"beta1",               o->beta1,        0, 1               },
        {"beta2",               o->beta2,        0, 1               },
        {"epsilon",             o->eps,          0, 1               },
        {"weight decay",        o->weight_decay, 0, 1e6             },
        {"clipping",            o->clip,         0, (double)INFINITY},
        {"moving average",      o->ema,          0, 1               },
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !rc; i++)
        rc = check_range(all[i].name, all[i].v, all[i].least, all[i].below, err);
    return rc;
}

double optim_lr(const struct optim_opts *o, uint64_t s)
{
    const double min = o->min_lr_ratio * o->lr, pi = 3.14159265358979323846;
    const uint64_t decay = o->decay < o->total ? o->decay : o->total;

    if (s <= o->warmup)
        return o->lr * (double)s / (double)o->warmup;
    if (s > o->total)
        s = o->total > o->warmup ? o->total : s;
    if (o->schedule == SCHEDULE_COSINE && o->total > o->warmup)
        return min + 0.5 * (o->lr - min) *
                         (1 + cos(pi * (double)(s - o->warmup) / (double)(o->total - o->warmup)));
    if (o->schedule == SCHEDULE_WSD && s > o->total - decay)
        return o->lr + (min - o->lr) * (double)(s - (o->total - decay)) / (double)decay;
    return o->lr;
}

/* ---- the stretch, in pieces ----------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The pieces of one param inside the stretch; counts them when to is NULL. */
static size_t cut(struct piece *to, const struct optim *o, const struct param *p)
{
    const size_t end = least(p->at + p->n, o->first + o->n);
    size_t n = 0;

    for (size_t at = p->at; at < end; at += PIECE) {
        const size_t from = at > o->first ? at : o->first, last = least(at + PIECE, end);

        if (from >= last)
            continue;
        if (to)
            to[n] = (struct piece){from, last - from, p->matrix};
        n++;
    }
    return n;
}

static size_t cut_all(struct piece *to, const struct optim *o, const bool *trained)
{
    size_t n = 0;

    for (size_t i = 0; i < o->ps->n; i++)
        if (trained ? trained[i] : !o->ps->p[i].fixed)
            n += cut(to ? to + n : NULL, o, &o->ps->p[i]);
    return n;
}

static float *zeros(size_t n)
{
    return calloc(n ? n : 1, sizeof(float));
}

static int make(struct optim *o, const bool *trained, struct err *err)
{
    o->n_pieces = cut_all(NULL, o, trained);
    o->piece = calloc(o->n_pieces + 1, sizeof(*o->piece));
    o->sum = calloc(o->n_pieces + 1, sizeof(*o->sum));
    o->state = (struct optim_state){zeros(o->n), zeros(o->n), NULL, o->n};
    if (o->o.ema > 0)
        o->state.ema = zeros(o->n);
    if (!o->piece || !o->sum || !o->state.m || !o->state.v || (o->o.ema > 0 && !o->state.ema))
        return err_nomem(err);
    (void)cut_all(o->piece, o, trained);
    if (o->state.ema)
        memcpy(o->state.ema, o->ps->w + o->first, o->n * sizeof(float));
    return 0;
}

int optim_new(struct optim **out, struct params *ps, const struct optim_opts *opts,
              const bool *trained, size_t first, size_t n, const struct par *par, struct err *err)
{
    struct optim *o = NULL;
    int rc = check(opts, err);

    if (rc)
        return rc;
    o = calloc(1, sizeof(*o));
    if (!o)
        return err_nomem(err);
    o->ps = ps;
    o->o = *opts;
    o->par = *par;
    o->first = least(first, ps->n_values);
    o->n = least(n, ps->n_values - o->first);
    rc = make(o, trained, err);
    if (rc)
        optim_free(o);
    else
        *out = o;
    return rc;
}

void optim_free(struct optim *o)
{
    if (!o)
        return;
    free(o->piece);
    free(o->sum);
    free(o->state.m);
    free(o->state.v);
    free(o->state.ema);
    free(o);
}

/* ---- a step --------------------------------------------------------------------------- */

static void square(void *arg, size_t i, int thread)
{
    struct optim *o = arg;
    const float *g = o->ps->g + o->piece[i].at;
    double lane[8] = {0};
    size_t j = 0;

    (void)thread;
    for (; j + 8 <= o->piece[i].n; j += 8)
        for (size_t k = 0; k < 8; k++)
            lane[k] += (double)g[j + k] * (double)g[j + k];
    for (; j < o->piece[i].n; j++)
        lane[0] += (double)g[j] * (double)g[j];
    o->sum[i] =
        ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double optim_norm2(const struct optim *o)
{
    double sum = 0;

    par_for(&o->par, o->n_pieces, square, (void *)(uintptr_t)o);
    for (size_t i = 0; i < o->n_pieces; i++)
        sum += o->sum[i];
    return sum;
}

/* What a step does to each value, in F32. */
struct step {
    struct optim *o;
    float clip, b1, not_b1, b2, not_b2, eps;
    float rate, root; /* lr / (1 - beta1^s); 1 / sqrt(1 - beta2^s) */
    float keep;       /* 1 - lr * weight decay */
    float not_ema;    /* 1 - ema */
};

static void step_values(const struct step *s, const struct piece *p)
{
    const struct optim *o = s->o;
    const float keep = p->matrix ? s->keep : 1;
    const float *restrict g = o->ps->g + p->at;
    float *restrict w = o->ps->w + p->at;
    float *restrict m = o->state.m + (p->at - o->first);
    float *restrict v = o->state.v + (p->at - o->first);

    for (size_t i = 0; i < p->n; i++) {
        const float x = g[i] * s->clip;

        m[i] = s->b1 * m[i] + s->not_b1 * x;
        v[i] = s->b2 * v[i] + s->not_b2 * (x * x);
        w[i] = w[i] * keep - s->rate * m[i] / (sqrtf(v[i]) * s->root + s->eps);
    }
}

static void step_piece(void *arg, size_t i, int thread)
{
    const struct step *s = arg;
    const struct piece *p = &s->o->piece[i];
    const float *restrict w = s->o->ps->w + p->at;
    float *restrict ema = s->o->state.ema ? s->o->state.ema + (p->at - s->o->first) : NULL;

    (void)thread;
    step_values(s, p);
    for (size_t j = 0; ema && j < p->n; j++)
        ema[j] += s->not_ema * (w[j] - ema[j]); /* of equal weights exactly theirs */
}

void optim_step(struct optim *o, uint64_t s, double norm)
{
    const struct optim_opts *p = &o->o;
    const double lr = optim_lr(p, s), clip = p->clip > 0 ? p->clip / (norm + 1e-6) : 1;
    struct step step = {
        .o = o,
        .clip = (float)(clip < 1 ? clip : 1),
        .b1 = (float)p->beta1,
        .not_b1 = (float)(1 - p->beta1),
        .b2 = (float)p->beta2,
        .not_b2 = (float)(1 - p->beta2),
        .eps = (float)p->eps,
        .rate = (float)(lr / (1 - pow(p->beta1, (double)s))),
        .root = (float)(1 / sqrt(1 - pow(p->beta2, (double)s))),
        .keep = (float)(1 - lr * p->weight_decay),
        .not_ema = (float)(1 - p->ema),
    };

    par_for(&o->par, o->n_pieces, step_piece, &step);
}

struct optim_state optim_state(struct optim *o)
{
    return o->state;
}
