#include "eval/compare_show.h"

#include "eval/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DECIMALS = 4, DECIMALS_MAX = 8 };

/* Digits after the point that show two of the error, at least `least`. */
static int decimals_for(double error, int least)
{
    if (!(error > 0) || error >= 1)
        return least;
    const int n = 1 - (int)floor(log10(error));

    return n < least ? least : n > DECIMALS_MAX ? DECIMALS_MAX : n;
}

/* In the unit shown: percent for shares. */
static double in_unit(const struct metric *m, double x)
{
    return m->unit == METRIC_SHARE ? 100 * x : x;
}

static void show_number(char out[COMPARE_CELL_BYTES], double x, int decimals)
{
    (void)snprintf(out, COMPARE_CELL_BYTES, fabs(x) < 1e12 ? "%.*f" : "%.*e", decimals, x);
}

static void show_value(char out[COMPARE_CELL_BYTES], const struct metric *m, double x, int decimals)
{
    char size[FIGURE_BYTES];

    if (m->unit != METRIC_BYTES) {
        show_number(out, in_unit(m, x), decimals);
        return;
    }
    figure_size(size, x >= 0 && x < 1e18 ? (uint64_t)x : 0);
    (void)snprintf(out, COMPARE_CELL_BYTES, "%s", size);
}

static void show_signed(char *out, size_t size, double x, int decimals)
{
    (void)snprintf(out, size, "%+.*f", decimals, x);
}

/* "+1.21 MiB (+1.4 %)", "-0.12 (-2.5 %)" */
static void show_exact(char out[COMPARE_CELL_BYTES], const struct compare_row *row)
{
    char change[COMPARE_CELL_BYTES];
    const double d = row->diff.value;

    if (d == 0) {
        (void)snprintf(out, COMPARE_CELL_BYTES, "0");
        return;
    }
    show_value(change, row->ref.metric, fabs(d), 2);
    (void)snprintf(out, COMPARE_CELL_BYTES, "%c%.60s (%+.2f %%)", d < 0 ? '-' : '+', change,
                   100 * d / row->a);
}

static void show_difference(struct compare_cells *out, const struct compare_row *row, int decimals)
{
    const struct metric *m = row->ref.metric;
    const size_t size = COMPARE_CELL_BYTES;

    if (row->diff.value == 0 && row->diff.error == 0)
        (void)snprintf(out->diff, size, "0");
    else if (m->flags & METRIC_LOG) {
        const int n = decimals_for(row->diff.error, DECIMALS);
        (void)snprintf(out->diff, size, "× %.*f", n, exp(row->diff.value));
        if (!isnan(row->low))
            (void)snprintf(out->interval, size, "× %.*f … %.*f", n, row->low, n, row->high);
    } else {
        show_signed(out->diff, size, in_unit(m, row->diff.value), decimals);
        if (!isnan(row->low))
            (void)snprintf(out->interval, size, "%+.*f … %+.*f", decimals, in_unit(m, row->low),
                           decimals, in_unit(m, row->high));
    }
}

static void show_verdict(char out[COMPARE_CELL_BYTES], const struct compare_row *row)
{
    const char *of = row->ref.metric->of == METRIC_OF_TASK ? "items" : "windows";

    if (row->verdict == COMPARE_BETTER || row->verdict == COMPARE_WORSE)
        (void)snprintf(out, COMPARE_CELL_BYTES, "%s", compare_verdict_name(row->verdict));
    else if (row->verdict == COMPARE_UNKNOWN)
        (void)snprintf(out, COMPARE_CELL_BYTES, row->n == 1 ? "unknown: one of the %s alone" : "-",
                       of);
    else if (row->needed > 0 && isfinite(row->needed)) {
        const double unit = row->needed < 100 ? 1 : pow(10, floor(log10(row->needed)) - 1);
        (void)snprintf(out, COMPARE_CELL_BYTES,
                       "no difference; about %.0f more %s would show one like this",
                       ceil((row->needed - (double)row->n) / unit) * unit, of);
    } else
        (void)snprintf(out, COMPARE_CELL_BYTES, "no difference");
}

void compare_show(struct compare_cells *out, const struct compare_row *row)
{
    const struct metric *m = row->ref.metric;
    const bool share = m->unit == METRIC_SHARE;
    const int least = m->error == METRIC_EXACT || share ? 2 : DECIMALS;
    double error = row->diff.error;

    if (m->flags & METRIC_LOG)
        error *= row->a;
    const int decimals = decimals_for(share ? 100 * error : error, least);
    *out = (struct compare_cells){0};
    (void)snprintf(out->title, COMPARE_CELL_BYTES, "%.80s%s%s%s",
                   row->ref.task ? row->ref.task : "", row->ref.task ? ": " : "", m->title,
                   share ? ", %" : "");
    if (row->ref.fast)
        (void)snprintf(out->title, COMPARE_CELL_BYTES, "%s%s, fast kernels", m->title,
                       share ? ", %" : "");
    show_value(out->a, m, row->a, decimals);
    show_value(out->b, m, row->b, decimals);
    if (m->error == METRIC_EXACT)
        show_exact(out->diff, row);
    else
        show_difference(out, row, decimals);
    show_verdict(out->verdict, row);
}

void compare_show_window(char out[COMPARE_CELL_BYTES], double x)
{
    (void)snprintf(out, COMPARE_CELL_BYTES, fabs(x) < 0.1 ? "%.3g" : "%.4f", x);
}
