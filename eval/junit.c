#include "eval/junit.h"

#include "eval/figure.h"
#include "formats/base/utf8.h"

#include <string.h>

/* Text for an attribute: what is no UTF-8, and control characters, have no place in XML. */
static void put_text(struct buf *b, const char *s)
{
    size_t n = strlen(s);

    while (n) {
        char part[8] = {0};
        bool good;
        const size_t k = utf8_step(&good, s, n);
        if (!good || k >= sizeof(part))
            buf_str(b, "\xef\xbf\xbd");
        else {
            memcpy(part, s, k);
            figure_text(b, part); /* drops control characters */
        }
        s += k;
        n -= k;
    }
}

static void put_attribute(struct buf *b, const char *name, const char *value)
{
    buf_fmt(b, " %s=\"", name);
    put_text(b, value);
    buf_str(b, "\"");
}

static void put_case(struct buf *b, const char *report, const struct gate_result *r)
{
    buf_str(b, "    <testcase");
    put_attribute(b, "classname", report);
    put_attribute(b, "name", r->gate->text);
    if (r->status == GATE_MET) {
        buf_str(b, ">\n      <system-out>");
        put_text(b, r->why);
        buf_str(b, "</system-out>\n    </testcase>\n");
        return;
    }
    buf_str(b, ">\n      <failure");
    put_attribute(b, "type", r->status == GATE_UNDECIDED ? "undecided" : "not met");
    put_attribute(b, "message", r->why);
    buf_str(b, ">");
    put_text(b, r->line);
    buf_str(b, "</failure>\n    </testcase>\n");
}

/* How many results in a row from `from` on are of one model. */
static size_t suite_size(const struct gate_results *g, size_t from)
{
    size_t n = 1;

    while (from + n < g->n && !strcmp(g->at[from + n].model, g->at[from].model))
        n++;
    return n;
}

static void put_suite(struct buf *b, const char *report, const struct gate_result *r, size_t n)
{
    size_t failed = 0;

    for (size_t i = 0; i < n; i++)
        failed += r[i].status != GATE_MET;
    buf_str(b, "  <testsuite");
    put_attribute(b, "name", r->model);
    buf_fmt(b, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n", n, failed);
    for (size_t i = 0; i < n; i++)
        put_case(b, report, &r[i]);
    buf_str(b, "  </testsuite>\n");
}

int junit_gates(struct buf *out, const char *name, const struct gate_results *g, struct err *err)
{
    buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    put_attribute(out, "name", name);
    buf_fmt(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n", g->n, g->n_failed);
    for (size_t i = 0; i < g->n;) {
        const size_t n = suite_size(g, i);
        put_suite(out, name, &g->at[i], n);
        i += n;
    }
    buf_str(out, "</testsuites>\n");
    return buf_check(out, err);
}
