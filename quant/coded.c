#include "quant/coded.h"

#include "quant/coded/decode.h"
#include "quant/half.h"
#include "quant/wide.h"

#include <math.h>

/* ---- scales ------------------------------------------------------------------------- */

static float f32_at(const uint8_t *p, uint64_t i)
{
    float f;

    memcpy(&f, p + 4 * i, sizeof(f));
    return f;
}

static float number_at(const uint8_t *p, enum dtype type, uint64_t i)
{
    uint16_t h;

    if (type == DTYPE_F32)
        return f32_at(p, i);
    if (type == DTYPE_U8)
        return f32_from_bits(p[i] ? (uint32_t)p[i] << 23 : 1U << 22); /* 2^(p[i] - 127) */
    if (type == DTYPE_F8_E4M3)
        return f32_from_e4m3(p[i]);
    memcpy(&h, p + 2 * i, sizeof(h));
    return type == DTYPE_F16 ? f32_from_f16(h) : f32_from_bf16(h);
}

uint64_t coded_group(const struct coded *c, uint64_t row, uint64_t col)
{
    int32_t g;

    if (c->layout == CODED_FLAT_HIGH)
        return (row * c->cols + col) / c->cols_per;
    if (!c->index)
        return col / c->cols_per;
    memcpy(&g, c->index + 4 * col, sizeof(g));
    return (uint64_t)g;
}

static float nested_scale(const struct coded *c, uint64_t block)
{
    return f32_at(c->nested_table, c->scale[block]) * f32_at(c->nested, block / c->nested_per) +
           c->offset;
}

float coded_scale_at(const struct coded *c, uint64_t row, uint64_t group)
{
    const uint64_t matrix = row / (c->out ? c->out : 1);
    uint64_t at = group;

    if (c->scale_kind == CODED_SCALE_NESTED)
        return nested_scale(c, group);
    if (c->layout != CODED_FLAT_HIGH)
        at = matrix * c->scale_matrix + row % c->out / c->rows_per * c->scale_row +
             group * c->scale_col;
    const float s = number_at(c->scale, c->scale_type, at);
    if (c->scale_kind == CODED_SCALE_TIMES)
        return s * f32_at(c->global, c->global_each ? matrix : 0);
    if (c->scale_kind == CODED_SCALE_OVER)
        return s / f32_at(c->global, c->global_each ? matrix : 0);
    return s;
}

/* ---- values -------------------------------------------------------------------------- */

static const float *table_of(enum coded_value v)
{
    static const float e2m1[16] = {0, 0.5F,  1,  1.5F,  2,  3,  4,  6,
                                   0, -0.5F, -1, -1.5F, -2, -3, -4, -6};
    static const float nf4[16] = {-1.0F,
                                  -0.6961928009986877F,
                                  -0.5250730514526367F,
                                  -0.39491748809814453F,
                                  -0.28444138169288635F,
                                  -0.18477343022823334F,
                                  -0.09105003625154495F,
                                  0.0F,
                                  0.07958029955625534F,
                                  0.16093020141124725F,
                                  0.24611230194568634F,
                                  0.33791524171829224F,
                                  0.44070982933044434F,
                                  0.5626170039176941F,
                                  0.7229568362236023F,
                                  1.0F};
    /* twelfths: normalized to 1 */
    static const float fp4[16] = {
        0, 0.0625F / 12,  8.0F / 12,  1,  4.0F / 12,  0.5F,  2.0F / 12,  0.25F,
        0, -0.0625F / 12, -8.0F / 12, -1, -4.0F / 12, -0.5F, -2.0F / 12, -0.25F};

    return v == CODED_NF4 ? nf4 : v == CODED_FP4 ? fp4 : e2m1;
}

/* An E4M3's exponent and mantissa, put where an F32 has them, are too small by 2^120. Its
 * denormals are made from whole numbers: computing with an F32's takes a hundred cycles. */
WIDE static void e4m3_values(float *dst, const uint8_t *code, size_t k, float scale)
{
    for (size_t i = 0; i < k; i++) {
        const uint32_t b = code[i], mag = (b & 0x7fU) << 20;
        const uint32_t small = f32_bits((float)(int32_t)(b & 7U) * 0x1p-9F);
        const uint32_t bits = (b & 0x78U) ? mag + (120U << 23) : small;
        const uint32_t v = (b & 0x7fU) == 0x7fU ? 0x7fc00000U : bits;
        dst[i] = f32_from_bits(v | (b & 0x80U) << 24) * scale;
    }
}

WIDE static void unsigned_values(float *dst, const uint8_t *code, size_t k, int zero, float scale)
{
    for (size_t i = 0; i < k; i++)
        dst[i] = (float)((int)code[i] - zero) * scale;
}

WIDE static void signed_values(float *dst, const uint8_t *code, size_t k, int zero, float scale)
{
    for (size_t i = 0; i < k; i++)
        dst[i] = (float)((int)(int8_t)code[i] - zero) * scale;
}

/* k values of one group. */
static void group_values(float *dst, const uint8_t *code, size_t k, const struct coded *c, int zero,
                         float scale)
{
    if (c->value == CODED_UNSIGNED) {
        unsigned_values(dst, code, k, zero, scale);
    } else if (c->value == CODED_SIGNED) {
        signed_values(dst, code, k, zero, scale);
    } else if (c->value == CODED_E4M3) {
        e4m3_values(dst, code, k, scale);
    } else if (c->value == CODED_E5M2) {
        for (size_t i = 0; i < k; i++)
            dst[i] = f32_from_e5m2(code[i]) * scale;
    } else {
        const float *table = table_of(c->value);
        for (size_t i = 0; i < k; i++)
            dst[i] = table[code[i]] * scale;
    }
}

