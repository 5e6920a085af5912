#ifndef DISTILL_WIDE_WIDE_H
#define DISTILL_WIDE_WIDE_H

/* Inner loops of training that a processor does better with wide vectors: plain C over
 * quant/vec.h, compiled once for each level of processor. Levels differ in the last bits. */

#include "formats/arch/arch_traits.h"

#include <stdbool.h>
#include <stddef.h>

/* c[m, n] (rows ld_c apart) = a . b, or += when `add`; a[i, l] lies at a[i * row_a + l * col_a],
 * b[k, n] has rows ld_b apart. For small matrices: nothing is packed. */
struct wide_mul {
    float *c;
    size_t ld_c;
    const float *a;
    size_t row_a, col_a;
    const float *b;
    size_t ld_b;
    size_t m, n, k;
    bool add;
};

/* How a raw product of query and key becomes a score: s *= scale; s = cap * tanh(s / cap);
 * s += slope * (j - query), j counted from the row's first. Zeros: not done. */
struct wide_score {
    float scale, cap, slope;
};

/* y = (x - mean) * inv * w + bias; stat is mean (0 for RMS) and inv. */
struct wide_norm {
    const float *w, *bias; /* NULL: 1, 0 */
    size_t n;
    float eps;
    bool layer;  /* layer norm; else RMS */
    bool add;    /* of norm_back: dx += */
    float scale; /* of norm_back: on dy */
};

/* Heads of a token that are rotated alike: each n_rot values of `width`, one after another. cos and
 * sin are [n_rot]: for pairs (x[2i], x[2i + 1]) each angle twice, the sines -s, s; for halves
 * (x[i], x[i + n_rot / 2]) the first half is read. */
struct wide_turns {
    const float *cos, *sin;
    size_t heads, width, n_rot;
    bool halves, back; /* back: by the opposite angles */
};

struct wide {
    void (*mul)(const struct wide_mul *j);
    /* dst[cols, rows] (rows ld_dst apart) = the transpose of src[rows, cols] (ld_src apart). */
    void (*turn)(float *dst, size_t ld_dst, const float *src, size_t ld_src, size_t rows,
                 size_t cols);

    /* s[n] = exp(score - the largest); log of the sum of exp(score), and 1 / sum s to *inv.
     * `query` is the query's place, counted as the n keys are. */
    float (*soft)(float *s, float *inv, const struct wide_score *how, size_t n, size_t query);
    /* Back: s are the raw products, d the gradient by the probabilities; afterwards s are the probabilities, d the
     * gradient by the raw products. lse_mean: of the row, as `soft` gave it, and its sum of probability * d. */
    void (*soft_back)(float *s, float *d, const struct wide_score *how, size_t n, size_t query,
                      const float lse_mean[2]);

    /* y may be x. */
    void (*norm)(float *y, float stat[2], const float *x, const struct wide_norm *how);
    /* The same again with the stat it gave. */
    void (*norm_again)(float *y, const float stat[2], const float *x, const struct wide_norm *how);
    /* dx from dy (dx may be dy); dw += and db += of the row (NULL: not wanted). */
    void (*norm_back)(float *dx, float *dw, float *db, const float *dy, const float *x,
                      const float stat[2], const struct wide_norm *how);

    void (*rotate)(float *x, const struct wide_turns *t);

    /* Of h = act(g) * u: from dh, dg to g, du to u, h to dh. u NULL: h = act(g). NULL: no
     * version of this activation (xIELU, clamped SwiGLU). */
    void (*act_back[ACT_GELU_QUICK + 1])(float *g, float *u, float *dh, size_t n);
    /* y = cap * tanh(x / cap); y may be x. */
    void (*cap)(float *y, const float *x, float cap, size_t n);
    /* d *= its derivative, given y. */
    void (*cap_back)(float *d, const float *y, float cap, size_t n);
};

/* The table for CPU flags (formats/base/cpu.h). */
const struct wide *wide_for(unsigned cpu);

extern const struct wide wide_table_scalar;
#if defined(__x86_64__)
extern const struct wide wide_table_avx2, wide_table_avx512;
#endif

#endif /* DISTILL_WIDE_WIDE_H */
