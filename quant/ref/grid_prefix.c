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

/* The halves that are used, and their digits. Returns how many, made a multiple of 16. */
static int halves_set(struct grid_halves *to, uint8_t code[GRID_HALVES], const struct grid *g,
                      const int count[GRID_CODES])
{
    int n = 0;

    for (int c = 0; c < GRID_CODES; c++)
        if (count[c])
            code[n++] = (uint8_t)c;
    for (; n % 16; n++)
        code[n] = code[n - 1];
    for (int i = 0; i < n; i++)
        to[i / 16].row[0][i % 16] = code[i];
    for (int i = 0; i < n; i += 16)
        halves_expand(&to[i / 16], g->levels);
    return n;
}

/* Where the entries of each first half begin; next: in entries, by digits. */
static int blocks_set(struct grid_prefix *x, int next[GRID_CODES], const uint8_t code[GRID_HALVES],
                      const int count[GRID_CODES])
{
    int block = 0;

    for (int f = 0; f < x->firsts; f++) {
        const int c = code[f], again = f > 0 && c == code[f - 1];
        x->at[f] = (uint16_t)(again ? x->at[f - 1] : block);
        if (!again) {
            next[c] = 16 * block;
            block += (count[c] + 15) / 16;
        }
        x->end[f] = (uint16_t)block;
    }
    return block;
}

void grid_prefix_init(const struct grid *g)
{
    struct grid_prefix *x = g->prefix;
    int first[GRID_CODES] = {0}, second[GRID_CODES], next[GRID_CODES];
    uint8_t code[GRID_HALVES];

    for (int e = 0; e < g->entries; e++)
        first[g->digits[e] & 255]++;
    for (int c = 0; c < GRID_CODES; c++)
        second[c] = !(c & c >> 1 & 0x55); /* digits 0 to 2: nearly all of them are used */
    x->seconds = halves_set(x->second, code, g, second);
    x->firsts = halves_set(x->first, code, g, first);
    const int blocks = blocks_set(x, next, code, first);
    for (int e = 0; e < g->entries; e++) {
        const int i = next[g->digits[e] & 255]++;
        x->rest[i / 16].row[0][i % 16] = g->digits[e] >> 8;
        x->entry[i / 16][i % 16] = e;
    }
    for (int f = 0; f < x->firsts; f++)
        for (int i = next[code[f]]; i < 16 * x->end[f]; i++) {
            x->rest[i / 16].row[0][i % 16] = x->rest[(i - 1) / 16].row[0][(i - 1) % 16];
            x->entry[i / 16][i % 16] = x->entry[(i - 1) / 16][(i - 1) % 16];
        }
    for (int i = 0; i < blocks; i++)
        halves_expand(&x->rest[i], g->levels);
}

/* ---- the best entries ------------------------------------------------------------------------ */

/* A search at four scales together. */
struct look {
    const struct grid_prefix *x;
    ivec p[4], q[4];
    vec s[GRID_CANDIDATES], best[GRID_CANDIDATES];
    _Alignas(64) float first[GRID_CANDIDATES][GRID_HALVES]; /* what first halves come to */
    float second[GRID_CANDIDATES];                          /* the most of second halves */
};

/* Sums of VEC halves with two of p and q. */
INLINE void half_sums(ivec *a, ivec *b, const struct grid_halves *h, int i, const ivec *p,
                      const ivec *q)
{
    *a = ivec_dot16(ivec_load(&h->row[0][i]), p[0]) + ivec_dot16(ivec_load(&h->row[2][i]), p[1]);
    *b = ivec_dot16(ivec_load(&h->row[1][i]), q[0]) + ivec_dot16(ivec_load(&h->row[3][i]), q[1]);
}

INLINE void look_at_seconds(struct look *l)
{
    vec most[GRID_CANDIDATES];
    ivec a, b;

    for (int j = 0; j < GRID_CANDIDATES; j++)
        most[j] = vec_all(-INFINITY);
    for (int i = 0; i < l->x->seconds; i += VEC) {
        half_sums(&a, &b, &l->x->second[i / 16], i % 16, l->p + 2, l->q + 2);
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < GRID_CANDIDATES; j++)
            most[j] = vec_max(most[j], va - l->s[j] * vb);
    }
    vec_most_four(l->second, most);
}

