/* Second moments, writing. */

#include "formats/moments.h"

#include "formats/base/buf.h"
#include "formats/base/out.h"
#include "formats/moments_wire.h"
#include "formats/tail.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Pieces that are compressed at a time, whatever the number of threads. */
enum { TOGETHER = 16, LEVEL = 1 };

struct moments_writer {
    struct out out;
    struct buf index;
    uint32_t n_inputs;
    uint64_t columns, matrices; /* of the input at hand */
    uint64_t *tokens;           /* owned; of it */
    uint64_t next;              /* its next matrix */
    uint8_t *planes, *packed;   /* owned; [TOGETHER] pieces */
    size_t packed_bytes;        /* room for one */
    uLongf bytes[TOGETHER];     /* 0: failed */
};

int moments_writer_new(struct moments_writer **out, const char *path, uint32_t chunks,
                       uint32_t chunk_size, struct err *err)
{
    struct moments_writer *w = calloc(1, sizeof(*w));
    int rc;

    *out = NULL;
    if (!w)
        return err_nomem(err);
    out_init(&w->out);
    w->packed_bytes = compressBound((uLong)MOMENTS_PIECE * sizeof(float));
    w->planes = malloc((size_t)TOGETHER * MOMENTS_PIECE * sizeof(float));
    w->packed = malloc(TOGETHER * w->packed_bytes);
    rc = w->planes && w->packed ? out_open(&w->out, path, err) : err_nomem(err);
    if (!rc)
        rc = out_write(&w->out, MOMENTS_MAGIC, MOMENTS_MAGIC_BYTES, err);
    buf_u32(&w->index, chunks);
    buf_u32(&w->index, chunk_size);
    buf_u32(&w->index, 0); /* how many: when it is known */
    if (rc)
        moments_writer_free(w);
    else
        *out = w;
    return rc;
}

void moments_writer_free(struct moments_writer *w)
{
    if (!w)
        return;
    out_abandon(&w->out);
    buf_release(&w->index);
    free(w->tokens);
    free(w->planes);
    free(w->packed);
    free(w);
}

/* Matrices without tokens have nothing stored. */
static void skip_empty(struct moments_writer *w)
{
    for (; w->next < w->matrices && !w->tokens[w->next]; w->next++) {
        buf_u64(&w->index, 0);
        buf_u64(&w->index, w->out.n);
        buf_u32(&w->index, 0);
    }
}

static int complete(const struct moments_writer *w, struct err *err)
{
    return w->next == w->matrices
               ? 0
               : err_set(err, ERR_ARG, "%llu of %llu matrices of an input",
                         (unsigned long long)w->next, (unsigned long long)w->matrices);
}

int moments_writer_input(struct moments_writer *w, const struct moments_input *in, struct err *err)
{
    uint64_t *tokens;
    const int rc = complete(w, err);

    if (rc)
        return rc;
    tokens = calloc(in->matrices + 1, sizeof(*tokens));
    if (!tokens)
        return err_nomem(err);
    memcpy(tokens, in->tokens, in->matrices * sizeof(*tokens));
    free(w->tokens);
    w->tokens = tokens;
    w->columns = in->columns;
    w->matrices = in->matrices;
    w->next = 0;
    w->n_inputs++;
    buf_u32(&w->index, (uint32_t)in->n_weights);
    for (size_t i = 0; i < in->n_weights; i++) {
        buf_u32(&w->index, (uint32_t)strlen(in->weight[i]));
        buf_str(&w->index, in->weight[i]);
    }
    buf_u64(&w->index, in->columns);
    buf_u32(&w->index, (uint32_t)in->matrices);
    skip_empty(w);
    return 0;
}

/* Some pieces of one matrix. */
struct batch {
    struct moments_writer *w;
    const float *value;
    size_t n;
};

/* The bytes of equal weight lie together: signs and exponents are alike. */
static void split_planes(uint8_t *planes, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, from + i, sizeof(v));
        planes[i] = (uint8_t)v;
        planes[n + i] = (uint8_t)(v >> 8);
        planes[2 * n + i] = (uint8_t)(v >> 16);
        planes[3 * n + i] = (uint8_t)(v >> 24);
    }
}

static void pack_piece(void *arg, size_t i, int thread)
{
    const struct batch *b = arg;
    struct moments_writer *w = b->w;
    const size_t first = i * MOMENTS_PIECE;
    const size_t n = b->n - first < MOMENTS_PIECE ? b->n - first : MOMENTS_PIECE;
    uint8_t *planes = w->planes + first * sizeof(float);

    (void)thread;
    split_planes(planes, b->value + first, n);
    w->bytes[i] = w->packed_bytes;
    if (compress2(w->packed + i * w->packed_bytes, &w->bytes[i], planes, (uLong)(n * sizeof(float)),
                  LEVEL) != Z_OK)
        w->bytes[i] = 0;
}

static int put_batch(struct moments_writer *w, const float *value, size_t n, const struct par *par,
                     struct err *err)
{
    struct batch b = {.w = w, .value = value, .n = n};
    const size_t pieces = (n + MOMENTS_PIECE - 1) / MOMENTS_PIECE;
    int rc = 0;

    par_for(par, pieces, pack_piece, &b);
    for (size_t i = 0; !rc && i < pieces; i++) {
        if (!w->bytes[i])
            return err_nomem(err); /* all that deflate can lack */
        rc = out_write(&w->out, w->packed + i * w->packed_bytes, w->bytes[i], err);
        buf_u32(&w->index, (uint32_t)w->bytes[i]);
    }
    return rc;
}

int moments_writer_put(struct moments_writer *w, const float *triangle, const struct par *par,
                       struct err *err)
{
    const size_t most = (size_t)TOGETHER * MOMENTS_PIECE;
    size_t n;
    int rc = 0;

    if (w->next == w->matrices)
        return err_set(err, ERR_ARG, "one matrix more than the %llu of an input",
                       (unsigned long long)w->matrices);
    if (!moments_values(&n, w->columns))
        return err_set(err, ERR_ARG, "%llu columns are too many", (unsigned long long)w->columns);
    buf_u64(&w->index, w->tokens[w->next]);
    buf_u64(&w->index, w->out.n);
    buf_u32(&w->index, (uint32_t)((n + MOMENTS_PIECE - 1) / MOMENTS_PIECE));
    for (size_t at = 0; !rc && at < n; at += most)
        rc = put_batch(w, triangle + at, n - at < most ? n - at : most, par, err);
    w->next++;
    skip_empty(w);
    return rc;
}

int moments_writer_commit(struct moments_writer *w, struct err *err)
{
    struct buf n = {0};
    int rc = complete(w, err);

    buf_u32(&n, w->n_inputs);
    if (!rc)
        rc = buf_check(&n, err);
    if (!rc)
        rc = buf_check(&w->index, err);
    if (!rc)
        memcpy(w->index.p + 8, n.p, n.n);
    buf_release(&n);
    if (!rc)
        rc = tail_write(&w->out, &w->index, UINT32_MAX, err);
    return rc ? rc : out_commit(&w->out, err);
}
