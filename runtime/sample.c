#include "runtime/sample.h"

#include "runtime/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct choice {
    float logit;
    int32_t id;
    double p; /* not normalised */
};

struct sampler {
    struct sample_opts opts;
    struct rng rng;
    size_t n_vocab;
    struct choice *choice; /* n_vocab */
};

static bool opts_ok(const struct sample_opts *o, struct err *err)
{
    if (!(o->temperature >= 0) || !isfinite(o->temperature))
        (void)err_set(err, ERR_ARG, "temperature %g: at least 0", o->temperature);
    else if (!(o->top_p > 0) || !(o->top_p <= 1))
        (void)err_set(err, ERR_ARG, "top-p %g: above 0, at most 1", o->top_p);
    else
        return true;
    return false;
}

int sampler_new(struct sampler **out, const struct sample_opts *opts, size_t n_vocab,
                struct err *err)
{
    struct sampler *s;

    *out = NULL;
    if (!opts_ok(opts, err))
        return ERR_ARG;
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_nomem(err);
    *s = (struct sampler){.opts = *opts, .rng = rng_init(opts->seed), .n_vocab = n_vocab};
    s->choice = calloc(n_vocab, sizeof(*s->choice));
    if (!s->choice) {
        sampler_free(s);
        return err_nomem(err);
    }
    *out = s;
    return 0;
}

void sampler_free(struct sampler *s)
{
    if (s)
        free(s->choice);
    free(s);
}

static bool before(const struct choice *a, const struct choice *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static int by_rank(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a);
}

/* Restore the heap below node i: the least likely choice on top. */
static void sift(struct choice *c, size_t n, size_t i)
{
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && before(&c[child], &c[child + 1]))
            child++;
        if (before(&c[child], &c[i]))
            return;
        const struct choice t = c[i];
        c[i] = c[child];
        c[child] = t;
        i = child;
    }
}

/* Move the k best to the front, in no order. */
static void keep_best(struct choice *c, size_t n, size_t k)
{
    for (size_t i = k / 2; i-- > 0;)
        sift(c, k, i);
    for (size_t i = k; i < n; i++)
        if (before(&c[i], &c[0])) {
            c[0] = c[i];
            sift(c, k, 0);
        }
}

/* Probabilities relative to the best one's; their sum. */
static double weigh(struct choice *c, size_t n, float best, double temperature)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        c[i].p = exp(((double)c[i].logit - (double)best) / temperature);
        sum += c[i].p;
    }
    return sum;
}

/* The fewest choices that hold top_p of `sum`, likeliest first; *sum becomes theirs. */
static size_t nucleus(struct choice *c, size_t n, double top_p, double *sum)
{
    /* below the cut even all of them together hold less than is left out */
    const double cut = (1 - top_p) * *sum / (double)n;
    const double want = top_p * *sum;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (c[i].p >= cut)
            c[kept++] = c[i];
    qsort(c, kept, sizeof(*c), by_rank);
    *sum = 0;
    for (size_t i = 0; i < kept; i++) {
        *sum += c[i].p;
        if (*sum >= want)
            return i + 1;
    }
    return kept;
}

/* Only logits that are numbers take part; returns how many, *best of them. */
static size_t gather(struct sampler *s, const float *logits, size_t *best)
{
    size_t n = 0;

    *best = 0;
    for (size_t i = 0; i < s->n_vocab; i++) {
        if (!isfinite(logits[i]))
            continue;
        s->choice[n] = (struct choice){.logit = logits[i], .id = (int32_t)i};
        if (before(&s->choice[n], &s->choice[*best]))
            *best = n;
        n++;
    }
    return n;
}

int sampler_next(int32_t *id, struct sampler *s, const float *logits, struct err *err)
{
    struct choice *c = s->choice;
    size_t best;
    size_t n = gather(s, logits, &best);

    if (!n)
        return err_set(err, ERR_FORMAT, "no logit is a finite number");
    *id = c[best].id;
    if (s->opts.temperature <= 0)
        return 0;
    const float top = c[best].logit;
    if (s->opts.top_k && s->opts.top_k < n) {
        keep_best(c, n, s->opts.top_k);
        n = s->opts.top_k;
        qsort(c, n, sizeof(*c), by_rank);
    }
    double sum = weigh(c, n, top, s->opts.temperature);
    if (s->opts.top_p < 1)
        n = nucleus(c, n, s->opts.top_p, &sum);
    double at = rng_unit(&s->rng) * sum;
    size_t i = 0;
    while (i + 1 < n && at >= c[i].p)
        at -= c[i++].p;
    *id = c[i].id;
    return 0;
}
