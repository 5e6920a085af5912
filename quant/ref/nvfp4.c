/* NVFP4: 64 values in four runs of 16, w = scale * e2m1[code], scale an unsigned E4M3 for
 * each run: the one of least squared error around max / 6 is taken. A run whose largest
 * value is below 2^-10 becomes zero, above 2688 it is cut off: a checkpoint in this format
 * carries one more scale for the whole tensor, a GGUF block does not. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/e2m1.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

enum { RUN = 16, RUNS = 4, LARGEST = 0x7e };

/* Of 0x7f and 0xff, NaN elsewhere, the first is 0; of all others bit 7 is ignored. */
static float scale_value(uint8_t b)
{
    const unsigned exp = b >> 3 & 15U, man = b & 7U;

    if (b == 0x7f)
        return 0;
    return exp ? (1 + (float)man / 8) * ldexpf(1.0F, (int)exp - 7) : (float)man * 0x1p-9F;
}

/* The largest E4M3 that is not above v >= 0. */
static uint8_t scale_below(float v)
{
    uint8_t low = 0, high = LARGEST;

    while (low < high) {
        const uint8_t mid = (uint8_t)((low + high + 1) / 2);
        if (scale_value(mid) <= v)
            low = mid;
        else
            high = (uint8_t)(mid - 1);
    }
    return low;
}

static float run_codes(uint8_t code[RUN], const float *x, const float *w, float s)
{
    float sum = 0;

    for (int i = 0; i < RUN; i++) {
        code[i] = s > 0 ? e2m1_nearest(x[i] / s) : 0;
        const float d = e2m1_value[code[i]] * s - x[i];
        sum += w[i] * d * d;
    }
    return sum;
}

static void run_encode(uint8_t *scale, uint8_t qs[RUN / 2], const float *x, const float *w)
{
    enum { LESS = 2, TRIES = 7 };
    uint8_t code[RUN], best[RUN] = {0};
    float max = 0, least = INFINITY;

    for (int i = 0; i < RUN; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    const int first = (int)scale_below(max / 6) - LESS;
    *scale = 0;
    for (int k = first < 0 ? 0 : first; k < first + TRIES && k <= LARGEST; k++) {
        const float e = run_codes(code, x, w, scale_value((uint8_t)k));
        if (e < least) {
            least = e;
            *scale = (uint8_t)k;
            memcpy(best, code, sizeof(best));
        }
    }
    for (int j = 0; j < RUN / 2; j++)
        qs[j] = (uint8_t)(best[j] | best[j + RUN / 2] << 4);
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
