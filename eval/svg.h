#ifndef EVAL_SVG_H
#define EVAL_SVG_H

/* Points with error bars and labels as inline SVG. Colours come from the page: the
 * classes of svg_axis.h, mark, behind, bar, label, front. */

#include "eval/svg_axis.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct svg_point {
    const char *label;
    const char *note; /* shown under the pointer */
    double x, y;      /* below 1e12, or the point is left out */
    double error;     /* half the bar's length; NaN: no bar */
    bool behind;      /* another shape: some other point is better in both */
};

struct svg_plot {
    struct svg_head head;
    const char *x_label, *y_label;
    const struct svg_point *point;
    size_t n;
    bool front;     /* a stair through the points that are not behind */
    bool log_y;     /* y by powers of ten; what is at most y_floor stands on a line "0" */
    double y_floor; /* > 0 with log_y */
};

/* Append the <svg> element. */
int svg_plot(struct buf *out, const struct svg_plot *p, struct err *err) WARN_UNUSED;

#endif /* EVAL_SVG_H */
