#include "eval/metric.h"

#include "eval/figure.h"
#include "eval/student_t.h"
#include "formats/base/nearest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- sizes ---------------------------------------------------------------------------- */

static double size_bytes(const struct report *r, const struct report_model *m)
{
    (void)r;
    return (double)m->bytes;
}

static double size_tensor_bytes(const struct report *r, const struct report_model *m)
{
    (void)r;
    return (double)m->tensor_bytes;
}

static double size_params(const struct report *r, const struct report_model *m)
{
    (void)r;
    return (double)m->params;
}

static double size_bpw(const struct report *r, const struct report_model *m)
{
    (void)r;
    return report_bpw(m);
}

static double size_ratio(const struct report *r, const struct report_model *m)
{
    return r->original && r->original->bytes ? (double)m->bytes / (double)r->original->bytes
                                             : (double)NAN;
}

static double size_windows(const struct report *r, const struct report_model *m)
{
    (void)r;
    return (double)m->result.n_windows;
}

static double size_tokens(const struct report *r, const struct report_model *m)
{
    (void)r;
    return (double)m->result.n_tokens;
}

/* ---- the table ------------------------------------------------------------------------- */

#define AT(field) offsetof(struct eval_result, field)
#define OF(field) offsetof(struct task_result, field)

enum {
    LOG = METRIC_LOG,
    AGAINST = METRIC_AGAINST,
    COMPARED = METRIC_COMPARED,
    JUDGED = METRIC_JUDGED,
    LESS = METRIC_LESS
};

