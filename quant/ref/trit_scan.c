#include "quant/ref/trit_scan.h"

#include "quant/wide.h"

#include <stdbool.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* ---- whole numbers of sixteen bits --------------------------------------------------- */

#if defined(__AVX512BW__)
enum { SHORTS = 32 };
#elif defined(__AVX2__)
enum { SHORTS = 16 };
#else
enum { SHORTS = 8 };
#endif
enum { PARTS = TRIT_LANES / SHORTS };

typedef int16_t shorts __attribute__((vector_size(2 * SHORTS)));

INLINE shorts shorts_load(const int16_t *p)
{
    shorts v;

    memcpy(&v, p, sizeof(v));
    return v;
}

INLINE void shorts_store(int16_t *p, shorts v)
{
    memcpy(p, &v, sizeof(v));
}

INLINE shorts shorts_min(shorts a, shorts b)
{
#if defined(__AVX512BW__)
    return (shorts)_mm512_min_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (shorts)_mm256_min_epi16((__m256i)a, (__m256i)b);
#else
    const shorts m = a < b;
    return (a & m) | (b & ~m);
#endif
}

/* Is a < b in any lane? */
INLINE bool shorts_less(shorts a, shorts b)
{
#if defined(__AVX512BW__)
    return _mm512_cmplt_epi16_mask((__m512i)a, (__m512i)b) != 0;
#elif defined(__AVX2__)
    return _mm256_movemask_epi8(_mm256_cmpgt_epi16((__m256i)b, (__m256i)a)) != 0;
#else
    const shorts m = a < b;
    uint64_t all[2];
    memcpy(all, &m, sizeof(all));
    return (all[0] | all[1]) != 0;
#endif
}

/* a < b ? c : d in each lane */
INLINE shorts shorts_pick(shorts a, shorts b, shorts c, shorts d)
{
#if defined(__AVX512BW__)
    const __mmask32 m = _mm512_cmplt_epi16_mask((__m512i)a, (__m512i)b);
    return (shorts)_mm512_mask_mov_epi16((__m512i)d, m, (__m512i)c);
#else
    const shorts m = a < b;
    return (c & m) | (d & ~m);
#endif
}

/* ---- losses ---------------------------------------------------------------------------- */

/* A value's loss is counted in units of the heaviest weight's squared scale / UNITS; the digit
 * of a value far beyond the scale is as wrong as can be from MOST on. Eight fit 16 bits. */
enum { UNITS = 2048, MOST = 4095, OCTET = 8 };

/* of each value and digit */
struct digits {
    int16_t loss[OCTET][3][TRIT_LANES];
};

INLINE int16_t loss_of(float e, float weight)
{
    const float v = e * weight;

    return (int16_t)(int32_t)((v < (float)MOST ? v : (float)MOST) + 0.5F);
}

/* What lanes are made of: the values of an octet stand once, weights in units. */
struct inputs {
    float value[OCTET][TRIT_LANES], weight[OCTET][TRIT_LANES];
    float inverse[TRIT_LANES], unit[TRIT_LANES];
    const float *offset;
    float top;
};

/* Value i of the n lanes from `at` on. err: what the best digits leave. */
INLINE void value_set(int16_t loss[3][TRIT_LANES], float err[TRIT_LANES], const struct inputs *in,
                      int i, int at, int n)
{
    const float *inverse = in->inverse + at, *offset = in->offset + at, top = in->top;

    for (int l = 0; l < n; l++) {
        const float v = in->value[i][l] * inverse[l] - offset[l], w = in->weight[i][l];
        const float below = 2.0F * v + 1.0F, above = top * top - 2.0F * top * v; /* 0's loss */
        const float side = below < above ? below : above;
        const float least = side < 0 ? side : 0;
        loss[0][at + l] = loss_of(below - least, w);
        loss[1][at + l] = loss_of(-least, w);
        loss[2][at + l] = loss_of(above - least, w);
        err[at + l] += (v * v + least) * w;
    }
}

INLINE void digits_set(struct digits *d, float err[TRIT_LANES], struct inputs *in, int each,
                       const float *x, const float *w)
{
    const int n = TRIT_LANES / each;
    float most[TRIT_LANES] = {0};

    for (int q = 0; q < n; q++)
        for (int i = 0; i < OCTET; i++) {
            in->value[i][q] = x[OCTET * q + i];
            in->weight[i][q] = w[OCTET * q + i];
        }
    for (int i = 0; i < OCTET; i++)
        for (int q = 0; q < n; q++)
            most[q] = in->weight[i][q] > most[q] ? in->weight[i][q] : most[q];
    for (int q = 0; q < n; q++) {
        for (int j = 0; j < each; j++)
            in->unit[n * j + q] = most[q] / (float)UNITS;
        most[q] = (float)UNITS / most[q];
    }
    for (int i = 0; i < OCTET; i++) {
        for (int q = 0; q < n; q++)
            in->weight[i][q] *= most[q];
        for (int at = 0; at < TRIT_LANES; at += n)
            value_set(d->loss[i], err, in, i, at, n);
    }
}

