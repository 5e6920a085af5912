#include "quant/ref/iq4_fit.h"

#include "quant/ref/search.h"
#include "quant/vec.h"

#include <math.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

const float iq4_number[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};

/* The nearest number by one look: intervals of STEP, the first from FIRST on, hold one of
 * the fifteen borders between the numbers each, and in their order (found by trying; two
 * borders miss their interval by 0.2, which moves a value so near a border only to the
 * other side of it). Interval b then leads to code b or b + 1. In units of STEP from the
 * middle of interval 0. */
#define STEP         14.64F
#define FIRST        -115.37F
#define OFFSET       (-FIRST / STEP - 0.5F)
#define BORDER(a, b) (((a) + (b)) / 2.0F / STEP + OFFSET)
static const float border[16] = {
    BORDER(-127, -104), BORDER(-104, -83), BORDER(-83, -65), BORDER(-65, -49),
    BORDER(-49, -35),   BORDER(-35, -22),  BORDER(-22, -10), BORDER(-10, 1),
    BORDER(1, 13),      BORDER(13, 25),    BORDER(25, 38),   BORDER(38, 53),
    BORDER(53, 69),     BORDER(69, 89),    BORDER(89, 113),  INFINITY};

/* ---- sixteen lanes ---------------------------------------------------------------- */

/* table[index & 15] in each lane */
INLINE vec look_up(const float table[16], ivec index)
{
#if defined(__AVX512F__)
    return (vec)_mm512_permutexvar_ps((__m512i)index, _mm512_loadu_ps(table));
#elif defined(__AVX2__)
    const __m256i at = (__m256i)index;
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), at);
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), at);
    return (vec)_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at, 28)));
#else
    vec v;
    for (int j = 0; j < VEC; j++)
        v[j] = table[index[j] & 15];
    return v;
#endif
}

/* The codes of v = x / scale / STEP + OFFSET, in the low four bits. */
INLINE ivec codes_of(vec v)
{
#if defined(__AVX512F__)
    const __m512 in =
        _mm512_min_ps(_mm512_max_ps((__m512)v, _mm512_setzero_ps()), _mm512_set1_ps(15));
    const __m512i b = _mm512_castps_si512(_mm512_add_ps(in, _mm512_set1_ps(VEC_ROUND)));
    const __mmask16 over =
        _mm512_cmp_ps_mask((__m512)v, (__m512)look_up(border, (ivec)b), _CMP_GT_OQ);
    return (ivec)_mm512_mask_add_epi32(b, over, b, _mm512_set1_epi32(1));
#else
    const ivec shifted = (ivec)(v + VEC_ROUND);
    const ivec b = ivec_min(ivec_max(shifted, vec_bound(0)), vec_bound(15));

    return b - (v > look_up(border, b));
#endif
}

INLINE void sums_loop(struct iq4_sums *s, const float inverse[IQ4_LANES], const float *x,
                      const float *w, int even)
{
    for (int k = 0; k < IQ4_LANES; k += VEC) {
        const vec inv = vec_load(inverse + k);
        vec lx = {0}, l2 = {0};
        for (int i = 0; i < IQ4_RUN; i++) {
            const vec q = look_up(iq4_number, codes_of(x[i] * inv + OFFSET));
            const vec wq = even ? q : w[i] * q;
            lx += wq * x[i];
            l2 += wq * q;
        }
        vec_store(s->lx + k, lx);
        vec_store(s->l2 + k, l2);
    }
}

/* ---- searches ------------------------------------------------------------------------ */

static void sums_of_inverse(struct iq4_sums *s, const float inverse[IQ4_LANES], const float *x,
                            const float *w)
{
    if (w)
        sums_loop(s, inverse, x, w, 0);
    else
        sums_loop(s, inverse, x, x, 1);
}

INLINE float ratio(float a, float b)
{
    return b != 0 ? a / b : 0;
}

void iq4_sums(struct iq4_sums *s, const float scale[IQ4_LANES], const float x[IQ4_RUN],
              const float *w)
{
    float inverse[IQ4_LANES];

    for (int j = 0; j < IQ4_LANES; j++)
        inverse[j] = ratio(1.0F / STEP, scale[j]);
    sums_of_inverse(s, inverse, x, w);
}

