#include "recipes/curves.h"

#include "eval/figure.h"
#include "eval/page.h"
#include "eval/svg_lines.h"
#include "formats/base/version.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 9, POINTS = 400 }; /* points of a curve at most: means of the steps between */

enum column { C_STEP, C_TOKENS, C_LOSS, C_NORM, C_LR, C_SECONDS, C_KL, C_PPL, C_TOP1 };

/* The log by columns, NaN where a row has nothing; steps and evaluations apart. */
struct series {
    double *at[COLUMNS];
    size_t n;
};

struct page_of {
    struct series step, look;
    struct arena arena;
};

/* ---- reading ------------------------------------------------------------------------- */

static int series_new(struct series *s, struct arena *a, size_t n, struct err *err)
{
    for (int i = 0; i < COLUMNS; i++) {
        s->at[i] = arena_array(a, n + 1, sizeof(double));
        if (!s->at[i])
            return err_nomem(err);
    }
    s->n = 0;
    return 0;
}

/* The fields of a line that ends at `end`; false: not as many numbers as there are to be. */
static bool read_line(double v[COLUMNS], const char *p, const char *end)
{
    for (int i = 0; i < COLUMNS; i++) {
        char text[40] = {0};
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        char *last;

        if ((size_t)(stop - p) >= sizeof(text) || (i + 1 < COLUMNS) != (comma != NULL))
            return false;
        memcpy(text, p, (size_t)(stop - p));
        v[i] = strtod(text, &last);
        if (*last)
            return false;
        if (stop == p)
            v[i] = (double)NAN;
        p = comma ? comma + 1 : end;
    }
    return isfinite(v[C_STEP]);
}

