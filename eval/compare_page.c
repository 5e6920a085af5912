#include "eval/compare_page.h"

#include "eval/compare_show.h"
#include "eval/figure.h"
#include "eval/page.h"
#include "eval/svg_lines.h"
#include "formats/base/version.h"

#include <math.h>

/* ---- interval, drawn ------------------------------------------------------------------------ */

enum { BAR_WIDTH = 130, BAR_HEIGHT = 16, BAR_EDGE = 6 };

/* A row's interval around "no difference", each row on its own scale. */
static void put_interval(struct buf *b, const struct compare_row *row)
{
    const bool ratio = row->ref.metric->flags & METRIC_LOG;
    const double low = ratio ? log(row->low) : row->low, high = ratio ? log(row->high) : row->high;
    const double most = fmax(fabs(low), fabs(high));
    const double middle = 0.5 * BAR_WIDTH, scale = (middle - BAR_EDGE) / most;

    if (!row->n || !isfinite(low) || !isfinite(high) || !(most > 0) || !isfinite(scale))
        return;
    buf_fmt(
        b,
        "<svg class=\"interval\" viewBox=\"0 0 %d %d\" aria-hidden=\"true\"><line class=\"grid\" "
        "x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%d\"/>",
        BAR_WIDTH, BAR_HEIGHT, middle, middle, BAR_HEIGHT);
    buf_fmt(b, "<path class=\"bar\" d=\"M%.1f 4v8M%.1f 8H%.1fM%.1f 4v8\"/>", middle + scale * low,
            middle + scale * low, middle + scale * high, middle + scale * high);
    buf_fmt(b, "<circle class=\"mark\" cx=\"%.1f\" cy=\"8\" r=\"4\"/></svg>",
            middle + scale * row->diff.value);
}

/* ---- table ------------------------------------------------------------------------------------- */

static const struct {
    const char *css_class, *sign;
} verdicts[] = {
    [COMPARE_SAME] = {"soft",   "="           },
    [COMPARE_BETTER] = {"met",    "\xE2\x96\xB2"},
    [COMPARE_WORSE] = {"failed", "\xE2\x96\xBC"},
    [COMPARE_UNKNOWN] = {"soft",   "?"           }
};

static void put_row(struct buf *b, const struct compare_row *row)
{
    struct compare_cells c;

    compare_show(&c, row);
    buf_str(b, "<tr><th scope=\"row\" title=\"");
    figure_text(b, row->name);
    buf_str(b, "\">");
    figure_text(b, c.title);
    buf_fmt(b, "</th><td class=\"l\"><span class=\"%s\">%s</span> ",
            verdicts[row->verdict].css_class, verdicts[row->verdict].sign);
    figure_text(b, c.verdict);
    buf_fmt(b, "</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td class=\"l\">", c.a, c.b,
            c.diff, c.interval);
    put_interval(b, row);
    buf_str(b, "</td></tr>\n");
}

static void put_rows(struct buf *b, const struct compare_pair *p, size_t i)
{
    buf_fmt(
        b,
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"pair%zu\" tabindex=\"0\">"
        "<table class=\"full compared\">\n<thead><tr><th scope=\"col\">Metric</th>"
        "<th scope=\"col\" class=\"l\">B is</th><th scope=\"col\">A</th><th scope=\"col\">B</th>"
        "<th scope=\"col\">B \xE2\x88\x92 A</th><th scope=\"col\">95 %% interval</th>"
        "<th scope=\"col\" class=\"l\">Drawn</th></tr></thead>"
        "\n<tbody>\n",
        i);
    for (size_t k = 0; k < p->n_rows; k++)
        put_row(b, &p->row[k]);
    buf_str(b, "</tbody></table></div>\n");
}

/* ---- windows ------------------------------------------------------------------------------------ */

static void put_top(struct buf *b, const struct compare_pair *p)
{
    char a[COMPARE_CELL_BYTES], with[COMPARE_CELL_BYTES];

    if (!p->n_top)
        return;
    buf_fmt(b,
            "<h3>Where they differ most: %s</h3>\n<div class=\"scroll\" tabindex=\"0\" "
            "role=\"region\" aria-label=\"windows\"><table class=\"full sort\"><thead><tr>"
            "<th scope=\"col\">Window</th><th scope=\"col\">A</th><th scope=\"col\">B</th>"
            "<th scope=\"col\" class=\"l\">Begins</th></tr></thead>\n<tbody>\n",
            p->top_metric->title);
    for (size_t i = 0; i < p->n_top; i++) {
        const struct compare_window *w = &p->top[i];
        compare_show_window(a, w->a);
        compare_show_window(with, w->b);
        buf_fmt(b,
                "<tr><th scope=\"row\" data-v=\"%zu\">%zu</th><td data-v=\"%.9g\">%s</td>"
                "<td data-v=\"%.9g\">%s</td><td class=\"l begins\">",
                w->window, w->window, w->a, a, w->b, with);
        figure_text(b, w->text ? w->text : "");
        buf_str(b, "</td></tr>\n");
    }
    buf_str(b, "</tbody></table></div>\n");
}

/* Both models' means of top_metric, window by window. */
static int series(struct svg_line line[2], double *x, double *y, const struct comparison *c,
                  const struct compare_pair *p)
{
    const struct metric_ref ref = {.metric = p->top_metric};
    const size_t n = p->n_windows;

    if (!p->top_metric || n < 3 || !metric_series(y, n, &ref, c->a, p->a) ||
        !metric_series(y + n, n, &ref, c->b, p->b))
        return 0;
    for (size_t i = 0; i < n; i++)
        x[i] = (double)i;
    line[0] = (struct svg_line){"A", y};
    line[1] = (struct svg_line){"B", y + n};
    return 1;
}

