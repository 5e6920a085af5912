/* Products of training on tiles of BF16 (see quant/amx.h). A float is one BF16 term, or three that
 * together hold its 24 bits; the product of two such floats is the sum of the term products that matter
 * in F32. */

#include "distill/gemm_kern.h"
#include "distill/gemm_pairs.h"
#include "quant/amx.h"

enum {
    BLOCK = 32,          /* rows of a, columns of b: two tiles */
    PAIR = 2 * AMX_TILE, /* a block's tiles of one step and term */
    TERMS = 3
};

/* A block: for each step of the sum, for each term, two tiles. */
static size_t steps(size_t n_k)
{
    return (n_k + AMX_STEP - 1) / AMX_STEP;
}

static size_t bytes_1(size_t n_k)
{
    return steps(n_k) * PAIR;
}

static size_t bytes_3(size_t n_k)
{
    return steps(n_k) * PAIR * TERMS;
}

/* ---- packing -------------------------------------------------------------------- */

/* What a tile is made from: 16 outer values, 32 of the sum; n and n_k of them are there. */
struct source {
    const float *x;
    size_t ld, n, n_k;
};

/* The terms of one step, PAIR apart, as they lie: [outer 16][k 32]. */
static inline __attribute__((always_inline)) void put_rows(uint8_t *tile, const struct source *s,
                                                           int terms)
{
    const __mmask16 none = 0, low = mask_of(s->n_k, 0), high = mask_of(s->n_k, 16);

    for (size_t r = 0; r < 16; r++) {
        const float *x = s->x + (r < s->n ? r * s->ld : 0);
        __m512 a = _mm512_maskz_loadu_ps(r < s->n ? low : none, x);
        __m512 b = _mm512_maskz_loadu_ps(r < s->n ? high : none, x + 16);

        for (int t = 0; t < terms; t++)
            _mm512_store_si512(tile + (size_t)t * PAIR + r * 64, amx_take_term(&a, &b));
    }
}

/* The same where the sum's values lie ld apart: [pair 16][outer 16][2]. */
static inline __attribute__((always_inline)) void put_pairs(uint8_t *tile, const struct source *s,
                                                            int terms)
{
    const __mmask16 none = 0, mask = mask_of(s->n, 0);

    for (size_t p = 0; p < 16; p++) {
        const float *x = s->x + (2 * p < s->n_k ? 2 * p * s->ld : 0);
        const float *y = s->x + (2 * p + 1 < s->n_k ? (2 * p + 1) * s->ld : 0);
        __m512 a = _mm512_maskz_loadu_ps(2 * p < s->n_k ? mask : none, x);
        __m512 b = _mm512_maskz_loadu_ps(2 * p + 1 < s->n_k ? mask : none, y);

        for (int t = 0; t < terms; t++)
            _mm512_store_si512(tile + (size_t)t * PAIR + p * 64, pair_up(amx_take_term(&a, &b)));
    }
}

/* One tile of each term, which lie PAIR apart. */
static inline __attribute__((always_inline)) void put(uint8_t *tile, const struct source *s,
                                                      bool strided, bool pairs, int terms)
{
    uint8_t raw[TERMS * PAIR] __attribute__((aligned(64)));
    uint8_t *as_it_lies = strided == pairs ? tile : raw;

    if (strided)
        put_pairs(as_it_lies, s, terms);
    else
        put_rows(as_it_lies, s, terms);
    for (int t = 0; strided != pairs && t < terms; t++) {
        const uint8_t *row[16];

        for (size_t r = 0; r < 16; r++)
            row[r] = raw + (size_t)t * PAIR + r * 64;
        amx_transpose(tile + (size_t)t * PAIR, row, 0);
    }
}

static inline __attribute__((always_inline)) void pack(uint8_t *dst, const struct gemm_piece *p,
                                                       bool pairs, int terms)
{
    for (size_t k = 0; k < p->n_k; k += AMX_STEP, dst += (size_t)terms * PAIR)
        for (size_t i = 0; i < BLOCK; i += 16) {
            const size_t n = p->n > i ? p->n - i : 0, n_k = p->n_k - k;
            const size_t at =
                p->strided ? (p->k + k) * p->ld + p->i + i : (p->i + i) * p->ld + p->k + k;
            const struct source s = {p->x + (n ? at : 0), p->ld, n < 16 ? n : 16,
                                     n_k < AMX_STEP ? n_k : AMX_STEP};

            put(dst + i / 16 * AMX_TILE, &s, p->strided, pairs, terms);
        }
}

static void a_pack_1(void *dst, const struct gemm_piece *p)
{
    pack(dst, p, false, 1);
}

static void b_pack_1(void *dst, const struct gemm_piece *p)
{
    pack(dst, p, true, 1);
}

static void a_pack_3(void *dst, const struct gemm_piece *p)
{
    pack(dst, p, false, 3);
}

static void b_pack_3(void *dst, const struct gemm_piece *p)
{
    pack(dst, p, true, 3);
}

