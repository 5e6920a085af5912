#ifndef QUANT_KERN_H
#define QUANT_KERN_H

/* Kernels: the inner loops of running a model, one implementation per
 * instruction set behind one table. The scalar ones are the definition; the others
 * must agree with them within a bound computed from the data (tests/check). A
 * table is filled by kern_init for the CPU flags it is given and never changes.
 *
 * In every comment: matrices are row-major, [rows, columns]; no argument may alias
 * another unless it says so; n may be 0; no alignment is asked for. */

#include "formats/dtype.h"
#include "quant/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How weights and activations meet in a matrix product. */
enum kern_math {
    KERN_F32,   /* weights as stored, activations F32, products and sums as if in F32 */
    KERN_BF16,  /* weights as stored, activations rounded to BF16, sums in F32 */
    KERN_INT16, /* activations rounded to 16 bits, a scale for 32 values: fastest */
    KERN_MATH_COUNT
};

struct kern;

/* Matrix product by panels: a few weight rows are packed once and meet every
 * activation row. Tile sizes travel with the kernel that wants them. */
struct kern_gemm {
    size_t panel_rows; /* weight rows in a panel, <= KERN_PANEL_MAX */
    size_t act_rows;   /* activation rows in a block */
    /* Bytes of a packed panel and of a packed activation block, of k columns;
     * both may be overwritten by any pack and are aligned to 64 by the caller. */
    size_t (*panel_bytes)(size_t k);
    size_t (*act_bytes)(size_t k);
    /* Pack n <= panel_rows stored rows of type t, row r at w[r]. */
    void (*pack)(void *panel, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                 size_t n, size_t k);
    /* Pack one block: x[m, k], rows ld_x apart, m <= act_rows. */
    void (*pack_act)(void *act, const float *x, size_t ld_x, size_t m, size_t k);
    /* y[m, n] = act . panel^T; rows of y are ld_y apart; act is as many blocks as m
     * rows need, one after another. */
    void (*mul)(float *y, size_t ld_y, const void *act, const void *panel, size_t m, size_t n,
                size_t k);
};

enum { KERN_PANEL_MAX = 64 };

/* y[n] = w[n, k] . x[k] for one activation row: w are n stored rows of type t, row
 * r at w[r]; x as pack_vec of the same math left it. */
typedef void kern_vec_fn(float *y, const struct kern *kern, enum dtype t, const uint8_t *const *w,
                         size_t n, const void *x, size_t k);

/* A stored row as integers: w[i] = scale[i / 16] * q[i] - min[i / 32], k a multiple
 * of 32. The products round as the decoder's do. */
typedef void kern_int_fn(int8_t *q, float *scale, float *min, const void *src, size_t k);

/* A row of logits on its way to a softmax: weight * exp(s * (x[i] - max)), 0 where the exponent is
 * below -87. */
struct kern_soft {
    const float *x;
    float max;
    float weight;
};

/* How attention scores its positions. With s = scale * (q . k) of a query at p and a
 * key at j <= p: s = cap * tanh(s / cap), then s += slope * (j - p). Zeros: not done. */
struct kern_attn {
    float scale;
    float cap, slope;
    /* not 0: s += rounded * bf16(bf16(slope) * bf16(j)) instead of the slope's term */
    float rounded;
    size_t window;     /* only j > p - window are seen */
    size_t chunk;      /* only j >= p - p % chunk */
    const float *sink; /* a score that joins the softmax and has no value; NULL: none */
};

struct kern {
    const char *isa; /* "scalar", "avx2", "avx512", "amx" */

    /* The same bits as codec->dec. NULL: no such type. */
    codec_dec_fn *dec[DTYPE_COUNT];
    /* NULL: the type has no integers. */
    kern_int_fn *ints[DTYPE_COUNT];

    struct kern_gemm gemm[KERN_MATH_COUNT]; /* KERN_INT16: all NULL where BF16 is faster */

