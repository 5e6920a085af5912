/* Q8_0: 32 values, w = d * code, code -127 .. 127. Codes are so many that what is left is
 * noise: of scales that let the largest magnitude land on 127, 126, 125 .. one happens to suit
 * the block's other values. EFFORT_FAST gives the bytes of the reference converter (gguf-py)
 * and of ggml: d = max|x| / 127, codes from the unrounded d, halves away from zero. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/eight.h"
#include "quant/ref/ref.h"
#include "quant/vec.h"

/* ---- as the reference ------------------------------------------------------------------ */

/* Nearest whole number, halves away from zero; |x| < 2^22. The largest number below
 * a half is added: a half itself would lift 0.49999997 to 1. */
INLINE ivec round_away(vec x)
{
    const ivec u = (ivec)x, sign = u >> 31;
    const ivec r = __builtin_convertvector((vec)(u & 0x7fffffff) + 0x1.fffffep-2F, ivec);

    return (r ^ sign) - sign;
}

/* The largest magnitude, by the order of the bits. */
INLINE float largest(const float x[QK])
{
    ivec most[VEC_SUMS];

    for (int k = 0; k < VEC_SUMS; k++)
        most[k] = ivec_max((ivec)vec_load(x + k * VEC) & 0x7fffffff,
                           (ivec)vec_load(x + QK / 2 + k * VEC) & 0x7fffffff);
    return f32_from_bits((uint32_t)ivec_greatest(most));
}

typedef int8_t codes __attribute__((vector_size(VEC)));

INLINE void block_as_reference(struct block_q8_0 *b, const float *x)
{
    const float max = largest(x);
    const float d = max / 127.0F;
    /* a denormal d has no finite inverse; its f16 is zero anyway */
    const float inv = max < 0x1p-100F ? 0.0F : 1.0F / d;

    b->d = f16_from_f32(d);
    for (int i = 0; i < QK; i += VEC) {
        const codes c = __builtin_convertvector(round_away(vec_load(x + i) * inv), codes);
        memcpy(b->qs + i, &c, sizeof(c));
    }
}

/* ---- by a search ------------------------------------------------------------------------ */

/* In whole numbers: the largest magnitude of a block is MOST, the largest weight HEAVIEST. */
enum { TOP = 127, MOST = 32767, HEAVIEST = 2047 };
static const int tries[EFFORT_COUNT] = {[EFFORT_NORMAL] = 8, [EFFORT_BEST] = 24};

/* Squared errors of codes x * lands / 2^15. The product's fifteen low bits are what rounding
 * takes away, counted from the nearest whole number when their upper one is a sign; of that
 * enough is kept for a sum of 32 squares to stay below 2^31. */
INLINE void errors_of(struct eights *err, const int32_t *pair, const int32_t *weight, int lands)
{
    const ivec by = pairs_all(2 * lands); /* the uppermost of sixteen bits falls off */
    struct whole sum;

    for (int k = 0; k < VEC_SUMS; k++) {
        ivec a = {0};
        for (int i = 0; i < PAIR_STEPS; i++) {
            const ivec low = pairs_low(pairs_load(pair + 16 * i + k * VEC), by);
            if (weight) {
                const ivec rest = pairs_down(low, 1), square = pairs_scale(rest, rest);
                a += pairs_dot(square, pairs_load(weight + 16 * i + k * VEC));
            } else {
                const ivec rest = pairs_down(low, 3);
                a += pairs_dot(rest, rest);
            }
        }
        sum.v[k] = a;
    }
    whole_fold(&sum);
    for (int k = 0; k < VEC_SUMS; k++)
        err->v[k] = vec_of(sum.v[k]) * (1.0F / (float)(lands * lands));
}

INLINE void search(struct eights *lands, const int32_t *pair, const int32_t *weight, int n)
{
    struct eights err, least;

    errors_of(&least, pair, weight, TOP);
    for (int k = 0; k < VEC_SUMS; k++)
        lands->v[k] = vec_all(TOP);
    for (int i = 1; i < n; i++) {
        errors_of(&err, pair, weight, TOP - i);
        for (int k = 0; k < VEC_SUMS; k++) {
            lands->v[k] = lane_more(least.v[k], err.v[k], vec_all((float)(TOP - i)), lands->v[k]);
            least.v[k] = vec_min(err.v[k], least.v[k]);
        }
    }
}

