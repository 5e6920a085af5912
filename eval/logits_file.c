#include "eval/logits_file.h"

#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/base/rd.h"
#include "quant/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A position's record: scale and least as F32, then a 16-bit number a token, an even count. */
enum { MAGIC = 8, HEAD = MAGIC + 12, ROW_HEAD = 8, STEPS = 65535 };

/* Natural logarithms: further below the likeliest token than that nothing is told apart. */
static const float log_range = 16;

static const char magic[MAGIC + 1] = "_logits_";

/* The first scored position of a window: as eval_text and llama-perplexity. */
static size_t scored(size_t n_ctx)
{
    return n_ctx - 1 - n_ctx / 2;
}

static bool row_bytes(size_t *out, size_t n_vocab)
{
    size_t n;

    return add_ok(&n, n_vocab, n_vocab % 2) && mul_ok(&n, n, sizeof(uint16_t)) &&
           add_ok(out, n, ROW_HEAD);
}

/* ---- reading ----------------------------------------------------------------------- */

struct logits_file {
    char *path; /* owned */
    struct map map;
    const uint8_t *data; /* [size] the whole file */
    size_t size;
    struct logits_shape shape;
    const uint8_t *ids, *rows; /* in data */
    size_t row;                /* bytes */
};

static int check_ids(const struct logits_file *f, struct err *err)
{
    struct rd r = rd_init(f->ids, (size_t)(f->rows - f->ids));

    for (size_t i = 0; i < f->shape.n_ctx * f->shape.n_windows; i++) {
        const uint32_t id = rd_u32(&r);
        if (id >= f->shape.n_vocab)
            return err_set(err, ERR_FORMAT, "token %zu is %d, in a vocabulary of %zu", i, (int)id,
                           f->shape.n_vocab);
    }
    return 0;
}

static int check_size(struct logits_file *f, struct err *err)
{
    const struct logits_shape *s = &f->shape;
    size_t ids = 0, n_rows, rows, all;

    if (s->n_ctx < 4 || !s->n_vocab || !s->n_windows)
        return err_set(err, ERR_FORMAT, "%zu windows of %zu tokens, in a vocabulary of %zu",
                       s->n_windows, s->n_ctx, s->n_vocab);
    if (!mul_ok(&ids, s->n_ctx, s->n_windows) || !mul_ok(&ids, ids, sizeof(int32_t)) ||
        !row_bytes(&f->row, s->n_vocab) || !mul_ok(&n_rows, scored(s->n_ctx), s->n_windows) ||
        !mul_ok(&rows, n_rows, f->row) || !add_ok(&all, ids, rows) || !add_ok(&all, all, HEAD) ||
        all != f->size)
        return err_set(err, ERR_FORMAT,
                       "%zu bytes do not hold %zu windows of %zu tokens in a vocabulary of %zu%s",
                       f->size, s->n_windows, s->n_ctx, s->n_vocab,
                       f->size < HEAD + ids ? "" : ": was its writing ended early?");
    f->ids = f->data + HEAD;
    f->rows = f->ids + ids;
    return 0;
}

static int read_head(struct logits_file *f, struct err *err)
{
    struct rd r = rd_init(f->data, f->size);
    const uint8_t *start = rd_bytes(&r, MAGIC);

    if (!start || memcmp(start, magic, MAGIC) != 0)
        return err_set(err, ERR_FORMAT, "not a logits file: expected \"%s\" at its start", magic);
    f->shape.n_ctx = rd_u32(&r);
    f->shape.n_vocab = rd_u32(&r);
    f->shape.n_windows = rd_u32(&r);
    if (r.bad || f->shape.n_ctx > INT32_MAX || f->shape.n_vocab > INT32_MAX ||
        f->shape.n_windows > INT32_MAX)
        return err_set(err, ERR_FORMAT, "a logits file whose numbers are cut off or negative");
    const int rc = check_size(f, err);
    return rc ? rc : check_ids(f, err);
}

static int file_new(struct logits_file **out, const char *path, struct err *err)
{
    struct logits_file *f = calloc(1, sizeof(*f));

    *out = f;
    if (f)
        f->path = strdup(path);
    return f && f->path ? 0 : err_nomem(err);
}

/* Keep it, or not. */
static int file_done(struct logits_file **out, int rc)
{
    if (rc) {
        logits_file_free(*out);
        *out = NULL;
    }
    return rc;
}

int logits_file_open(struct logits_file **out, const char *path, struct err *err)
{
    int rc = file_new(out, path, err);

    if (!rc)
        rc = map_open(&(*out)->map, path, err);
    if (!rc) {
        (*out)->data = (*out)->map.data;
        (*out)->size = (*out)->map.size;
        rc = read_head(*out, err) ? err_wrap(err, "%s", path) : 0;
    }
    return file_done(out, rc);
}

int logits_file_parse(struct logits_file **out, const void *data, size_t size, struct err *err)
{
    int rc = file_new(out, "", err);

    if (!rc) {
        (*out)->data = data;
        (*out)->size = size;
        rc = read_head(*out, err);
    }
    return file_done(out, rc);
}

