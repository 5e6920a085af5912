#include "quant/ref/grid_prefix.h"

#include "quant/half.h"
#include "quant/ref/grid_vec.h"

/* ---- the codebook -------------------------------------------------------------------------- */

INLINE ivec levels_of(ivec digits, const struct grid_levels *l)
{
    return digits * l->step + l->base + ((digits == l->top) & l->more);
}

/* Rows of n halves, a multiple of 16, from their digits, which are in row 0, `pitch` apart. */
INLINE void halves_expand(int32_t *row, int pitch, int n, const struct grid_levels *l)
{
    for (int i = 0; i < n; i += VEC) {
        ivec digits = ivec_load(row + i);
        for (int k = 0; k < 2; k++, digits >>= 4) {
            const ivec v = levels_of(digits & 3, l) | levels_of(digits >> 2 & 3, l) << 16;
            const ivec squares = ivec_mul16(v, v);
            memcpy(row + 2 * k * pitch + i, &v, sizeof(v));
            memcpy(row + (2 * k + 1) * pitch + i, &squares, sizeof(squares));
        }
    }
}

void grid_prefix_init(const struct grid *g)
{
    struct grid_prefix *x = g->prefix;
    int n = 0;

    for (int e = 0; e < g->entries; e++)
        x->rest[0][e] = g->digits[e] & 255;
    memset(x->rest[0] + g->entries, 0, 16 * sizeof(x->rest[0][0]));
    x->at[0] = 0;
    for (int e = 0; e < g->entries; e++) {
        x->last[0][n] = g->digits[e] >> 8;
        x->at[n + 1] = (uint16_t)(e + 1);
        n += e + 1 < g->entries && g->digits[e + 1] >> 8 != g->digits[e] >> 8;
    }
    x->lasts = n + 1;
    for (; n < GRID_HALVES; n++)
        x->last[0][n] = x->last[0][x->lasts - 1];
    halves_expand(x->last[0], GRID_HALVES, GRID_HALVES, g->levels);
    halves_expand(x->rest[0], GRID_MOST + 16, g->entries + 16, g->levels);
}

/* ---- the best entries ------------------------------------------------------------------------ */

/* A search at a few scales together. */
struct look {
    const struct grid_prefix *x;
    ivec p[4], q[4];
    vec s[GRID_CANDIDATES], best[GRID_CANDIDATES];
    _Alignas(64) float last[GRID_CANDIDATES][GRID_HALVES]; /* what last halves come to */
    float other[GRID_CANDIDATES];                          /* the most of other halves */
};

/* Sums of VEC halves from i on with two of p and q. */
INLINE void half_sums(vec *va, vec *vb, const int32_t *row, int pitch, const ivec *p, const ivec *q,
                      int center)
{
    const ivec a = ivec_dot16(ivec_load(row), p[0]) + ivec_dot16(ivec_load(row + 2 * pitch), p[1]);
    const ivec b =
        ivec_dot16(ivec_load(row + pitch), q[0]) + ivec_dot16(ivec_load(row + 3 * pitch), q[1]);

    *va = __builtin_convertvector(a - center, vec);
    *vb = __builtin_convertvector(b, vec);
}

/* The most that four values can add, each with its best level. */
INLINE void look_at_others(struct look *l, const struct wanted *w, const struct grid_levels *levels,
                           int scales)
{
    for (int j = 0; j < scales; j++) {
        float most[4];
        for (int i = 0; i < 4; i++) {
            const float p = (float)w->p[i], sq = w->scale[j] * (float)w->q[i];
            most[i] = -INFINITY;
            for (int d = 0; d <= levels->top; d++) {
                const float level = (float)grid_level(levels, d);
                const float v = (p - sq * level) * level;
                most[i] = v > most[i] ? v : most[i];
            }
        }
        l->other[j] = (most[0] + most[1]) + (most[2] + most[3]);
    }
}

