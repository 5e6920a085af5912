#include "eval/svg_lines.h"

#include "eval/figure.h"

#include <math.h>
#include <stdlib.h>

/* Where the name of a line goes. */
struct name {
    size_t line;
    double end; /* px: where the line ends */
    double at;  /* px: where the name stands, apart from the others */
    /* of block i, names that stand close: sum of their wishes, how many (spread) */
    double sum;
    size_t count;
};

void svg_line_class(struct buf *out, size_t i)
{
    buf_fmt(out, "line s%zu d%zu", i % SVG_COLOURS, (i + i / SVG_COLOURS) % SVG_DASHES);
}

static bool shown(const struct svg_lines *p, double y)
{
    return svg_sane(y) && (!p->log_y || y > 0);
}

static void place(struct svg_frame *f, const struct svg_lines *p)
{
    double lo = (double)INFINITY, hi = (double)-INFINITY;
    size_t letters = 0;

    *f = (struct svg_frame){.x_label = p->x_label,
                            .y_label = p->y_label,
                            .width = p->head.width,
                            .height = p->head.height};
    f->y.log = p->log_y;
    f->x.whole = p->whole_x;
    for (size_t k = 0; k < p->n_lines; k++) {
        for (size_t i = 0; i < p->n; i++)
            if (shown(p, p->line[k].y[i])) {
                lo = fmin(lo, p->line[k].y[i]);
                hi = fmax(hi, p->line[k].y[i]);
            }
        const size_t n = svg_letters(p->line[k].label);
        letters = n > letters ? n : letters;
    }
    f->right = p->names ? fmin(24 + SVG_LETTER * (double)letters, 0.3 * f->width) : SVG_RIGHT;
    svg_fit(&f->x, p->n ? p->x[0] : 0, p->n ? p->x[p->n - 1] : 1, 0);
    svg_fit(&f->y, lo, hi, 0.05);
    svg_frame_place(f);
}

/* A value without neighbours is no line. */
static void draw_points(struct buf *out, const struct svg_frame *f, const struct svg_lines *p,
                        size_t k)
{
    const double *y = p->line[k].y;

    for (size_t i = 0; i < p->n; i++) {
        if (!shown(p, y[i]) || (i && shown(p, y[i - 1])) || (i + 1 < p->n && shown(p, y[i + 1])))
            continue;
        buf_fmt(out, "<path class=\"dot s%zu\" d=\"M%.1f %.1fh0\"><title>",
                (p->first + k) % SVG_COLOURS, svg_px(&f->x, p->x[i]), svg_px(&f->y, y[i]));
        figure_text(out, p->line[k].label);
        buf_str(out, "</title></path>\n");
    }
}

static void draw_line(struct buf *out, const struct svg_frame *f, const struct svg_lines *p,
                      size_t k)
{
    bool pen = false;

    buf_str(out, "<path class=\"");
    svg_line_class(out, p->first + k);
    buf_str(out, "\" d=\"");
    for (size_t i = 0; i < p->n; i++) {
        const double y = p->line[k].y[i];
        if (shown(p, y))
            buf_fmt(out, "%c%.1f %.1f", pen ? 'L' : 'M', svg_px(&f->x, p->x[i]), svg_px(&f->y, y));
        pen = shown(p, y);
    }
    buf_str(out, "\"><title>");
    figure_text(out, p->line[k].label);
    buf_str(out, "</title></path>\n");
}

static int by_end(const void *a, const void *b)
{
    const struct name *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

/* Put names, sorted by where their lines end, as near to that as they can stand apart, within
 * lo .. hi: with i heights taken off, no name may lie above the one before it, which pooling
 * neighbours that do gives with the least squares. */
static void spread(struct name *name, size_t n, double lo, double hi)
{
    size_t blocks = 0;

    for (size_t i = 0; i < n; i++) {
        name[blocks].sum = name[i].end - (double)i * SVG_LINE;
        name[blocks++].count = 1;
        for (; blocks > 1 && name[blocks - 2].sum * (double)name[blocks - 1].count >
                                 name[blocks - 1].sum * (double)name[blocks - 2].count;
             blocks--) {
            name[blocks - 2].sum += name[blocks - 1].sum;
            name[blocks - 2].count += name[blocks - 1].count;
        }
    }
    for (size_t k = 0, i = 0; k < blocks; k++) {
        const double middle = name[k].sum / (double)name[k].count;
        const double at = fmax(lo, fmin(middle, hi - (double)(n - 1) * SVG_LINE));
        for (size_t j = 0; j < name[k].count; j++, i++)
            name[i].at = at + (double)i * SVG_LINE;
    }
}

/* The last value that is shown; NaN: none is. */
static double last_shown(const struct svg_lines *p, size_t k)
{
    for (size_t i = p->n; i-- > 0;)
        if (shown(p, p->line[k].y[i]))
            return p->line[k].y[i];
    return (double)NAN;
}

/* The names stand behind the frame at the height of their lines' ends, which lead to them. */
static void draw_names(struct buf *out, const struct svg_frame *f, const struct svg_lines *p,
                       struct name *name)
{
    size_t n = 0;

    for (size_t k = 0; k < p->n_lines; k++)
        if (shown(p, last_shown(p, k)))
            name[n++] = (struct name){.line = k, .end = svg_px(&f->y, last_shown(p, k))};
    qsort(name, n, sizeof(*name), by_end);
    spread(name, n, SVG_TOP + 4, f->height - SVG_BOTTOM + 2);
    for (size_t i = 0; i < n; i++) {
        buf_fmt(out, "<path class=\"s%zu lead\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                (p->first + name[i].line) % SVG_COLOURS, f->x.px1 + 2, name[i].end, f->x.px1 + 14,
                name[i].at);
        buf_fmt(out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\">", f->x.px1 + 17, name[i].at + 4);
        figure_text(out, p->line[name[i].line].label);
        buf_str(out, "</text>\n");
    }
}

int svg_lines(struct buf *out, const struct svg_lines *p, struct err *err)
{
    struct name *name = calloc(p->n_lines + 1, sizeof(*name));
    struct svg_frame f;

    if (!name)
        return err_nomem(err);
    place(&f, p);
    svg_open(out, &p->head);
    svg_frame_draw(out, &f);
    for (size_t k = 0; k < p->n_lines; k++)
        draw_line(out, &f, p, k);
    for (size_t k = 0; k < p->n_lines; k++)
        draw_points(out, &f, p, k);
    if (p->names)
        draw_names(out, &f, p, name);
    buf_str(out, "</svg>\n");
    free(name);
    return buf_check(out, err);
}
