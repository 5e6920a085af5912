#include "quant/ref/iq1_fit.h"

#include "quant/half.h"
#include "quant/ref/iq1_scan.h"
#include "quant/vec.h"

#include <math.h>
#include <string.h>

enum { OCTET = 8, MOST = 7, CHUNKS = IQ1_OCTETS / IQ1_AT_ONCE };

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
INLINE void octet_sums(float a[VEC_ALL], float b[VEC_ALL], const float inverse[VEC_ALL],
                       const float *x, const float *w)
{
    const ivec lo = vec_bound(-1), hi = vec_bound(1);

    for (int k = 0; k < VEC_ALL; k += VEC) {
        const vec inv = vec_load(inverse + k), delta = vec_load(deltas + k);
        vec sa = vec_load(a + k), sb = vec_load(b + k);
        for (int i = 0; i < OCTET; i++) {
            const vec q = vec_code(x[i] * inv - delta, lo, hi) + delta, wq = w[i] * q;
            sa += wq * x[i];
            sb += wq * q;
        }
        vec_store(a + k, sa);
        vec_store(b + k, sb);
    }
}

/* Per octet the delta that suits a scale better: in both halves of the lanes. */
static void better_delta(float a[VEC_ALL], float b[VEC_ALL], const float scale[VEC_ALL])
{
    enum { HALF = VEC_ALL / 2 };
    float other_a[VEC_ALL], other_b[VEC_ALL];

    memcpy(other_a, a + HALF, sizeof(other_a) / 2);
    memcpy(other_a + HALF, a, sizeof(other_a) / 2);
    memcpy(other_b, b + HALF, sizeof(other_b) / 2);
    memcpy(other_b + HALF, b, sizeof(other_b) / 2);
    for (int k = 0; k < VEC_ALL; k += VEC) {
        const vec t = vec_load(scale + k), a0 = vec_load(a + k), b0 = vec_load(b + k);
        const vec a1 = vec_load(other_a + k), b1 = vec_load(other_b + k);
        const ivec better = 2.0F * a1 - t * b1 > 2.0F * a0 - t * b0;
        vec_store(a + k, vec_pick(better, a1, a0));
        vec_store(b + k, vec_pick(better, b1, b0));
    }
}

/* The digits that gain most. */
static struct sums run_guess(const float *x, const float *w, int octets)
{
    float a[VEC_ALL] = {0}, b[VEC_ALL] = {0}, scale[VEC_ALL], inverse[VEC_ALL];
    float heavy[4 * OCTET], gain[VEC_ALL];
    struct sums best = {0, 0};

    for (int i = 0; i < octets * OCTET; i++)
        heavy[i] = w[i] * x[i];
    const size_t n = (size_t)octets * OCTET;
    const float mean = sqrtf(vec_dot(heavy, x, n) / vec_dot(w, ones, n));
    if (!(mean > 0))
        return best;
    for (int j = 0; j < VEC_ALL; j++) {
        scale[j] = looks[j] * mean;
        inverse[j] = 1.0F / scale[j];
    }
    for (int o = 0; o < octets; o++) {
        float oa[VEC_ALL] = {0}, ob[VEC_ALL] = {0};
        octet_sums(oa, ob, inverse, x + OCTET * o, w + OCTET * o);
        if (octets == 2)
            better_delta(oa, ob, scale);
        for (int j = 0; j < VEC_ALL; j++) {
            a[j] += oa[j];
            b[j] += ob[j];
        }
    }
    for (int j = 0; j < VEC_ALL; j++)
        gain[j] = a[j] > 0 ? a[j] * a[j] / b[j] : 0;
    const int top = vec_best(gain);
    if (gain[top] > 0)
        best = (struct sums){a[top], b[top]};
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

static uint16_t choose_d(const struct sums *run, int n)
{
    float scale[IQ1_OCTETS / 2], widest = 0, most = 0;
    uint16_t best = 0;

    for (int k = 0; k < n; k++) {
        scale[k] = run[k].b > 0 ? run[k].a / run[k].b : 0;
        widest = scale[k] > widest ? scale[k] : widest;
    }
    for (int i = 0; i < TRIES && widest > 0; i++) {
        const uint16_t h = finite_f16(widest / divisor[i]);
        const float d = f32_from_f16(h), inverse = 1.0F / d;
        float gain = 0;
        for (int k = 0; k < n; k++)
            gain += gain_at(&run[k], d * (2.0F * nearest_s(scale[k], inverse) + 1.0F));
        if (gain > most || !best) {
            most = gain;
            best = h;
        }
    }
    return best;
}

/* ---- entries ------------------------------------------------------------------------------------ */

static struct sums octet_exact(const float *x, const float *w, unsigned entry, int minus)
{
    const float delta = minus ? -IQ1_DELTA : IQ1_DELTA;
    float a[OCTET], b[OCTET];

