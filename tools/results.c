#include "tools/results.h"

#include "eval/figure.h"
#include "tools/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows of cells ------------------------------------------------------------------------- */

enum { COLUMNS_MAX = 10 };

struct row {
    const char *name[2]; /* names of any length for the first columns; NULL: see cell */
    char cell[COLUMNS_MAX][FIGURE_BYTES];
};

/* The original first, where there is one. */
static size_t n_models(const struct report *r)
{
    return r->n_models + (r->original != NULL);
}

static const struct report_model *model_at(const struct report *r, size_t i)
{
    if (r->original && !i)
        return r->original;
    return &r->model[i - (r->original != NULL)];
}

static int print(const char *const *head, const struct row *row, size_t n, size_t columns,
                 struct err *err)
{
    const char **cell = calloc((n + 1) * columns, sizeof(*cell));

    if (!cell)
        return err_nomem(err);
    memcpy(cell, head, columns * sizeof(*cell));
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < columns; c++)
            cell[(i + 1) * columns + c] = c < 2 && row[i].name[c] ? row[i].name[c] : row[i].cell[c];
    table_print(cell, n + 1, columns, 2, columns);
    free(cell);
    return 0;
}

/* ---- what was measured on a text ------------------------------------------------------------- */

static const char *const text_head[] = {"file", "type",      "size", "bpw",
                                        "PPL",  "PPL ratio", "KLD",  "top-1 %"};

static void fill(struct row *l, const struct report_model *m)
{
    const struct eval_result *e = &m->result;

    l->name[0] = m->file;
    l->name[1] = m->type;
    figure_size(l->cell[2], m->bytes);
    figure_num(l->cell[3], report_bpw(m), 2);
    if (e->n_tokens)
        figure_mean(l->cell[4], e->ppl, 4);
    if (!e->have_original)
        return;
    figure_mean(l->cell[5], e->ppl_ratio, 4);
    figure_mean(l->cell[6], e->kld, 0);
    figure_percent(l->cell[7], e->top1);
}

/* The same file with fast kernels: what they add is the difference. */
static void fill_fast(struct row *l, const struct eval_result *e)
{
    l->name[0] = "  with fast kernels";
    figure_mean(l->cell[4], e->ppl, 4);
    if (!e->have_original)
        return;
    figure_mean(l->cell[5], e->ppl_ratio, 4);
    figure_mean(l->cell[6], e->kld, 0);
    figure_percent(l->cell[7], e->top1);
}

static int print_text(const struct report *r, struct err *err)
{
    size_t n = 0;
    struct row *row = calloc(2 * n_models(r) + 1, sizeof(*row));

    if (!row)
        return err_nomem(err);
    for (size_t i = 0; i < n_models(r); i++) {
        const struct report_model *m = model_at(r, i);
        fill(&row[n++], m);
        if (m->result.fast)
            fill_fast(&row[n++], m->result.fast);
    }
    const int rc = print(text_head, row, n, sizeof(text_head) / sizeof(*text_head), err);
    free(row);
    return rc;
}

/* ---- tasks --------------------------------------------------------------------------------------- */

static const char *const task_head[] = {"task", "file",   "items",       "acc %",     "acc_norm %",
                                        "PPL",  "diff %", "norm diff %", "PPL ratio", "flips %"};

static void fill_task(struct row *l, const char *file, const struct task_result *t)
{
    l->name[0] = t->name;
    l->name[1] = file;
    (void)snprintf(l->cell[2], FIGURE_BYTES, "%zu", t->n_items);
    figure_percent(l->cell[3], t->acc);
    if (t->have_norm)
        figure_percent(l->cell[4], t->acc_norm);
    if (t->have_ppl)
        figure_mean(l->cell[5], t->ppl, 2);
    if (!t->have_original)
        return;
    figure_percent(l->cell[6], t->acc_diff);
    if (t->have_norm)
        figure_percent(l->cell[7], t->acc_norm_diff);
    if (t->have_ppl)
        figure_mean(l->cell[8], t->ppl_ratio, 4);
    figure_percent(l->cell[9], t->flips);
}

/* Task by task, each with all models. */
static int print_tasks(const struct report *r, struct err *err)
{
    size_t n = 0, most = 0;

    for (size_t i = 0; i < n_models(r); i++) {
        const size_t k = model_at(r, i)->tasks.n;
        n += k;
        most = k > most ? k : most;
    }
    if (!n)
        return 0;
    struct row *row = calloc(n, sizeof(*row));
    if (!row)
        return err_nomem(err);
    n = 0;
    for (size_t t = 0; t < most; t++)
        for (size_t i = 0; i < n_models(r); i++) {
            const struct report_model *m = model_at(r, i);
            if (t < m->tasks.n)
                fill_task(&row[n++], m->file, &m->tasks.at[t]);
        }
    const int rc = print(task_head, row, n, sizeof(task_head) / sizeof(*task_head), err);
    free(row);
    return rc;
}

int results_print(const struct report *r, struct err *err)
{
    const int rc = print_text(r, err);

    return rc ? rc : print_tasks(r, err);
}
