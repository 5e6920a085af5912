#include "eval/html.h"

#include "eval/figure.h"
#include "eval/svg.h"
#include "formats/base/version.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* KLD at or below this stands on the chart's line "0", nats. */
static const double kld_floor = 1e-6;

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1c1e21;--soft:#5f6670;--line:#e3e6ea;"
    "--accent:#0b62c4;--card:#f6f7f9}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e8eaed;--soft:#9aa3ad;"
    "--line:#2b3036;--accent:#6cb0ff;--card:#1c2024}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:70rem;padding:1.5rem 1rem 3rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\n"
    "h1{font-size:1.6rem;margin:0 0 .2rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 "
    ".5rem}\n"
    "p{margin:.3rem 0}.soft{color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}\n"
    "figure{margin:1.2rem 0}svg{width:100%;height:auto;display:block}.narrow{display:none}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg .label{fill:var(--ink);"
    "font-weight:600}svg .name{font-size:12.5px}\n"
    "svg .grid{stroke:var(--line)}svg .mark{fill:var(--accent)}svg .bar{stroke:var(--ink);"
    "stroke-width:1.3;fill:none}\n"
    "table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums}"
    "\n"
    "th,td{padding:.4rem .45rem;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th{color:var(--soft);font-weight:600}\n"
    "th:first-child,td:first-child{text-align:left}td:first-child{font-weight:600}\n"
    ".scroll{overflow-x:auto}\n"
    "@media(max-width:640px){.wide{display:none}.narrow{display:block}"
    ".cards thead{display:none}.cards tr{display:block;background:var(--card);"
    "border-radius:.5rem;padding:.5rem .8rem;margin:.6rem 0}"
    ".cards td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.12rem 0}"
    ".cards td::before{content:attr(data-l);color:var(--soft);font-weight:400}"
    ".cards td:first-child{font-size:1rem}.cards td:first-child::before{content:none}"
    ".cards td:empty{display:none}}\n";

/* ---- chart ------------------------------------------------------------------------------------ */

/* Sizes are drawn in the unit of the largest. */
struct unit {
    const char *name;
    double bytes;
};

static struct unit unit_of(const struct report *r)
{
    static const struct unit units[] = {
        {"GiB", 1024.0 * 1024 * 1024},
        {"MiB", 1024.0 * 1024       }
    };
    const struct unit kib = {"KiB", 1024};
    uint64_t most = 0;

    for (size_t i = 0; i < r->n_models; i++)
        most = r->model[i].bytes > most ? r->model[i].bytes : most;
    for (size_t i = 0; i < 2; i++)
        if ((double)most >= units[i].bytes)
            return units[i];
    return kib;
}

static int point_of(struct svg_point *to, struct arena *arena, const struct report *r,
                    const struct report_model *m, struct err *err)
{
    const struct stats_mean loss = r->original ? m->result.kld : m->result.ppl;
    char size[FIGURE_BYTES], figure[FIGURE_BYTES];

    figure_size(size, m->bytes);
    figure_mean(figure, loss, 4);
    to->label = m->name;
    to->note = arena_fmt(arena, "%s: %s, %s %s", m->name, size,
                         r->original ? "KL divergence" : "perplexity", figure);
    to->x = (double)m->bytes / unit_of(r).bytes;
    to->y = loss.value;
    to->error = loss.error;
    return to->note ? 0 : err_nomem(err);
}

static int put_chart(struct buf *out, const struct report *r, struct arena *arena, struct err *err)
{
    struct svg_point *point = arena_array(arena, r->n_models + 1, sizeof(*point));
    const char *x_label = arena_fmt(arena, "file size, %s", unit_of(r).name);
    int rc = point && x_label ? 0 : err_nomem(err);

    for (size_t i = 0; !rc && i < r->n_models; i++)
        rc = point_of(&point[i], arena, r, &r->model[i], err);
    if (rc)
        return rc;
    struct svg_plot plot = {
        .title = r->original ? "File size against KL divergence from the original"
                             : "File size against perplexity",
        .x_label = x_label,
        .y_label = r->original ? "KL divergence, nats (log scale)" : "perplexity",
        .point = point,
        .n = r->n_models,
        .width = 860,
        .height = 430,
        .log_y = r->original != NULL,
        .y_floor = kld_floor,
        .css_class = "wide"};
    buf_str(out, "<figure>\n");
    rc = svg_plot(out, &plot, err);
    plot.width = 380;
    plot.height = 380;
    plot.css_class = "narrow";
    if (!rc)
        rc = svg_plot(out, &plot, err);
    buf_fmt(out,
            "<figcaption class=\"soft\">Down and left is better. Bars are one standard error, "
            "clustered by window%s.</figcaption>\n</figure>\n",
            r->original ? "; a divergence of at most 0.000001 is drawn as 0" : "");
    return rc;
}

/* ---- tables -------------------------------------------------------------------------------------- */

static void put_cell(struct buf *out, const char *head, const char *text)
{
    buf_fmt(out, "<td data-l=\"%s\">", head);
    figure_text(out, text);
    buf_str(out, "</td>");
}

