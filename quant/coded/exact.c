/* Coded weights on a GGUF type's own grid. */

#include "formats/base/cpu.h"
#include "quant/coded.h"

#include "formats/blocks.h"
#include "quant/codec.h"
#include "quant/coded/decode.h"
#include "quant/half.h"
#include "quant/ref/q5_bits.h"
#include "quant/wide.h"

#include <math.h>
#include <string.h>

/* The one scale of columns col .. col + n - 1, an F16 number, of whole-number codes. */
static bool find_scale(float *d, const struct coded *c, uint64_t row, uint64_t col, uint64_t n)
{
    const uint64_t first = coded_group(c, row, col);

    if (c->value != CODED_UNSIGNED && c->value != CODED_SIGNED)
        return false;
    if (coded_group(c, row, col + n - 1) != first)
        return false;
    for (uint64_t i = 1; c->index && i < n; i++)
        if (coded_group(c, row, col + i) != first)
            return false;
    *d = coded_scale_at(c, row, first);
    return *d != 0 && f32_from_f16(f16_from_f32(*d)) == *d;
}

/* code[i] = x / d + base, whole numbers; false: some lies outside [0, levels). */
static bool find_codes(uint8_t *code, const float *x, float d, int base, int levels)
{
    for (int i = 0; i < QK; i++) {
        const float q = x[i] / d;
        if (!(fabsf(q) < 4096) || q != floorf(q) || (int)q + base < 0 || (int)q + base >= levels)
            return false;
        code[i] = (uint8_t)((int)q + base);
    }
    return true;
}

static void put_nibbles(uint8_t *qs, const uint8_t *code)
{
    for (int j = 0; j < QK / 2; j++)
        qs[j] = (uint8_t)(code[j] | code[j + QK / 2] << 4);
}

/* ---- one block: decoding it has to give x ------------------------------------------- */

static bool put_q4_0(void *dst, const float *x, float d)
{
    struct block_q4_0 *b = dst;
    uint8_t code[QK];

    if (!find_codes(code, x, d, 8, 16))
        return false;
    b->d = f16_from_f32(d);
    put_nibbles(b->qs, code);
    return true;
}

static bool put_q5_0(void *dst, const float *x, float d)
{
    struct block_q5_0 *b = dst;
    uint8_t code[QK];

    if (!find_codes(code, x, d, 16, 32))
        return false;
    b->d = f16_from_f32(d);
    q5_bits_put(b->qh, b->qs, code);
    return true;
}

static bool put_q8_0(void *dst, const float *x, float d)
{
    struct block_q8_0 *b = dst;
    uint8_t code[QK];

    if (!find_codes(code, x, d, 128, 256))
        return false;
    b->d = f16_from_f32(d);
    for (int i = 0; i < QK; i++)
        b->qs[i] = (int8_t)((int)code[i] - 128);
    return true;
}

/* d * (whole numbers) as d * code + m: m, a multiple of d, has to be an F16 number. */
static bool find_offset(uint16_t *m, uint8_t *code, const float *x, float d, int levels)
{
    int min = 255, max = 0;

    if (!find_codes(code, x, d, 128, 256))
        return false;
    for (int i = 0; i < QK; i++) {
        min = code[i] < min ? code[i] : min;
        max = code[i] > max ? code[i] : max;
    }
    for (int low = min; low >= 0 && max - low < levels; low--) {
        const float offset = d * (float)(low - 128);
        *m = f16_from_f32(offset);
        if (f32_from_f16(*m) != offset)
            continue;
        for (int i = 0; i < QK; i++)
            code[i] = (uint8_t)(code[i] - low);
        return true;
    }
    return false;
}

static bool put_q4_1(void *dst, const float *x, float d)
{
    struct block_q4_1 *b = dst;
    uint8_t code[QK];

    b->d = f16_from_f32(d);
    if (!find_offset(&b->m, code, x, d, 16))
        return false;
    put_nibbles(b->qs, code);
    return true;
}

static bool put_q5_1(void *dst, const float *x, float d)
{
    struct block_q5_1 *b = dst;
    uint8_t code[QK];

    b->d = f16_from_f32(d);
    if (!find_offset(&b->m, code, x, d, 32))
        return false;
    q5_bits_put(b->qh, b->qs, code);
    return true;
}

typedef bool put_fn(void *dst, const float *x, float d);

static put_fn *put_of(enum dtype type)
{
    switch (type) {
    case DTYPE_Q4_0:
        return put_q4_0;
    case DTYPE_Q4_1:
        return put_q4_1;
    case DTYPE_Q5_0:
        return put_q5_0;
    case DTYPE_Q5_1:
        return put_q5_1;
    case DTYPE_Q8_0:
        return put_q8_0;
    default:
        return NULL;
    }
}

WIDE static bool same_bits(const float *a, const float *b, size_t n)
{
    int differ = 0;

    for (size_t i = 0; i < n; i++) /* zeros of either sign are equal */
        differ |= !(a[i] == b[i]) | ((f32_bits(a[i]) & 0x7fffffffU) == 0x7f800000U);
    return !differ;
}

