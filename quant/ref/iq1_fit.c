#include "quant/ref/iq1_fit.h"

#include "quant/half.h"
#include "quant/ref/octet_vec.h"
#include "quant/ref/trit_scan.h"
#include "quant/vec.h"

#include <math.h>
#include <string.h>

enum { OCTET = 8, MOST = 7 };

#define IQ1_DELTA 0.125F

static const struct trit_book book = {grid_iq1_start, grid_iq1_entry, grid_iq1_second, 1.0F};

/* Codes of a run: sum w x q and sum w q^2 with q = entry + delta. At a scale t they gain
 * t (2 a - t b) over zeros; a / b is their best scale. */
struct sums {
    float a, b;
};

static float gain_at(const struct sums *s, float t)
{
    return t * (2.0F * s->a - t * s->b);
}

/* ---- what a run would be without a codebook ------------------------------------------------ */

/* The scales to look at, times the weighted root mean square: lanes with delta + and -. */
static const float looks[VEC_ALL] = {0.75F, 0.97F, 1.25F, 1.61F, 2.08F, 2.68F, 3.46F, 4.46F,
                                     0.75F, 0.97F, 1.25F, 1.61F, 2.08F, 2.68F, 3.46F, 4.46F};
static const float deltas[VEC_ALL] = {
    IQ1_DELTA,  IQ1_DELTA,  IQ1_DELTA,  IQ1_DELTA,  IQ1_DELTA,  IQ1_DELTA,  IQ1_DELTA,  IQ1_DELTA,
    -IQ1_DELTA, -IQ1_DELTA, -IQ1_DELTA, -IQ1_DELTA, -IQ1_DELTA, -IQ1_DELTA, -IQ1_DELTA, -IQ1_DELTA};

static const float ones[4 * OCTET] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* The nearest digits of an octet. */
INLINE void octet_sums(vec a[VEC_SUMS], vec b[VEC_SUMS], const vec inverse[VEC_SUMS],
                       const float *x, const float *w)
{
    const ivec lo = vec_bound(-1), hi = vec_bound(1);

    for (int k = 0; k < VEC_SUMS; k++) {
        const vec delta = vec_load(deltas + k * VEC);
        a[k] = b[k] = vec_all(0);
        for (int i = 0; i < OCTET; i++) {
            const vec q = vec_code(x[i] * inverse[k] - delta, lo, hi) + delta, wq = w[i] * q;
            a[k] += wq * x[i];
            b[k] += wq * q;
        }
    }
}

/* The other half of sixteen lanes in place of each. */
INLINE vec vec_other_half(const vec v[VEC_SUMS], int k)
{
#if defined(__AVX512F__)
    (void)k;
    return (vec)_mm512_shuffle_f32x4((__m512)v[0], (__m512)v[0], 0x4e);
#else
    return v[(k + VEC_SUMS / 2) % VEC_SUMS];
#endif
}

/* Adds an octet, per scale with the delta that suits it better: in both halves of the lanes. */
INLINE void add_better(vec a[VEC_SUMS], vec b[VEC_SUMS], const vec oa[VEC_SUMS],
                       const vec ob[VEC_SUMS], const vec scale[VEC_SUMS])
{
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec a1 = vec_other_half(oa, k), b1 = vec_other_half(ob, k);
        const ivec better = 2.0F * a1 - scale[k] * b1 > 2.0F * oa[k] - scale[k] * ob[k];
        a[k] += vec_pick(better, a1, oa[k]);
        b[k] += vec_pick(better, b1, ob[k]);
    }
}

/* The digits that gain most. */
static struct sums run_guess(const float *x, const float *w, int octets)
{
    vec a[VEC_SUMS] = {{0}}, b[VEC_SUMS] = {{0}}, scale[VEC_SUMS], inverse[VEC_SUMS];
    float heavy[4 * OCTET], gain[VEC_ALL], all_a[VEC_ALL], all_b[VEC_ALL];
    struct sums best = {0, 0};

    for (int i = 0; i < octets * OCTET; i++)
        heavy[i] = w[i] * x[i];
    const size_t n = (size_t)octets * OCTET;
    const float mean = sqrtf(vec_dot(heavy, x, n) / vec_dot(w, ones, n));
    if (!(mean > 0))
        return best;
    for (int k = 0; k < VEC_SUMS; k++) {
        scale[k] = vec_load(looks + k * VEC) * mean;
        inverse[k] = 1.0F / scale[k];
    }
    for (int o = 0; o < octets; o++) {
        vec oa[VEC_SUMS], ob[VEC_SUMS];
        octet_sums(oa, ob, inverse, x + OCTET * o, w + OCTET * o);
        if (octets == 2)
            add_better(a, b, oa, ob, scale);
        else
            for (int k = 0; k < VEC_SUMS; k++) {
                a[k] += oa[k];
                b[k] += ob[k];
            }
    }
    for (int k = 0; k < VEC_SUMS; k++) {
        vec_store(gain + k * VEC, vec_pick(a[k] > 0, a[k] * a[k] / b[k], vec_all(0)));
        vec_store(all_a + k * VEC, a[k]);
        vec_store(all_b + k * VEC, b[k]);
    }
    const int top = vec_best(gain);
    if (gain[top] > 0)
        best = (struct sums){all_a[top], all_b[top]};
    return best;
}

