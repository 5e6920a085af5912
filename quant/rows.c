#include "quant/rows.h"
#include "formats/base/cpu.h"

#include "quant/codec.h"
#include "quant/coded.h"
#include "quant/half.h"

#include <math.h>
#include <stdlib.h>

/* A piece of stored row `row` of a part: columns first .. first + n - 1. */
static void read_piece(float *dst, const struct source_tensor *t, const struct codec *c,
                       size_t part, uint64_t row, size_t first, size_t n)
{
    const size_t ld = (size_t)source_stored_len(t), each = dtype_get(t->type)->bytes;

    if (t->coded)
        coded_cells(dst, t->coded[part].how, t->coded[part].row0 + row, first, n);
    else
        c->dec(dst, t->part[part].data + ((size_t)row * ld + first) * each, n);
}

/* The stored place of number i. */
static size_t at(const struct source_map *m, uint64_t i)
{
    return (size_t)(m ? source_map_at(m, i) : i);
}

/* Columns of a part stored as [row length, stored rows] that become rows, a few at a time. */
enum { COLUMNS = 64, DEEP = 16, SPAN = 256 };

struct columns {
    size_t n;             /* of them */
    size_t first, width;  /* the stretch of a stored row that they lie in */
    uint8_t off[COLUMNS]; /* each one's place in it */
};

/* Those of rows [r0, r0 + n), as many as lie in one stretch. */
static void columns_init(struct columns *c, const struct source_tensor *t, uint64_t r0, uint64_t n)
{
    c->first = at(t->rows, r0);
    c->width = 0;
    for (c->n = 0; c->n < n && c->n < COLUMNS; c->n++) {
        const size_t place = at(t->rows, r0 + c->n);
        if (place < c->first || place - c->first >= SPAN)
            break;
        c->off[c->n] = (uint8_t)(place - c->first);
        c->width = c->off[c->n] + 1U > c->width ? c->off[c->n] + 1U : c->width;
    }
}

/* dst[c->n, len] from `deep` decoded stretches: values i .. of every row. */
static void put_columns(float *dst, size_t len, const float *strip, size_t deep,
                        const struct columns *c)
{
    for (size_t j = 0; j < c->n; j++) {
        const float *from = strip + c->off[j];
        float *to = dst + j * len;
        if (deep == DEEP) /* a cache line of dst */
            for (size_t i = 0; i < DEEP; i++)
                to[i] = from[i * SPAN];
        else
            for (size_t i = 0; i < deep; i++)
                to[i] = from[i * SPAN];
    }
}

/* Rows [r0, r0 + n) of one part stored as [len, stored rows]: columns become rows. */
static void read_transposed(float *dst, const struct source_tensor *t, size_t part,
                            const struct codec *codec, uint64_t r0, uint64_t n)
{
    const size_t len = (size_t)source_row_len(t);
    float strip[DEEP * SPAN];
    struct columns c;

    for (uint64_t r = 0; r < n; r += c.n) {
        columns_init(&c, t, r0 + r, n - r);
        for (size_t i = 0, k; i < len; i += k) {
            k = len - i < DEEP ? len - i : DEEP;
            for (size_t d = 0; d < k; d++)
                read_piece(strip + d * SPAN, t, codec, part, at(t->cols, i + d), c.first, c.width);
            put_columns(dst + r * len + i, len, strip, k, &c);
        }
    }
}

static void round_f16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = f32_from_f16(f16_from_f32(x[i]));
}

static void add_one(float *x, size_t n, enum dtype in)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] + 1.0F;
    if (in == DTYPE_F16)
        round_f16(x, n);
}

/* exp(x) in the bits of the reference converter's own: by a table of 128 steps an octave
 * and a polynomial of the second degree, in F32 (Tang 1989, "Table-driven implementation
 * of the exponential function"). A correctly rounded one differs in one value of a hundred. */
static float exp_f32(float x)
{
    if (!(x > -87.0F && x < 88.0F))
        return (float)exp((double)x);
    const float k = rintf(x * 184.664965F); /* 128 / ln 2 */
    const float r = (x - k * 0.0054168701171875F) - k * -0.00000165776906F;
    const float p = r + 0.5F * r * r;
    const float octave = floorf(k / 128.0F);
    const double step = exp2((double)(k - 128.0F * octave) / 128.0);
    const float high = (float)step, low = (float)(step - (double)high);

    return ldexpf(high + (low + high * p), (int)octave);
}

float rows_neg_exp(float x)
{
    return -exp_f32(x);
}

static void neg_exp(float *x, size_t n, enum dtype in)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rows_neg_exp(x[i]);
    if (in == DTYPE_F16)
        round_f16(x, n);
}

/* The reference computes in the stored type; only F16 shows it. */
static void multiply(float *x, size_t n, float by, enum dtype stored)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
    if (stored == DTYPE_F16)
        round_f16(x, n);
}

static void scale(float *x, const struct source_tensor *t, uint64_t r0, uint64_t n, enum dtype in)
{
    const bool is_vector = t->n_dims == 1;
    const size_t len = is_vector ? 1 : (size_t)source_row_len(t);
    const uint64_t rows = is_vector ? n * source_row_len(t) : n;
    size_t k = 0;

    multiply(x, (size_t)rows * len, t->scale, in);
    multiply(x, (size_t)rows * len, t->scale_2, in);
    for (uint64_t r = 0; r < rows && t->n_scales; r++) {
        while (k + 1 < t->n_scales && r0 + r >= t->scales[k].end)
            k++;
        multiply(x + (size_t)r * len, len, t->scales[k].by, in);
    }
}

