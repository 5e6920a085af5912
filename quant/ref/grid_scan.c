#include "quant/ref/grid_scan.h"

#include "quant/half.h"
#include "quant/ref/grid_vec.h"
#include "quant/ref/octet_vec.h"

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

INLINE void flat_set(struct grid *g, int pairs, int bits)
{
    const int mask = (1 << bits) - 1;

    for (int e = 0; e < g->entries; e += 16)
        for (int k = 0; k < pairs; k++) {
            int32_t *row = g->flat + 2 * pairs * e + 32 * k;
            for (int i = 0; i < 16; i++) {
                const int d = g->digits[e + i] >> 2 * bits * k;
                const int low = grid_level(g->levels, d & mask);
                const int high = grid_level(g->levels, d >> bits & mask);
                row[i] = low | high << 16;
                row[i + 16] = low * low | (high * high) << 16;
            }
        }
}

void grid_init(struct grid *g)
{
    if (g->book)
        return;
    if (g->dim == 8)
        flat_set(g, 4, 2);
    else
        flat_set(g, 2, 3);
}

/* ---- an octet as numbers ------------------------------------------------------------------- */

/* The greatest of eight numbers >= 0. */
INLINE float greatest(const float *v)
{
    int32_t most = 0;

    for (int i = 0; i < 8; i++) {
        const int32_t bits = (int32_t)f32_bits(v[i]);
        most = bits > most ? bits : most;
    }
    return f32_from_bits((uint32_t)most);
}

static void numbers_set(struct numbers *n, const struct octet_values *v)
{
    const float most_p = greatest(v->p), most_q = greatest(v->w);
    const float fp = most_p > 0x1p-60F ? NUMBER_MOST / most_p : 0, fq = NUMBER_MOST / most_q;

    n->signs = v->signs;
    n->p_unit = most_p * (1.0F / NUMBER_MOST);
    n->q_unit = most_q * (1.0F / NUMBER_MOST);
    for (int i = 0; i < 8; i++) {
        n->p[i] = (int16_t)(int32_t)(v->p[i] * fp + 0.5F);
        n->q[i] = (int16_t)(int32_t)(v->w[i] * fq + 0.5F);
    }
}

/* Scales in units of what the sums are counted in; kept from overflowing where the values are
 * nothing beside their run's. */
static void relative_scales(float *out, const struct numbers *n, const float *s, int scales)
{
    const float unit = n->p_unit > 0x1p-75F ? 0.5F * n->q_unit / n->p_unit : 1e9F;

    for (int j = 0; j < scales; j++) {
        const float v = s[j] * unit;
        out[j] = v < 1e9F ? v : 1e9F;
    }
}

/* An entry that left no error would have a - s b / 2 = sum w x^2 / (2 s) in these units. Sums
 * counted from there are small for good entries: marks in their last bits cost nothing. */
static void center_set(struct numbers *n, const struct octet_values *v, float s)
{
    for (int h = 0; h < 2; h++) {
        float sum = 0;
        for (int i = 4 * h; i < 4 * h + 4; i++)
            sum += v->p[i] * v->x[i];
        const float c = n->p_unit > 0x1p-75F ? sum / (2.0F * s * n->p_unit) : 0;
        n->center[h] = (int)(c < 0x1p23F ? c : 0x1p23F);
    }
}

/* ---- the best entries ------------------------------------------------------------------------ */

enum { PLAIN = 1, BENT = 2 }; /* BENT: with the cheapest sign reversed */

/* m = the greater of m and a - s b, marked with the entry it is of. */
INLINE void keep_best(vec *m, const vec *s, int scales, vec a, vec b, ivec mark)
{
    for (int j = 0; j < scales; j++)
        m[j] = vec_max(m[j], vec_mark(a - s[j] * b, GRID_MOST - 1, mark));
}

/* What the loops look for: sums with p and q at each of `scales` scales. */
struct wanted {
    const int16_t *p, *q;
    int center, scales;
    const float *scale;
};

