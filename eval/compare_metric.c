#include "eval/compare.h"
#include "eval/student_t.h"

#include <math.h>
#include <stdlib.h>

/* How many windows or items both have of it; 0: none. */
static size_t common(const struct metric_ref *ref, const struct compare_sides *s)
{
    const struct metric_value a = metric_get(ref, s->a, s->model_a);
    const struct metric_value b = metric_get(ref, s->b, s->model_b);

    return !a.known || !b.known ? 0 : a.n < b.n ? a.n : b.n;
}

/* Which way the interval lies from `none`: no difference. */
static enum compare_verdict judge(const struct compare_row *row, double none)
{
    const enum metric_better better = row->ref.metric->better;

    if (isnan(row->low) || isnan(row->high))
        return COMPARE_UNKNOWN;
    if (row->low <= none && row->high >= none)
        return COMPARE_SAME;
    if (better == METRIC_NEITHER)
        return COMPARE_UNKNOWN;
    return (row->low > none) == (better == METRIC_HIGHER) ? COMPARE_BETTER : COMPARE_WORSE;
}

/* From the two series, window by window: x of A, y of B, overwritten. */
static void pair_up(struct compare_row *row, const double *x, double *y, size_t n, double level)
{
    const bool log_scale = (row->ref.metric->flags & METRIC_LOG) != 0;
    const double a = stats_clustered(x, n, 1).value, b = stats_clustered(y, n, 1).value;

    for (size_t i = 0; i < n; i++)
        y[i] -= x[i];
    row->a = log_scale ? exp(a) : a;
    row->b = log_scale ? exp(b) : b;
    row->diff = stats_clustered(y, n, 1);
    row->n = n;
    const struct stats_mean shown = log_scale ? stats_exp(row->diff) : row->diff;
    const struct metric_interval i = metric_interval(row->ref.metric, shown, n, level);
    row->low = n > 1 ? i.low : (double)NAN;
    row->high = n > 1 ? i.high : (double)NAN;
    row->verdict = judge(row, log_scale ? 1 : 0);
    if (row->verdict == COMPARE_SAME && (row->diff.value != 0 || row->diff.error > 0))
        row->needed = student_t_needed(fabs(row->diff.value), row->diff.error * sqrt((double)n),
                                       (1 + level) / 2);
}

/* Without a series: sizes are exact; of anything else only the values are known. */
static void take_values(struct compare_row *row, const struct compare_sides *s)
{
    const bool exact = row->ref.metric->error == METRIC_EXACT;

    row->a = metric_get(&row->ref, s->a, s->model_a).mean.value;
    row->b = metric_get(&row->ref, s->b, s->model_b).mean.value;
    row->diff = (struct stats_mean){row->b - row->a, exact ? 0 : (double)NAN};
    row->low = row->high = exact ? row->diff.value : (double)NAN;
    row->verdict = judge(row, 0);
}

int compare_metric(struct compare_row *out, const struct metric_ref *ref,
                   const struct compare_sides *sides, double level, struct err *err)
{
    const size_t n = common(ref, sides);
    double *x;

    *out = (struct compare_row){.ref = *ref};
    take_values(out, sides);
    if (!n || ref->metric->series == METRIC_NO_SERIES)
        return 0;
    x = calloc(2 * n, sizeof(*x)); /* there are 2 n numbers in memory */
    if (!x)
        return err_nomem(err);
    if (metric_series(x, n, ref, sides->a, sides->model_a) &&
        metric_series(x + n, n, ref, sides->b, sides->model_b))
        pair_up(out, x, x + n, n, level);
    free(x);
    return 0;
}
