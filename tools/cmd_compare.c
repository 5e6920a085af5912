/* pare compare: two reports, or two models of one, window by window. */

#include "eval/compare.h"
#include "eval/compare_page.h"
#include "eval/compare_show.h"
#include "eval/report_read.h"
#include "formats/apart.h"
#include "formats/base/out.h"
#include "tools/cmd.h"
#include "tools/gates.h"
#include "tools/table.h"
#include "tools/text.h"

#include <stdlib.h>
#include <string.h>

struct compare {
    const char *path[2];
    size_t n_paths;
    struct compare_opts opts;
    const char *models, *json, *html, *markdown, *junit;
    char names[2][256]; /* of --models X,Y */
    struct opt_list exprs;
    struct gates gates;
    struct report_file file[2];
    struct comparison result;
};

/* ---- for a person ------------------------------------------------------------------------- */

static int print_rows(const struct compare_pair *p, struct err *err)
{
    enum { COLUMNS = 6, RIGHT = 4 };
    static const char *const heads[COLUMNS] = {"", "A", "B", "B - A", "95 % interval", ""};
    struct compare_cells *c = calloc(p->n_rows + 1, sizeof(*c));
    const char **cell = calloc((p->n_rows + 1) * COLUMNS, sizeof(*cell));
    const int rc = c && cell ? 0 : err_nomem(err);

    for (size_t i = 0; !rc && i < p->n_rows; i++) {
        compare_show(&c[i], &p->row[i]);
        const char *const row[COLUMNS] = {c[i].title, c[i].a,        c[i].b,
                                          c[i].diff,  c[i].interval, c[i].verdict};
        memcpy(cell + (i + 1) * COLUMNS, row, sizeof(row));
    }
    if (!rc) {
        memcpy(cell, heads, sizeof(heads));
        table_print(cell, p->n_rows + 1, COLUMNS, 1, RIGHT);
    }
    free(cell);
    free(c);
    return rc;
}

static int print_windows(const struct compare_pair *p, struct err *err)
{
    enum { COLUMNS = 4, SHOWN = 64 };
    const char *cell[(COMPARE_TOP + 1) * COLUMNS] = {"window", "A", "B", "begins"};
    char number[COMPARE_TOP][24], text[COMPARE_TOP][SHOWN];
    char value[COMPARE_TOP][2][COMPARE_CELL_BYTES];
    struct buf b = {0};

    if (!p->n_top)
        return 0;
    for (size_t i = 0; i < p->n_top; i++) {
        const struct compare_window *w = &p->top[i];
        (void)snprintf(number[i], sizeof(number[i]), "%zu", w->window);
        compare_show_window(value[i][0], w->a);
        compare_show_window(value[i][1], w->b);
        table_text(text[i], SHOWN, w->text ? w->text : "");
        const char *const row[COLUMNS] = {number[i], value[i][0], value[i][1], text[i]};
        memcpy(cell + (i + 1) * COLUMNS, row, sizeof(row));
    }
    buf_fmt(&b, "\nwhere they differ most (%s):\n", p->top_metric->title);
    const int rc = text_print(&b, err);
    if (!rc)
        table_print(cell, p->n_top + 1, COLUMNS, 0, COLUMNS - 1);
    return rc;
}

static int print_pair(const struct comparison *c, size_t i, struct err *err)
{
    const struct compare_pair *p = &c->pair[i];
    struct buf b = {0};

    buf_fmt(&b, "%sA: %s (%s)\nB: %s (%s)\n", i ? "\n" : "", p->a->name, c->a_file, p->b->name,
            c->b_file);
    if (p->n_windows)
        buf_fmt(&b, "%zu windows of %zu tokens of %s, paired\n", p->n_windows, c->b->n_ctx,
                c->b->text ? c->b->text : "?");
    buf_str(&b, "\n");
    int rc = text_print(&b, err);
    if (!rc)
        rc = print_rows(p, err);
    return rc ? rc : print_windows(p, err);
}

static int print(const struct comparison *c, struct err *err)
{
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; !rc && i < c->n_pairs; i++)
        rc = print_pair(c, i, err);
    for (size_t i = 0; i < c->n_unpaired; i++)
        buf_fmt(&b, "%s%s: only one of the reports has it\n", i ? "" : "\n", c->unpaired[i]);
    if (!rc)
        return text_print(&b, err);
    buf_release(&b);
    return rc;
}

/* ---- options -------------------------------------------------------------------------------- */

