/* Codes around zero: x ~ scale * code. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/eight.h"

struct sums {
    struct eights lx, l2; /* sum w x code, sum w code^2 */
};

/* Of the codes that the inverse of a scale leads to. */
static void sums_of(struct sums *s, const struct eights *inverse, const struct eight *e, int levels)
{
    const ivec lo = vec_bound(-levels), hi = vec_bound(levels - 1);

    for (int k = 0; k < VEC_SUMS; k++) {
        vec lx = {0}, l2 = {0};
        for (int i = 0; i < EIGHT_STEPS; i++) {
            const vec x = vec_load(e->turned_x + 16 * i + k * VEC);
            const vec code = vec_code(x * inverse->v[k], lo, hi);
            const vec wc = vec_load(e->turned_w + 16 * i + k * VEC) * code;
            lx += wc * x;
            l2 += wc * code;
        }
        s->lx.v[k] = lx;
        s->l2.v[k] = l2;
    }
    eights_fold(&s->lx);
    eights_fold(&s->l2);
}

/* ---- what to try ---------------------------------------------------------------------- */

/* Even weights, in whole numbers: the largest magnitude of a block is -MOST, and lands at
 * lands * MOST / 2^15 codes, mostly on the side that has one code more. Greedily chosen on
 * weights of a model and normal numbers: each adds most to the ones before. */
enum { MOST = 2047 };
struct even {
    int n, lands[10];
};
static const struct even even_4[EFFORT_COUNT] = {
    [EFFORT_FAST] = {2,  {131, 115}                                       },
    [EFFORT_NORMAL] = {3,  {131, 115, 139}                                  },
    [EFFORT_BEST] = {10, {131, 115, 139, 125, 134, 110, 144, 128, 99, 122}},
};
static const struct even even_5[EFFORT_COUNT] = {
    [EFFORT_FAST] = {2,  {258, 242}                                        },
    [EFFORT_NORMAL] = {5,  {258, 242, 264, 226, 253}                         },
    [EFFORT_BEST] = {10, {258, 242, 264, 226, 253, 237, 210, 269, 245, 261}},
};

/* Uneven ones: where the largest lands, less `levels`. Each scale is the best one for the codes
 * of the one before, `steps` times. */
struct uneven {
    int n, steps;
    float lands[16];
};
static const struct uneven uneven[EFFORT_COUNT] = {
    [EFFORT_FAST] = {4,  2, {-0.2F, 0.8F, -0.7F, 0.2F}               },
    [EFFORT_NORMAL] = {14,
                     2,     {-0.2F, 0.8F, -0.7F, 0.2F, -0.4F, 1.1F, -1.0F, 0.0F, 1.8F, 0.4F, 1.4F, 2.4F,
                        -1.5F, 3.2F}          },
    [EFFORT_BEST] = {16,
                     4,     {-0.2F, 0.8F, -0.7F, 0.2F, -0.4F, 1.1F, -1.0F, 0.0F, 1.8F, 0.4F, 1.4F, 2.4F,
                      -1.5F, 3.2F, 4.5F, 0.6F}},
};

/* ---- the search ------------------------------------------------------------------------ */

/* The sums of greatest gain lx^2 / l2, compared without dividing. */
struct best {
    struct eights lx, l2, square;
};

INLINE void best_take(struct best *b, const struct sums *s)
{
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec square = s->lx.v[k] * s->lx.v[k];
        const vec here = square * b->l2.v[k], before = b->square.v[k] * s->l2.v[k];
        b->square.v[k] = lane_more(here, before, square, b->square.v[k]);
        b->lx.v[k] = lane_more(here, before, s->lx.v[k], b->lx.v[k]);
        b->l2.v[k] = lane_more(here, before, s->l2.v[k], b->l2.v[k]);
    }
}

/* `by` over the largest magnitude with its sign, of equals the positive one; 0 where it is
 * tiny. */
INLINE void per_extreme(struct eights *per, const struct eight *e, float by)
{
    struct eights least, greatest, some;

    eight_bounds(&least, &greatest, e->turned_x);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec lo = -least.v[k], hi = greatest.v[k];
        const vec extreme = lane_more(lo, hi, least.v[k], hi);
        per->v[k] = vec_all(by);
        some.v[k] = lane_more(vec_all(SRCH_TINY), vec_max(hi, lo), (vec){0}, extreme);
    }
    eights_ratio(per, per, &some);
}

