#include "quant/ref/k_fit.h"

#include "quant/half.h"
#include "quant/ref/k_tile.h"

#include <math.h>

struct shape {
    int run, max_code, most; /* values in a run; largest code; largest s and m */
};

/* One way to look: from a first d and dmin, which are refitted as often as `rounds` says. */
struct way {
    float head, head_min; /* the first d and dmin, in what the widest run asks for */
    float top;            /* the first scale of a run, in what its width asks for */
    int scales, offsets;  /* how many of each are tried; of scales, for each lane of a run */
    int near, rounds;     /* pairs tried after each refit, of `local` */
    bool alike;           /* only worth it where all runs are about as wide */
};

enum { WAYS = 4 };
/* By importance and effort; `scales` is 0 in those that are not there. */
typedef const struct way ways[2][EFFORT_COUNT][WAYS];

/* A scale and an offset of every run, and what they lead to. */
struct pick {
    float s[VEC_ALL], m[VEC_ALL], error[VEC_ALL];
};

/* The same of the lanes that are worked on. */
struct part {
    vec s, m, error;
};

/* What is known of every run. */
struct runs {
    float lo[VEC_ALL], hi[VEC_ALL], width[VEC_ALL];
    float weight[VEC_ALL], sum[VEC_ALL]; /* sum w, sum w x */
};

/* d and dmin, and what the lanes that are worked on need beside. */
struct super {
    float d, dmin, inverse_min; /* 1 / dmin */
    vec weight;
};

INLINE vec weight_at(const struct k_tile *t, int i, int at, bool even)
{
    return even ? vec_all(1.0F) : vec_load(t->w + VEC_ALL * i + at);
}

/* Errors of sums and of their squares, in steps of the scale. */
INLINE void line_errors(vec *sum, vec *squares, const struct k_tile *t, int at, vec inverse,
                        vec shift, const struct shape *k, bool even)
{
    const ivec lo = vec_bound(0), hi = vec_bound(k->max_code);
    vec e1 = {0}, e2 = {0};

    for (int i = 0; i < k->run; i++) {
        const vec place = vec_load(t->x + VEC_ALL * i + at) * inverse + shift;
        const vec e = place - vec_code(place, lo, hi);
        const vec we = even ? e : e * vec_load(t->w + VEC_ALL * i + at);
        e1 += we;
        e2 += we * e;
    }
    *sum = e1;
    *squares = e2;
}

INLINE struct part better(struct part a, struct part b)
{
    const ivec is = b.error < a.error;

    return (struct part){vec_pick(is, b.s, a.s), vec_pick(is, b.m, a.m),
                         vec_pick(is, b.error, a.error)};
}

/* The scale s with an offset near m: that which the codes of m are best with. */
INLINE struct part line(vec s, vec m, vec inverse, const struct super *q, const struct k_tile *t,
                        int at, const struct shape *k, bool even)
{
    const vec scale = s * q->d;
    vec e1, e2;

    line_errors(&e1, &e2, t, at, inverse, m * q->dmin * inverse, k, even);
    const vec m2 = k_whole(m - e1 / q->weight * scale * q->inverse_min, 0, k->most);
    const vec by = (m - m2) * q->dmin * inverse;
    return (struct part){s, m2, scale * scale * (e2 - by * (2.0F * e1 - by * q->weight))};
}

/* Codes all zero. */
INLINE struct part flat(const struct super *q, vec mean, const struct k_tile *t, int at,
                        const struct shape *k, bool even)
{
    struct part p = {{0}, k_whole(-mean * q->inverse_min, 0, k->most), {0}};

    for (int i = 0; i < k->run; i++) {
        const vec e = vec_load(t->x + VEC_ALL * i + at) + p.m * q->dmin;
        p.error += weight_at(t, i, at, even) * e * e;
    }
    return p;
}

INLINE struct part part_get(const struct pick *p, int at)
{
    return (struct part){vec_load(p->s + at), vec_load(p->m + at), vec_load(p->error + at)};
}

INLINE void part_put(struct pick *p, int at, struct part part)
{
    vec_store(p->s + at, part.s);
    vec_store(p->m + at, part.m);
    vec_store(p->error + at, part.error);
}

/* Where runs fill the lanes twice: the better of each two, in both. */
INLINE void merge(struct pick *p, const struct shape *k)
{
    enum { HALF = VEC_ALL / 2 };

    for (int i = 0; k->run > VEC_ALL && i < HALF; i++) {
        const int from = p->error[i + HALF] < p->error[i] ? i + HALF : i;
        const int to = i + HALF - (from - i);
        p->s[to] = p->s[from];
        p->m[to] = p->m[from];
        p->error[to] = p->error[from];
    }
}

