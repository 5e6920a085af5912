#ifndef QUANT_REF_K_TILE_H
#define QUANT_REF_K_TILE_H

/* The 256 values of a K block as its search takes them: every lane belongs to one run, so
 * that all runs are searched at once and nothing is summed across lanes. Sixteen runs of 16
 * fill the lanes; eight runs of 32 fill them twice, which lets two candidates of each be
 * tried together. */

#include "quant/ref/search.h"
#include "quant/vec.h"

#include <stdbool.h>

enum { K_VALUES = 256 };

struct k_tile {
    float x[2 * K_VALUES], w[2 * K_VALUES]; /* row i: value i of each run */
    bool even;                              /* all weights are 1, w is not filled */
};

INLINE void k_tile_turn(float *to, const float *from, int run)
{
    const int runs = K_VALUES / run;

    for (int i = 0; i < run; i++)
        for (int lane = 0; lane < VEC_ALL; lane++)
            to[VEC_ALL * i + lane] = from[run * (lane % runs) + i];
}

/* x, w: as in the block. run: 16 or 32 values. */
INLINE void k_tile_fill(struct k_tile *t, const float *x, const float *w, int run)
{
    t->even = w == srch_ones;
    k_tile_turn(t->x, x, run);
    if (!t->even)
        k_tile_turn(t->w, w, run);
}

/* The nearest whole number in [least, most]. */
INLINE vec k_whole(vec v, int least, int most)
{
    return vec_code(v, vec_bound(least), vec_bound(most));
}

/* 1 / v, 0 where v is 0. */
INLINE vec k_inverse(vec v)
{
    return vec_ratio(vec_all(1.0F), v);
}

/* Of the lanes from `at` on: the least and the greatest value. */
INLINE void k_tile_bounds(vec *least, vec *greatest, const struct k_tile *t, int at, int run)
{
    ivec lo = vec_order(vec_load(t->x + at)), hi = lo;

    for (int i = 1; i < run; i++) {
        const ivec key = vec_order(vec_load(t->x + VEC_ALL * i + at));
        lo = ivec_min(lo, key);
        hi = ivec_max(hi, key);
    }
    *least = (vec)(lo ^ ((lo >> 31) & 0x7fffffff));
    *greatest = (vec)(hi ^ ((hi >> 31) & 0x7fffffff));
}

/* The greatest of sixteen numbers, none below 0. */
INLINE float k_most(const float v[VEC_ALL])
{
    ivec key[VEC_SUMS];

    for (int k = 0; k < VEC_SUMS; k++)
        key[k] = (ivec)vec_load(v + k * VEC);
    return vec_unorder(ivec_greatest(key));
}

/* Are the runs that are not flat about as wide? So they are on a lattice; other runs are not. */
INLINE bool k_alike(const float width[VEC_ALL])
{
    const float least = 0.9F * k_most(width);
    ivec narrow[VEC_SUMS];

    for (int k = 0; k < VEC_SUMS; k++) {
        const vec w = vec_load(width + k * VEC);
        narrow[k] = -((w > 0.0F) & (w < least));
    }
    return !ivec_greatest(narrow);
}

/* The sum of sixteen, by halves. */
INLINE float k_sum(const float v[VEC_ALL])
{
    vec s[VEC_SUMS];

    memcpy(s, v, sizeof(s));
    return vec_across(s);
}

#endif /* QUANT_REF_K_TILE_H */