/* The entry of greatest a - s b for each scale; pairs: how many of p and q. */
INLINE void best_loop(int *plain, int *bent, const struct grid *g, const struct wanted *w,
                      int scales, int pairs, int kinds)
{
    ivec pp[4], qq[4], mark = ivec_count();
    vec s[GRID_CANDIDATES], m[GRID_CANDIDATES], mb[GRID_CANDIDATES];

    for (int k = 0; k < pairs; k++) {
        pp[k] = ivec_pair(w->p + 2 * k);
        qq[k] = ivec_pair(w->q + 2 * k);
    }
    for (int j = 0; j < scales; j++) {
        s[j] = vec_all(w->scale[j]);
        m[j] = mb[j] = vec_all(-INFINITY);
    }
    for (int e = 0; e < g->entries; e += VEC, mark += VEC) {
        const int32_t *row = g->flat + e / 16 * 32 * pairs + e % 16;
        ivec t = ivec_load(row);
        ivec a = ivec_dot16(t, pp[0]), b = ivec_dot16(ivec_load(row + 16), qq[0]);
        ivec least = ivec_mulhi16(ivec_left16(t, 9), pp[0]); /* products / 128 */
        for (int k = 1; k < pairs; k++) {
            t = ivec_load(row + 32 * k);
            a += ivec_dot16(t, pp[k]);
            b += ivec_dot16(ivec_load(row + 32 * k + 16), qq[k]);
            least = ivec_min16(least, ivec_mulhi16(ivec_left16(t, 9), pp[k]));
        }
        a -= w->center;
        const vec vb = __builtin_convertvector(b, vec);
        if (kinds & PLAIN)
            keep_best(m, s, scales, __builtin_convertvector(a, vec), vb, mark);
        if (kinds & BENT) {
            least = ivec_min16(least, least >> 16) & 0xffff;
            keep_best(mb, s, scales, __builtin_convertvector(a - (least << 8), vec), vb, mark);
        }
    }
    if (kinds & PLAIN)
        vec_marks(plain, m, scales, GRID_MOST - 1);
    if (kinds & BENT)
        vec_marks(bent, mb, scales, GRID_MOST - 1);
}

/* The compiler makes a loop for each of them. */
INLINE void best_of(int *plain, int *bent, const struct grid *g, const struct wanted *w, int pairs,
                    int kinds)
{
    if (w->scales == 4)
        best_loop(plain, bent, g, w, 4, pairs, kinds);
    else if (w->scales == 2)
        best_loop(plain, bent, g, w, 2, pairs, kinds);
    else
        best_loop(plain, bent, g, w, 1, pairs, kinds);
}

static void best_eight(int *best, const struct grid *g, const struct numbers *n, const float *s,
                       int odd)
{
    const struct wanted w = {n->p, n->q, n->center[0] + n->center[1], g->scales, s};

    if (odd)
        best_of(best, best, g, &w, 4, BENT);
    else
        best_of(best, best, g, &w, 4, PLAIN);
}

