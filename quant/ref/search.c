#include "quant/ref/search.h"

#include "quant/half.h"
#include "quant/lanes.h"

#include <math.h>
#include <string.h>

_Static_assert((int)LANES == (int)SRCH_LANES, "a candidate in every lane");

typedef int32_t masks __attribute__((vector_size(4 * LANES)));
typedef int32_t masks8 __attribute__((vector_size(32)));
typedef int32_t masks4 __attribute__((vector_size(16)));

/* 1.5 * 2^23: adding and subtracting it rounds |x| < 2^22 to a whole number, halves
 * to even. Larger numbers come out large enough to be clamped. */
#define ROUND 12582912.0F

enum { F16_MOST = 0x7bff }; /* 65504 */

/* ---- lanes ---------------------------------------------------------------------- */

/* v = m ? a : v */
INLINE void lanes_pick(lanes *v, const masks *m, const lanes *a)
{
    *v = (lanes)(((masks)*a & *m) | ((masks)*v & ~*m));
}

/* The nearest whole number in [lo, hi], which are given plus ROUND: such numbers compare
 * as their bits do, and whole vectors have a minimum and maximum for those. */
INLINE void lanes_code(lanes *v, const masks *lo, const masks *hi)
{
    const lanes shifted = *v + ROUND;
    masks bits = (masks)shifted;
    const masks below = bits < *lo;
    bits = (*lo & below) | (bits & ~below);
    const masks above = bits > *hi;
    bits = (*hi & above) | (bits & ~above);
    *v = (lanes)bits - ROUND;
}

/* A bound for lanes_code. */
INLINE void lanes_bound(masks *v, int code)
{
    lanes f;

    lanes_all(&f, ROUND + (float)code);
    *v = (masks)f;
}

/* The greatest of sixteen whole numbers, by halves. */
INLINE int32_t masks_greatest(const masks *v)
{
    masks8 a8, b8;
    masks4 a4, b4;
    int32_t last[4];

    memcpy(&a8, v, sizeof(a8));
    memcpy(&b8, (const char *)v + sizeof(a8), sizeof(b8));
    const masks8 more8 = a8 > b8;
    a8 = (a8 & more8) | (b8 & ~more8);
    memcpy(&a4, &a8, sizeof(a4));
    memcpy(&b4, (const char *)&a8 + sizeof(a4), sizeof(b4));
    const masks4 more4 = a4 > b4;
    a4 = (a4 & more4) | (b4 & ~more4);
    memcpy(last, &a4, sizeof(last));
    const int32_t x = last[0] > last[1] ? last[0] : last[1];
    const int32_t y = last[2] > last[3] ? last[2] : last[3];
    return x > y ? x : y;
}

/* a / b, 0 where b is 0 */
INLINE void lanes_ratio(lanes *q, const lanes *a, const lanes *b)
{
    const lanes zero = {0};
    const masks none = *b == zero;

    *q = *a / *b;
    lanes_pick(q, &none, &zero);
}

/* ---- weights ---------------------------------------------------------------------- */

