#ifndef EVAL_COMPARE_SHOW_H
#define EVAL_COMPARE_SHOW_H

/* A row of a comparison in words, the same on a terminal, a page and in Markdown. */

#include "eval/compare.h"

#include <stddef.h>

enum { COMPARE_CELL_BYTES = 128 };

struct compare_cells {
    char title[COMPARE_CELL_BYTES]; /* "mean KLD"; with the task or kernels before it */
    char a[COMPARE_CELL_BYTES];     /* "0.0285" */
    char b[COMPARE_CELL_BYTES];
    char diff[COMPARE_CELL_BYTES];     /* "+0.0146", "× 1.0034", "-1.21 MiB (-1.4 %)" */
    char interval[COMPARE_CELL_BYTES]; /* "+0.0121 … +0.0171"; "" for sizes and where unknown */
    /* "worse", "no difference; about 340 more windows would show one like this" */
    char verdict[COMPARE_CELL_BYTES];
};

/* The cells of a row. */
void compare_show(struct compare_cells *out, const struct compare_row *row);

/* A mean of a window for people. */
void compare_show_window(char out[COMPARE_CELL_BYTES], double x);

#endif /* EVAL_COMPARE_SHOW_H */
