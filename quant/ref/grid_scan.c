#include "quant/ref/grid_scan.h"

#include "quant/half.h"
#include "quant/ref/grid_vec.h"

#include <math.h>

/* Numbers of an octet as 15 bits each, so that two meet two magnitudes in one step. */
enum { NUMBER_MOST = 32767 };

/* What a quad or octet of the values contributes to each entry. */
struct products {
    float a[GRID_MOST];    /* sum w |x| g - center */
    float b[GRID_MOST];    /* sum w g^2 */
    float flip[GRID_MOST]; /* a with the cheapest sign reversed */
};

struct numbers {
    int16_t p[8], q[8]; /* w |x| / p_unit, w / q_unit */
    float p_unit, q_unit;
    unsigned signs;
    int center[2]; /* what the best entry of each half comes to, nearly */
};

void grid_init(struct grid *g, const uint16_t *digits, const struct grid_levels *l)
{
    const int bits = g->dim == 8 ? 2 : 3, mask = (1 << bits) - 1;

    g->base = (float)l->base;
    for (int k = 0; k < g->dim / 2; k++)
        for (int e = 0; e < g->entries; e++) {
            const int d = digits[e] >> 2 * bits * k;
            g->pair[k][e] = grid_level(l, d & mask) | grid_level(l, d >> bits & mask) << 16;
        }
}

static void numbers_set(struct numbers *n, const float *x, const float *w)
{
    float p[8], most_p = 0, most_q = 0;

    n->signs = 0;
    for (int i = 0; i < 8; i++) {
        p[i] = w[i] * fabsf(x[i]);
        most_p = p[i] > most_p ? p[i] : most_p;
        most_q = w[i] > most_q ? w[i] : most_q;
        n->signs |= (unsigned)(x[i] < 0) << i;
    }
    n->p_unit = most_p * (1.0F / NUMBER_MOST);
    n->q_unit = most_q * (1.0F / NUMBER_MOST);
    const float fp = n->p_unit > 0 ? NUMBER_MOST / most_p : 0, fq = NUMBER_MOST / most_q;
    for (int i = 0; i < 8; i++) {
        n->p[i] = (int16_t)(int32_t)(p[i] * fp + 0.5F);
        n->q[i] = (int16_t)(int32_t)(w[i] * fq + 0.5F);
    }
}

INLINE int32_t both(const int16_t *two)
{
    return (int32_t)((uint32_t)(uint16_t)two[0] | (uint32_t)(uint16_t)two[1] << 16);
}

/* pairs: how many of p and q; flips: whether to compute them. */
INLINE void products_loop(struct products *out, const struct grid *g, const int16_t *p,
                          const int16_t *q, int center, int pairs, int flips)
{
    ivec pp[4], qq[4];

    for (int k = 0; k < pairs; k++) {
        pp[k] = ivec_all(both(p + 2 * k));
        qq[k] = ivec_all(both(q + 2 * k));
    }
    for (int e = 0; e < g->entries; e += VEC) {
        ivec t = ivec_load(&g->pair[0][e]);
        ivec a = ivec_dot16(t, pp[0]), b = ivec_dot16(ivec_mul16(t, t), qq[0]);
        ivec least = ivec_mulhi16(ivec_left16(t, 9), pp[0]); /* products / 128 */
        for (int k = 1; k < pairs; k++) {
            t = ivec_load(&g->pair[k][e]);
            a += ivec_dot16(t, pp[k]);
            b += ivec_dot16(ivec_mul16(t, t), qq[k]);
            least = ivec_min16(least, ivec_mulhi16(ivec_left16(t, 9), pp[k]));
        }
        a -= center;
        vec_store(&out->a[e], __builtin_convertvector(a, vec));
        vec_store(&out->b[e], __builtin_convertvector(b, vec));
        if (flips) {
            least = ivec_min16(least, least >> 16) & 0xffff;
            vec_store(&out->flip[e], __builtin_convertvector(a - (least << 8), vec));
        }
    }
}

static void products_set(struct products *out, const struct grid *g, const int16_t *p,
                         const int16_t *q, int center, int flips)
{
    if (g->dim == 4 && flips)
        products_loop(out, g, p, q, center, 2, 1);
    else if (g->dim == 4)
        products_loop(out, g, p, q, center, 2, 0);
    else if (flips)
        products_loop(out, g, p, q, center, 4, 1);
    else
        products_loop(out, g, p, q, center, 4, 0);
}

/* best[j]: the entry of greatest a - s[j] * b. Its number takes the place of the last bits of
 * the sum: what is lost there is less than a thousandth of the least error. */
enum { AT_ONCE = 4 };
static void best_entries(int *best, const float *a, const float *b, int entries, const float *s,
                         int n)
{
    static const int32_t count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const ivec keep = ivec_all(~(GRID_MOST - 1));

    for (int j = 0; j < n; j += AT_ONCE) {
        const vec s0 = vec_all(s[j]), s1 = vec_all(s[j + 1]);
        const vec s2 = vec_all(s[j + 2]), s3 = vec_all(s[j + 3]);
        vec m0 = vec_all(-INFINITY), m1 = m0, m2 = m0, m3 = m0;
        ivec mark = ivec_load(count);
        for (int e = 0; e < entries; e += VEC) {
            const vec va = vec_load(a + e), vb = vec_load(b + e);
            m0 = vec_max(m0, vec_mark(va - s0 * vb, keep, mark));
            m1 = vec_max(m1, vec_mark(va - s1 * vb, keep, mark));
            m2 = vec_max(m2, vec_mark(va - s2 * vb, keep, mark));
            m3 = vec_max(m3, vec_mark(va - s3 * vb, keep, mark));
            mark += VEC;
        }
        const float m[AT_ONCE] = {vec_most(m0), vec_most(m1), vec_most(m2), vec_most(m3)};
        for (int k = 0; k < AT_ONCE; k++)
            best[j + k] = (int)(f32_bits(m[k]) & (GRID_MOST - 1));
    }
}

