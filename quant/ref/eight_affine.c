/* Codes from zero up: x ~ scale * code + offset. */

#include "formats/blocks.h"
#include "quant/ref/eight.h"

#include <math.h>

/* ---- what to try ---------------------------------------------------------------------- */

/* Even weights, in whole numbers: values reach from 0 to MOST; `by` / 2^15 codes for each,
 * counted from `from`. Chosen so that no code passes the ends, each adding most to the ones
 * before. */
enum { MOST = 4095, EVEN = 8 };
struct even {
    int n;
    struct {
        int by, from;
    } start[EVEN];
};
static const struct even even_4[EFFORT_COUNT] = {
    [EFFORT_FAST] = {1, {{120, 0}}                                                                          },
    [EFFORT_NORMAL] = {2, {{120, 0}, {122, -50}}                                                              },
    [EFFORT_BEST] =
        {8, {{120, 0}, {122, -50}, {118, 35}, {114, 54}, {122, 0}, {114, 0}, {118, 0}, {104, 0}}},
};
static const struct even even_5[EFFORT_COUNT] = {
    [EFFORT_FAST] = {2, {{248, 0}, {244, 34}}                                                               },
    [EFFORT_NORMAL] = {4, {{248, 0}, {244, 34}, {250, -16}, {246, 17}}                                        },
    [EFFORT_BEST] =
        {8, {{248, 0}, {244, 34}, {250, -16}, {246, 17}, {232, 0}, {238, 0}, {242, 0}, {250, 0}}},
};

/* Uneven ones: codes between the least and the greatest value beyond max_code, and how much of
 * that is below the least. The line is the best one for the codes of the one before, `steps`
 * times. */
enum { UNEVEN = 16 };
struct uneven {
    int n, steps;
    struct {
        float beyond, below;
    } start[UNEVEN];
};
#define FIRST_SIX                                                                                  \
    {0, 0}, {0.25F, 0.19F}, {-0.5F, -0.25F}, {-0.75F, -0.19F}, {-1.0F, 0},                         \
    {                                                                                              \
        -1.0F, -1.0F                                                                               \
    }
static const struct uneven uneven[EFFORT_COUNT] = {
    [EFFORT_FAST] = {4,  2, {FIRST_SIX}                          },
    [EFFORT_NORMAL] = {12,
                     3,     {FIRST_SIX,
                        {-2.0F, -1.0F},
                        {-2.0F, 0},
                        {-2.0F, -2.0F},
                        {0.4F, 0},
                        {-3.5F, -1.5F},
                        {-0.25F, -0.125F}}},
    [EFFORT_BEST] = {16,
                     5,     {FIRST_SIX,
                      {-2.0F, -1.0F},
                      {-2.0F, 0},
                      {-2.0F, -2.0F},
                      {0.4F, 0},
                      {-3.5F, -1.5F},
                      {-0.25F, -0.125F},
                      {-3.5F, 0},
                      {-3.5F, -3.5F},
                      {-5.0F, -2.5F},
                      {-6.0F, 0}}         },
};

/* Lines: scale * code + offset over the least value of each block. */
struct lines {
    struct eights scale, offset;
};

/* ---- even weights ---------------------------------------------------------------------- */

/* Of the line of least error through 32 whole numbers x at their codes: scale = slope / det,
 * offset = mean of x - scale * mean of codes. */
struct line_sums {
    struct eights slope, det, mean;
};

INLINE void whole_line(struct line_sums *s, const int32_t *pair, const struct eights *sx, int by,
                       int from)
{
    const ivec times = pairs_all(by), zero = pairs_all(from), one = pairs_all(1);
    struct whole l, l2, xl;

    for (int k = 0; k < VEC_SUMS; k++) {
        ivec a = {0}, b = {0}, c = {0};
        for (int i = 0; i < PAIR_STEPS; i++) {
            const ivec x = pairs_load(pair + 16 * i + k * VEC);
            const ivec code = pairs_scale(pairs_less(x, zero), times);
            a += code; /* both halves: none reaches 2^15 */
            b += pairs_dot(code, code);
            c += pairs_dot(code, x);
        }
        l.v[k] = pairs_dot(a, one);
        l2.v[k] = b;
        xl.v[k] = c;
    }
    whole_fold(&l);
    whole_fold(&l2);
    whole_fold(&xl);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec sum = vec_of(l.v[k]), mean = sum * (1.0F / QK);
        s->slope.v[k] = vec_of(xl.v[k]) - sx->v[k] * mean;
        s->det.v[k] = vec_of(l2.v[k]) - sum * mean;
        s->mean.v[k] = mean;
    }
}

