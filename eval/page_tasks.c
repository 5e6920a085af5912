/* Tasks: how many items each model answered right. */

#include "eval/figure.h"
#include "eval/page.h"

#include <string.h>

/* All models of a report ran the same tasks. */
bool page_has_tasks(const struct page *p)
{
    return p->r->n_models && p->r->model->tasks.n;
}

static void put_mean(struct page *p, bool known, struct stats_mean m, bool percent)
{
    char text[FIGURE_BYTES];

    if (!known) {
        buf_str(p->out, "<td data-v=\"\"></td>");
        return;
    }
    if (percent)
        figure_percent(text, m);
    else
        figure_mean(text, m, 3);
    buf_fmt(p->out, "<td data-v=\"%.9g\">%s</td>", m.value, text);
}

static int put_row(struct page *p, const struct report_model *m, const struct task_result *t,
                   struct err *err)
{
    const char *name = page_name(p, m);

    if (!name)
        return err_nomem(err);
    buf_str(p->out, m == p->r->original ? "<tr class=\"base\"><th scope=\"row\">"
                                        : "<tr><th scope=\"row\">");
    figure_text(p->out, name);
    buf_str(p->out, "</th><td class=\"l\">");
    figure_text(p->out, t->name);
    buf_str(p->out, "</td><td class=\"l\">");
    figure_text(p->out, t->layout ? t->layout : "");
    buf_fmt(p->out, "</td><td data-v=\"%zu\">%zu</td>", t->n_items, t->n_items);
    put_mean(p, true, t->acc, true);
    put_mean(p, t->have_norm, t->acc_norm, true);
    put_mean(p, t->have_original, t->acc_diff, true);
    put_mean(p, t->have_original, t->flips, true);
    put_mean(p, t->have_ppl, t->ppl, false);
    buf_str(p->out, "</tr>\n");
    return 0;
}

/* Every model's result on the task of that name. */
static int put_rows(struct page *p, const char *name, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < p->r->n_models + 1; i++) {
        const struct report_model *m = i ? &p->r->model[i - 1] : p->r->original;
        for (size_t k = 0; !rc && m && k < m->tasks.n; k++)
            if (!strcmp(m->tasks.at[k].name, name))
                rc = put_row(p, m, &m->tasks.at[k], err);
    }
    return rc;
}

int page_put_tasks(struct page *p, struct err *err)
{
    const struct report_model *first = p->r->model;
    int rc = 0;

    buf_str(p->out,
            "<div class=\"scroll\" role=\"region\" aria-labelledby=\"tasks\" tabindex=\"0\">"
            "<table class=\"full sort\">\n<thead><tr><th scope=\"col\">Model</th>"
            "<th scope=\"col\" class=\"l\">Task</th><th scope=\"col\" class=\"l\">Layout</th>"
            "<th scope=\"col\">Items</th><th scope=\"col\">Accuracy, %</th>"
            "<th scope=\"col\" title=\"choices by log-likelihood per character\">Normalised, %</th>"
            "<th scope=\"col\" title=\"accuracy minus the original's, paired by item\">"
            "Change, %</th><th scope=\"col\" title=\"items right in only one of both\">Flips, %"
            "</th><th scope=\"col\">PPL of answers</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; !rc && i < first->tasks.n; i++)
        rc = put_rows(p, first->tasks.at[i].name, err);
    buf_str(p->out, "</tbody></table></div>\n");
    return rc;
}
