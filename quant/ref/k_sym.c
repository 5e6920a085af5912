#include "quant/ref/k_sym.h"

#include "quant/half.h"
#include "quant/ref/k_tile.h"

#include <math.h>

struct shape {
    int levels;      /* codes are -levels .. levels - 1 */
    int least, most; /* of s */
};

/* One way to look: from a first d, which is refitted as often as `rounds` says. */
struct way {
    float head; /* the first d, in what the widest run asks for */
    float top;  /* the first scale of a run, in what its largest value asks for */
    int scales; /* how many are tried, of each sign */
    int dense;  /* that many one after the other, then every second */
    int near;   /* and after each refit, to either side */
    int rounds;
    bool alike; /* only worth it where all runs reach about as far */
};

enum { WAYS = 3 };
/* By importance and effort; `scales` is 0 in those that are not there. */
typedef const struct way ways[2][EFFORT_COUNT][WAYS];

enum { RUN = 16, RUNS = 16 };

struct pick {
    float s[VEC_ALL], error[VEC_ALL];
};

struct part {
    vec s, error;
};

INLINE struct part try_scale(struct part best, vec s, float d, const struct k_tile *t, int at,
                             const struct shape *k, bool even)
{
    const ivec lo = vec_bound(-k->levels), hi = vec_bound(k->levels - 1);
    const vec scale = s * d, inverse = vec_all(1.0F) / scale;
    vec e2 = {0};

    for (int i = 0; i < RUN; i++) {
        const vec place = vec_load(t->x + VEC_ALL * i + at) * inverse;
        const vec e = place - vec_code(place, lo, hi);
        e2 += even ? e * e : e * e * vec_load(t->w + VEC_ALL * i + at);
    }
    const vec error = scale * scale * e2; /* NaN where s is 0 */
    const ivec is = error < best.error;
    return (struct part){vec_pick(is, s, best.s), vec_pick(is, error, best.error)};
}

/* All codes zero. */
INLINE struct part all_zero(const struct k_tile *t, int at, bool even)
{
    struct part p = {{0}, {0}};

    for (int i = 0; i < RUN; i++) {
        const vec x = vec_load(t->x + VEC_ALL * i + at);
        p.error += even ? x * x : x * x * vec_load(t->w + VEC_ALL * i + at);
    }
    return p;
}

/* Scales of both signs, downwards from where the largest value is the last code. */
INLINE struct part search_wide(struct part best, float d, vec extreme, const struct k_tile *t,
                               int at, const struct shape *k, const struct way *by, bool even)
{
    const float inverse = 1.0F / d;
    const vec first = k_whole(extreme * (-by->top * inverse / (float)k->levels), k->least, k->most);
    const vec second =
        k_whole(extreme * (by->top * inverse / (float)(k->levels - 1)), k->least, k->most);
    const vec step = vec_pick(first < 0.0F, vec_all(1.0F), vec_all(-1.0F));

    for (int i = 0; i < by->scales; i++) {
        const float j = (float)(i < by->dense ? i : 2 * i - by->dense);
        best = try_scale(best, first + step * j, d, t, at, k, even);
        best = try_scale(best, second - step * j, d, t, at, k, even);
    }
    return best;
}

INLINE struct part search_near(struct part best, vec from, float d, const struct k_tile *t, int at,
                               const struct shape *k, const struct way *by, bool even)
{
    for (int j = -by->near; j <= by->near; j++)
        best = try_scale(best, k_whole(from + (float)j, k->least, k->most), d, t, at, k, even);
    return best;
}

INLINE bool refit(uint16_t *d, const struct pick *p, const struct k_tile *t, const struct shape *k,
                  bool even)
{
    const ivec lo = vec_bound(-k->levels), hi = vec_bound(k->levels - 1);
    const float from = f32_from_f16(*d);
    float above[VEC_ALL], below[VEC_ALL];

    for (int at = 0; at < VEC_ALL; at += VEC) {
        const vec s = vec_load(p->s + at), inverse = k_inverse(s * from);
        vec c2 = {0}, xc = {0};
        for (int i = 0; i < RUN; i++) {
            const vec x = vec_load(t->x + VEC_ALL * i + at);
            const vec code = vec_code(x * inverse, lo, hi);
            const vec wc = even ? code : code * vec_load(t->w + VEC_ALL * i + at);
            c2 += wc * code;
            xc += wc * x;
        }
        vec_store(above + at, s * xc);
        vec_store(below + at, s * s * c2);
    }
    const float a = k_sum(above), b = k_sum(below);
    if (!(b > 0))
        return false;
    *d = f16_from_f32(a / b);
    return *d >= SRCH_F16_COARSE && *d < 0x7c00;
}

INLINE void set_codes(struct k_sym *f, const float *x, const struct shape *k)
{
    const float d = f32_from_f16(f->d), lo = (float)-k->levels, hi = (float)(k->levels - 1);

    for (int r = 0; r < RUNS; r++) {
        const float scale = d * (float)f->s[r], inverse = scale != 0.0F ? 1.0F / scale : 0;
        for (int i = 0; i < RUN; i++) {
            float c = (x[RUN * r + i] * inverse + VEC_ROUND) - VEC_ROUND;
            c = c < lo ? lo : c;
            c = c > hi ? hi : c;
            f->code[RUN * r + i] = (int8_t)(int32_t)c;
        }
    }
}