/* clang-format off */
#define FILE_ROW(name, title, unit, better, flags, size) \
    {name, title, METRIC_OF_FILE, METRIC_##unit, METRIC_##better, METRIC_EXACT, flags, size, 0, METRIC_NO_SERIES}
#define MEAN_ROW(name, title, unit, better, flags, at, series) \
    {name, title, METRIC_OF_TEXT, METRIC_##unit, METRIC_##better, METRIC_MEAN, flags, NULL, AT(at), AT(series)}
#define PLACE_ROW(name, title, unit, better, at) \
    {name, title, METRIC_OF_TEXT, METRIC_##unit, METRIC_##better, METRIC_UNKNOWN, AGAINST, NULL, AT(at), METRIC_NO_SERIES}
#define TASK_ROW(name, title, unit, better, flags, at, series) \
    {name, title, METRIC_OF_TASK, METRIC_##unit, METRIC_##better, METRIC_MEAN, flags, NULL, OF(at), OF(series)}

static const struct metric table[] = {
    MEAN_ROW("nll", "ln PPL", NATS, LOWER, COMPARED, nll, window_nll),
    MEAN_ROW("ppl", "PPL", PLAIN, LOWER, LOG | COMPARED | JUDGED, ppl, window_nll),
    MEAN_ROW("ln_ppl_ratio", "ln PPL ratio", NATS, LOWER, AGAINST | LESS, ln_ratio, window_nll),
    MEAN_ROW("ppl_ratio", "PPL ratio", PLAIN, LOWER, AGAINST | LESS | LOG | COMPARED, ppl_ratio, window_nll),
    PLACE_ROW("ln_ppl_correlation", "correlation of ln p", PLAIN, HIGHER, ln_correlation),
    MEAN_ROW("kld", "mean KLD", NATS, LOWER, AGAINST | COMPARED | JUDGED, kld, window_kld),
    PLACE_ROW("kld.max", "KLD, maximum", NATS, LOWER, kld_max),
    PLACE_ROW("kld.p999", "KLD, 99.9 %", NATS, LOWER, kld_p999),
    PLACE_ROW("kld.p99", "KLD, 99 %", NATS, LOWER, kld_p99),
    PLACE_ROW("kld.p95", "KLD, 95 %", NATS, LOWER, kld_p95),
    PLACE_ROW("kld.p90", "KLD, 90 %", NATS, LOWER, kld_p90),
    PLACE_ROW("kld.median", "KLD, median", NATS, LOWER, kld_median),
    PLACE_ROW("kld.p10", "KLD, 10 %", NATS, LOWER, kld_p10),
    PLACE_ROW("kld.p5", "KLD, 5 %", NATS, LOWER, kld_p5),
    PLACE_ROW("kld.p1", "KLD, 1 %", NATS, LOWER, kld_p1),
    PLACE_ROW("kld.min", "KLD, minimum", NATS, LOWER, kld_min),
    MEAN_ROW("top1", "top-1 agreement", SHARE, HIGHER, AGAINST | COMPARED | JUDGED, top1, window_top1),
    MEAN_ROW("top5", "top-5 agreement", SHARE, HIGHER, AGAINST | COMPARED | JUDGED, top5, window_top5),
    MEAN_ROW("dp", "mean Δp", SHARE, HIGHER, AGAINST | COMPARED, dp, window_dp),
    PLACE_ROW("dp.rms", "Δp, RMS", SHARE, LOWER, dp_rms),
    PLACE_ROW("dp.max", "Δp, maximum", SHARE, NEITHER, dp_max),
    PLACE_ROW("dp.p999", "Δp, 99.9 %", SHARE, NEITHER, dp_p999),
    PLACE_ROW("dp.p99", "Δp, 99 %", SHARE, NEITHER, dp_p99),
    PLACE_ROW("dp.p95", "Δp, 95 %", SHARE, NEITHER, dp_p95),
    PLACE_ROW("dp.p90", "Δp, 90 %", SHARE, NEITHER, dp_p90),
    PLACE_ROW("dp.p75", "Δp, 75 %", SHARE, NEITHER, dp_p75),
    PLACE_ROW("dp.median", "Δp, median", SHARE, HIGHER, dp_median),
    PLACE_ROW("dp.p25", "Δp, 25 %", SHARE, HIGHER, dp_p25),
    PLACE_ROW("dp.p10", "Δp, 10 %", SHARE, HIGHER, dp_p10),
    PLACE_ROW("dp.p5", "Δp, 5 %", SHARE, HIGHER, dp_p5),
    PLACE_ROW("dp.p1", "Δp, 1 %", SHARE, HIGHER, dp_p1),
    PLACE_ROW("dp.p01", "Δp, 0.1 %", SHARE, HIGHER, dp_p01),
    PLACE_ROW("dp.min", "Δp, minimum", SHARE, HIGHER, dp_min),
    TASK_ROW("acc", "accuracy", SHARE, HIGHER, COMPARED | JUDGED, acc, item_correct),
    TASK_ROW("acc_norm", "accuracy by length", SHARE, HIGHER, COMPARED, acc_norm, item_correct_norm),
    TASK_ROW("ppl", "PPL", PLAIN, LOWER, LOG | COMPARED, ppl, item_nll),
    FILE_ROW("bytes", "size", BYTES, LOWER, COMPARED, size_bytes),
    FILE_ROW("tensor_bytes", "size of the tensors", BYTES, LOWER, COMPARED, size_tensor_bytes),
    FILE_ROW("size_ratio", "size / original", PLAIN, LOWER, AGAINST, size_ratio),
    FILE_ROW("bpw", "bits per weight", PLAIN, LOWER, COMPARED, size_bpw),
    FILE_ROW("params", "parameters", COUNT, NEITHER, 0, size_params),
    FILE_ROW("windows", "windows", COUNT, NEITHER, 0, size_windows),
    FILE_ROW("tokens", "scored tokens", COUNT, NEITHER, 0, size_tokens),
};
/* clang-format on */

enum { ROWS = sizeof(table) / sizeof(table[0]) };

const struct metric *metric_at(size_t i)
{
    return i < ROWS ? &table[i] : NULL;
}

/* ---- names -------------------------------------------------------------------------------- */

/* A task's metric stands behind the last dot of task:NAME.acc. */
static int parse_task(struct metric_ref *out, struct arena *arena, const char *name,
                      struct err *err)
{
    const char *dot = strrchr(name, '.');
    struct nearest near = nearest_init(dot ? dot + 1 : "");

    if (!dot || dot == name)
        return err_set(err, ERR_ARG, "expected task:NAME.acc, not \"task:%s\"", name);
    for (size_t i = 0; i < ROWS; i++) {
        if (table[i].of != METRIC_OF_TASK)
            continue;
        nearest_look(&near, table[i].name);
        if (!strcmp(table[i].name, dot + 1))
            out->metric = &table[i];
    }
    if (!out->metric)
        return err_set(err, ERR_ARG, "a task has no metric \"%.100s\"; did you mean \"%s\"?",
                       dot + 1, near.best);
    out->task = arena_strn(arena, name, (size_t)(dot - name));
    return out->task ? 0 : err_nomem(err);
}

/* "kld.mean" is how reports write "kld". */
static bool same_name(const char *name, const char *row)
{
    const size_t n = strlen(row);

    return !strncmp(name, row, n) &&
           (!name[n] || (!strcmp(name + n, ".mean") && !strchr(row, '.')));
}

static int parse_plain(struct metric_ref *out, const char *name, struct err *err)
{
    struct nearest near = nearest_init(name);

    for (size_t i = 0; i < ROWS; i++) {
        if (table[i].of == METRIC_OF_TASK || (out->fast && table[i].of != METRIC_OF_TEXT))
            continue;
        nearest_look(&near, table[i].name);
        if (same_name(name, table[i].name)) {
            out->metric = &table[i];
            return 0;
        }
    }
    return err_set(err, ERR_ARG, "there is no metric \"%s%.100s\"; did you mean \"%s%s\"?",
                   out->fast ? "fast." : "", name, out->fast ? "fast." : "", near.best);
}

int metric_parse(struct metric_ref *out, struct arena *arena, const char *name, size_t n,
                 struct err *err)
{
    const char *copy = arena_strn(arena, name, n);

    *out = (struct metric_ref){0};
    if (!copy)
        return err_nomem(err);
    if (!strncmp(copy, "task:", 5))
        return parse_task(out, arena, copy + 5, err);
    out->fast = !strncmp(copy, "fast.", 5);
    return parse_plain(out, out->fast ? copy + 5 : copy, err);
}

const char *metric_name(struct arena *arena, const struct metric_ref *ref)
{
    if (ref->task)
        return arena_fmt(arena, "task:%s.%s", ref->task, ref->metric->name);
    return arena_fmt(arena, "%s%s", ref->fast ? "fast." : "", ref->metric->name);
}

/* ---- values --------------------------------------------------------------------------------- */

static const struct task_result *find_task(const struct report_model *m, const char *name)
{
    for (size_t i = 0; name && i < m->tasks.n; i++)
        if (!strcmp(m->tasks.at[i].name, name))
            return &m->tasks.at[i];
    return NULL;
}

/* The struct that the metric's offsets are of, and how many means it has; NULL: none. */
static const char *holder(size_t *n, const struct metric_ref *ref, const struct report_model *m)
{
    const struct task_result *task = find_task(m, ref->task);
    const struct eval_result *text = ref->fast ? m->result.fast : &m->result;
    const bool of_task = ref->metric->of == METRIC_OF_TASK;

    if (of_task ? !task : !text || ((ref->metric->flags & METRIC_AGAINST) && !text->have_original))
        return NULL;
    *n = of_task ? task->n_items : text->n_windows;
    return of_task ? (const char *)task : (const char *)text;
}

static bool task_lacks(const struct metric *metric, const struct task_result *t)
{
    return (metric->at == OF(acc_norm) && !t->have_norm) || (metric->at == OF(ppl) && !t->have_ppl);
}

struct metric_value metric_get(const struct metric_ref *ref, const struct report *r,
                               const struct report_model *m)
{
    const struct metric *metric = ref->metric;
    struct metric_value v = {
        .mean = {(double)NAN, (double)NAN}
    };

    if (metric->of == METRIC_OF_FILE) {
        v.mean = (struct stats_mean){metric->size(r, m), 0};
        v.known = !isnan(v.mean.value);
        return v;
    }
    const char *from = holder(&v.n, ref, m);
    if (!from || (metric->of == METRIC_OF_TASK && task_lacks(metric, (const void *)from)))
        return v;
    if (metric->error == METRIC_MEAN)
        v.mean = *(const struct stats_mean *)(const void *)(from + metric->at);
    else
        v.mean.value = *(const double *)(const void *)(from + metric->at);
    v.known = isfinite(v.mean.value);
    return v;
}

static const double *series_of(size_t *n, const struct metric_ref *ref,
                               const struct report_model *m)
{
    const char *from = holder(n, ref, m);

    return from ? *(double *const *)(const void *)(from + ref->metric->series) : NULL;
}

bool metric_series(double *out, size_t n, const struct metric_ref *ref, const struct report *r,
                   const struct report_model *m)
{
    const struct metric_ref originals = {.metric = &table[0]}; /* nll */
    size_t have = 0, base = 0;
    const double *less = NULL;

    if (ref->metric->series == METRIC_NO_SERIES)
        return false;
    const double *x = series_of(&have, ref, m);
    if (ref->metric->flags & METRIC_LESS) {
        less = r->original ? series_of(&base, &originals, r->original) : NULL;
        if (!less || base < n)
            return false;
    }
    if (!x || have < n)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = less ? x[i] - less[i] : x[i];
    return true;
}

/* ---- how sure, and for people ------------------------------------------------------------------ */

struct metric_interval metric_interval(const struct metric *metric, struct stats_mean mean,
                                       size_t n, double level)
{
    struct metric_interval i = {mean.value, mean.value};

    if (metric->error == METRIC_EXACT || mean.error == 0)
        return i;
    if (n < 2 || isnan(mean.error) || metric->error == METRIC_UNKNOWN)
        return (struct metric_interval){(double)NAN, (double)NAN};
    const double t = student_t_quantile((1 + level) / 2, (double)n - 1);
    if (metric->flags & METRIC_LOG) {
        const double factor = exp(t * mean.error / mean.value);
        return (struct metric_interval){mean.value / factor, mean.value * factor};
    }
    i.low -= t * mean.error;
    i.high += t * mean.error;
    return i;
}

void metric_show(char out[METRIC_SHOW_BYTES], const struct metric *metric, struct stats_mean mean)
{
    char number[FIGURE_BYTES];
    const char *unit = "";

    switch (metric->unit) {
    case METRIC_SHARE:
        figure_percent(number, mean);
        unit = " %";
        break;
    case METRIC_BYTES:
        figure_size(number, mean.value >= 0 && mean.value < 1e18 ? (uint64_t)mean.value : 0);
        break;
    case METRIC_COUNT:
        figure_num(number, mean.value, 0);
        break;
    default:
        figure_mean(number, mean, metric->error == METRIC_EXACT ? 3 : 4);
        break;
    }
    (void)snprintf(out, METRIC_SHOW_BYTES, "%s%s", number, unit);
}
