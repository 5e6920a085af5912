/* NVFP4: 64 values in four runs of 16, w = scale * e2m1[code], scale an unsigned E4M3 for
 * each run: the one of least squared error around max / 6 is taken. A run whose largest
 * value is below 2^-10 becomes zero, above 2688 it is cut off: a checkpoint in this format
 * carries one more scale for the whole tensor, a GGUF block does not. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/e2m1.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <math.h>

enum { RUN = 16, RUNS = 4, LARGEST = 0x7e };

/* Of 0x7f and 0xff, NaN elsewhere, the first is 0; of all others bit 7 is ignored. */
static float scale_value(uint8_t b)
{
    const unsigned exp = b >> 3 & 15U, man = b & 7U;

    if (b == 0x7f)
        return 0;
    return exp ? f32_from_bits((exp + 120) << 23 | man << 20) : (float)man * 0x1p-9F;
}

/* The largest E4M3 that is not above v >= 0: its bits are the upper ones of an F32's. */
static uint8_t scale_below(float v)
{
    if (v >= 448)
        return LARGEST;
    return (uint8_t)(v < 0x1p-6F ? (uint32_t)(v * 512) : (f32_bits(v) >> 20) - (120U << 3));
}

static void run_encode(uint8_t *scale, uint8_t qs[RUN / 2], const float *x, const float *w)
{
    enum { LESS = 2, TRIES = 7 };
    uint8_t code[RUN];
    float max, least_x, least = INFINITY, best = 0;

    vec_bounds(&least_x, &max, x, RUN);
    max = -least_x > max ? -least_x : max;
    const int first = (int)scale_below(max / 6) - LESS;
    *scale = 0;
    for (int k = first < 0 ? 0 : first; k < first + TRIES && k <= LARGEST; k++) {
        const float s = scale_value((uint8_t)k), inverse = s > 0 ? 1.0F / s : 0;
        const float e = e2m1_error(x, w, RUN, s, inverse);
        if (e < least) {
            least = e;
            best = inverse;
            *scale = (uint8_t)k;
        }
    }
    e2m1_codes(code, x, RUN, best);
    for (int j = 0; j < RUN / 2; j++)
        qs[j] = (uint8_t)(code[j] | code[j + RUN / 2] << 4);
}

void nvfp4_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_nvfp4 *b = dst;
    float w[RUN];

    for (size_t i = 0; i < n; i += (size_t)RUN * RUNS, b++)
        for (size_t r = 0; r < RUNS; r++) {
            const size_t at = i + r * RUN;
            run_encode(&b->scales[r], b->qs + r * RUN / 2, src + at,
                       srch_importance(w, &s, at, RUN));
        }
}

void nvfp4_decode(float *dst, const void *src, size_t n)
{
    const struct block_nvfp4 *b = src;

    for (size_t i = 0; i < n; i += (size_t)RUN * RUNS, b++)
        for (int r = 0; r < RUNS; r++, dst += RUN) {
            const float s = scale_value(b->scales[r]);
            for (int j = 0; j < RUN / 2; j++) {
                dst[j] = e2m1_value[b->qs[r * RUN / 2 + j] & 15] * s;
                dst[j + RUN / 2] = e2m1_value[b->qs[r * RUN / 2 + j] >> 4] * s;
            }
        }
}
