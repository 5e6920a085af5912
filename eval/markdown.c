#include "eval/markdown.h"

#include "eval/columns.h"
#include "formats/base/version.h"

#include <string.h>

void markdown_text(struct buf *out, const char *s)
{
    static const char marks[] = "\\`*_{}[]()#+!|~@$:";

    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        const char one[] = {*s, '\0'};
        if (c < 0x20 || c == 0x7F)
            buf_str(out, " ");
        else if (strchr(marks, *s))
            buf_fmt(out, "\\%c", c);
        else
            figure_text(out, one);
    }
}

static void put_code(struct buf *out, const char *s)
{
    buf_str(out, "<code>");
    markdown_text(out, s);
    buf_str(out, "</code>");
}

static void put_title(struct buf *out, const struct report *r)
{
    const struct report_model *m = r->original ? r->original : r->n_models ? r->model : NULL;
    char size[FIGURE_BYTES];

    buf_str(out, "### ");
    markdown_text(out, r->name);
    buf_str(out, r->original ? ": what was lost\n\n" : "\n\n");
    buf_fmt(out, "%zu %s", r->n_models, r->n_models == 1 ? "file" : "files");
    if (r->original) {
        figure_size(size, r->original->bytes);
        buf_str(out, " against the original (");
        markdown_text(out, r->original->type ? r->original->type : "");
        buf_fmt(out, ", %s)", size);
    }
    if (r->text && m) {
        buf_fmt(out, ", on %zu tokens in %zu windows of %zu of ", m->result.n_tokens,
                m->result.n_windows, r->n_ctx);
        put_code(out, r->text);
    }
    buf_fmt(out, ", %s activations.\n\n", r->kernels);
}

/* ---- gates ----------------------------------------------------------------------------------- */

static void put_gates(struct buf *out, const struct gate_results *g)
{
    static const char *const status[] = {[GATE_MET] = "\xE2\x9C\x85 met",
                                         [GATE_FAILED] = "\xE2\x9D\x8C failed",
                                         [GATE_UNDECIDED] = "\xE2\x9D\x94 undecided"};

    if (!g || !g->n)
        return;
    if (g->n_failed)
        buf_fmt(out, "**%zu of %zu gates failed.**\n\n", g->n_failed, g->n);
    else
        buf_fmt(out, "All %zu gates met.\n\n", g->n);
    buf_str(out, "| model | gate | result | measured |\n| :-- | :-- | :-- | :-- |\n");
    for (size_t i = 0; i < g->n; i++) {
        buf_str(out, "| ");
        markdown_text(out, g->at[i].model ? g->at[i].model : "");
        buf_str(out, " | ");
        put_code(out, g->at[i].gate->text);
        buf_fmt(out, " | %s | ", status[g->at[i].status]);
        markdown_text(out, g->at[i].why ? g->at[i].why : "");
        buf_str(out, " |\n");
    }
    buf_str(out, "\n");
}

/* ---- tables ------------------------------------------------------------------------------------ */

static void put_row(struct buf *out, const struct report *r, const struct report_model *m,
                    const struct column *c, size_t n, bool type)
{
    struct column_cell cell;

    buf_str(out, "| ");
    markdown_text(out, m->name);
    if (type) {
        buf_str(out, " | ");
        markdown_text(out, m->type ? m->type : "");
    }
    for (size_t i = 0; i < n; i++) {
        if (!column_used(&c[i], r))
            continue;
        column_get(&cell, &c[i], m);
        buf_fmt(out, " | %s", cell.text);
    }
    buf_str(out, " |\n");
}

static void put_table(struct buf *out, const struct report *r, const struct column *c, size_t n,
                      bool type)
{
    buf_str(out, type ? "| name | type" : "| name");
    for (size_t i = 0; i < n; i++)
        if (column_used(&c[i], r))
            buf_fmt(out, " | %s", c[i].head);
    buf_str(out, type ? " |\n| :-- | :--" : " |\n| :--");
    for (size_t i = 0; i < n; i++)
        if (column_used(&c[i], r))
            buf_str(out, " | --:");
    buf_str(out, " |\n");
    if (type && r->original)
        put_row(out, r, r->original, c, n, type);
    for (size_t i = 0; i < r->n_models; i++)
        put_row(out, r, &r->model[i], c, n, type);
    buf_str(out, "\n");
}

static void put_tasks(struct buf *out, const struct report_model *m)
{
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < m->tasks.n; i++) {
        const struct task_result *t = &m->tasks.at[i];
        buf_str(out, "| ");
        markdown_text(out, m->name);
        buf_str(out, " | ");
        markdown_text(out, t->name);
        figure_percent(text, t->acc);
        buf_fmt(out, " | %zu | %s | ", t->n_items, text);
        figure_percent(text, t->acc_norm);
        buf_fmt(out, "%s | ", t->have_norm ? text : "");
        figure_percent(text, t->acc_diff);
        buf_fmt(out, "%s |\n", t->have_original ? text : "");
    }
}

static void put_all_tasks(struct buf *out, const struct report *r)
{
    size_t n = r->original ? r->original->tasks.n : 0;

    for (size_t i = 0; i < r->n_models; i++)
        n += r->model[i].tasks.n;
    if (!n)
        return;
    buf_str(out, "| name | task | items | accuracy, % | normalised, % | change, % |\n"
                 "| :-- | :-- | --: | --: | --: | --: |\n");
    if (r->original)
        put_tasks(out, r->original);
    for (size_t i = 0; i < r->n_models; i++)
        put_tasks(out, &r->model[i]);
    buf_str(out, "\n");
}

static void put_provenance(struct buf *out, const struct report *r)
{
    buf_str(out, "pare " PARE_VERSION);
    if (r->text_sha256) {
        buf_str(out, "; SHA-256 of the text ");
        put_code(out, r->text_sha256);
    }
    buf_str(out, "\n\n");
    for (size_t i = 0; i < r->n_models; i++)
        if (r->model[i].sha256) {
            buf_str(out, "- ");
            markdown_text(out, r->model[i].name);
            buf_str(out, " ");
            put_code(out, r->model[i].sha256);
            buf_str(out, "\n");
        }
}

int markdown_report(struct buf *out, const struct report *r, const struct gate_results *gates,
                    struct err *err)
{
    put_title(out, r);
    put_gates(out, gates);
    if (r->n_models || r->original)
        put_table(out, r, columns_main, columns_n_main, true);
    put_all_tasks(out, r);
    buf_str(out, "<details><summary>Details</summary>\n\n");
    if (r->n_models && r->model->result.have_original)
        put_table(out, r, columns_tail, columns_n_tail, false);
    put_provenance(out, r);
    buf_str(out, "\nKLD: mean KL divergence from the original, nats. ± is one standard error, "
                 "clustered by window; less than about two of them may be chance.\n\n</details>\n");
    return buf_check(out, err);
}