/* All 81 patterns of four values. */
static void half_set(int16_t half[GRID_IQ1_HALVES][TRIT_LANES], int16_t loss[4][3][TRIT_LANES])
{
    for (int p = 0; p < TRIT_LANES; p += SHORTS) {
        shorts low[9];
        for (int i = 0; i < 9; i++)
            low[i] = shorts_load(loss[2][i / 3] + p) + shorts_load(loss[3][i % 3] + p);
        for (int i = 0; i < 9; i++) {
            const shorts high = shorts_load(loss[0][i / 3] + p) + shorts_load(loss[1][i % 3] + p);
            for (int j = 0; j < 9; j++)
                shorts_store(half[9 * i + j] + p, high + low[j]);
        }
    }
}

/* ---- entries ----------------------------------------------------------------------------- */

struct best {
    shorts least[PARTS], half[PARTS];
};

/* All entries with the first half h. */
INLINE void meet(struct best *b, const struct trit_scan *s, int h)
{
    shorts first[PARTS], least[PARTS];

    for (int p = 0; p < PARTS; p++) {
        first[p] = shorts_load(s->first[h] + p * SHORTS);
        least[p] = b->least[p];
    }
    for (int e = s->book->start[h]; e < s->book->start[h + 1]; e++)
        for (int k = 0; k < GRID_IQ1_STEP; k++) {
            const int16_t *second = s->second[s->book->second[GRID_IQ1_STEP * e + k]];
            for (int p = 0; p < PARTS; p++)
                least[p] = shorts_min(least[p], first[p] + shorts_load(second + p * SHORTS));
        }
    for (int p = 0; p < PARTS; p++) {
        b->half[p] = shorts_pick(least[p], b->least[p], (shorts){0} + (int16_t)h, b->half[p]);
        b->least[p] = least[p];
    }
}

/* Would the first half h be below `than` in any lane, with nothing lost in the second? */
INLINE bool promising(const struct trit_scan *s, int h, const shorts than[PARTS])
{
    bool any = false;

    for (int p = 0; p < PARTS; p++)
        any |= shorts_less(shorts_load(s->first[h] + p * SHORTS), than[p]);
    return any;
}

static void entries_find(struct trit_scan *s)
{
    struct best b;
    shorts one[PARTS];
    uint8_t best[GRID_IQ1_HALVES], other[GRID_IQ1_HALVES], more[GRID_IQ1_HALVES];
    int n_best = 0, n_other = 0, n_more = 0;

    for (int p = 0; p < PARTS; p++) {
        one[p] = (shorts){0} + (int16_t)1;
        b.least[p] = (shorts){0} + (int16_t)INT16_MAX;
        b.half[p] = (shorts){0};
    }
    /* the halves that are some lane's best, then those that can still win */
    for (int h = 0; h < GRID_IQ1_HALVES; h++) {
        const bool top = promising(s, h, one);
        best[n_best] = other[n_other] = (uint8_t)h;
        n_best += top;
        n_other += !top;
    }
    for (int i = 0; i < n_best; i++)
        meet(&b, s, best[i]);
    for (int i = 0; i < n_other; i++) {
        more[n_more] = other[i];
        n_more += promising(s, other[i], b.least);
    }
    for (int i = 0; i < n_more; i++)
        meet(&b, s, more[i]);
    for (int p = 0; p < PARTS; p++) {
        shorts_store(s->least + p * SHORTS, b.least[p]);
        shorts_store(s->half + p * SHORTS, b.half[p]);
    }
}

void trit_scan(struct trit_scan *s, const struct trit_book *book, int each, const float *x,
               const float *w, const float scale[TRIT_LANES], const float offset[TRIT_LANES])
{
    struct digits d;
    struct inputs in;

    s->book = book;
    in.offset = offset;
    in.top = book->top;
    for (int l = 0; l < TRIT_LANES; l++) {
        in.inverse[l] = 1.0F / scale[l];
        s->err[l] = 0;
    }
    /* The compiler makes loops for each of them. */
    if (each == 4)
        digits_set(&d, s->err, &in, 4, x, w);
    else if (each == 2)
        digits_set(&d, s->err, &in, 2, x, w);
    else
        digits_set(&d, s->err, &in, 1, x, w);
    half_set(s->first, d.loss);
    half_set(s->second, d.loss + 4);
    entries_find(s);
    for (int l = 0; l < TRIT_LANES; l++)
        s->err[l] = (s->err[l] + (float)s->least[l]) * (scale[l] * scale[l] * in.unit[l]);
}

unsigned trit_scan_entry(const struct trit_scan *s, int lane)
{
    const int h = s->half[lane], want = s->least[lane] - s->first[h][lane];

    for (int e = s->book->start[h]; e < s->book->start[h + 1]; e++) {
        const uint8_t *second = s->book->second + GRID_IQ1_STEP * e;
        int misses = 0; /* before the first hit, in a step of four */
        for (int k = GRID_IQ1_STEP - 1; k >= 0; k--)
            misses = s->second[second[k]][lane] == want ? 0 : misses + 1;
        if (misses < GRID_IQ1_STEP)
            return s->book->entry[GRID_IQ1_STEP * e + misses];
    }
    return s->book->entry[GRID_IQ1_STEP * s->book->start[h]];
}
