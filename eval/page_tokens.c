/* The windows that lost most, token by token. */

#include "eval/figure.h"
#include "eval/page.h"

#include <math.h>
#include <string.h>

enum { WORST = 8 };

/* The largest KLD of a token; 0: nothing was lost, or nothing is known. */
static double most_of(const struct eval_result *e)
{
    double most = 0;

    for (size_t k = 0; k < e->n_worst; k++)
        for (size_t i = 0; i < e->n_positions; i++)
            most = fmax(most, e->worst[k].token_kld[i]);
    return most;
}

bool page_has_tokens(const struct page *p)
{
    for (size_t i = 0; i < p->r->n_models; i++)
        if (most_of(&p->r->model[i].result) > 0)
            return true;
    return false;
}

/* A token's text with what can't be seen made visible. In running text a line break also
 * breaks the line; alone, spaces are seen too. */
static void put_text(struct buf *b, const char *s, bool running, bool alone)
{
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        const char one[] = {*s, '\0'};
        if (c == '\n')
            buf_str(b, running ? "<i>\xE2\x8F\x8E</i>\n" : "\xE2\x8F\x8E");
        else if (c == '\t')
            buf_str(b, running ? "<i>\xE2\x87\xA5</i>\t" : "\xE2\x87\xA5");
        else if (c < 0x20 || c == 0x7F)
            buf_fmt(b, "&#x%X;", c == 0x7F ? 0x2421 : 0x2400 + c); /* control pictures */
        else if (c == ' ' && alone)
            buf_str(b, "\xE2\x90\xA3");
        else if (c == '<' || c == '>' || c == '&' || c == '"')
            figure_text(b, one);
        else
            buf_put(b, s, 1);
    }
}

static void put_token(struct page *p, const struct eval_worst *w, size_t i, double most)
{
    const int level = page_level(w->token_kld[i], most);

    if (level)
        buf_fmt(p->out, "<b class=\"h%d\"", level);
    else
        buf_str(p->out, "<b");
    buf_fmt(p->out, " title=\"KLD %.3g, NLL %.3g\">", w->token_kld[i], w->token_nll[i]);
    if (*w->token[i])
        put_text(p->out, w->token[i], true, false);
    else
        buf_str(p->out, "<i>\xC2\xB7</i>");
    buf_str(p->out, "</b>");
}

/* The token of the largest KLD below `below`; of equals the one behind `after`. n: none. */
static size_t next_worst(const struct eval_worst *w, size_t n, size_t after)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++) {
        const double x = w->token_kld[i];
        const bool left =
            after == n || x < w->token_kld[after] || (x == w->token_kld[after] && i > after);
        if (left && !isnan(x) && (best == n || x > w->token_kld[best]))
            best = i;
    }
    return best;
}

static void put_context(struct page *p, const struct eval_worst *w, size_t at)
{
    for (size_t i = at < 5 ? 0 : at - 5; i < at; i++)
        put_text(p->out, w->token[i], false, false);
}

/* A token alone; of one that only begins a character, that character. */
static void put_alone(struct buf *b, const struct eval_worst *w, size_t n, size_t at)
{
    size_t end = at;

    while (end + 1 < n && !*w->token[end])
        end++;
    if (end != at)
        buf_str(b, "<span class=\"soft\">part of</span> ");
    put_text(b, w->token[end], false, true);
}

static void put_worst(struct page *p, const struct eval_worst *w, size_t n)
{
    size_t at = next_worst(w, n, n);

    buf_str(p->out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"worst tokens\">"
            "<table class=\"sort\"><thead><tr><th scope=\"col\">Position</th>"
            "<th scope=\"col\" class=\"l\">After</th><th scope=\"col\" class=\"l\">Token</th>"
            "<th scope=\"col\">KLD</th><th scope=\"col\">NLL</th></tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < WORST && at < n; k++, at = next_worst(w, n, at)) {
        buf_fmt(p->out, "<tr><td data-v=\"%zu\">%zu</td><td class=\"l soft\">", at,
                p->r->n_ctx / 2 + at + 1);
        put_context(p, w, at);
        buf_str(p->out, "</td><th scope=\"row\" class=\"l\">");
        put_alone(p->out, w, n, at);
        buf_fmt(p->out, "</th><td data-v=\"%.9g\">%.4f</td><td data-v=\"%.9g\">%.3f</td></tr>\n",
                w->token_kld[at], w->token_kld[at], w->token_nll[at], w->token_nll[at]);
    }
    buf_str(p->out, "</tbody></table></div>\n");
}

static void put_window(struct page *p, const struct eval_worst *w, size_t n, double most)
{
    char mean[FIGURE_BYTES];

    figure_mean(mean, (struct stats_mean){w->kld, (double)NAN}, 0);
    buf_fmt(p->out, "<h3>Window %zu: mean KLD %s</h3>\n<div class=\"text\" dir=\"auto\">",
            w->window, mean);
    for (size_t i = 0; i < n; i++)
        put_token(p, w, i, most);
    buf_str(p->out, "</div>\n");
    put_worst(p, w, n);
}

static void put_legend(struct page *p, double most)
{
    buf_str(p->out, "<p class=\"legend\">KLD of a token, nats, from:");
    for (int i = 1; i <= PAGE_LEVELS; i++)
        buf_fmt(p->out, " <b class=\"h%d\">%.2g</b>", i, page_level_from(i, most));
    buf_fmt(p->out, " to %.3g. The three strongest are underlined.</p>\n", most);
}

static int put_model(struct page *p, const struct report_model *m, bool open, struct err *err)
{
    const struct eval_result *e = &m->result;
    const char *name = page_name(p, m);
    const double most = most_of(e);

    if (!name)
        return err_nomem(err);
    buf_str(p->out, open ? "<details open><summary>" : "<details><summary>");
    figure_text(p->out, name);
    buf_fmt(p->out, " <span>%zu windows, largest KLD of a token %.3g</span></summary>\n",
            e->n_worst, most);
    put_legend(p, most);
    for (size_t i = 0; i < e->n_worst; i++)
        put_window(p, &e->worst[i], e->n_positions, most);
    buf_str(p->out, "</details>\n");
    return 0;
}

int page_put_tokens(struct page *p, struct err *err)
{
    bool open = true;
    int rc = 0;

    buf_str(p->out,
            "<p class=\"soft\">The second halves of the windows of highest mean KL "
            "divergence, as the model was scored on them. The stronger a token's colour, the "
            "further the model's guess at it from the original's; point at one for "
            "its figures. NLL is the model's own.</p>\n");
    for (size_t i = 0; !rc && i < p->r->n_models; i++) {
        if (most_of(&p->r->model[i].result) <= 0)
            continue;
        rc = put_model(p, &p->r->model[i], open, err);
        open = false;
    }
    return rc;
}