/* --models X,Y: two of one report. */
static int split_models(struct compare *c, struct err *err)
{
    const char *comma = strchr(c->models, ',');
    const size_t n = comma ? (size_t)(comma - c->models) : 0;

    if (!n || !comma[1] || n >= sizeof(c->names[0]) || strlen(comma + 1) >= sizeof(c->names[1]))
        return err_set(err, ERR_ARG, "--models wants two names, X,Y, not \"%.100s\"", c->models);
    memcpy(c->names[0], c->models, n);
    memcpy(c->names[1], comma + 1, strlen(comma + 1));
    c->opts.model_a = c->names[0];
    c->opts.model_b = c->names[1];
    return 0;
}

static int check(struct compare *c, struct err *err)
{
    const char *const written[] = {c->json, c->html, c->markdown, c->junit};
    int rc = 0;

    if (c->models && (c->n_paths == 2 || c->opts.model_a || c->opts.model_b))
        return err_set(err, ERR_ARG,
                       "--models X,Y is of one report; of two, --model-a and "
                       "--model-b choose");
    if (c->n_paths == 1 && !c->models)
        return err_set(err, ERR_ARG, "one report alone: --models X,Y says which of its models");
    if (c->models)
        rc = split_models(c, err);
    for (size_t i = 0; !rc && i < N_OF(written); i++)
        for (size_t k = 0; !rc && k < c->n_paths; k++)
            rc = apart(written[i], c->path[k], false, err);
    if (!rc)
        rc = gates_parse(&c->gates, &c->exprs, NULL, 0, err);
    for (size_t i = 0; !rc && i < N_OF(written); i++)
        rc = gates_apart(&c->gates, written[i], err);
    return rc;
}

/* ---- the work --------------------------------------------------------------------------------- */

static int load(struct compare *c, struct err *err)
{
    int rc = report_load(&c->file[0], c->path[0], err);

    if (!rc && c->n_paths == 2)
        rc = report_load(&c->file[1], c->path[1], err);
    c->opts.a_file = c->path[0];
    c->opts.b_file = c->path[c->n_paths - 1];
    return rc;
}

static int write_one(const struct compare *c, const char *path,
                     int (*put)(struct buf *, const struct comparison *, struct err *),
                     struct err *err)
{
    struct buf b = {0};
    int rc = path ? put(&b, &c->result, err) : 0;

    if (!rc && path)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int write_all(const struct compare *c, struct err *err)
{
    int rc = write_one(c, c->json, compare_json, err);

    if (!rc)
        rc = write_one(c, c->html, compare_html, err);
    return rc ? rc : write_one(c, c->markdown, compare_markdown, err);
}

/* Gates are of the models of B that were compared. */
static int run_gates(const struct compare *c, struct err *err)
{
    struct report_model *model = calloc(c->result.n_pairs + 1, sizeof(*model));
    struct report r = *c->result.b;

    if (!model)
        return err_nomem(err);
    for (size_t i = 0; i < c->result.n_pairs; i++)
        model[i] = *c->result.pair[i].b;
    r.model = model;
    r.n_models = c->result.n_pairs;
    const int rc = gates_run(&c->gates, &r, c->junit, err);
    free(model);
    return rc;
}

int cmd_compare(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct compare c = {0};
    struct cmd_common common;
    const struct opt opts[] = {
        {"gate",     "EXPR", "a condition B has to meet: \"kld <= 0.03 at 95%\"; repeatable", OPT_LIST,
         &c.exprs,                                                                                                       0, 0},
        {"model-a",  "NAME", "of A this model (default: those of the same name)",             OPT_STR,
         &c.opts.model_a,                                                                                                0, 0},
        {"model-b",  "NAME", "of B this one",                                                 OPT_STR,  &c.opts.model_b, 0, 0},
        {"models",   "X,Y",  "two models of one report",                                      OPT_STR,  &c.models,       0, 0},
        {"json",     "FILE", "write the comparison",                                          OPT_STR,  &c.json,         0, 0},
        {"html",     "FILE", "write it as a page",                                            OPT_STR,  &c.html,         0, 0},
        {"markdown", "FILE", "write it as Markdown, for a pull request",                      OPT_STR,  &c.markdown,     0,
         0                                                                                                                   },
        {"junit",    "FILE", "write the gates as JUnit XML",                                  OPT_STR,  &c.junit,        0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, c.path, &c.n_paths, 1, 2, err);
    if (rc || common.done)
        return rc;
    rc = check(&c, err);
    if (!rc)
        rc = load(&c, err);
    if (!rc)
        rc = compare_reports(&c.result, &c.file[0].report, &c.file[c.n_paths - 1].report, &c.opts,
                             err);
    if (!rc)
        rc = write_all(&c, err);
    if (!rc)
        rc = print(&c.result, err);
    if (!rc)
        rc = run_gates(&c, err);
    comparison_release(&c.result);
    report_file_release(&c.file[0]);
    report_file_release(&c.file[1]);
    gates_release(&c.gates);
    return rc;
}