static bool grid_row(void *dst, enum dtype type, const struct coded *c, uint64_t r, const float *x)
{
    const struct codec *codec = codec_get(type, CPU_ALL);
    const size_t bytes = dtype_get(type)->bytes;
    put_fn *put = put_of(type);
    bool all = true;

    for (uint64_t col = 0; col < c->cols; col += QK) {
        uint8_t block[64];
        float back[QK];
        float d;
        if (find_scale(&d, c, r, col, QK) && put(block, x + col, d)) {
            codec->dec(back, block, QK);
            if (same_bits(back, x + col, QK)) {
                memcpy((uint8_t *)dst + col / QK * bytes, block, bytes);
                continue;
            }
        }
        all = false;
    }
    return all;
}

/* ---- 4-bit floats: only bits move ---------------------------------------------------- */

/* From two neighbours a byte to value j and j + half of a run a byte. */
static void repack(uint8_t *qs, const uint8_t *code, int half)
{
    for (int j = 0; j < half; j++)
        qs[j] = (uint8_t)(code[j] | code[j + half] << 4);
}

/* A type whose blocks are runs of values with a byte of scale each. */
struct float4 {
    enum dtype type, scale_type;
    unsigned run, runs; /* values in a run, runs in a block */
};

static const struct float4 mxfp4 = {DTYPE_MXFP4, DTYPE_U8, 32, 1};
static const struct float4 nvfp4 = {DTYPE_NVFP4, DTYPE_F8_E4M3, 16, 4};

/* Every run has the one scale that the type needs; a scale for the whole tensor has no
 * place in a block. Whether its value is 1 the comparison shows. */
static bool fits(const struct coded *c, const struct float4 *f)
{
    return c->value == CODED_E2M1 && c->scale_type == f->scale_type && c->cols_per == f->run &&
           !c->index && c->cols % ((uint64_t)f->run * f->runs) == 0;
}

/* Block: the scales of its runs, then their codes. */
static void put_runs(uint8_t *dst, const struct coded *c, const struct float4 *f, uint64_t r,
                     const uint8_t *code, uint64_t col)
{
    const uint64_t scales = r / c->out * c->scale_matrix + r % c->out / c->rows_per * c->scale_row;

    for (unsigned i = 0; i < f->runs; i++) {
        dst[i] = c->scale[scales + (col / f->run + i) * c->scale_col];
        repack(dst + f->runs + i * f->run / 2, code + i * f->run, (int)f->run / 2);
    }
}

static bool float4_row(uint8_t *dst, const struct coded *c, const struct float4 *f, uint64_t r,
                       const float *x)
{
    const struct codec *codec = codec_get(f->type, CPU_ALL);
    const size_t bytes = dtype_get(f->type)->bytes, block = dtype_get(f->type)->block;
    bool same = fits(c, f);

    for (uint64_t c0 = 0; same && c0 < c->cols; c0 += CODED_STRIP) {
        const size_t k = c->cols - c0 < CODED_STRIP ? (size_t)(c->cols - c0) : CODED_STRIP;
        uint8_t code[CODED_STRIP], *at = dst + c0 / block * bytes;
        float back[CODED_STRIP];
        coded_unpack(code, c, r, 1, c0, k);
        for (size_t i = 0; i < k; i += block)
            put_runs(at + i / block * bytes, c, f, r, code + i, c0 + i);
        codec->dec(back, at, k);
        same = same_bits(back, x + c0, k);
    }
    return same;
}

bool coded_nvfp4(void *dst, const struct coded *c, uint64_t r)
{
    const size_t bytes = dtype_get(DTYPE_NVFP4)->bytes, block = dtype_get(DTYPE_NVFP4)->block;
    uint8_t *at = dst;

    if (!fits(c, &nvfp4))
        return false;
    for (uint64_t c0 = 0; c0 < c->cols; c0 += CODED_STRIP) {
        const size_t k = c->cols - c0 < CODED_STRIP ? (size_t)(c->cols - c0) : CODED_STRIP;
        uint8_t code[CODED_STRIP];
        coded_unpack(code, c, r, 1, c0, k);
        for (size_t i = 0; i < k; i += block, at += bytes) {
            put_runs(at, c, &nvfp4, r, code + i, c0 + i);
            for (unsigned j = 0; j < nvfp4.runs; j++)
                if (at[j] >= 0x7f)
                    return false;
        }
    }
    return true;
}

bool coded_exact(void *dst, enum dtype type, const struct coded *c, uint64_t r, const float *x)
{
    if (c->round_to == DTYPE_BF16 || c->round_to == DTYPE_F16 || c->scale_kind == CODED_SCALE_127)
        return false;
    if (type == DTYPE_MXFP4)
        return float4_row(dst, c, &mxfp4, r, x);
    if (type == DTYPE_NVFP4)
        return float4_row(dst, c, &nvfp4, r, x);
    return put_of(type) && c->cols % QK == 0 && codec_get(type, CPU_ALL) &&
           grid_row(dst, type, c, r, x);
}
