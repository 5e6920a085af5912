/* The numbers beside NVFP4 weights. They have to be known before the first row is encoded, so
 * such tensors are read twice. */

#include "quant/global.h"
#include "quant/pipe/pipe.h"
#include "quant/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As the source has them: for rows that are copied, or codes that are kept. */
static bool are_known(const struct pipe_stat *s)
{
    return s->t->global && s->t->type == s->type && (s->t->coded || rows_verbatim(s->t, s->type));
}

static size_t how_many(const struct pipe_stat *s, const struct source *from)
{
    if (rows_verbatim(s->t, s->type) || (s->t->coded && s->t->type == s->type))
        return s->t->n_global;
    return global_count(from, s->t, s->type);
}

int pipe_global_plan(bool *needed, struct source_tensor *beside, struct pipe_stat *s,
                     const struct source *from, struct arena *arena, struct err *err)
{
    const size_t n = how_many(s, from);

    *needed = n > 0;
    if (!n)
        return 0;
    s->global = arena_array(arena, n, sizeof(*s->global));
    s->n_global = n;
    return s->global ? global_beside(beside, s->t, s->global, n, arena, err) : err_nomem(err);
}

/* ---- the largest magnitudes ---------------------------------------------------------- */

enum { GROUPS = 64 }; /* read before their pages are let go */

struct search {
    const struct pipe_stat *s;
    float *scratch;
    size_t scratch_values;
    uint64_t r0; /* of the GROUPS groups at hand */
    uint64_t per_group;
    float *most; /* of each number, for every thread */
    int rc[GROUPS];
    struct err err[GROUPS];
};

static void look(void *arg, size_t i, int thread)
{
    struct search *f = arg;
    const struct source_tensor *t = f->s->t;
    const size_t len = (size_t)source_row_len(t), n = f->s->n_global;
    const uint64_t rows = source_n_rows(t), first = f->r0 + i * f->per_group;
    const uint64_t count = rows - first < f->per_group ? rows - first : f->per_group;
    float *x = f->scratch + (size_t)thread * f->scratch_values,
          *most = f->most + (size_t)thread * n;

    f->rc[i] = rows_read_to_write(x, t, first, count, &f->err[i]);
    for (uint64_t r = 0; !f->rc[i] && r < count; r++) {
        float *at = &most[global_of_row(t, n, first + r)];
        const float here = global_largest(x + r * len, len);
        *at = here > *at ? here : *at;
    }
}

static int find(struct pipe_stat *s, struct search *f, const struct pipe_job *job, struct err *err)
{
    const uint64_t rows = source_n_rows(s->t);
    const size_t threads = (size_t)job->par.n_threads;
    int rc = 0;

    f->s = s;
    f->per_group = pipe_group_rows(s->t);
    memset(f->most, 0, threads * s->n_global * sizeof(*f->most));
    for (f->r0 = 0; !rc && f->r0 < rows; f->r0 += f->per_group * GROUPS) {
        const uint64_t left = (rows - f->r0 + f->per_group - 1) / f->per_group;
        const size_t n = left < GROUPS ? (size_t)left : GROUPS;
        const uint64_t end = f->r0 + n * f->per_group;
        par_for(&job->par, n, look, f);
        pipe_forget(
            &(struct pipe_group){.t = s->t, .r0 = f->r0, .n = (end < rows ? end : rows) - f->r0},
            1);
        for (size_t i = 0; !rc && i < n; i++)
            if (f->rc[i]) {
                *err = f->err[i];
                rc = f->rc[i];
            }
        if (!rc)
            rc = log_stop(job->log, err);
    }
    for (size_t k = 0; k < s->n_global; k++) {
        float most = 0;
        for (size_t t = 0; t < threads; t++)
            most = fmaxf(most, f->most[t * s->n_global + k]);
        s->global[k] = global_number(most);
    }
    return rc;
}

int pipe_global_find(struct pipe_stat *stats, size_t n, const struct pipe_job *job, float *scratch,
                     size_t scratch_values, struct err *err)
{
    size_t most = 0;
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        most = stats[i].n_global > most ? stats[i].n_global : most;
    if (!most)
        return 0;
    struct search *f = calloc(1, sizeof(*f));
    float *numbers = calloc(most * (size_t)job->par.n_threads, sizeof(*numbers));
    if (!f || !numbers)
        rc = err_nomem(err);
    else
        *f = (struct search){.scratch = scratch, .scratch_values = scratch_values, .most = numbers};
    for (size_t i = 0; !rc && i < n; i++)
        if (stats[i].n_global && are_known(&stats[i]))
            memcpy(stats[i].global, stats[i].t->global, stats[i].n_global * sizeof(float));
        else if (stats[i].n_global)
            rc = find(&stats[i], f, job, err);
    free(numbers);
    free(f);
    return rc;
}
