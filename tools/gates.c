#include "tools/gates.h"

#include "eval/junit.h"
#include "formats/apart.h"
#include "formats/base/out.h"
#include "tools/text.h"

int gates_parse(struct gates *out, const struct opt_list *exprs, const char *const *name,
                size_t n_names, struct err *err)
{
    int rc = 0;

    *out = (struct gates){0};
    out->at = arena_array(&out->arena, exprs->n + 1, sizeof(*out->at));
    if (!out->at)
        return err_nomem(err);
    for (; !rc && out->n < exprs->n; out->n++)
        rc = gate_parse(&out->at[out->n], &out->arena, exprs->at[out->n], err);
    if (!rc && n_names)
        rc = gates_models(out->at, out->n, name, n_names, err);
    return rc ? rc : gates_baselines(out->at, out->n, err);
}

int gates_apart(const struct gates *g, const char *path, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < g->n; i++)
        if (g->at[i].baseline)
            rc = apart(path, g->at[i].baseline, false, err);
    return rc;
}

void gates_release(struct gates *g)
{
    arena_release(&g->arena);
    *g = (struct gates){0};
}

static int write_junit(const struct gate_results *results, const char *name, const char *path,
                       struct err *err)
{
    struct buf b = {0};
    int rc = junit_gates(&b, name, results, err);

    if (!rc)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

int gates_show(const struct gate_results *results, const char *name, const char *junit,
               struct err *err)
{
    struct buf b = {0};

    for (size_t i = 0; i < results->n; i++)
        buf_fmt(&b, "%s%s\n", i ? "" : "\n", results->at[i].line);
    int rc = text_print(&b, err);
    if (!rc && junit)
        rc = write_junit(results, name, junit, err);
    return rc ? rc : gates_status(results, err);
}

int gates_run(const struct gates *g, const struct report *r, const char *junit, struct err *err)
{
    struct gate_results results = {0};
    int rc = 0;

    if (!g->n && !junit)
        return 0;
    rc = gates_check(&results, g->at, g->n, r, err);
    if (!rc)
        rc = gates_show(&results, r->name, junit, err);
    gate_results_release(&results);
    return rc;
}
