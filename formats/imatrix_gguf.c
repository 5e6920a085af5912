/* Importance matrices as llama-imatrix keeps them: a GGUF of two tensors for every weight.
 * Source: docs/formats.md. */

#include "formats/imatrix.h"

#include "formats/base/buf.h"
#include "formats/base/map.h"
#include "formats/base/path.h"
#include "formats/gguf.h"
#include "formats/gguf_write.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const sums_end = ".in_sum2", *const counts_end = ".counts";

/* ---- reading ------------------------------------------------------------------- */

static uint64_t n_floats(const struct gguf_tensor *t)
{
    return t->bytes / sizeof(float);
}

/* The tensor beside `t` whose name ends differently. */
static int find_other(const struct gguf_tensor **out, const struct gguf *g,
                      const struct gguf_tensor *t, const char *end, const char *other,
                      struct arena *names, struct err *err)
{
    const size_t n = strlen(t->name) - strlen(end);
    const char *name = arena_fmt(names, "%.*s%s", (int)n, t->name, other);

    if (!name)
        return err_nomem(err);
    *out = gguf_find(g, name);
    return *out ? 0
                : err_set(err, ERR_FORMAT, "tensor %.100s: there is no %.100s beside it", t->name,
                          name);
}

static int check_tensor(const struct gguf_tensor *t, struct err *err)
{
    if (t->type != DTYPE_F32)
        return err_set(err, ERR_FORMAT, "tensor %.100s: type %s, expected F32", t->name,
                       dtype_get(t->type)->name);
    if (!n_floats(t))
        return err_set(err, ERR_FORMAT, "tensor %.100s: it is empty", t->name);
    return 0;
}

/* The shape of the weight whose sums are `t`. */
static int read_shape(struct imatrix_entry *e, const struct gguf *g, const struct gguf_tensor *t,
                      struct arena *names, struct err *err)
{
    const struct gguf_tensor *counts = NULL;
    int rc = check_tensor(t, err);

    if (!rc)
        rc = find_other(&counts, g, t, sums_end, counts_end, names, err);
    if (!rc)
        rc = check_tensor(counts, err);
    if (rc)
        return rc;
    if (n_floats(t) % n_floats(counts))
        return err_set(err, ERR_FORMAT, "tensor %.100s: %llu sums of %llu counts", t->name,
                       (unsigned long long)n_floats(t), (unsigned long long)n_floats(counts));
    e->matrices = n_floats(counts);
    e->columns = n_floats(t) / e->matrices;
    e->name = arena_strn(names, t->name, strlen(t->name) - strlen(sums_end));
    return e->name ? 0 : err_nomem(err);
}

static int read_shapes(struct imatrix_entry *shapes, size_t *n, const struct gguf *g,
                       struct arena *names, struct err *err)
{
    int rc = 0;

    *n = 0;
    for (size_t i = 0; !rc && i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor(g, i), *sums;
        if (path_ends(t->name, sums_end))
            rc = read_shape(&shapes[(*n)++], g, t, names, err);
        else if (path_ends(t->name, counts_end))
            rc = find_other(&sums, g, t, counts_end, sums_end, names, err);
    }
    if (!rc && !*n)
        rc = err_set(err, ERR_FORMAT,
                     "not an importance matrix: a GGUF without a tensor NAME.in_sum2");
    return rc;
}

/* Copied: the file's may lie anywhere. */
static int read_values(float *to, const struct gguf *g, const char *name, const char *end,
                       struct err *err)
{
    struct buf whole = {0};

    buf_fmt(&whole, "%s%s", name, end);
    const struct gguf_tensor *t = whole.bad ? NULL : gguf_find(g, whole.p);
    buf_release(&whole);
    if (!t)
        return err_nomem(err); /* it was there */
    memcpy(to, t->data, t->bytes);
    for (size_t i = 0; i < n_floats(t); i++)
        if (!(to[i] >= 0) || isinf(to[i]))
            return err_set(err, ERR_FORMAT, "tensor %.100s: value %zu is %g, expected 0 or more",
                           t->name, i, (double)to[i]);
    return 0;
}

static int read_u32(uint32_t *out, const struct meta *meta, const char *key, struct err *err)
{
    uint64_t v;

    if (!meta_u64(meta, key, &v))
        return err_set(err, ERR_FORMAT, "%s is missing, or no number", key);
    if (v > UINT32_MAX)
        return err_set(err, ERR_FORMAT, "%s is %llu, expected less than 2^32", key,
                       (unsigned long long)v);
    *out = (uint32_t)v;
    return 0;
}

static int read_datasets(struct imatrix *im, const struct meta *meta, struct err *err)
{
    const struct meta_array *a = meta_array(meta, "imatrix.datasets", META_STR);
    struct meta_str s;

    if (!a)
        return err_set(err, ERR_FORMAT, "imatrix.datasets is missing, or no list of names");
    im->dataset = arena_array(&im->arena, a->n, sizeof(*im->dataset));
    if (!im->dataset)
        return err_nomem(err);
    for (struct meta_strs it = meta_strs(a); meta_strs_next(&it, &s); im->n_datasets++)
        if (!(im->dataset[im->n_datasets] = arena_strn(&im->arena, s.p, s.n)))
            return err_nomem(err);
    return 0;
}

