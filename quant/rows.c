#include "quant/rows.h"

#include "quant/codec.h"
#include "quant/half.h"

#include <math.h>

/* dst[n, len] from a tensor stored as [len, all rows]: columns become rows. */
static void read_transposed(float *dst, const struct source_tensor *t, const struct codec *c,
                            uint64_t r0, uint64_t n)
{
    enum { STRIP = 256 };
    const size_t len = (size_t)source_row_len(t), rows = (size_t)source_n_rows(t);
    const size_t each = dtype_get(t->type)->bytes;
    float strip[STRIP];

    for (size_t at = 0; at < n; at += STRIP) {
        const size_t k = n - at < STRIP ? (size_t)n - at : STRIP;
        for (size_t i = 0; i < len; i++) {
            c->dec(strip, t->part[0].data + (i * rows + (size_t)r0 + at) * each, k);
            for (size_t j = 0; j < k; j++)
                dst[(at + j) * len + i] = strip[j];
        }
    }
}

/* The reference adds in the stored type; only F16 shows it. */
static void add_one(float *x, size_t n, enum dtype stored)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] + 1.0F;
    if (stored == DTYPE_F16)
        for (size_t i = 0; i < n; i++)
            x[i] = f32_from_f16(f16_from_f32(x[i]));
}

static void neg_exp(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)-exp((double)x[i]);
}

int rows_read(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n, struct err *err)
{
    const struct codec *c = codec_get(t->type);
    const size_t len = (size_t)source_row_len(t);
    size_t row_bytes;

    if (!c)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: pare cannot read type %s", t->name,
                       dtype_get(t->type) ? dtype_get(t->type)->name : "unknown");
    if (!dtype_row_bytes(&row_bytes, t->type, len))
        return err_set(err, ERR_FORMAT, "tensor %s: rows of %zu values are no whole %s blocks",
                       t->name, len, dtype_get(t->type)->name);
    if (t->transposed) {
        if (dtype_get(t->type)->block != 1)
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: %s cannot be transposed", t->name,
                           dtype_get(t->type)->name);
        read_transposed(dst, t, c, r0, n);
        return 0;
    }
    for (uint64_t r = 0; r < n; r++)
        c->dec(dst + r * len, source_row(t, r0 + r, row_bytes), len);
    if (t->change == CHANGE_ADD_ONE)
        add_one(dst, (size_t)n * len, t->type);
    if (t->change == CHANGE_NEG_EXP)
        neg_exp(dst, (size_t)n * len);
    return 0;
}

bool rows_verbatim(const struct source_tensor *t, enum dtype type)
{
    return t->type == type && !t->transposed && t->change != CHANGE_ADD_ONE &&
           t->change != CHANGE_NEG_EXP;
}
