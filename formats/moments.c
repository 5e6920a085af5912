/* Second moments, reading. */

#include "formats/moments.h"

#include "formats/base/arena.h"
#include "formats/base/map.h"
#include "formats/base/rd.h"
#include "formats/base/strmap.h"
#include "formats/moments_wire.h"
#include "formats/tail.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Where a matrix's pieces lie. */
struct stored {
    uint64_t offset;
    const uint8_t *bytes; /* n_pieces u32: of each */
    uint32_t n_pieces;
};

struct moments {
    struct map map; /* owned, or empty */
    const uint8_t *data;
    uint64_t index; /* offset of it: pieces lie before */
    uint32_t chunks, chunk_size;
    struct moments_input *input;
    struct stored **stored; /* by input, by matrix */
    size_t n;
    struct strmap names;
    struct arena arena;
};

bool moments_values(size_t *out, uint64_t columns)
{
    size_t n;

    if (columns >= SIZE_MAX || !mul_ok(&n, (size_t)columns, (size_t)columns + 1))
        return false;
    *out = n / 2;
    return *out <= SIZE_MAX / sizeof(float);
}

void moments_free(struct moments *m)
{
    if (!m)
        return;
    map_release(&m->map);
    strmap_release(&m->names);
    arena_release(&m->arena);
    free(m);
}

/* ---- the index --------------------------------------------------------------------- */

/* deflate makes of one byte no more than this */
enum { RATIO_MAX = 1040 };

static int read_matrix(struct stored *s, uint64_t *tokens, struct moments *m, struct rd *r,
                       size_t values, struct err *err)
{
    uint64_t bytes = 0;

    *tokens = rd_u64(r);
    s->offset = rd_u64(r);
    s->n_pieces = rd_u32(r);
    s->bytes = rd_bytes(r, (uint64_t)s->n_pieces * 4);
    if (r->bad || !s->bytes)
        return err_set(err, ERR_FORMAT, "the index is cut short");
    for (struct rd b = rd_init(s->bytes, (size_t)s->n_pieces * 4); rd_left(&b);)
        bytes += rd_u32(&b);
    if (s->n_pieces != (*tokens ? (values + MOMENTS_PIECE - 1) / MOMENTS_PIECE : 0))
        return err_set(err, ERR_FORMAT, "%u pieces for %zu values", s->n_pieces, values);
    if (s->offset > m->index || bytes > m->index - s->offset)
        return err_set(err, ERR_FORMAT, "%llu bytes at %llu, behind the data's end at %llu",
                       (unsigned long long)bytes, (unsigned long long)s->offset,
                       (unsigned long long)m->index);
    if (*tokens && values * sizeof(float) / RATIO_MAX > bytes)
        return err_set(err, ERR_FORMAT, "%zu values in %llu bytes", values,
                       (unsigned long long)bytes);
    return 0;
}

static int read_names(struct moments_input *in, struct moments *m, struct rd *r, size_t i,
                      struct err *err)
{
    in->n_weights = rd_u32(r);
    if (r->bad || !in->n_weights || in->n_weights > rd_left(r) / 5)
        return err_set(err, ERR_FORMAT, "input %zu: %zu names", i, in->n_weights);
    in->weight = arena_array(&m->arena, in->n_weights, sizeof(*in->weight));
    if (!in->weight)
        return err_nomem(err);
    for (size_t k = 0; k < in->n_weights; k++) {
        const uint32_t n = rd_u32(r);
        const uint8_t *name = rd_bytes(r, n);
        bool added;
        if (!name || !n || memchr(name, 0, n))
            return err_set(err, ERR_FORMAT, "input %zu: name %zu is empty or cut short", i, k);
        if (!(in->weight[k] = arena_strn(&m->arena, (const char *)name, n)))
            return err_nomem(err);
        const int rc = strmap_add(&added, &m->names, in->weight[k], n, i, err);
        if (rc)
            return rc;
        if (!added)
            return err_set(err, ERR_FORMAT, "weight %.100s: there twice", in->weight[k]);
    }
    return 0;
}

static int read_input(struct moments *m, struct rd *r, size_t i, struct err *err)
{
    enum { MATRIX_MIN = 8 + 8 + 4 };
    struct moments_input *in = &m->input[i];
    size_t values;
    int rc = read_names(in, m, r, i, err);

    if (rc)
        return rc;
    in->columns = rd_u64(r);
    in->matrices = rd_u32(r);
    if (r->bad || !in->columns || !moments_values(&values, in->columns) || !in->matrices ||
        in->matrices > rd_left(r) / MATRIX_MIN)
        return err_set(err, ERR_FORMAT, "%.100s: %llu columns of %llu matrices", in->weight[0],
                       (unsigned long long)in->columns, (unsigned long long)in->matrices);
    in->tokens = arena_array(&m->arena, in->matrices, sizeof(*in->tokens));
    m->stored[i] = arena_array(&m->arena, in->matrices, sizeof(*m->stored[i]));
    if (!in->tokens || !m->stored[i])
        return err_nomem(err);
    for (size_t k = 0; !rc && k < in->matrices; k++) {
        rc = read_matrix(&m->stored[i][k], &in->tokens[k], m, r, values, err);
        if (rc)
            rc = err_wrap(err, "%.100s: matrix %zu", in->weight[0], k);
    }
    return rc;
}

