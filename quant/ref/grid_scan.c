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

/* Bits of half an entry's digits. */
static int half_bits(const struct grid *g)
{
    return g->dim == 8 ? 8 : 6;
}

static void half_expand(struct grid_half *h, const struct grid *g, int digits)
{
    const int bits = g->dim == 8 ? 2 : 3;

    for (int i = 0; i < g->dim / 2; i++, digits >>= bits) {
        const int v = grid_level(g->levels, digits & ((1 << bits) - 1));
        h->level[i] = (int16_t)v;
        h->square[i] = (int16_t)(v * v);
    }
}

INLINE int32_t both(const int16_t *two)
{
    return (int32_t)((uint32_t)(uint16_t)two[0] | (uint32_t)(uint16_t)two[1] << 16);
}

/* Half an entry at place i of sixteen. */
INLINE void half_put(struct grid_halves *to, int i, const struct grid_half *h, int pairs)
{
    for (int k = 0; k < pairs; k++) {
        to->row[2 * k][i] = both(h->level + 2 * k);
        to->row[2 * k + 1][i] = both(h->square + 2 * k);
    }
}

/* The halves that are used, and their digits. Returns how many, made a multiple of 16. */
static int halves_set(struct grid_halves *to, uint8_t code[GRID_HALVES], struct grid *g,
                      const int count[GRID_CODES])
{
    int n = 0;

    for (int c = 0; c < GRID_CODES; c++)
        if (count[c]) {
            half_expand(&g->half[c], g, c);
            code[n++] = (uint8_t)c;
        }
    for (; n % 16; n++)
        code[n] = code[n - 1];
    for (int i = 0; i < n; i++)
        half_put(&to[i / 16], i % 16, &g->half[code[i]], g->dim / 4);
    return n;
}

/* Every entry's place is behind next[its first half]. */
INLINE void entries_put(struct grid *g, int next[GRID_CODES], int pairs)
{
    const int bits = half_bits(g), mask = (1 << bits) - 1;

    for (int e = 0; e < g->entries; e++) {
        const int i = next[g->digits[e] & mask]++;
        half_put(&g->rest[i / 16], i % 16, &g->half[g->digits[e] >> bits], pairs);
        g->entry[i / 16][i % 16] = e;
    }
}

