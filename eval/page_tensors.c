/* What each tensor lost: a heat map of layers and kinds, and the ten worst. */

#include "eval/figure.h"
#include "eval/page.h"
#include "formats/base/path.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 64, WORST = 10 };

/* Where a tensor stands: "blk.3.attn_q.weight" is kind "attn_q" of layer 3. */
struct place {
    const char *kind; /* in the arena */
    size_t layer;
    bool in_layer;
};

/* Tensors by layer and kind; 0: none. */
struct grid {
    const char *kind[KINDS_MAX];
    size_t n_kinds, n_layers;
    const struct tensor_error **at; /* [n_layers, n_kinds] */
};

bool page_has_tensors(const struct page *p)
{
    for (size_t i = 0; i < p->r->n_models; i++)
        if (p->r->model[i].tensors.n)
            return true;
    return false;
}

/* Norms and other tensors that were copied say nothing. */
static bool coded(const struct tensor_error *t)
{
    return t->nmse > 0 && isfinite(t->nmse);
}

static int place_of(struct place *out, struct arena *arena, const char *name, struct err *err)
{
    const char *blk = strstr(name, "blk.");
    const char *dot = blk ? strchr(blk + 4, '.') : NULL;
    size_t n = strlen(name);
    char *end = NULL;

    *out = (struct place){0};
    if (path_ends(name, ".weight"))
        n -= 7;
    if (dot && isdigit((unsigned char)blk[4])) {
        const unsigned long layer = strtoul(blk + 4, &end, 10);
        out->in_layer = end == dot && layer < 100000;
        out->layer = out->in_layer ? (size_t)layer : 0;
    }
    if (out->in_layer && name + n > dot + 1)
        out->kind = arena_fmt(arena, "%.*s%.*s", (int)(blk - name), name, (int)(name + n - dot - 1),
                              dot + 1);
    else
        out->kind = arena_strn(arena, name, n);
    return out->kind ? 0 : err_nomem(err);
}

static size_t kind_index(const struct grid *g, const char *kind)
{
    size_t i = 0;

    while (i < g->n_kinds && strcmp(g->kind[i], kind) != 0)
        i++;
    return i;
}

/* Kinds in the order of the file, and how many layers there are. */
static int measure(struct grid *g, struct page *p, const struct tensor_errors *t, struct err *err)
{
    struct place place;

    for (size_t i = 0; i < t->n; i++) {
        if (!coded(&t->at[i]))
            continue;
        if (place_of(&place, &p->arena, t->at[i].name, err))
            return err->code;
        if (!place.in_layer || place.layer >= t->n)
            continue;
        if (place.layer >= g->n_layers)
            g->n_layers = place.layer + 1;
        if (kind_index(g, place.kind) == g->n_kinds && g->n_kinds < KINDS_MAX)
            g->kind[g->n_kinds++] = place.kind;
    }
    return 0;
}

static int make_grid(struct grid *g, struct page *p, const struct tensor_errors *t, struct err *err)
{
    struct place place;

    int rc = measure(g, p, t, err);
    if (rc)
        return rc;
    g->at = arena_array(&p->arena, g->n_layers * g->n_kinds + 1, sizeof(*g->at));
    if (!g->at)
        return err_nomem(err);
    for (size_t i = 0; i < t->n; i++) {
        if (!coded(&t->at[i]))
            continue;
        rc = place_of(&place, &p->arena, t->at[i].name, err);
        if (rc)
            return rc;
        const size_t k = kind_index(g, place.kind);
        if (place.in_layer && place.layer < g->n_layers && k < g->n_kinds)
            g->at[place.layer * g->n_kinds + k] = &t->at[i];
    }
    return 0;
}

/* ---- colours by logarithm, from the model's least error to its largest ------------------------- */

struct range {
    double most;   /* the largest error */
    double lo, hi; /* spread to a factor of 4 at least: near equals look alike */
    size_t n;      /* coded tensors */
};

static struct range range_of(const struct tensor_errors *t)
{
    struct range r = {.lo = (double)INFINITY};

    for (size_t i = 0; i < t->n; i++)
        if (coded(&t->at[i])) {
            r.lo = fmin(r.lo, t->at[i].nmse);
            r.hi = fmax(r.hi, t->at[i].nmse);
            r.n++;
        }
    r.most = r.hi;
    const double middle = sqrt(r.lo * r.hi);
    r.lo = fmin(r.lo, middle / 2);
    r.hi = fmax(r.hi, middle * 2);
    return r;
}

static int level_of(double nmse, const struct range *r)
{
    const double share = log(nmse / r->lo) / log(r->hi / r->lo);
    const int level = 1 + (int)(share * PAGE_LEVELS);

    return level < 1 ? 1 : level > PAGE_LEVELS ? PAGE_LEVELS : level;
}

/* In percent, with two digits that count: "0.82", "0.0034", "12". */
static void show(char out[FIGURE_BYTES], double nmse)
{
    const double percent = 100 * nmse;
    const int decimals = 1 - (int)floor(log10(percent) + 1e-9);

    figure_num(out, percent, decimals < 0 ? 0 : decimals > 8 ? 8 : decimals);
}

static void put_legend(struct page *p, const struct range *r)
{
    char from[FIGURE_BYTES], to[FIGURE_BYTES];

    buf_str(p->out, "<p class=\"legend\">NMSE, %:");
    for (int i = 1; i <= PAGE_LEVELS; i++) {
        const double step = log(r->hi / r->lo) / PAGE_LEVELS;
        show(from, r->lo * exp((i - 1) * step));
        show(to, r->lo * exp(i * step));
        if (i == PAGE_LEVELS)
            buf_fmt(p->out, " <b class=\"h%d\">%s \xE2\x80\x93 %s</b>", i, from, to);
        else
            buf_fmt(p->out, " <b class=\"h%d\">%s</b>", i, from);
    }
    buf_str(p->out, "</p>\n");
}