static const float second_half[VEC_ALL] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};

/* From the widest scale worth trying downwards, at each the offsets that put the middle
 * of the values near the middle of the codes. */
INLINE struct part search_wide(struct part best, const struct super *q, vec lo, vec hi,
                               const struct k_tile *t, int at, const struct shape *k,
                               const struct way *by, bool even)
{
    const int copies = k->run / VEC_ALL;
    const vec middle = 0.5F * (lo + hi);
    vec top = k_whole((hi - lo) * (by->top / ((float)k->max_code * q->d)), 1, k->most);

    if (copies == 2)
        top -= vec_load(second_half + at);
    for (int j = 0; j < by->scales; j++) {
        const vec s = k_whole(top - (float)(copies * j), 1, k->most);
        const vec scale = s * q->d, inverse = 1.0F / scale;
        for (int i = 0; i < by->offsets; i++) {
            const float part = ((float)i + 0.5F) / (float)by->offsets - 0.5F;
            const vec m = (scale * (0.5F * (float)k->max_code + part) - middle) * q->inverse_min;
            best = better(best, line(s, k_whole(m, 0, k->most), inverse, q, t, at, k, even));
        }
    }
    return best;
}

/* Steps of s and m from what was best. */
static const float local[][2] = {
    {0,  0 },
    {-1, 0 },
    {1,  0 },
    {0,  -2},
    {0,  2 },
    {-1, -2},
    {1,  2 },
    {-1, 2 },
    {1,  -2},
    {-2, 0 },
    {2,  0 },
    {0,  4 },
    {0,  -4},
    {2,  2 },
};

INLINE struct part search_near(struct part best, struct part from, const struct super *q,
                               const struct k_tile *t, int at, const struct shape *k,
                               const struct way *by, bool even)
{
    const int copies = k->run / VEC_ALL;

    for (int i = 0; i < by->near; i += copies) {
        vec s = from.s + local[i][0], m = from.m + local[i][1];
        if (copies == 2) {
            s += vec_load(second_half + at) * (local[i + 1][0] - local[i][0]);
            m += vec_load(second_half + at) * (local[i + 1][1] - local[i][1]);
        }
        s = k_whole(s, 1, k->most);
        best = better(best, line(s, k_whole(m, 0, k->most), 1.0F / (s * q->d), q, t, at, k, even));
    }
    return best;
}

/* Terms of d's and dmin's least squares, of every run. */
struct normal {
    float dd[VEC_ALL], dm[VEC_ALL], mm[VEC_ALL], xd[VEC_ALL], xm[VEC_ALL];
};

INLINE void normal_terms(struct normal *n, int at, struct part p, const struct super *q,
                         const struct runs *r, const struct k_tile *t, const struct shape *k,
                         bool even)
{
    const ivec lo = vec_bound(0), hi = vec_bound(k->max_code);
    const vec inverse = k_inverse(p.s * q->d), shift = p.m * q->dmin * inverse;
    vec c1 = {0}, c2 = {0}, xc = {0};

    for (int i = 0; i < k->run; i++) {
        const vec x = vec_load(t->x + VEC_ALL * i + at);
        const vec code = vec_code(x * inverse + shift, lo, hi);
        const vec wc = even ? code : code * vec_load(t->w + VEC_ALL * i + at);
        c1 += wc;
        c2 += wc * code;
        xc += wc * x;
    }
    vec_store(n->dd + at, p.s * p.s * c2);
    vec_store(n->dm + at, p.s * p.m * c1);
    vec_store(n->mm + at, p.m * p.m * q->weight);
    vec_store(n->xd + at, p.s * xc);
    vec_store(n->xm + at, p.m * vec_load(r->sum + at));
}

/* Rounding a number with fewer bits than this undoes more than a refit gains. */
INLINE bool is_fine(uint16_t h)
{
    return (h & 0x7fff) >= SRCH_F16_COARSE && (h & 0x7fff) < 0x7c00;
}

/* The d and dmin of least squares; where that has no unique answer, one of them. false: F16
 * is too coarse for it. */
INLINE bool normal_solve(uint16_t *d, uint16_t *dmin, const struct normal *n)
{
    const double a = (double)k_sum(n->dd), b = (double)k_sum(n->dm), c = (double)k_sum(n->mm);
    const double e = (double)k_sum(n->xd), f = (double)k_sum(n->xm), det = a * c - b * b;

    if (det > 1e-6 * a * c) {
        *d = f16_from_f32((float)((e * c - b * f) / det));
        *dmin = f16_from_f32((float)((b * e - a * f) / det));
        return is_fine(*d) && is_fine(*dmin) && !(*d & 0x8000);
    }
    if (a > 0) {
        *d = f16_from_f32((float)((e + (double)f32_from_f16(*dmin) * b) / a));
        return is_fine(*d) && !(*d & 0x8000);
    }
    if (c > 0) {
        *dmin = f16_from_f32((float)(-f / c));
        return is_fine(*dmin);
    }
    return false;
}

