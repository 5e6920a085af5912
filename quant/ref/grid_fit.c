#include "quant/ref/grid_fit.h"

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/grid_vec.h"
#include "quant/ref/search.h"

#include <math.h>
#include <string.h>

enum { LOOKS_MOST = 48, WINDOW = 6 };
enum { OCTETS = QK_K / 8, RUNS_MOST = 16, INDEX_MOST = 15, TRIES = 16, NEAR = 4 };

/* What a run would come to without a codebook, every value with the level nearest to it, at
 * each of `looks` scales. Where it does best is where the codebook does, nearly. */
struct run {
    float a2[LOOKS_MOST], b[LOOKS_MOST]; /* gain at scale s: s a2 - s^2 b */
    float gain[LOOKS_MOST];              /* at its best scale */
    float best;                          /* the scale of greatest gain */
    int from;                            /* WINDOW candidates around it */
};

/* The scales to look at, inverse, where the middle one is 1. */
struct looks {
    int n;
    float inverse[LOOKS_MOST];
};

struct search {
    const struct grid *g;
    const struct looks *looks;
    int runs;
    float most_scale;           /* of all runs */
    float back;                 /* values were multiplied by 1 / back, a power of two */
    _Alignas(64) float x[QK_K]; /* magnitudes */
    _Alignas(64) float p[QK_K]; /* times their weights */
    const float *w;
    uint8_t signs[OCTETS];
    struct run run[RUNS_MOST];
    struct octet octet[OCTETS];
};

/* Which index and which candidates, for one d. */
struct choice {
    uint16_t d;
    float gain;
    uint8_t scale[RUNS_MOST], pick[OCTETS];
};

/* ---- scales of runs -------------------------------------------------------------------- */

static struct looks looks_of(int n, float ratio)
{
    struct looks l = {n, {1}};

    for (int j = 0; j < n / 2; j++)
        l.inverse[0] *= ratio;
    for (int j = 1; j < n; j++)
        l.inverse[j] = l.inverse[j - 1] * (1.0F / ratio);
    return l;
}

static void run_best(struct run *r, int looks, vec most)
{
    const vec enough = vec_all(0.9999F * vec_most(most));
    uint64_t below = 0;

    for (int j = 0; j < looks; j += VEC)
        below |= (uint64_t)vec_above(enough, vec_load(r->gain + j)) << j;
    /* of equals the greatest scale: low levels go together in more entries than others */
    const int at = 63 - __builtin_clzll(~below << (64 - looks) >> (64 - looks));
    r->best = 0.5F * (r->a2[at] / r->b[at]);
    r->from = at < 2 ? 0 : at > looks - WINDOW + 2 ? looks - WINDOW : at - 2;
}

static void run_set(struct run *r, const struct looks *k, const struct grid_levels *l, float middle,
                    const float *x, const float *p, const float *w, int n)
{
    const vec zero = vec_all(0), top = vec_all((float)l->top);
    const float base = (float)l->base, step = (float)l->step, scale = 1.0F / (step * middle);
    const ivec more = (ivec)vec_all((float)l->more);
    vec most = zero;

    for (int j = 0; j < k->n; j += VEC) {
        const vec inverse = vec_load(k->inverse + j) * scale;
        vec a = zero, b = zero;
        for (int i = 0; i < n; i++) {
            vec code = x[i] * inverse - base / step;
            code = vec_min(vec_max((code + VEC_ROUND) - VEC_ROUND, zero), top);
            const vec level = code * step + base + (vec)((code == top) & more);
            a += p[i] * level;
            b += w[i] * (level * level);
        }
        const vec v = a / b * a;
        most = vec_max(most, v);
        vec_store(r->gain + j, v);
        vec_store(r->a2 + j, 2.0F * a);
        vec_store(r->b + j, b);
    }
    run_best(r, k->n, most);
}

/* Where to look first: values of about one size are all the lowest level. */
static float first_middle(const struct search *s, int from, int n)
{
    const float square = vec_dot(s->p + from, s->x + from, (size_t)n);
    const float all = vec_dot(s->w + from, srch_ones, (size_t)n);
    float least, most;

    vec_bounds(&least, &most, s->x + from, (size_t)n);
    return (least >= 0.8F * most ? 1.0F / (float)s->g->levels->base : s->g->middle) *
           sqrtf(square / all);
}