static int read_index(struct moments *m, struct rd r, struct err *err)
{
    enum { INPUT_MIN = 4 + 5 + 8 + 4 };
    int rc = 0;

    m->chunks = rd_u32(&r);
    m->chunk_size = rd_u32(&r);
    m->n = rd_u32(&r);
    if (r.bad || m->n > rd_left(&r) / INPUT_MIN)
        return err_set(err, ERR_FORMAT, "%zu inputs in an index of %zu bytes", m->n, rd_left(&r));
    m->input = arena_array(&m->arena, m->n, sizeof(*m->input));
    m->stored = arena_array(&m->arena, m->n, sizeof(*m->stored));
    if (!m->input || !m->stored)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < m->n; i++)
        rc = read_input(m, &r, i, err);
    if (!rc && rd_left(&r))
        rc = err_set(err, ERR_FORMAT, "%zu bytes behind the index' last input", rd_left(&r));
    return rc;
}

static int parse(struct moments *m, const uint8_t *data, size_t size, struct err *err)
{
    uint64_t bytes;
    int rc;

    if (size < MOMENTS_MAGIC_BYTES || memcmp(data, MOMENTS_MAGIC, MOMENTS_MAGIC_BYTES))
        return err_set(err, ERR_FORMAT, "no file of second moments: it does not begin with \"%s\"",
                       MOMENTS_MAGIC);
    m->data = data;
    rc = tail_find(&m->index, &bytes, data, size, MOMENTS_MAGIC_BYTES, UINT32_MAX, err);
    if (rc)
        return rc;
    return read_index(m, rd_init(data + m->index, (size_t)bytes), err);
}

int moments_parse(struct moments **out, const void *data, size_t size, struct err *err)
{
    struct moments *m = calloc(1, sizeof(*m));

    *out = NULL;
    if (!m)
        return err_nomem(err);
    const int rc = parse(m, data, size, err);
    if (rc)
        moments_free(m);
    else
        *out = m;
    return rc;
}

int moments_open(struct moments **out, const char *path, struct err *err)
{
    struct map map;
    int rc = map_open(&map, path, err);

    *out = NULL;
    if (rc)
        return rc;
    rc = moments_parse(out, map.data ? (const void *)map.data : "", map.size, err);
    if (rc) {
        map_release(&map);
        return err_wrap(err, "%s", path);
    }
    (*out)->map = map;
    return 0;
}

uint32_t moments_chunks(const struct moments *m)
{
    return m->chunks;
}

uint32_t moments_chunk_size(const struct moments *m)
{
    return m->chunk_size;
}

size_t moments_n(const struct moments *m)
{
    return m->n;
}

const struct moments_input *moments_at(const struct moments *m, size_t i)
{
    return &m->input[i];
}

const struct moments_input *moments_find(const struct moments *m, const char *weight)
{
    size_t i;

    return strmap_get(&i, &m->names, weight, strlen(weight)) ? &m->input[i] : NULL;
}

/* ---- values -------------------------------------------------------------------------- */

/* planes[4, n] bytes, the lowest of every value first, to n values. */
static void join_planes(float *to, const uint8_t *planes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t v = (uint32_t)planes[i] | (uint32_t)planes[n + i] << 8 |
                           (uint32_t)planes[2 * n + i] << 16 | (uint32_t)planes[3 * n + i] << 24;
        memcpy(to + i, &v, sizeof(v));
    }
}

int moments_read(float *triangle, const struct moments *m, const struct moments_input *in,
                 uint64_t matrix, struct err *err)
{
    const struct stored *s = &m->stored[in - m->input][matrix];
    const uint8_t *from = m->data + s->offset;
    struct rd bytes = rd_init(s->bytes, (size_t)s->n_pieces * 4);
    uint8_t *planes = malloc((size_t)MOMENTS_PIECE * sizeof(float));
    size_t left = 0;
    int rc = planes && moments_values(&left, in->columns) ? 0 : err_nomem(err);

    if (!rc && !s->n_pieces)
        memset(triangle, 0, left * sizeof(*triangle));
    for (uint32_t i = 0; !rc && i < s->n_pieces; i++) {
        const size_t n = left < MOMENTS_PIECE ? left : MOMENTS_PIECE;
        const uint32_t size = rd_u32(&bytes);
        uLongf got = n * sizeof(float);
        if (uncompress(planes, &got, from, size) != Z_OK || got != n * sizeof(float))
            rc = err_set(err, ERR_FORMAT, "%.100s: piece %u of matrix %llu is damaged",
                         in->weight[0], i, (unsigned long long)matrix);
        else
            join_planes(triangle, planes, n);
        triangle += n;
        left -= n;
        from += size;
    }
    free(planes);
    return rc;
}