static void multiply_global(float *x, const struct source_tensor *t, uint64_t r0, uint64_t n)
{
    const uint64_t each = source_n_rows(t) / t->n_global;
    const size_t len = (size_t)source_row_len(t);

    for (uint64_t r = 0; r < n; r++)
        for (size_t i = 0; i < len; i++)
            x[r * len + i] *= t->global[(r0 + r) / each];
}

/* Rows of a coded tensor: runs that lie one after another are decoded together. */
static void read_coded(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n)
{
    const size_t len = (size_t)source_stored_len(t);
    size_t part, next_part;

    for (uint64_t r = 0, run; r < n; r += run) {
        const uint64_t first = source_locate(t, r0 + r, &part);
        for (run = 1; r + run < n; run++)
            if (source_locate(t, r0 + r + run, &next_part) != first + run || next_part != part)
                break;
        coded_rows(dst + r * len, t->coded[part].how, t->coded[part].row0 + first, run);
    }
}

/* Rows whose values stand in another order, or which are part of a wider stored row. */
static int read_gathered(float *dst, const struct source_tensor *t, const struct codec *c,
                         uint64_t r0, uint64_t n, size_t row_bytes, struct err *err)
{
    const size_t len = (size_t)source_row_len(t);
    float *stored = malloc((size_t)source_stored_len(t) * sizeof(*stored));

    if (!stored)
        return err_nomem(err);
    for (uint64_t r = 0; r < n; r++) {
        if (t->coded)
            read_coded(stored, t, r0 + r, 1);
        else
            c->dec(stored, source_row(t, r0 + r, row_bytes), (size_t)source_stored_len(t));
        for (size_t i = 0; i < len; i++)
            dst[r * len + i] = stored[at(t->cols, i)];
    }
    free(stored);
    return 0;
}

static int read_stored(float *dst, const struct source_tensor *t, const struct codec *c,
                       uint64_t r0, uint64_t n, size_t row_bytes, struct err *err)
{
    const size_t len = (size_t)source_row_len(t);

    if (t->transposed) {
        const uint64_t each = source_n_rows(t) / t->n_parts;
        if (dtype_get(t->type)->block != 1 && !t->coded)
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: %s cannot be transposed", t->name,
                           dtype_get(t->type)->name);
        for (uint64_t r = 0, k; r < n; r += k) {
            const uint64_t in = (r0 + r) % each;
            k = n - r < each - in ? n - r : each - in;
            read_transposed(dst + r * len, t, (size_t)((r0 + r) / each), c, in, k);
        }
        return 0;
    }
    if (t->cols)
        return read_gathered(dst, t, c, r0, n, row_bytes, err);
    if (t->coded)
        read_coded(dst, t, r0, n);
    for (uint64_t r = 0; r < n && !t->coded; r++)
        c->dec(dst + r * len, source_row(t, r0 + r, row_bytes), len);
    return 0;
}

/* `in`: the type that changes are made in; only F16 shows. */
static int read_in(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n,
                   enum dtype in, struct err *err)
{
    const struct codec *c = codec_get(t->type, CPU_ALL);
    const size_t values = (size_t)n * (size_t)source_row_len(t);
    size_t row_bytes;

    if (!c)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: pare cannot read type %s", t->name,
                       dtype_get(t->type) ? dtype_get(t->type)->name : "unknown");
    if (!dtype_row_bytes(&row_bytes, t->type, source_stored_len(t)))
        return err_set(err, ERR_FORMAT,
                       "tensor %s: rows of %llu values are no whole number of %s blocks", t->name,
                       (unsigned long long)source_stored_len(t), dtype_get(t->type)->name);
    const int rc = read_stored(dst, t, c, r0, n, row_bytes, err);
    if (rc)
        return rc;
    if (t->change == CHANGE_ADD_ONE)
        add_one(dst, values, in);
    if (t->change == CHANGE_NEG_EXP)
        neg_exp(dst, values, in);
    if (t->scaled)
        scale(dst, t, r0, n, in);
    if (t->global && !t->coded)
        multiply_global(dst, t, r0, n);
    return 0;
}

int rows_read(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n, struct err *err)
{
    return read_in(dst, t, r0, n, DTYPE_F32, err);
}

int rows_read_to_write(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n,
                       struct err *err)
{
    return read_in(dst, t, r0, n, t->type, err);
}

bool rows_verbatim(const struct source_tensor *t, enum dtype type)
{
    return t->type == type && source_has_rows(t);
}

bool rows_exact(void *dst, enum dtype type, const struct source_tensor *t, uint64_t r,
                const float *x)
{
    size_t part;

    if (!t->coded || t->transposed || t->cols || t->scaled || t->change == CHANGE_ADD_ONE ||
        t->change == CHANGE_NEG_EXP)
        return false;
    const uint64_t row = source_locate(t, r, &part);
    return coded_exact(dst, type, t->coded[part].how, t->coded[part].row0 + row, x);
}

bool rows_codes(void *dst, const struct source_tensor *t, uint64_t r)
{
    size_t part;

    if (!t->coded || t->type != DTYPE_NVFP4)
        return false;
    const uint64_t row = source_locate(t, r, &part);
    return coded_nvfp4(dst, t->coded[part].how, t->coded[part].row0 + row);
}
