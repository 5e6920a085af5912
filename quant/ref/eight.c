#include "quant/ref/eight.h"

#include "formats/blocks.h"

/* ---- turning ------------------------------------------------------------------------ */

#if defined(__AVX512F__)
/* Sixteen rows of sixteen: by pairs, fours, and then quarters of a vector. */
static void turn_16(float *t, const float *const row[16])
{
    __m512 a[16], b[16];

    for (int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_ps(row[i]);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            const __m512d lo = _mm512_castps_pd(b[i + k]), hi = _mm512_castps_pd(b[i + k + 2]);
            a[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi));
            a[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi));
        }
    /* a[4 g + c]: column 4 q + c of rows 4 g .. 4 g + 3 in quarter q */
    for (int c = 0; c < 4; c++) {
        const __m512 r0 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
        const __m512 r1 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
        const __m512 r2 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        const __m512 r3 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
        _mm512_storeu_ps(t + (size_t)16 * (size_t)c, _mm512_shuffle_f32x4(r0, r2, 0x88));
        _mm512_storeu_ps(t + (size_t)16 * (size_t)(c + 8), _mm512_shuffle_f32x4(r0, r2, 0xdd));
        _mm512_storeu_ps(t + (size_t)16 * (size_t)(c + 4), _mm512_shuffle_f32x4(r1, r3, 0x88));
        _mm512_storeu_ps(t + (size_t)16 * (size_t)(c + 12), _mm512_shuffle_f32x4(r1, r3, 0xdd));
    }
}
#elif defined(__AVX2__)
/* Eight columns of eight rows, to t with 16 numbers from one column to the next. */
static void turn_8(float *t, const float *const row[8])
{
    __m256 a[8], b[8];

    for (int i = 0; i < 8; i++)
        a[i] = _mm256_loadu_ps(row[i]);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            const __m256d lo = _mm256_castps_pd(b[i + k]), hi = _mm256_castps_pd(b[i + k + 2]);
            a[i + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(lo, hi));
            a[i + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(lo, hi));
        }
    for (int c = 0; c < 4; c++) {
        _mm256_storeu_ps(t + (size_t)16 * (size_t)c, _mm256_permute2f128_ps(a[c], a[4 + c], 0x20));
        _mm256_storeu_ps(t + (size_t)16 * (size_t)(c + 4),
                         _mm256_permute2f128_ps(a[c], a[4 + c], 0x31));
    }
}

static void turn_16(float *t, const float *const row[16])
{
    const float *part[8];

    for (size_t lanes = 0; lanes < 16; lanes += 8)
        for (size_t cols = 0; cols < 16; cols += 8) {
            for (size_t i = 0; i < 8; i++)
                part[i] = row[lanes + i] + cols;
            turn_8(t + 16 * cols + lanes, part);
        }
}
#else
static void turn_16(float *t, const float *const row[16])
{
    for (size_t i = 0; i < 16; i++)
        for (size_t lane = 0; lane < 16; lane++)
            t[16 * i + lane] = row[lane][i];
}
#endif

static void eight_turn(float t[EIGHT_VALUES], const float *x)
{
    const float *row[16];

    for (size_t lane = 0; lane < 16; lane++)
        row[lane] = x + QK * (lane % EIGHT) + 16 * (lane / EIGHT);
    turn_16(t, row);
}

/* ---- a stretch of a row --------------------------------------------------------------- */

void eight_init(struct eight *e, const float *row, const struct srch_weighting *s, size_t at,
                size_t n)
{
    const size_t left = n / QK - at;

    e->n = left < EIGHT ? left : EIGHT;
    e->x = row + at * QK;
    e->w = NULL;
    if (s->importance)
        e->w = srch_importance(e->room_w, s, at * QK, e->n * QK);
    if (e->n < EIGHT) {
        const size_t have = e->n * QK;
        memcpy(e->room_x, e->x, have * sizeof(float));
        memset(e->room_x + have, 0, (EIGHT_VALUES - have) * sizeof(float));
        e->x = e->room_x;
        for (size_t i = have; i < EIGHT_VALUES; i++)
            e->room_w[i] = 1;
    }
    eight_turn(e->turned_x, e->x);
    if (e->w)
        eight_turn(e->turned_w, e->w);
}
