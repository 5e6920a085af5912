/* KERN_INT16 by VNNI: 16 weight rows side by side, two values of each an instruction. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"
#include "quant/kern/runs_avx2.h"

#include <string.h>

enum {
    COLS = 16,  /* weight rows of a panel */
    ROWS = 8,   /* activation rows of a block */
    CHUNK = 256 /* values turned into integers at a time */
};

/* 32 columns of a panel. */
struct run16 {
    int16_t q[16][COLS][2]; /* values 2 j, 2 j + 1, by row */
    float scale[2][COLS], min[COLS];
};

/* 32 columns of one activation row: see quant/kern/kern_isa.h. */
struct act_run {
    int16_t q[32];
    float d, sum;
};

static size_t panel_bytes(size_t k)
{
    return k / 32 * sizeof(struct run16);
}

static size_t act_bytes(size_t k)
{
    return k / 32 * ROWS * sizeof(struct act_run);
}

/* ---- stored rows as integers ---------------------------------------------------------- */

KERN_INLINE void ints(int8_t *q, float *scale, float *min, const void *src, size_t k, size_t bytes,
                      int runs, run_fn *get)
{
    const uint8_t *block = src;

    for (size_t i = 0; i < k / 32; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, i++) {
            const struct run run = get(block, r);

            _mm256_storeu_si256((__m256i *)(void *)(q + 32 * i), run.q);
            scale[2 * i] = run.s0;
            scale[2 * i + 1] = run.s1;
            min[i] = run.min;
        }
    }
}

#define INTS(type, name, block, runs)                                                              \
    static void name##_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)        \
    {                                                                                              \
        ints(q, scale, min, src, k, sizeof(block), runs, run_##name);                              \
    }
KERN_RUN_TYPES(INTS)

/* ---- packing -------------------------------------------------------------------------- */

/* Up to CHUNK columns of the panel's rows. */
struct chunk {
    int8_t q[COLS][CHUNK];
    float scale[COLS][16], min[COLS][16];
};

/* 16 x 16 units of 32 bits, turned. */
static void turn(void *dst, const void *src)
{
    transpose16(dst, 16, (struct tile_in){src, 16}, 16, 16);
}

static void pack_chunk(struct run16 *to, const struct chunk *c, size_t n_runs)
{
    float scale[16][COLS], min[16][COLS];

    turn(scale, c->scale);
    turn(min, c->min);
    for (size_t b = 0; b < n_runs; b++) {
        int16_t q[COLS][32];

        for (size_t r = 0; r < COLS; r++) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(c->q[r] + 32 * b));

            _mm512_storeu_si512(q[r], _mm512_cvtepi8_epi16(v));
        }
        turn(to[b].q, q);
        memcpy(to[b].scale, scale[2 * b], sizeof(to[b].scale));
        memcpy(to[b].min, min[b], sizeof(to[b].min));
    }
}

/* Rows that are not there repeat the last: their sums are not stored. */
static void pack(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                 size_t n, size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    struct chunk c = {.min = {{0}}};

    for (size_t i = 0; i < k; i += CHUNK) {
        const size_t len = k - i < CHUNK ? k - i : CHUNK;

        for (size_t r = 0; r < COLS; r++)
            kern->ints[t](c.q[r], c.scale[r], c.min[r],
                          w[r < n ? r : n - 1] + i / info->block * info->bytes, len);
        pack_chunk((struct run16 *)panel + i / 32, &c, len / 32);
    }
}

/* A block: [k / 32][ROWS]; rows that are not there repeat the last. */
static void pack_act(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    struct act_run *to = act;

    for (size_t b = 0; b < k / 32; b++)
        for (size_t r = 0; r < ROWS; r++, to++) {
            int sum;

            _mm512_storeu_si512(to->q,
                                round_16bit(&to->d, &sum, x + (r < m ? r : m - 1) * ld_x + 32 * b));
            to->sum = to->d * (float)sum;
        }
}

/* ---- products ------------------------------------------------------------------------- */

static inline __m512i two(const int16_t *q)
{
    int v;

    memcpy(&v, q, sizeof(v));
    return _mm512_set1_epi32(v);
}

/* Sums of half h of a run, for all rows. */
static inline __attribute__((always_inline)) void sum_half(__m512 s[ROWS], const struct run16 *w,
                                                           const struct act_run *x, size_t h)
{
    __m512i sum[ROWS];

#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
        sum[r] = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (size_t j = 8 * h; j < 8 * h + 8; j++) {
        const __m512i v = _mm512_loadu_si512(w->q[j]);

#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++)
            sum[r] = _mm512_dpwssd_epi32(sum[r], v, two(x[r].q + 2 * j));
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
        s[r] = _mm512_cvtepi32_ps(sum[r]);
}

/* y[ROWS, COLS] of one block and panel. */
static void block(__m512 y[ROWS], const struct run16 *w, const struct act_run *x, size_t n_runs)
{
    __m512 sum[ROWS];

#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
        sum[r] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_runs; b++, w++, x += ROWS) {
        const __m512 s0 = _mm512_loadu_ps(w->scale[0]), s1 = _mm512_loadu_ps(w->scale[1]);
        const __m512 min = _mm512_loadu_ps(w->min);
        __m512 lo[ROWS], hi[ROWS];

        sum_half(lo, w, x, 0);
        sum_half(hi, w, x, 1);
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            const __m512 part = _mm512_fmadd_ps(hi[r], s1, _mm512_mul_ps(lo[r], s0));

            sum[r] = _mm512_fmadd_ps(part, _mm512_set1_ps(x[r].d), sum[r]);
            sum[r] = _mm512_fnmadd_ps(min, _mm512_set1_ps(x[r].sum), sum[r]);
        }
    }
    memcpy(y, sum, sizeof(sum));
}

static void mul(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                size_t k)
{
    const struct act_run *x = act;

    for (size_t i = 0; i < m; i += ROWS, x += k / 32 * ROWS) {
        __m512 sum[ROWS];

        block(sum, panel, x, k / 32);
        for (size_t r = 0; r < ROWS && i + r < m; r++)
            _mm512_mask_storeu_ps(y + (i + r) * ld_y, mask16(n), sum[r]);
    }
}

void kern_init_avx512_int16(struct kern *k)
{
    k->gemm[KERN_INT16] =
        (struct kern_gemm){COLS, ROWS, panel_bytes, act_bytes, pack, pack_act, mul};
#define ROW(type, name, block, runs) k->ints[type] = name##_ints;
    KERN_RUN_TYPES(ROW)
}
