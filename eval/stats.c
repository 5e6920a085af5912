#include "eval/stats.h"

#include "runtime/rng.h"

#include <math.h>
#include <stdlib.h>

static double mean_of(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : 0;
}

struct stats_mean stats_clustered(const double *x, size_t n_clusters, size_t each)
{
    const size_t n = n_clusters * each;
    const struct stats_mean none = {(double)NAN, (double)NAN};
    struct stats_mean m = {mean_of(x, n), (double)NAN};
    double squares = 0;

    if (!n)
        return none;
    if (n_clusters < 2)
        return m;
    for (size_t c = 0; c < n_clusters; c++) {
        double sum = 0;
        for (size_t i = 0; i < each; i++)
            sum += x[c * each + i] - m.value;
        squares += sum * sum;
    }
    const double c = (double)n_clusters;
    m.error = sqrt(c / (c - 1) * squares) / (double)n;
    return m;
}

/* The mean of a draw: sum[n] of clusters, taken in blocks until there are n. */
static double draw(const double *sum, size_t n, size_t block, struct rng *rng)
{
    double all = 0;

    for (size_t taken = 0; taken < n;) {
        const size_t from = (size_t)(rng_u64(rng) % n);
        for (size_t i = 0; i < block && taken < n; i++, taken++)
            all += sum[(from + i) % n];
    }
    return all;
}

int stats_bootstrap(double *error, const double *x, size_t n_clusters, size_t each,
                    const struct stats_boot *how, struct err *err)
{
    struct rng rng = rng_init(how->seed);
    double *sum = calloc(n_clusters + 1, sizeof(*sum)), mean = 0, squares = 0;

    if (!sum)
        return err_nomem(err);
    for (size_t i = 0; i < n_clusters * each; i++)
        sum[i / each] += x[i];
    /* Welford's running mean and sum of squared deviations */
    for (size_t i = 0; i < how->n_draws && n_clusters; i++) {
        const double m =
            draw(sum, n_clusters, how->block ? how->block : 1, &rng) / (double)(n_clusters * each);
        const double apart = m - mean;
        mean += apart / (double)(i + 1);
        squares += apart * (m - mean);
    }
    *error = n_clusters > 1 && how->n_draws > 1 ? sqrt(squares / (double)(how->n_draws - 1))
                                                : (double)NAN;
    free(sum);
    return 0;
}

struct stats_mean stats_exp(struct stats_mean m)
{
    const double value = exp(m.value);
    const struct stats_mean out = {value, value * m.error};

    return out;
}

double stats_rms(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return n ? sqrt(sum / (double)n) : 0;
}

double stats_correlation(const double *x, const double *y, size_t n)
{
    const double mx = mean_of(x, n), my = mean_of(y, n);
    double xx = 0, yy = 0, xy = 0;

    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

void stats_sort(double *x, size_t n)
{
    if (n)
        qsort(x, n, sizeof(*x), compare);
}

double stats_quantile(const double *sorted, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t i = (size_t)at;
    const double part = at - (double)i;

    return i + 1 < n ? sorted[i] * (1 - part) + sorted[i + 1] * part : sorted[n - 1];
}
