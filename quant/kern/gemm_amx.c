/* KERN_F32 and KERN_BF16 on tiles of BF16. A float is split into up to three BF16
 * terms (high first) that together hold its 24 bits; the product of two floats is the
 * sum of the term products that matter in F32, added up in F32 by the tile unit.
 * Weights of BF16 files have one term, quantized ones two or three; activations have
 * one under KERN_BF16.
 *
 * Tile shapes: activations [16 rows, 32 values]; weights [16 value pairs, 16 rows of
 * 2]; sums [16 activation rows, 16 weight rows], stored straight to y. */

#include "quant/amx.h"
#include "quant/kern/kern_isa.h"

#include <string.h>

enum {
    TERMS = 3,
    TILE = AMX_TILE,
    STEP = AMX_STEP,
    ROWS = 32,       /* weight rows of a strip and activation rows of a block */
    STRIPS = 2,      /* of a panel: more of each row of y is written at a time */
    PAIR = 2 * TILE, /* two tiles: the rows of a panel or block, one term */
    HEAD = 64,       /* of a panel: its number of terms */
    CHUNK = 256      /* columns decoded at a time: a whole number of any blocks */
};

static size_t steps(size_t k)
{
    return (k + STEP - 1) / STEP;
}

/* Panel: HEAD, then for each strip, term and step two tiles. Strips lie as far apart
 * as their full number of terms asks for. */
static size_t panel_bytes_3(size_t k)
{
    return HEAD + steps(k) * PAIR * 3 * STRIPS;
}

static size_t panel_bytes_2(size_t k)
{
    return HEAD + steps(k) * PAIR * 2 * STRIPS;
}

static size_t act_bytes_3(size_t k)
{
    return steps(k) * PAIR * 3;
}

static size_t act_bytes_1(size_t k)
{
    return steps(k) * PAIR;
}

/* ---- splitting ------------------------------------------------------------------ */

/* The first n of STEP values at x, the others zero. */
static inline void load_step(__m512 *a, __m512 *b, const float *x, size_t n)
{
    const __mmask32 mask = n < STEP ? (__mmask32)((1ULL << n) - 1) : ~(__mmask32)0;

    *a = _mm512_maskz_loadu_ps((__mmask16)mask, x);
    *b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), x + 16);
}

/* ---- activations ------------------------------------------------------------------ */

static void pack_act_terms(uint8_t *act, const float *x, size_t ld_x, size_t m, size_t k, int terms)
{
    const size_t n_steps = steps(k), term_ld = n_steps * PAIR;

    for (size_t r = 0; r < ROWS; r++) {
        uint8_t *tile = act + r / 16 * TILE + r % 16 * 64;

        for (size_t s = 0; s < n_steps; s++, tile += PAIR) {
            __m512 a, b;

            load_step(&a, &b, r < m ? x + r * ld_x + s * STEP : x, r < m ? k - s * STEP : 0);
            for (int t = 0; t < terms; t++)
                _mm512_store_si512(tile + (size_t)t * term_ld, amx_take_term(&a, &b));
        }
    }
}

static void pack_act_3(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    pack_act_terms(act, x, ld_x, m, k, 3);
}

static void pack_act_1(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    pack_act_terms(act, x, ld_x, m, k, 1);
}

/* ---- weights -------------------------------------------------------------------- */

/* 16 BF16 rows; n of them are there, the others repeat the last and are never used. */
static void pack_bf16(uint8_t *tile, const uint8_t *const *row, size_t k)
{
    const uint8_t *tail[16];
    uint8_t last[16][64];
    size_t s = 0;

    for (; s < k / STEP; s++)
        amx_transpose(tile + s * PAIR, row, s * 64);
    if (k % STEP == 0)
        return;
    memset(last, 0, sizeof(last));
    for (size_t r = 0; r < 16; r++)
        tail[r] = memcpy(last[r], row[r] + s * 64, k % STEP * sizeof(uint16_t));
    amx_transpose(tile + s * PAIR, tail, 0);
}

/* STEP columns of 16 decoded rows, CHUNK apart, to `terms` tiles. seen: the bits of
 * each term. */
