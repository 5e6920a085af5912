#ifndef QUANT_REF_EIGHT_H
#define QUANT_REF_EIGHT_H

/* Eight blocks of 32 values at once, for the encoders of legacy types: value 16 h + i of block
 * b lies in lane 8 h + b of step i, at t[16 i + 8 h + b]. A lane belongs to one block, so sums
 * over a block need nothing across lanes but its two halves, added last. */

#include "formats/blocks.h"
#include "quant/codec.h"
#include "quant/half.h"
#include "quant/ref/search.h"
#include "quant/vec.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__) && !defined(__AVX2__)
#include <emmintrin.h>
#endif

enum { EIGHT = 8, EIGHT_STEPS = 16, EIGHT_VALUES = 256 };

/* a > b ? x : y in each lane. As one operation or two. */
INLINE vec lane_more(vec a, vec b, vec x, vec y)
{
#if defined(__AVX512F__)
    const __mmask16 m = _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);

    return (vec)_mm512_mask_blend_ps(m, (__m512)y, (__m512)x);
#elif defined(__AVX2__)
    const __m256 m = _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ);

    return (vec)_mm256_blendv_ps((__m256)y, (__m256)x, m);
#else
    return vec_pick(a > b, x, y);
#endif
}

/* Is a > b in any lane? */
INLINE int lane_any_more(vec a, vec b)
{
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ) != 0;
#elif defined(__AVX2__)
    return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ)) != 0;
#else
    const ivec m = a > b;
    int any = 0;

    for (int j = 0; j < VEC; j++)
        any |= m[j];
    return any;
#endif
}

/* A number of each block, in both of its lanes. */
struct eights {
    vec v[VEC_SUMS];
};

/* The sum of both halves, in both. */
INLINE void eights_fold(struct eights *s)
{
#if defined(__AVX512F__)
    s->v[0] += (vec)_mm512_shuffle_f32x4((__m512)s->v[0], (__m512)s->v[0], 0x4e);
#else
    for (int k = 0; k < VEC_SUMS / 2; k++)
        s->v[k] = s->v[k + VEC_SUMS / 2] = s->v[k] + s->v[k + VEC_SUMS / 2];
#endif
}

/* a / b in both halves, divided once; 0 where b is 0. */
INLINE void eights_ratio(struct eights *q, const struct eights *a, const struct eights *b)
{
#if defined(__AVX512F__)
    const __m256 zero = _mm256_setzero_ps(), d = _mm512_castps512_ps256((__m512)b->v[0]);
    const __m256 ratio = _mm256_div_ps(_mm512_castps512_ps256((__m512)a->v[0]), d);
    const __m256 fine = _mm256_andnot_ps(_mm256_cmp_ps(d, zero, _CMP_EQ_OQ), ratio);

    q->v[0] = (vec)_mm512_insertf32x8(_mm512_castps256_ps512(fine), fine, 1);
#else
    for (int k = 0; k < VEC_SUMS / 2; k++)
        q->v[k] = q->v[k + VEC_SUMS / 2] = vec_ratio(a->v[k], b->v[k]);
#endif
}

/* Of one half, as an array. */
INLINE void eights_get(float x[EIGHT], const struct eights *s)
{
    memcpy(x, s->v, EIGHT * sizeof(float));
}

/* Values and weights of up to eight blocks of a row, as they lie there and turned; what is
 * missing are zeros. */
struct eight {
    size_t n;       /* blocks */
    const float *x; /* [256] */
    const float *w; /* [256]; NULL: all alike */
    float turned_x[EIGHT_VALUES], turned_w[EIGHT_VALUES];
    float room_x[EIGHT_VALUES], room_w[EIGHT_VALUES];
};

/* Blocks [at, at + 8) of a row of n. */
void eight_init(struct eight *e, const float *row, const struct srch_weighting *s, size_t at,
                size_t n);

/* The least and the greatest value of each block, of four parts at a time: one comparison
 * waits for the one before. */
