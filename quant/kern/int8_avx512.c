/* KERN_INT8 by VNNI: 16 weight rows side by side, four values of each an instruction.
 * It multiplies unsigned by signed bytes, so weights are moved up by 128 and what
 * that adds, 128 times the sum of the activations, is where each sum starts from. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"

#include <string.h>

enum {
    COLS = 16,  /* weight rows of a panel */
    ROWS = 8,   /* activation rows of a block */
    CHUNK = 256 /* values turned into integers at a time */
};

/* 32 columns of a panel. */
struct run16 {
    uint8_t q[8][COLS][4]; /* q + 128 of values 4 j .. 4 j + 3, by row */
    float scale[2][COLS], min[COLS];
};

/* 32 columns of one activation row. */
struct act_run {
    int8_t q[32];
    int32_t start[2]; /* -128 * sum of q, for each 16 */
    float d[2], sum;  /* scale of each 16; sum of d q */
};

static size_t panel_bytes(size_t k)
{
    return k / 32 * sizeof(struct run16);
}

static size_t act_bytes(size_t k)
{
    return k / 32 * ROWS * sizeof(struct act_run);
}

/* Up to CHUNK columns of one row to column r of the panel. */
static void pack_row(struct run16 *to, size_t r, const int8_t *q, const float *scale,
                     const float *min, size_t n_runs)
{
    for (size_t b = 0; b < n_runs; b++) {
        for (size_t j = 0; j < 8; j++) {
            uint32_t four;

            memcpy(&four, q + 32 * b + 4 * j, sizeof(four));
            four ^= 0x80808080U;
            memcpy(to[b].q[j][r], &four, sizeof(four));
        }
        to[b].scale[0][r] = scale[2 * b];
        to[b].scale[1][r] = scale[2 * b + 1];
        to[b].min[r] = min[b];
    }
}

/* Rows that are not there repeat the last: their sums are not stored. */
static void pack(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                 size_t n, size_t k)
{
    const struct dtype_info *info = dtype_get(t);
    int8_t q[CHUNK];
    float scale[CHUNK / 16], min[CHUNK / 32];

    for (size_t r = 0; r < COLS; r++)
        for (size_t i = 0; i < k; i += CHUNK) {
            const size_t len = k - i < CHUNK ? k - i : CHUNK;

            kern->ints[t](q, scale, min, w[r < n ? r : n - 1] + i / info->block * info->bytes, len);
            pack_row((struct run16 *)panel + i / 32, r, q, scale, min, len / 32);
        }
}

/* As pack_vec of KERN_INT8, 32 values at a time. */
static void pack_run(struct act_run *to, const float *x)
{
    to->sum = 0;
    for (size_t h = 0; h < 2; h++) {
        int sum;
        const __m128i q = round_8bit(&to->d[h], &sum, x + 16 * h);

        _mm_storeu_si128((__m128i *)(void *)(to->q + 16 * h), q);
        to->start[h] = -128 * sum;
        to->sum += to->d[h] * (float)sum;
    }
}

/* A block: [k / 32][ROWS]; rows that are not there repeat the last. */
static void pack_act(void *act, const float *x, size_t ld_x, size_t m, size_t k)
{
    struct act_run *to = act;

    for (size_t r = 0; r < ROWS; r++)
        for (size_t b = 0; b < k / 32; b++)
            pack_run(&to[b * ROWS + r], x + (r < m ? r : m - 1) * ld_x + 32 * b);
}

static inline __m512i four(const int8_t *q)
{
    int v;

    memcpy(&v, q, sizeof(v));
    return _mm512_set1_epi32(v);
}

/* Integer sums of half h of a run, for R rows. */
static inline __attribute__((always_inline)) void add_half(__m512i *s, const struct run16 *w,
                                                           const struct act_run *x, size_t h)
{
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
        s[r] = _mm512_set1_epi32(x[r].start[h]);
#pragma GCC unroll 4
    for (size_t j = 4 * h; j < 4 * h + 4; j++) {
        const __m512i v = _mm512_loadu_si512(w->q[j]);

#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++)
            s[r] = _mm512_dpbusd_epi32(s[r], v, four(x[r].q + 4 * j));
    }
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
        __m512i lo[ROWS], hi[ROWS];

        add_half(lo, w, x, 0);
        add_half(hi, w, x, 1);
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            const __m512 a = _mm512_mul_ps(_mm512_cvtepi32_ps(lo[r]), s0);
            const __m512 c = _mm512_mul_ps(_mm512_cvtepi32_ps(hi[r]), s1);

            sum[r] = _mm512_fmadd_ps(a, _mm512_set1_ps(x[r].d[0]), sum[r]);
            sum[r] = _mm512_fmadd_ps(c, _mm512_set1_ps(x[r].d[1]), sum[r]);
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

void kern_init_avx512_int8(struct kern *k)
{
    k->gemm[KERN_INT8] =
        (struct kern_gemm){COLS, ROWS, panel_bytes, act_bytes, pack, pack_act, mul};
}
