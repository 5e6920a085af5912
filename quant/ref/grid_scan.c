#include "quant/ref/grid_scan.h"

#include "quant/half.h"
#include "quant/ref/grid_vec.h"

#include <math.h>

/* Numbers of an octet have 15 bits each, so that two meet two magnitudes in one step. */
enum { NUMBER_MOST = 32767 };

struct numbers {
    int16_t p[8], q[8]; /* w |x| / p_unit, w / q_unit */
    float p_unit, q_unit;
    unsigned signs;
    int center[2]; /* what the best entry of each half comes to, nearly */
};

/* ---- the codebook -------------------------------------------------------------------------- */

static int magnitude(const struct grid *g, int entry, int i)
{
    const int bits = g->dim == 8 ? 2 : 3;

    return grid_level(g->levels, g->digits[entry] >> bits * i & ((1 << bits) - 1));
}

void grid_init(struct grid *g)
{
    const int bits = g->dim == 8 ? 2 : 3, mask = (1 << bits) - 1;

    for (int e = 0; e < g->entries; e += 16)
        for (int k = 0; k < g->dim / 2; k++) {
            int32_t *row = g->table + e * g->dim + 32 * k;
            for (int i = 0; i < 16; i++) {
                const int d = g->digits[e + i] >> 2 * bits * k;
                const int low = grid_level(g->levels, d & mask);
                const int high = grid_level(g->levels, d >> bits & mask);
                row[i] = low | high << 16;
                row[i + 16] = low * low | (high * high) << 16;
            }
        }
}

/* ---- an octet as numbers ------------------------------------------------------------------- */

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

/* Scales in units of what the sums are counted in; kept from overflowing where the values are
 * nothing beside their run's. */
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

/* ---- the best entries ------------------------------------------------------------------------ */

enum { PLAIN = 1, BENT = 2 }; /* BENT: with the cheapest sign reversed */

INLINE int32_t both(const int16_t *two)
{
    return (int32_t)((uint32_t)(uint16_t)two[0] | (uint32_t)(uint16_t)two[1] << 16);
}

/* m = the greater of m and a - s b, the last bits of which say which entry it is. */
INLINE void keep_best(vec *m, const vec *s, vec a, vec b, ivec mark)
{
    const ivec keep = ivec_all(~(GRID_MOST - 1));

    for (int j = 0; j < GRID_AT_ONCE; j++)
        m[j] = vec_max(m[j], vec_mark(a - s[j] * b, keep, mark));
}

INLINE void entries_of(int best[GRID_AT_ONCE], const vec *m)
{
    for (int j = 0; j < GRID_AT_ONCE; j++)
        best[j] = (int)(f32_bits(vec_most(m[j])) & (GRID_MOST - 1));
}

/* The entry of greatest a - s b for each of GRID_AT_ONCE scales; pairs: how many of p and q. */
INLINE void best_loop(int plain[GRID_AT_ONCE], int bent[GRID_AT_ONCE], const struct grid *g,
                      const int16_t *p, const int16_t *q, int center, const float *scale, int pairs,
                      int kinds)
{
    static const int32_t count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    ivec pp[4], qq[4], mark = ivec_load(count);
    vec s[GRID_AT_ONCE], m[GRID_AT_ONCE], mb[GRID_AT_ONCE];

    for (int k = 0; k < pairs; k++) {
        pp[k] = ivec_all(both(p + 2 * k));
        qq[k] = ivec_all(both(q + 2 * k));
    }
    for (int j = 0; j < GRID_AT_ONCE; j++) {
        s[j] = vec_all(scale[j]);
        m[j] = mb[j] = vec_all(-INFINITY);
    }
    for (int e = 0; e < g->entries; e += VEC, mark += VEC) {
        const int32_t *row = g->table + e / 16 * 16 * 2 * pairs + e % 16;
        ivec t = ivec_load(row);
        ivec a = ivec_dot16(t, pp[0]), b = ivec_dot16(ivec_load(row + 16), qq[0]);
        ivec least = ivec_mulhi16(ivec_left16(t, 9), pp[0]); /* products / 128 */
        for (int k = 1; k < pairs; k++) {
            t = ivec_load(row + 32 * k);
            a += ivec_dot16(t, pp[k]);
            b += ivec_dot16(ivec_load(row + 32 * k + 16), qq[k]);
            least = ivec_min16(least, ivec_mulhi16(ivec_left16(t, 9), pp[k]));
        }
        a -= center;
        const vec vb = __builtin_convertvector(b, vec);
        if (kinds & PLAIN)
            keep_best(m, s, __builtin_convertvector(a, vec), vb, mark);
        if (kinds & BENT) {
            least = ivec_min16(least, least >> 16) & 0xffff;
            keep_best(mb, s, __builtin_convertvector(a - (least << 8), vec), vb, mark);
        }
    }
    if (kinds & PLAIN)
        entries_of(plain, m);
    if (kinds & BENT)
        entries_of(bent, mb);
}

