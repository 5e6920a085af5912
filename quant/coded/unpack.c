/* Codes out of their packing. */

#include "quant/coded/decode.h"

#include "quant/wide.h"

#include <string.h>

INLINE uint32_t word_at(const uint8_t *p, uint64_t i)
{
    uint32_t w;

    memcpy(&w, p + 4 * i, sizeof(w)); /* little endian, as everything pare runs on */
    return w;
}

/* `bits` bits of a dense run of words `step` apart, from bit `at` on. */
INLINE uint8_t bits_at(const uint8_t *p, uint64_t step, uint64_t at, unsigned bits)
{
    const uint64_t w = at / 32;
    const unsigned shift = at % 32;
    uint32_t v = word_at(p, w * step) >> shift;

    if (shift + bits > 32)
        v |= word_at(p, (w + 1) * step) << (32 - shift);
    return (uint8_t)(v & ((1U << bits) - 1));
}

static void row_bits(uint8_t *code, const struct coded *c, uint64_t row, uint64_t c0, size_t k)
{
    const uint64_t words = (c->cols * c->bits + 31) / 32;
    const uint8_t *p = c->code + 4 * row * words;

    if (c->bits == 8) {
        memcpy(code, p + c0, k);
        return;
    }
    if (c->bits == 4) {
        for (size_t i = 0; i < k; i++)
            code[i] = p[(c0 + i) / 2] >> (4 * (i & 1)) & 15;
        return;
    }
    for (size_t i = 0; i < k; i++)
        code[i] = bits_at(p, 1, (c0 + i) * c->bits, c->bits);
}

WIDE static void row_pairs(uint8_t *code, const uint8_t *p, size_t k)
{
    for (size_t i = 0; i < k / 2; i++) {
        code[2 * i] = p[i] & 15;
        code[2 * i + 1] = p[i] >> 4;
    }
}

static void flat_high(uint8_t *code, const struct coded *c, uint64_t row, uint64_t c0, size_t k)
{
    const uint64_t first = row * c->cols + c0;

    for (size_t i = 0; i < k; i++)
        code[i] = c->code[(first + i) / 2] >> ((first + i) & 1 ? 0 : 4) & 15;
}

/* Eight nibbles, the lowest first, as a byte each. */
INLINE void put_nibbles(uint8_t *code, uint32_t w)
{
    uint64_t v = (w | (uint64_t)w << 16) & 0x0000ffff0000ffffU;

    v = (v | v << 8) & 0x00ff00ff00ff00ffU;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fU;
    memcpy(code, &v, sizeof(v));
}

/* Words go along rows: eight (four, sixteen) columns of every row at a time. */
static void col_bits(uint8_t *code, const struct coded *c, uint64_t r0, size_t n, uint64_t c0,
                     size_t k)
{
    const unsigned bits = c->bits, each = 32 / bits;

    if (bits == 3) {
        for (size_t i = 0; i < k; i++)
            for (size_t r = 0; r < n; r++)
                code[r * CODED_STRIP + i] =
                    bits_at(c->code + 4 * (r0 + r), c->rows, (c0 + i) * bits, bits);
        return;
    }
    for (size_t i = 0; i < k; i += each)
        for (size_t r = 0; r < n; r++) {
            const uint32_t w = word_at(c->code, (c0 + i) / each * c->rows + r0 + r);
            if (bits == 4) {
                put_nibbles(code + r * CODED_STRIP + i, w);
                continue;
            }
            for (unsigned j = 0; j < each; j++)
                code[r * CODED_STRIP + i + j] = (uint8_t)(w >> (j * bits) & ((1U << bits) - 1));
        }
}

static void col_awq(uint8_t *code, const struct coded *c, uint64_t r0, size_t n, uint64_t c0,
                    size_t k)
{
    static const uint8_t nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

    for (size_t i = 0; i < k; i++)
        for (size_t r = 0; r < n; r++) {
            const uint64_t row = r0 + r;
            const uint32_t w = word_at(c->code, (c0 + i) * (c->rows / 8) + row / 8);
            code[r * CODED_STRIP + i] = (uint8_t)(w >> (4 * nibble[row % 8]) & 15);
        }
}

void coded_unpack(uint8_t *code, const struct coded *c, uint64_t r0, size_t n, uint64_t c0,
                  size_t k)
{
    if (c->layout == CODED_COL_BITS) {
        col_bits(code, c, r0, n, c0, k);
        return;
    }
    if (c->layout == CODED_COL_AWQ) {
        col_awq(code, c, r0, n, c0, k);
        return;
    }
    for (size_t r = 0; r < n; r++, code += CODED_STRIP) {
        const uint64_t row = r0 + r;
        if (c->layout == CODED_BYTES)
            memcpy(code, c->code + row * c->cols + c0, k);
        else if (c->layout == CODED_ROW_BITS)
            row_bits(code, c, row, c0, k);
        else if (c->layout == CODED_ROW_PAIRS)
            row_pairs(code, c->code + (row * c->cols + c0) / 2, k);
        else
            flat_high(code, c, row, c0, k);
    }
}

static int awq_zero(const struct coded *c, uint64_t row, uint64_t group)
{
    static const uint8_t nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

    return (int)(word_at(c->zero, group * (c->rows / 8) + row / 8) >> (4 * nibble[row % 8]) & 15);
}

/* Zero points of bytes lie as the scales do. */
static int byte_zero(const struct coded *c, uint64_t row, uint64_t group)
{
    const uint64_t at = row / c->out * c->scale_matrix + row % c->out / c->rows_per * c->scale_row +
                        group * c->scale_col;
    const int z = c->zero[at] < 128 ? c->zero[at] : c->zero[at] - 256;

    return z + c->zero_fixed;
}

int coded_zero_at(const struct coded *c, uint64_t row, uint64_t group)
{
    const int all = (1 << c->bits) - 1;
    const uint64_t words = (c->rows * c->bits + 31) / 32;

    switch (c->zero_kind) {
    case CODED_ZERO_NONE:
        return c->zero_fixed;
    case CODED_ZERO_BYTES:
        return byte_zero(c, row, group);
    case CODED_ZERO_ROW_BITS:
        return (bits_at(c->zero + 4 * group * words, 1, row * c->bits, c->bits) + c->zero_add) &
               all;
    case CODED_ZERO_AWQ:
        return awq_zero(c, row, group);
    case CODED_ZERO_COL_BITS:
        return bits_at(c->zero + 4 * group, c->n_groups, row * c->bits, c->bits);
    }
    return 0;
}
