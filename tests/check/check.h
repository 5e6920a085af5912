#ifndef TESTS_CHECK_CHECK_H
#define TESTS_CHECK_CHECK_H

/* Kernels against the scalar ones, on random sizes and data. */

#include "formats/dtype.h"
#include "quant/kern.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A repeatable stream of random numbers (xorshift64*, Vigna 2016). */
struct rnd {
    uint64_t state;
};

/* In [0, n). */
size_t rnd_below(struct rnd *r, size_t n);
/* In [-1, 1), about one in 16 of them 30 times as large: activations have outliers. */
float rnd_float(struct rnd *r);

/* Exactly n bytes (at least 1), aligned to 64, so that ASan sees one read too many.
 * Ends the program when there is no memory. */
void *mem(size_t n);
float *mem_floats(struct rnd *r, size_t n);
/* n_rows stored rows of k random values of type t, sane scales; owned. */
uint8_t *mem_rows(struct rnd *r, enum dtype t, size_t n_rows, size_t k);

/* k values are a whole number of blocks of t. */
size_t rnd_columns(struct rnd *r, enum dtype t);

/* A failed check says why here, in one line. */
struct why {
    char msg[256];
};
/* Writes the line; returns false. */
bool why(struct why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One kernel of `now` against `ref`; false with a reason. t: DTYPE_NONE for the
 * kernels that know no types. */
typedef bool check_fn(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                      struct why *w);

check_fn check_dec, check_ints;
check_fn check_gemm_f32, check_gemm_bf16, check_gemm_int16;
check_fn check_vec_f32, check_vec_bf16, check_vec_int16;
check_fn check_pack_int16, check_dot, check_axpy, check_rms_norm, check_silu_mul, check_log_sum_exp;
check_fn check_layer_norm, check_gelu_tanh, check_gelu_erf;
check_fn check_max, check_divergence;
check_fn check_exp_from, check_log, check_soft_sums, check_soft_pull;
check_fn check_rope, check_attn;

/* GFLOP/s of the matrix products and seconds of the rest, for each level. */
int bench(void);

#endif /* TESTS_CHECK_CHECK_H */
