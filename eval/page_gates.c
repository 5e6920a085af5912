/* Gates met and failed, each with what it was decided by. */

#include "eval/figure.h"
#include "eval/page.h"

bool page_has_gates(const struct page *p)
{
    return p->gates && p->gates->n > 0;
}

static const struct {
    const char *css_class, *text;
} status[] = {
    [GATE_MET] = {"met",    "\xE2\x9C\x93 met"      },
    [GATE_FAILED] = {"failed", "\xE2\x9C\x97 failed"   },
    [GATE_UNDECIDED] = {"failed", "\xE2\x9C\x97 undecided"}
};

static void put_row(struct buf *b, const struct gate_result *g)
{
    buf_str(b, "<tr><th scope=\"row\">");
    figure_text(b, g->model ? g->model : "");
    buf_str(b, "</th><td class=\"l\"><code>");
    figure_text(b, g->gate->text);
    buf_fmt(b, "</code></td><td class=\"l\"><span class=\"%s\">%s</span></td><td class=\"l\">",
            status[g->status].css_class, status[g->status].text);
    figure_text(b, g->why ? g->why : "");
    buf_str(b, "</td></tr>\n");
}

/* What failed comes first. */
int page_put_gates(struct page *p, struct err *err)
{
    struct buf *b = p->out;

    (void)err;
    buf_str(b, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"gates\" tabindex=\"0\">"
               "<table class=\"full wrap sort\">\n<thead><tr><th scope=\"col\">Model</th>"
               "<th scope=\"col\" class=\"l\">Gate</th><th scope=\"col\" class=\"l\">Result</th>"
               "<th scope=\"col\" class=\"l\">Measured</th></tr></thead>\n<tbody>\n");
    for (int met = 0; met < 2; met++)
        for (size_t i = 0; i < p->gates->n; i++)
            if ((p->gates->at[i].status == GATE_MET) == met)
                put_row(b, &p->gates->at[i]);
    buf_str(b, "</tbody></table></div>\n");
    return 0;
}