static void look_at_runs(struct search *s)
{
    const int n = 8 * s->g->run;
    float middle[RUNS_MOST], most = 0;

    for (int k = 0; k < s->runs; k++) {
        middle[k] = first_middle(s, n * k, n);
        most = middle[k] > most ? middle[k] : most;
    }
    s->most_scale = 0;
    for (int k = 0; k < s->runs; k++) {
        /* the least index is as far below the greatest */
        const float least = most * (1.0F / 32);
        run_set(&s->run[k], s->looks, s->g->levels, middle[k] > least ? middle[k] : least,
                s->x + n * k, s->p + n * k, s->w + n * k, n);
        s->most_scale = s->run[k].best > s->most_scale ? s->run[k].best : s->most_scale;
    }
}

/* ---- the scale of all ------------------------------------------------------------------- */

static uint16_t stored(const struct search *s, float d)
{
    const uint16_t h = f16_from_f32(d * s->back);

    return h > SRCH_F16_MOST ? SRCH_F16_MOST : h;
}

static float restored(const struct search *s, uint16_t h)
{
    return f32_from_f16(h) / s->back;
}

/* The gain of the run at each of VEC scales. */
INLINE vec run_gain(const struct run *r, vec s)
{
    vec m = vec_all(-INFINITY);

    for (int j = r->from; j < r->from + WINDOW; j++)
        m = vec_max(m, vec_all(r->a2[j]) - s * vec_all(r->b[j]));
    return m * s;
}

/* gain[i] of d[i], every run with the best of the three indices around its best scale. */
static void try_all(float gain[TRIES], const struct search *s, const float d[TRIES])
{
    const vec zero = vec_all(0), most = vec_all(INDEX_MOST), half = vec_all(0.5F);
    float inverse[TRIES];

    for (int i = 0; i < TRIES; i++)
        inverse[i] = d[i] > 0 ? 1.0F / (s->g->unit * d[i]) : 0;
    for (int i = 0; i < TRIES; i += VEC) {
        const vec step = vec_load(d + i) * s->g->unit;
        vec sum = zero;
        for (int k = 0; k < s->runs; k++) {
            const vec at = s->run[k].best * vec_load(inverse + i) - half;
            const vec near = (at + VEC_ROUND) - VEC_ROUND;
            vec best = vec_all(-INFINITY);
            for (int off = -1; off <= 1; off++) {
                vec index = near + (float)off;
                index = vec_min(vec_max(index, zero), most);
                const vec scale = (index + half) * step;
                best = vec_max(best, run_gain(&s->run[k], scale));
            }
            sum += best;
        }
        vec_store(gain + i, sum);
    }
}

/* The best of 32 scales: the widest run's best one lands from far above the last index, which
 * cuts an outlier, to half of it; or, where F16 ends, the sixteen least. */
static uint16_t first_d(const struct search *s)
{
    static const float lowest[2] = {0.3F, 0.97F}, ratio[2] = {1.08F, 1.046F};
    const float last = s->most_scale / (s->g->unit * ((float)INDEX_MOST + 0.5F));
    const int tiny = stored(s, last) < TRIES / 2;
    float most = 0;
    uint16_t best = 0;

    for (int batch = 0; batch < (tiny ? 1 : 2); batch++) {
        uint16_t h[TRIES];
        float d[TRIES], gain[TRIES], at = last * lowest[batch];
        for (int i = 0; i < TRIES; i++) {
            h[i] = tiny ? (uint16_t)(i + 1) : stored(s, at);
            d[i] = restored(s, h[i]);
            at *= ratio[batch];
        }
        try_all(gain, s, d);
        for (int i = 0; i < TRIES; i++)
            if (gain[i] > most) {
                most = gain[i];
                best = h[i];
            }
    }
    return best;
}

/* ---- indices and candidates --------------------------------------------------------------- */