enum { BOUNDS = 4 };
INLINE void eight_bounds(struct eights *least, struct eights *greatest, const float *turned)
{
    struct eights lo, hi;

    for (int k = 0; k < VEC_SUMS; k++) {
        vec a[BOUNDS], b[BOUNDS];
        for (int j = 0; j < BOUNDS; j++)
            a[j] = b[j] = vec_load(turned + 16 * j + k * VEC);
        for (int i = BOUNDS; i < EIGHT_STEPS; i++) {
            const vec x = vec_load(turned + 16 * i + k * VEC);
            a[i % BOUNDS] = vec_min(x, a[i % BOUNDS]);
            b[i % BOUNDS] = vec_max(x, b[i % BOUNDS]);
        }
        lo.v[k] = vec_min(vec_min(a[0], a[1]), vec_min(a[2], a[3]));
        hi.v[k] = vec_max(vec_max(b[0], b[1]), vec_max(b[2], b[3]));
    }
    for (int k = 0; k < VEC_SUMS; k++) {
#if defined(__AVX512F__)
        const vec a = (vec)_mm512_shuffle_f32x4((__m512)lo.v[0], (__m512)lo.v[0], 0x4e);
        const vec b = (vec)_mm512_shuffle_f32x4((__m512)hi.v[0], (__m512)hi.v[0], 0x4e);
#else
        const vec a = lo.v[(k + VEC_SUMS / 2) % VEC_SUMS], b = hi.v[(k + VEC_SUMS / 2) % VEC_SUMS];
#endif
        least->v[k] = vec_min(a, lo.v[k]);
        greatest->v[k] = vec_max(b, hi.v[k]);
    }
}

/* The F16 scale of least error for codes in [-levels, levels - 1], as srch_symmetric. */
void eight_symmetric(uint16_t d[EIGHT], const struct eight *e, int levels,
                     enum codec_effort effort);

/* F16 scale and offset of least error for codes in [0, max_code]. */
void eight_affine(uint16_t d[EIGHT], uint16_t m[EIGHT], const struct eight *e, int max_code,
                  enum codec_effort effort);

/* Two 16-bit numbers in each 32 bits of a lane, for searches in whole numbers: exact, hence in
 * any order, and twice as many at a time. */

#if defined(__AVX512BW__)
#define PAIRS(name, a, b) (ivec) _mm512_##name##_epi16((__m512i)(a), (__m512i)(b))
#elif defined(__AVX2__)
#define PAIRS(name, a, b) (ivec) _mm256_##name##_epi16((__m256i)(a), (__m256i)(b))
#elif defined(__SSE2__)
#define PAIRS(name, a, b) (ivec) _mm_##name##_epi16((__m128i)(a), (__m128i)(b))
#endif

/* a b / 2^15 of each number, rounded; not for two of -2^15. */
INLINE ivec pairs_scale(ivec a, ivec b)
{
#if defined(__AVX2__)
    return PAIRS(mulhrs, a, b);
#elif defined(__SSE2__)
    typedef uint16_t shorts __attribute__((vector_size(4 * VEC)));
    const shorts high = (shorts)PAIRS(mulhi, a, b), low = (shorts)PAIRS(mullo, a, b);

    return (ivec)((high << 1) + (((low >> 14) + 1) >> 1));
#else
    int16_t x[2 * VEC], y[2 * VEC];

    memcpy(x, &a, sizeof(x));
    memcpy(y, &b, sizeof(y));
    for (int i = 0; i < 2 * VEC; i++)
        x[i] = (int16_t)((x[i] * y[i] + 0x4000) >> 15);
    memcpy(&a, x, sizeof(x));
    return a;
#endif
}

/* The low 16 bits of each product. */
INLINE ivec pairs_low(ivec a, ivec b)
{
#if defined(PAIRS)
    return PAIRS(mullo, a, b);
#else
    typedef uint16_t shorts __attribute__((vector_size(4 * VEC)));

    return (ivec)((shorts)a * (shorts)b);
#endif
}