static int read_keys(struct imatrix *im, const struct meta *meta, struct err *err)
{
    int rc = read_u32(&im->chunks, meta, "imatrix.chunk_count", err);

    if (!rc)
        rc = read_u32(&im->chunk_size, meta, "imatrix.chunk_size", err);
    if (!rc && !im->chunk_size)
        rc = err_set(err, ERR_FORMAT, "imatrix.chunk_size is 0");
    return rc ? rc : read_datasets(im, meta, err);
}

static int from_gguf(struct imatrix **out, const struct gguf *g, struct err *err)
{
    struct imatrix_entry *shapes = calloc(gguf_n_tensors(g) + 1, sizeof(*shapes));
    struct arena names = {0};
    struct imatrix *im = NULL;
    size_t n = 0;
    int rc = shapes ? read_shapes(shapes, &n, g, &names, err) : err_nomem(err);

    if (!rc)
        rc = imatrix_new(&im, shapes, n, err);
    arena_release(&names);
    free(shapes);
    if (!rc)
        rc = read_keys(im, gguf_meta(g), err);
    for (size_t i = 0; !rc && i < n; i++) {
        rc = read_values(im->entry[i].sum2, g, im->entry[i].name, sums_end, err);
        if (!rc)
            rc = read_values(im->entry[i].count, g, im->entry[i].name, counts_end, err);
    }
    if (rc)
        imatrix_free(im);
    else
        *out = im;
    return rc;
}

int imatrix_parse(struct imatrix **out, const void *data, size_t size, struct err *err)
{
    struct gguf *g;

    *out = NULL;
    if (size < 4 || memcmp(data, "GGUF", 4))
        return imatrix_parse_dat(out, data, size, err);
    int rc = gguf_parse(&g, data, size, err);
    if (rc)
        return rc;
    rc = from_gguf(out, g, err);
    gguf_free(g);
    return rc;
}

int imatrix_read(struct imatrix **out, const char *path, struct err *err)
{
    struct map map;
    int rc = map_open(&map, path, err);

    *out = NULL;
    if (rc)
        return rc;
    rc = imatrix_parse(out, map.data ? (const void *)map.data : "", map.size, err);
    map_release(&map);
    return rc ? err_wrap(err, "%s", path) : 0;
}

/* ---- writing ------------------------------------------------------------------- */

static int set_keys(struct meta *meta, const struct imatrix *im, struct err *err)
{
    struct buf names = {0};
    int rc = meta_set_str(meta, "general.type", "imatrix", err);

    for (size_t i = 0; i < im->n_datasets; i++) {
        buf_u64(&names, strlen(im->dataset[i]));
        buf_str(&names, im->dataset[i]);
    }
    if (!rc)
        rc = buf_check(&names, err);
    if (!rc)
        rc = meta_set_array(meta, "imatrix.datasets", META_STR, im->n_datasets,
                            names.p ? names.p : "", names.n, err);
    if (!rc)
        rc = meta_set_u32(meta, "imatrix.chunk_count", im->chunks, err);
    if (!rc)
        rc = meta_set_u32(meta, "imatrix.chunk_size", im->chunk_size, err);
    buf_release(&names);
    return rc;
}

static int set_items(struct gguf_item *item, const struct imatrix *im, struct arena *names,
                     struct err *err)
{
    for (size_t i = 0; i < im->n_entries; i++) {
        const struct imatrix_entry *e = &im->entry[i];
        struct gguf_item *sums = &item[2 * i], *counts = sums + 1;
        const int n_dims = e->matrices > 1 ? 2 : 1; /* trailing ones are not written */
        *sums = (struct gguf_item){
            .name = arena_fmt(names, "%s%s", e->name, sums_end),
            .type = DTYPE_F32,
            .n_dims = n_dims,
            .dims = {e->columns, e->matrices}
        };
        *counts = (struct gguf_item){
            .name = arena_fmt(names, "%s%s", e->name, counts_end),
            .type = DTYPE_F32,
            .n_dims = n_dims,
            .dims = {1, e->matrices}
        };
        if (!sums->name || !counts->name)
            return err_nomem(err);
    }
    return 0;
}

static int put_entries(struct gguf_writer *w, const struct imatrix *im, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < im->n_entries; i++) {
        const struct imatrix_entry *e = &im->entry[i];
        rc = gguf_writer_put(w, e->sum2, e->columns * e->matrices * sizeof(*e->sum2), err);
        if (!rc)
            rc = gguf_writer_put(w, e->count, e->matrices * sizeof(*e->count), err);
    }
    return rc;
}

int imatrix_write(const struct imatrix *im, const char *path, struct err *err)
{
    struct gguf_item *item = calloc(2 * im->n_entries + 1, sizeof(*item));
    struct gguf_writer *w = NULL;
    struct arena names = {0};
    struct meta meta = {0};
    int rc = item ? set_items(item, im, &names, err) : err_nomem(err);

    if (!rc)
        rc = set_keys(&meta, im, err);
    if (!rc)
        rc = gguf_writer_new(&w, path, &meta, item, 2 * im->n_entries, 0, err);
    if (!rc)
        rc = put_entries(w, im, err);
    if (!rc)
        rc = gguf_writer_commit(w, err);
    gguf_writer_free(w);
    meta_release(&meta);
    arena_release(&names);
    free(item);
    return rc;
}