/* Whole numbers from 0 to HEAVIEST of each block. */
static void weigh(int32_t weight[EIGHT_VALUES / 2], const struct eight *e)
{
    struct eights least, per, zero = {{{0}}};

    eight_bounds(&least, &per, e->turned_w);
    for (int k = 0; k < VEC_SUMS; k++)
        least.v[k] = vec_all(HEAVIEST);
    eights_ratio(&per, &least, &per);
    pairs_take(weight, e->turned_w, &zero, &per);
}

/* F16 scales of eight blocks, none of which lets a value pass TOP by more than rounding. */
static void find(struct eight_lines *f, const struct eight *e, enum codec_effort effort)
{
    struct eights lo, hi, per, most, lands, zero = {{{0}}};
    int32_t pair[EIGHT_VALUES / 2], weight[EIGHT_VALUES / 2];
    float scale[EIGHT];

    eight_bounds(&lo, &hi, e->turned_x);
    for (int k = 0; k < VEC_SUMS; k++) {
        const vec m = vec_max(hi.v[k], -lo.v[k]);
        most.v[k] = lane_more(vec_all(SRCH_TINY), m, (vec){0}, m);
        per.v[k] = vec_all(MOST);
    }
    eights_ratio(&per, &per, &most);
    pairs_take(pair, e->turned_x, &zero, &per);
    if (e->w) {
        weigh(weight, e);
        search(&lands, pair, weight, tries[effort]);
    } else {
        search(&lands, pair, NULL, tries[effort]);
    }
    eights_ratio(&most, &most, &lands);
    eights_get(scale, &most);
    eight_f16(f->d, scale);
    for (size_t b = 0; b < e->n; b++)
        if (f->d[b] < 0x400) /* few bits: too small a scale would cut the largest off */
            f->d[b] = srch_f16_up(scale[b]);
}

static void block_pack(struct block_q8_0 *b, const float *x, uint16_t d, float inverse)
{
    const ivec lo = vec_bound(-TOP), hi = vec_bound(TOP);

    b->d = d;
    for (int i = 0; i < QK; i += VEC_ALL) {
        ivec code[VEC_SUMS];
        uint8_t bytes[VEC_ALL];
        for (int k = 0; k < VEC_SUMS; k++) {
            const vec v = vec_load(x + i + k * VEC) * inverse + VEC_ROUND;
            code[k] = ivec_min(ivec_max((ivec)v, lo), hi);
        }
        eight_bytes(bytes, code);
        memcpy(b->qs + i, bytes, sizeof(bytes));
    }
}

static void *pack(void *dst, const struct eight *e, const struct eight_lines *f)
{
    struct block_q8_0 *b = dst;
    float inverse[EIGHT];

    eight_inverse(inverse, f->d);
    for (size_t k = 0; k < e->n; k++)
        block_pack(b++, e->x + k * QK, f->d[k], inverse[k]);
    return b;
}

void q8_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct block_q8_0 *b = dst;

    if (how->effort == EFFORT_FAST)
        for (size_t i = 0; i < n / QK; i++)
            block_as_reference(&b[i], src + i * QK);
    else
        eight_encode(dst, src, n, how, find, pack);
}

/* VEC codes as numbers: compilers take the conversion apart. */
INLINE vec code_values(const int8_t *qs)
{
#if defined(__AVX512F__)
    const __m128i c = _mm_loadu_si128((const __m128i *)qs);

    return (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(c));
#elif defined(__AVX2__)
    const __m128i c = _mm_loadl_epi64((const __m128i *)qs);

    return (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(c));
#else
    return (vec){(float)qs[0], (float)qs[1], (float)qs[2], (float)qs[3]};
#endif
}

void q8_0_decode(float *dst, const void *src, size_t n)
{
    enum { STRIP = 64 };
    const struct block_q8_0 *b = src;

    for (size_t left = n / QK, k; left; left -= k) {
        uint16_t half[STRIP];
        float d[STRIP];
        k = left < STRIP ? left : STRIP;
        for (size_t i = 0; i < k; i++)
            half[i] = b[i].d;
        f32_from_f16_n(d, half, k);
        for (size_t i = 0; i < k; i++, b++)
            for (int j = 0; j < QK; j += VEC, dst += VEC)
                vec_store(dst, code_values(b->qs + j) * d[i]);
    }
}