INLINE void set_codes(struct k_fit *f, const float *x, const struct shape *k)
{
    const float d = f32_from_f16(f->d), dmin = f32_from_f16(f->dmin);

    for (int r = 0; r < K_VALUES / k->run; r++) {
        const float scale = d * (float)f->s[r], inverse = scale > 0 ? 1.0F / scale : 0;
        const float shift = (float)f->m[r] * dmin * inverse;
        for (int i = 0; i < k->run; i++) {
            float c = (x[k->run * r + i] * inverse + shift + VEC_ROUND) - VEC_ROUND;
            c = c < 0 ? 0 : c;
            c = c > (float)k->max_code ? (float)k->max_code : c;
            f->code[k->run * r + i] = (uint8_t)(int32_t)c;
        }
    }
}

INLINE void take(struct k_fit *f, const struct pick *p, uint16_t d, uint16_t dmin,
                 const struct shape *k)
{
    f->d = d;
    f->dmin = dmin;
    for (int r = 0; r < K_VALUES / k->run; r++) {
        f->s[r] = (uint8_t)(int32_t)p->s[r];
        f->m[r] = (uint8_t)(int32_t)p->m[r];
    }
}

INLINE void runs_set(struct runs *r, const struct k_tile *t, const struct shape *k, bool even)
{
    for (int at = 0; at < VEC_ALL; at += VEC) {
        vec lo, hi, weight = {0}, sum = {0};
        k_tile_bounds(&lo, &hi, t, at, k->run);
        for (int i = 0; i < k->run; i++) {
            const vec w = weight_at(t, i, at, even);
            weight += w;
            sum += w * vec_load(t->x + VEC_ALL * i + at);
        }
        lo = vec_pick(lo > 0.0F, (vec){0}, lo); /* offsets are not above zero */
        vec_store(r->lo + at, lo);
        vec_store(r->hi + at, hi);
        vec_store(r->width + at, hi - lo);
        vec_store(r->weight + at, weight);
        vec_store(r->sum + at, sum);
    }
}

INLINE struct super super_of(uint16_t d, uint16_t dmin)
{
    struct super q = {f32_from_f16(d), f32_from_f16(dmin), 0, {0}};

    q.inverse_min = q.dmin != 0.0F ? 1.0F / q.dmin : 0;
    return q;
}

/* f with the error it leads to, if that is less than `error`; the least of both. */
INLINE float fit_way(struct k_fit *f, float error, const struct runs *r, const struct k_tile *t,
                     const struct shape *k, const struct way *by, bool even)
{
    struct pick now = {{0}, {0}, {0}};
    struct normal n;
    float depth[VEC_ALL];

    for (int i = 0; i < VEC_ALL; i++)
        depth[i] = 0.0F - r->lo[i]; /* not -0 */
    uint16_t d = srch_f16_up(k_most(r->width) * (by->head / (float)(k->max_code * k->most)));
    uint16_t dmin = srch_f16_up(k_most(depth) * (by->head_min / (float)k->most));
    for (int round = 0;; round++) {
        struct super q = super_of(d, dmin);
        for (int at = 0; at < VEC_ALL; at += VEC) {
            const vec lo = vec_load(r->lo + at), hi = vec_load(r->hi + at);
            q.weight = vec_load(r->weight + at);
            struct part p = flat(&q, vec_load(r->sum + at) / q.weight, t, at, k, even);
            if (d && !round)
                p = search_wide(p, &q, lo, hi, t, at, k, by, even);
            else if (d)
                p = search_near(p, part_get(&now, at), &q, t, at, k, by, even);
            part_put(&now, at, dmin ? p : (struct part){p.s, {0}, p.error});
        }
        merge(&now, k);
        const float all = k_sum(now.error);
        if (all < error) {
            take(f, &now, d, dmin, k);
            error = all;
        }
        if (round == by->rounds || !(d | dmin))
            break;
        for (int at = 0; at < VEC_ALL; at += VEC) {
            q.weight = vec_load(r->weight + at);
            normal_terms(&n, at, part_get(&now, at), &q, r, t, k, even);
        }
        if (!normal_solve(&d, &dmin, &n))
            break;
    }
    return error;
}

