/* How the figures are to be read, and what they were made from. */

#include "eval/figure.h"
#include "eval/page.h"
#include "formats/base/version.h"

int page_put_reading(struct page *p, struct err *err)
{
    (void)err;
    buf_str(
        p->out,
        "<p class=\"soft\">Perplexity (PPL): e to the mean negative log-likelihood (NLL) of the "
        "text's tokens, each window scored on its second half. ");
    if (p->r->original)
        buf_str(p->out,
                "PPL ratio: that perplexity over the original's, paired by token. KL divergence "
                "(KLD): how far the model's distribution of the next token is from the original's, "
                "in nats, averaged over the same tokens. Top-1: how often both find the same "
                "token most likely; top-5: the share of the original's five most likely tokens "
                "that are among the model's. \xCE\x94p: the change in the right token's "
                "probability. ");
    buf_str(p->out,
            "\xC2\xB1 is one standard error, with windows as the independent observations. A "
            "difference smaller than about two of them may be chance.</p>\n");
    return 0;
}

static void put_fact(struct page *p, const char *what, const char *value, bool digest)
{
    if (!value || !*value)
        return;
    buf_fmt(p->out, "<dt>%s</dt><dd>%s", what, digest ? "<code>" : "");
    figure_text(p->out, value);
    buf_str(p->out, digest ? "</code></dd>\n" : "</dd>\n");
}

static void put_digest(struct page *p, const struct report_model *m)
{
    buf_str(p->out, "<dt>");
    figure_text(p->out, m->name);
    buf_str(p->out, "</dt><dd>");
    figure_text(p->out, m->file ? m->file : "");
    buf_fmt(p->out, ", %llu bytes", (unsigned long long)m->bytes);
    if (m->sha256) {
        buf_str(p->out, ", SHA-256 <code>");
        figure_text(p->out, m->sha256);
        buf_str(p->out, "</code>");
    }
    buf_str(p->out, "</dd>\n");
}

int page_put_provenance(struct page *p, struct err *err)
{
    const struct report *r = p->r;

    (void)err;
    buf_str(p->out, "<dl class=\"facts\">\n");
    put_fact(p, "Made by", "pare " PARE_VERSION, false);
    put_fact(p, "Command", r->command, true);
    put_fact(p, "Text", r->text, false);
    put_fact(p, "SHA-256 of the text", r->text_sha256, true);
    put_fact(p, "SHA-256 of the tokenizer's tokens", r->about ? r->about->tokenizer : NULL, true);
    if (r->text)
        buf_fmt(p->out, "<dt>Windows</dt><dd>%zu tokens, scored on the second half</dd>\n",
                r->n_ctx);
    put_fact(p, "Activations", r->kernels, false);
    if (r->original)
        put_digest(p, r->original);
    for (size_t i = 0; i < r->n_models; i++)
        put_digest(p, &r->model[i]);
    buf_str(p->out, "</dl>\n");
    return 0;
}
