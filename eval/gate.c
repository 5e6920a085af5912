#include "eval/gate.h"

#include "eval/gate_result.h"
#include "eval/report_read.h"

#include <stdlib.h>
#include <string.h>

/* ---- baselines: each file is read once ---------------------------------------------------- */

struct baselines {
    struct baseline {
        const char *path; /* of the gate */
        struct report_file file;
    } * at; /* owned; room for one a gate */
    size_t n;
};

static int load(const struct report **out, struct baselines *b, const char *path, struct err *err)
{
    for (size_t i = 0; i < b->n; i++)
        if (!strcmp(b->at[i].path, path)) {
            *out = &b->at[i].file.report;
            return 0;
        }
    struct baseline *fresh = &b->at[b->n++];
    fresh->path = path;
    *out = &fresh->file.report;
    return report_load(&fresh->file, path, err);
}

static void baselines_release(struct baselines *b)
{
    for (size_t i = 0; i < b->n; i++)
        report_file_release(&b->at[i].file);
    free(b->at);
}

int gates_baselines(const struct gate *gate, size_t n, struct err *err)
{
    struct baselines b = {.at = calloc(n + 1, sizeof(*b.at))};
    const struct report *r;
    int rc = b.at ? 0 : err_nomem(err);

    for (size_t i = 0; !rc && i < n; i++)
        if (gate[i].op == GATE_NOT_WORSE)
            rc = load(&r, &b, gate[i].baseline, err);
    baselines_release(&b);
    return rc;
}

/* ---- one gate of one model ------------------------------------------------------------------ */

static int find(struct gate_finding *out, struct gate_results *g, struct baselines *b,
                const struct gate *gate, const struct report *r, const struct report_model *m,
                struct err *err)
{
    const struct report *baseline = NULL;

    if (gate->op != GATE_NOT_WORSE) {
        *out = gate_find_value(&g->arena, gate, r, m);
        return 0;
    }
    const int rc = load(&baseline, b, gate->baseline, err);
    return rc ? rc : gate_find_worse(out, &g->arena, gate, r, m, baseline, err);
}

static int add(struct gate_results *g, struct baselines *b, const struct gate *gate,
               const struct report *r, const struct report_model *m, struct err *err)
{
    struct gate_finding f = {GATE_UNDECIDED, NULL};
    struct gate_result *to = &g->at[g->n];
    const int rc = find(&f, g, b, gate, r, m, err);

    if (rc)
        return rc;
    *to = (struct gate_result){.gate = gate, .status = f.status, .why = f.why};
    to->model = arena_str(&g->arena, m->name);
    to->line = f.why
                   ? arena_fmt(&g->arena, "%s: %s: %s: %s", f.status == GATE_MET ? "met" : "failed",
                               m->name, gate->text, f.why)
                   : NULL;
    if (!to->line || !to->model)
        return err_nomem(err);
    g->n++;
    g->n_failed += f.status != GATE_MET;
    return 0;
}

/* ---- all ---------------------------------------------------------------------------------------- */

static int check_names(const struct gate *gate, size_t n, const struct report *r, struct err *err)
{
    const char **name = calloc(r->n_models + 1, sizeof(*name));

    if (!name)
        return err_nomem(err);
    for (size_t i = 0; i < r->n_models; i++)
        name[i] = r->model[i].name;
    const int rc = gates_models(gate, n, name, r->n_models, err);
    free(name);
    return rc;
}

int gates_check(struct gate_results *out, const struct gate *gate, size_t n, const struct report *r,
                struct err *err)
{
    struct baselines b = {0};
    int rc = check_names(gate, n, r, err);

    *out = (struct gate_results){0};
    if (rc)
        return rc;
    b.at = calloc(n + 1, sizeof(*b.at));
    out->at = arena_array(&out->arena, n * r->n_models + 1, sizeof(*out->at));
    if (!b.at || !out->at)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < r->n_models; i++)
        for (size_t k = 0; !rc && k < n; k++)
            if (!gate[k].model || !strcmp(gate[k].model, r->model[i].name))
                rc = add(out, &b, &gate[k], r, &r->model[i], err);
    baselines_release(&b);
    return rc;
}

void gate_results_release(struct gate_results *g)
{
    arena_release(&g->arena);
    *g = (struct gate_results){0};
}

int gates_status(const struct gate_results *g, struct err *err)
{
    size_t i = 0;

    if (!g->n_failed)
        return 0;
    while (g->at[i].status == GATE_MET)
        i++;
    if (g->n_failed == 1)
        return err_set(err, ERR_GATE, "gate not met: %s: %s: %s", g->at[i].model,
                       g->at[i].gate->text, g->at[i].why);
    return err_set(err, ERR_GATE, "%zu of %zu gates not met, first %s: %s", g->n_failed, g->n,
                   g->at[i].model, g->at[i].gate->text);
}