/* The index of each run that does best without a codebook. */
static void first_indices(struct choice *c, const struct search *s, uint16_t h)
{
    static const float half[INDEX_MOST + 1] = {0.5F,  1.5F,  2.5F,  3.5F, 4.5F,  5.5F,
                                               6.5F,  7.5F,  8.5F,  9.5F, 10.5F, 11.5F,
                                               12.5F, 13.5F, 14.5F, 15.5F};
    const float step = restored(s, h) * s->g->unit;
    float gain[INDEX_MOST + 1];

    c->d = h;
    for (int k = 0; k < s->runs; k++) {
        for (int i = 0; i <= INDEX_MOST; i += VEC)
            vec_store(gain + i, run_gain(&s->run[k], vec_load(half + i) * step));
        c->scale[k] = 0;
        for (int i = 1; i <= INDEX_MOST; i++)
            if (gain[i] > gain[c->scale[k]])
                c->scale[k] = (uint8_t)i;
    }
}

/* The four indices about i that gains are compared at. */
static int near_index(int i, int j)
{
    const int first = i < 2 ? 0 : i > INDEX_MOST - 1 ? INDEX_MOST - 3 : i - 2;

    return first + j;
}

/* The middles of those that candidates are made for, from the first of the four. */
static const float scan_offset[GRID_CANDIDATES + 1][GRID_CANDIDATES] = {
    [1] = {2.3F, 0,    0,    0   },
      [2] = {1.5F, 2.5F, 0,    0   },
      [4] = {0.5F, 1.5F, 2.5F, 3.5F}
};

/* gain[j] of the run at each of four scales, every octet with its best of n candidates. */
INLINE void near_gains(float gain[NEAR], const struct octet *o, int octets, const float scale[NEAR],
                       int n)
{
    float sum[NEAR] = {0};

    for (int i = 0; i < octets; i++) {
        float most[NEAR] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        for (int c = 0; c < n; c++)
            for (int j = 0; j < NEAR; j++) {
                const float v = 2.0F * o[i].a[c] - scale[j] * o[i].b[c];
                most[j] = v > most[j] ? v : most[j];
            }
        for (int j = 0; j < NEAR; j++)
            sum[j] += most[j];
    }
    for (int j = 0; j < NEAR; j++)
        gain[j] = sum[j] * scale[j];
}

static int best_candidate(const struct octet *o, float scale, int n)
{
    float most = 2.0F * o->a[0] - scale * o->b[0];
    int best = 0;

    for (int j = 1; j < n; j++) {
        const float gain = 2.0F * o->a[j] - scale * o->b[j];
        best = gain > most ? j : best;
        most = gain > most ? gain : most;
    }
    return best;
}

/* Indices and candidates for d, of those made for about[]. Returns the d of least squares for
 * them. */
INLINE float choose_of(struct choice *c, const struct search *s, uint16_t h, const uint8_t *about,
                       int n)
{
    const struct grid *g = s->g;
    const float step = restored(s, h) * g->unit;
    float above = 0, below = 0;

    c->d = h;
    c->gain = 0;
    for (int k = 0; k < s->runs; k++) {
        float gain[NEAR], scale[NEAR];
        int best = 0;
        for (int j = 0; j < NEAR; j++)
            scale[j] = ((float)near_index(about[k], j) + 0.5F) * step;
        near_gains(gain, s->octet + g->run * k, g->run, scale, n);
        for (int j = 1; j < NEAR; j++)
            best = gain[j] > gain[best] ? j : best;
        c->scale[k] = (uint8_t)near_index(about[k], best);
        c->gain += gain[best];
        const float u = ((float)c->scale[k] + 0.5F) * g->unit;
        for (int i = g->run * k; i < g->run * (k + 1); i++) {
            const int j = best_candidate(&s->octet[i], scale[best], n);
            c->pick[i] = (uint8_t)j;
            above += u * s->octet[i].a[j];
            below += u * u * s->octet[i].b[j];
        }
    }
    return below > 0 ? above / below : 0;
}

static float choose(struct choice *c, const struct search *s, uint16_t h, const uint8_t *about)
{
    return s->g->scales == 4   ? choose_of(c, s, h, about, 4)
           : s->g->scales == 2 ? choose_of(c, s, h, about, 2)
                               : choose_of(c, s, h, about, 1);
}