static inline void pack_step(uint8_t *tile, size_t term_ld, int terms, const float *x, size_t n,
                             __m512i seen[TERMS])
{
    uint8_t part[TERMS][16][64] __attribute__((aligned(64)));
    const uint8_t *row[16];

    for (size_t r = 0; r < 16; r++) {
        __m512 a, b;

        load_step(&a, &b, x + r * CHUNK, n);
        for (int t = 0; t < terms; t++) {
            const __m512i h = amx_take_term(&a, &b);

            seen[t] = _mm512_or_si512(seen[t], h);
            _mm512_store_si512(part[t][r], h);
        }
    }
    for (int t = 0; t < terms; t++) {
        for (size_t r = 0; r < 16; r++)
            row[r] = part[t][r];
        amx_transpose(tile + (size_t)t * term_ld, row, 0);
    }
}

/* 16 rows of any type; returns how many terms are not all zero. */
static int pack_any(uint8_t *tile, const struct kern *kern, enum dtype t, const uint8_t *const *row,
                    size_t k, int terms)
{
    const struct dtype_info *info = dtype_get(t);
    const size_t term_ld = steps(k) * PAIR;
    __m512i seen[TERMS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    float x[16 * CHUNK];

    for (size_t i = 0; i < k; i += CHUNK) {
        const size_t len = k - i < CHUNK ? k - i : CHUNK;

        for (size_t r = 0; r < 16; r++)
            kern->dec[t](x + r * CHUNK, row[r] + i / info->block * info->bytes, len);
        for (size_t j = 0; j < len; j += STEP, tile += PAIR)
            pack_step(tile, term_ld, terms, x + j, len - j, seen);
    }
    while (terms > 1 && !_mm512_test_epi16_mask(seen[terms - 1], _mm512_set1_epi16(0x7fff)))
        terms--;
    return terms;
}

/* Rows that are not there repeat the last one: their sums are not stored. */
static void pack_terms(uint8_t *panel, const struct kern *kern, enum dtype t,
                       const uint8_t *const *w, size_t n, size_t k, int max_terms)
{
    int terms = 1;

    for (size_t half = 0; half < 2 * STRIPS && half * 16 < n; half++) {
        const size_t strip = steps(k) * PAIR * (size_t)max_terms;
        const uint8_t *row[16];
        uint8_t *tile = panel + HEAD + half / 2 * strip + half % 2 * TILE;
        int here = 1;

        for (size_t r = 0; r < 16; r++)
            row[r] = w[half * 16 + r < n ? half * 16 + r : n - 1];
        if (t == DTYPE_BF16)
            pack_bf16(tile, row, k);
        else
            here = pack_any(tile, kern, t, row, k, max_terms);
        terms = here > terms ? here : terms;
    }
    memcpy(panel, &terms, sizeof(terms));
}

static void pack_3(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                   size_t n, size_t k)
{
    pack_terms(panel, kern, t, w, n, k, 3);
}

static void pack_2(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                   size_t n, size_t k)
{
    pack_terms(panel, kern, t, w, n, k, 2);
}

/* ---- products ---------------------------------------------------------------------- */

/* Tiles 0 .. 3: sums; 4, 5: activations; 6, 7: weights. */

/* Rows of y on their way into the cache while their sums are computed: left for the
 * stores to fetch, they cost as much time as the products. */
struct dest {
    const float *y; /* next row */
    size_t ld_y, left;
};

static inline __attribute__((always_inline)) void dest_fetch(struct dest *d)
{
    for (int i = 0; i < 2 && d->left; i++, d->left--, d->y += d->ld_y) {
        __builtin_prefetch(d->y, 1);
        __builtin_prefetch(d->y + 16, 1);
    }
}

/* Add n steps of a block and a panel to the sums in tiles 0 .. 3; a term is ld bytes
 * from the next. Terms i of the activations and j of the weights are multiplied where
 * i + j < TERMS: the rest is below F32's last bit. */
static inline __attribute__((always_inline)) void add_steps(const uint8_t *x, const uint8_t *w,
                                                            size_t n, size_t ld, int x_terms,
                                                            int w_terms, struct dest *y)
{
    for (size_t s = 0; s < n; s++, w += PAIR, x += PAIR) {
        dest_fetch(y);
        for (int i = 0; i < x_terms; i++) {
            _tile_loadd(4, x + (size_t)i * ld, 64);
            _tile_loadd(5, x + (size_t)i * ld + TILE, 64);
            for (int j = 0; j < w_terms && i + j < TERMS; j++) {
                _tile_loadd(6, w + (size_t)j * ld, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(2, 5, 6);
                _tile_loadd(7, w + (size_t)j * ld + TILE, 64);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
}

static void sums_zero(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* y[m, n] from tiles 0 .. 3 where a full block does not fit. */
static void put_edge(float *y, size_t ld_y, size_t m, size_t n)
{
    float sum[ROWS * ROWS] __attribute__((aligned(64)));

    _tile_stored(0, sum, ROWS * sizeof(float));
    _tile_stored(1, sum + 16, ROWS * sizeof(float));
    _tile_stored(2, sum + 16 * ROWS, ROWS * sizeof(float));
    _tile_stored(3, sum + 16 * ROWS + 16, ROWS * sizeof(float));
    for (size_t i = 0; i < m; i++)
        memcpy(y + i * ld_y, sum + i * ROWS, n * sizeof(float));
}

static void put(float *y, size_t ld_y, size_t m, size_t n)
{
    const size_t bytes = ld_y * sizeof(float);

    if (m < ROWS || n < ROWS) {
        put_edge(y, ld_y, m < ROWS ? m : ROWS, n);
        return;
    }
    _tile_stored(0, y, bytes);
    _tile_stored(1, y + 16, bytes);
    _tile_stored(2, y + 16 * ld_y, bytes);
    _tile_stored(3, y + 16 * ld_y + 16, bytes);
}

static inline __attribute__((always_inline)) void mul_terms(float *y, size_t ld_y,
                                                            const uint8_t *act, const uint8_t *w,
                                                            size_t m, size_t n, size_t k,
                                                            int x_terms, int w_terms)
{
    const size_t n_steps = steps(k), ld = n_steps * PAIR;
    const size_t strip = ld * (x_terms == 1 ? 2 : 3); /* as packed: see panel_bytes */

    amx_on();
    for (size_t i = 0; i < m; i += ROWS, act += ld * (size_t)x_terms) {
        for (size_t j = 0; j < n; j += ROWS) {
            struct dest to = {y + i * ld_y + j, ld_y, m - i < ROWS ? m - i : ROWS};

            sums_zero();
            add_steps(act, w + j / ROWS * strip, n_steps, ld, x_terms, w_terms, &to);
            put(y + i * ld_y + j, ld_y, m - i, n - j < ROWS ? n - j : ROWS);
        }
    }
    _tile_release();
}

static int panel_terms(const void *panel)
{
    int terms;

    memcpy(&terms, panel, sizeof(terms));
    return terms;
}

/* The loops above, once for each number of terms. */
static void mul_3(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                  size_t k)
{
    const uint8_t *w = (const uint8_t *)panel + HEAD;

    switch (panel_terms(panel)) {
    case 1:
        mul_terms(y, ld_y, act, w, m, n, k, 3, 1);
        break;
    case 2:
        mul_terms(y, ld_y, act, w, m, n, k, 3, 2);
        break;
    default:
        mul_terms(y, ld_y, act, w, m, n, k, 3, 3);
    }
}

static void mul_1(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                  size_t k)
{
    const uint8_t *w = (const uint8_t *)panel + HEAD;

    if (panel_terms(panel) == 1)
        mul_terms(y, ld_y, act, w, m, n, k, 1, 1);
    else
        mul_terms(y, ld_y, act, w, m, n, k, 1, 2);
}

void kern_init_amx_gemm(struct kern *k)
{
    k->gemm[KERN_F32] = (struct kern_gemm){ROWS * STRIPS, ROWS,       panel_bytes_3, act_bytes_3,
                                           pack_3,        pack_act_3, mul_3};
    k->gemm[KERN_BF16] = (struct kern_gemm){ROWS * STRIPS, ROWS,       panel_bytes_2, act_bytes_1,
                                            pack_2,        pack_act_1, mul_1};
    k->gemm[KERN_INT16] = (struct kern_gemm){0}; /* slower than BF16 here */
}