void logits_file_free(struct logits_file *f)
{
    if (!f)
        return;
    map_release(&f->map);
    free(f->path);
    free(f);
}

const char *logits_file_path(const struct logits_file *f)
{
    return f->path;
}

size_t logits_file_n_ctx(const struct logits_file *f)
{
    return f->shape.n_ctx;
}

size_t logits_file_n_vocab(const struct logits_file *f)
{
    return f->shape.n_vocab;
}

size_t logits_file_n_windows(const struct logits_file *f)
{
    return f->shape.n_windows;
}

void logits_file_ids(int32_t *ids, const struct logits_file *f, size_t i)
{
    struct rd r = rd_init(f->ids, (size_t)(f->rows - f->ids));

    (void)rd_bytes(&r, i * f->shape.n_ctx * sizeof(*ids));
    for (size_t k = 0; k < f->shape.n_ctx; k++)
        ids[k] = (int32_t)rd_u32(&r);
}

/* log p = scale * number + least */
struct row {
    float scale, least;
    const uint8_t *number; /* 16 bits each */
};

static struct row row_at(const struct logits_file *f, size_t at)
{
    struct rd r = rd_init(f->rows + at * f->row, f->row);
    struct row row = {0};

    row.scale = f32_from_bits(rd_u32(&r));
    row.least = f32_from_bits(rd_u32(&r));
    row.number = r.p;
    return row;
}

static float log_share(const struct row *r, size_t token)
{
    const uint8_t *p = r->number + 2 * token;

    return r->scale * (float)(p[0] | p[1] << 8) + r->least;
}

void logits_file_part(float *out, const struct logits_file *f, size_t at, size_t first, size_t n)
{
    const struct row r = row_at(f, at);

    for (size_t i = 0; i < n; i++) {
        const float x = log_share(&r, first + i);
        out[i] = x <= -log_range ? -INFINITY : x;
    }
}

double logits_file_one(const struct logits_file *f, size_t at, size_t token)
{
    const struct row r = row_at(f, at);

    return (double)log_share(&r, token);
}

/* ---- writing ------------------------------------------------------------------------- */

struct logits_out {
    struct out out;
    size_t n_vocab, row;
    uint8_t *bytes; /* owned; a record */
};

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

static int write_head(struct logits_out *o, const struct logits_shape *s, const int32_t *ids,
                      struct err *err)
{
    uint8_t head[HEAD], id[4];

    memcpy(head, magic, MAGIC);
    put32(head + MAGIC, (uint32_t)s->n_ctx);
    put32(head + MAGIC + 4, (uint32_t)s->n_vocab);
    put32(head + MAGIC + 8, (uint32_t)s->n_windows);
    int rc = out_write(&o->out, head, sizeof(head), err);
    for (size_t i = 0; !rc && i < s->n_ctx * s->n_windows; i++) {
        put32(id, (uint32_t)ids[i]);
        rc = out_write(&o->out, id, sizeof(id), err);
    }
    return rc;
}

int logits_out_new(struct logits_out **out, const char *path, const struct logits_shape *shape,
                   const int32_t *ids, struct err *err)
{
    struct logits_out *o = calloc(1, sizeof(*o));
    int rc = 0;

    *out = NULL;
    if (!o)
        return err_nomem(err);
    out_init(&o->out);
    o->n_vocab = shape->n_vocab;
    if (shape->n_ctx > INT32_MAX || shape->n_vocab > INT32_MAX || shape->n_windows > INT32_MAX ||
        !row_bytes(&o->row, shape->n_vocab))
        rc = err_set(err, ERR_ARG, "%s: %zu windows of %zu tokens are too many for a logits file",
                     path, shape->n_windows, shape->n_ctx);
    if (!rc && !(o->bytes = calloc(o->row, 1)))
        rc = err_nomem(err);
    if (!rc)
        rc = out_open(&o->out, path, err);
    if (!rc)
        rc = write_head(o, shape, ids, err);
    if (rc) {
        logits_out_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

int logits_out_row(struct logits_out *o, const float *x, const struct kern *kern, struct err *err)
{
    const float max = kern->max(x, o->n_vocab);
    float min = max;

    for (size_t i = 0; i < o->n_vocab; i++)
        min = x[i] < min ? x[i] : min;
    min = min > max - log_range ? min : max - log_range;
    const float scale = (max - min) / STEPS;
    put32(o->bytes, f32_bits(scale));
    put32(o->bytes + 4, f32_bits((float)((double)min - kern->log_sum_exp(x, o->n_vocab))));
    for (size_t i = 0; i < o->n_vocab; i++)
        put16(o->bytes + ROW_HEAD + 2 * i,
              scale > 0 && x[i] > min ? (uint32_t)lrintf((x[i] - min) / scale) : 0);
    return out_write(&o->out, o->bytes, o->row, err);
}

int logits_out_done(struct logits_out *o, struct err *err)
{
    return out_commit(&o->out, err);
}

void logits_out_free(struct logits_out *o)
{
    if (!o)
        return;
    out_abandon(&o->out);
    free(o->bytes);
    free(o);
}
