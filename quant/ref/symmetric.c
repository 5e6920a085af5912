/* Codes around zero: x ~ scale * code. */

#include "quant/ref/search.h"

#include "quant/half.h"
#include "quant/vec.h"

#include <math.h>

struct sums {
    vec lx, l2; /* sum w x code, sum w code^2 */
};

INLINE struct sums sums_loop(vec inverse, const float *x, const float *w, size_t n, int levels,
                             int even)
{
    const ivec lo = vec_bound(-levels), hi = vec_bound(levels - 1);
    struct sums s = {{0}, {0}};

    for (size_t i = 0; i < n; i++) {
        const vec code = vec_code(x[i] * inverse, lo, hi);
        const vec wc = even ? code : w[i] * code;
        s.lx += wc * x[i];
        s.l2 += wc * code;
    }
    return s;
}

INLINE struct sums sums_of(vec inverse, const float *x, const float *w, size_t n, int levels)
{
    return w == srch_ones ? sums_loop(inverse, x, w, n, levels, 1)
                          : sums_loop(inverse, x, w, n, levels, 0);
}

/* By effort: batches of sixteen starts, and how often each is fitted to its codes. */
enum { BATCHES = 2 };
static const struct {
    int batches, steps;
} tries[] = {
    [SRCH_QUICK] = {1, 1},
    [SRCH_NORMAL] = {1, 3},
    [SRCH_THOROUGH] = {2, 3},
};

/* What a later batch has to win by: more than noise, see vec_best. */
#define MORE 1.000001F

/* Where the largest magnitude lands: `side` * levels + `beyond`, in codes. Mostly on the
 * side that has one code more. */
static const float symmetric_side[SRCH_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                 -1, -1, -1, 1,  1,  1,  1,  1};
static const float symmetric_beyond[BATCHES][SRCH_LANES] = {
    {1.0F, 0.6F, 0.3F, 0.0F,  -0.3F,  -0.6F,  -0.9F,  -1.3F, -1.7F, -2.2F, -2.8F, -1.5F, -1.0F,  -0.6F,
     -0.1F,                                                                                                     0.5F},
    {2.0F, 1.4F, 0.8F, 0.15F, -0.15F, -0.45F, -0.75F, -1.1F, -1.5F, -3.6F, -5.0F, -2.2F, -1.25F,
     -0.8F,                                                                                             -0.35F, 1.5F},
};

/* Sixteen starts: the scale each comes to, and what it gains over zeros. */
INLINE void start_batch(float scale[SRCH_LANES], float gain[SRCH_LANES], int batch, float extreme,
                        const float *x, const float *w, size_t n, int levels, int steps)
{
    for (int at = 0; at < SRCH_LANES; at += VEC) {
        const vec lands =
            (float)levels * vec_load(symmetric_side + at) + vec_load(symmetric_beyond[batch] + at);
        struct sums s = sums_of(lands * (1.0F / extreme), x, w, n, levels);
        for (int step = 1; step < steps; step++) /* the best scale for these codes */
            s = sums_of(vec_ratio(s.l2, s.lx), x, w, n, levels);
        const vec fit = vec_ratio(s.lx, s.l2);
        vec_store(scale + at, fit);
        vec_store(gain + at, fit * s.lx);
    }
}

float srch_symmetric(const float *x, const float *w, size_t n, int levels, enum srch_effort effort)
{
    float least, greatest, gain[SRCH_LANES], scale[SRCH_LANES], best_gain = 0, best = 0;

    vec_bounds(&least, &greatest, x, n);
    const float extreme = greatest >= -least ? greatest : least;
    if (fabsf(extreme) < SRCH_TINY)
        return 0;
    for (int batch = 0; batch < tries[effort].batches; batch++) {
        start_batch(scale, gain, batch, extreme, x, w, n, levels, tries[effort].steps);
        const int i = vec_best(gain);
        if (gain[i] > best_gain * MORE) {
            best_gain = gain[i];
            best = scale[i];
        }
    }
    return best;
}

static void symmetric_sums(float lx[SRCH_LANES], float l2[SRCH_LANES],
                           const float scale[SRCH_LANES], const float *x, const float *w, size_t n,
                           int levels)
{
    for (int at = 0; at < SRCH_LANES; at += VEC) {
        const vec inverse = vec_ratio(vec_all(1.0F), vec_load(scale + at));
        const struct sums s = sums_of(inverse, x, w, n, levels);
        vec_store(lx + at, s.lx);
        vec_store(l2 + at, s.l2);
    }
}

uint16_t srch_symmetric_f16(float scale, const float *x, const float *w, size_t n, int levels)
{
    const uint16_t h = srch_f16_finite(scale);
    const int mag = h & 0x7fff;
    float s[SRCH_LANES], lx[SRCH_LANES], l2[SRCH_LANES];

    /* F16 has eleven bits here: rounding the scale costs nothing */
    if (mag >= SRCH_F16_COARSE)
        return h;
    for (int i = 0; i < SRCH_LANES; i++) {
        const int near = mag + i - SRCH_LANES / 2;
        s[i] = f32_from_f16((uint16_t)((h & 0x8000) | (near < 0 ? 0 : near)));
    }
    symmetric_sums(lx, l2, s, x, w, n, levels);
    int best = 0;
    float most = 0;
    for (int i = 0; i < SRCH_LANES; i++) {
        const float gain = s[i] * (2.0F * lx[i] - s[i] * l2[i]);
        if (gain > most) {
            most = gain;
            best = i;
        }
    }
    return most > 0 ? f16_from_f32(s[best]) : 0;
}
