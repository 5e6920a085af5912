#ifndef QUANT_LANES_H
#define QUANT_LANES_H

/* Sixteen numbers that are computed with together. The compiler maps them to whatever
 * vectors there are; what happens in a lane is the same on every machine. */

#include "quant/wide.h"

#include <string.h>

enum { LANES = 16 };
typedef float lanes __attribute__((vector_size(4 * LANES)));

INLINE void lanes_load(lanes *v, const float *p)
{
    memcpy(v, p, sizeof(*v));
}

INLINE void lanes_store(float *p, const lanes *v)
{
    memcpy(p, v, sizeof(*v));
}

INLINE void lanes_all(lanes *v, float x)
{
    static const lanes one = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    *v = x * one; /* a broadcast, unlike a list of sixteen x */
}

#endif /* QUANT_LANES_H */