    for (int i = 0; i < OCTET; i++) {
        const float q = (float)grid_iq1_value(entry, i) + delta, wq = w[i] * q;
        a[i] = wq * x[i];
        b[i] = wq * q;
    }
    for (int half = OCTET / 2; half; half /= 2)
        for (int i = 0; i < half; i++) {
            a[i] += a[i + half];
            b[i] += b[i + half];
        }
    return (struct sums){a[0], b[0]};
}

/* The first of two neighbouring s to look at. */
static int window(const struct sums *run, float d)
{
    const int s = run->b > 0 ? (int)nearest_s(run->a / run->b - d, 1.0F / d) : 0;

    return s < MOST ? s : MOST - 1;
}

/* The best s and delta of `n` octets that share s; of each octet's lanes errors in err. */
static void choose(struct iq1_fit *f, int at, int n, int first, const float *err)
{
    float least = INFINITY;
    int best = 0;

    for (int i = 0; i < 2; i++)
        for (int minus = 0; minus < (n == 4 ? 2 : 1); minus++) {
            float sum = 0;
            for (int o = 0; o < n; o++) {
                const float *e = err + IQ1_EACH * o + 2 * i;
                sum += n == 4 ? e[minus] : e[0] < e[1] ? e[0] : e[1];
            }
            if (sum < least) {
                least = sum;
                best = 2 * i + minus;
            }
        }
    for (int o = 0; o < n; o++) {
        const float *e = err + IQ1_EACH * o + best / 2 * 2;
        f->s[at + o] = (uint8_t)(first + best / 2);
        f->minus[at + o] = (uint8_t)(n == 4 ? best % 2 : !(e[0] < e[1]));
    }
}

/* s, delta and entries of all octets for d, around what the runs were before; their sums. */
static void search(struct iq1_fit *f, struct sums *run, const float *x, const float *w, int octets)
{
    const float d = f32_from_f16(f->d);
    struct iq1_scan scan;

    for (int c = 0; c < CHUNKS; c++) {
        float scale[IQ1_LANES];
        int first[IQ1_AT_ONCE];
        const int at = IQ1_AT_ONCE * c;
        for (int o = 0; o < IQ1_AT_ONCE; o++)
            first[o] = window(&run[(at + o) / octets], d);
        for (int l = 0; l < IQ1_LANES; l++)
            scale[l] = d * (float)(2 * (first[l / IQ1_EACH] + l % IQ1_EACH / 2) + 1);
        iq1_scan(&scan, x + IQ1_CHUNK * c, w + IQ1_CHUNK * c, scale);
        for (int o = 0; o < IQ1_AT_ONCE; o += octets)
            choose(f, at + o, octets, first[o], scan.err + IQ1_EACH * o);
        for (int o = 0; o < IQ1_AT_ONCE; o++) {
            const int lane = IQ1_EACH * o + 2 * (f->s[at + o] - first[o]) + f->minus[at + o];
            f->entry[at + o] = (uint16_t)iq1_scan_entry(&scan, lane);
        }
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
        search(&now, run, x, w, octets);
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
