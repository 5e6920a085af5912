/* Q4_1: 32 values, w = d * code + m, code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <math.h>

static double line_error(int8_t code[QK], struct srch_line line, const float *x, const float *w)
{
    double sum = 0;

    srch_codes(code, x, QK, line.scale, line.offset, 0, 15);
    for (int j = 0; j < QK; j++) {
        const float d = (float)code[j] * line.scale + line.offset - x[j];
        sum += (double)(w[j] * d * d);
    }
    return sum;
}

/* From the least value to the largest: what the search may miss in blocks with outliers. */
static struct srch_line whole_range(const float *x)
{
    float min = x[0], max = x[0];

    for (int j = 1; j < QK; j++) {
        min = x[j] < min ? x[j] : min;
        max = x[j] > max ? x[j] : max;
    }
    return (struct srch_line){f32_from_f16(f16_from_f32((max - min) / 15)),
                              f32_from_f16(f16_from_f32(min))};
}

/* Searches that end in different places; the best of them. */
static void block_encode(struct block_q4_1 *b, const float *x, const float *w,
                         enum srch_effort effort)
{
    const struct srch_line line[] = {
        srch_affine_f16(srch_affine(x, w, QK, 15, 0, effort), x, w, QK, 15),
        srch_affine_f16(srch_affine(x, w, QK, 15, 1, effort), x, w, QK, 15),
        whole_range(x),
        srch_affine_f16(whole_range(x), x, w, QK, 15),
    };
    int8_t code[QK];
    double least = INFINITY;
    size_t best = 0;

    for (size_t k = 0; k < sizeof(line) / sizeof(line[0]); k++) {
        const double e = line_error(code, line[k], x, w);
        if (e < least) {
            least = e;
            best = k;
        }
    }
    (void)line_error(code, line[best], x, w);
    b->d = f16_from_f32(line[best].scale);
    b->m = f16_from_f32(line[best].offset);
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(code[j] | code[j + 16] << 4);
}

void q4_1_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q4_1 *b = dst;
    float w[QK];

    for (size_t i = 0; i < n; i += QK)
        block_encode(b++, src + i, srch_importance(w, &s, i, QK), srch_effort(&s, SRCH_QUICK));
}

void q4_1_decode(float *dst, const void *src, size_t n)
{
    const struct block_q4_1 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d), m = f32_from_f16(b[i].m);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)(b[i].qs[j] & 15) * d + m;
            dst[j + 16] = (float)(b[i].qs[j] >> 4) * d + m;
        }
    }
}
