/* Attention of one head as two small matrix products around a softmax, for a block
 * of queries at a time: scores = q . k^T, with 32 keys transposed at a time, then
 * out = exp(scores) . v, divided by the sum at the end. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    TILE_ROWS = 8,         /* 16 sums in registers */
    TILE_COLS = 32,        /* keys or values, two registers */
    BLOCK = 8 * TILE_ROWS, /* queries whose scores are in memory together */
    DEPTH = 256            /* values of a head transposed at a time */
};

/* Row-major matrix in memory. */
struct mat {
    const float *p;
    size_t ld;
};

/* Where a product goes. */
struct dest {
    float *p;
    size_t ld, rows, cols;
    const float *scale; /* a factor for each row, or NULL */
    bool add;           /* to what is there */
};

/* c[rows, cols] = a[rows, n] . b[n, cols], rows <= R; cols beyond TILE_COLS are left
 * alone. Rows of `a` beyond `rows` repeat the last. */
static inline __attribute__((always_inline)) void tile(struct dest c, struct mat a, struct mat b,
                                                       size_t n, int R)
{
    const __mmask16 m0 = mask16(c.cols), m1 = c.cols > 16 ? mask16(c.cols - 16) : 0;
    const size_t rows = c.rows;
    const float *row[TILE_ROWS];
    __m512 s[TILE_ROWS][2];

#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
        row[r] = a.p + ((size_t)r < rows ? (size_t)r : rows - 1) * a.ld;
        s[r][0] = s[r][1] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        const __m512 b0 = _mm512_maskz_loadu_ps(m0, b.p + i * b.ld);
        const __m512 b1 = _mm512_maskz_loadu_ps(m1, b.p + i * b.ld + 16);

#pragma GCC unroll 12
        for (int r = 0; r < R; r++) {
            const __m512 v = _mm512_set1_ps(row[r][i]);

            s[r][0] = _mm512_fmadd_ps(v, b0, s[r][0]);
            s[r][1] = _mm512_fmadd_ps(v, b1, s[r][1]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
        const __m512 f = _mm512_set1_ps(c.scale ? c.scale[r] : 1);
        float *to = c.p + (size_t)r * c.ld;

        if ((size_t)r >= rows)
            break;
        s[r][0] = _mm512_mul_ps(s[r][0], f);
        s[r][1] = _mm512_mul_ps(s[r][1], f);
        if (c.add) {
            s[r][0] = _mm512_add_ps(s[r][0], _mm512_maskz_loadu_ps(m0, to));
            s[r][1] = _mm512_add_ps(s[r][1], _mm512_maskz_loadu_ps(m1, to + 16));
        }
        _mm512_mask_storeu_ps(to, m0, s[r][0]);
        _mm512_mask_storeu_ps(to + 16, m1, s[r][1]);
    }
}

/* Few rows get a tile of their own: single tokens are common. */
static void product(struct dest c, struct mat a, struct mat b, size_t n)
{
    if (c.rows > 4)
        tile(c, a, b, n, TILE_ROWS);
    else if (c.rows > 1)
        tile(c, a, b, n, 4);
    else
        tile(c, a, b, n, 1);
}

/* 16 x 16 values at src (rows ld apart, of which `rows` and `cols` are there) to
 * dst, transposed, rows TILE_COLS apart. */
static void transpose(float *dst, const float *src, size_t ld, size_t rows, size_t cols)
{
    const __mmask16 m = mask16(cols);
    __m512 v[16], t[16];

#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++)
        v[i] = i < rows ? _mm512_maskz_loadu_ps(m, src + i * ld) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        v[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        v[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        v[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        v[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    /* v[4 g + c]: column 4 b + c of rows 4 g .. 4 g + 3 in 128-bit part b */
#pragma GCC unroll 16
    for (size_t c = 0; c < 4; c++) {
        const __m512 lo01 = _mm512_shuffle_f32x4(v[c], v[4 + c], 0x88);
        const __m512 hi01 = _mm512_shuffle_f32x4(v[c], v[4 + c], 0xdd);
        const __m512 lo23 = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0x88);
        const __m512 hi23 = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0xdd);

        _mm512_storeu_ps(dst + c * TILE_COLS, _mm512_shuffle_f32x4(lo01, lo23, 0x88));
        _mm512_storeu_ps(dst + (4 + c) * TILE_COLS, _mm512_shuffle_f32x4(hi01, hi23, 0x88));
        _mm512_storeu_ps(dst + (8 + c) * TILE_COLS, _mm512_shuffle_f32x4(lo01, lo23, 0xdd));
        _mm512_storeu_ps(dst + (12 + c) * TILE_COLS, _mm512_shuffle_f32x4(hi01, hi23, 0xdd));
    }
}

/* kt[depth, TILE_COLS] = k[n <= TILE_COLS, depth] transposed, its rows ld apart; depth
 * rounded up to 16. */
static void pack_keys(float *kt, struct mat k, size_t n, size_t depth)
{
    for (size_t c = 0; c < depth; c += 16)
        for (size_t half = 0; half < TILE_COLS; half += 16)
            transpose(kt + c * TILE_COLS + half, n > half ? k.p + half * k.ld + c : k.p, k.ld,
                      n > half ? n - half : 0, depth - c);
}

/* p[n] = exp(scale * (p - max)); returns the sum. */
static float exp_row(float *p, size_t n, float scale)
{
    const __m512 least = _mm512_set1_ps(-INFINITY), vscale = _mm512_set1_ps(scale);
    __m512 max = least, sum = _mm512_setzero_ps();

    for (size_t i = 0; i < n; i += 16)
        max = _mm512_max_ps(max, _mm512_mask_loadu_ps(least, mask16(n - i), p + i));
    max = _mm512_set1_ps(_mm512_reduce_max_ps(max));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_sub_ps(_mm512_mask_loadu_ps(max, m, p + i), max);
        const __m512 e = _mm512_maskz_mov_ps(m, exp_weight(_mm512_mul_ps(v, vscale)));

        sum = _mm512_add_ps(sum, e);
        _mm512_mask_storeu_ps(p + i, m, e);
    }
    return _mm512_reduce_add_ps(sum);
}

/* One call's arguments, and what is shared by its blocks. */
struct job {
    float *out;
    size_t ld_out;
    struct mat q, k, v;
    size_t pos, window, dk, dv;
    float scale;
    float *score, *kt;
    size_t ld_score;
};

static size_t first_seen(const struct job *j, size_t query)
{
    const size_t end = j->pos + query + 1;

    return j->window && end > j->window ? end - j->window : 0;
}

/* score[rows, .] of queries i .. for the keys from c on, by values d .. of the head. */
static void scores_at(const struct job *j, size_t i, size_t rows, size_t c, size_t d)
{
    const size_t keys = j->pos + i + rows - c, depth = j->dk - d < DEPTH ? j->dk - d : DEPTH;

    pack_keys(j->kt, (struct mat){j->k.p + c * j->dk + d, j->dk},
              keys < TILE_COLS ? keys : TILE_COLS, depth);
    for (size_t r = 0; r < rows; r += TILE_ROWS) {
        const size_t here = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
        const struct dest to = {
            j->score + r * j->ld_score + c, j->ld_score, here, TILE_COLS, NULL, d > 0};

        if (j->pos + i + r + here > c)
            product(to, (struct mat){j->q.p + (i + r) * j->q.ld + d, j->q.ld},
                    (struct mat){j->kt, TILE_COLS}, depth);
    }
}

/* Of every key any of them sees. */
static void scores(const struct job *j, size_t i, size_t rows)
{
    const size_t begin = first_seen(j, i) / TILE_COLS * TILE_COLS, end = j->pos + i + rows;

    for (size_t c = begin; c < end; c += TILE_COLS)
        for (size_t d = 0; d < j->dk; d += DEPTH)
            scores_at(j, i, rows, c, d);
}

/* Softmax without the division; unseen keys get weight 0. inv: 1 / sum of each row. */
static void weigh(const struct job *j, size_t i, size_t rows, float *inv)
{
    const size_t begin = first_seen(j, i), end = j->pos + i + rows;

    for (size_t r = 0; r < rows; r++) {
        const size_t from = first_seen(j, i + r), to = j->pos + i + r + 1;
        float *p = j->score + r * j->ld_score;

        memset(p + begin, 0, (from - begin) * sizeof(float));
        memset(p + to, 0, (end - to) * sizeof(float));
        inv[r] = 1 / exp_row(p + from, to - from, j->scale);
    }
}

static void mix(const struct job *j, size_t i, size_t rows, const float *inv)
{
    for (size_t r = 0; r < rows; r += TILE_ROWS) {
        const size_t here = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
        const size_t begin = first_seen(j, i + r), end = j->pos + i + r + here;
        const struct mat p = {j->score + r * j->ld_score + begin, j->ld_score};

        for (size_t c = 0; c < j->dv; c += TILE_COLS)
            product((struct dest){j->out + (i + r) * j->ld_out + c, j->ld_out, here, j->dv - c,
                                  inv + r, false},
                    p, (struct mat){j->v.p + begin * j->dv + c, j->dv}, end - begin);
    }
}

static size_t round_up(size_t n)
{
    return (n + TILE_COLS - 1) / TILE_COLS * TILE_COLS;
}

/* Score rows are a little longer than needed: a power of two would put all of them
 * in the same cache set. */
static size_t score_ld(size_t n_pos)
{
    return round_up(n_pos) + 16;
}

static size_t attn_bytes(size_t m, size_t n_pos)
{
    const size_t rows = m < BLOCK ? m : BLOCK;

    return (rows * score_ld(n_pos) + DEPTH * TILE_COLS) * sizeof(float);
}

static void attn(float *out, size_t ld_out, const float *q, size_t ld_q, const float *k,
                 const float *v, size_t m, size_t pos, size_t window, size_t dk, size_t dv,
                 float scale, void *scratch)
{
    struct job j = {
        out, ld_out, {q, ld_q},
          {k, dk  },
          {v, dv  },
          pos, window, dk, dv, scale, 0, 0, 0
    };
    float inv[BLOCK];

    j.kt = scratch;
    j.score = j.kt + DEPTH * TILE_COLS;
    j.ld_score = score_ld(pos + m);
    for (size_t i = 0; i < m; i += BLOCK) {
        const size_t rows = m - i < BLOCK ? m - i : BLOCK;

        scores(&j, i, rows);
        weigh(&j, i, rows, inv);
        mix(&j, i, rows, inv);
    }
}

void kern_init_avx512_attn(struct kern *k)
{
    k->attn = attn;
    k->attn_bytes = attn_bytes;
}
