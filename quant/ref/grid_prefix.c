#include "quant/ref/grid_prefix.h"

#include "quant/half.h"
#include "quant/ref/grid_vec.h"

/* ---- the codebook -------------------------------------------------------------------------- */

INLINE ivec levels_of(ivec digits, const struct grid_levels *l)
{
    return digits * l->step + l->base + ((digits == l->top) & l->more);
}

/* Rows of sixteen halves from their digits, which are in row 0. */
static void halves_expand(struct grid_halves *h, const struct grid_levels *l)
{
    for (int i = 0; i < 16; i += VEC) {
        ivec digits = ivec_load(&h->row[0][i]);
        for (int k = 0; k < 2; k++, digits >>= 4) {
            const ivec v = levels_of(digits & 3, l) | levels_of(digits >> 2 & 3, l) << 16;
            const ivec squares = ivec_mul16(v, v);
            memcpy(&h->row[2 * k][i], &v, sizeof(v));
            memcpy(&h->row[2 * k + 1][i], &squares, sizeof(squares));
        }
    }
}

/* n halves from their digits, which are repeated up to a multiple of 16. Returns how many that
 * makes. */
static int halves_set(struct grid_halves *to, uint8_t *code, int n, const struct grid *g)
{
    for (; n % 16; n++)
        code[n] = code[n - 1];
    for (int i = 0; i < n; i += 16, to++) {
        for (int k = 0; k < 16; k++)
            to->row[0][k] = code[i + k];
        halves_expand(to, g->levels);
    }
    return n;
}

/* Blocks of the entries [from, to), which end alike. Returns how many. */
static int blocks_set(struct grid_prefix *x, int block, const struct grid *g, int from, int to)
{
    int blocks = 0;

    for (; from < to; from += 16, blocks++) {
        struct grid_halves *h = &x->rest[block + blocks];
        int32_t *entry = x->entry[block + blocks];
        const int n = to - from < 16 ? to - from : 16;
        for (int i = 0; i < 16; i++) {
            entry[i] = from + (i < n ? i : n - 1);
            h->row[0][i] = g->digits[entry[i]] & 255;
        }
        halves_expand(h, g->levels);
    }
    return blocks;
}

void grid_prefix_init(const struct grid *g)
{
    struct grid_prefix *x = g->prefix;
    uint8_t code[GRID_CODES];
    int n = 0, block = 0;

    for (int c = 0; c < GRID_CODES; c++)
        if (!(c & c >> 1 & 0x55)) /* digits 0 to 2: nearly all of them are used */
            code[n++] = (uint8_t)c;
    x->others = halves_set(x->other, code, n, g);
    n = 0;
    for (int e = 0, to; e < g->entries; e = to, n++) {
        code[n] = (uint8_t)(g->digits[e] >> 8);
        for (to = e + 1; to < g->entries && g->digits[to] >> 8 == code[n];)
            to++;
        x->at[n] = (uint16_t)block;
        block += blocks_set(x, block, g, e, to);
        x->end[n] = (uint16_t)block;
    }
    x->lasts = halves_set(x->last, code, n, g);
    for (; n < x->lasts; n++) {
        x->at[n] = x->at[n - 1];
        x->end[n] = x->end[n - 1];
    }
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

/* Sums of VEC halves with two of p and q. */
INLINE void half_sums(ivec *a, ivec *b, const struct grid_halves *h, int i, const ivec *p,
                      const ivec *q)
{
    *a = ivec_dot16(ivec_load(&h->row[0][i]), p[0]) + ivec_dot16(ivec_load(&h->row[2][i]), p[1]);
    *b = ivec_dot16(ivec_load(&h->row[1][i]), q[0]) + ivec_dot16(ivec_load(&h->row[3][i]), q[1]);
}

INLINE void look_at_others(struct look *l, int scales)
{
    vec most[GRID_CANDIDATES];
    ivec a, b;

    for (int j = 0; j < scales; j++)
        most[j] = vec_all(-INFINITY);
    for (int i = 0; i < l->x->others; i += VEC) {
        half_sums(&a, &b, &l->x->other[i / 16], i % 16, l->p, l->q);
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < scales; j++)
            most[j] = vec_max(most[j], va - l->s[j] * vb);
    }
    vec_most_of(l->other, most, scales);
}

/* top[j]: the best last half at each scale. */
INLINE void look_at_lasts(int top[GRID_CANDIDATES], struct look *l, int center, int scales)
{
    vec most[GRID_CANDIDATES];
    ivec a, b, mark = ivec_count();

    for (int j = 0; j < scales; j++)
        most[j] = vec_all(-INFINITY);
    for (int i = 0; i < l->x->lasts; i += VEC, mark += VEC) {
        half_sums(&a, &b, &l->x->last[i / 16], i % 16, l->p + 2, l->q + 2);
        a -= center;
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < scales; j++) {
            const vec v = va - l->s[j] * vb;
            vec_store(&l->last[j][i], v);
            most[j] = vec_max(most[j], vec_mark(v, GRID_MOST - 1, mark));
        }
    }
    vec_marks(top, most, scales, GRID_MOST - 1);
}

/* Every entry that ends with last half f. */
INLINE void look_at_entries(struct look *l, int f, int scales)
{
    ivec a, b;

    for (int i = 16 * l->x->at[f]; i < 16 * l->x->end[f]; i += VEC) {
        half_sums(&a, &b, &l->x->rest[i / 16], i % 16, l->p, l->q);
        const ivec mark = ivec_load(&l->x->entry[i / 16][i % 16]);
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
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
    for (int i = 0; i < l->x->lasts; i += VEC) {
        vec over = vec_load(&l->last[0][i]) - most[0];
        for (int j = 1; j < scales; j++)
            over = vec_max(over, vec_load(&l->last[j][i]) - most[j]);
        which[i / 64] |= (uint64_t)vec_above(over, vec_all(0)) << i % 64;
    }
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
    look_at_others(&l, scales);
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
