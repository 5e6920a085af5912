#include "eval/compare.h"
#include "eval/gate_result.h"
#include "eval/student_t.h"

#include <math.h>

/* How much worse B is than A: the difference in the direction that is worse, in the metric's own
 * unit, with its interval. */
struct worsening {
    double value, low, high;
};

static struct worsening worsening_of(const struct compare_row *row)
{
    const bool log_scale = (row->ref.metric->flags & METRIC_LOG) != 0;
    const bool lower = row->ref.metric->better == METRIC_LOWER;
    struct worsening w = {row->b - row->a, row->low, row->high};

    if (log_scale && row->n) { /* the interval is of b / a */
        w.low = row->a * (row->low - 1);
        w.high = row->a * (row->high - 1);
    }
    if (row->ref.metric->error == METRIC_UNKNOWN) /* the measured values decide */
        w.low = w.high = w.value;
    return lower ? w : (struct worsening){-w.value, -w.high, -w.low};
}

/* "0.0431 against 0.0285: +0.0146 ± 0.0012" */
static const char *show_row(struct arena *arena, const struct compare_row *row)
{
    const struct metric *metric = row->ref.metric;
    char a[METRIC_SHOW_BYTES], b[METRIC_SHOW_BYTES], d[METRIC_SHOW_BYTES];

    metric_show(a, metric, (struct stats_mean){row->a, 0});
    metric_show(b, metric, (struct stats_mean){row->b, 0});
    if (metric->error != METRIC_MEAN)
        return arena_fmt(arena, "%s against %s", b, a);
    if (metric->flags & METRIC_LOG) {
        metric_show(d, metric, stats_exp(row->diff));
        return arena_fmt(arena, "%s against %s, times %s", b, a, d);
    }
    metric_show(d, metric, row->diff);
    return arena_fmt(arena, "%s against %s: %s%s", b, a, row->diff.value > 0 ? "+" : "", d);
}

/* The margin in the metric's unit. */
static double margin_of(const struct gate *gate, const struct compare_row *row)
{
    return gate->relative ? gate->limit * fabs(row->a) : gate->limit;
}

static enum gate_status judge(const struct gate *gate, const struct compare_row *row)
{
    const struct worsening w = worsening_of(row);
    const double margin = margin_of(gate, row);

    if (isnan(w.low) || isnan(w.high))
        return GATE_UNDECIDED;
    if (w.low > margin)
        return GATE_FAILED;
    /* without a margin no two models could ever be shown to be equal: no sign of worse is enough */
    return gate->limit > 0 && w.high > margin ? GATE_UNDECIDED : GATE_MET;
}

/* Windows (items) after which the interval would end at the margin. */
static double needed(const struct gate *gate, const struct compare_row *row)
{
    const double margin = margin_of(gate, row), root = sqrt((double)row->n);
    const double sign = row->ref.metric->better == METRIC_LOWER ? 1 : -1;
    const double level = gate->level > 0 ? gate->level : COMPARE_LEVEL;
    double distance = fabs(row->diff.value - sign * margin);

    if (row->ref.metric->flags & METRIC_LOG)
        distance = fabs(row->diff.value - log1p(sign * margin / row->a));
    return student_t_needed(distance, row->diff.error * root, (1 + level) / 2);
}

static const char *explain(struct arena *arena, const struct gate *gate,
                           const struct compare_row *row, enum gate_status status)
{
    const char *shown = show_row(arena, row);

    if (!shown || status != GATE_UNDECIDED)
        return shown;
    return gate_undecided(arena, row->ref.metric, row->n, shown,
                          row->n > 1 ? needed(gate, row) : 0);
}

static const char *lacking(struct arena *arena, const struct compare_row *row)
{
    const char *name = metric_name(arena, &row->ref);

    return name ? arena_fmt(arena, "can't be decided: %s has no %s",
                            isnan(row->a) ? "the baseline" : "the report", name)
                : NULL;
}

/* ---- one metric ----------------------------------------------------------------------------- */