/* ---- the super-scale -------------------------------------------------------------------------- */

static float nearest_s(float scale, float inverse_d)
{
    const float r = ((scale * inverse_d - 1.0F) * 0.5F + VEC_ROUND) - VEC_ROUND;

    return r < 0 ? 0 : r > MOST ? (float)MOST : r;
}

/* The widest run's scale over these are the d to try. */
enum { TRIES = 16 };
static const float divisor[TRIES] = {17.0F, 16.4F, 15.8F, 15.2F, 14.6F, 14.0F, 13.4F, 12.8F,
                                     12.2F, 11.6F, 11.0F, 10.4F, 9.8F,  9.2F,  8.6F,  8.0F};

static uint16_t finite_f16(float d)
{
    const uint16_t h = f16_from_f32(d);

    return h == 0 ? 1 : h > 0x7bff ? 0x7bff : h;
}

/* What the runs come to at each of VEC super-scales. */
INLINE vec gain_at_all(const struct sums *run, const float *scale, int n, vec d)
{
    const vec inverse = 1.0F / d;
    const ivec lo = vec_bound(0), hi = vec_bound(MOST);
    vec gain = vec_all(0);

    for (int k = 0; k < n; k++) {
        const vec s = vec_code((scale[k] * inverse - 1.0F) * 0.5F, lo, hi);
        const vec t = d * (2.0F * s + 1.0F);
        gain += t * (2.0F * run[k].a - t * run[k].b);
    }
    return gain;
}

static uint16_t choose_d(const struct sums *run, int n)
{
    float scale[IQ1_OCTETS / 2], d[TRIES], gain[TRIES], widest = 0;
    uint16_t h[TRIES];
    int best = 0;

    for (int k = 0; k < n; k++) {
        scale[k] = run[k].b > 0 ? run[k].a / run[k].b : 0;
        widest = scale[k] > widest ? scale[k] : widest;
    }
    if (!(widest > 0))
        return 0;
    for (int i = 0; i < TRIES; i++) {
        h[i] = finite_f16(widest / divisor[i]);
        d[i] = f32_from_f16(h[i]);
    }
    for (int i = 0; i < TRIES; i += VEC)
        vec_store(gain + i, gain_at_all(run, scale, n, vec_load(d + i)));
    for (int i = 1; i < TRIES; i++)
        best = gain[i] > gain[best] ? i : best;
    return h[best];
}

/* ---- entries ------------------------------------------------------------------------------------ */

static struct sums octet_exact(const float *x, const float *w, unsigned entry, int minus)
{
    octet_ints digit;
    octet_floats wx, q;

    octet_digits(&digit, grid_iq1[entry]);
    q = __builtin_convertvector(digit - 1, octet_floats) + (minus ? -IQ1_DELTA : IQ1_DELTA);
    memcpy(&wx, w, sizeof(wx));
    wx *= q;
    const float a = octet_dot(x, &wx);
    q *= q;
    return (struct sums){a, octet_dot(w, &q)};
}

/* The first of `scales` neighbouring s to look at, the nearest or one and the next. */
static int window(const struct sums *run, float d, int scales)
{
    const float below = scales == 2 ? d : 0;
    const int s = run->b > 0 ? (int)nearest_s(run->a / run->b - below, 1.0F / d) : 0;

    return s <= MOST + 1 - scales ? s : MOST + 1 - scales;
}

/* Lanes of a search: an octet has one for each scale and delta. */
struct lanes {
    int scales, octets; /* octets at once */
    struct trit_scan scan;
};

static int lane_of(const struct lanes *l, int octet, int scale, int minus)
{
    return l->octets * (2 * scale + minus) + octet;
}

/* The best s and delta of `n` octets that share s, from octet `o` of the lanes on, which is
 * octet `at` of f. */
