/* Importance matrices in memory: made, found, merged. */

#include "formats/imatrix.h"

#include "formats/base/rd.h"

#include <stdlib.h>
#include <string.h>

/* ---- entries ------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct imatrix_entry *)a)->name, ((const struct imatrix_entry *)b)->name);
}

static int entry_alloc(struct imatrix_entry *e, struct arena *arena, const char *name,
                       struct err *err)
{
    size_t n;

    e->name = arena_str(arena, name);
    e->sum2 = mul_ok(&n, e->columns, e->matrices) ? arena_array(arena, n, sizeof(*e->sum2)) : NULL;
    e->count = arena_array(arena, e->matrices, sizeof(*e->count));
    return e->name && e->sum2 && e->count ? 0 : err_nomem(err);
}

int imatrix_new(struct imatrix **out, const struct imatrix_entry *shapes, size_t n, struct err *err)
{
    struct imatrix *im = calloc(1, sizeof(*im));
    int rc = 0;

    *out = NULL;
    if (!im)
        return err_nomem(err);
    im->entry = arena_array(&im->arena, n, sizeof(*im->entry));
    if (!im->entry)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < n; i++) {
        im->entry[i] = shapes[i];
        rc = entry_alloc(&im->entry[i], &im->arena, shapes[i].name, err);
    }
    if (rc)
        goto fail;
    im->n_entries = n;
    qsort(im->entry, n, sizeof(*im->entry), by_name);
    for (size_t i = 1; i < n; i++)
        if (!by_name(&im->entry[i - 1], &im->entry[i])) {
            rc = err_set(err, ERR_ARG, "weight %.100s: there twice", im->entry[i].name);
            goto fail;
        }
    *out = im;
    return 0;

fail:
    imatrix_free(im);
    return rc;
}

void imatrix_free(struct imatrix *im)
{
    if (!im)
        return;
    arena_release(&im->arena);
    free(im);
}

struct imatrix_entry *imatrix_find(const struct imatrix *im, const char *name)
{
    const struct imatrix_entry key = {.name = name};

    return im->n_entries ? bsearch(&key, im->entry, im->n_entries, sizeof(*im->entry), by_name)
                         : NULL;
}

/* ---- data sets ----------------------------------------------------------------- */

static int add_datasets(struct imatrix *im, const char *const *name, size_t n, struct err *err)
{
    const char **all = arena_array(&im->arena, im->n_datasets + n, sizeof(*all));

    if (!all)
        return err_nomem(err);
    for (size_t i = 0; i < im->n_datasets; i++)
        all[i] = im->dataset[i];
    for (size_t i = 0; i < n; i++)
        if (!(all[im->n_datasets + i] = arena_str(&im->arena, name[i])))
            return err_nomem(err);
    im->dataset = all;
    im->n_datasets += n;
    return 0;
}

int imatrix_add_dataset(struct imatrix *im, const char *name, struct err *err)
{
    return add_datasets(im, &name, 1, err);
}

/* ---- merging ------------------------------------------------------------------- */

void imatrix_count_tokens(struct imatrix *im, uint32_t chunk_size)
{
    if (im->chunk_size || !chunk_size)
        return;
    for (size_t i = 0; i < im->n_entries; i++) {
        struct imatrix_entry *e = &im->entry[i];
        for (size_t k = 0; k < e->matrices; k++)
            e->count[k] *= (float)chunk_size;
        for (size_t k = 0; k < e->matrices * e->columns; k++)
            e->sum2[k] *= (float)chunk_size;
    }
    im->chunk_size = chunk_size;
}

static bool fits(const struct imatrix_entry *a, const struct imatrix_entry *b)
{
    return (a->columns == b->columns && a->matrices == b->matrices) ||
           (a->columns * a->matrices == b->columns * b->matrices &&
            (a->matrices == 1 || b->matrices == 1));
}