INLINE void whole_total(struct eights *total, const int32_t *pair)
{
    struct whole sx;

    for (int k = 0; k < VEC_SUMS; k++) {
        ivec a = {0};
        for (int i = 0; i < PAIR_STEPS; i++)
            a += pairs_load(pair + 16 * i + k * VEC); /* 8 * MOST is below 2^15 */
        sx.v[k] = pairs_dot(a, pairs_all(1));
    }
    whole_fold(&sx);
    for (int k = 0; k < VEC_SUMS; k++)
        total->v[k] = vec_of(sx.v[k]);
}

/* The greatest slope^2 / det, compared without dividing. */
INLINE void take_line(struct line_sums *best, const struct line_sums *s)
{
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec here = s->slope.v[k] * s->slope.v[k] * best->det.v[k];
        const vec before = best->slope.v[k] * best->slope.v[k] * s->det.v[k];
        best->slope.v[k] = lane_more(here, before, s->slope.v[k], best->slope.v[k]);
        best->det.v[k] = lane_more(here, before, s->det.v[k], best->det.v[k]);
        best->mean.v[k] = lane_more(here, before, s->mean.v[k], best->mean.v[k]);
    }
}

static void search_even(struct lines *out, const struct eight *e, const struct eights *least,
                        const struct eights *range, const struct even *p)
{
    int32_t pair[EIGHT_VALUES / 2];
    struct eights per, sx;
    struct line_sums best, s;

    for (int k = 0; k < VEC_SUMS; k++)
        per.v[k] = vec_all(MOST);
    eights_ratio(&per, &per, range);
    pairs_take(pair, e->turned_x, least, &per);
    whole_total(&sx, pair);
    whole_line(&best, pair, &sx, p->start[0].by, p->start[0].from);
    for (int i = 1; i < p->n; i++) {
        whole_line(&s, pair, &sx, p->start[i].by, p->start[i].from);
        take_line(&best, &s);
    }
    eights_ratio(&out->scale, &best.slope, &best.det);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec one = range->v[k] * (1.0F / MOST), scale = out->scale.v[k];
        out->offset.v[k] = (sx.v[k] * (1.0F / QK) - scale * best.mean.v[k]) * one;
        out->scale.v[k] = scale * one;
    }
}

/* ---- uneven weights -------------------------------------------------------------------- */

struct fit {
    struct eights sw, sx; /* of weights, of w x */
    struct lines line;
    struct eights gain; /* of it over a constant, times sw */
};

/* The line of least error for the codes that a line leads to. */
static void fit_again(struct fit *f, const float *x, const float *w, int max_code)
{
    const ivec lo = vec_bound(0), hi = vec_bound(max_code);
    struct eights inverse, l, l2, xl, slope, det;

    for (int k = 0; k < VEC_SUMS; k++)
        inverse.v[k] = vec_all(1);
    eights_ratio(&inverse, &inverse, &f->line.scale);
    for (int k = 0; k < VEC_SUMS; k++) {
        vec a = {0}, b = {0}, c = {0};
        for (int i = 0; i < EIGHT_STEPS; i++) {
            const vec v = vec_load(x + 16 * i + k * VEC);
            const vec code = vec_code((v - f->line.offset.v[k]) * inverse.v[k], lo, hi);
            const vec wc = vec_load(w + 16 * i + k * VEC) * code;
            a += wc;
            b += wc * code;
            c += wc * v;
        }
        l.v[k] = a;
        l2.v[k] = b;
        xl.v[k] = c;
    }
    eights_fold(&l);
    eights_fold(&l2);
    eights_fold(&xl);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec d = f->sw.v[k] * l2.v[k] - l.v[k] * l.v[k];
        /* all codes the same, but for rounding */
        det.v[k] = lane_more(d, 1e-5F * f->sw.v[k] * l2.v[k], d, (vec){0});
        slope.v[k] = f->sw.v[k] * xl.v[k] - f->sx.v[k] * l.v[k];
    }
    eights_ratio(&f->line.scale, &slope, &det);
    for (int k = 0; k < VEC_SUMS; k++) {
        f->gain.v[k] = f->line.scale.v[k] * slope.v[k];
        slope.v[k] = f->sx.v[k] - f->line.scale.v[k] * l.v[k];
    }
    eights_ratio(&f->line.offset, &slope, &f->sw);
}

static void sum_weights(struct fit *f, const float *x, const float *w)
{
    for (int k = 0; k < VEC_SUMS; k++) {
        vec a = {0}, b = {0};
        for (int i = 0; i < EIGHT_STEPS; i++) {
            const vec u = vec_load(w + 16 * i + k * VEC);
            a += u;
            b += u * vec_load(x + 16 * i + k * VEC);
        }
        f->sw.v[k] = a;
        f->sx.v[k] = b;
    }
    eights_fold(&f->sw);
    eights_fold(&f->sx);
}