static int find_one(struct gate_finding *out, struct arena *arena, const struct gate *gate,
                    const struct metric_ref *ref, const struct compare_sides *sides,
                    struct err *err)
{
    struct compare_row row;
    const double level = gate->level > 0 ? gate->level : COMPARE_LEVEL;
    const int rc = compare_metric(&row, ref, sides, level, err);

    if (rc)
        return rc;
    if (isnan(row.a) || isnan(row.b)) {
        *out = (struct gate_finding){GATE_UNDECIDED, lacking(arena, &row)};
        return 0;
    }
    out->status = judge(gate, &row);
    out->why = explain(arena, gate, &row, out->status);
    return 0;
}

/* ---- all that are judged ------------------------------------------------------------------------ */

/* What was found so far, over several metrics. */
struct all {
    struct gate_finding worst; /* failed before undecided before met */
    size_t n;
};

/* What the baseline does not have is new, and can't be worse. */
static int look_at(struct all *all, struct arena *arena, const struct gate *gate,
                   const struct metric_ref *ref, const struct compare_sides *sides, struct err *err)
{
    struct gate_finding f = {0};

    if (!metric_get(ref, sides->a, sides->model_a).known)
        return 0;
    const int rc = find_one(&f, arena, gate, ref, sides, err);
    if (rc)
        return rc;
    all->n++;
    if (f.status == GATE_MET || (f.status == GATE_UNDECIDED && all->worst.status != GATE_MET))
        return 0;
    const char *name = metric_name(arena, ref);
    const bool more = all->worst.status == GATE_FAILED;
    const char *why = name && f.why ? arena_fmt(arena, "%s%s%s: %s", more ? all->worst.why : "",
                                                more ? "; " : "", name, f.why)
                                    : NULL;
    all->worst = (struct gate_finding){f.status, why};
    return why ? 0 : err_nomem(err);
}

static int find_all(struct gate_finding *out, struct arena *arena, const struct gate *gate,
                    const struct compare_sides *sides, struct err *err)
{
    const struct task_results *tasks = &sides->model_a->tasks;
    struct all all = {
        {GATE_MET, NULL},
        0
    };
    int rc = 0;

    for (size_t i = 0; !rc && metric_at(i); i++) {
        struct metric_ref ref = {.metric = metric_at(i)};
        if (!(ref.metric->flags & METRIC_JUDGED))
            continue;
        if (ref.metric->of == METRIC_OF_TEXT)
            rc = look_at(&all, arena, gate, &ref, sides, err);
        for (size_t k = 0; !rc && ref.metric->of == METRIC_OF_TASK && k < tasks->n; k++) {
            ref.task = tasks->at[k].name;
            rc = look_at(&all, arena, gate, &ref, sides, err);
        }
    }
    if (rc)
        return rc;
    *out = all.worst;
    if (!all.n)
        *out = (struct gate_finding){GATE_UNDECIDED,
                                     "can't be decided: both reports have no figure in common"};
    else if (out->status == GATE_MET)
        out->why = arena_fmt(arena, "no sign of worse in %zu figures", all.n);
    return 0;
}

int gate_find_worse(struct gate_finding *out, struct arena *arena, const struct gate *gate,
                    const struct report *r, const struct report_model *m,
                    const struct report *baseline, struct err *err)
{
    const struct report_model *was = compare_partner(baseline, m, r->n_models == 1);
    const struct compare_sides sides = {baseline, r, was, m};
    struct err why = {0};

    *out = (struct gate_finding){GATE_UNDECIDED, NULL};
    if (!was) {
        out->why =
            arena_fmt(arena, "can't be decided: the baseline holds no model \"%s\"", m->name);
        return 0;
    }
    if (compare_check(baseline, r, &why) || compare_check_tasks(was, m, &why)) {
        out->why = arena_fmt(arena, "can't be decided: %s", why.msg);
        return 0;
    }
    return gate->ref.metric ? find_one(out, arena, gate, &gate->ref, &sides, err)
                            : find_all(out, arena, gate, &sides, err);
}
