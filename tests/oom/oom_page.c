/* Every form of a report and a comparison, without memory. */
#include "eval/compare.h"
#include "eval/compare_page.h"
#include "eval/formats.h"
#include "eval/gate.h"
#include "tests/oom/alloc.h"
#include "tests/reports.h"

#include <stdlib.h>

enum { TENSORS = 3 };

struct given {
    struct made_report made, fast; /* `fast` gives away its first result */
    const struct report_format *format;
};

static int use_format(void *arg, struct err *err)
{
    static const char *const text[] = {"m0: kld <= 0.0001", "kld <= 9 at 95%"};
    const struct given *g = arg;
    struct gate gate[2];
    struct gate_results results = {0};
    struct arena arena = {0};
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; !rc && i < 2; i++)
        rc = gate_parse(&gate[i], &arena, text[i], err);
    if (!rc)
        rc = gates_check(&results, gate, 2, &g->made.report, err);
    if (!rc)
        rc = g->format->put(&b, &g->made.report, &results, err);
    buf_release(&b);
    gate_results_release(&results);
    arena_release(&arena);
    return rc;
}

static int use_comparison(void *arg, struct err *err)
{
    const struct given *g = arg;
    const struct compare_opts opts = {
        .a_file = "a", .b_file = "b", .model_a = "m0", .model_b = "m1"};
    struct comparison c;
    struct buf b = {0};
    int rc = compare_reports(&c, &g->made.report, &g->made.report, &opts, err);

    if (!rc)
        rc = compare_html(&b, &c, err);
    comparison_release(&c);
    buf_release(&b);
    return rc;
}

static bool add_tensors(struct report_model *m)
{
    static const char *const name[TENSORS] = {"token_embd.weight", "blk.0.attn_q.weight",
                                              "blk.1.attn_q.weight"};

    m->tensors.at = arena_array(&m->tensors.arena, TENSORS, sizeof(*m->tensors.at));
    m->tensors.n = m->tensors.at ? TENSORS : 0;
    for (size_t i = 0; i < m->tensors.n; i++)
        m->tensors.at[i] = (struct tensor_error){name[i], "Q4_K", 1e-3 * (double)(i + 1), 100};
    return m->tensors.at;
}

/* What fast kernels give: another draw. */
static bool add_fast(struct given *g)
{
    struct eval_result *from = &g->fast.model[0].result, *to = malloc(sizeof(*to));

    if (!to)
        return false;
    *to = *from;
    *from = (struct eval_result){0};
    g->made.model[0].result.fast = to;
    return true;
}

int main(void)
{
    struct reports_opts o = {
        .seed = 1,
        .windows = 4,
        .each = 5,
        .n_models = 2,
        .shift = {0.02, 0.03},
        .together = 0.02,
        .apart = 0.05,
        .tasks = true
    };
    struct tap t = {0};
    struct given g;

    reports_make(&g.made, &o);
    o.salt = 1;
    reports_make(&g.fast, &o);
    if (tap_ok(&t, add_tensors(&g.made.model[0]) && add_fast(&g), "a report with everything"))
        for (size_t i = 0; (g.format = report_format_at(i)); i++)
            alloc_each(&t, g.format->name, use_format, &g);
    alloc_each(&t, "a comparison's page", use_comparison, &g);
    reports_release(&g.made);
    reports_release(&g.fast);
    return tap_done(&t);
}
