#include "quant/diff.h"

#include "formats/base/rd.h"
#include "quant/pipe/pipe.h"
#include "quant/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Row groups compared before their pages are given back: enough for every core to find
 * work, few enough for what is mapped. */
enum { BATCH = 64 };

/* Sums of a group, in double. */
struct sums {
    double err2, a2, b2, ab, max;
};

struct group {
    struct diff_tensor *t;
    uint64_t r0, n; /* rows */
    struct sums sums;
    int rc;
    struct err err;
};

struct work {
    struct group group[BATCH];
    size_t n;
    float *scratch; /* owned; scratch_values of each thread, half for either model */
    size_t scratch_values;
    struct sums *sums;     /* owned; by tensor */
    size_t item;           /* next group: of this tensor */
    uint64_t row;          /* from this row */
    uint64_t done, total;  /* values */
    const struct log *log; /* borrowed */
};

/* ---- numbers ------------------------------------------------------------------- */

enum { LANES = 8 };

/* In lanes, then across: the order of the sums is fixed. A NaN among the values makes all of
 * them NaN, the largest difference too. */
static void sum_up(struct sums *s, const float *a, const float *b, size_t n)
{
    double err2[LANES] = {0}, a2[LANES] = {0}, b2[LANES] = {0}, ab[LANES] = {0};
    double max = s->max;

    for (size_t i = 0; i < n; i += LANES) {
        const size_t k = n - i < LANES ? n - i : LANES;
        for (size_t j = 0; j < k; j++) {
            const double x = (double)a[i + j], y = (double)b[i + j], d = x - y;
            err2[j] += d * d;
            a2[j] += x * x;
            b2[j] += y * y;
            ab[j] += x * y;
            max = fabs(d) > max ? fabs(d) : max;
        }
    }
    for (size_t j = 0; j < LANES; j++) {
        s->err2 += err2[j];
        s->a2 += a2[j];
        s->b2 += b2[j];
        s->ab += ab[j];
    }
    s->max = isnan(s->err2) ? s->err2 : max;
}

static void add(struct sums *to, const struct sums *from)
{
    to->err2 += from->err2;
    to->a2 += from->a2;
    to->b2 += from->b2;
    to->ab += from->ab;
    to->max = isnan(from->max) || from->max > to->max ? from->max : to->max;
}

/* Of nothing but zeros in A any difference is infinitely large, and any direction another. */
static void conclude(struct diff_tensor *t, const struct sums *s)
{
    const double lengths = sqrt(s->a2) * sqrt(s->b2);

    t->err2 = s->err2;
    t->sum2 = s->a2;
    t->max = s->max;
    if (isnan(s->err2)) {
        t->nmse = t->cosine = t->max = (double)NAN; /* of one sign */
        return;
    }
    t->nmse = s->err2 == 0 ? 0 : s->err2 / s->a2;
    t->cosine = s->err2 == 0 ? 1 : lengths == 0 ? 0 : s->ab / lengths;
}

/* ---- groups ---------------------------------------------------------------------- */

static uint64_t group_rows(const struct diff_tensor *t)
{
    const uint64_t a = pipe_group_rows(t->a), b = pipe_group_rows(t->b);

    return a < b ? a : b;
}

static void fill(struct work *w, const struct diff *d)
{
    w->n = 0;
    while (w->n < BATCH && w->item < d->n) {
        struct diff_tensor *t = &d->t[w->item];
        const uint64_t rows = t->kind == DIFF_COMPARED ? source_n_rows(t->a) : 0;
        const uint64_t left = rows - w->row;
        if (left) {
            const uint64_t n = left < group_rows(t) ? left : group_rows(t);
            w->group[w->n++] = (struct group){.t = t, .r0 = w->row, .n = n};
            w->row += n;
        }
        if (w->row == rows) {
            w->item++;
            w->row = 0;
        }
    }
}

static void compare_group(void *arg, size_t i, int thread)
{
    struct work *w = arg;
    struct group *g = &w->group[i];
    float *a = w->scratch + (size_t)thread * w->scratch_values, *b = a + w->scratch_values / 2;
    const size_t len = (size_t)source_row_len(g->t->a);

    g->rc = rows_read(a, g->t->a, g->r0, g->n, &g->err);
    if (!g->rc)
        g->rc = rows_read(b, g->t->b, g->r0, g->n, &g->err);
    if (!g->rc)
        sum_up(&g->sums, a, b, (size_t)g->n * len);
}

static void forget(const struct group *g)
{
    pipe_forget(&(struct pipe_group){.t = g->t->a, .r0 = g->r0, .n = g->n}, 1);
    pipe_forget(&(struct pipe_group){.t = g->t->b, .r0 = g->r0, .n = g->n}, 1);
}

