#ifndef QUANT_REF_K_WEIGHTS_H
#define QUANT_REF_K_WEIGHTS_H

/* The weights of squared errors in a K block. */

#include "quant/ref/search.h"
#include "quant/vec.h"

#include <math.h>

enum { K_BLOCK = 256 };

/* Columns that were never seen still count a little, so that a run of them is not stored
 * as zeros. */
#define K_FLOOR 1e-4F

/* How much large values are favoured: less than peers do with 1 or 2. */
#ifndef K_FLAT
#define K_FLAT 8.0F
#endif

/* importance * sqrt(1 + x^2 / (flat * mean square)), which favours large values as much as
 * `flat` lets it; without importance all are alike: srch_ones is returned. */
INLINE const float *k_weights(float w[K_BLOCK], const struct srch_weighting *s, const float *row,
                              size_t at, float flat)
{
    const float *x = row + at, *importance = s->importance + at;
    float y[K_BLOCK], least, greatest;

    if (!s->importance)
        return srch_ones;
    vec_bounds(&least, &greatest, x, K_BLOCK);
    const float most = greatest > -least ? greatest : -least;
    const float unit = most > SRCH_TINY * 0x1p-8F ? 1.0F / most : 0; /* squares stay in range */
    for (int i = 0; i < K_BLOCK; i++)
        y[i] = x[i] * unit;
    const float square = vec_dot(y, y, K_BLOCK) * (flat / (float)K_BLOCK);
    const float by = square > 0 ? 1.0F / square : 0;
    for (int i = 0; i < K_BLOCK; i++)
        w[i] = (importance[i] * s->inverse_mean + K_FLOOR) * sqrtf(1.0F + y[i] * y[i] * by);
    return w;
}

#endif /* QUANT_REF_K_WEIGHTS_H */