static void search_uneven(struct lines *out, const struct eight *e, const struct eights *least,
                          const struct eights *range, int max_code, const struct uneven *p)
{
    float x[EIGHT_VALUES];
    struct eights best;
    struct fit f;

    for (int k = 0; k < VEC_SUMS; k++)
        for (int i = 0; i < EIGHT_STEPS; i++)
            vec_store(x + 16 * i + k * VEC, vec_load(e->turned_x + 16 * i + k * VEC) - least->v[k]);
    sum_weights(&f, x, e->turned_w);
    eights_ratio(&out->offset, &f.sx, &f.sw); /* the mean, where there is no line */
    for (int k = 0; k < VEC_SUMS; k++)
        best.v[k] = out->scale.v[k] = f.gain.v[k] = (vec){0};
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < VEC_SUMS; k++) {
            f.line.scale.v[k] = range->v[k] * (1.0F / ((float)max_code + p->start[i].beyond));
            f.line.offset.v[k] = f.line.scale.v[k] * -p->start[i].below;
        }
        for (int step = 0; step < p->steps; step++)
            fit_again(&f, x, e->turned_w, max_code);
        for (int k = 0; k < VEC_SUMS; k++) {
            const vec g = f.gain.v[k], b = best.v[k];
            best.v[k] = lane_more(g, b, g, b);
            out->scale.v[k] = lane_more(g, b, f.line.scale.v[k], out->scale.v[k]);
            out->offset.v[k] = lane_more(g, b, f.line.offset.v[k], out->offset.v[k]);
        }
    }
}

/* ---- F16 -------------------------------------------------------------------------------- */

/* Below these bits (2^-16) a scale that is rounded may cost more than the search gains, as may
 * an offset of more than FAR scales. */
enum { COARSE = 0x100, FAR = 512 };

/* Weighted squared error of sixteen lines, with the codes each leads to. */
static void line_errors(float err[SRCH_LANES], const float scale[SRCH_LANES],
                        const float offset[SRCH_LANES], const float *x, const float *w,
                        int max_code)
{
    const ivec lo = vec_bound(0), hi = vec_bound(max_code);

    for (int at = 0; at < SRCH_LANES; at += VEC) {
        const vec s = vec_load(scale + at), o = vec_load(offset + at);
        const vec inverse = vec_ratio(vec_all(1.0F), s);
        vec sum = {0};
        for (size_t i = 0; i < QK; i++) {
            const vec from = x[i] - o;
            const vec e = from - s * vec_code(from * inverse, lo, hi);
            sum += w[i] * e * e;
        }
        vec_store(err + at, sum);
    }
}

/* scale - 1 .. + 2 by offset - 1 .. + 2, in steps of F16. */
static void round_line(uint16_t *d, uint16_t *m, const float *x, const float *w, int max_code)
{
    float near_scale[SRCH_LANES], near_offset[SRCH_LANES], err[SRCH_LANES];
    uint16_t scale[SRCH_LANES], offset[SRCH_LANES];
    int best = 0;

    for (int i = 0; i < SRCH_LANES; i++) {
        const int s = *d + i % 4 - 1, o = (*m & 0x7fff) + i / 4 - 1;
        scale[i] = (uint16_t)(s < 0 ? 0 : s > SRCH_F16_MOST ? SRCH_F16_MOST : s);
        offset[i] = (uint16_t)((*m & 0x8000) | (o < 0 ? 0 : o > SRCH_F16_MOST ? SRCH_F16_MOST : o));
        near_scale[i] = f32_from_f16(scale[i]);
        near_offset[i] = f32_from_f16(offset[i]);
    }
    line_errors(err, near_scale, near_offset, x, w, max_code);
    for (int i = 1; i < SRCH_LANES; i++)
        best = err[i] < err[best] ? i : best;
    *d = scale[best];
    *m = offset[best];
}

void eight_affine(uint16_t d[EIGHT], uint16_t m[EIGHT], const struct eight *e, int max_code,
                  enum codec_effort effort)
{
    struct eights least, range;
    struct lines line;
    float scale[EIGHT], offset[EIGHT];
    int rare = 0;

    eight_bounds(&least, &range, e->turned_x);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec r = range.v[k] - least.v[k];
        range.v[k] = lane_more(vec_all(SRCH_TINY), r, (vec){0}, r);
    }
    if (e->w)
        search_uneven(&line, e, &least, &range, max_code, &uneven[effort]);
    else
        search_even(&line, e, &least, &range, max_code > 15 ? &even_5[effort] : &even_4[effort]);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec s = line.scale.v[k], o = line.offset.v[k] + least.v[k];
        line.offset.v[k] = o;
        rare |= lane_any_more(vec_all(0x1p-16F), s) || lane_any_more(vec_max(o, -o), FAR * s);
    }
    eights_get(scale, &line.scale);
    eights_get(offset, &line.offset);
    eight_f16(d, scale);
    eight_f16(m, offset);
    for (size_t b = 0; rare && b < e->n; b++)
        if (d[b] < COARSE || fabsf(offset[b]) > FAR * scale[b])
            round_line(&d[b], &m[b], e->x + b * QK, e->w ? e->w + b * QK : srch_ones, max_code);
}
