#include "tools/results.h"

#include "eval/figure.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 8, COLUMNS_ALONE = 5 };

struct line {
    const char *file; /* its cell 0 */
    char cell[COLUMNS][FIGURE_BYTES];
};

static const char *const heads[COLUMNS] = {"file", "type",      "size", "bpw",
                                           "PPL",  "PPL ratio", "KLD",  "top-1 %"};

/* Columns on a terminal: a character beyond ASCII takes one. */
static size_t width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static void fill(struct line *l, const struct report_model *m)
{
    const struct eval_result *e = &m->result;

    l->file = m->file;
    (void)snprintf(l->cell[1], FIGURE_BYTES, "%s", m->type);
    figure_size(l->cell[2], m->bytes);
    figure_num(l->cell[3], report_bpw(m), 2);
    figure_mean(l->cell[4], e->ppl, 4);
    if (!e->have_original)
        return;
    figure_mean(l->cell[5], e->ppl_ratio, 4);
    figure_mean(l->cell[6], e->kld, 0);
    figure_percent(l->cell[7], e->top1);
}

static const char *cell_of(const struct line *l, size_t column)
{
    return column ? l->cell[column] : l->file;
}

static void print(const struct line *line, size_t n, size_t columns)
{
    size_t wide[COLUMNS];

    for (size_t c = 0; c < columns; c++) {
        wide[c] = width(heads[c]);
        for (size_t i = 0; i < n; i++)
            if (width(cell_of(&line[i], c)) > wide[c])
                wide[c] = width(cell_of(&line[i], c));
    }
    for (size_t i = 0; i <= n; i++) {
        for (size_t c = 0; c < columns; c++) {
            const char *s = i ? cell_of(&line[i - 1], c) : heads[c];
            const int pad = (int)(wide[c] - width(s));
            /* names begin, numbers end their column */
            if (c < 2)
                (void)printf("%s%s%*s", c ? "  " : "", s, pad, "");
            else
                (void)printf("  %*s%s", pad, "", s);
        }
        (void)puts("");
    }
}

int results_print(const struct report *r, struct err *err)
{
    const size_t n = r->n_models + (r->original != NULL);
    struct line *line = calloc(n + 1, sizeof(*line));
    size_t at = 0;

    if (!line)
        return err_nomem(err);
    if (r->original)
        fill(&line[at++], r->original);
    for (size_t i = 0; i < r->n_models; i++)
        fill(&line[at++], &r->model[i]);
    print(line, n, r->original && r->n_models ? COLUMNS : COLUMNS_ALONE);
    free(line);
    return 0;
}
