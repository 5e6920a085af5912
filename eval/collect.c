#include "eval/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns that are summed in registers, and that one piece of work takes. */
enum { LANES = 16, PIECE = 8 * LANES };

/* Products below this many values are summed by the calling thread alone. */
enum { SMALL = 1 << 14 };

/* ---- sums ---------------------------------------------------------------------- */

/* Rows that are added to sum2[columns]. */
struct rows {
    const struct sess_input *in;
    double *sum2;
    size_t columns;
};

/* sum2[k] += x[., k]^2 for k < n <= LANES. */
static void add_columns(double *sum2, const float *x, size_t ld, size_t n_rows, size_t n)
{
    double sum[LANES] = {0};

    memcpy(sum, sum2, n * sizeof(*sum));
    for (size_t r = 0; n == LANES && r < n_rows; r++, x += ld)
        for (size_t k = 0; k < LANES; k++)
            sum[k] += (double)x[k] * (double)x[k];
    for (size_t r = 0; n < LANES && r < n_rows; r++, x += ld)
        for (size_t k = 0; k < n; k++)
            sum[k] += (double)x[k] * (double)x[k];
    memcpy(sum2, sum, n * sizeof(*sum));
}

static void add_piece(void *arg, size_t i, int thread)
{
    const struct rows *r = arg;
    const size_t end = (i + 1) * PIECE < r->columns ? (i + 1) * PIECE : r->columns;

    (void)thread;
    for (size_t k = i * PIECE; k < end; k += LANES)
        add_columns(r->sum2 + k, r->in->x + k, r->in->ld_x, r->in->n,
                    end - k < LANES ? end - k : LANES);
}

/* Watches one session. The first error stays. */
struct watcher {
    struct collect *c;
    struct err *err;
    int rc;
};

/* That they are not finite shows in the first window already. */
static int check_finite(const struct collect *c, const struct input *in, size_t matrix,
                        struct err *err)
{
    const double *sum2 = in->sum2 + matrix * in->columns;

    for (size_t k = 0; k < in->columns; k++)
        if (!isfinite((float)sum2[k]))
            return err_set(err, ERR_FORMAT,
                           "%s: inputs of weight %.100s are not finite, column %zu",
                           source_path(model_source(c->model)), in->name, k);
    return 0;
}

static int check_all_finite(const struct collect *c, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < c->inputs.n; i++)
        for (size_t m = 0; !rc && c->inputs.at[i].sum2 && m < c->inputs.at[i].matrices; m++)
            rc = check_finite(c, &c->inputs.at[i], m, err);
    return rc;
}

static void add_input(void *arg, const struct sess_input *in)
{
    struct watcher *w = arg;
    struct inputs *all = &w->c->inputs;
    size_t at[INPUTS_TOGETHER], n = 0, matrix = 0;
    const struct par alone = {1};

    if (!w->rc)
        w->rc = inputs_find(at, &n, &matrix, all, in, w->err);
    for (size_t i = 0; !w->rc && i < n; i++) {
        struct input *to = &all->at[at[i]];
        struct rows r = {.in = in, .sum2 = to->sum2 + matrix * to->columns, .columns = to->columns};
        par_for(in->n * to->columns < SMALL ? &alone : &w->c->par,
                (to->columns + PIECE - 1) / PIECE, add_piece, &r);
        if (!to->count[matrix])
            w->rc = check_finite(w->c, to, matrix, w->err);
        to->count[matrix] += in->n;
    }
}

/* The model over all windows; *found is what the watcher came upon. */
static int run_windows(const struct collect *c, struct sess *s, const int *found,
                       const struct collect_pass *p, struct err *err)
{
    const struct windows *text = c->text;
    const uint64_t tokens = text->n * text->n_ctx;
    int32_t *ids = calloc(text->n_ctx, sizeof(*ids));
    int rc = ids ? 0 : err_nomem(err);

    for (size_t i = 0; !rc && i < text->n; i++) {
        windows_get(ids, text, i);
        (void)sess_keep(s, 0);
        rc = log_stop(c->log, err);
        if (!rc)
            rc = sess_eval(s, ids, text->n_ctx, NULL, 0, err);
        if (!rc)
            rc = *found;
        log_progress(c->log, "tokens", p->at * tokens + (i + 1) * text->n_ctx, p->of * tokens);
    }
    free(ids);
    return rc;
}