/* sum code x and sum code^2 of whole numbers. */
INLINE void whole_sums(struct sums *s, const int32_t *pair, int lands, int levels)
{
    const ivec by = pairs_all(lands), least = pairs_all(-levels), most = pairs_all(levels - 1);
    const int may_pass = lands * MOST > (levels << 15) + (1 << 14);
    struct whole lx, l2;

    for (int k = 0; k < VEC_SUMS; k++) {
        ivec a = {0}, b = {0};
        for (int i = 0; i < PAIR_STEPS; i++) {
            const ivec x = pairs_load(pair + 16 * i + k * VEC);
            ivec code = pairs_min(pairs_scale(x, by), most);
            if (may_pass)
                code = pairs_max(code, least);
            a += pairs_dot(code, x);
            b += pairs_dot(code, code);
        }
        lx.v[k] = a;
        l2.v[k] = b;
    }
    whole_fold(&lx);
    whole_fold(&l2);
    for (int k = 0; k < VEC_SUMS; k++) {
        s->lx.v[k] = vec_of(lx.v[k]);
        s->l2.v[k] = vec_of(l2.v[k]);
    }
}

INLINE void best_first(struct best *b, const struct sums *s)
{
    b->lx = s->lx;
    b->l2 = s->l2;
    for (int k = 0; k < VEC_SUMS; k++)
        b->square.v[k] = s->lx.v[k] * s->lx.v[k];
}

static void search_even(float scale[EIGHT], const struct eight *e, int levels, const struct even *p)
{
    struct eights per, zero = {{{0}}};
    int32_t pair[EIGHT_VALUES / 2];
    struct best best;
    struct sums s;

    per_extreme(&per, e, -MOST);
    pairs_take(pair, e->turned_x, &zero, &per);
    whole_sums(&s, pair, p->lands[0], levels);
    best_first(&best, &s);
    for (int i = 1; i < p->n; i++) {
        whole_sums(&s, pair, p->lands[i], levels);
        best_take(&best, &s);
    }
    for (int k = 0; k < VEC_SUMS; k++)
        best.l2.v[k] *= per.v[k];
    eights_ratio(&best.lx, &best.lx, &best.l2);
    eights_get(scale, &best.lx);
}

static void best_none(struct best *best)
{
    for (int k = 0; k < VEC_SUMS; k++) {
        best->lx.v[k] = best->square.v[k] = (vec){0};
        best->l2.v[k] = vec_all(1);
    }
}

static void search_uneven(float scale[EIGHT], const struct eight *e, int levels,
                          const struct uneven *p)
{
    struct eights per, inverse;
    struct best best;
    struct sums s;

    per_extreme(&per, e, 1);
    best_none(&best);
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < VEC_SUMS; k++)
            inverse.v[k] = (p->lands[i] - (float)levels) * per.v[k];
        sums_of(&s, &inverse, e, levels);
        for (int step = 1; step < p->steps; step++) {
            eights_ratio(&inverse, &s.l2, &s.lx);
            sums_of(&s, &inverse, e, levels);
        }
        best_take(&best, &s);
    }
    eights_ratio(&best.lx, &best.lx, &best.l2);
    eights_get(scale, &best.lx);
}

/* Below these bits (2^-16) a scale that is rounded to F16 may cost more than the search gains. */
enum { COARSE = 0x100 };

void eight_symmetric(uint16_t d[EIGHT], const struct eight *e, int levels, enum codec_effort effort)
{
    float scale[EIGHT];

    if (e->w)
        search_uneven(scale, e, levels, &uneven[effort]);
    else
        search_even(scale, e, levels, levels > 8 ? &even_5[effort] : &even_4[effort]);
    eight_f16(d, scale);
    for (size_t b = 0; b < e->n; b++)
        if ((d[b] & 0x7fff) < COARSE && scale[b] != 0)
            d[b] = srch_symmetric_f16(scale[b], e->x + b * QK, e->w ? e->w + b * QK : srch_ones, QK,
                                      levels);
}
