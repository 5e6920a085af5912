#include "eval/svg.h"

#include "eval/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN_LEFT = 80,
    MARGIN_RIGHT = 16,
    MARGIN_TOP = 14,
    MARGIN_BOTTOM = 48,
    ZERO_BAND = 26, /* px below a logarithmic axis for what is as good as 0 */
    RADIUS = 4,
    CHAR_WIDTH = 8, /* px of a label's letter, at its 12 px */
    LINE_HEIGHT = 14,
    TICKS_MAX = 20
};

/* An axis: values lo .. hi lie at px0 .. px1. */
struct axis {
    double lo, hi, px0, px1;
    bool log;
};

struct box {
    double x0, y0, x1, y1;
};

struct plot {
    const struct svg_plot *p;
    struct buf *b;
    struct axis x, y;
    bool zero_band;
    double zero_px;    /* of the line "0" in that band */
    struct box *taken; /* owned; where labels and marks already are */
    size_t n_taken;
};

/* Beyond this no axis has labels that differ. */
static bool sane(double v)
{
    return fabs(v) < 1e12;
}

static bool shown(const struct svg_point *s)
{
    return sane(s->x) && sane(s->y);
}

static double axis_px(const struct axis *a, double v)
{
    const double t = a->log ? (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo))
                            : (v - a->lo) / (a->hi - a->lo);

    return a->px0 + t * (a->px1 - a->px0);
}

static bool at_zero(const struct plot *s, double y)
{
    return s->p->log_y && y <= s->p->y_floor;
}

static double y_px(const struct plot *s, double y)
{
    return at_zero(s, y) ? s->zero_px : axis_px(&s->y, y);
}

/* The largest of 1, 2, 5 times a power of ten that gives about n steps in `range`. */
static double nice_step(double range, int n)
{
    const double raw = range / n, power = pow(10, floor(log10(raw)));

    return power * (raw < 2 * power ? 1 : raw < 5 * power ? 2 : 5);
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
    if (!(lo <= hi))
        lo = 0, hi = 1;
    const double pad = hi > lo ? 0.12 * (hi - lo) : fmax(0.1 * fabs(hi), 1);
    s->x.lo = lo >= 0 ? fmax(0, lo - pad) : lo - pad;
    s->x.hi = hi + pad;
}

static void range_y(struct plot *s)
{
    double lo = (double)INFINITY, hi = (double)-INFINITY;

    for (size_t i = 0; i < s->p->n; i++) {
        const struct svg_point *q = &s->p->point[i];
        if (!shown(q))
            continue;
        if (at_zero(s, q->y)) {
            s->zero_band = true;
            continue;
        }
        const double error = sane(q->error) ? q->error : 0;
        lo = fmin(lo, s->y.log ? fmax(q->y - error, q->y / 2) : q->y - error);
        hi = fmax(hi, q->y + error);
    }
    if (!(lo <= hi))
        lo = s->y.log ? s->p->y_floor : 0, hi = s->y.log ? 10 * s->p->y_floor : 1;
    if (s->y.log) {
        const double pad = fmax(0.1 * log10(hi / lo), 0.4);
        s->y.lo = lo / pow(10, pad);
        s->y.hi = hi * pow(10, pad);
    } else {
        const double pad = hi > lo ? 0.15 * (hi - lo) : fmax(0.1 * fabs(hi), 1e-3);
        s->y.lo = lo - pad;
        s->y.hi = hi + pad;
    }
}

static void place_axes(struct plot *s)
{
    const double bottom = s->p->height - MARGIN_BOTTOM;

    s->y.log = s->p->log_y;
    range_x(s);
    range_y(s);
    s->x.px0 = MARGIN_LEFT;
    s->x.px1 = s->p->width - MARGIN_RIGHT;
    s->y.px0 = s->zero_band ? bottom - ZERO_BAND : bottom;
    s->y.px1 = MARGIN_TOP;
    s->zero_px = bottom - 0.5 * ZERO_BAND;
}

/* ---- axes ---------------------------------------------------------------------------------- */

static void tick_x(struct plot *s, double v)
{
    const double px = axis_px(&s->x, v), bottom = s->p->height - MARGIN_BOTTOM;

    buf_fmt(s->b, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>", px, px,
            MARGIN_TOP, bottom);
    buf_fmt(s->b, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n",
            px, bottom + 17, v);
}

static void tick_y(struct plot *s, double px, double v)
{
    buf_fmt(s->b, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
            s->x.px0, s->x.px1, px, px);
    buf_fmt(s->b, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n",
            s->x.px0 - 7, px + 4, v);
}

static void ticks_linear_y(struct plot *s)
{
    const double step = nice_step(s->y.hi - s->y.lo, 5);
    const double first = ceil(s->y.lo / step);

    /* counted, because a huge k + 1 is k */
    for (int i = 0; i < TICKS_MAX && (first + i) * step <= s->y.hi; i++)
        tick_y(s, axis_px(&s->y, (first + i) * step), (first + i) * step);
}

