#ifndef QUANT_KERN_TILE_H
#define QUANT_KERN_TILE_H

/* Small products of F32 matrices, c = a . b, whose sums stay in registers: what
 * attention and the float matrix products are made of. Plain data, every ISA. */

#include <stdbool.h>
#include <stddef.h>

/* A row-major matrix in memory, rows ld values apart. */
struct tile_in {
    const float *p;
    size_t ld;
};

/* Where a product goes. */
struct tile_out {
    float *p;
    size_t ld, rows, cols;
    const float *scale; /* a factor for each row, or NULL */
    bool add;           /* to what is there */
};

/* c[c.rows, c.cols] = a[c.rows, n] . b[n, c.cols]. Columns beyond the tile's width are
 * left alone; c.rows is at most its height. */
typedef void tile_fn(struct tile_out c, struct tile_in a, struct tile_in b, size_t n);

#endif /* QUANT_KERN_TILE_H */
