#include "eval/svg_axis.h"

#include "eval/figure.h"

#include <math.h>

enum { TICKS_MAX = 20 };

bool svg_sane(double v)
{
    return fabs(v) < 1e12;
}

double svg_px(const struct svg_axis *a, double v)
{
    const double t = a->log ? (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo))
                            : (v - a->lo) / (a->hi - a->lo);

    return a->px0 + t * (a->px1 - a->px0);
}

void svg_fit(struct svg_axis *a, double lo, double hi, double room)
{
    if (!(lo <= hi)) {
        a->lo = a->log ? 1e-6 : 0;
        a->hi = a->log ? 1e-5 : 1;
        return;
    }
    if (a->log) {
        const double pad = fmax(room * log10(hi / lo), 0.15);
        a->lo = lo / pow(10, pad);
        a->hi = hi * pow(10, pad);
    } else {
        const double pad = hi > lo ? room * (hi - lo) : fmax(0.1 * fabs(hi), 1e-3);
        a->lo = lo - pad;
        a->hi = hi + pad;
    }
}

void svg_frame_place(struct svg_frame *f)
{
    const double bottom = f->height - SVG_BOTTOM;

    f->x.px0 = SVG_LEFT;
    f->x.px1 = f->width - f->right;
    f->y.px0 = f->zero_band ? bottom - SVG_ZERO_BAND : bottom;
    f->y.px1 = SVG_TOP;
    f->zero_px = bottom - 0.5 * SVG_ZERO_BAND;
}

size_t svg_letters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

void svg_open(struct buf *out, const struct svg_head *h)
{
    buf_fmt(out,
            "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-t %s-d\">"
            "<title id=\"%s-t\">",
            h->css_class, h->width, h->height, h->id, h->id, h->id);
    figure_text(out, h->title);
    buf_fmt(out, "</title><desc id=\"%s-d\">", h->id);
    figure_text(out, h->desc);
    buf_str(out, "</desc>\n");
}

/* ---- ticks ----------------------------------------------------------------------------------- */

/* The largest of 1, 2, 5 times a power of ten that gives about n steps in `range`. */
static double nice_step(double range, int n)
{
    const double raw = range / n, power = pow(10, floor(log10(raw)));

    return power * (raw < 2 * power ? 1 : raw < 5 * power ? 2 : 5);
}

/* "0.00005", which %g writes as 5e-05. */
static void put_number(struct buf *out, double v)
{
    const double a = fabs(v);

    if (a >= 1e-7 && a < 1e-4)
        buf_fmt(out, "%.*f", (int)-floor(log10(a) + 1e-9), v);
    else
        buf_fmt(out, "%.6g", v);
}

static void tick_x(struct buf *out, const struct svg_frame *f, double v)
{
    const double px = svg_px(&f->x, v), bottom = f->height - SVG_BOTTOM;

    buf_fmt(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>", px, px,
            SVG_TOP, bottom);
    buf_fmt(out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", px,
            bottom + 17);
    put_number(out, v);
    buf_str(out, "</text>\n");
}

static void tick_y(struct buf *out, const struct svg_frame *f, double px, double v)
{
    buf_fmt(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", f->x.px0,
            f->x.px1, px, px);
    buf_fmt(out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", f->x.px0 - 7,
            px + 4);
    put_number(out, v);
    buf_str(out, "</text>\n");
}

static void ticks_linear_y(struct buf *out, const struct svg_frame *f)
{
    const double step = nice_step(f->y.hi - f->y.lo, 5), first = ceil(f->y.lo / step);

    /* counted, because a huge k + 1 is k */
    for (int i = 0; i < TICKS_MAX && (first + i) * step <= f->y.hi; i++)
        tick_y(out, f, svg_px(&f->y, (first + i) * step), (first + i) * step);
}

static void ticks_log_y(struct buf *out, const struct svg_frame *f)
{
    static const double part[] = {1, 2, 5};
    const double decades = log10(f->y.hi / f->y.lo);
    const size_t n = decades > 2.5 ? 1 : 3;
    const double apart = fmax(1, ceil(decades / 8)); /* decades from label to label */

    for (double k = floor(log10(f->y.lo)); k <= log10(f->y.hi); k += apart)
        for (size_t i = 0; i < n; i++) {
            const double v = part[i] * pow(10, k);
            if (v >= f->y.lo && v <= f->y.hi)
                tick_y(out, f, svg_px(&f->y, v), v);
        }
    if (f->zero_band)
        tick_y(out, f, f->zero_px, 0);
}

void svg_frame_draw(struct buf *out, const struct svg_frame *f)
{
    const double nice = nice_step(f->x.hi - f->x.lo, f->width > 500 ? 7 : 4);
    const double step = f->x.whole ? fmax(nice, 1) : nice;
    const double middle = 0.5 * (SVG_TOP + f->height - SVG_BOTTOM);
    const double first = ceil(f->x.lo / step);

    for (int i = 0; i < TICKS_MAX && (first + i) * step <= f->x.hi; i++)
        tick_x(out, f, (first + i) * step);
    if (f->y.log)
        ticks_log_y(out, f);
    else
        ticks_linear_y(out, f);
    buf_fmt(out, "<text class=\"name\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
            0.5 * (f->x.px0 + f->x.px1), f->height - 10);
    figure_text(out, f->x_label);
    buf_fmt(out,
            "</text><text class=\"name\" transform=\"translate(14 %.1f) rotate(-90)\" "
            "text-anchor=\"middle\">",
            middle);
    figure_text(out, f->y_label);
    buf_str(out, "</text>\n");
}
