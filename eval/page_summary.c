/* The top of the page: what was measured, and the figures that matter most. */

#include "eval/figure.h"
#include "eval/page.h"
#include "eval/pareto.h"

#include <math.h>

static void put_what(struct page *p)
{
    const struct report *r = p->r;
    const struct report_model *m = r->original ? r->original : r->n_models ? r->model : NULL;

    buf_str(p->out, "<h1>");
    figure_text(p->out, r->name);
    buf_str(p->out, "</h1>\n<p class=\"soft\">");
    if (r->original) {
        char size[FIGURE_BYTES];
        figure_size(size, r->original->bytes);
        buf_str(p->out, "What each file lost against the original (");
        figure_text(p->out, r->original->type ? r->original->type : "?");
        buf_fmt(p->out, ", %s). ", size);
    }
    buf_str(p->out, "Measured on ");
    figure_text(p->out, r->text ? r->text : "tasks");
    if (m && m->result.n_tokens)
        buf_fmt(p->out, ": %zu scored tokens in %zu windows of %zu; %s activations",
                m->result.n_tokens, m->result.n_windows, r->n_ctx, r->kernels);
    buf_str(p->out, ".</p>\n");
}

static void put_tile(struct page *p, const char *what, const char *value, const char *note)
{
    buf_fmt(p->out, "<div><dt>%s</dt><dd>", what);
    figure_text(p->out, value);
    buf_str(p->out, "</dd>");
    if (note) {
        buf_str(p->out, "<dd>");
        figure_text(p->out, note);
        buf_str(p->out, "</dd>");
    }
    buf_str(p->out, "</div>\n");
}

/* "KLD 0.0285 ± 0.0041, 88.2 MiB" */
static const char *describe(struct page *p, const struct report_model *m)
{
    char loss[FIGURE_BYTES], size[FIGURE_BYTES];

    figure_mean(loss, page_loss(p->r, m), p->r->original ? 0 : 4);
    figure_size(size, m->bytes);
    if (isnan(page_loss(p->r, m).value))
        return arena_str(&p->arena, size);
    return arena_fmt(&p->arena, "%s %s, %s", p->r->original ? "KLD" : "PPL", loss, size);
}

/* The model with the least of size or loss; NULL: none has it. */
static const struct report_model *least(const struct report *r, bool size)
{
    const struct report_model *best = NULL;
    double low = (double)INFINITY;

    for (size_t i = 0; i < r->n_models; i++) {
        const struct report_model *m = &r->model[i];
        const double x = size ? (double)m->bytes : page_loss(r, m).value;
        if (x < low) {
            low = x;
            best = m;
        }
    }
    return best;
}

static int put_model_tile(struct page *p, const char *what, const struct report_model *m,
                          struct err *err)
{
    const char *name = m ? page_name(p, m) : "", *note = m ? describe(p, m) : "";

    if (!name || !note)
        return err_nomem(err);
    if (m)
        put_tile(p, what, name, note);
    return 0;
}

/* Of several models: the ends of the range, and how many are worth having. */
static int put_range(struct page *p, struct err *err)
{
    size_t front = 0;
    int rc = put_model_tile(p, "Smallest file", least(p->r, true), err);

    if (rc || !page_has_sizes(p))
        return rc;
    rc = put_model_tile(p, "Least loss", least(p->r, false), err);
    for (size_t i = 0; i < p->r->n_models; i++)
        front += p->by[i] == PARETO_FRONT;
    const char *text = arena_fmt(&p->arena, "%zu of %zu files", front, p->r->n_models);
    if (rc || !text)
        return rc ? rc : err_nomem(err);
    put_tile(p, "On the Pareto front", text, "no other is as small and loses less");
    return 0;
}

static int put_one(struct page *p, const struct report_model *m, struct err *err)
{
    const struct eval_result *e = &m->result;
    char size[FIGURE_BYTES], text[FIGURE_BYTES];
    const char *of = "";

    figure_size(size, m->bytes);
    if (p->r->original && p->r->original->bytes)
        of = arena_fmt(&p->arena, "%.1f %% of the original",
                       100 * (double)m->bytes / (double)p->r->original->bytes);
    if (!of)
        return err_nomem(err);
    put_tile(p, "Size", size, *of ? of : NULL);
    if (!e->n_tokens)
        return 0;
    figure_mean(text, e->ppl, 4);
    put_tile(p, "Perplexity", text, NULL);
    if (!e->have_original)
        return 0;
    figure_mean(text, e->ppl_ratio, 4);
    put_tile(p, "Perplexity ratio", text, "of the original's");
    figure_mean(text, e->kld, 0);
    put_tile(p, "KL divergence", text, "nats a token");
    figure_percent(text, e->top1);
    put_tile(p, "Same top token, %", text, NULL);
    return 0;
}

static int put_gates(struct page *p, struct err *err)
{
    const struct gate_results *g = p->gates;

    if (!page_has_gates(p))
        return 0;
    const char *text = arena_fmt(&p->arena, "%zu of %zu met", g->n - g->n_failed, g->n);
    if (!text)
        return err_nomem(err);
    put_tile(p, "Gates", text, g->n_failed ? "\xE2\x9C\x97 failed" : "\xE2\x9C\x93 passed");
    return 0;
}

int page_put_summary(struct page *p, struct err *err)
{
    int rc = 0;

    put_what(p);
    buf_str(p->out, "<dl class=\"tiles\">\n");
    if (p->r->n_models == 1)
        rc = put_one(p, p->r->model, err);
    else if (p->r->n_models)
        rc = put_range(p, err);
    if (!rc)
        rc = put_gates(p, err);
    buf_str(p->out, "</dl>\n");
    return rc;
}