/* top[j]: the best last half at each scale. */
INLINE void look_at_lasts(int top[GRID_CANDIDATES], struct look *l, int center, int scales)
{
    vec most[GRID_CANDIDATES], va, vb;
    ivec mark = ivec_count();

    for (int j = 0; j < scales; j++)
        most[j] = vec_all(-INFINITY);
    for (int i = 0; i < GRID_HALVES; i += VEC, mark += VEC) {
        half_sums(&va, &vb, l->x->last[0] + i, GRID_HALVES, l->p + 2, l->q + 2, center);
        for (int j = 0; j < scales; j++) {
            const vec v = va - l->s[j] * vb;
            vec_store(&l->last[j][i], v);
            most[j] = vec_max(most[j], vec_mark(v, GRID_MOST - 1, mark));
        }
    }
    vec_marks(top, most, scales, GRID_MOST - 1);
    for (int j = 0; j < scales; j++)
        top[j] = top[j] < l->x->lasts ? top[j] : l->x->lasts - 1;
}

/* Every entry that ends with last half f. */
INLINE void look_at_entries(struct look *l, int f, int scales)
{
    const int end = l->x->at[f + 1];
    vec va, vb;

    for (int i = l->x->at[f]; i < end; i += VEC) {
        const ivec mark = ivec_count() + i;
        half_sums(&va, &vb, l->x->rest[0] + i, GRID_MOST + 16, l->p, l->q, 0);
        va = vec_pick(mark < end, va, vec_all(-0x1p60F));
        for (int j = 0; j < scales; j++) {
            const vec v = l->last[j][f] + (va - l->s[j] * vb);
            l->best[j] = vec_max(l->best[j], vec_mark(v, GRID_MOST - 1, mark));
        }
    }
}

/* Which of the last halves may end a better entry than the best so far. */
INLINE void promising(uint64_t which[2], const struct look *l, int scales)
{
    float limit[GRID_CANDIDATES];
    vec most[GRID_CANDIDATES];

    vec_most_of(limit, l->best, scales);
    for (int j = 0; j < scales; j++)
        most[j] = vec_all(limit[j] - l->other[j]);
    for (int i = 0; i < GRID_HALVES; i += VEC) {
        vec over = vec_load(&l->last[0][i]) - most[0];
        for (int j = 1; j < scales; j++)
            over = vec_max(over, vec_load(&l->last[j][i]) - most[j]);
        which[i / 64] |= (uint64_t)vec_above(over, vec_all(0)) << i % 64;
    }
    which[1] &= ((uint64_t)1 << (l->x->lasts - 64)) - 1;
}

INLINE void best_loop(int *best, const struct grid *g, const struct wanted *w, int scales)
{
    struct look l;
    int top[GRID_CANDIDATES];
    uint64_t which[2] = {0, 0}, seen[2] = {0, 0};

    l.x = g->prefix;
    for (int k = 0; k < 4; k++) {
        l.p[k] = ivec_pair(w->p + 2 * k);
        l.q[k] = ivec_pair(w->q + 2 * k);
    }
    for (int j = 0; j < scales; j++) {
        l.s[j] = vec_all(w->scale[j]);
        l.best[j] = vec_all(-INFINITY);
    }
    look_at_others(&l, w, g->levels, scales);
    look_at_lasts(top, &l, w->center, scales);
    for (int j = 0; j < scales; j++)
        if (!(seen[top[j] / 64] >> top[j] % 64 & 1)) {
            seen[top[j] / 64] |= (uint64_t)1 << top[j] % 64;
            look_at_entries(&l, top[j], scales);
        }
    promising(which, &l, scales);
    for (int k = 0; k < 2; k++)
        for (uint64_t left = which[k] & ~seen[k]; left; left &= left - 1)
            look_at_entries(&l, 64 * k + __builtin_ctzll(left), scales);
    vec_marks(best, l.best, scales, GRID_MOST - 1);
}

void grid_prefix_best(int *best, const struct grid *g, const struct wanted *w)
{
    if (w->scales == 4)
        best_loop(best, g, w, 4);
    else if (w->scales == 2)
        best_loop(best, g, w, 2);
    else
        best_loop(best, g, w, 1);
}