/* ---- the tables ---------------------------------------------------------------------------------- */

static void put_cell(struct page *p, const struct tensor_error *t, const struct range *r)
{
    char text[FIGURE_BYTES];

    if (!t) {
        buf_str(p->out, "<td></td>");
        return;
    }
    show(text, t->nmse);
    buf_fmt(p->out, "<td class=\"h%d\" title=\"", level_of(t->nmse, r));
    figure_text(p->out, t->name);
    buf_str(p->out, ", ");
    figure_text(p->out, t->type);
    buf_fmt(p->out, "\">%s</td>", text);
}

static void put_map(struct page *p, const struct grid *g, const struct range *r)
{
    buf_str(p->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"errors by "
                    "layer\"><table class=\"heat\"><thead><tr><th scope=\"col\">Layer</th>");
    for (size_t k = 0; k < g->n_kinds; k++) {
        buf_str(p->out, "<th scope=\"col\">");
        for (const char *s = g->kind[k]; *s; s++) { /* may break behind a part of the name */
            const char one[] = {*s, '\0'};
            figure_text(p->out, one);
            if (*s == '_' || *s == '.')
                buf_str(p->out, "<wbr>");
        }
        buf_str(p->out, "</th>");
    }
    buf_str(p->out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < g->n_layers; i++) {
        buf_fmt(p->out, "<tr><th scope=\"row\">%zu</th>", i);
        for (size_t k = 0; k < g->n_kinds; k++)
            put_cell(p, g->at[i * g->n_kinds + k], r);
        buf_str(p->out, "</tr>\n");
    }
    buf_str(p->out, "</tbody></table></div>\n");
}

static void put_row(struct page *p, const struct tensor_error *t, const struct range *r)
{
    char text[FIGURE_BYTES], size[FIGURE_BYTES];

    show(text, t->nmse);
    figure_size(size, t->bytes);
    buf_str(p->out, "<tr><th scope=\"row\" class=\"l\">");
    figure_text(p->out, t->name);
    buf_str(p->out, "</th><td class=\"l\">");
    figure_text(p->out, t->type);
    buf_fmt(
        p->out, "</td><td data-v=\"%llu\">%s</td><td class=\"h%d\" data-v=\"%.9g\">%s</td></tr>\n",
        (unsigned long long)t->bytes, t->bytes ? size : "", level_of(t->nmse, r), t->nmse, text);
}

/* By error, the largest first; among equals in the file's order. */
static int by_nmse(const void *a, const void *b)
{
    const struct tensor_error *x = *(const struct tensor_error *const *)a,
                              *y = *(const struct tensor_error *const *)b;

    if (x->nmse != y->nmse)
        return x->nmse > y->nmse ? -1 : 1;
    return (x > y) - (x < y);
}

static int put_worst(struct page *p, const struct tensor_errors *t, const struct range *r,
                     struct err *err)
{
    const struct tensor_error **sorted = arena_array(&p->arena, r->n + 1, sizeof(*sorted));
    size_t n = 0;

    if (!sorted)
        return err_nomem(err);
    for (size_t i = 0; i < t->n; i++)
        if (coded(&t->at[i]))
            sorted[n++] = &t->at[i];
    qsort(sorted, n, sizeof(*sorted), by_nmse);
    buf_str(p->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"worst "
                    "tensors\"><table class=\"sort\"><caption class=\"l soft\">The worst</caption>"
                    "<thead><tr><th scope=\"col\" class=\"l\">Tensor</th>"
                    "<th scope=\"col\" class=\"l\">Type</th><th scope=\"col\">Size</th>"
                    "<th scope=\"col\">NMSE, %</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < n && i < WORST; i++)
        put_row(p, sorted[i], r);
    buf_str(p->out, "</tbody></table></div>\n");
    return 0;
}

static int put_model(struct page *p, const struct report_model *m, bool open, struct err *err)
{
    const struct range r = range_of(&m->tensors);
    const char *name = page_name(p, m);
    char to[FIGURE_BYTES];
    struct grid g = {0};
    int rc = name ? make_grid(&g, p, &m->tensors, err) : err_nomem(err);

    if (rc || !r.n)
        return rc;
    show(to, r.most);
    buf_str(p->out, open ? "<details open><summary>" : "<details><summary>");
    figure_text(p->out, name);
    buf_fmt(p->out, " <span>%zu coded tensors, NMSE up to %s %%</span></summary>\n", r.n, to);
    put_legend(p, &r);
    buf_str(p->out, "<div class=\"side\">\n");
    if (g.n_layers && g.n_kinds)
        put_map(p, &g, &r);
    rc = put_worst(p, &m->tensors, &r, err);
    buf_str(p->out, "</div></details>\n");
    return rc;
}

int page_put_tensors(struct page *p, struct err *err)
{
    bool open = true;
    int rc = 0;

    buf_str(p->out,
            "<p class=\"soft\">NMSE: what coding changed in a tensor, \xCE\xA3(a\xE2\x88\x92"
            "b)\xC2\xB2 over "
            "\xCE\xA3"
            "a\xC2\xB2, in percent; of all weights alike, whatever they are multiplied with. "
            "Tensors that were only copied are left out. Colours are of each model's own "
            "range.</p>\n");
    for (size_t i = 0; !rc && i < p->r->n_models; i++) {
        if (!range_of(&p->r->model[i].tensors).n)
            continue;
        rc = put_model(p, &p->r->model[i], open, err);
        open = false;
    }
    return rc;
}
