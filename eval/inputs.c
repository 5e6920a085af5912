#include "eval/inputs.h"

#include "formats/base/rd.h"

#include <stdlib.h>
#include <string.h>

void inputs_release(struct inputs *in)
{
    strmap_release(&in->names);
    arena_release(&in->arena);
    free(in->at);
    *in = (struct inputs){0};
}

static int grow(struct inputs *in, struct err *err)
{
    const size_t cap = in->cap ? 2 * in->cap : 64;
    struct input *at = realloc(in->at, cap * sizeof(*at));

    if (!at)
        return err_nomem(err);
    in->at = at;
    in->cap = cap;
    return 0;
}

/* One more, with sums of its own unless it shares those of `same`. */
static int add(struct inputs *in, const struct matrix *w, bool together, size_t same,
               struct err *err)
{
    bool added;
    size_t n;
    int rc = in->n < in->cap ? 0 : grow(in, err);

    if (rc)
        return rc;
    struct input *i = &in->at[in->n];
    *i = (struct input){.name = w->t->name,
                        .layer = w->t->layer,
                        .columns = w->cols,
                        .matrices = (size_t)source_n_rows(w->t) / w->rows,
                        .together = together,
                        .same = same};
    if (same == in->n) {
        i->sum2 = mul_ok(&n, i->matrices, i->columns) ? arena_array(&in->arena, n, sizeof(*i->sum2))
                                                      : NULL;
        i->count = arena_array(&in->arena, i->matrices, sizeof(*i->count));
        if (!i->sum2 || !i->count)
            return err_nomem(err);
    }
    rc = strmap_add(&added, &in->names, i->name, strlen(i->name), in->n, err);
    if (!rc)
        in->n++;
    return rc;
}

static bool holds(const size_t *list, size_t n, size_t x)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == x)
            return true;
    return false;
}

int inputs_find(size_t out[INPUTS_TOGETHER], size_t *n, size_t *matrix, struct inputs *in,
                const struct sess_input *rows, struct err *err)
{
    *n = 0;
    *matrix = rows->job[0].w->row0 / rows->job[0].w->rows;
    for (size_t j = 0; j < rows->n_jobs; j++) {
        const struct matrix *w = rows->job[j].w;
        size_t i;
        if (!strmap_get(&i, &in->names, w->t->name, strlen(w->t->name))) {
            i = in->n;
            const int rc = add(in, w, rows->together, *n ? out[0] : i, err);
            if (rc)
                return rc;
        }
        if (!holds(out, *n, in->at[i].same) && *n < INPUTS_TOGETHER)
            out[(*n)++] = in->at[i].same;
    }
    return 0;
}