/* top[j]: the best first half at each scale. */
INLINE void look_at_firsts(int top[GRID_CANDIDATES], struct look *l, int center)
{
    vec most[GRID_CANDIDATES];
    ivec a, b, mark = ivec_count();

    for (int j = 0; j < GRID_CANDIDATES; j++)
        most[j] = vec_all(-INFINITY);
    for (int i = 0; i < l->x->firsts; i += VEC, mark += VEC) {
        half_sums(&a, &b, &l->x->first[i / 16], i % 16, l->p, l->q);
        a -= center;
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < GRID_CANDIDATES; j++) {
            const vec v = va - l->s[j] * vb;
            vec_store(&l->first[j][i], v);
            most[j] = vec_max(most[j], vec_mark(v, GRID_MOST - 1, mark));
        }
    }
    vec_marks(top, most, GRID_MOST - 1);
}

/* Every entry that begins with first half f. */
INLINE void look_at_entries(struct look *l, int f)
{
    ivec a, b;

    for (int i = 16 * l->x->at[f]; i < 16 * l->x->end[f]; i += VEC) {
        half_sums(&a, &b, &l->x->rest[i / 16], i % 16, l->p + 2, l->q + 2);
        const ivec mark = ivec_load(&l->x->entry[i / 16][i % 16]);
        const vec va = __builtin_convertvector(a, vec), vb = __builtin_convertvector(b, vec);
        for (int j = 0; j < GRID_CANDIDATES; j++) {
            const vec v = l->first[j][f] + (va - l->s[j] * vb);
            l->best[j] = vec_max(l->best[j], vec_mark(v, GRID_MOST - 1, mark));
        }
    }
}

/* Which of the first halves may begin a better entry than the best so far. */
INLINE void promising(uint64_t which[2], const struct look *l)
{
    float limit[GRID_CANDIDATES];
    vec most[GRID_CANDIDATES];

    vec_most_four(limit, l->best);
    for (int j = 0; j < GRID_CANDIDATES; j++)
        most[j] = vec_all(limit[j] - l->second[j]);
    for (int i = 0; i < l->x->firsts; i += VEC) {
        vec over = vec_load(&l->first[0][i]) - most[0];
        for (int j = 1; j < GRID_CANDIDATES; j++)
            over = vec_max(over, vec_load(&l->first[j][i]) - most[j]);
        which[i / 64] |= (uint64_t)vec_above(over, vec_all(0)) << i % 64;
    }
}

void grid_prefix_best(int best[GRID_CANDIDATES], const struct grid *g, const int16_t p[8],
                      const int16_t q[8], int center, const float s[GRID_CANDIDATES])
{
    struct look l;
    int top[GRID_CANDIDATES];
    uint64_t which[2] = {0, 0}, seen[2] = {0, 0};

    l.x = g->prefix;
    for (int k = 0; k < 4; k++) {
        l.p[k] = ivec_pair(p + 2 * k);
        l.q[k] = ivec_pair(q + 2 * k);
    }
    for (int j = 0; j < GRID_CANDIDATES; j++) {
        l.s[j] = vec_all(s[j]);
        l.best[j] = vec_all(-INFINITY);
    }
    look_at_seconds(&l);
    look_at_firsts(top, &l, center);
    for (int j = 0; j < GRID_CANDIDATES; j++)
        if (!(seen[top[j] / 64] >> top[j] % 64 & 1)) {
            seen[top[j] / 64] |= (uint64_t)1 << top[j] % 64;
            look_at_entries(&l, top[j]);
        }
    promising(which, &l);
    for (int k = 0; k < 2; k++)
        for (uint64_t left = which[k] & ~seen[k]; left; left &= left - 1)
            look_at_entries(&l, 64 * k + __builtin_ctzll(left));
    vec_marks(best, l.best, GRID_MOST - 1);
}