    /* Single activation rows. vec_bytes: of one packed row of k values. */
    size_t (*vec_bytes[KERN_MATH_COUNT])(size_t k);
    void (*pack_vec[KERN_MATH_COUNT])(void *dst, const float *x, size_t k);
    kern_vec_fn *vec[KERN_MATH_COUNT][DTYPE_COUNT]; /* NULL: no such type */

    /* sum a[i] * b[i] */
    float (*dot)(const float *a, const float *b, size_t n);
    /* y[i] += a * x[i] */
    void (*axpy)(float *y, const float *x, float a, size_t n);
    /* y = x / sqrt(mean(x^2) + eps) * w; y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * w; y may be x. */
    void (*layer_norm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* y[i] = silu(g[i]) * u[i], silu(v) = v / (1 + exp(-v)); y may be g or u. */
    void (*silu_mul)(float *y, const float *g, const float *u, size_t n);
    /* y[i] = x[i] (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; y may be x. */
    void (*gelu_tanh)(float *y, const float *x, size_t n);
    /* y[i] = x[i] (1 + erf(x / sqrt(2))) / 2; y may be x. */
    void (*gelu_erf)(float *y, const float *x, size_t n);
    /* log(sum exp(x[i])) in F64 sums, safe for large x: the normaliser of a softmax. */
    double (*log_sum_exp)(const float *x, size_t n);
    /* The largest x[i]; -INFINITY for n = 0. */
    float (*max)(const float *x, size_t n);
    /* *share = sum e[i] and *apart = sum e[i] * (p[i] - q[i]), e[i] = exp(p[i] - max), in F64
     * sums, over those p[i] >= max - 87; what a divergence of softmaxes is made of. */
    void (*divergence)(double *share, double *apart, const float *p, const float *q, float max,
                       size_t n);
    /* y[i] = exp(s * (x[i] - max)), 0 where the exponent is below -87; returns their sum, in F64.
     * y may be x. */
    double (*exp_from)(float *y, const float *x, float max, float s, size_t n);
    /* y[i] = log(x[i]), x[i] > 0 and no denormal; y may be x. */
    void (*log)(double *y, const double *x, size_t n);
    /* *share = sum e[i] and *apart = sum e[i] * ((p.x[i] - p.max) - (q.x[i] - q.max)), in F64 sums, e
     * the exponentials of p without its weight, where they are not 0. */
    void (*soft_sums)(double *share, double *apart, const struct kern_soft *p,
                      const struct kern_soft *q, float s, size_t n);
    /* d[i] += exponential of q - that of p (NULL: 0), except where q.x[i] is -inf. */
    void (*soft_pull)(float *d, const struct kern_soft *q, const struct kern_soft *p, float s,
                      size_t n);
    /* Rotate n_rot values in place; cs holds n_rot / 2 pairs (cos, sin).
     * pairs: (x[2i], x[2i+1]); halves: (x[i], x[i + n_rot/2]). */
    void (*rope_pairs)(float *x, const float *cs, size_t n_rot);
    void (*rope_halves)(float *x, const float *cs, size_t n_rot);
    /* One head: out[m, dv] = softmax(score(q[m, dk] . k^T)) . v. Query i stands at
     * position pos + i and sees positions up to it of k[., dk] and v[., dv], both
     * contiguous. scratch: attn_bytes(m, pos + m). */
    void (*attn)(float *out, size_t ld_out, const float *q, size_t ld_q, const float *k,
                 const float *v, size_t m, size_t pos, size_t dk, size_t dv,
                 const struct kern_attn *how, void *scratch);
    size_t (*attn_bytes)(size_t m, size_t n_pos);
};

/* Fill *k: scalar first, then each instruction set in `cpu` (enum cpu_flag)
 * overrides what it does better. */
void kern_init(struct kern *k, unsigned cpu);

/* The math that `math` amounts to for weights of type t and one activation row or many:
 * KERN_INT16 is KERN_BF16 where there are no integers, or where that is faster. */
enum kern_math kern_math_for(const struct kern *k, enum kern_math math, enum dtype t, bool many);

#endif /* QUANT_KERN_H */