static void ticks_log_y(struct plot *s)
{
    static const double part[] = {1, 2, 5};
    const double decades = log10(s->y.hi / s->y.lo);
    const size_t n = decades > 2.5 ? 1 : 3;
    const double apart = fmax(1, ceil(decades / 8)); /* decades from label to label */

    for (double k = floor(log10(s->y.lo)); k <= log10(s->y.hi); k += apart)
        for (size_t i = 0; i < n; i++) {
            const double v = part[i] * pow(10, k);
            if (v >= s->y.lo && v <= s->y.hi)
                tick_y(s, axis_px(&s->y, v), v);
        }
    if (s->zero_band)
        tick_y(s, s->zero_px, 0);
}

static void draw_axes(struct plot *s)
{
    const double step = nice_step(s->x.hi - s->x.lo, s->p->width > 500 ? 7 : 4);
    const double middle = 0.5 * (MARGIN_TOP + s->p->height - MARGIN_BOTTOM);
    const double first = ceil(s->x.lo / step);

    for (int i = 0; i < TICKS_MAX && (first + i) * step <= s->x.hi; i++)
        tick_x(s, (first + i) * step);
    if (s->y.log)
        ticks_log_y(s);
    else
        ticks_linear_y(s);
    buf_fmt(s->b, "<text class=\"name\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
            0.5 * (s->x.px0 + s->x.px1), s->p->height - 10);
    figure_text(s->b, s->p->x_label);
    buf_fmt(s->b,
            "</text><text class=\"name\" transform=\"translate(14 %.1f) rotate(-90)\" "
            "text-anchor=\"middle\">",
            middle);
    figure_text(s->b, s->p->y_label);
    buf_str(s->b, "</text>\n");
}

/* ---- points ---------------------------------------------------------------------------------- */

static void take(struct plot *s, struct box b)
{
    s->taken[s->n_taken++] = b;
}

static bool is_free(const struct plot *s, struct box b)
{
    if (b.x0 < s->x.px0 || b.x1 > s->x.px1 || b.y0 < MARGIN_TOP ||
        b.y1 > s->p->height - MARGIN_BOTTOM)
        return false;
    for (size_t i = 0; i < s->n_taken; i++) {
        const struct box *t = &s->taken[i];
        if (b.x0 < t->x1 && t->x0 < b.x1 && b.y0 < t->y1 && t->y0 < b.y1)
            return false;
    }
    return true;
}

static void draw_mark(struct plot *s, const struct svg_point *q)
{
    const double x = axis_px(&s->x, q->x), y = y_px(s, q->y);

    buf_fmt(s->b, "<circle class=\"mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"><title>", x, y, RADIUS);
    figure_text(s->b, q->note ? q->note : q->label);
    buf_str(s->b, "</title></circle>\n");
    if (q->error > 0 && sane(q->error) && !at_zero(s, q->y)) {
        const double low = s->y.log ? fmax(q->y - q->error, s->y.lo) : q->y - q->error;
        const double top = axis_px(&s->y, q->y + q->error), bottom = axis_px(&s->y, low);
        buf_fmt(s->b, "<path class=\"bar\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8\"/>", x, top,
                bottom, x - 4, top, x - 4, bottom);
        take(s, (struct box){x - 4, top, x + 4, bottom});
    }
    take(s, (struct box){x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS});
}

/* Right of the mark, left, above, below, and the corners: the first place that is free. */
static void draw_label(struct plot *s, const struct svg_point *q)
{
    static const char *const anchor[] = {"start", "end", "middle"};
    const double x = axis_px(&s->x, q->x), y = y_px(s, q->y);
    const double w = CHAR_WIDTH * (double)strlen(q->label), h = LINE_HEIGHT, gap = RADIUS + 5;
    /* sides: which end of the text stands at x plus dx; its middle is dy below y */
    const struct {
        int side;
        double dx, dy;
    } place[] = {
        {0, gap,  0           },
        {1, -gap, 0           },
        {2, 0,    -gap - h / 2},
        {2, 0,    gap + h / 2 },
        {0, gap,  -h          },
        {0, gap,  h           },
        {1, -gap, -h          },
        {1, -gap, h           },
    };
    const size_t n = sizeof(place) / sizeof(place[0]);

    for (size_t i = 0; i <= n; i++) {
        const size_t k = i < n ? i : 2; /* no place is free: above all the same */
        const double at = x + place[k].dx, mid = y + place[k].dy;
        const double x0 = place[k].side == 0 ? at : place[k].side == 1 ? at - w : at - w / 2;
        const struct box b = {x0, mid - h / 2, x0 + w, mid + h / 2};
        if (i < n && !is_free(s, b))
            continue;
        take(s, b);
        buf_fmt(s->b, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", at,
                mid + 4, anchor[place[k].side]);
        break;
    }
    figure_text(s->b, q->label);
    buf_str(s->b, "</text>\n");
}

int svg_plot(struct buf *out, const struct svg_plot *p, struct err *err)
{
    struct plot s = {.p = p, .b = out};

    s.taken = calloc(3 * p->n + 1, sizeof(*s.taken));
    if (!s.taken)
        return err_nomem(err);
    place_axes(&s);
    buf_fmt(out, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", p->css_class,
            p->width, p->height);
    figure_text(out, p->title);
    buf_str(out, "\">\n");
    draw_axes(&s);
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