/* Neighbouring groups of a tensor at once, as small stretches of a file share pages. */
static void forget_all(const struct work *w)
{
    for (size_t i = 0, k; i < w->n; i = k) {
        struct group all = w->group[i];
        for (k = i + 1; k < w->n && w->group[k].t == all.t; k++)
            all.n += w->group[k].n;
        forget(&all);
    }
}

static int collect(struct work *w, const struct diff *d, struct err *err)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct group *g = &w->group[i];
        if (g->rc == ERR_NOMEM) {
            *err = g->err;
            return g->rc;
        }
        if (g->rc)
            g->t->kind = DIFF_UNREADABLE;
        add(&w->sums[g->t - d->t], &g->sums);
        w->done += g->n * source_row_len(g->t->a);
    }
    log_progress(w->log, "values", w->done, w->total);
    return log_stop(w->log, err);
}

static int compare_all(struct diff *d, const struct par *par, const struct log *log,
                       struct err *err)
{
    struct work *w = calloc(1, sizeof(*w));
    size_t most = 0, bytes;
    int rc = 0;

    if (!w)
        return err_nomem(err);
    w->log = log;
    for (size_t i = 0; i < d->n; i++)
        if (d->t[i].kind == DIFF_COMPARED) {
            const size_t n = (size_t)(group_rows(&d->t[i]) * source_row_len(d->t[i].a));
            most = n > most ? n : most;
            w->total += d->t[i].n;
        }
    w->scratch_values = 2 * most;
    w->sums = calloc(d->n + 1, sizeof(*w->sums));
    if (w->sums && mul_ok(&bytes, w->scratch_values * sizeof(float), (size_t)par->n_threads))
        w->scratch = malloc(bytes + 1);
    if (!w->scratch)
        rc = err_nomem(err);
    while (!rc) {
        fill(w, d);
        if (!w->n)
            break;
        par_for(par, w->n, compare_group, w);
        forget_all(w);
        rc = collect(w, d, err);
    }
    for (size_t i = 0; !rc && i < d->n; i++)
        if (d->t[i].kind == DIFF_COMPARED)
            conclude(&d->t[i], &w->sums[i]);
    free(w->sums);
    free(w->scratch);
    free(w);
    return rc;
}

/* ---- the list --------------------------------------------------------------------- */

/* A tensor of one row is a vector, however its shape is written. */
static bool same_shape(const struct source_tensor *a, const struct source_tensor *b)
{
    for (int i = 0; i < GGUF_MAX_DIMS; i++) {
        const uint64_t x = i < a->n_dims ? a->dims[i] : 1, y = i < b->n_dims ? b->dims[i] : 1;
        if (x != y)
            return false;
    }
    return true;
}

static int pair(struct diff *d, const struct source *a, const struct source *b, struct err *err)
{
    const size_t na = source_n_tensors(a), nb = source_n_tensors(b);

    d->t = calloc(na + nb + 1, sizeof(*d->t));
    if (!d->t)
        return err_nomem(err);
    for (size_t i = 0; i < na; i++) {
        struct diff_tensor *t = &d->t[d->n++];
        t->a = source_tensor(a, i);
        t->b = source_find(b, t->a->name);
        t->kind = !t->b ? DIFF_ONLY_A : same_shape(t->a, t->b) ? DIFF_COMPARED : DIFF_SHAPE;
        t->n = t->kind == DIFF_COMPARED ? source_n_rows(t->a) * source_row_len(t->a) : 0;
    }
    for (size_t i = 0; i < nb; i++)
        if (!source_find(a, source_tensor(b, i)->name))
            d->t[d->n++] = (struct diff_tensor){.kind = DIFF_ONLY_B, .b = source_tensor(b, i)};
    return 0;
}

static const char *name_of(const struct diff_tensor *t)
{
    return t->a ? t->a->name : t->b->name;
}

static int worst_first(const void *a, const void *b)
{
    const struct diff_tensor *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (isnan(x->nmse) != isnan(y->nmse))
        return isnan(x->nmse) ? -1 : 1;
    if (x->nmse > y->nmse || x->nmse < y->nmse)
        return x->nmse > y->nmse ? -1 : 1;
    return strcmp(name_of(x), name_of(y));
}

int diff_models(struct diff *out, const struct source *a, const struct source *b,
                const struct par *par, const struct log *log, struct err *err)
{
    *out = (struct diff){0};
    int rc = pair(out, a, b, err);
    if (!rc)
        rc = compare_all(out, par, log, err);
    if (rc) {
        diff_release(out);
        return rc;
    }
    qsort(out->t, out->n, sizeof(*out->t), worst_first);
    return 0;
}

void diff_release(struct diff *d)
{
    free(d->t);
    *d = (struct diff){0};
}