static void choose(struct iq1_fit *f, int at, int n, int first, const struct lanes *l, int o)
{
    const float *err = l->scan.err;
    float least = INFINITY;
    int best = 0, best_minus = 0;

    for (int i = 0; i < l->scales; i++)
        for (int minus = 0; minus < (n == 4 ? 2 : 1); minus++) {
            float sum = 0;
            for (int k = 0; k < n; k++) {
                const float e0 = err[lane_of(l, o + k, i, 0)], e1 = err[lane_of(l, o + k, i, 1)];
                sum += n == 4 ? minus ? e1 : e0 : e0 < e1 ? e0 : e1;
            }
            if (sum < least) {
                least = sum;
                best = i;
                best_minus = minus;
            }
        }
    for (int k = 0; k < n; k++) {
        const float e0 = err[lane_of(l, o + k, best, 0)], e1 = err[lane_of(l, o + k, best, 1)];
        const int minus = n == 4 ? best_minus : !(e0 < e1);
        f->s[at + k] = (uint8_t)(first + best);
        f->minus[at + k] = (uint8_t)minus;
        f->entry[at + k] = (uint16_t)trit_scan_entry(&l->scan, lane_of(l, o + k, best, minus));
    }
}

/* s, delta and entries of all octets for d, around what the runs were before; their sums. */
static void search(struct iq1_fit *f, struct sums *run, const float *x, const float *w, int octets,
                   int scales)
{
    const float d = f32_from_f16(f->d);
    struct lanes l;

    l.scales = scales;
    l.octets = TRIT_LANES / 2 / scales;
    for (int at = 0; at < IQ1_OCTETS; at += l.octets) {
        float scale[TRIT_LANES], delta[TRIT_LANES];
        int first[TRIT_LANES];
        for (int o = 0; o < l.octets; o++)
            first[o] = window(&run[(at + o) / octets], d, scales);
        for (int i = 0; i < 2 * scales; i++)
            for (int o = 0; o < l.octets; o++) {
                scale[l.octets * i + o] = d * (float)(2 * (first[o] + i / 2) + 1);
                delta[l.octets * i + o] = i % 2 ? -IQ1_DELTA : IQ1_DELTA;
            }
        trit_scan(&l.scan, &book, 2 * scales, x + OCTET * at, w + OCTET * at, scale, delta);
        for (int o = 0; o < l.octets; o += octets)
            choose(f, at + o, octets, first[o], &l, o);
    }
    memset(run, 0, sizeof(*run) * (size_t)(IQ1_OCTETS / octets));
    for (int o = 0; o < IQ1_OCTETS; o++) {
        const struct sums s = octet_exact(x + OCTET * o, w + OCTET * o, f->entry[o], f->minus[o]);
        run[o / octets].a += s.a;
        run[o / octets].b += s.b;
    }
}

/* The d of least squares for the codes there are; 0: nothing but zero fits. */
static uint16_t refit(const struct iq1_fit *f, const struct sums *run, int octets)
{
    double above = 0, below = 0;

    for (int k = 0; k < IQ1_OCTETS / octets; k++) {
        const double t = 2 * f->s[k * octets] + 1;
        above += t * (double)run[k].a;
        below += t * t * (double)run[k].b;
    }
    return above > 0 ? finite_f16((float)(above / below)) : 0;
}

static float gain_of(const struct iq1_fit *f, const struct sums *run, int octets)
{
    float gain = 0;

    for (int k = 0; k < IQ1_OCTETS / octets; k++)
        gain += gain_at(&run[k], f32_from_f16(f->d) * (float)(2 * f->s[k * octets] + 1));
    return gain;
}

static const int passes[EFFORT_COUNT] = {[EFFORT_FAST] = 1, [EFFORT_NORMAL] = 1, [EFFORT_BEST] = 4};
/* Scales of a run that entries are searched at: a second one is worth 0.1 % of the error. */
static const int scales[EFFORT_COUNT] = {[EFFORT_FAST] = 1, [EFFORT_NORMAL] = 1, [EFFORT_BEST] = 2};

void iq1_fit(struct iq1_fit *f, const float x[256], const float w[256], int octets,
             enum codec_effort effort)
{
    struct sums run[IQ1_OCTETS / 2];
    struct iq1_fit now = {0};
    float most = 0;

    memset(f, 0, sizeof(*f));
    for (int k = 0; k < IQ1_OCTETS / octets; k++)
        run[k] = run_guess(x + OCTET * octets * k, w + OCTET * octets * k, octets);
    now.d = choose_d(run, IQ1_OCTETS / octets);
    for (int pass = 0; now.d && pass < passes[effort]; pass++) {
        search(&now, run, x, w, octets, scales[effort]);
        const uint16_t before = now.d;
        for (int try = 0; try < 2; try++) {
            const float gain = gain_of(&now, run, octets);
            if (gain > most) {
                most = gain;
                *f = now;
            }
            now.d = refit(&now, run, octets);
        }
        if (now.d == before)
            break;
    }
}

void iq1_octet(float dst[8], float scale, unsigned entry, int minus)
{
    for (int i = 0; i < OCTET; i++)
        dst[i] = scale * ((float)grid_iq1_value(entry, i) + (minus ? -IQ1_DELTA : IQ1_DELTA));
}