/* How many of the k columns from col on are in its group. */
static size_t group_run(const struct coded *c, uint64_t row, uint64_t col, size_t k)
{
    const uint64_t at = c->layout == CODED_FLAT_HIGH ? row * c->cols + col : col;
    uint64_t left = c->cols_per - at % c->cols_per;

    if (c->index) {
        const uint64_t g = coded_group(c, row, col);
        left = 1;
        while (left < k && coded_group(c, row, col + left) == g)
            left++;
    }
    return left < k ? (size_t)left : k;
}

static void strip_values(float *dst, const uint8_t *code, const struct coded *c, uint64_t row,
                         uint64_t c0, size_t k)
{
    for (size_t i = 0; i < k;) {
        const size_t n = group_run(c, row, c0 + i, k - i);
        const uint64_t g = coded_group(c, row, c0 + i);
        group_values(dst + i, code + i, n, c, coded_zero_at(c, row, g), coded_scale_at(c, row, g));
        i += n;
    }
    if (c->scale_kind == CODED_SCALE_127)
        for (size_t i = 0; i < k; i++)
            dst[i] *= 0x1.020408p-7F; /* 1 / 127 as bitsandbytes writes it */
}

static void round_to(float *x, size_t n, enum dtype type)
{
    if (type == DTYPE_BF16)
        for (size_t i = 0; i < n; i++)
            x[i] = f32_from_bf16(bf16_from_f32(x[i]));
    if (type == DTYPE_F16)
        for (size_t i = 0; i < n; i++)
            x[i] = f32_from_f16(f16_from_f32(x[i]));
}

/* ---- columns in any order ------------------------------------------------------------- */

/* Scales and zero points of a few rows, by group. */
enum { TABLE = 1024 };
struct table {
    float scale[TABLE];
    int zero[TABLE];
};

static void table_fill(struct table *t, const struct coded *c, uint64_t r0, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        for (uint64_t g = 0; g < c->n_groups; g++) {
            t->scale[i * c->n_groups + g] = coded_scale_at(c, r0 + i, g);
            t->zero[i * c->n_groups + g] = coded_zero_at(c, r0 + i, g);
        }
}

/* k values of a row, each of the group that `index` gives its column. */
static void indexed_values(float *dst, const uint8_t *code, const struct coded *c,
                           const float *scale, const int *zero, uint64_t c0, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        int32_t g;
        memcpy(&g, c->index + 4 * (c0 + i), sizeof(g));
        dst[i] = (float)((int)code[i] - zero[g]) * scale[g];
    }
}

static bool is_indexed(const struct coded *c)
{
    return c->index && c->value == CODED_UNSIGNED && c->n_groups <= TABLE;
}

static void rows_indexed(float *dst, const struct coded *c, uint64_t r0, size_t rows)
{
    const size_t cols = (size_t)c->cols, groups = (size_t)c->n_groups;
    uint8_t code[CODED_ROWS * CODED_STRIP];
    struct table t;

    table_fill(&t, c, r0, rows);
    for (size_t c0 = 0; c0 < cols; c0 += CODED_STRIP) {
        const size_t k = cols - c0 < CODED_STRIP ? cols - c0 : CODED_STRIP;
        coded_unpack(code, c, r0, rows, c0, k);
        for (size_t i = 0; i < rows; i++)
            indexed_values(dst + i * cols + c0, code + i * CODED_STRIP, c, t.scale + i * groups,
                           t.zero + i * groups, c0, k);
    }
}

static void rows_grouped(float *dst, const struct coded *c, uint64_t r0, size_t rows)
{
    const size_t cols = (size_t)c->cols;
    uint8_t code[CODED_ROWS * CODED_STRIP];

    for (size_t c0 = 0; c0 < cols; c0 += CODED_STRIP) {
        const size_t k = cols - c0 < CODED_STRIP ? cols - c0 : CODED_STRIP;
        coded_unpack(code, c, r0, rows, c0, k);
        for (size_t i = 0; i < rows; i++)
            strip_values(dst + i * cols + c0, code + i * CODED_STRIP, c, r0 + i, c0, k);
    }
}

void coded_rows(float *dst, const struct coded *c, uint64_t r0, uint64_t n)
{
    const bool indexed = is_indexed(c);
    const size_t room = indexed ? TABLE / (size_t)c->n_groups : CODED_ROWS;
    const size_t most = room < CODED_ROWS ? room : CODED_ROWS, cols = (size_t)c->cols;

    for (uint64_t r = 0; r < n; r += most) {
        const size_t rows = n - r < most ? (size_t)(n - r) : most;
        if (indexed)
            rows_indexed(dst + r * cols, c, r0 + r, rows);
        else
            rows_grouped(dst + r * cols, c, r0 + r, rows);
    }
    round_to(dst, (size_t)n * cols, c->round_to);
}

void coded_cells(float *dst, const struct coded *c, uint64_t r, uint64_t c0, size_t n)
{
    uint8_t code[CODED_STRIP];
    float x[CODED_STRIP];

    for (size_t i = 0; i < n;) {
        const uint64_t first = (c0 + i) / CODED_STRIP * CODED_STRIP, skip = c0 + i - first;
        const size_t left = c->cols - first < CODED_STRIP ? (size_t)(c->cols - first) : CODED_STRIP;
        const size_t k = n - i < left - skip ? n - i : (size_t)(left - skip);
        coded_unpack(code, c, r, 1, first, left);
        strip_values(x, code, c, r, first, left);
        round_to(x, left, c->round_to);
        memcpy(dst + i, x + skip, k * sizeof(*x));
        i += k;
    }
}