static void best_four(int *plain, int *bent, const struct grid *g, const struct numbers *n,
                      int half, const float *s, int odd)
{
    const struct wanted w = {n->p + 4 * half, n->q + 4 * half, n->center[half], g->scales, s};

    if (odd)
        best_of(plain, bent, g, &w, 2, PLAIN | BENT);
    else
        best_of(plain, bent, g, &w, 2, PLAIN);
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* What an entry comes to, in the numbers' units. */
struct sums {
    int a, b;
    int cost;      /* what reversing the cheapest sign takes from a, where wanted */
    unsigned flip; /* that sign */
};

typedef uint16_t octet_shorts __attribute__((vector_size(16)));

/* The levels of an entry, `dim` of them. */
INLINE void entry_levels(int16_t level[8], const struct grid *g, int dim, int e)
{
    /* what moves each digit to the upper end of its lane */
    const octet_shorts eight = {1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1};
    const octet_shorts four = {1 << 13, 1 << 10, 1 << 7, 1 << 4};
    const octet_shorts zero = {0};
    const octet_shorts digit =
        dim == 8 ? (eight * g->digits[e]) >> 14 : (four * g->digits[e]) >> 13;
    const octet_shorts top = (octet_shorts)(digit == zero + (uint16_t)g->levels->top);
    const octet_shorts v = digit * (uint16_t)g->levels->step + (uint16_t)g->levels->base +
                           (top & (zero + (uint16_t)g->levels->more));

    memcpy(level, &v, sizeof(v));
}

/* With p and q of its values; `odd`: the cost too. */
INLINE struct sums sums_of(const struct grid *g, int dim, int e, const int16_t *p, const int16_t *q,
                           int odd)
{
    struct sums s = {0, 0, 0, 0};
    int16_t level[8], square[8];

    entry_levels(level, g, dim, e);
    for (int i = 0; i < dim; i++)
        square[i] = (int16_t)(level[i] * level[i]);
    for (int i = 0; i < dim; i++) {
        s.a += level[i] * p[i];
        s.b += square[i] * q[i];
    }
    if (odd) {
        int32_t least = INT32_MAX;
        for (int i = 0; i < dim; i++) {
            const int32_t v = level[i] * p[i] * 8 + i;
            least = v < least ? v : least;
        }
        s.cost = least / 8 * 2;
        s.flip = 1U << least % 8;
    }
    return s;
}

static void candidate(struct octet *o, int j, const struct numbers *n, int a, int b, unsigned flip)
{
    o->a[j] = (float)a * n->p_unit;
    o->b[j] = (float)b * n->q_unit;
    o->signs[j] = (uint8_t)(n->signs ^ flip);
}

static void scan_eight(struct octet *o, const struct grid *g, const struct numbers *n,
                       const float *s, int odd)
{
    int best[GRID_CANDIDATES];

    best_eight(best, g, n, s, odd);
    for (int j = 0; j < g->scales; j++) {
        const struct sums t = sums_of(g, 8, best[j], n->p, n->q, odd);
        o->entry[j][0] = (uint16_t)best[j];
        if (odd)
            candidate(o, j, n, t.a - t.cost, t.b, t.flip);
        else
            candidate(o, j, n, t.a, t.b, 0);
    }
}

/* Two entries; where the signs are odd, either may have one reversed. */
static void scan_four(struct octet *o, const struct grid *g, const struct numbers *n,
                      const float *s, int odd)
{
    int plain[2][GRID_CANDIDATES], bent[2][GRID_CANDIDATES];

    for (int h = 0; h < 2; h++)
        best_four(plain[h], bent[h], g, n, h, s, odd);
    for (int j = 0; j < g->scales; j++) {
        float gain = -INFINITY;
        for (int h = 0; h < 1 + odd; h++) {
            const int e0 = odd && h == 0 ? bent[0][j] : plain[0][j];
            const int e1 = odd && h == 1 ? bent[1][j] : plain[1][j];
            const struct sums t0 = sums_of(g, 4, e0, n->p, n->q, odd);
            const struct sums t1 = sums_of(g, 4, e1, n->p + 4, n->q + 4, odd);
            const int cost = !odd ? 0 : h == 0 ? t0.cost : t1.cost;
            const int a = t0.a + t1.a - cost, b = t0.b + t1.b;
            if ((float)a - s[j] * (float)b > gain) {
                gain = (float)a - s[j] * (float)b;
                candidate(o, j, n, a, b, !odd ? 0 : h == 0 ? t0.flip : t1.flip << 4);
                o->entry[j][0] = (uint16_t)e0;
                o->entry[j][1] = (uint16_t)e1;
            }
        }
    }
}

void grid_scan(struct octet *o, const struct grid *g, const struct octet_values *v, const float *s)
{
    struct numbers n;
    float relative[GRID_CANDIDATES];

    numbers_set(&n, v);
    center_set(&n, v, s[g->scales / 2]);
    relative_scales(relative, &n, s, g->scales);
    const int odd = g->even && grid_signs(n.signs & 127) != n.signs;
    if (g->dim == 8)
        scan_eight(o, g, &n, relative, odd);
    else
        scan_four(o, g, &n, relative, odd);
}

/* ---- all octets together --------------------------------------------------------------------- */

/* Candidate j of an octet. */
INLINE void book_candidate(struct octet *o, int j, const struct grid *g, unsigned e, const float *p,
                           const float *w, uint8_t signs)
{
    octet_ints digit;
    octet_floats level, square;

    octet_digits(&digit, g->digits[e]);
    const octet_ints top = digit == g->levels->top;
    level = __builtin_convertvector(
        digit * g->levels->step + g->levels->base + (top & g->levels->more), octet_floats);
    square = level * level;
    o->a[j] = octet_dot(p, &level);
    o->b[j] = octet_dot(w, &square);
    o->entry[j][0] = (uint16_t)e;
    o->signs[j] = signs;
}

void grid_scan_book(struct octet *o, const struct grid *g, const struct octet_values *v,
                    const uint8_t *signs, float scale[][GRID_CANDIDATES])
{
    const int octets = TRIT_LANES / g->scales;
    const float step = (float)g->levels->step, middle = (float)grid_level(g->levels, 1);
    float s[TRIT_LANES], offset[TRIT_LANES];
    struct trit_scan scan;

    for (int l = 0; l < TRIT_LANES; l++)
        offset[l] = middle / step;
    for (int at = 0; at < GRID_OCTETS; at += octets) {
        for (int j = 0; j < g->scales; j++)
            for (int i = 0; i < octets; i++)
                s[octets * j + i] = step * scale[at + i][j];
        trit_scan(&scan, g->book, g->scales, v->x + 8 * at, v->w + 8 * at, s, offset);
        for (int j = 0; j < g->scales; j++)
            for (int i = at; i < at + octets; i++)
                book_candidate(&o[i], j, g, trit_scan_entry(&scan, octets * j + i - at),
                               v->p + 8 * i, v->w + 8 * i, signs[i]);
    }
}