/* Where the largest magnitude lands, in numbers: mostly near -127, the side that reaches
 * further. Uneven weights make it worth clipping it, or leaving room. Lanes keep apart. */
enum { BATCHES = 4 };
static const float landing[BATCHES][IQ4_LANES] = {
    {-178, -160, -150, -142, -134, -127, -121, -115, -108, -100, -90, 84, 97,  108, 116, 126},
    {-168, -155, -146, -138, -130, -124, -118, -112, -104, -95,  -84, 90, 103, 112, 121, 136},
    {-240, -205, -152, -144, -136, -128, -119, -110, -102, -92,  -76, 76, 100, 110, 146, 160},
    {-220, -190, -148, -140, -132, -125, -122, -106, -98,  -87,  -68, 66, 94,  131, 176, 200},
};
static const int batches[EFFORT_COUNT] = {
    [EFFORT_FAST] = 1, [EFFORT_NORMAL] = 2, [EFFORT_BEST] = BATCHES};

/* Keep the better codes of each lane. */
INLINE void keep_better(struct iq4_sums *best, float scale[IQ4_LANES], const struct iq4_sums *s)
{
    for (int j = 0; j < IQ4_LANES; j++) {
        const float fit = ratio(s->lx[j], s->l2[j]);
        const int more = fit * s->lx[j] > scale[j] * best->lx[j];
        scale[j] = more ? fit : scale[j];
        best->lx[j] = more ? s->lx[j] : best->lx[j];
        best->l2[j] = more ? s->l2[j] : best->l2[j];
    }
}

int iq4_modes(struct iq4_sums *s, float scale[IQ4_LANES], const float x[IQ4_RUN], const float *w,
              enum codec_effort effort)
{
    const int more = w && effort == EFFORT_NORMAL; /* uneven weights have many local optima */
    const float extreme = srch_extreme(x, IQ4_RUN);
    struct iq4_sums now;
    float inverse[IQ4_LANES];
    int best = 0;

    memset(s, 0, sizeof(*s));
    memset(scale, 0, IQ4_LANES * sizeof(*scale));
    if (fabsf(extreme) < SRCH_TINY)
        return -1;
    for (int b = 0; b < batches[effort] + more; b++) {
        for (int j = 0; j < IQ4_LANES; j++)
            inverse[j] = landing[b][j] * (1.0F / STEP / extreme);
        sums_of_inverse(&now, inverse, x, w);
        keep_better(s, scale, &now);
    }
    iq4_sums(&now, scale, x, w);
    keep_better(s, scale, &now);
    for (int j = 1; j < IQ4_LANES; j++)
        if (scale[j] * s->lx[j] > scale[best] * s->lx[best])
            best = j;
    return best;
}

/* ---- codes ------------------------------------------------------------------------------ */

void iq4_codes(uint8_t code[IQ4_RUN], const float x[IQ4_RUN], float scale)
{
    const float inverse = ratio(1.0F / STEP, scale);

    for (int i = 0; i < IQ4_RUN; i += VEC) {
        const ivec c = codes_of(vec_load(x + i) * inverse + OFFSET);
        int32_t each[VEC];
        memcpy(each, &c, sizeof(each));
        for (int j = 0; j < VEC; j++)
            code[i + j] = (uint8_t)(each[j] & 15);
    }
}

void iq4_pack(uint8_t qs[IQ4_RUN / 2], const uint8_t code[IQ4_RUN])
{
    for (int j = 0; j < IQ4_RUN / 2; j++)
        qs[j] = (uint8_t)(code[j] | code[j + 16] << 4);
}

void iq4_unpack(float dst[IQ4_RUN], const uint8_t qs[IQ4_RUN / 2], float scale)
{
    for (int j = 0; j < IQ4_RUN / 2; j++) {
        dst[j] = scale * iq4_number[qs[j] & 15];
        dst[j + 16] = scale * iq4_number[qs[j] >> 4];
    }
}
