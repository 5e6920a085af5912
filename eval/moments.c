/* Second moments of every input, as many at a time as there is memory for. */

#include "eval/collect.h"

#include "eval/gram.h"
#include "formats/moments.h"

#include <stdlib.h>
#include <string.h>

/* A matrix's sums. */
struct unit {
    size_t input, matrix;
    size_t values;
    float *triangle; /* owned; NULL: not in this run */
};

struct job {
    struct collect *c;
    struct gram *gram;           /* owned */
    struct moments_writer *file; /* owned */
    struct unit *unit;           /* owned; in the order of the inputs, then of matrices */
    size_t n_units;
    size_t *first; /* owned; [inputs + 1] each one's first unit */
    struct err *err;
    int rc; /* what went wrong while watching */
};

/* ---- what there is to do --------------------------------------------------------------- */

static int list_units(struct job *j, struct err *err)
{
    const struct inputs *in = &j->c->inputs;
    size_t most = 0;

    for (size_t i = 0; i < in->n; i++)
        most += in->at[i].count ? in->at[i].matrices : 0;
    j->unit = calloc(most + 1, sizeof(*j->unit));
    j->first = calloc(in->n + 1, sizeof(*j->first));
    if (!j->unit || !j->first)
        return err_nomem(err);
    for (size_t i = 0; i < in->n; i++) {
        const struct input *x = &in->at[i];
        j->first[i] = j->n_units;
        for (size_t m = 0; x->count && m < x->matrices; m++) {
            struct unit *u = &j->unit[j->n_units];
            if (!x->count[m])
                continue;
            *u = (struct unit){.input = i, .matrix = m};
            if (!moments_values(&u->values, x->columns))
                return err_set(err, ERR_UNSUPPORTED, "%.100s: %zu columns are too many", x->name,
                               x->columns);
            j->n_units++;
        }
    }
    j->first[in->n] = j->n_units;
    return 0;
}

/* Units from `begin` on that fit together: at least one. */
static size_t take(const struct job *j, size_t begin, uint64_t memory)
{
    uint64_t bytes = 0;
    size_t end = begin;

    for (; end < j->n_units; end++) {
        bytes += j->unit[end].values * sizeof(float);
        if (end > begin && bytes > memory)
            break;
    }
    return end;
}

static size_t count_passes(const struct job *j, uint64_t memory)
{
    size_t n = 0;

    for (size_t at = 0; at < j->n_units; at = take(j, at, memory))
        n++;
    return n;
}

/* ---- one run ----------------------------------------------------------------------------- */

static void add_input(void *arg, const struct sess_input *in)
{
    struct job *j = arg;
    size_t at[INPUTS_TOGETHER], n = 0, matrix = 0;

    if (!j->rc)
        j->rc = inputs_find(at, &n, &matrix, &j->c->inputs, in, j->err);
    for (size_t i = 0; !j->rc && i < n; i++)
        for (size_t u = j->first[at[i]]; u < j->first[at[i] + 1]; u++)
            if (j->unit[u].matrix == matrix && j->unit[u].triangle)
                gram_add(j->unit[u].triangle, j->gram, in->x, in->ld_x, in->n, in->job[0].w->cols);
}

/* Blocks that have to be computed for units [begin, end). */
static size_t layers_for(const struct job *j, size_t begin, size_t end)
{
    size_t n = 0;

    for (size_t u = begin; u < end; u++) {
        const int layer = j->c->inputs.at[j->unit[u].input].layer;
        if (layer < 0)
            return SIZE_MAX;
        n = (size_t)layer + 1 > n ? (size_t)layer + 1 : n;
    }
    return n;
}

static int run(struct job *j, size_t begin, size_t end, const struct collect_pass *p,
               struct err *err)
{
    const struct sess_watch watch = {
        .fn = add_input, .arg = j, .n_layers = layers_for(j, begin, end)};

    for (size_t u = begin; u < end; u++) {
        j->unit[u].triangle = calloc(j->unit[u].values, sizeof(float));
        if (!j->unit[u].triangle)
            return err_nomem(err);
    }
    return collect_run(j->c, &watch, &j->rc, p, err);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* An input's head: all weights that share it. */
static int put_input(struct job *j, size_t i, struct err *err)
{
    const struct inputs *in = &j->c->inputs;
    struct moments_input head = {.columns = in->at[i].columns, .matrices = in->at[i].matrices};
    int rc;

    head.weight = calloc(in->n, sizeof(*head.weight));
    if (!head.weight)
        return err_nomem(err);
    for (size_t k = 0; k < in->n; k++)
        if (in->at[k].same == i)
            head.weight[head.n_weights++] = in->at[k].name;
    head.tokens = in->at[i].count;
    rc = moments_writer_input(j->file, &head, err);
    free(head.weight);
    return rc;
}

static int put(struct job *j, size_t begin, size_t end, struct err *err)
{
    int rc = 0;

    for (size_t u = begin; !rc && u < end; u++) {
        struct unit *x = &j->unit[u];
        if (u == j->first[x->input])
            rc = put_input(j, x->input, err);
        if (!rc)
            rc = moments_writer_put(j->file, x->triangle, &j->c->par, err);
        free(x->triangle);
        x->triangle = NULL;
    }
    return rc;
}

static int run_all(struct job *j, uint64_t memory, struct err *err)
{
    struct collect_pass p = {0, count_passes(j, memory)};
    int rc = 0;

    for (size_t at = 0; !rc && at < j->n_units; p.at++) {
        const size_t end = take(j, at, memory);
        rc = run(j, at, end, &p, err);
        if (!rc)
            rc = put(j, at, end, err);
        at = end;
    }
    return rc ? rc : moments_writer_commit(j->file, err);
}

static size_t widest(const struct inputs *in)
{
    size_t columns = 1;

    for (size_t i = 0; i < in->n; i++)
        columns = in->at[i].columns > columns ? in->at[i].columns : columns;
    return columns;
}

int collect_moments(struct collect *c, const char *path, uint64_t memory, struct err *err)
{
    struct job j = {.c = c, .err = err};
    int rc = list_units(&j, err);

    if (!rc)
        rc = gram_new(&j.gram, widest(&c->inputs), c->cpu, &c->par, err);
    if (!rc)
        rc = moments_writer_new(&j.file, path, (uint32_t)c->text->n, (uint32_t)c->text->n_ctx, err);
    if (!rc)
        rc = run_all(&j, memory, err);
    moments_writer_free(j.file);
    gram_free(j.gram);
    for (size_t u = 0; u < j.n_units; u++)
        free(j.unit[u].triangle);
    free(j.unit);
    free(j.first);
    return rc;
}
