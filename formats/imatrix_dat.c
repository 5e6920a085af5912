/* The layout of importance matrices before they were a GGUF: means times a number of
 * chunks, without experts. Source: docs/formats.md. */

#include "formats/imatrix.h"

#include "formats/base/rd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the shortest entry: three numbers, a name of one letter, one value. */
enum { ENTRY_MIN = 4 + 1 + 4 + 4 + 4 };

static const char what[] = "neither a GGUF nor an importance matrix in the legacy layout";

/* A whole number that the format keeps with a sign. */
static uint32_t read_count(struct rd *r)
{
    const uint32_t n = rd_u32(r);

    r->bad = r->bad || n > INT32_MAX;
    return n;
}

/* Entry i: its name, calls, and where its values lie. */
struct dat {
    const uint8_t *value; /* columns of them, in place */
    uint32_t calls;
};

static int read_entry(struct imatrix_entry *e, struct dat *d, struct rd *r, struct arena *names,
                      size_t i, struct err *err)
{
    const uint32_t length = read_count(r);
    const uint8_t *name = rd_bytes(r, length);

    d->calls = read_count(r);
    e->matrices = 1;
    e->columns = read_count(r);
    d->value = rd_bytes(r, e->columns * sizeof(float));
    if (r->bad || !name || !length || !e->columns)
        return err_set(err, ERR_FORMAT, "%s: entry %zu is cut short or has impossible lengths",
                       what, i);
    if (memchr(name, 0, length))
        return err_set(err, ERR_FORMAT, "%s: the name of entry %zu holds a NUL", what, i);
    e->name = arena_strn(names, (const char *)name, length);
    return e->name ? 0 : err_nomem(err);
}

/* In the order of the file, which need not be that of names. */
static int read_values(struct imatrix *im, const char *name, const struct dat *d, struct err *err)
{
    struct imatrix_entry *e = imatrix_find(im, name);

    e->count[0] = (float)d->calls;
    memcpy(e->sum2, d->value, e->columns * sizeof(*e->sum2));
    for (size_t i = 0; i < e->columns; i++)
        if (!(e->sum2[i] >= 0) || isinf(e->sum2[i]))
            return err_set(err, ERR_FORMAT, "entry %.100s: value %zu is %g, expected 0 or more",
                           name, i, (double)e->sum2[i]);
    return 0;
}

/* Chunks and the data set's name: old files end without. */
static int read_end(struct imatrix *im, struct rd *r, struct err *err)
{
    if (!rd_left(r))
        return 0;
    im->chunks = read_count(r);
    if (!r->bad && !rd_left(r))
        return 0;
    const uint32_t length = read_count(r);
    const uint8_t *name = rd_bytes(r, length);
    if (r->bad || !name || rd_left(r))
        return err_set(err, ERR_FORMAT, "%s: it does not end with a data set's name", what);
    char *text = length ? arena_strn(&im->arena, (const char *)name, length) : NULL;
    if (length && !text)
        return err_nomem(err);
    return text ? imatrix_add_dataset(im, text, err) : 0;
}

static int build(struct imatrix **out, const struct imatrix_entry *shapes, const struct dat *d,
                 size_t n, struct rd *r, struct err *err)
{
    struct imatrix *im = NULL;
    int rc = imatrix_new(&im, shapes, n, err);

    if (rc == ERR_ARG)
        rc = err->code = ERR_FORMAT;
    for (size_t i = 0; !rc && i < n; i++)
        rc = read_values(im, shapes[i].name, &d[i], err);
    if (!rc)
        rc = read_end(im, r, err);
    if (rc)
        imatrix_free(im);
    else
        *out = im;
    return rc;
}

int imatrix_parse_dat(struct imatrix **out, const void *data, size_t size, struct err *err)
{
    struct rd r = rd_init(data, size);
    const size_t n = read_count(&r);
    struct arena names = {0};
    int rc = 0;

    *out = NULL;
    if (r.bad || !n || n > rd_left(&r) / ENTRY_MIN)
        return err_set(err, ERR_FORMAT, "%s", what);
    struct imatrix_entry *shapes = calloc(n, sizeof(*shapes));
    struct dat *d = calloc(n, sizeof(*d));
    if (!shapes || !d)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = read_entry(&shapes[i], &d[i], &r, &names, i, err);
    if (!rc)
        rc = build(out, shapes, d, n, &r, err);
    arena_release(&names);
    free(shapes);
    free(d);
    return rc;
}
