#ifndef QUANT_REF_SEARCH_H
#define QUANT_REF_SEARCH_H

/* Searches for the scales of a run of values, shared by the encoders. Sixteen
 * candidates are tried at a time, one in each lane of a vector; every lane adds in
 * the order of the values, so a result does not depend on how wide the machine's own
 * vectors are: scalar, SSE2, AVX2 and AVX-512 give the same bits. */

#include <stddef.h>
#include <stdint.h>

enum { SRCH_LANES = 16 };

/* Below this no code but zero can be stored: half of F16's smallest number. */
#define SRCH_TINY 0x1p-25F

enum { SRCH_F16_MOST = 0x7bff }; /* 65504 */

/* How hard to look. With even weights one look at sixteen scales comes within a few
 * thousandths of the best error; uneven ones have many local optima. */
enum srch_effort { SRCH_QUICK, SRCH_NORMAL, SRCH_THOROUGH };

/* F16 numbers below these bits (2^-11) have so few bits left that rounding a scale to one
 * may cost more than a refit gains. */
enum { SRCH_F16_COARSE = 0x1000 };

/* The weight of each squared error: 1 without importance (a constant array is
 * returned), else importance * sqrt(sigma2 + x^2) in w. n <= SRCH_MAX values. */
enum { SRCH_MAX = 256 };
extern const float srch_ones[SRCH_MAX]; /* the weights where all are alike */
struct srch_weighting {
    const float *importance; /* of the whole row; NULL: none */
    float inverse_mean;      /* of importance */
    float sigma2;            /* mean square of the values */
};
struct srch_weighting srch_weighting(const float *row, const float *importance, size_t n);
/* Of row[at, at + n). */
const float *srch_weights(float *w, const struct srch_weighting *s, const float *row, size_t at,
                          size_t n);
/* Importance alone, for types that gain nothing from the values' own size. */
const float *srch_importance(float *w, const struct srch_weighting *s, size_t at, size_t n);

/* sum x^2 / n */
float srch_mean_square(const float *x, size_t n);

/* In all of these n is a multiple of 16. */

/* The value of largest magnitude, of equals the positive one. */
float srch_extreme(const float *x, size_t n);

/* x[i] ~ scale * code, code a whole number in [-levels, levels - 1]: the scale of
 * least weighted error, 0 when nothing but zero fits. Its sign is free. */
float srch_symmetric(const float *x, const float *w, size_t n, int levels, enum srch_effort effort);

/* The F16 scale near `scale`, by the error of the codes it really leads to. */
uint16_t srch_symmetric_f16(float scale, const float *x, const float *w, size_t n, int levels);

/* The nearest finite F16. */
uint16_t srch_f16_finite(float v);

/* The smallest F16 >= v (v >= 0), or the largest there is. */
uint16_t srch_f16_up(float v);

/* code[i] = the nearest of [min, max] to (x[i] - offset) / scale; all 0 (or the
 * nearest to it) when scale is 0. */
void srch_codes(int8_t *code, const float *x, size_t n, float scale, float offset, int min,
                int max);

#endif /* QUANT_REF_SEARCH_H */
