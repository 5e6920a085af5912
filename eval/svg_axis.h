#ifndef EVAL_SVG_AXIS_H
#define EVAL_SVG_AXIS_H

/* What the drawings share: the element's head, a frame with two axes, their ticks and
 * grid. Colours come from the page: classes axis, grid, name. */

#include "formats/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SVG_LEFT = 72, /* px kept around the plot, for the axes' numbers and names */
    SVG_RIGHT = 16,
    SVG_TOP = 14,
    SVG_BOTTOM = 48,
    SVG_ZERO_BAND = 26, /* below a logarithmic axis, for what is as good as 0 */
    SVG_LETTER = 8,     /* width of a label's letter, at its 12 px */
    SVG_LINE = 14       /* height of a label */
};

/* What stands in the element's head. */
struct svg_head {
    const char *id;        /* the element's, unique on the page; those of its texts begin with it */
    const char *css_class; /* of the element */
    const char *title;     /* for those who can't see it */
    const char *desc;      /* the same in more words */
    int width, height;     /* of the drawing, in px; it scales with the page */
};

/* An axis: values lo .. hi lie at px0 .. px1. */
struct svg_axis {
    double lo, hi, px0, px1;
    bool log;
    bool whole; /* numbers of things: no ticks between them; not logarithmic */
};

/* A plot's frame. */
struct svg_frame {
    struct svg_axis x, y;
    const char *x_label, *y_label;
    int width, height;
    double right;   /* px kept at the right */
    bool zero_band; /* a line "0" below a logarithmic y axis */
    double zero_px; /* where it is */
};

/* Can it be drawn? Beyond 1e12 no axis has labels that differ. */
bool svg_sane(double v);

/* Where a value lies. */
double svg_px(const struct svg_axis *a, double v);

/* Make the axis hold lo .. hi with some room on both sides; lo > hi: nothing to hold. On a
 * logarithmic axis lo > 0. */
void svg_fit(struct svg_axis *a, double lo, double hi, double room);

/* Set the pixels of the frame's axes from its size and margins. */
void svg_frame_place(struct svg_frame *f);

/* Append the start of the element with its texts; the end is "</svg>". */
void svg_open(struct buf *out, const struct svg_head *h);

/* Append grid, numbers and names of the axes. */
void svg_frame_draw(struct buf *out, const struct svg_frame *f);

/* Columns of a text: a character beyond ASCII counts as one. */
size_t svg_letters(const char *s);

#endif /* EVAL_SVG_AXIS_H */