int collect_run(const struct collect *c, const struct sess_watch *watch, const int *found,
                const struct collect_pass *p, struct err *err)
{
    struct sess *s = NULL;
    int rc = sess_new(&s, c->model, c->text->n_ctx, c->text->n_ctx, &c->par, err);

    if (!rc)
        rc = sess_watch(s, watch, err);
    if (!rc)
        rc = run_windows(c, s, found, p, err);
    sess_free(s);
    return rc;
}

/* ---- what came of them ----------------------------------------------------------- */

static void fill(struct imatrix_entry *e, const struct input *own, const struct input *from)
{
    for (size_t k = 0; k < from->matrices * from->columns; k++)
        e->sum2[k] = (float)from->sum2[k];
    for (size_t k = 0; k < (own->together ? 1 : from->matrices); k++)
        e->count[k] = (float)from->count[k];
}

static int result(struct imatrix **out, const struct collect *c, struct err *err)
{
    const struct inputs *in = &c->inputs;
    struct imatrix_entry *shapes = calloc(in->n + 1, sizeof(*shapes));
    int rc = shapes ? 0 : err_nomem(err);

    for (size_t i = 0; !rc && i < in->n; i++) {
        const struct input *x = &in->at[i];
        shapes[i].name = x->name;
        shapes[i].columns = x->together ? x->matrices * x->columns : x->columns;
        shapes[i].matrices = x->together ? 1 : x->matrices;
    }
    if (!rc)
        rc = imatrix_new(out, shapes, in->n, err);
    for (size_t i = 0; !rc && i < in->n; i++)
        fill(imatrix_find(*out, in->at[i].name), &in->at[i], &in->at[in->at[i].same]);
    free(shapes);
    if (rc)
        return rc;
    (*out)->chunks = (uint32_t)c->text->n;
    (*out)->chunk_size = (uint32_t)c->text->n_ctx;
    return 0;
}

/* ---- experts without data ---------------------------------------------------------- */

static size_t n_unused(const struct imatrix_entry *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->matrices; i++)
        n += e->count[i] == 0;
    return n;
}

static void warn_unused(const struct imatrix *im, const struct log *log)
{
    enum { NAMED = 3, EXPERTS = 8 };
    size_t weights = 0, experts = 0;

    for (size_t i = 0; i < im->n_entries; i++) {
        const struct imatrix_entry *e = &im->entry[i];
        const size_t n = n_unused(e);
        struct buf list = {0};
        size_t listed = 0;

        weights += n > 0;
        experts += n;
        if (!n || weights > NAMED)
            continue;
        for (size_t k = 0; k < e->matrices && listed < EXPERTS; k++)
            if (e->count[k] == 0)
                buf_fmt(&list, "%s%zu", listed++ ? ", " : "", k);
        log_warn(log, "%.100s: no token reached %zu of %zu experts (%s%s)", e->name, n,
                 (size_t)e->matrices, list.p ? list.p : "", n > listed ? ", ..." : "");
        buf_release(&list);
    }
    if (weights > NAMED)
        log_warn(log, "%zu more weights have such experts: %zu matrices without data in all",
                 weights - NAMED, experts);
}

/* ---- all of it ----------------------------------------------------------------------- */

int collect_sums(struct imatrix **out, struct collect *c, struct err *err)
{
    struct watcher w = {.c = c, .err = err};
    const struct sess_watch watch = {.fn = add_input, .arg = &w, .n_layers = SIZE_MAX};
    const struct collect_pass pass = {0, 1};

    *out = NULL;
    int rc = collect_run(c, &watch, &w.rc, &pass, err);
    if (!rc)
        rc = check_all_finite(c, err);
    if (!rc)
        rc = result(out, c, err);
    if (!rc)
        warn_unused(*out, c->log);
    return rc;
}

void collect_release(struct collect *c)
{
    inputs_release(&c->inputs);
}

int collect_from(struct imatrix **out, struct collect *c, const struct collect_text *t,
                 struct err *err)
{
    const char *text = t->text->size ? (const char *)t->text->data : "";
    struct windows windows;
    int rc = windows_cut(&windows, c->model, text, t->text->size, &t->how, err);

    c->text = &windows;
    if (!rc)
        rc = collect_sums(out, c, err);
    if (!rc && t->full)
        rc = collect_moments(c, t->full, t->memory, err);
    if (!rc)
        rc = imatrix_add_dataset(*out, t->dataset, err);
    collect_release(c);
    windows_release(&windows);
    return rc;
}
