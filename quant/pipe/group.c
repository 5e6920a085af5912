#include "formats/base/clock.h"
#include "formats/base/cpu.h"
#include "quant/codec.h"
#include "quant/global.h"
#include "quant/pipe/pipe.h"
#include "quant/rows.h"
#include "quant/wide.h"

#include <string.h>

uint64_t pipe_group_rows(const struct source_tensor *t)
{
    const uint64_t len = source_row_len(t);

    return len > 0 && len < PIPE_GROUP_VALUES ? PIPE_GROUP_VALUES / len : 1;
}

size_t pipe_group_scratch(const struct source_tensor *t)
{
    /* the rows, and one more for decoding what was written */
    return (size_t)((pipe_group_rows(t) + 1) * source_row_len(t));
}

/* Coded weights keep their grid where the type has it. */
static int encode_row(struct pipe_group *g, const struct codec *c, uint8_t *out, uint64_t row,
                      const float *x, const struct codec_how *how)
{
    if (rows_exact(out, g->type, g->t, row, x))
        return 0;
    const int rc = codec_encode_row(c, out, x, (size_t)source_row_len(g->t), how, &g->err);
    if (!rc)
        (void)rows_exact(out, g->type, g->t, row, x);
    return rc;
}

/* Blocks that hold x divided by the tensor's own number; `scaled` is room for a row. */
static int encode_scaled(struct pipe_group *g, const struct codec *c, uint8_t *out, uint64_t row,
                         const float *x, const struct codec_how *how, float *scaled)
{
    const size_t len = (size_t)source_row_len(g->t);
    const float by = g->global[global_of_row(g->t, g->n_global, row)];

    if (rows_codes(out, g->t, row))
        return 0;
    for (size_t i = 0; i < len; i++)
        scaled[i] = x[i] / by;
    return codec_encode_row(c, out, scaled, len, how, &g->err);
}

static int encode(struct pipe_group *g, const struct pipe_job *job, float *x)
{
    const struct codec *c = codec_get(g->type, job->cpu);
    struct codec_how how = {.effort = job->effort};
    const size_t len = (size_t)source_row_len(g->t);
    const size_t row_bytes = g->n ? g->out_bytes / (size_t)g->n : 0;
    /* a row at a time stays in the first cache; others are cheaper to read together */
    const uint64_t together = g->t->transposed || g->t->coded || g->t->cols ? g->n : 1;
    float *back = x + together * len;
    int rc = 0;

    if (!c)
        return err_set(&g->err, ERR_UNSUPPORTED, "tensor %s: pare cannot write %s", g->t->name,
                       dtype_get(g->type)->name);
    for (uint64_t r = 0; r < g->n && !rc; r++) {
        uint8_t *out = g->out + r * row_bytes;
        const float *row = x + r % together * len;
        if (r % together == 0)
            rc = rows_read_to_write(x, g->t, g->r0 + r, together, &g->err);
        if (rc)
            break;
        if (job->importance)
            how.importance = importance_row(job->importance, g->index, g->r0 + r);
        if (g->global)
            rc = encode_scaled(g, c, out, g->r0 + r, row, &how, back);
        else
            rc = encode_row(g, c, out, g->r0 + r, row, &how);
        if (rc)
            return err_wrap(&g->err, "tensor %s: row %llu", g->t->name,
                            (unsigned long long)(g->r0 + r));
        if (!job->tensor_report)
            continue;
        c->dec(back, out, len);
        for (size_t i = 0; g->global && i < len; i++)
            back[i] *= g->global[global_of_row(g->t, g->n_global, g->r0 + r)];
        pipe_sums_row(&g->sums, row, back, how.importance, len);
    }
    return rc;
}

/* The column of the first value that is no finite number, or n. `all` are the bits
 * of its exponent. */
WIDE static size_t bad_16(const uint8_t *p, size_t n, unsigned all)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof(h));
        bad |= (h & all) == all;
    }
    for (size_t i = 0; bad && i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof(h));
        if ((h & all) == all)
            return i;
    }
    return n;
}

WIDE static size_t bad_32(const uint8_t *p, size_t n)
{
    size_t i = 0;
    uint32_t u, bad = 0;

    for (size_t j = 0; j < n; j++) {
        memcpy(&u, p + 4 * j, sizeof(u));
        bad |= (u & 0x7f800000U) == 0x7f800000U;
    }
    if (!bad)
        return n;
    do
        memcpy(&u, p + 4 * i++, sizeof(u));
    while ((u & 0x7f800000U) != 0x7f800000U);
    return i - 1;
}

static int copy(struct pipe_group *g)
{
    const size_t len = (size_t)source_row_len(g->t);
    const size_t row_bytes = g->n ? g->out_bytes / (size_t)g->n : 0;

    for (uint64_t r = 0; r < g->n; r++) {
        const uint8_t *p = source_row(g->t, g->r0 + r, row_bytes);
        size_t bad = len;
        if (g->type == DTYPE_F32)
            bad = bad_32(p, len);
        if (g->type == DTYPE_F16 || g->type == DTYPE_BF16)
            bad = bad_16(p, len, g->type == DTYPE_F16 ? 0x7c00U : 0x7f80U);
        if (bad < len)
            return err_set(
                &g->err, ERR_FORMAT,
                "tensor %s: row %llu: column %zu: expected a finite number, found NaN or infinity",
                g->t->name, (unsigned long long)(g->r0 + r), bad);
        memcpy(g->out + r * row_bytes, p, row_bytes);
    }
    return 0;
}

void pipe_group_encode(struct pipe_group *g, const struct pipe_job *job, float *scratch)
{
    const double begun = clock_seconds();

    g->rc = rows_verbatim(g->t, g->type) ? copy(g) : encode(g, job, scratch);
    g->seconds = clock_seconds() - begun;
}