static void add(struct series *s, const double v[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        s->at[i][s->n] = v[i];
    s->n++;
}

static int read_log(struct page_of *p, const struct curves *c, struct err *err)
{
    const char *at = c->log, *all = c->log + c->n;
    size_t lines = 0, line = 1;
    int rc;

    for (size_t i = 0; i < c->n; i++)
        lines += c->log[i] == '\n';
    rc = series_new(&p->step, &p->arena, lines, err);
    if (!rc)
        rc = series_new(&p->look, &p->arena, lines, err);
    for (; !rc && at < all; line++) {
        const char *end = memchr(at, '\n', (size_t)(all - at));
        double v[COLUMNS];

        if (!end)
            break;
        if (line > 1 && !read_line(v, at, end))
            rc = err_set(err, ERR_FORMAT, "line %zu is no row of a training log", line);
        else if (line > 1)
            add(isfinite(v[C_PPL]) || isfinite(v[C_KL]) ? &p->look : &p->step, v);
        at = end + 1;
    }
    return rc;
}

/* ---- drawings ------------------------------------------------------------------------ */

struct drawing {
    const char *id, *title, *desc, *label;
    const struct series *s;
    enum column column;
    bool log_y; /* where the values lie far apart */
};

/* x and y of at most POINTS points. */
static size_t thin(double *x, double *y, const struct series *s, enum column column)
{
    const size_t each = (s->n + POINTS - 1) / POINTS;
    size_t n = 0;

    for (size_t at = 0; at < s->n; at += each, n++) {
        const size_t some = s->n - at < each ? s->n - at : each;
        double sum = 0;

        for (size_t i = 0; i < some; i++)
            sum += s->at[column][at + i];
        x[n] = s->at[C_STEP][at + some - 1];
        y[n] = sum / (double)some;
    }
    return n;
}

/* Do they differ by so much that only a logarithmic axis shows them all? */
static bool far_apart(const double *y, size_t n)
{
    double least = (double)INFINITY, most = 0;

    for (size_t i = 0; i < n; i++) {
        least = fmin(least, y[i]);
        most = fmax(most, y[i]);
    }
    return least > 0 && most > 8 * least;
}

static int draw(struct buf *b, struct page_of *p, const struct drawing *d, struct err *err)
{
    double *x = arena_array(&p->arena, POINTS + 1, sizeof(*x));
    double *y = arena_array(&p->arena, POINTS + 1, sizeof(*y));
    const char *wide = arena_fmt(&p->arena, "%s-w", d->id);
    const char *narrow = arena_fmt(&p->arena, "%s-n", d->id);
    const struct svg_line line = {d->label, y};
    struct svg_lines l = {
        .head = {.id = wide,
                 .css_class = "wide",
                 .title = d->title,
                 .desc = d->desc,
                 .width = PAGE_WIDE,
                 .height = 300},
        .x_label = "step",
        .y_label = d->label,
        .x = x,
        .line = &line,
        .n_lines = 1,
        .whole_x = true
    };
    int rc = x && y && wide && narrow ? 0 : err_nomem(err);

    if (rc || d->s->n < 2)
        return rc;
    l.n = thin(x, y, d->s, d->column);
    l.log_y = d->log_y && far_apart(y, l.n);
    if (l.log_y)
        l.y_label = arena_fmt(&p->arena, "%s (log scale)", d->label);
    if (!l.y_label)
        return err_nomem(err);
    buf_str(b, "<figure>\n");
    rc = svg_lines(b, &l, err);
    l.head.id = narrow;
    l.head.css_class = "narrow";
    l.head.width = PAGE_NARROW;
    if (!rc)
        rc = svg_lines(b, &l, err);
    buf_fmt(b, "<figcaption>%s</figcaption></figure>\n", d->title);
    return rc;
}

static int draw_all(struct buf *b, struct page_of *p, struct err *err)
{
    const struct drawing all[] = {
        {"kl",   "KL divergence from the teacher on text held back",                     "Falls as the student learns.",
         "KL divergence, nats",                                                                                                                              &p->look, C_KL,   true },
        {"loss", "Training loss",                                                        "By step; of long runs the mean of some steps.", "loss",            &p->step,
         C_LOSS,                                                                                                                                                               false},
        {"ppl",  "Perplexity of text held back",                                         "By step.",                                      "perplexity",      &p->look, C_PPL,  true },
        {"top1", "How often student and teacher think the same token the most probable",
         "As a share of 1.",                                                                                                              "share of tokens", &p->look, C_TOP1, false},
        {"norm", "Length of the gradient before clipping",                               "By step.",                                      "2-norm",          &p->step, C_NORM,
         true                                                                                                                                                                       },
        {"lr",   "Learning rate",                                                        "By step.",                                      "rate",            &p->step, C_LR,   false},
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !rc; i++)
        if (all[i].s->n && isfinite(all[i].s->at[all[i].column][0]))
            rc = draw(b, p, &all[i], err);
    return rc;
}

/* ---- numbers ------------------------------------------------------------------------- */

static void put_cell(struct buf *b, double v, int decimals)
{
    char text[FIGURE_BYTES];

    figure_num(text, v, decimals);
    buf_fmt(b, "<td>%s</td>", text);
}

static void put_table(struct buf *b, const struct series *s)
{
    if (!s->n)
        return;
    buf_str(b, "<h2 id=\"looks\">Evaluations</h2>\n<div class=\"scroll\" role=\"region\" "
               "aria-labelledby=\"looks\" tabindex=\"0\"><table class=\"full sort\">\n<thead><tr>"
               "<th scope=\"col\">Step</th><th scope=\"col\">Tokens</th><th scope=\"col\">KL</th>"
               "<th scope=\"col\">Perplexity</th><th scope=\"col\">Same top token, %</th>"
               "<th scope=\"col\">Seconds</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < s->n; i++) {
        buf_fmt(b, "<tr><th scope=\"row\">%.0f</th>", s->at[C_STEP][i]);
        put_cell(b, s->at[C_TOKENS][i], 0);
        put_cell(b, s->at[C_KL][i], 4);
        put_cell(b, s->at[C_PPL][i], 3);
        put_cell(b, 100 * s->at[C_TOP1][i], 1);
        put_cell(b, s->at[C_SECONDS][i], 1);
        buf_str(b, "</tr>\n");
    }
    buf_str(b, "</tbody></table></div>\n");
}

static void put_facts(struct buf *b, const struct curves *c)
{
    buf_str(b, "<dl class=\"facts\">\n");
    for (size_t i = 0; i < c->n_facts; i++) {
        buf_str(b, "<dt>");
        figure_text(b, c->fact[i].what);
        buf_str(b, "</dt><dd>");
        figure_text(b, c->fact[i].is ? c->fact[i].is : "");
        buf_str(b, "</dd>\n");
    }
    buf_str(b, "</dl>\n");
}

int curves_page(struct buf *out, const struct curves *c, struct err *err)
{
    struct page_of p = {.arena = {0}};
    int rc = read_log(&p, c, err);

    if (!rc)
        rc = page_open(out, c->name, "distilled", err);
    if (rc)
        goto done;
    buf_str(out, "<header><h1>");
    figure_text(out, c->name);
    buf_str(out, ": how it was distilled</h1>\n</header>\n<main>\n");
    put_facts(out, c);
    rc = draw_all(out, &p, err);
    put_table(out, &p.look);
    buf_str(out, "<p class=\"soft\">Made by pare " PARE_VERSION ".</p>\n</main>\n");
    page_close(out);
    if (!rc)
        rc = buf_check(out, err);
done:
    arena_release(&p.arena);
    return rc;
}
