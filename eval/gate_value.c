#include "eval/gate_result.h"
#include "eval/student_t.h"

#include <math.h>

const char *gate_undecided(struct arena *arena, const struct metric *metric, size_t n,
                           const char *shown, double needed)
{
    const char *of = metric->of == METRIC_OF_TASK ? "item" : "window";

    if (n < 2)
        return arena_fmt(arena, "can't be decided with %zu %s: %s, of unknown error", n, of, shown);
    if (!isfinite(needed))
        return arena_fmt(arena, "can't be decided with %zu %ss: %s; no number of %ss would", n, of,
                         shown, of);
    const double unit = needed < 100 ? 1 : pow(10, floor(log10(needed)) - 1); /* two digits */
    return arena_fmt(arena, "can't be decided with %zu %ss: %s; about %.0f %ss would", n, of, shown,
                     ceil(needed / unit) * unit, of);
}

static bool holds(enum gate_op op, double x, double limit)
{
    switch (op) {
    case GATE_LE:
        return x <= limit;
    case GATE_LT:
        return x < limit;
    case GATE_GE:
        return x >= limit;
    default:
        return x > limit;
    }
}

/* Windows (items) after which the interval would end at the limit. */
static double needed(const struct gate *gate, const struct metric_value *v)
{
    const double root = sqrt((double)v->n);
    const double value = v->mean.value, error = v->mean.error;
    const double share = (1 + gate->level) / 2;

    if (!(gate->ref.metric->flags & METRIC_LOG))
        return student_t_needed(fabs(value - gate->limit), error * root, share);
    if (!(gate->limit > 0))
        return (double)INFINITY;
    return student_t_needed(fabs(log(value / gate->limit)), error / value * root, share);
}

/* By the confidence interval: all of it has to lie on the right side. */
static struct gate_finding find_sure(struct arena *arena, const struct gate *gate,
                                     const struct metric_value *v, const char *shown)
{
    const struct metric *metric = gate->ref.metric;
    const struct metric_interval i = metric_interval(metric, v->mean, v->n, gate->level);
    const bool upper = gate->op == GATE_LE || gate->op == GATE_LT;
    const struct stats_mean bound = {upper ? i.high : i.low, 0};
    struct gate_finding f = {GATE_UNDECIDED, NULL};
    char end[METRIC_SHOW_BYTES];

    if (metric->error == METRIC_EXACT) {
        f.status = holds(gate->op, v->mean.value, gate->limit) ? GATE_MET : GATE_FAILED;
        f.why = arena_str(arena, shown);
        return f;
    }
    if (holds(gate->op, i.low, gate->limit) && holds(gate->op, i.high, gate->limit))
        f.status = GATE_MET;
    else if (!isnan(i.low) && !holds(gate->op, i.low, gate->limit) &&
             !holds(gate->op, i.high, gate->limit))
        f.status = GATE_FAILED;
    metric_show(end, metric, bound);
    f.why = f.status == GATE_UNDECIDED
                ? gate_undecided(arena, metric, v->n, shown, v->n > 1 ? needed(gate, v) : 0)
                : arena_fmt(arena, "%s, at %s %s with %g %% confidence", shown,
                            upper ? "most" : "least", end, 100 * gate->level);
    return f;
}

/* Why a report has no such value. */
static const char *missing(struct arena *arena, const struct metric_ref *ref,
                           const struct report *r)
{
    const char *name = metric_name(arena, ref);

    if (!name)
        return NULL;
    return arena_fmt(arena, "can't be decided: the report has no %s%s", name,
                     ref->fast   ? " (--kernels both gives it)"
                     : ref->task ? " (no such task was run)"
                     : (ref->metric->flags & METRIC_AGAINST) && !r->original
                         ? " (measured against no original)"
                         : "");
}

struct gate_finding gate_find_value(struct arena *arena, const struct gate *gate,
                                    const struct report *r, const struct report_model *m)
{
    const struct metric_value v = metric_get(&gate->ref, r, m);
    struct gate_finding f = {GATE_UNDECIDED, NULL};
    char shown[METRIC_SHOW_BYTES];

    if (!v.known) {
        f.why = missing(arena, &gate->ref, r);
        return f;
    }
    metric_show(shown, gate->ref.metric, v.mean);
    if (gate->level > 0)
        return find_sure(arena, gate, &v, shown);
    f.status = holds(gate->op, v.mean.value, gate->limit) ? GATE_MET : GATE_FAILED;
    f.why = arena_str(arena, shown);
    return f;
}
