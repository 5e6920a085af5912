#ifndef QUANT_REF_OCTET_VEC_H
#define QUANT_REF_OCTET_VEC_H

/* Eight values that share an entry of a codebook, in one vector: 32 bytes everywhere, passed by
 * address since without AVX there is no way to pass one by value. */

#include "quant/wide.h"

#include <stdint.h>
#include <string.h>

typedef int32_t octet_ints __attribute__((vector_size(32)));
typedef float octet_floats __attribute__((vector_size(32)));

/* The digits of an entry, two bits each. */
INLINE void octet_digits(octet_ints *digit, unsigned entry)
{
    const octet_ints shift = {0, 2, 4, 6, 8, 10, 12, 14};

    *digit = ((octet_ints){0} + (int32_t)entry) >> shift & 3;
}

/* sum x v, by halves */
INLINE float octet_dot(const float x[8], const octet_floats *v)
{
    typedef float half __attribute__((vector_size(16)));
    octet_floats all;
    half four[2];

    memcpy(&all, x, sizeof(all));
    all *= *v;
    memcpy(four, &all, sizeof(four));
    four[0] += four[1];
    return (four[0][0] + four[0][2]) + (four[0][1] + four[0][3]);
}

#endif /* QUANT_REF_OCTET_VEC_H */
