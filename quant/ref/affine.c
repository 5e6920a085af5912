/* Codes with an offset: x ~ scale * code + offset. */

#include "quant/ref/search.h"

#include "quant/half.h"
#include "quant/vec.h"

struct sums {
    vec l, l2, xl; /* sum w code, w code^2, w x code */
};

INLINE struct sums sums_of(vec inverse, vec offset, const float *x, const float *w, size_t n,
                           int max_code)
{
    const ivec lo = vec_bound(0), hi = vec_bound(max_code);
    struct sums s = {{0}, {0}, {0}};

    for (size_t i = 0; i < n; i++) {
        const vec code = vec_code((x[i] - offset) * inverse, lo, hi);
        const vec wc = w[i] * code;
        s.l += wc;
        s.l2 += wc * code;
        s.xl += wc * x[i];
    }
    return s;
}

struct lines {
    vec scale, offset;
};

/* The best line for the codes behind the sums. */
INLINE struct lines fit(const struct sums *s, float sw, float sx, int only_below)
{
    const vec det = sw * s->l2 - s->l * s->l;
    const vec a = sw * s->xl - sx * s->l, b = sx * s->l2 - s->l * s->xl;
    /* all codes the same, but for rounding: a constant, or a line through zero */
    const ivec flat = det <= 1e-5F * sw * s->l2;
    struct lines line = {vec_ratio(a, det), vec_ratio(b, det)};

    if (only_below) {
        const ivec straight = flat | (line.offset > 0.0F);
        line.scale = vec_pick(straight, vec_ratio(s->xl, s->l2), line.scale);
        line.offset = vec_pick(straight, (vec){0}, line.offset);
    } else {
        line.scale = vec_pick(flat, (vec){0}, line.scale);
        line.offset = vec_pick(flat, vec_all(sx / sw), line.offset);
    }
    return line;
}

static const float affine_start[SRCH_BATCHES][SRCH_LANES] = {
    {-1.0F, -0.7F, -0.4F,  -0.2F,  0.0F,  0.2F,  0.4F, 0.6F, 0.8F, 1.0F, 1.2F, 1.5F, 1.8F,  2.2F, 2.6F,
     3.2F                                                                                                   },
    {-2.0F, -1.4F, -0.85F, -0.55F, -0.3F, -0.1F, 0.1F, 0.3F, 0.5F, 0.7F, 0.9F, 1.1F, 1.35F, 2.0F,
     4.0F,                                                                                              5.0F},
};

struct srch_line srch_affine(const float *x, const float *w, size_t n, int max_code, int only_below,
                             enum srch_effort effort)
{
    float lo, hi, gain[SRCH_LANES], scale[SRCH_LANES], offset[SRCH_LANES], best_gain = 0;

    vec_bounds(&lo, &hi, x, n);
    lo = only_below && lo > 0 ? 0 : lo;
    struct srch_line best = {0, lo};
    if (!(hi - lo >= SRCH_TINY))
        return best;
    const float sw = vec_dot(w, srch_ones, n), sx = vec_dot(w, x, n);
    for (int batch = 0; batch < srch_tries[effort].batches; batch++) {
        for (int at = 0; at < SRCH_LANES; at += VEC) {
            const vec lands = (float)max_code + vec_load(affine_start[batch] + at);
            struct sums s = sums_of(lands * (1.0F / (hi - lo)), vec_all(lo), x, w, n, max_code);
            struct lines line = fit(&s, sw, sx, only_below);
            for (int step = 1; step < srch_tries[effort].steps; step++) {
                s = sums_of(vec_ratio(vec_all(1.0F), line.scale), line.offset, x, w, n, max_code);
                line = fit(&s, sw, sx, only_below);
            }
            vec_store(gain + at, line.scale * s.xl + line.offset * sx);
            vec_store(scale + at, line.scale);
            vec_store(offset + at, line.offset);
        }
        const int i = vec_best(gain);
        if (gain[i] > best_gain * SRCH_MORE) {
            best_gain = gain[i];
            best = (struct srch_line){scale[i], offset[i]};
        }
    }
    return best;
}

void srch_affine_errors(float err[SRCH_LANES], const struct srch_line line[SRCH_LANES],
                        const float *x, const float *w, size_t n, int max_code)
{
    const ivec lo = vec_bound(0), hi = vec_bound(max_code);
    float scale[SRCH_LANES], offset[SRCH_LANES];

    for (int i = 0; i < SRCH_LANES; i++) {
        scale[i] = line[i].scale;
        offset[i] = line[i].offset;
    }
    for (int at = 0; at < SRCH_LANES; at += VEC) {
        const vec s = vec_load(scale + at), o = vec_load(offset + at);
        const vec inverse = vec_ratio(vec_all(1.0F), s);
        vec sum = {0};
        for (size_t i = 0; i < n; i++) {
            const vec from = x[i] - o;
            const vec e = from - s * vec_code(from * inverse, lo, hi);
            sum += w[i] * e * e;
        }
        vec_store(err + at, sum);
    }
}

struct srch_line srch_affine_f16(struct srch_line line, const float *x, const float *w, size_t n,
                                 int max_code)
{
    const uint16_t scale = srch_f16_finite(line.scale), offset = srch_f16_finite(line.offset);
    const int mag = offset & 0x7fff;
    struct srch_line near[SRCH_LANES];
    float err[SRCH_LANES];

    if (scale >= SRCH_F16_COARSE && (mag >= SRCH_F16_COARSE || mag == 0))
        return (struct srch_line){f32_from_f16(scale), f32_from_f16(offset)};

    /* scale - 1 .. + 2 by offset - 1 .. + 2, in steps of F16 */
    for (int i = 0; i < SRCH_LANES; i++) {
        const int s = scale + i % 4 - 1, o = mag + i / 4 - 1;
        near[i].scale = f32_from_f16((uint16_t)(s < 0 ? 0 : s > SRCH_F16_MOST ? SRCH_F16_MOST : s));
        near[i].offset =
            f32_from_f16((uint16_t)((offset & 0x8000) | (o < 0               ? 0
                                                         : o > SRCH_F16_MOST ? SRCH_F16_MOST
                                                                             : o)));
    }
    srch_affine_errors(err, near, x, w, n, max_code);
    int best = 0;
    for (int i = 1; i < SRCH_LANES; i++)
        if (err[i] < err[best])
            best = i;
    return near[best];
}