/* Every name of `from`: of the same lengths in `to`, or not there; *common counts. */
static int check_fit(size_t *common, const struct imatrix *to, const struct imatrix *from,
                     struct err *err)
{
    *common = 0;
    for (size_t i = 0; i < from->n_entries; i++) {
        const struct imatrix_entry *f = &from->entry[i], *t = imatrix_find(to, f->name);
        if (t && !fits(t, f))
            return err_set(err, ERR_FORMAT,
                           "weight %.100s: %llu columns of %llu matrices, expected %llu of %llu",
                           f->name, (unsigned long long)f->columns, (unsigned long long)f->matrices,
                           (unsigned long long)t->columns, (unsigned long long)t->matrices);
        *common += t != NULL;
    }
    if (to->n_entries && from->n_entries && !*common)
        return err_set(err, ERR_FORMAT,
                       "of another model: it has %.100s, but none of the weights like %.100s",
                       from->entry[0].name, to->entry[0].name);
    return 0;
}

/* One count for all matrices becomes one for each. */
static int split_counts(struct imatrix_entry *e, uint64_t matrices, struct arena *arena,
                        struct err *err)
{
    float *count = arena_array(arena, matrices, sizeof(*count));

    if (!count)
        return err_nomem(err);
    for (size_t i = 0; i < matrices; i++)
        count[i] = e->count[0];
    e->columns /= matrices;
    e->matrices = matrices;
    e->count = count;
    return 0;
}

/* `by`: tokens for each that `f` counts. */
static int add_entry(struct imatrix *to, struct imatrix_entry *t, const struct imatrix_entry *f,
                     float by, struct err *err)
{
    if (t->matrices < f->matrices) {
        const int rc = split_counts(t, f->matrices, &to->arena, err);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < t->matrices; i++)
        t->count[i] += by * f->count[f->matrices == 1 ? 0 : i];
    for (size_t i = 0; i < t->matrices * t->columns; i++)
        t->sum2[i] += by * f->sum2[i];
    return 0;
}

/* Make room for the weights that only `from` has, without sums. */
static int add_names(struct imatrix *to, const struct imatrix *from, size_t n_new, struct err *err)
{
    struct imatrix_entry *all;
    size_t n = to->n_entries;

    if (!n_new)
        return 0;
    all = arena_array(&to->arena, n + n_new, sizeof(*all));
    if (!all)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        all[i] = to->entry[i];
    for (size_t i = 0; i < from->n_entries; i++) {
        if (imatrix_find(to, from->entry[i].name))
            continue;
        all[n] = from->entry[i];
        const int rc = entry_alloc(&all[n++], &to->arena, from->entry[i].name, err);
        if (rc)
            return rc;
    }
    qsort(all, n, sizeof(*all), by_name);
    to->entry = all;
    to->n_entries = n;
    return 0;
}

/* Chunks of another size count by their tokens. */
static uint32_t chunks_of(const struct imatrix *from, uint32_t chunk_size)
{
    const uint64_t tokens = (uint64_t)from->chunks * from->chunk_size;

    return chunk_size && from->chunk_size ? (uint32_t)((tokens + chunk_size / 2) / chunk_size)
                                          : from->chunks;
}

int imatrix_merge(struct imatrix *to, const struct imatrix *from, struct err *err)
{
    size_t common;
    int rc = check_fit(&common, to, from, err);

    if (!rc)
        rc = add_names(to, from, from->n_entries - common, err);
    if (!rc)
        rc = add_datasets(to, from->dataset, from->n_datasets, err);
    if (rc)
        return rc;
    if (!to->n_entries || !to->chunk_size)
        imatrix_count_tokens(to, from->chunk_size);
    const float by = from->chunk_size || !to->chunk_size ? 1.0F : (float)to->chunk_size;
    for (size_t i = 0; !rc && i < from->n_entries; i++)
        rc = add_entry(to, imatrix_find(to, from->entry[i].name), &from->entry[i], by, err);
    to->chunks += chunks_of(from, to->chunk_size);
    return rc;
}