/* The sum of both products. */
INLINE ivec pairs_dot(ivec a, ivec b)
{
#if defined(PAIRS)
    return PAIRS(madd, a, b);
#else
    return (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}

INLINE ivec pairs_min(ivec a, ivec b)
{
#if defined(PAIRS)
    return PAIRS(min, a, b);
#else
    typedef int16_t shorts __attribute__((vector_size(4 * VEC)));
    const ivec m = (ivec)((shorts)a < (shorts)b);

    return (a & m) | (b & ~m);
#endif
}

INLINE ivec pairs_max(ivec a, ivec b)
{
#if defined(PAIRS)
    return PAIRS(max, a, b);
#else
    return ~pairs_min(~a, ~b);
#endif
}

INLINE ivec pairs_less(ivec a, ivec b)
{
    typedef uint16_t shorts __attribute__((vector_size(4 * VEC)));

    return (ivec)((shorts)a - (shorts)b);
}

/* a / 2^down of each number, rounded down. */
INLINE ivec pairs_down(ivec a, int down)
{
    typedef int16_t shorts __attribute__((vector_size(4 * VEC)));

    return (ivec)((shorts)a >> down);
}

INLINE ivec pairs_all(int x)
{
    return ivec_all((int32_t)((uint32_t)x << 16 | ((uint32_t)x & 0xffffU)));
}

INLINE ivec pairs_of(ivec first, ivec second)
{
#if defined(__AVX512BW__)
    return (ivec)_mm512_mask_blend_epi16(0xaaaaaaaa, (__m512i)first, (__m512i)(second << 16));
#elif defined(__AVX2__)
    return (ivec)_mm256_blend_epi16((__m256i)first, (__m256i)(second << 16), 0xaa);
#else
    return (first & 0xffff) | second << 16;
#endif
}

enum { PAIR_STEPS = EIGHT_STEPS / 2 };

/* (turned x - offset) * per, rounded: steps 2 i and 2 i + 1 together at pair[16 i]. */
INLINE void pairs_take(int32_t pair[EIGHT_VALUES / 2], const float *turned,
                       const struct eights *offset, const struct eights *per)
{
    for (int k = 0; k < VEC_SUMS; k++)
        for (int i = 0; i < PAIR_STEPS; i++) {
            const float *at = turned + 32 * i + k * VEC;
            const vec a = (vec_load(at) - offset->v[k]) * per->v[k] + VEC_ROUND;
            const vec b = (vec_load(at + 16) - offset->v[k]) * per->v[k] + VEC_ROUND;
            const ivec both = pairs_of((ivec)a, (ivec)b);
            memcpy(pair + 16 * i + k * VEC, &both, sizeof(both));
        }
}

INLINE ivec pairs_load(const int32_t *pair)
{
    ivec v;

    memcpy(&v, pair, sizeof(v));
    return v;
}

/* A sum of each block in whole numbers, in both of its lanes. */
struct whole {
    ivec v[VEC_SUMS];
};

INLINE void whole_fold(struct whole *s)
{
#if defined(__AVX512F__)
    s->v[0] += (ivec)_mm512_shuffle_i32x4((__m512i)s->v[0], (__m512i)s->v[0], 0x4e);
#else
    for (int k = 0; k < VEC_SUMS / 2; k++)
        s->v[k] = s->v[k + VEC_SUMS / 2] = s->v[k] + s->v[k + VEC_SUMS / 2];
#endif
}

INLINE vec vec_of(ivec v)
{
    return __builtin_convertvector(v, vec);
}

/* To F16, nearest even, and back, eight at a time; what is too large becomes the largest. */
INLINE void eight_f16(uint16_t h[EIGHT], const float v[EIGHT])
{
#if defined(__AVX2__)
    const __m256 most = _mm256_set1_ps(65504), least = _mm256_set1_ps(-65504);
    const __m256 in = _mm256_min_ps(_mm256_max_ps(_mm256_loadu_ps(v), least), most);

    _mm_storeu_si128((__m128i *)h, _mm256_cvtps_ph(in, _MM_FROUND_TO_NEAREST_INT));
#else
    for (int b = 0; b < EIGHT; b++)
        h[b] = srch_f16_finite(v[b]);
#endif
}

INLINE void eight_from_f16(float v[EIGHT], const uint16_t h[EIGHT])
{
#if defined(__AVX2__)
    _mm256_storeu_ps(v, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h)));
#else
    f32_from_f16_n(v, h, EIGHT);
#endif
}

/* 1 / d, 0 of 0. */
INLINE void eight_inverse(float inverse[EIGHT], const uint16_t d[EIGHT])
{
#if defined(__AVX2__) /* compilers divide one by one */
    const __m256 v = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)d));
    const __m256 none = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_EQ_OQ);

    _mm256_storeu_ps(inverse, _mm256_andnot_ps(none, _mm256_div_ps(_mm256_set1_ps(1), v)));
