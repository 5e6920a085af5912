/* Any bytes as a report: refused with a message, or read; then it can be compared with itself, which
 * finds no difference, every metric has an answer, every form can be written, with no element in a page
 * that a text brought along, and what is written again is read again. */

#include "eval/compare.h"
#include "eval/compare_page.h"
#include "eval/formats.h"
#include "eval/report_read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_compared(const struct report *r)
{
    const struct compare_opts opts = {.a_file = "a", .b_file = "b"};
    struct comparison c;
    struct buf b = {0};
    struct err err = {0};

    if (!compare_reports(&c, r, r, &opts, &err)) {
        for (size_t i = 0; i < c.n_pairs; i++)
            for (size_t k = 0; k < c.pair[i].n_rows; k++)
                if (c.pair[i].row[k].verdict == COMPARE_BETTER ||
                    c.pair[i].row[k].verdict == COMPARE_WORSE)
                    abort();
        if (compare_json(&b, &c, &err) || compare_html(&b, &c, &err) ||
            compare_markdown(&b, &c, &err))
            abort();
    } else if (!err.msg[0])
        abort();
    buf_release(&b);
    comparison_release(&c);
}

static void check_forms(const struct report *r)
{
    for (size_t i = 0; report_format_at(i); i++) {
        struct buf b = {0};
        struct err err = {0};
        if (report_format_at(i)->put(&b, r, NULL, &err))
            abort();
        const char *script =
            strcmp(report_format_at(i)->name, "html") != 0 ? NULL : strstr(b.p, "<script");
        if (script && strstr(script + 1, "<script"))
            abort();
        buf_release(&b);
    }
}

static void check_metrics(const struct report *r)
{
    for (size_t i = 0; i < r->n_models; i++)
        for (size_t k = 0; metric_at(k); k++) {
            const struct metric_ref ref = {.metric = metric_at(k), .task = "x"};
            const struct metric_value v = metric_get(&ref, r, &r->model[i]);
            char shown[METRIC_SHOW_BYTES];
            metric_show(shown, ref.metric, v.mean);
            (void)metric_interval(ref.metric, v.mean, v.n, 0.95);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report_file f, again;
    struct buf b = {0};
    struct err err = {0};

    if (report_parse(&f, (const char *)data, size, &err)) {
        if (!err.msg[0])
            abort();
        report_file_release(&f);
        return 0;
    }
    check_metrics(&f.report);
    check_forms(&f.report);
    check_compared(&f.report);
    if (report_json(&b, &f.report, &err) || report_parse(&again, b.p, b.n, &err))
        abort();
    report_file_release(&again);
    report_file_release(&f);
    buf_release(&b);
    return 0;
}
