/* Products of small matrices: a tile of the result stays in registers while k runs. */

#include "distill/wide/lanes.h"
#include "distill/wide/level.h"

/* Tile in registers: rows of a, vectors of b. */
#if defined(__AVX512F__)
enum { ROWS = 8, VECS = 3 };
#elif defined(__AVX2__)
enum { ROWS = 4, VECS = 3 };
#else
enum { ROWS = 4, VECS = 2 };
#endif

/* Of b, this many rows at a time stay in the first cache beside a tile's columns. */
enum { DEEP = 192 };

/* One tile at row i, column j: rows x vecs, the last vector has `left` columns when `part`. The
 * counts are constants where it is called, so that all loops over them unroll. */
INLINE void tile(const struct wide_mul *t, size_t i, size_t j, const int rows, const int vecs,
                 const bool part)
{
    const size_t left = part ? t->n - j - (size_t)(vecs - 1) * VEC : VEC;
    const float *a = t->a + i * t->row_a, *b = t->b + j;
    float *c = t->c + i * t->ld_c + j;
    vec s[ROWS][VECS];

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vecs; v++) {
            const float *from = c + (size_t)r * t->ld_c + v * VEC;
            s[r][v] = !t->add                 ? (vec){0}
                      : part && v + 1 == vecs ? lane_load_part(from, left)
                                              : vec_load(from);
        }
    for (size_t l = 0; l < t->k; l++, b += t->ld_b, a += t->col_a) {
        vec x[VECS];
#pragma GCC unroll 3
        for (int v = 0; v < vecs; v++)
            x[v] =
                part && v + 1 == vecs ? lane_load_part(b + v * VEC, left) : vec_load(b + v * VEC);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vecs; v++)
                s[r][v] += a[(size_t)r * t->row_a] * x[v];
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vecs; v++) {
            float *to = c + (size_t)r * t->ld_c + v * VEC;
            if (part && v + 1 == vecs)
                lane_store_part(to, s[r][v], left);
            else
                vec_store(to, s[r][v]);
        }
}

/* All rows of a stripe of columns. */
INLINE void stripe(const struct wide_mul *t, size_t j, const int vecs, const bool part)
{
    size_t i = 0;

    for (; i + ROWS <= t->m; i += ROWS)
        tile(t, i, j, ROWS, vecs, part);
    for (; i + 2 <= t->m; i += 2)
        tile(t, i, j, 2, vecs, part);
    if (i < t->m)
        tile(t, i, j, 1, vecs, part);
}

static void one_stripe(const struct wide_mul *t, size_t j, size_t vecs, bool part)
{
    if (vecs == 1 && part)
        stripe(t, j, 1, true);
    else if (vecs == 1)
        stripe(t, j, 1, false);
    else if (vecs == 2 && part)
        stripe(t, j, 2, true);
    else if (vecs == 2)
        stripe(t, j, 2, false);
    else if (part)
        stripe(t, j, VECS, true);
    else
        stripe(t, j, VECS, false);
}

/* Stripes as wide as can be, but no lone vector at the end. */
static void stripes(const struct wide_mul *t)
{
    size_t left = (t->n + VEC - 1) / VEC;

    for (size_t j = 0; left;) {
        const size_t vecs = left < VECS ? left : left == VECS + 1 ? 2 : VECS;
        one_stripe(t, j, vecs, left == vecs && t->n % VEC);
        j += vecs * VEC;
        left -= vecs;
    }
}

void wide_mul(const struct wide_mul *t)
{
    struct wide_mul part = *t;

    for (size_t l = 0; l == 0 || l < t->k; l += DEEP) {
        part.k = t->k - l < DEEP ? t->k - l : DEEP;
        part.a = t->a + l * t->col_a;
        part.b = t->b + l * t->ld_b;
        part.add = t->add || l;
        stripes(&part);
    }
}

void wide_turn(float *dst, size_t ld_dst, const float *src, size_t ld_src, size_t rows, size_t cols)
{
    for (size_t r0 = 0; r0 < rows; r0 += VEC_ALL)
        for (size_t c = 0; c < cols; c++)
            for (size_t r = r0; r < rows && r < r0 + VEC_ALL; r++)
                dst[c * ld_dst + r] = src[r * ld_src + c];
}
