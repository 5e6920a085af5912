#include "quant/ref/eight.h"

#include "formats/blocks.h"

/* ---- turning ------------------------------------------------------------------------ */

#if defined(__AVX512F__)
/* Four columns of rows r, r + 4, r + 8, r + 12, a quarter each. From memory: the one unit for
 * moves within a register has enough to do. */
static __m512 turn_quarters(const float *const row[16], int r, int column)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(row[r] + column));

    v = _mm512_insertf32x4(v, _mm_loadu_ps(row[r + 4] + column), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(row[r + 8] + column), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(row[r + 12] + column), 3);
}

/* Sixteen rows of sixteen: each quarter by pairs, then by fours. */
static void turn_16(float *t, const float *const row[16])
{
    for (int c = 0; c < 16; c += 4, t += 64) {
        const __m512 r0 = turn_quarters(row, 0, c), r1 = turn_quarters(row, 1, c);
        const __m512 r2 = turn_quarters(row, 2, c), r3 = turn_quarters(row, 3, c);
        const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
        const __m512d b = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
        const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
        const __m512d e = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
        _mm512_storeu_pd(t, _mm512_unpacklo_pd(a, b));
        _mm512_storeu_pd(t + 16, _mm512_unpackhi_pd(a, b));
        _mm512_storeu_pd(t + 32, _mm512_unpacklo_pd(d, e));
        _mm512_storeu_pd(t + 48, _mm512_unpackhi_pd(d, e));
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
