#include "eval/csv.h"

#include "eval/metric.h"

#include <math.h>
#include <string.h>

void csv_field(struct buf *out, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        buf_str(out, s);
        return;
    }
    buf_str(out, "\"");
    for (; *s; s++)
        buf_put(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    buf_str(out, "\"");
}

/* ---- columns: those of a text's metrics, then of fast kernels, then of each task ----------------- */

struct columns {
    const char **name; /* [n], in the arena */
    struct metric_ref *ref;
    size_t n;
    struct arena arena;
};

static bool any_fast(const struct report *r)
{
    for (size_t i = 0; i < r->n_models; i++)
        if (r->model[i].result.fast)
            return true;
    return false;
}

static size_t n_metrics(void)
{
    size_t n = 0;

    while (metric_at(n))
        n++;
    return n;
}

static int add(struct columns *c, const struct metric *m, const char *task, bool fast,
               struct err *err)
{
    c->ref[c->n] = (struct metric_ref){.metric = m, .task = task, .fast = fast};
    c->name[c->n] = metric_name(&c->arena, &c->ref[c->n]);
    return c->name[c->n++] ? 0 : err_nomem(err);
}

/* All metrics of one kind. */
static int add_all(struct columns *c, enum metric_of of, const char *task, bool fast,
                   struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && metric_at(i); i++)
        if (metric_at(i)->of == of)
            rc = add(c, metric_at(i), task, fast, err);
    return rc;
}

/* Was the task a column of an earlier model already? */
static bool seen(const struct report *r, size_t model, size_t task)
{
    const char *name = r->model[model].tasks.at[task].name;

    for (size_t i = 0; i <= model; i++)
        for (size_t k = 0; k < r->model[i].tasks.n && (i < model || k < task); k++)
            if (!strcmp(r->model[i].tasks.at[k].name, name))
                return true;
    return false;
}

static int add_tasks(struct columns *c, const struct report *r, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n_models; i++)
        for (size_t k = 0; !rc && k < r->model[i].tasks.n; k++)
            if (!seen(r, i, k))
                rc = add_all(c, METRIC_OF_TASK, r->model[i].tasks.at[k].name, false, err);
    return rc;
}

static int make_columns(struct columns *c, const struct report *r, struct err *err)
{
    size_t tasks = 0;

    for (size_t i = 0; i < r->n_models; i++)
        tasks += r->model[i].tasks.n;
    const size_t most = n_metrics() * (2 + tasks);
    c->name = arena_array(&c->arena, most, sizeof(*c->name));
    c->ref = arena_array(&c->arena, most, sizeof(*c->ref));
    if (!c->name || !c->ref)
        return err_nomem(err);
    int rc = add_all(c, METRIC_OF_FILE, NULL, false, err);
    if (!rc)
        rc = add_all(c, METRIC_OF_TEXT, NULL, false, err);
    if (!rc && any_fast(r))
        rc = add_all(c, METRIC_OF_TEXT, NULL, true, err);
    return rc ? rc : add_tasks(c, r, err);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static void put_heads(struct buf *out, const struct columns *c)
{
    buf_str(out, "role,name,file,type,sha256");
    for (size_t i = 0; i < c->n; i++) {
        buf_str(out, ",");
        csv_field(out, c->name[i]);
        if (c->ref[i].metric->error != METRIC_MEAN)
            continue;
        struct buf name = {0};
        buf_fmt(&name, "%s.error", c->name[i]);
        buf_str(out, ",");
        csv_field(out, name.p ? name.p : "");
        out->bad = out->bad || name.bad;
        buf_release(&name);
    }
    buf_str(out, "\r\n");
}

/* As the JSON has it: the shortest text that reads back as the same number. */
static void put_number(struct buf *out, double x)
{
    struct json_out j = json_out_init(out, true);

    buf_str(out, ",");
    if (isfinite(x))
        json_put_num(&j, NULL, x);
}

static void put_row(struct buf *out, const struct columns *c, const struct report *r,
                    const struct report_model *m)
{
    const char *const text[] = {m->name, m->file, m->type, m->sha256};

    buf_str(out, m == r->original ? "original" : "model");
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        buf_str(out, ",");
        csv_field(out, text[i] ? text[i] : "");
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct metric_value v = metric_get(&c->ref[i], r, m);
        put_number(out, v.known ? v.mean.value : (double)NAN);
        if (c->ref[i].metric->error == METRIC_MEAN)
            put_number(out, v.known ? v.mean.error : (double)NAN);
    }
    buf_str(out, "\r\n");
}

int csv_report(struct buf *out, const struct report *r, const struct gate_results *gates,
               struct err *err)
{
    struct columns c = {0};
    int rc = make_columns(&c, r, err);

    (void)gates;
    if (!rc) {
        put_heads(out, &c);
        if (r->original)
            put_row(out, &c, r, r->original);
        for (size_t i = 0; i < r->n_models; i++)
            put_row(out, &c, r, &r->model[i]);
        rc = buf_check(out, err);
    }
    arena_release(&c.arena);
    return rc;
}
