/* What a tensor lost: sums over what was read and what will be read back. */

#include "quant/pipe/pipe.h"
#include "quant/wide.h"

#include <stddef.h>
#include <string.h>

/* Sixteen numbers side by side, whatever vectors there are: WIDE code is compiled for several. */
enum { LANES = 16 };
typedef float lanes __attribute__((vector_size(4 * LANES)));

/* Values whose squares are added in F32, sixteen side by side, before F64 takes over: six
 * digits are left. */
enum { STRIP = 1024 };

struct pair {
    double err2, sum2;
};

INLINE void lanes_load(lanes *v, const float *p)
{
    memcpy(v, p, sizeof(*v));
}

INLINE double lanes_sum(const lanes *v)
{
    float part[LANES];
    double sum = 0;

    memcpy(part, v, sizeof(part));
    for (size_t j = 0; j < LANES; j++)
        sum += (double)part[j];
    return sum;
}

/* The same in F64, for squares that F32 does not hold. */
static struct pair strip_slow(const float *x, const float *y, const float *w, size_t n)
{
    struct pair p = {0, 0};

    for (size_t i = 0; i < n; i++) {
        const double d = (double)y[i] - (double)x[i], by = w ? (double)w[i] : 1;
        p.err2 += by * d * d;
        p.sum2 += by * (double)x[i] * (double)x[i];
    }
    return p;
}

/* n: a multiple of LANES; w NULL: alike. */
INLINE struct pair strip_fast(const float *x, const float *y, const float *w, size_t n)
{
    lanes a, b, by, e = {0}, s = {0};

    for (size_t i = 0; i < n; i += LANES) {
        lanes_load(&a, x + i);
        lanes_load(&b, y + i);
        b -= a;
        b *= b;
        a *= a;
        if (w) {
            lanes_load(&by, w + i);
            b *= by;
            a *= by;
        }
        e += b;
        s += a;
    }
    return (struct pair){lanes_sum(&e), lanes_sum(&s)};
}

INLINE struct pair strip(const float *x, const float *y, const float *w, size_t n)
{
    if (n % LANES == 0) {
        const struct pair p = strip_fast(x, y, w, n);
        if (p.sum2 > 1e-25 && p.sum2 < 1e35 && p.err2 < 1e35)
            return p;
    }
    return strip_slow(x, y, w, n);
}

WIDE void pipe_sums_row(struct pipe_sums *sums, const float *x, const float *y, const float *w,
                        size_t n)
{
    for (size_t i = 0; i < n; i += STRIP) {
        const size_t k = n - i < STRIP ? n - i : STRIP;
        const struct pair p = strip(x + i, y + i, NULL, k);
        const struct pair q = w ? strip(x + i, y + i, w + i, k) : p;
        sums->err2 += p.err2;
        sums->sum2 += p.sum2;
        sums->weighted_err2 += q.err2;
        sums->weighted_sum2 += q.sum2;
    }
}

void pipe_sums_add(struct pipe_sums *to, const struct pipe_sums *from)
{
    to->err2 += from->err2;
    to->sum2 += from->sum2;
    to->weighted_err2 += from->weighted_err2;
    to->weighted_sum2 += from->weighted_sum2;
}