/* ---- products -------------------------------------------------------------------- */

/* Sums of blocks that are not whole. */
static void edge_copy(float *dst, size_t ld_dst, const float *src, size_t ld_src, size_t m,
                      size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            dst[i * ld_dst + j] = src[i * ld_src + j];
}

static inline __attribute__((always_inline)) void sums_load(const float *c, size_t ld)
{
    _tile_loadd(0, c, ld * sizeof(*c));
    _tile_loadd(1, c + 16, ld * sizeof(*c));
    _tile_loadd(2, c + 16 * ld, ld * sizeof(*c));
    _tile_loadd(3, c + 16 * ld + 16, ld * sizeof(*c));
}

static inline __attribute__((always_inline)) void sums_store(float *c, size_t ld)
{
    _tile_stored(0, c, ld * sizeof(*c));
    _tile_stored(1, c + 16, ld * sizeof(*c));
    _tile_stored(2, c + 16 * ld, ld * sizeof(*c));
    _tile_stored(3, c + 16 * ld + 16, ld * sizeof(*c));
}

/* Rows of c on their way into the cache while the sums are computed. */
static inline __attribute__((always_inline)) void fetch(const float *c, size_t ld, size_t row,
                                                        size_t m)
{
    if (row < m) {
        __builtin_prefetch(c + row * ld, 1);
        __builtin_prefetch(c + row * ld + 16, 1);
    }
}

static inline __attribute__((always_inline)) void add_steps(const uint8_t *a, const uint8_t *b,
                                                            size_t n, int terms, const float *c,
                                                            size_t ld_c, size_t m)
{
    const size_t step = (size_t)terms * PAIR;

    for (size_t s = 0; s < n; s++, a += step, b += step) {
        fetch(c, ld_c, 2 * s, m);
        fetch(c, ld_c, 2 * s + 1, m);
        for (int i = 0; i < terms; i++) {
            _tile_loadd(4, a + i * PAIR, 64);
            _tile_loadd(5, a + i * PAIR + AMX_TILE, 64);
            for (int j = 0; i + j < terms; j++) {
                _tile_loadd(6, b + j * PAIR, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(2, 5, 6);
                _tile_loadd(7, b + j * PAIR + AMX_TILE, 64);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
}

/* c[m, n] of one block. */
static inline __attribute__((always_inline)) void mul_block(float *c, size_t ld_c, const void *a,
                                                            const void *b, const size_t mnk[3],
                                                            bool add, int terms)
{
    const bool whole = mnk[0] == BLOCK && mnk[1] == BLOCK;
    float edge[BLOCK * BLOCK] __attribute__((aligned(64)));

    if (add && whole) {
        sums_load(c, ld_c);
    } else if (add) {
        edge_copy(edge, BLOCK, c, ld_c, mnk[0], mnk[1]);
        sums_load(edge, BLOCK);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    add_steps(a, b, steps(mnk[2]), terms, c, ld_c, whole && !add ? BLOCK : 0);
    if (whole) {
        sums_store(c, ld_c);
    } else {
        sums_store(edge, BLOCK);
        edge_copy(c, ld_c, edge, BLOCK, mnk[0], mnk[1]);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The longer side is walked once. Configuring tiles is slow on virtual machines. */
static inline __attribute__((always_inline)) void mul(float *c, size_t ld_c, const uint8_t *a,
                                                      const uint8_t *b, const size_t mnk[3],
                                                      bool add, int terms)
{
    const size_t each = steps(mnk[2]) * PAIR * (size_t)terms;
    const size_t m = (mnk[0] + BLOCK - 1) / BLOCK, n = (mnk[1] + BLOCK - 1) / BLOCK;

    amx_on();
    for (size_t o = 0; o < m * n; o++) {
        const size_t i = m > n ? o / n : o % m, j = m > n ? o % n : o / m;
        const size_t here[3] = {least(mnk[0] - i * BLOCK, BLOCK), least(mnk[1] - j * BLOCK, BLOCK),
                                mnk[2]};

        mul_block(c + i * BLOCK * ld_c + j * BLOCK, ld_c, a + i * each, b + j * each, here, add,
                  terms);
    }
    _tile_release();
}

static void mul_1(float *c, size_t ld_c, const void *a, const void *b, const size_t mnk[3],
                  bool add)
{
    mul(c, ld_c, a, b, mnk, add, 1);
}

static void mul_3(float *c, size_t ld_c, const void *a, const void *b, const size_t mnk[3],
                  bool add)
{
    mul(c, ld_c, a, b, mnk, add, 3);
}

const struct gemm_kern gemm_amx_f32 = {BLOCK,   BLOCK,    1024,     bytes_3,
                                       bytes_3, a_pack_3, b_pack_3, mul_3};
const struct gemm_kern gemm_amx_bf16 = {BLOCK,   BLOCK,    1024,     bytes_1,
                                        bytes_1, a_pack_1, b_pack_1, mul_1};
