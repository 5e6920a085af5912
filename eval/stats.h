#ifndef EVAL_STATS_H
#define EVAL_STATS_H

/* Statistics of per-token figures: means whose errors are clustered by window,
 * percentiles, correlation. Sums are F64, in index order. */

#include "formats/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* A mean with its standard error; the error is NaN where one window leaves it unknown. */
struct stats_mean {
    double value, error;
};

/* Mean of x[n_clusters * each], cluster c at x[c * each]. Neighbouring tokens of a
 * window are not independent, so the error counts windows, not tokens:
 *   error^2 = C / (C - 1) * sum_c (sum_i (x[c][i] - mean))^2 / n^2
 * Source: cluster-robust variance of a mean (Liang and Zeger 1986). */
struct stats_mean stats_clustered(const double *x, size_t n_clusters, size_t each);

/* The mean's standard error by resampling: as many blocks of `block` consecutive windows
 * (clusters) as make n_clusters are drawn n_draws times, with replacement and round the
 * end, and the error is how far the draws' means spread. Blocks longer than 1 keep what
 * neighbouring windows have in common. The same seed gives the same error. NaN below two
 * clusters or draws. Errors: ERR_NOMEM. Source: circular block bootstrap (Politis and Romano 1992). */
struct stats_boot {
    size_t block, n_draws;
    uint64_t seed;
};
int stats_bootstrap(double *error, const double *x, size_t n_clusters, size_t each,
                    const struct stats_boot *how, struct err *err) WARN_UNUSED;

/* Of exp(m): the delta method, error * exp(value). */
struct stats_mean stats_exp(struct stats_mean m);

/* sqrt(mean(x^2)); 0 for n = 0. */
double stats_rms(const double *x, size_t n);

/* Pearson's correlation; NaN when one of them does not vary. */
double stats_correlation(const double *x, const double *y, size_t n);

/* Ascending, in place. */
void stats_sort(double *x, size_t n);

/* The share-quantile of sorted x[n], n >= 1, linear between neighbours:
 * position share * (n - 1). share in [0, 1]. */
double stats_quantile(const double *sorted, size_t n, double share);

#endif /* EVAL_STATS_H */