static void put_row(struct buf *out, const struct report *r, const struct report_model *m)
{
    const struct eval_result *e = &m->result;
    char text[FIGURE_BYTES];

    buf_str(out, "<tr>");
    put_cell(out, "name", m->name ? m->name : "");
    put_cell(out, "type", m->type ? m->type : "");
    figure_size(text, m->bytes);
    put_cell(out, "size", text);
    figure_num(text, report_bpw(m), 2);
    put_cell(out, "bits/weight", text);
    figure_mean(text, e->ppl, 4);
    put_cell(out, "perplexity", text);
    if (r->original && e->have_original) {
        figure_mean(text, e->ppl_ratio, 4);
        put_cell(out, "PPL ratio", text);
        figure_mean(text, e->kld, 0);
        put_cell(out, "KL divergence", text);
        figure_percent(text, e->top1);
        put_cell(out, "same top, %", text);
    } else if (r->original) {
        buf_str(out, "<td></td><td></td><td></td>");
    }
    buf_str(out, "</tr>\n");
}

static void put_table(struct buf *out, const struct report *r)
{
    buf_str(out, "<div class=\"scroll\"><table class=\"cards\">\n<thead><tr><th>name</th><th>type"
                 "</th><th>size</th><th>bits/weight</th><th>perplexity</th>");
    if (r->original)
        buf_str(out, "<th>PPL ratio</th><th>KL divergence</th><th>same top, %</th>");
    buf_str(out, "</tr></thead>\n<tbody>\n");
    if (r->original)
        put_row(out, r, r->original);
    for (size_t i = 0; i < r->n_models; i++)
        put_row(out, r, &r->model[i]);
    buf_str(out, "</tbody></table></div>\n");
}

static void put_tail(struct buf *out, const struct report_model *m)
{
    const struct eval_result *e = &m->result;
    const struct {
        const char *head;
        double value, scale;
        int decimals;
    } cell[] = {
        {"KLD median",   e->kld_median,     1,   6},
        {"KLD 90 %",     e->kld_p90,        1,   5},
        {"KLD 99 %",     e->kld_p99,        1,   4},
        {"KLD 99.9 %",   e->kld_p999,       1,   4},
        {"KLD max",      e->kld_max,        1,   4},
        {"Δp mean, %",  e->dp.value,       100, 3},
        {"Δp RMS, %",   e->dp_rms,         100, 3},
        {"Δp 1 %",      e->dp_p1,          100, 2},
        {"Δp 99 %",     e->dp_p99,         100, 2},
        {"ln PPL corr.", e->ln_correlation, 1,   5},
    };
    char text[FIGURE_BYTES];

    buf_str(out, "<tr>");
    put_cell(out, "name", m->name);
    for (size_t i = 0; i < sizeof(cell) / sizeof(cell[0]); i++) {
        figure_num(text, cell[i].value * cell[i].scale, cell[i].decimals);
        put_cell(out, cell[i].head, text);
    }
    buf_str(out, "</tr>\n");
}

static void put_tails(struct buf *out, const struct report *r)
{
    buf_str(out,
            "<h2>Where the loss lies</h2>\n<div class=\"scroll\"><table><thead><tr>"
            "<th>name</th><th>KLD median</th><th>KLD 90 %</th><th>KLD 99 %</th><th>KLD 99.9 %</th>"
            "<th>KLD max</th><th>Δp mean, %</th><th>Δp RMS, %</th><th>Δp 1 %</th><th>Δp 99 %</th>"
            "<th>ln PPL corr.</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < r->n_models; i++)
        put_tail(out, &r->model[i]);
    buf_str(out, "</tbody></table></div>\n");
}

/* ---- page ------------------------------------------------------------------------------------------ */

static void put_head(struct buf *out, const struct report *r)
{
    const struct report_model *m = r->original ? r->original : r->n_models ? r->model : NULL;

    buf_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
                 "name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    figure_text(out, r->name);
    buf_str(out, ": what was lost</title>\n<style>\n");
    buf_str(out, style);
    buf_str(out, "</style></head>\n<body>\n<h1>");
    figure_text(out, r->name);
    buf_str(out, "</h1>\n<p class=\"soft\">");
    if (r->original) {
        char size[FIGURE_BYTES];
        figure_size(size, r->original->bytes);
        buf_str(out, "What each file lost against the original (");
        figure_text(out, r->original->type);
        buf_fmt(out, ", %s). ", size);
    }
    buf_str(out, "Measured on ");
    figure_text(out, r->text);
    if (m)
        buf_fmt(out, ": %zu scored tokens in %zu windows of %zu; %s activations",
                m->result.n_tokens, m->result.n_windows, r->n_ctx, r->kernels);
    buf_str(out, ".</p>\n");
}

static void put_foot(struct buf *out, const struct report *r)
{
    buf_str(out, "<h2>How to read this</h2>\n<p class=\"soft\">Perplexity: e to the mean negative "
                 "log-likelihood of the text's tokens, each window scored on its second half. ");
    if (r->original)
        buf_str(out,
                "PPL ratio: that perplexity over the original's, paired by token. KL divergence: "
                "how far the model's distribution of the next token is from the original's, in "
                "nats, averaged over the same tokens. Same top token: how often both find the same "
                "token most likely. Δp: the change in the right token's probability. ");
    buf_str(out, "± is one standard error, with windows as the independent observations. A "
                 "difference smaller than about two of them may be chance.</p>\n");
    buf_str(out, "<p class=\"soft\">Made by pare " PARE_VERSION ".</p>\n</body></html>\n");
}

int html_report(struct buf *out, const struct report *r, struct err *err)
{
    struct arena arena = {0};

    put_head(out, r);
    int rc = put_chart(out, r, &arena, err);
    if (!rc) {
        put_table(out, r);
        if (r->original && r->n_models)
            put_tails(out, r);
        put_foot(out, r);
        rc = buf_check(out, err);
    }
    arena_release(&arena);
    return rc;
}
