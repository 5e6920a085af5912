/* The table of models, and that of how each loss is spread over the tokens. */

#include "eval/columns.h"
#include "eval/page.h"
#include "eval/pareto.h"

#include <string.h>

bool page_has_models(const struct page *p)
{
    return p->r->n_models > 0;
}

bool page_has_tails(const struct page *p)
{
    return p->r->n_models && p->r->model->result.have_original;
}

static void put_heads(struct page *p, const struct column *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (column_used(&c[i], p->r))
            buf_fmt(p->out, "<th scope=\"col\" title=\"%s\">%s</th>", c[i].tip, c[i].head);
}

/* The error stands smaller beside its value. */
static void put_cell(struct page *p, const struct column_cell *cell)
{
    const char *error = strstr(cell->text, " \xC2\xB1 ");
    const int n = (int)(error ? (size_t)(error - cell->text) : strlen(cell->text));

    buf_fmt(p->out, "<td data-v=\"%.9g\">%.*s", cell->mean.value, n, cell->text);
    if (error)
        buf_fmt(p->out, "<small>%s</small>", error);
    buf_str(p->out, "</td>");
}

static void put_cells(struct page *p, const struct column *c, size_t n,
                      const struct report_model *m)
{
    struct column_cell cell;

    for (size_t i = 0; i < n; i++) {
        if (!column_used(&c[i], p->r))
            continue;
        column_get(&cell, &c[i], m);
        if (cell.known)
            put_cell(p, &cell);
        else
            buf_str(p->out, "<td data-v=\"\"></td>");
    }
}

static int put_name(struct page *p, const struct report_model *m, bool base, struct err *err)
{
    const char *name = page_name(p, m);

    if (!name)
        return err_nomem(err);
    buf_str(p->out, base ? "<tr class=\"base\"><th scope=\"row\" title=\""
                         : "<tr><th scope=\"row\" title=\"");
    figure_text(p->out, m->file ? m->file : m->name);
    buf_str(p->out, "\">");
    figure_text(p->out, name);
    buf_str(p->out, "</th>");
    return 0;
}

/* Which file is better in size and loss, or that none is. */
static int put_front(struct page *p, size_t i, struct err *err)
{
    if (p->by[i] == PARETO_NONE) {
        buf_str(p->out, "<td class=\"l\"></td>");
    } else if (p->by[i] == PARETO_FRONT) {
        buf_str(p->out, "<td class=\"l\">\xE2\x97\x8F on it</td>");
    } else {
        const char *name = page_name(p, &p->r->model[p->by[i]]);
        if (!name)
            return err_nomem(err);
        buf_str(p->out, "<td class=\"l\">\xE2\x97\x87 behind ");
        figure_text(p->out, name);
        buf_str(p->out, "</td>");
    }
    return 0;
}

static int put_row(struct page *p, const struct report_model *m, size_t i, bool base,
                   struct err *err)
{
    int rc = put_name(p, m, base, err);

    if (rc)
        return rc;
    put_cells(p, columns_main, columns_n_main, m);
    buf_str(p->out, "<td class=\"l\">");
    figure_text(p->out, m->type ? m->type : "");
    buf_str(p->out, "</td>");
    if (base)
        buf_str(p->out, "<td class=\"l\">the original</td>");
    else
        rc = put_front(p, i, err);
    buf_str(p->out, "</tr>\n");
    return rc;
}

int page_put_models(struct page *p, struct err *err)
{
    int rc = 0;

    buf_str(p->out, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"models\" "
                    "tabindex=\"0\"><table class=\"full sort\">\n<thead><tr><th scope=\"col\">Name"
                    "</th>");
    put_heads(p, columns_main, columns_n_main);
    buf_str(p->out, "<th scope=\"col\" class=\"l\">Type</th><th scope=\"col\" class=\"l\">Size and "
                    "loss</th></tr></thead>\n<tbody>\n");
    if (p->r->original)
        rc = put_row(p, p->r->original, 0, true, err);
    for (size_t i = 0; !rc && i < p->r->n_models; i++)
        rc = put_row(p, &p->r->model[i], i, false, err);
    buf_str(p->out, "</tbody></table></div>\n");
    return rc;
}

int page_put_tails(struct page *p, struct err *err)
{
    int rc = 0;

    buf_str(p->out, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"tails\" "
                    "tabindex=\"0\"><table class=\"full sort\">\n<thead><tr><th scope=\"col\">Name"
                    "</th>");
    put_heads(p, columns_tail, columns_n_tail);
    buf_str(p->out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; !rc && i < p->r->n_models; i++) {
        rc = put_name(p, &p->r->model[i], false, err);
        put_cells(p, columns_tail, columns_n_tail, &p->r->model[i]);
        buf_str(p->out, "</tr>\n");
    }
    buf_str(p->out, "</tbody></table></div>\n");
    return rc;
}
