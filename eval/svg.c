#include "eval/svg.h"

#include "eval/figure.h"

#include <math.h>
#include <stdlib.h>

enum { RADIUS = 5 }; /* px of a mark */

struct box {
    double x0, y0, x1, y1;
};

struct plot {
    const struct svg_plot *p;
    struct buf *b;
    struct svg_frame f;
    struct box *taken; /* owned; where labels and marks already are */
    size_t n_taken;
};

static bool shown(const struct svg_point *s)
{
    return svg_sane(s->x) && svg_sane(s->y);
}

static bool at_zero(const struct plot *s, double y)
{
    return s->p->log_y && y <= s->p->y_floor;
}

static double y_px(const struct plot *s, double y)
{
    return at_zero(s, y) ? s->f.zero_px : svg_px(&s->f.y, y);
}

/* ---- ranges ------------------------------------------------------------------------------ */

static void range_x(struct plot *s)
{
    double lo = (double)INFINITY, hi = (double)-INFINITY;

    for (size_t i = 0; i < s->p->n; i++)
        if (shown(&s->p->point[i])) {
            lo = fmin(lo, s->p->point[i].x);
            hi = fmax(hi, s->p->point[i].x);
        }
    svg_fit(&s->f.x, lo, hi, 0.12);
    if (lo >= 0)
        s->f.x.lo = fmax(0, s->f.x.lo);
}

static void range_y(struct plot *s)
{
    double lo = (double)INFINITY, hi = (double)-INFINITY;

    for (size_t i = 0; i < s->p->n; i++) {
        const struct svg_point *q = &s->p->point[i];
        if (!shown(q))
            continue;
        if (at_zero(s, q->y)) {
            s->f.zero_band = true;
            continue;
        }
        const double error = svg_sane(q->error) ? q->error : 0;
        lo = fmin(lo, s->f.y.log ? fmax(q->y - error, q->y / 2) : q->y - error);
        hi = fmax(hi, q->y + error);
    }
    svg_fit(&s->f.y, lo, hi, 0.12);
}

static void place(struct plot *s)
{
    s->f = (struct svg_frame){.x_label = s->p->x_label,
                              .y_label = s->p->y_label,
                              .width = s->p->head.width,
                              .height = s->p->head.height,
                              .right = SVG_RIGHT};
    s->f.y.log = s->p->log_y;
    range_x(s);
    range_y(s);
    svg_frame_place(&s->f);
}

/* ---- the front ------------------------------------------------------------------------------ */

static void take(struct plot *s, struct box b)
{
    s->taken[s->n_taken++] = b;
}

/* The point on the front that follows x, or NULL. */
static const struct svg_point *next_front(const struct svg_plot *p, double x)
{
    const struct svg_point *best = NULL;

    for (size_t i = 0; i < p->n; i++) {
        const struct svg_point *q = &p->point[i];
        if (shown(q) && !q->behind && q->x > x && (!best || q->x < best->x))
            best = q;
    }
    return best;
}

/* What the best file of at most a given size loses: a stair down to the right. */
static void draw_front(struct plot *s)
{
    const struct svg_point *q = next_front(s->p, (double)-INFINITY);
    double y = SVG_TOP;

    if (!q)
        return;
    buf_fmt(s->b, "<path class=\"front\" d=\"M%.1f %d", svg_px(&s->f.x, q->x), SVG_TOP);
    while (q) {
        const struct svg_point *next = next_front(s->p, q->x);
        const double x0 = svg_px(&s->f.x, q->x), y0 = y_px(s, q->y);
        const double x1 = next ? svg_px(&s->f.x, next->x) : s->f.x.px1;
        buf_fmt(s->b, "V%.1fH%.1f", y0, x1);
        take(s, (struct box){x0 - 1, fmin(y, y0), x0 + 1, fmax(y, y0)});
        take(s, (struct box){x0, y0 - 1, x1, y0 + 1});
        y = y0;
        q = next;
    }
    buf_str(s->b, "\"/>\n");
}

/* ---- points ---------------------------------------------------------------------------------- */

static bool is_free(const struct plot *s, struct box b)
{
    if (b.x0 < s->f.x.px0 || b.x1 > s->f.x.px1 || b.y0 < SVG_TOP || b.y1 > s->f.height - SVG_BOTTOM)
        return false;
    for (size_t i = 0; i < s->n_taken; i++) {
        const struct box *t = &s->taken[i];
        if (b.x0 < t->x1 && t->x0 < b.x1 && b.y0 < t->y1 && t->y0 < b.y1)
            return false;
    }
    return true;
}