static void best_eight(int best[GRID_AT_ONCE], const struct grid *g, const struct numbers *n,
                       const float *s, int odd)
{
    const int center = n->center[0] + n->center[1];

    if (odd)
        best_loop(best, best, g, n->p, n->q, center, s, 4, BENT);
    else
        best_loop(best, best, g, n->p, n->q, center, s, 4, PLAIN);
}

static void best_four(int plain[GRID_AT_ONCE], int bent[GRID_AT_ONCE], const struct grid *g,
                      const struct numbers *n, int half, const float *s, int odd)
{
    const int16_t *p = n->p + 4 * half, *q = n->q + 4 * half;

    if (odd)
        best_loop(plain, bent, g, p, q, n->center[half], s, 2, PLAIN | BENT);
    else
        best_loop(plain, bent, g, p, q, n->center[half], s, 2, PLAIN);
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* What an entry comes to, in the numbers' units. */
struct sums {
    int a, b;
    int cost;      /* what reversing the cheapest sign takes from a */
    unsigned flip; /* that sign */
};

static struct sums sums_of(const struct grid *g, int entry, const int16_t *p, const int16_t *q)
{
    struct sums s = {0, 0, INT32_MAX, 0};

    for (int i = 0; i < g->dim; i++) {
        const int v = magnitude(g, entry, i), pv = v * p[i];
        s.a += pv;
        s.b += v * v * q[i];
        if (2 * pv < s.cost) {
            s.cost = 2 * pv;
            s.flip = 1U << i;
        }
    }
    return s;
}

static void candidate(struct octet *o, int j, const struct numbers *n, int a, int b, unsigned flip)
{
    o->a[j] = (float)a * n->p_unit;
    o->b[j] = (float)b * n->q_unit;
    o->signs[j] = (uint8_t)(n->signs ^ flip);
}

static void scan_eight(struct octet *o, int first, const struct grid *g, const struct numbers *n,
                       const float *s, int odd)
{
    int best[GRID_AT_ONCE];

    best_eight(best, g, n, s, odd);
    for (int j = 0; j < GRID_AT_ONCE; j++) {
        const struct sums t = sums_of(g, best[j], n->p, n->q);
        o->entry[first + j][0] = (uint16_t)best[j];
        if (odd)
            candidate(o, first + j, n, t.a - t.cost, t.b, t.flip);
        else
            candidate(o, first + j, n, t.a, t.b, 0);
    }
}

/* Two entries; where the signs are odd, either may have one reversed. */
static void scan_four(struct octet *o, int first, const struct grid *g, const struct numbers *n,
                      const float *s, int odd)
{
    int plain[2][GRID_AT_ONCE], bent[2][GRID_AT_ONCE];

    for (int h = 0; h < 2; h++)
        best_four(plain[h], bent[h], g, n, h, s, odd);
    for (int j = 0; j < GRID_AT_ONCE; j++) {
        float gain = -INFINITY;
        for (int h = 0; h < 1 + odd; h++) {
            const int e0 = odd && h == 0 ? bent[0][j] : plain[0][j];
            const int e1 = odd && h == 1 ? bent[1][j] : plain[1][j];
            const struct sums t0 = sums_of(g, e0, n->p, n->q);
            const struct sums t1 = sums_of(g, e1, n->p + 4, n->q + 4);
            const int cost = !odd ? 0 : h == 0 ? t0.cost : t1.cost;
            const int a = t0.a + t1.a - cost, b = t0.b + t1.b;
            if ((float)a - s[j] * (float)b > gain) {
                gain = (float)a - s[j] * (float)b;
                candidate(o, first + j, n, a, b, !odd ? 0 : h == 0 ? t0.flip : t1.flip << 4);
                o->entry[first + j][0] = (uint16_t)e0;
                o->entry[first + j][1] = (uint16_t)e1;
            }
        }
    }
}

void grid_scan(struct octet *o, const struct grid *g, const float *x, const float *w,
               const float *s, int count)
{
    struct numbers n;
    float relative[GRID_CANDIDATES];

    numbers_set(&n, x, w);
    center_set(&n, x, w, s[count / 2]);
    relative_scales(relative, &n, s, count);
    const int odd = g->even && grid_signs(n.signs & 127) != n.signs;
    for (int j = 0; j < count; j += GRID_AT_ONCE) {
        if (g->dim == 8)
            scan_eight(o, j, g, &n, relative + j, odd);
        else
            scan_four(o, j, g, &n, relative + j, odd);
    }
}
