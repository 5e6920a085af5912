#ifndef EVAL_SVG_LINES_H
#define EVAL_SVG_LINES_H

/* Lines over a common axis as inline SVG. Line i has the classes line, sK (colour, K = i
 * modulo SVG_COLOURS) and dK (dashes, from i / SVG_COLOURS and colour), so that no two of
 * the first 32 look the same, in colour or without. A value without neighbours is a path of
 * the classes dot and sK, for a wide stroke with round ends. */

#include "eval/svg_axis.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { SVG_COLOURS = 8, SVG_DASHES = 4 };

struct svg_line {
    const char *label;
    const double *y; /* [n] of the lines; what can't be drawn (NaN, <= 0 with log_y) is left out */
};

struct svg_lines {
    struct svg_head head;
    const char *x_label, *y_label;
    const double *x; /* [n] ascending */
    size_t n;
    const struct svg_line *line;
    size_t n_lines;
    size_t first; /* line 0 looks like line `first` of another drawing */
    bool log_y;
    bool whole_x; /* x numbers things */
    bool names;   /* at the lines' ends; else a legend elsewhere has them */
};

/* Append the <svg> element. */
int svg_lines(struct buf *out, const struct svg_lines *p, struct err *err) WARN_UNUSED;

/* Append "line sK dK" of line i. */
void svg_line_class(struct buf *out, size_t i);

#endif /* EVAL_SVG_LINES_H */