/* Fit d to the choice, as long as that gains. */
static void settle(struct choice *best, const struct search *s)
{
    uint8_t about[RUNS_MOST];

    memcpy(about, best->scale, sizeof(about));
    float d = choose(best, s, best->d, about);
    for (int step = 0; step < 2 && best->d; step++) {
        struct choice next;
        const uint16_t h = stored(s, d);
        if (h == best->d)
            break;
        d = choose(&next, s, h, about);
        if (next.gain <= best->gain)
            break;
        *best = next;
    }
}

/* New candidates: the best entries for the indices about the chosen ones. */
static void look_closer(struct search *s, const struct choice *c)
{
    const struct grid *g = s->g;
    const float step = restored(s, c->d) * g->unit;
    float scale[OCTETS][GRID_CANDIDATES];

    for (int i = 0; i < OCTETS; i++)
        for (int j = 0; j < g->scales; j++) {
            const float first = (float)near_index(c->scale[i / g->run], 0);
            scale[i][j] = (first + scan_offset[g->scales][j]) * step;
        }
    if (g->book)
        grid_scan_book(s->octet, g, &(struct octet_values){s->x, s->w, s->p, 0}, s->signs, scale);
    else
        for (int i = 0; i < OCTETS; i++)
            grid_scan(&s->octet[i], g,
                      &(struct octet_values){s->x + 8 * i, s->w + 8 * i, s->p + 8 * i, s->signs[i]},
                      scale[i]);
}

/* ---- a block ------------------------------------------------------------------------------- */

/* Magnitudes, times the power of two that brings the largest to [1, 2); false: nothing can be
 * stored. */
static int values_set(struct search *s, const float *x, const float *w)
{
    const float most = fabsf(srch_extreme(x, QK_K));

    if (most < SRCH_TINY)
        return 0;
    s->back = f32_from_bits(f32_bits(most) & 0x7f800000U);
    const float inverse = 1.0F / s->back;
    for (int i = 0; i < QK_K; i++) {
        s->x[i] = fabsf(x[i]) * inverse;
        s->p[i] = w[i] * s->x[i];
    }
    for (int i = 0; i < OCTETS; i++) {
        unsigned signs = 0;
        for (int k = 0; k < 8; k++)
            signs |= (unsigned)(x[8 * i + k] < 0) << k;
        s->signs[i] = (uint8_t)signs;
    }
    s->w = w;
    return 1;
}

static void fit_block(struct grid_fit *f, const struct grid *g, const struct looks *looks,
                      const float *x, const float *w, enum codec_effort effort)
{
    struct search s;
    struct choice c;

    memset(f, 0, sizeof(*f));
    s.g = g;
    s.looks = looks;
    s.runs = OCTETS / g->run;
    if (!values_set(&s, x, w))
        return;
    look_at_runs(&s);
    first_indices(&c, &s, first_d(&s));
    for (int round = 0; round < (effort == EFFORT_BEST ? 2 : 1) && c.d; round++) {
        look_closer(&s, &c);
        settle(&c, &s);
    }
    if (!c.d)
        return;
    f->d = c.d;
    memcpy(f->scale, c.scale, (size_t)s.runs);
    for (int i = 0; i < OCTETS; i++) {
        const int j = c.pick[i];
        f->entry[i][0] = s.octet[i].entry[j][0];
        f->entry[i][1] = g->dim == 4 ? s.octet[i].entry[j][1] : 0;
        f->signs[i] = s.octet[i].signs[j];
    }
}

void grid_encode(void *dst, size_t block_bytes, grid_pack_fn *pack, struct grid *g,
                 const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    const struct looks looks = s.importance ? looks_of(g->looks, g->ratio) : looks_of(16, 1.1F);
    uint8_t *b = dst;
    struct grid_fit f;
    float w[QK_K];

    grid_init(g);
    for (size_t i = 0; i < n; i += QK_K, b += block_bytes) {
        fit_block(&f, g, &looks, src + i, srch_importance(w, &s, i, QK_K), how->effort);
        pack(b, &f);
    }
}