static void draw_bar(struct plot *s, const struct svg_point *q, double x)
{
    const double low = s->f.y.log ? fmax(q->y - q->error, s->f.y.lo) : q->y - q->error;
    const double top = svg_px(&s->f.y, q->y + q->error), bottom = svg_px(&s->f.y, low);

    buf_fmt(s->b, "<path class=\"bar\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8\"/>", x, top,
            bottom, x - 4, top, x - 4, bottom);
    take(s, (struct box){x - 4, top, x + 4, bottom});
}

static void draw_mark(struct plot *s, const struct svg_point *q)
{
    const double x = svg_px(&s->f.x, q->x), y = y_px(s, q->y);

    if (q->error > 0 && svg_sane(q->error) && !at_zero(s, q->y))
        draw_bar(s, q, x);
    if (q->behind)
        buf_fmt(s->b, "<path class=\"mark behind\" d=\"M%.1f %.1fl%d %dl%d %dl%d %dz\"><title>", x,
                y - RADIUS, RADIUS, RADIUS, -RADIUS, RADIUS, -RADIUS, -RADIUS);
    else
        buf_fmt(s->b, "<circle class=\"mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"><title>", x, y,
                RADIUS);
    figure_text(s->b, q->note ? q->note : q->label);
    buf_str(s->b, q->behind ? "</title></path>\n" : "</title></circle>\n");
    take(s, (struct box){x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS});
}

/* A place for a label: which end of the text stands at x plus dx (0 its start, 1 its end, 2 its
 * middle); its middle is dy below y. */
struct place {
    int side;
    double dx, dy;
};

enum { NEAR = 8, FAR = 28, PLACES = NEAR + FAR };

/* Right of the mark, left, above, below, the corners; then further up and down on both sides. */
static struct place place_at(size_t k)
{
    const double h = SVG_LINE, gap = RADIUS + 5;
    const struct place near[NEAR] = {
        {0, gap,  0           },
        {1, -gap, 0           },
        {2, 0,    -gap - h / 2},
        {2, 0,    gap + h / 2 },
        {0, gap,  -h          },
        {0, gap,  h           },
        {1, -gap, -h          },
        {1, -gap, h           },
    };
    const size_t far = k - NEAR;
    const int side = (int)(far & 1);
    const double rows = 2 + (double)(far / 4);

    if (k < NEAR)
        return near[k];
    return (struct place){side, (side ? -1 : 1) * (gap + 6 * rows), (far & 2 ? 1 : -1) * rows * h};
}

/* At the first place that is free; further ones get a line to their mark. Where none is, the
 * name is left to the pointer and the table. */
static void draw_label(struct plot *s, const struct svg_point *q)
{
    static const char *const anchor[] = {"start", "end", "middle"};
    const double x = svg_px(&s->f.x, q->x), y = y_px(s, q->y);
    const double w = SVG_LETTER * (double)svg_letters(q->label), h = SVG_LINE;

    for (size_t i = 0; i < PLACES; i++) {
        const struct place at = place_at(i);
        const double px = x + at.dx, mid = y + at.dy;
        const double x0 = at.side == 0 ? px : at.side == 1 ? px - w : px - w / 2;
        const struct box b = {x0, mid - h / 2, x0 + w, mid + h / 2};
        if (!is_free(s, b))
            continue;
        take(s, b);
        if (i >= NEAR)
            buf_fmt(s->b, "<path class=\"grid\" d=\"M%.1f %.1fL%.1f %.1f\"/>", x, y,
                    px - (at.side ? -2 : 2), mid);
        buf_fmt(s->b, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", px,
                mid + 4, anchor[at.side]);
        figure_text(s->b, q->label);
        buf_str(s->b, "</text>\n");
        return;
    }
}

int svg_plot(struct buf *out, const struct svg_plot *p, struct err *err)
{
    struct plot s = {.p = p, .b = out};

    s.taken = calloc(5 * p->n + 1, sizeof(*s.taken));
    if (!s.taken)
        return err_nomem(err);
    place(&s);
    svg_open(out, &p->head);
    svg_frame_draw(out, &s.f);
    if (p->front)
        draw_front(&s);
    for (size_t i = 0; i < p->n; i++)
        if (shown(&p->point[i]))
            draw_mark(&s, &p->point[i]);
    for (size_t i = 0; i < p->n; i++)
        if (shown(&p->point[i]))
            draw_label(&s, &p->point[i]);
    buf_str(out, "</svg>\n");
    free(s.taken);
    return buf_check(out, err);
}