#else
    float v[EIGHT];

    eight_from_f16(v, d);
    for (int b = 0; b < EIGHT; b++) {
        const float q = 1.0F / v[b];
        inverse[b] = v[b] != 0 ? q : 0;
    }
#endif
}

/* Codes in [0, max] of sixteen values, in the low byte of each: nearest to (x - offset) *
 * inverse + zero. `zero` is even, so that halves round to the same side with it. */
INLINE void eight_codes(ivec code[VEC_SUMS], const float *x, float inverse, float offset, int zero,
                        int max)
{
    const ivec lo = vec_bound(0), hi = vec_bound(max);

    for (int k = 0; k < VEC_SUMS; k++) {
        const vec v = (vec_load(x + k * VEC) - offset) * inverse + (VEC_ROUND + (float)zero);
        code[k] = ivec_min(ivec_max((ivec)v, lo), hi);
    }
}

/* The low bytes of sixteen codes. */
INLINE void eight_bytes(uint8_t *dst, const ivec code[VEC_SUMS])
{
    typedef uint8_t bytes __attribute__((vector_size(VEC)));

    for (int k = 0; k < VEC_SUMS; k++) {
        const bytes b = __builtin_convertvector(code[k], bytes);
        memcpy(dst + k * VEC, &b, sizeof(b));
    }
}

/* Bit `bit` of sixteen codes, the first one's lowest. */
INLINE unsigned eight_bits(const ivec code[VEC_SUMS], int bit)
{
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)code[0], _mm512_set1_epi32(1 << bit));
#elif defined(__AVX2__)
    const int lo = _mm256_movemask_ps((__m256)(code[0] << (31 - bit)));

    return (unsigned)(lo | _mm256_movemask_ps((__m256)(code[1] << (31 - bit))) << 8);
#else
    int32_t all[VEC_ALL];
    unsigned bits = 0;

    memcpy(all, code, sizeof(all));
    for (int j = 0; j < VEC_ALL; j++)
        bits |= ((unsigned)all[j] >> bit & 1U) << j;
    return bits;
#endif
}

/* 32 codes of five bits as Q5_0 and Q5_1 store them (q5_bits.h). */
INLINE void eight_five(uint8_t qh[4], uint8_t qs[16], const ivec lo[VEC_SUMS],
                       const ivec hi[VEC_SUMS])
{
    const unsigned first = eight_bits(lo, 4), second = eight_bits(hi, 4);
    ivec low[VEC_SUMS];

    for (int k = 0; k < VEC_SUMS; k++)
        low[k] = (lo[k] & 15) | (hi[k] & 15) << 4;
    eight_bytes(qs, low);
    qh[0] = (uint8_t)first;
    qh[1] = (uint8_t)(first >> 8);
    qh[2] = (uint8_t)second;
    qh[3] = (uint8_t)(second >> 8);
}

/* What the values of eight blocks are measured with, as stored. */
struct eight_lines {
    uint16_t d[EIGHT], m[EIGHT]; /* m: where the type has offsets */
};

typedef void eight_find_fn(struct eight_lines *f, const struct eight *e, enum codec_effort effort);
typedef void *eight_pack_fn(void *dst, const struct eight *e, const struct eight_lines *f);

/* A row of a legacy type. Blocks are packed while the next ones' lines are looked for: a search
 * is one long chain of operations, which leaves room beside it. `pack` gives what follows. */
INLINE void eight_encode(void *dst, const float *src, size_t n, const struct codec_how *how,
                         eight_find_fn *find, eight_pack_fn *pack)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    const size_t groups = (n / QK + EIGHT - 1) / EIGHT;
    struct eight_lines f[2];
    struct eight e[2];

    for (size_t g = 0; g <= groups; g++) {
        if (g < groups) {
            eight_init(&e[g % 2], src, &s, g * EIGHT, n);
            find(&f[g % 2], &e[g % 2], how->effort);
        }
        if (g > 0)
            dst = pack(dst, &e[(g - 1) % 2], &f[(g - 1) % 2]);
    }
}

#endif /* QUANT_REF_EIGHT_H */