INLINE void take(struct k_sym *f, const struct pick *p, uint16_t d)
{
    f->d = d;
    for (int r = 0; r < RUNS; r++)
        f->s[r] = (int8_t)(int32_t)p->s[r];
}

/* What does not depend on d. */
struct start {
    float extreme[VEC_ALL], size[VEC_ALL], zeros[VEC_ALL]; /* the error of zeros alone */
};

INLINE void start_set(struct start *s, const struct k_tile *t, bool even)
{
    for (int at = 0; at < VEC_ALL; at += VEC) {
        vec least, greatest;
        k_tile_bounds(&least, &greatest, t, at, RUN);
        const vec v = vec_pick(greatest < -least, least, greatest);
        vec_store(s->extreme + at, v);
        vec_store(s->size + at, (vec)((ivec)v & 0x7fffffff));
        vec_store(s->zeros + at, all_zero(t, at, even).error);
    }
}

/* f with the error it leads to, if that is less than `error`; the least of both. */
INLINE float fit_way(struct k_sym *f, float error, const struct start *s, const struct k_tile *t,
                     const struct shape *k, const struct way *by, bool even)
{
    struct pick now = {{0}, {0}};
    uint16_t d = srch_f16_up(k_most(s->size) * (by->head / (float)(k->levels * k->most)));

    for (int round = 0;; round++) {
        const float unit = f32_from_f16(d);
        for (int at = 0; at < VEC_ALL; at += VEC) {
            struct part p = {{0}, vec_load(s->zeros + at)};
            if (d && !round)
                p = search_wide(p, unit, vec_load(s->extreme + at), t, at, k, by, even);
            else if (d)
                p = search_near(p, vec_load(now.s + at), unit, t, at, k, by, even);
            vec_store(now.s + at, p.s);
            vec_store(now.error + at, p.error);
        }
        const float all = k_sum(now.error);
        if (all < error) {
            take(f, &now, d);
            error = all;
        }
        if (round == by->rounds || !d || !refit(&d, &now, t, k, even))
            break;
    }
    return error;
}

INLINE void fit_even(struct k_sym *f, const float *x, const struct k_tile *t, const struct shape *k,
                     const struct way by[WAYS], bool even)
{
    struct start s;
    float error = INFINITY;

    memset(f, 0, sizeof(*f));
    start_set(&s, t, even);
    for (int i = 0; i < WAYS && by[i].scales; i++)
        if (!by[i].alike || k_alike(s.size))
            error = fit_way(f, error, &s, t, k, &by[i], even);
    set_codes(f, x, k);
}

INLINE void fit(struct k_sym *f, const float *x, const float *w, const struct shape *k, ways *how,
                enum codec_effort effort)
{
    struct k_tile t;

    k_tile_fill(&t, x, w, RUN);
    if (t.even)
        fit_even(f, x, &t, k, (*how)[0][effort], true);
    else
        fit_even(f, x, &t, k, (*how)[1][effort], false);
}

/* Values on a lattice around zero, as ternary ones and those of models trained for few
 * bits: both signs of the largest have a code if it is the last one above zero. */
#define LATTICE(levels)                                                                            \
    {                                                                                              \
        (levels) / ((levels)-1.0F), 1.0F, 1, 1, 0, 1, true                                         \
    }

static ways ways3 = {
    {{{1.05F, 1.05F, 5, 5, 1, 1}, LATTICE(4)},
     {{1.05F, 1.05F, 4, 4, 1, 1}},
     {{1.05F, 1.2F, 14, 14, 2, 2}, {1.2F, 1.2F, 14, 14, 2, 2}, LATTICE(4)}},
    {{{1.2F, 1.5F, 20, 20, 2, 1}, LATTICE(4)},
     {{1.1F, 1.2F, 12, 12, 1, 1}},
     {{1.2F, 1.5F, 24, 24, 4, 3}, {1.05F, 1.5F, 24, 24, 4, 3}, LATTICE(4)}},
};
static ways ways6 = {
    {{{1.25F, 1.2F, 24, 24, 6, 1}, LATTICE(32)},
     {{1.2F, 1.15F, 14, 14, 2, 1}},
     {{1.3F, 1.3F, 60, 60, 8, 3}, LATTICE(32)} },
    {{{1.25F, 1.2F, 25, 16, 3, 1}, LATTICE(32)},
     {{1.2F, 1.15F, 20, 20, 2, 1}},
     {{1.3F, 1.3F, 80, 80, 12, 3}, LATTICE(32)}},
};

void q3_k_fit(struct k_sym *f, const float *x, const float *w, enum codec_effort effort)
{
    static const struct shape k = {4, -32, 31};

    fit(f, x, w, &k, &ways3, effort);
}

void q6_k_fit(struct k_sym *f, const float *x, const float *w, enum codec_effort effort)
{
    static const struct shape k = {32, -128, 127};

    fit(f, x, w, &k, &ways6, effort);
}