static int put_windows(struct buf *b, const struct comparison *c, const struct compare_pair *p,
                       struct arena *arena, size_t i, struct err *err)
{
    const size_t n = p->n_windows;
    double *x = arena_array(arena, n + 1, sizeof(*x)),
           *y = arena_array(arena, 2 * n + 1, sizeof(*y));
    const char *wide = arena_fmt(arena, "windows%zu-w", i),
               *narrow = arena_fmt(arena, "windows%zu-n", i);
    struct svg_line line[2];

    if (!x || !y || !wide || !narrow)
        return err_nomem(err);
    if (!series(line, x, y, c, p))
        return 0;
    struct svg_lines l = {
        .head = {.id = wide,
                 .css_class = "wide",
                 .title = "Window by window",
                 .desc = "A line each for A and B: the mean over each window of the text.",
                 .width = PAGE_WIDE,
                 .height = 300},
        .x_label = "window",
        .y_label = p->top_metric->title,
        .x = x,
        .n = n,
        .line = line,
        .n_lines = 2,
        .names = true
    };
    buf_str(b, "<figure>\n");
    int rc = svg_lines(b, &l, err);
    l.head.id = narrow;
    l.head.css_class = "narrow";
    l.head.width = PAGE_NARROW;
    if (!rc)
        rc = svg_lines(b, &l, err);
    buf_fmt(b,
            "<figcaption>%s of each window, both models on the same text</figcaption></figure>\n",
            p->top_metric->title);
    return rc;
}

/* ---- the page -------------------------------------------------------------------------------------- */

static void put_tile(struct buf *b, const char *what, size_t n, size_t of)
{
    buf_fmt(b, "<div><dt>%s</dt><dd>%zu</dd><dd>of %zu metrics</dd></div>\n", what, n, of);
}

static void put_tiles(struct buf *b, const struct compare_pair *p)
{
    size_t n[COMPARE_UNKNOWN + 1] = {0};

    for (size_t i = 0; i < p->n_rows; i++)
        n[p->row[i].verdict]++;
    buf_str(b, "<dl class=\"tiles\">\n");
    put_tile(b, "\xE2\x96\xB2 B is better", n[COMPARE_BETTER], p->n_rows);
    put_tile(b, "\xE2\x96\xBC B is worse", n[COMPARE_WORSE], p->n_rows);
    put_tile(b, "= no difference to be seen", n[COMPARE_SAME], p->n_rows);
    buf_str(b, "</dl>\n");
}

static void put_side(struct buf *b, const char *side, const struct report_model *m,
                     const char *file)
{
    buf_fmt(b, "<dt>%s</dt><dd><b>", side);
    figure_text(b, m->name);
    buf_str(b, "</b>, of ");
    figure_text(b, file ? file : "");
    if (m->sha256) {
        buf_str(b, ", SHA-256 <code>");
        figure_text(b, m->sha256);
        buf_str(b, "</code>");
    }
    buf_str(b, "</dd>\n");
}

static int put_pair(struct buf *b, const struct comparison *c, size_t i, struct err *err)
{
    const struct compare_pair *p = &c->pair[i];
    struct arena arena = {0};

    buf_fmt(b, "<section aria-labelledby=\"pair%zu\"><h2 id=\"pair%zu\">", i, i);
    figure_text(b, p->a->name);
    buf_str(b, " \xE2\x86\x92 ");
    figure_text(b, p->b->name);
    buf_str(b, "</h2>\n<dl class=\"facts\">");
    put_side(b, "A", p->a, c->a_file);
    put_side(b, "B", p->b, c->b_file);
    buf_str(b, "</dl>\n");
    put_tiles(b, p);
    put_rows(b, p, i);
    int rc = put_windows(b, c, p, &arena, i, err);
    put_top(b, p);
    buf_str(b, "</section>\n");
    arena_release(&arena);
    return rc;
}

static void put_head(struct buf *b, const struct comparison *c)
{
    const struct report *r = c->b;

    buf_str(b, "<header><h1>");
    figure_text(b, r->name);
    buf_str(b, ": B against A</h1>\n<p class=\"soft\">");
    if (r->text && c->n_pairs) {
        buf_fmt(b, "Paired on %zu windows of %zu tokens of ", c->pair[0].n_windows, r->n_ctx);
        figure_text(b, r->text);
        buf_fmt(b, "; %s activations. ", r->kernels);
    }
    buf_str(b,
            "Intervals hold the true difference with 95 % confidence; one that reaches across the "
            "upright line, no difference, shows none.</p>\n</header>\n<main>\n");
}

static void put_unpaired(struct buf *b, const struct comparison *c)
{
    if (!c->n_unpaired)
        return;
    buf_str(b, "<p>Only one of the reports has: ");
    for (size_t i = 0; i < c->n_unpaired; i++) {
        buf_str(b, i ? ", " : "");
        figure_text(b, c->unpaired[i]);
    }
    buf_str(b, ".</p>\n");
}

int compare_html(struct buf *out, const struct comparison *c, struct err *err)
{
    int rc = page_open(out, c->b->name, "compared", err);

    if (rc)
        return rc;
    put_head(out, c);
    for (size_t i = 0; !rc && i < c->n_pairs; i++)
        rc = put_pair(out, c, i, err);
    put_unpaired(out, c);
    buf_str(out, "<p class=\"soft\">Made by pare " PARE_VERSION ".</p>\n</main>\n");
    page_close(out);
    return rc ? rc : buf_check(out, err);
}
