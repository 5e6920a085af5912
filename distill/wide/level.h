#ifndef DISTILL_WIDE_LEVEL_H
#define DISTILL_WIDE_LEVEL_H

/* The functions of a level, by the names of their places in struct wide, which says what they do.
 * Each level has its own; only its table is seen outside. */

#include "distill/wide/wide.h"

/* mul.c */
void wide_mul(const struct wide_mul *t);
void wide_turn(float *dst, size_t ld_dst, const float *src, size_t ld_src, size_t rows,
               size_t cols);

/* soft.c */
float wide_soft(float *s, float *inv, const struct wide_score *how, size_t n, size_t query);
void wide_soft_back(float *s, float *d, const struct wide_score *how, size_t n, size_t query,
                    const float lse_mean[2]);
void wide_cap(float *y, const float *x, float cap, size_t n);
void wide_cap_back(float *d, const float *y, float cap, size_t n);

/* norm.c */
void wide_norm(float *y, float stat[2], const float *x, const struct wide_norm *how);
void wide_norm_again(float *y, const float stat[2], const float *x, const struct wide_norm *how);
void wide_norm_back(float *dx, float *dw, float *db, const float *dy, const float *x,
                    const float stat[2], const struct wide_norm *how);

/* rotate.c */
void wide_rotate(float *x, const struct wide_turns *t);

/* act.c */
void wide_silu_back(float *g, float *u, float *dh, size_t n);
void wide_gelu_tanh_back(float *g, float *u, float *dh, size_t n);
void wide_gelu_erf_back(float *g, float *u, float *dh, size_t n);
void wide_gelu_quick_back(float *g, float *u, float *dh, size_t n);
void wide_relu_back(float *g, float *u, float *dh, size_t n);
void wide_relu2_back(float *g, float *u, float *dh, size_t n);

#endif /* DISTILL_WIDE_LEVEL_H */