static int magnitude(const struct grid *g, int entry, int i)
{
    return g->pair[i / 2][entry] >> 16 * (i & 1) & 0xffff;
}

/* The sign that costs least to reverse, and what it takes from a. */
static int cheapest(int *where, const struct grid *g, int entry, const int16_t *p)
{
    int least = INT32_MAX;

    for (int i = 0; i < g->dim; i++) {
        const int v = magnitude(g, entry, i) * p[i];
        if (v < least) {
            least = v;
            *where = i;
        }
    }
    return 2 * least;
}

/* Scales in units of what the products are counted in; kept from overflowing where the
 * values are nothing beside their run's. */
static void relative_scales(float *out, const struct numbers *n, const float *s, int count)
{
    const float unit = n->p_unit > 0 ? 0.5F * n->q_unit / n->p_unit : 1e9F;

    for (int j = 0; j < count; j++) {
        const float v = s[j] * unit;
        out[j] = v < 1e9F ? v : 1e9F;
    }
}

/* An entry that left no error would have a - s b / 2 = sum w x^2 / (2 s) in these units. Sums
 * counted from there are small for good entries: marks in their last bits cost nothing. */
static void center_set(struct numbers *n, const float *x, const float *w, float s)
{
    for (int h = 0; h < 2; h++) {
        float sum = 0;
        for (int i = 4 * h; i < 4 * h + 4; i++)
            sum += w[i] * x[i] * x[i];
        const float c = n->p_unit > 0 ? sum / (2.0F * s * n->p_unit) : 0;
        n->center[h] = (int)(c < 0x1p23F ? c : 0x1p23F);
    }
}

static void candidate(struct octet *o, int j, const struct numbers *n, float a, float b,
                      unsigned flip)
{
    o->a[j] = a * n->p_unit;
    o->b[j] = b * n->q_unit;
    o->signs[j] = (uint8_t)(n->signs ^ flip);
}

static void scan_eight(struct octet *o, const struct grid *g, const struct numbers *n,
                       const float *s, int count, int odd)
{
    const int center = n->center[0] + n->center[1];
    struct products t;
    int best[GRID_SCALES];

    products_set(&t, g, n->p, n->q, center, odd);
    best_entries(best, odd ? t.flip : t.a, t.b, g->entries, s, count);
    for (int j = 0; j < count; j++) {
        const int e = best[j];
        int where = 0, cost = 0;
        if (odd)
            cost = cheapest(&where, g, e, n->p);
        candidate(o, j, n, t.a[e] + (float)(center - cost), t.b[e], odd ? 1U << where : 0);
        o->entry[j][0] = (uint16_t)e;
    }
}

/* Two entries; where the signs are odd, either may have one reversed. */
static void scan_four(struct octet *o, const struct grid *g, const struct numbers *n,
                      const float *s, int count, int odd)
{
    struct products t[2];
    int best[2][GRID_SCALES], bent[2][GRID_SCALES];

    for (int h = 0; h < 2; h++) {
        products_set(&t[h], g, n->p + 4 * h, n->q + 4 * h, n->center[h], odd);
        best_entries(best[h], t[h].a, t[h].b, g->entries, s, count);
        if (odd)
            best_entries(bent[h], t[h].flip, t[h].b, g->entries, s, count);
    }
    for (int j = 0; j < count; j++) {
        float a = 0, b = 0, gain = -INFINITY;
        unsigned flip = 0;
        for (int h = 0; h < 1 + odd; h++) {
            const int e0 = odd && h == 0 ? bent[0][j] : best[0][j];
            const int e1 = odd && h == 1 ? bent[1][j] : best[1][j];
            int where = 0, cost = 0;
            if (odd)
                cost = cheapest(&where, g, h ? e1 : e0, n->p + 4 * h);
            const float ta = t[0].a[e0] + t[1].a[e1] - (float)cost, tb = t[0].b[e0] + t[1].b[e1];
            if (ta - s[j] * tb > gain) {
                gain = ta - s[j] * tb;
                a = ta;
                b = tb;
                flip = odd ? 1U << (where + 4 * h) : 0;
                o->entry[j][0] = (uint16_t)e0;
                o->entry[j][1] = (uint16_t)e1;
            }
        }
        candidate(o, j, n, a + (float)(n->center[0] + n->center[1]), b, flip);
    }
}

void grid_scan(struct octet *o, const struct grid *g, const float *x, const float *w,
               const float *s, int count)
{
    struct numbers n;
    float relative[GRID_SCALES];

    numbers_set(&n, x, w);
    center_set(&n, x, w, s[count / 2]);
    relative_scales(relative, &n, s, count);
    const int odd = g->even && grid_signs(n.signs & 127) != n.signs;
    if (g->dim == 8)
        scan_eight(o, g, &n, relative, count, odd);
    else
        scan_four(o, g, &n, relative, count, odd);
}