INLINE void fit_even(struct k_fit *f, const float *x, const struct k_tile *t, const struct shape *k,
                     const struct way by[WAYS], bool even)
{
    struct runs r;
    float error = INFINITY;

    memset(f, 0, sizeof(*f));
    runs_set(&r, t, k, even);
    for (int i = 0; i < WAYS && by[i].scales; i++)
        if (!by[i].alike || k_alike(r.width))
            error = fit_way(f, error, &r, t, k, &by[i], even);
    set_codes(f, x, k);
}

INLINE void fit(struct k_fit *f, const float *x, const float *w, const struct shape *k, ways *how,
                enum codec_effort effort)
{
    struct k_tile t;

    k_tile_fill(&t, x, w, k->run);
    if (t.even)
        fit_even(f, x, &t, k, (*how)[0][effort], true);
    else
        fit_even(f, x, &t, k, (*how)[1][effort], false);
}

/* Values that lie on a lattice with zero in its middle, as ternary ones and those of models
 * trained for few bits, have an odd number of levels: one code is left over in each run. */
#define LATTICE(max_code)                                                                          \
    {                                                                                              \
        (max_code) / ((max_code)-1.0F), 1.0F, (max_code) / ((max_code)-1.0F), 1, 2, 2, 1, true     \
    }

static ways ways2 = {
    {{{0.9F, 0.9F, 1.1F, 8, 6, 10, 2}, LATTICE(3)},
     {{0.95F, 0.95F, 1.05F, 6, 3, 4, 1}},
     {{0.9F, 0.9F, 1.15F, 10, 8, 14, 4},
      {0.8F, 0.9F, 1.15F, 10, 8, 14, 4},
      {0.9F, 0.8F, 1.15F, 10, 8, 14, 4},
      LATTICE(3)}},
    {{{0.9F, 0.9F, 1.15F, 10, 8, 14, 3}, LATTICE(3)},
     {{0.95F, 0.95F, 1.05F, 7, 3, 6, 1}},
     {{0.9F, 0.9F, 1.2F, 14, 8, 14, 4},
      {0.75F, 0.85F, 1.2F, 14, 8, 14, 4},
      {1.05F, 0.95F, 1.2F, 14, 8, 14, 4},
      LATTICE(3)}},
};
static ways ways4 = {
    {{{1.15F, 1.0F, 1.15F, 8, 6, 6, 1}, LATTICE(15)},
     {{1.1F, 1.0F, 1.1F, 6, 3, 2, 1}},
     {{1.15F, 1.0F, 1.15F, 12, 8, 14, 3}, {1.3F, 1.0F, 1.25F, 12, 8, 14, 3}, LATTICE(15)}},
    {{{1.15F, 1.0F, 1.2F, 9, 4, 6, 1}, {1.35F, 1.1F, 1.35F, 9, 4, 6, 1}, LATTICE(15)},
     {{1.1F, 1.0F, 1.1F, 6, 3, 4, 1}},
     {{1.2F, 1.0F, 1.3F, 16, 8, 14, 3}, {1.4F, 1.1F, 1.4F, 16, 8, 14, 3}, LATTICE(15)}   },
};
static ways ways5 = {
    {{{1.2F, 1.0F, 1.15F, 8, 4, 6, 1}, LATTICE(31)},
     {{1.1F, 1.0F, 1.1F, 5, 3, 2, 1}},
     {{1.2F, 1.0F, 1.2F, 14, 8, 14, 2}, {1.4F, 1.0F, 1.3F, 14, 8, 14, 2}, LATTICE(31)}},
    {{{1.2F, 1.0F, 1.2F, 9, 4, 6, 1}, {1.4F, 1.1F, 1.35F, 9, 4, 6, 1}, LATTICE(31)},
     {{1.1F, 1.0F, 1.1F, 6, 3, 4, 1}},
     {{1.3F, 1.0F, 1.3F, 16, 8, 14, 2}, {1.5F, 1.1F, 1.4F, 16, 8, 14, 2}, LATTICE(31)}},
};

void q2_k_fit(struct k_fit *f, const float *x, const float *w, enum codec_effort effort)
{
    static const struct shape k = {16, 3, 15};

    fit(f, x, w, &k, &ways2, effort);
}

void q4_k_fit(struct k_fit *f, const float *x, const float *w, enum codec_effort effort)
{
    static const struct shape k = {32, 15, 63};

    fit(f, x, w, &k, &ways4, effort);
}

void q5_k_fit(struct k_fit *f, const float *x, const float *w, enum codec_effort effort)
{
    static const struct shape k = {32, 31, 63};

    fit(f, x, w, &k, &ways5, effort);
}
