#include "eval/compare.h"
#include "eval/compare_page.h"
#include "eval/gate.h"
#include "eval/junit.h"
#include "eval/report_read.h"
#include "formats/base/out.h"
#include "tests/oom/alloc.h"
#include "tests/reports.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A report as text, and as it was made. */
struct given {
    struct made_report made;
    struct buf text;
    char path[64];
};

static int use_report(void *arg, struct err *err)
{
    const struct given *g = arg;
    struct report_file f;
    const int rc = report_parse(&f, g->text.p, g->text.n, err);

    report_file_release(&f);
    return rc;
}

static int use_compare(void *arg, struct err *err)
{
    const struct given *g = arg;
    const struct compare_opts opts = {.a_file = "a", .b_file = "b"};
    struct comparison c;
    struct buf b = {0};
    int rc = compare_reports(&c, &g->made.report, &g->made.report, &opts, err);

    if (!rc)
        rc = compare_json(&b, &c, err);
    if (!rc)
        rc = compare_markdown(&b, &c, err);
    comparison_release(&c);
    buf_release(&b);
    return rc;
}

static int use_gates(void *arg, struct err *err)
{
    const struct given *g = arg;
    char not_worse[96], one[96];
    const char *const text[] = {"m0: kld <= 0.03 at 95%", not_worse, one, "task:x.acc > 1"};
    enum { N = sizeof(text) / sizeof(text[0]) };
    struct gate gate[N];
    struct gate_results results = {0};
    struct arena arena = {0};
    struct buf b = {0};
    int rc = 0;

    (void)snprintf(not_worse, sizeof(not_worse), "not worse than %s", g->path);
    (void)snprintf(one, sizeof(one), "kld not worse than %s by 0.00001", g->path);
    for (size_t i = 0; !rc && i < N; i++)
        rc = gate_parse(&gate[i], &arena, text[i], err);
    if (!rc)
        rc = gates_check(&results, gate, N, &g->made.report, err);
    if (!rc)
        rc = junit_gates(&b, "x", &results, err);
    buf_release(&b);
    gate_results_release(&results);
    arena_release(&arena);
    return rc;
}

int main(void)
{
    const struct reports_opts o = {.seed = 1,
                                   .windows = 3,
                                   .each = 4,
                                   .n_models = 1,
                                   .shift = {0.02},
                                   .together = 0.02,
                                   .apart = 0.05,
                                   .tasks = true};
    struct tap t = {0};
    struct given g = {0};
    struct err err = {0};

    reports_make(&g.made, &o);
    (void)snprintf(g.path, sizeof(g.path), "/tmp/pare-oom-report-%ld.json", (long)getpid());
    if (report_json(&g.text, &g.made.report, &err) || out_file(g.path, g.text.p, g.text.n, &err))
        return 1;
    alloc_each(&t, "a report read back", use_report, &g);
    alloc_each(&t, "a comparison", use_compare, &g);
    alloc_each(&t, "gates", use_gates, &g);
    (void)unlink(g.path);
    buf_release(&g.text);
    reports_release(&g.made);
    return tap_done(&t);
}