void grid_init(struct grid *g)
{
    const int bits = half_bits(g), mask = (1 << bits) - 1;
    int first[GRID_CODES] = {0}, second[GRID_CODES] = {0}, next[GRID_CODES];
    uint8_t code[GRID_HALVES];

    for (int e = 0; e < g->entries; e++) {
        first[g->digits[e] & mask]++;
        second[g->digits[e] >> bits]++;
    }
    g->seconds = halves_set(g->second, code, g, second);
    g->firsts = halves_set(g->first, code, g, first);
    for (int f = 0, block = 0; f < g->firsts; f++) {
        const int c = code[f], again = f > 0 && c == code[f - 1];
        if (!again)
            next[c] = 16 * block;
        g->at[f] = (uint16_t)(again ? g->at[f - 1] : block);
        block += again ? 0 : (first[c] + 15) / 16;
        g->end[f] = (uint16_t)block;
    }
    if (g->dim == 8)
        entries_put(g, next, 2);
    else
        entries_put(g, next, 1);
    for (int f = 0; f < g->firsts; f++)
        for (int i = next[code[f]]; i < 16 * g->end[f]; i++) {
            const int e = g->entry[(i - 1) / 16][(i - 1) % 16];
            half_put(&g->rest[i / 16], i % 16, &g->half[g->digits[e] >> bits], g->dim / 4);
            g->entry[i / 16][i % 16] = e;
        }
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
static void relative_scales(float *out, const struct numbers *n, const float *s)
{
    const float unit = n->p_unit > 0x1p-75F ? 0.5F * n->q_unit / n->p_unit : 1e9F;

    for (int j = 0; j < GRID_CANDIDATES; j++) {
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

/* A search for the entries of greatest a - s b, at four scales together. What the first half
 * of an entry comes to, and the most that any second half adds, say which entries are worth a
 * look: those with one or two first halves of some eighty, mostly. */
struct look {
    const struct grid *g;
    ivec p[4], q[4];
    vec s[GRID_CANDIDATES];
    _Alignas(64) float first[GRID_CANDIDATES][GRID_HALVES]; /* what first halves come to */
    float bound[GRID_CANDIDATES][GRID_HALVES]; /* the same, at least one sign reversed */
    int32_t least[GRID_HALVES];                /* their cheapest sign */
    float second[GRID_CANDIDATES];             /* the most of second halves */
    vec plain[GRID_CANDIDATES], bent[GRID_CANDIDATES];
    uint64_t seen[2];
};

/* Sums of VEC halves; least: the smallest product, in units of 128. */
INLINE void half_sums(ivec *a, ivec *b, ivec *least, const struct grid_halves *h, int i,
                      const ivec *p, const ivec *q, int pairs, int kinds)
{
    ivec t = ivec_load(&h->row[0][i]);

    *a = ivec_dot16(t, p[0]);
    *b = ivec_dot16(ivec_load(&h->row[1][i]), q[0]);
    *least = ivec_mulhi16(ivec_left16(t, 9), p[0]);
    if (pairs == 2) {
        t = ivec_load(&h->row[2][i]);
        *a += ivec_dot16(t, p[1]);
        *b += ivec_dot16(ivec_load(&h->row[3][i]), q[1]);
        *least = ivec_min16(*least, ivec_mulhi16(ivec_left16(t, 9), p[1]));
    }
    if (kinds & BENT)
        *least = ivec_min16(*least, *least >> 16) & 0xffff;
}

INLINE void look_at_seconds(struct look *l, int pairs)
{
    vec most[GRID_CANDIDATES];
    ivec a, b, least;

    for (int j = 0; j < GRID_CANDIDATES; j++)
        most[j] = vec_all(-INFINITY);
    for (int i = 0; i < l->g->seconds; i += VEC) {
        half_sums(&a, &b, &least, &l->g->second[i / 16], i % 16, l->p + pairs, l->q + pairs, pairs,
                  PLAIN);
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < GRID_CANDIDATES; j++)
            most[j] = vec_max(most[j], va - l->s[j] * vb);
    }
    vec_most_four(l->second, most);
}

/* floor: the least that a sign of the second half can cost. Returns the best first half. */
INLINE int look_at_firsts(struct look *l, int center, int32_t floor, int pairs, int kinds)
{
    static const int32_t count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const ivec keep = ivec_all(~(GRID_MOST - 1));
    vec most = vec_all(-INFINITY);
    ivec a, b, least, mark = ivec_load(count);

    for (int i = 0; i < l->g->firsts; i += VEC, mark += VEC) {
        half_sums(&a, &b, &least, &l->g->first[i / 16], i % 16, l->p, l->q, pairs, kinds);
        a -= center;
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < GRID_CANDIDATES; j++)
            vec_store(&l->first[j][i], va - l->s[j] * vb);
        const vec middle = va - l->s[GRID_CANDIDATES / 2] * vb;
        most = vec_max(most, vec_mark(middle, keep, mark));
        if (kinds & BENT) {
            memcpy(&l->least[i], &least, sizeof(least));
            const ivec bent = a - (ivec_min(least, ivec_all(floor)) << 8);
            const vec vbent = __builtin_convertvector(bent, vec);
            for (int j = 0; j < GRID_CANDIDATES; j++)
                vec_store(&l->bound[j][i], vbent - l->s[j] * vb);
        }
    }
    return (int)(f32_bits(vec_most(most)) & (GRID_MOST - 1));
}

/* Every entry that begins with first half f. */
INLINE void look_at_entries(struct look *l, int f, int pairs, int kinds)
{
    const ivec keep = ivec_all(~(GRID_MOST - 1));
    ivec a, b, least;

    l->seen[f / 64] |= (uint64_t)1 << f % 64;
    for (int i = 16 * l->g->at[f]; i < 16 * l->g->end[f]; i += VEC) {
        half_sums(&a, &b, &least, &l->g->rest[i / 16], i % 16, l->p + pairs, l->q + pairs, pairs,
                  kinds);
        const ivec mark = ivec_load(&l->g->entry[i / 16][i % 16]);
        const vec vb = __builtin_convertvector(b, vec);
        const vec va = __builtin_convertvector(a, vec);
        if (kinds & PLAIN)
            for (int j = 0; j < GRID_CANDIDATES; j++)
                l->plain[j] = vec_max(l->plain[j],
                                      vec_mark(l->first[j][f] + (va - l->s[j] * vb), keep, mark));
        if (kinds & BENT) {
            const ivec bent = a - (ivec_min(least, ivec_all(l->least[f])) << 8);
            const vec vbent = __builtin_convertvector(bent, vec);
            for (int j = 0; j < GRID_CANDIDATES; j++)
                l->bent[j] = vec_max(l->bent[j],
                                     vec_mark(l->first[j][f] + (vbent - l->s[j] * vb), keep, mark));
        }
    }
}

/* Which of the first halves may begin a better entry than best[j]. */
INLINE void promising(uint64_t which[2], const struct look *l, const vec *best,
                      float bound[GRID_CANDIDATES][GRID_HALVES])
{
    float limit[GRID_CANDIDATES];
    vec most[GRID_CANDIDATES];

    vec_most_four(limit, best);
    for (int j = 0; j < GRID_CANDIDATES; j++)
        most[j] = vec_all(limit[j] - l->second[j]);
    for (int i = 0; i < l->g->firsts; i += VEC) {
        uint64_t mask = 0;
        for (int j = 0; j < GRID_CANDIDATES; j++)
            mask |= vec_above(vec_load(&bound[j][i]), most[j]);
        which[i / 64] |= mask << i % 64;
    }
}

INLINE void marks_of(int best[GRID_CANDIDATES], const vec *m)
{
    float most[GRID_CANDIDATES];

    vec_most_four(most, m);
    for (int j = 0; j < GRID_CANDIDATES; j++)
        best[j] = (int)(f32_bits(most[j]) & (GRID_MOST - 1));
}

INLINE void best_loop(int plain[GRID_CANDIDATES], int bent[GRID_CANDIDATES], const struct grid *g,
                      const int16_t *p, const int16_t *q, int center, const float *scale, int pairs,
                      int kinds)
{
    struct look l;
    int32_t lowest = NUMBER_MOST;
    uint64_t which[2] = {0, 0};

    l.g = g;
    l.seen[0] = l.seen[1] = 0;

    for (int k = 0; k < 2 * pairs; k++) {
        l.p[k] = ivec_all(both(p + 2 * k));
        l.q[k] = ivec_all(both(q + 2 * k));
    }
    for (int j = 0; j < GRID_CANDIDATES; j++) {
        l.s[j] = vec_all(scale[j]);
        l.plain[j] = l.bent[j] = vec_all(-INFINITY);
    }
    for (int i = 2 * pairs; i < 4 * pairs; i++)
        lowest = p[i] < lowest ? p[i] : lowest;
    look_at_seconds(&l, pairs);
    const int top = look_at_firsts(&l, center, lowest * g->levels->base / 128, pairs, kinds);
    look_at_entries(&l, top, pairs, kinds);
    if (kinds & PLAIN)
        promising(which, &l, l.plain, l.first);
    if (kinds & BENT)
        promising(which, &l, l.bent, l.bound);
    for (int k = 0; k < 2; k++)
        for (uint64_t left = which[k] & ~l.seen[k]; left; left &= left - 1)
            look_at_entries(&l, 64 * k + __builtin_ctzll(left), pairs, kinds);
    if (kinds & PLAIN)
        marks_of(plain, l.plain);
    if (kinds & BENT)
        marks_of(bent, l.bent);
}

static void best_eight(int best[GRID_CANDIDATES], const struct grid *g, const struct numbers *n,
                       const float *s, int odd)
{
    const int center = n->center[0] + n->center[1];

    if (odd)
        best_loop(best, best, g, n->p, n->q, center, s, 2, BENT);
    else
        best_loop(best, best, g, n->p, n->q, center, s, 2, PLAIN);
}

static void best_four(int plain[GRID_CANDIDATES], int bent[GRID_CANDIDATES], const struct grid *g,
                      const struct numbers *n, int half, const float *s, int odd)
{
    const int16_t *p = n->p + 4 * half, *q = n->q + 4 * half;

    if (odd)
        best_loop(plain, bent, g, p, q, n->center[half], s, 1, PLAIN | BENT);
    else
        best_loop(plain, bent, g, p, q, n->center[half], s, 1, PLAIN);
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* What an entry comes to, in the numbers' units. */
struct sums {
    int a, b;
    int cost;      /* what reversing the cheapest sign takes from a */
    unsigned flip; /* that sign */
};

/* Of an entry of eight values, or two of four. */
INLINE struct sums sums_of(const struct grid_half *first, const struct grid_half *second, int half,
                           const int16_t *p, const int16_t *q)
{
    struct sums s = {0, 0, 0, 0};
    int16_t level[8], square[8];
    int32_t least = INT32_MAX;

    memcpy(level, first->level, sizeof(*level) * (size_t)half);
    memcpy(level + half, second->level, sizeof(*level) * (size_t)half);
    memcpy(square, first->square, sizeof(*square) * (size_t)half);
    memcpy(square + half, second->square, sizeof(*square) * (size_t)half);
    for (int i = 0; i < 2 * half; i++) {
        s.a += level[i] * p[i];
        s.b += square[i] * q[i];
    }
    for (int i = 0; i < 2 * half; i++) {
        const int32_t v = level[i] * p[i] * 8 + i;
        least = v < least ? v : least;
    }
    s.cost = least / 8 * 2;
    s.flip = 1U << least % 8;
    return s;
}

INLINE struct sums sums_of_eight(const struct grid *g, int e, const struct numbers *n)
{
    const int digits = g->digits[e];

    return sums_of(&g->half[digits & 255], &g->half[digits >> 8], 4, n->p, n->q);
}

INLINE struct sums sums_of_four(const struct grid *g, int e, const struct numbers *n, int half)
{
    const int digits = g->digits[e];

    return sums_of(&g->half[digits & 63], &g->half[digits >> 6], 2, n->p + 4 * half,
                   n->q + 4 * half);
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
    for (int j = 0; j < GRID_CANDIDATES; j++) {
        const struct sums t = sums_of_eight(g, best[j], n);
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
    for (int j = 0; j < GRID_CANDIDATES; j++) {
        float gain = -INFINITY;
        for (int h = 0; h < 1 + odd; h++) {
            const int e0 = odd && h == 0 ? bent[0][j] : plain[0][j];
            const int e1 = odd && h == 1 ? bent[1][j] : plain[1][j];
            const struct sums t0 = sums_of_four(g, e0, n, 0);
            const struct sums t1 = sums_of_four(g, e1, n, 1);
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

void grid_scan(struct octet *o, const struct grid *g, const struct octet_values *v,
               const float s[GRID_CANDIDATES])
{
    struct numbers n;
    float relative[GRID_CANDIDATES];

    numbers_set(&n, v);
    center_set(&n, v, s[GRID_CANDIDATES / 2]);
    relative_scales(relative, &n, s);
    const int odd = g->even && grid_signs(n.signs & 127) != n.signs;
    if (g->dim == 8)
        scan_eight(o, g, &n, relative, odd);
    else
        scan_four(o, g, &n, relative, odd);
}
