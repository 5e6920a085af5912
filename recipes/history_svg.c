#include "recipes/history.h"

#include "eval/svg_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE = 920, HIGH = 340 };

/* The drawing's own: it stands alone, and follows the reader's dark or light setting. */
static const char style[] =
    "<style>svg{--ink:#1c1e21;--soft:#c9cdd2;--s0:#0072b2;--s1:#c24e00;--s2:#007a5a;--s3:#a3487f;"
    "--s4:#806200;--s5:#1d86b8;--s6:#6b6f76;--s7:#8a3ffc;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{--ink:#e6e8eb;--soft:#4a4f57;--s0:#56b4e9;--s1:#ff8c42;"
    "--s2:#2fc79a;--s3:#e08cc0;--s4:#e6c229;--s5:#9fd3ff;--s6:#a9b0b8;--s7:#be95ff}}"
    ".axis{stroke:var(--ink);fill:none}text,text.axis{fill:var(--ink);stroke:none}"
    ".grid{stroke:var(--soft);fill:none}.line{fill:none;stroke-width:2}"
    ".dot{fill:none;stroke-width:7;stroke-linecap:round}"
    ".s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}"
    ".s4{stroke:var(--s4)}.s5{stroke:var(--s5)}.s6{stroke:var(--s6)}.s7{stroke:var(--s7)}"
    ".d1{stroke-dasharray:8 3}.d2{stroke-dasharray:2 3}.d3{stroke-dasharray:9 3 2 3}</style>\n";

/* The rows as lines: a point for each run and variant. */
struct chart {
    const struct history *h;
    int64_t *run; /* ids, ascending */
    double *x;    /* the same as numbers */
    size_t n_runs;
    struct svg_line *line;
    const struct history_row **of; /* the first row of each */
    size_t n_lines;
    double *y; /* [n_lines, n_runs] */
    struct arena arena;
};

static bool same(const struct history_row *a, const struct history_row *b)
{
    return !strcmp(a->model, b->model) && !strcmp(a->variant, b->variant);
}

static size_t line_of(struct chart *c, const struct history_row *row)
{
    size_t i = 0;

    while (i < c->n_lines && !same(c->of[i], row))
        i++;
    return i;
}

static int make_lines(struct chart *c, struct err *err)
{
    const struct history *h = c->h;
    bool one = true;

    c->run = arena_array(&c->arena, h->n + 1, sizeof(*c->run));
    c->x = arena_array(&c->arena, h->n + 1, sizeof(*c->x));
    c->of = arena_array(&c->arena, h->n + 1, sizeof(struct history_row *));
    c->line = arena_array(&c->arena, h->n + 1, sizeof(*c->line));
    if (!c->run || !c->x || !c->of || !c->line)
        return err_nomem(err);
    for (size_t i = 0; i < h->n; i++) {
        if (!c->n_runs || c->run[c->n_runs - 1] != h->at[i].run) {
            c->x[c->n_runs] = (double)h->at[i].run;
            c->run[c->n_runs++] = h->at[i].run;
        }
        one = one && !strcmp(h->at[i].model, h->at[0].model);
        if (line_of(c, &h->at[i]) == c->n_lines && isfinite(h->at[i].kld.value))
            c->of[c->n_lines++] = &h->at[i];
    }
    for (size_t i = 0; i < c->n_lines; i++) {
        c->line[i].label = one ? c->of[i]->variant
                               : arena_fmt(&c->arena, "%s %s", c->of[i]->model, c->of[i]->variant);
        if (!c->line[i].label)
            return err_nomem(err);
    }
    c->y = arena_array(&c->arena, c->n_lines * c->n_runs + 1, sizeof(*c->y));
    return c->y ? 0 : err_nomem(err);
}

/* A line goes on where a run did not have the variant. */
static void bridge(double *y, const double *x, size_t n, bool log)
{
    size_t last = n;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(y[i]))
            continue;
        for (size_t k = last + 1; last < n && k < i; k++) {
            const double share = (x[k] - x[last]) / (x[i] - x[last]);
            y[k] = log ? y[last] * pow(y[i] / y[last], share) : y[last] + share * (y[i] - y[last]);
        }
        last = i;
    }
}

static void fill(struct chart *c, bool size)
{
    const struct history *h = c->h;
    size_t run = 0;

    for (size_t i = 0; i < c->n_lines * c->n_runs; i++)
        c->y[i] = (double)NAN;
    for (size_t i = 0; i < c->n_lines; i++)
        c->line[i].y = c->y + i * c->n_runs;
    for (size_t i = 0; i < h->n; i++) {
        while (c->run[run] != h->at[i].run)
            run++;
        const size_t line = line_of(c, &h->at[i]);
        if (line < c->n_lines)
            c->y[line * c->n_runs + run] = size ? (double)h->at[i].bytes / 1e6 : h->at[i].kld.value;
    }
    for (size_t i = 0; i < c->n_lines; i++)
        bridge(c->y + i * c->n_runs, c->x, c->n_runs, !size);
}

static int draw(struct buf *out, struct chart *c, bool size, struct err *err)
{
    const struct svg_lines lines = {
        .head = {.id = size ? "size" : "kld",
                 .css_class = "plot",
                 .title = size ? "size by run" : "KL divergence by run",
                 .desc = size ? "Bytes of each variant, one point for each run of the recipe."
                              : "What each variant lost, one point for each run of the recipe.",
                 .width = WIDE,
                 .height = HIGH},
        .x_label = "run",
        .y_label = size ? "MB" : "KL divergence, nats",
        .x = c->x,
        .n = c->n_runs,
        .line = c->line,
        .n_lines = c->n_lines,
        .log_y = !size,
        .whole_x = true,
        .names = true
    };

    fill(c, size);
    buf_fmt(out, "<svg x=\"0\" y=\"%d\" width=\"%d\" height=\"%d\">\n", size ? HIGH : 0, WIDE,
            HIGH);
    const int rc = svg_lines(out, &lines, err);
    buf_str(out, "</svg>\n");
    return rc;
}

int history_svg(struct buf *out, const struct history *h, struct err *err)
{
    struct chart c = {.h = h};
    int rc = make_lines(&c, err);

    buf_fmt(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n%s",
            WIDE, 2 * HIGH, WIDE, 2 * HIGH, style);
    if (!rc)
        rc = draw(out, &c, false, err);
    if (!rc)
        rc = draw(out, &c, true, err);
    buf_str(out, "</svg>\n");
    arena_release(&c.arena);
    return rc ? rc : buf_check(out, err);
}