/* Sum in sixteen lanes, then across them; n beyond a multiple of 16 goes to lane 0. */
INLINE float dot(const float *a, const float *b, size_t n)
{
    lanes s = {0};
    float part[SRCH_LANES];
    size_t i = 0;

    for (; i + SRCH_LANES <= n; i += SRCH_LANES) {
        lanes x, y;
        lanes_load(&x, a + i);
        lanes_load(&y, b + i);
        s += x * y;
    }
    lanes_store(part, &s);
    for (; i < n; i++)
        part[0] += a[i] * b[i];
    for (size_t half = SRCH_LANES / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            part[j] += part[j + half];
    return part[0];
}

#define ONES_16 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define ONES_64 ONES_16, ONES_16, ONES_16, ONES_16
static const float ones[SRCH_MAX] = {ONES_64, ONES_64, ONES_64, ONES_64};

float srch_mean_square(const float *x, size_t n)
{
    return dot(x, x, n) / (float)n;
}

struct srch_weighting srch_weighting(const float *row, const float *importance, size_t n)
{
    struct srch_weighting s = {0};
    float sum = 0;

    if (!importance)
        return s;
    for (size_t i = 0; i < n; i += SRCH_MAX)
        sum += dot(importance + i, ones, n - i < SRCH_MAX ? n - i : SRCH_MAX);
    if (!(sum > 0))
        return s; /* no importance anywhere: as if there were none */
    s.importance = importance;
    s.inverse_mean = (float)n / sum;
    s.sigma2 = dot(row, row, n) / (float)n;
    return s;
}

enum srch_effort srch_effort(const struct srch_weighting *s, enum srch_effort plain)
{
    return s->importance ? SRCH_THOROUGH : plain;
}

/* Columns that were never seen still count a little, so that a run of them is
 * not stored as zeros. */
#define IMPORTANCE_FLOOR 1e-4F

const float *srch_weights(float *w, const struct srch_weighting *s, const float *row, size_t at,
                          size_t n)
{
    if (!s->importance)
        return ones;
    for (size_t i = 0; i < n; i++) {
        const float x = row[at + i];
        w[i] =
            (s->importance[at + i] * s->inverse_mean + IMPORTANCE_FLOOR) * sqrtf(s->sigma2 + x * x);
    }
    return w;
}

const float *srch_importance(float *w, const struct srch_weighting *s, size_t at, size_t n)
{
    if (!s->importance)
        return ones;
    for (size_t i = 0; i < n; i++)
        w[i] = s->importance[at + i] * s->inverse_mean + IMPORTANCE_FLOOR;
    return w;
}

/* A number as an integer that compares as it does, but for -0 < 0; and back. */
INLINE void lanes_order(masks *key, const lanes *v)
{
    const masks bits = (masks)*v;

    *key = bits ^ ((bits >> 31) & 0x7fffffff);
}

static inline float from_order(int32_t key)
{
    return f32_from_bits((uint32_t)(key ^ ((key >> 31) & 0x7fffffff)));
}

/* The least and the greatest of n values, a multiple of 16. */
INLINE void bounds(float *least, float *greatest, const float *x, size_t n)
{
    lanes v;
    masks lo, hi;

    lanes_load(&v, x);
    lanes_order(&lo, &v);
    hi = lo;
    for (size_t i = SRCH_LANES; i < n; i += SRCH_LANES) {
        masks key;
        lanes_load(&v, x + i);
        lanes_order(&key, &v);
        const masks below = key<lo, above = key> hi;
        lo = (key & below) | (lo & ~below);
        hi = (key & above) | (hi & ~above);
    }
    lo = ~lo;
    *least = from_order(~masks_greatest(&lo));
    *greatest = from_order(masks_greatest(&hi));
}

float srch_extreme(const float *x, size_t n)
{
    float least, greatest;

    bounds(&least, &greatest, x, n);
    return greatest >= -least ? greatest : least;
}

/* The nearest finite F16. */
static uint16_t finite_f16(float v)
{
    const uint16_t h = f16_from_f32(v);

    return (h & 0x7fff) > F16_MOST ? (uint16_t)((h & 0x8000) | F16_MOST) : h;
}

uint16_t srch_f16_up(float v)
{
    const uint16_t h = finite_f16(v);

    return f32_from_f16(h) < v && h < F16_MOST ? (uint16_t)(h + 1) : h;
}

/* ---- symmetric codes ---------------------------------------------------------------- */

INLINE void symmetric_loop(lanes *lx, lanes *l2, const lanes *inverse, const float *x,
                           const float *w, size_t n, int levels, int even)
{
    lanes a = {0}, b = {0};
    masks lo, hi;

    lanes_bound(&lo, -levels);
    lanes_bound(&hi, levels - 1);
    for (size_t i = 0; i < n; i++) {
        lanes code = x[i] * *inverse;
        lanes_code(&code, &lo, &hi);
        const lanes wc = even ? code : w[i] * code;
        a += wc * x[i];
        b += wc * code;
    }
    *lx = a;
    *l2 = b;
}

INLINE void symmetric_sums(lanes *lx, lanes *l2, const lanes *inverse, const float *x,
                           const float *w, size_t n, int levels)
{
    if (w == ones)
        symmetric_loop(lx, l2, inverse, x, w, n, levels, 1);
    else
        symmetric_loop(lx, l2, inverse, x, w, n, levels, 0);
}

/* The lane of the greatest gain, which is >= 0 (or NaN, which counts as 0); of those
 * equal in their first twenty bits the first: less is the noise of F32 sums, and early
 * starts use the codes better. */
INLINE int lanes_best(const lanes *gain)
{
    const masks lane = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    const masks number = *gain >= 0.0F;
    masks key = (((masks)*gain & number) & ~15) | lane;

    return 15 - (masks_greatest(&key) & 15);
}

/* Batches of sixteen starts, and how often each is fitted to its codes. */
static const struct {
    int batches, steps;
} efforts[] = {
    [SRCH_QUICK] = {1, 1},
    [SRCH_NORMAL] = {1, 3},
    [SRCH_THOROUGH] = {2, 3},
};

/* What a later batch has to win by: more than noise, see lanes_best. */
#define MORE 1.000001F

/* Where the largest magnitude lands: `side` * levels + `beyond`, in codes. Mostly on the
 * side that has one code more. */
enum { BATCHES = 2 };
static const float symmetric_side[SRCH_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                 -1, -1, -1, 1,  1,  1,  1,  1};
static const float symmetric_beyond[BATCHES][SRCH_LANES] = {
    {1.0F, 0.6F, 0.3F, 0.0F,  -0.3F,  -0.6F,  -0.9F,  -1.3F, -1.7F, -2.2F, -2.8F, -1.5F, -1.0F,  -0.6F,
     -0.1F,                                                                                                     0.5F},
    {2.0F, 1.4F, 0.8F, 0.15F, -0.15F, -0.45F, -0.75F, -1.1F, -1.5F, -3.6F, -5.0F, -2.2F, -1.25F,
     -0.8F,                                                                                             -0.35F, 1.5F},
};

float srch_symmetric(const float *x, const float *w, size_t n, int levels, enum srch_effort effort)
{
    float least, greatest, score[SRCH_LANES], scale[SRCH_LANES], best_score = 0, best_scale = 0;
    lanes side, beyond, inverse, lx, l2, fit;

    bounds(&least, &greatest, x, n);
    const float extreme = greatest >= -least ? greatest : least;
    if (fabsf(extreme) < SRCH_TINY)
        return 0;
    lanes_load(&side, symmetric_side);
    for (int batch = 0; batch < efforts[effort].batches; batch++) {
        lanes_load(&beyond, symmetric_beyond[batch]);
        inverse = ((float)levels * side + beyond) * (1.0F / extreme);
        symmetric_sums(&lx, &l2, &inverse, x, w, n, levels);
        for (int step = 1; step < efforts[effort].steps; step++) {
            lanes_ratio(&inverse, &l2, &lx); /* the best scale for these codes */
            symmetric_sums(&lx, &l2, &inverse, x, w, n, levels);
        }
        lanes_ratio(&fit, &lx, &l2);
        const lanes gain = fit * lx;
        lanes_store(score, &gain);
        lanes_store(scale, &fit);
        const int i = lanes_best(&gain);
        if (score[i] > best_score * MORE) {
            best_score = score[i];
            best_scale = scale[i];
        }
    }
    return best_scale;
}

void srch_symmetric_sums(float lx[SRCH_LANES], float l2[SRCH_LANES], const float scale[SRCH_LANES],
                         const float *x, const float *w, size_t n, int levels)
{
    lanes s, one, inverse, a, b;

    lanes_load(&s, scale);
    lanes_all(&one, 1.0F);
    lanes_ratio(&inverse, &one, &s);
    symmetric_sums(&a, &b, &inverse, x, w, n, levels);
    lanes_store(lx, &a);
    lanes_store(l2, &b);
}

uint16_t srch_symmetric_f16(float scale, const float *x, const float *w, size_t n, int levels)
{
    const uint16_t h = finite_f16(scale);
    const int mag = h & 0x7fff;
    float s[SRCH_LANES], lx[SRCH_LANES], l2[SRCH_LANES];

    /* F16 has eleven bits here: rounding the scale costs nothing */
    if (mag >= SRCH_F16_COARSE)
        return h;
    for (int i = 0; i < SRCH_LANES; i++) {
        const int near = mag + i - SRCH_LANES / 2;
        s[i] = f32_from_f16((uint16_t)((h & 0x8000) | (near < 0 ? 0 : near)));
    }
    srch_symmetric_sums(lx, l2, s, x, w, n, levels);
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

/* ---- codes with an offset ------------------------------------------------------------ */

struct affine_sums {
    lanes l, l2, xl; /* sum w code, w code^2, w x code */
};

INLINE void affine_sums(struct affine_sums *s, const lanes *inverse, const lanes *offset,
                        const float *x, const float *w, size_t n, int max_code)
{
    lanes l = {0}, l2 = {0}, xl = {0};
    masks lo, hi;

    lanes_bound(&lo, 0);
    lanes_bound(&hi, max_code);
    for (size_t i = 0; i < n; i++) {
        lanes code = (x[i] - *offset) * *inverse;
        lanes_code(&code, &lo, &hi);
        const lanes wc = w[i] * code;
        l += wc;
        l2 += wc * code;
        xl += wc * x[i];
    }
    s->l = l;
    s->l2 = l2;
    s->xl = xl;
}

/* The best line for the codes behind the sums. */
INLINE void affine_fit(lanes *scale, lanes *offset, const struct affine_sums *s, float sw, float sx,
                       int only_below)
{
    const lanes zero = {0};
    const lanes det = sw * s->l2 - s->l * s->l;
    const lanes a = sw * s->xl - sx * s->l, b = sx * s->l2 - s->l * s->xl;

    /* all codes the same, but for rounding: a constant, or a line through zero */
    const masks flat = det <= 1e-5F * sw * s->l2;

    lanes_ratio(scale, &a, &det);
    lanes_ratio(offset, &b, &det);
    if (only_below) {
        lanes through_zero;
        const masks straight = flat | (*offset > zero);
        lanes_ratio(&through_zero, &s->xl, &s->l2);
        lanes_pick(scale, &straight, &through_zero);
        lanes_pick(offset, &straight, &zero);
    } else {
        lanes mean;
        lanes_all(&mean, sx / sw);
        lanes_pick(scale, &flat, &zero);
        lanes_pick(offset, &flat, &mean);
    }
}

static const float affine_start[BATCHES][SRCH_LANES] = {
    {-1.0F, -0.7F, -0.4F,  -0.2F,  0.0F,  0.2F,  0.4F, 0.6F, 0.8F, 1.0F, 1.2F, 1.5F, 1.8F,  2.2F, 2.6F,
     3.2F                                                                                                   },
    {-2.0F, -1.4F, -0.85F, -0.55F, -0.3F, -0.1F, 0.1F, 0.3F, 0.5F, 0.7F, 0.9F, 1.1F, 1.35F, 2.0F,
     4.0F,                                                                                              5.0F},
};

struct srch_line srch_affine(const float *x, const float *w, size_t n, int max_code, int only_below,
                             enum srch_effort effort)
{
    float lo, hi, score[SRCH_LANES];
    float s_all[SRCH_LANES], o_all[SRCH_LANES], best_score = 0;
    struct srch_line best = {0, 0};
    struct affine_sums s;
    lanes start, inverse, offset, scale, one;

    bounds(&lo, &hi, x, n);
    lo = only_below && lo > 0 ? 0 : lo;
    best.offset = lo;
    if (!(hi - lo >= SRCH_TINY))
        return best;
    const float sw = dot(w, ones, n), sx = dot(w, x, n);
    lanes_all(&one, 1.0F);
    for (int batch = 0; batch < efforts[effort].batches; batch++) {
        lanes_load(&start, affine_start[batch]);
        inverse = ((float)max_code + start) * (1.0F / (hi - lo));
        lanes_all(&offset, lo);
        affine_sums(&s, &inverse, &offset, x, w, n, max_code);
        affine_fit(&scale, &offset, &s, sw, sx, only_below);
        for (int step = 1; step < efforts[effort].steps; step++) {
            lanes_ratio(&inverse, &one, &scale);
            affine_sums(&s, &inverse, &offset, x, w, n, max_code);
            affine_fit(&scale, &offset, &s, sw, sx, only_below);
        }
        const lanes gain = scale * s.xl + offset * sx;
        lanes_store(score, &gain);
        lanes_store(s_all, &scale);
        lanes_store(o_all, &offset);
        const int i = lanes_best(&gain);
        if (score[i] > best_score * MORE) {
            best_score = score[i];
            best = (struct srch_line){s_all[i], o_all[i]};
        }
    }
    return best;
}

void srch_affine_errors(float err[SRCH_LANES], const struct srch_line line[SRCH_LANES],
                        const float *x, const float *w, size_t n, int max_code)
{
    float scale[SRCH_LANES], offset[SRCH_LANES];
    lanes s, o, one, inverse, sum = {0};
    masks lo, hi;

    for (int i = 0; i < SRCH_LANES; i++) {
        scale[i] = line[i].scale;
        offset[i] = line[i].offset;
    }
    lanes_load(&s, scale);
    lanes_load(&o, offset);
    lanes_bound(&lo, 0);
    lanes_bound(&hi, max_code);
    lanes_all(&one, 1.0F);
    lanes_ratio(&inverse, &one, &s);
    for (size_t i = 0; i < n; i++) {
        const lanes from = x[i] - o;
        lanes code = from * inverse;
        lanes_code(&code, &lo, &hi);
        const lanes e = from - s * code;
        sum += w[i] * e * e;
    }
    lanes_store(err, &sum);
}

/* ---- codes ------------------------------------------------------------------------------ */

void srch_codes(int8_t *code, const float *x, size_t n, float scale, float offset, int min, int max)
{
    const float inverse = scale == 0 ? 0 : 1.0F / scale;
    const float lo = (float)min, hi = (float)max;

    for (size_t i = 0; i < n; i++) {
        float c = ((x[i] - offset) * inverse + ROUND) - ROUND;
        c = c < lo ? lo : c;
        c = c > hi ? hi : c;
        code[i] = (int8_t)(int32_t)c;
    }
}

struct srch_line srch_affine_f16(struct srch_line line, const float *x, const float *w, size_t n,
                                 int max_code)
{
    const uint16_t scale = finite_f16(line.scale), offset = finite_f16(line.offset);
    const int mag = offset & 0x7fff;
    struct srch_line near[SRCH_LANES];
    float err[SRCH_LANES];

    if (scale >= SRCH_F16_COARSE && (mag >= SRCH_F16_COARSE || mag == 0))
        return (struct srch_line){f32_from_f16(scale), f32_from_f16(offset)};

    /* scale - 1 .. + 2 by offset - 1 .. + 2, in steps of F16 */
    for (int i = 0; i < SRCH_LANES; i++) {
        const int s = scale + i % 4 - 1, o = mag + i / 4 - 1;
        near[i].scale = f32_from_f16((uint16_t)(s < 0 ? 0 : s > F16_MOST ? F16_MOST : s));
        near[i].offset = f32_from_f16((uint16_t)((offset & 0x8000) | (o < 0          ? 0
                                                                      : o > F16_MOST ? F16_MOST
                                                                                     : o)));
    }
    srch_affine_errors(err, near, x, w, n, max_code);
    int best = 0;
    for (int i = 1; i < SRCH_LANES; i++)
        if (err[i] < err[best])
            best = i;
    return near[best];
}
