#include "eval/compare_page.h"
#include "eval/compare_show.h"
#include "eval/markdown.h"
#include "formats/base/version.h"

static const char *const sign[] = {[COMPARE_SAME] = "=",
                                   [COMPARE_BETTER] = "\xF0\x9F\x94\xBC",
                                   [COMPARE_WORSE] = "\xF0\x9F\x94\xBD",
                                   [COMPARE_UNKNOWN] = "?"};

static void put_cell(struct buf *out, const char *text)
{
    buf_str(out, " | ");
    markdown_text(out, text);
}

static void put_row(struct buf *out, const struct compare_row *row)
{
    struct compare_cells c;

    compare_show(&c, row);
    buf_str(out, "| ");
    markdown_text(out, c.title);
    buf_fmt(out, " | %s | %s | %s | %s | %s ", c.a, c.b, c.diff, c.interval, sign[row->verdict]);
    markdown_text(out, c.verdict);
    buf_str(out, " |\n");
}

static void put_windows(struct buf *out, const struct compare_pair *p)
{
    char a[COMPARE_CELL_BYTES], b[COMPARE_CELL_BYTES];

    if (!p->n_top)
        return;
    buf_fmt(out,
            "<details><summary>Where they differ most: %s</summary>\n\n"
            "| window | A | B | begins |\n| --: | --: | --: | :-- |\n",
            p->top_metric->title);
    for (size_t i = 0; i < p->n_top; i++) {
        compare_show_window(a, p->top[i].a);
        compare_show_window(b, p->top[i].b);
        buf_fmt(out, "| %zu | %s | %s", p->top[i].window, a, b);
        put_cell(out, p->top[i].text ? p->top[i].text : "");
        buf_str(out, " |\n");
    }
    buf_str(out, "\n</details>\n\n");
}

/* One line of what changed. */
static void put_line(struct buf *out, const struct compare_pair *p)
{
    size_t n[COMPARE_UNKNOWN + 1] = {0};

    for (size_t i = 0; i < p->n_rows; i++)
        n[p->row[i].verdict]++;
    buf_str(out, "**");
    markdown_text(out, p->a->name);
    buf_str(out, " \xE2\x86\x92 ");
    markdown_text(out, p->b->name);
    buf_fmt(out, "**: %zu better, %zu worse, %zu without a difference at 95 %%", n[COMPARE_BETTER],
            n[COMPARE_WORSE], n[COMPARE_SAME]);
    if (p->n_windows)
        buf_fmt(out, ", on %zu paired windows", p->n_windows);
    buf_str(out, ".\n\n");
}

int compare_markdown(struct buf *out, const struct comparison *c, struct err *err)
{
    buf_str(out, "### ");
    markdown_text(out, c->b->name);
    buf_str(out, ": compared\n\n");
    for (size_t i = 0; i < c->n_pairs; i++) {
        const struct compare_pair *p = &c->pair[i];
        put_line(out, p);
        buf_str(out, "| metric | A | B | B \xE2\x88\x92 A | 95 % interval | B is |\n"
                     "| :-- | --: | --: | --: | --: | :-- |\n");
        for (size_t k = 0; k < p->n_rows; k++)
            put_row(out, &p->row[k]);
        buf_str(out, "\n");
        put_windows(out, p);
    }
    for (size_t i = 0; i < c->n_unpaired; i++) {
        buf_str(out, i ? ", " : "Only one of the reports has: ");
        markdown_text(out, c->unpaired[i]);
    }
    buf_str(out, c->n_unpaired ? ".\n\n" : "");
    buf_str(out, "<sub>A: ");
    markdown_text(out, c->a_file ? c->a_file : "");
    buf_str(out, "; B: ");
    markdown_text(out, c->b_file ? c->b_file : "");
    buf_str(out, "; pare " PARE_VERSION "</sub>\n");
    return buf_check(out, err);
}
