/* Codes with an offset: x ~ scale * code + offset. */

#include "quant/ref/search.h"

#include "quant/half.h"
#include "quant/vec.h"

void srch_affine_errors(float err[SRCH_LANES], const struct srch_line line[SRCH_LANES],
                        const float *x, const float *w, size_t n, int max_code)
{
    const ivec lo = vec_bound(0), hi = vec_bound(max_code);
    float scale[SRCH_LANES], offset[SRCH_LANES];

    for (int i = 0; i < SRCH_LANES; i++) {
        scale[i] = line[i].scale;
        offset[i] = line[i].offset;
    }
    for (int at = 0; at < SRCH_LANES; at += VEC) {
        const vec s = vec_load(scale + at), o = vec_load(offset + at);
        const vec inverse = vec_ratio(vec_all(1.0F), s);
        vec sum = {0};
        for (size_t i = 0; i < n; i++) {
            const vec from = x[i] - o;
            const vec e = from - s * vec_code(from * inverse, lo, hi);
            sum += w[i] * e * e;
        }
        vec_store(err + at, sum);
    }
}
