/* Perplexity and KL divergence by position in the window, smoothed in bins. */

#include "eval/figure.h"
#include "eval/page.h"
#include "eval/svg_lines.h"

#include <math.h>

enum { BINS_MAX = 24 };

/* Neighbouring positions are averaged: n bins of them. */
struct bins {
    size_t n, positions;
    double *x; /* [n] middle of each, in tokens before the one predicted */
};

bool page_has_positions(const struct page *p)
{
    const struct report_model *m = p->r->n_models ? p->r->model : NULL;

    return m && m->result.position_nll && m->result.n_positions > 1;
}

static size_t bin_from(const struct bins *b, size_t i)
{
    return i * b->positions / b->n;
}

static double mean(const double *x, size_t from, size_t to)
{
    double sum = 0;

    for (size_t i = from; i < to; i++)
        sum += x[i];
    return sum / (double)(to - from);
}

static int make_bins(struct bins *b, struct page *p, struct err *err)
{
    b->positions = p->r->model->result.n_positions;
    b->n = b->positions < BINS_MAX ? b->positions : BINS_MAX;
    b->x = arena_array(&p->arena, b->n, sizeof(*b->x));
    if (!b->x)
        return err_nomem(err);
    for (size_t i = 0; i < b->n; i++)
        b->x[i] =
            (double)(p->r->n_ctx / 2) + 0.5 * (double)(bin_from(b, i) + bin_from(b, i + 1) - 1);
    return 0;
}

/* One model's line: its mean in each bin; `nll`: as a perplexity. */
static int line_of(struct svg_line *out, struct page *p, const struct bins *b,
                   const struct report_model *m, bool nll, struct err *err)
{
    const double *from = nll ? m->result.position_nll : m->result.position_kld;
    double *y = arena_array(&p->arena, b->n, sizeof(*y));

    out->label = page_name(p, m);
    out->y = y;
    if (!y || !out->label)
        return err_nomem(err);
    for (size_t i = 0; i < b->n; i++) {
        const bool known = from && m->result.n_positions == b->positions;
        const double v = known ? mean(from, bin_from(b, i), bin_from(b, i + 1)) : (double)NAN;
        y[i] = nll ? exp(v) : v;
    }
    return 0;
}

/* The lines' names for where the drawing has no room for them. */
static void put_legend(struct page *p, const struct svg_lines *l)
{
    buf_str(p->out, "<ul class=\"legend key narrow\">");
    for (size_t i = 0; i < l->n_lines; i++) {
        buf_str(p->out, "<li><svg viewBox=\"0 0 36 12\" aria-hidden=\"true\"><path class=\"");
        svg_line_class(p->out, l->first + i);
        buf_str(p->out, "\" d=\"M1 6H35\"/></svg>");
        figure_text(p->out, l->line[i].label);
        buf_str(p->out, "</li>");
    }
    buf_str(p->out, "</ul>\n");
}

static int put_drawing(struct page *p, struct svg_lines *l, const char *wide, const char *narrow,
                       struct err *err)
{
    const int needed = (int)l->n_lines * SVG_LINE + SVG_BOTTOM + 2 * SVG_TOP;

    buf_str(p->out, "<figure>\n");
    l->names = true;
    l->head.id = wide;
    l->head.css_class = "wide";
    l->head.width = PAGE_WIDE;
    l->head.height = needed > 340 ? needed : 340;
    int rc = svg_lines(p->out, l, err);
    l->names = false;
    l->head.id = narrow;
    l->head.css_class = "narrow";
    l->head.width = PAGE_NARROW;
    l->head.height = 320;
    if (!rc)
        rc = svg_lines(p->out, l, err);
    put_legend(p, l);
    buf_fmt(p->out, "<figcaption>%s</figcaption>\n</figure>\n", l->head.title);
    return rc;
}

static int put_nll(struct page *p, const struct bins *b, struct svg_line *line, struct err *err)
{
    size_t n = 0;
    int rc = 0;

    if (p->r->original)
        rc = line_of(&line[n++], p, b, p->r->original, true, err);
    for (size_t i = 0; !rc && i < p->r->n_models; i++)
        rc = line_of(&line[n++], p, b, &p->r->model[i], true, err);
    if (rc)
        return rc;
    struct svg_lines l = {
        .head = {.title = "Perplexity by position in the window",
                 .desc = "A line for each model: the perplexity of the tokens at "
                         "that position, mean over windows, in bins."},
        .x_label = "tokens before the one predicted",
        .y_label = "perplexity",
        .x = b->x,
        .n = b->n,
        .line = line,
        .n_lines = n,
        .first = !p->r->original
    };
    return put_drawing(p, &l, "ppl-w", "ppl-n", err);
}

static int put_kld(struct page *p, const struct bins *b, struct svg_line *line, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < p->r->n_models; i++)
        rc = line_of(&line[i], p, b, &p->r->model[i], false, err);
    if (rc)
        return rc;
    struct svg_lines l = {
        .head = {.title = "KL divergence from the original by position in the window",
                 .desc = "A line for each model: the KL divergence at that position, mean over "
                         "windows, in bins."},
        .x_label = "tokens before the one predicted",
        .y_label = "KL divergence, nats (log scale)",
        .x = b->x,
        .n = b->n,
        .line = line,
        .n_lines = p->r->n_models,
        .first = 1,
        .log_y = true
    };
    return put_drawing(p, &l, "kld-w", "kld-n", err);
}

int page_put_positions(struct page *p, struct err *err)
{
    struct svg_line *line = arena_array(&p->arena, p->r->n_models + 1, sizeof(*line));
    struct bins bins;
    int rc = line ? make_bins(&bins, p, err) : err_nomem(err);

    if (rc)
        return rc;
    buf_fmt(p->out,
            "<p class=\"soft\">Each window is scored on its second half; its %zu positions are "
            "averaged over %zu windows and drawn in %zu bins. A loss that grows to the right "
            "grows with the context.</p>\n",
            bins.positions, p->r->model->result.n_windows, bins.n);
    if (p->r->original)
        rc = put_kld(p, &bins, line, err);
    return rc ? rc : put_nll(p, &bins, line, err);
}
