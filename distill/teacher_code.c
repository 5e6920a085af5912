#include "distill/teacher_code.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- the grid ---------------------------------------------------------------------- */

/* Rounding log p by d costs about p d^2 / 2 of divergence: with steps of log p proportional to 1 / sqrt(p) all
 * tokens cost the same, which spends the fewest bits (reverse water-filling). Where p is so small that this
 * would tell nothing about it, steps are `widest`. */
static const double lowest = -45, widest = 0.1, fine = 0.002;

/* The level of log p = x, not rounded. */
static double level_of(double x)
{
    return (x - lowest) / widest + 2 / fine * (exp(x / 2) - exp(lowest / 2));
}

size_t teacher_levels(void)
{
    return (size_t)lrint(level_of(0)) + 1;
}

void teacher_grid(float *level)
{
    const size_t n = teacher_levels();

    for (size_t i = 0; i < n; i++) {
        double low = lowest, high = 0;
        for (int k = 0; k < 60; k++) {
            const double mid = (low + high) / 2;
            if (level_of(mid) < (double)i)
                low = mid;
            else
                high = mid;
        }
        level[i] = i + 1 < n ? (float)((low + high) / 2) : 0;
    }
}

void teacher_shares(float *level, size_t k)
{
    for (size_t i = 0; i < k; i++)
        level[i] = (float)log((double)(i + 1) / (double)k);
}

static uint32_t nearest(double x)
{
    const double at = level_of(x < lowest ? lowest : x > 0 ? 0 : x);

    return (uint32_t)lrint(at);
}

/* ---- what a coded row says --------------------------------------------------------- */

double teacher_coded_rest(const struct teacher_coded *c)
{
    return c->rest == TEACHER_REST_NONE ? -HUGE_VAL : -(double)c->rest / TEACHER_REST_STEPS;
}

static uint32_t rest_code(double x)
{
    if (x <= -HUGE_VAL)
        return TEACHER_REST_NONE;
    const double at = -x * TEACHER_REST_STEPS;
    return at < 0 ? 0 : at > TEACHER_REST_NONE - 1 ? TEACHER_REST_NONE - 1 : (uint32_t)lrint(at);
}

double teacher_coded_sum(const struct teacher_coded *c, const double *exp_level)
{
    double sum = exp(teacher_coded_rest(c));

    for (size_t i = 0; i < c->n; i++)
        sum += exp_level[c->token[i].level];
    return log(sum);
}

/* ---- the most probable --------------------------------------------------------------- */

/* Is token a of z to be given up before b? */
static bool worse(const float *z, int32_t a, int32_t b)
{
    return z[a] < z[b] || (z[a] <= z[b] && a > b);
}

/* heap[n] with the worst on top; only heap[at] may be out of place. */
static void sink(struct teacher_token *heap, size_t n, size_t at, const float *z)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child < n && child <= 2 * at + 2; child++)
            if (worse(z, heap[child].id, heap[least].id))
                least = child;
        if (least == at)
            return;
        const struct teacher_token t = heap[at];
        heap[at] = heap[least];
        heap[least] = t;
        at = least;
    }
}

/* heap[k] = the best k of z; how many there are. */
static size_t best(struct teacher_token *heap, size_t k, const float *z, size_t n_vocab)
{
    size_t n = 0, i = 0;

    for (; i < n_vocab && n < k; i++)
        if (z[i] > -INFINITY)
            heap[n++].id = (int32_t)i;
    for (size_t at = n / 2; at--;)
        sink(heap, n, at, z);
    for (; n && i < n_vocab; i++)
        if (z[i] > z[heap[0].id]) {
            heap[0].id = (int32_t)i;
            sink(heap, n, 0, z);
        }
    return n;
}

static int by_id(const void *a, const void *b)
{
    const int32_t x = ((const struct teacher_token *)a)->id,
                  y = ((const struct teacher_token *)b)->id;

    return (x > y) - (x < y);
}

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b)
{
    const double high = a > b ? a : b, low = a > b ? b : a;

    return low <= -HUGE_VAL ? high : high + log1p(exp(low - high));
}

static double tempered(const struct teacher_coder *c, float z)
{
    return (double)(z * c->scale);
}

int teacher_code_top(struct teacher_coded *out, struct teacher_lost *lost,
                     const struct teacher_coder *c, const float *z, float *copy, struct err *err)
{
    const size_t n = best(out->token, c->k, z, c->n_vocab);
    const double max = tempered(c, c->kern->max(z, c->n_vocab));
    double top = 0, kl = 0;

    qsort(out->token, n, sizeof(*out->token), by_id);
    for (size_t i = 0; i < c->n_vocab; i++)
        copy[i] = z[i] * c->scale;
    for (size_t i = 0; i < n; i++) {
        top += exp(tempered(c, z[out->token[i].id]) - max);
        copy[out->token[i].id] = -INFINITY;
    }
    const bool whole = !(c->kern->max(copy, c->n_vocab) > -INFINITY);
    const double others = whole ? -HUGE_VAL : c->kern->log_sum_exp(copy, c->n_vocab);
    const double all = log_add(log(top) + max, others);
    if (!n || !isfinite(all))
        return err_set(err, ERR_FORMAT, "logits whose exponentials have no sum");
    out->n = n;
    out->rest = rest_code(others - all);
    for (size_t i = 0; i < n; i++)
        out->token[i].level = nearest(tempered(c, z[out->token[i].id]) - all);
    const double sum = teacher_coded_sum(out, c->exp_level);
    for (size_t i = 0; i < n; i++) {
        const double x = tempered(c, z[out->token[i].id]) - all;
        kl += exp(x) * (x - ((double)c->level[out->token[i].level] - sum));
    }
    lost->rest = exp(others - all);
    if (lost->rest > 0)
        kl += lost->rest * (others - all - (teacher_coded_rest(out) - sum));
    lost->kl = kl;
    return 0;
}

/* ---- draws --------------------------------------------------------------------------- */

int teacher_code_draws(struct teacher_coded *out, struct teacher_lost *lost,
                       const struct teacher_coder *c, const float *z, struct rng *rng,
                       struct err *err)
{
    const float max = c->kern->max(z, c->n_vocab);
    double sum = 0, upto = 0, kept = 0;
    size_t drawn = 0;

    for (size_t i = 0; i < c->n_vocab; i++)
        sum += (double)expf((z[i] - max) * c->scale);
    if (!isfinite(sum) || sum <= 0)
        return err_set(err, ERR_FORMAT, "logits whose exponentials have no sum");
    const double part = sum / (double)c->k;
    double next = part * rng_unit(rng);
    out->n = 0;
    for (size_t i = 0; i < c->n_vocab && drawn < c->k; i++) {
        const double p = (double)expf((z[i] - max) * c->scale);
        size_t count = 0;
        for (upto += p; drawn < c->k && next < upto; count++)
            next = part * ((double)++drawn + rng_unit(rng));
        if (!count)
            continue;
        out->token[out->n++] =
            (struct teacher_token){.id = (int32_t)i, .level = (uint32_t)(count - 1)};
        kept += p;
    }
    /* a last draw that rounding lets miss the end is missing: a reader makes shares of what is there */
    out->rest = TEACHER_REST_NONE;
    *lost = (struct teacher_lost){.kl = (double)NAN, .rest = 1 - kept / sum};
    return 0;
}
