/* The steps that measure: all models of a branch in one pass beside the original, or in several
 * where they would not fit the memory together. */

#include "formats/base/map.h"
#include "recipes/engine_impl.h"
#include "runtime/model.h"

#include <stdlib.h>
#include <string.h>

struct pass {
    struct model *original;
    struct model **model;       /* owned, each too */
    struct eval_result *result; /* owned, each too */
    struct task_results *tasks; /* owned, each too */
    size_t *which;              /* owned; index in branch.variant */
    size_t n;
    struct eval_result original_result;
    struct task_results original_tasks;
    struct eval_about about;
};

static void pass_release(struct pass *p)
{
    for (size_t i = 0; i < p->n; i++) {
        model_free(p->model[i]);
        eval_result_release(&p->result[i]);
        task_results_release(&p->tasks[i]);
    }
    eval_result_release(&p->original_result);
    task_results_release(&p->original_tasks);
    eval_about_release(&p->about);
    model_free(p->original);
    free(p->model);
    free(p->result);
    free(p->tasks);
    free(p->which);
}

static bool made(const struct variant *v)
{
    return v->make->state == ENGINE_DONE || v->make->state == ENGINE_CACHED;
}

static bool to_score(const struct variant *v)
{
    return made(v) && v->score->state != ENGINE_CACHED && v->score->state != ENGINE_DONE;
}

/* Open the original and, from *next on, as many variants as fit the memory, at least one. */
static int pass_open(struct pass *p, size_t *next, struct branch *b, struct err *err)
{
    const struct model_opts mo = {
        .cpu = b->e->opts->cpu, .math = b->recipe->kernels, .log = &b->e->log};
    const size_t n = b->recipe->n_quant;
    uint64_t used;
    int rc;

    p->model = calloc(n + 1, sizeof(struct model *));
    p->result = calloc(n + 1, sizeof(*p->result));
    p->tasks = calloc(n + 1, sizeof(*p->tasks));
    p->which = calloc(n + 1, sizeof(*p->which));
    if (!p->model || !p->result || !p->tasks || !p->which)
        return err_nomem(err);
    rc = model_open(&p->original, b->recipe->model.path, &mo, err);
    used = rc ? 0 : source_bytes(model_source(p->original));
    for (; !rc && *next < n; ++*next) {
        const struct variant *v = &b->variant[*next];
        if (!to_score(v))
            continue;
        used += v->make->bytes;
        if (p->n && used > b->e->memory)
            break;
        rc = model_open(&p->model[p->n], v->path, &mo, err);
        if (!rc)
            p->which[p->n++] = *next;
    }
    return rc;
}

static int pass_eval(struct pass *p, const struct branch *b, const struct par *par, struct err *err)
{
    const struct recipe *r = b->recipe;
    const struct eval_opts eo = {.text_name = r->text.path,
                                 .n_ctx = r->n_ctx,
                                 .n_chunks = r->n_chunks,
                                 .fast = r->kernels_both,
                                 .cpu = b->e->opts->cpu,
                                 .par = *par,
                                 .log = &b->e->log};
    struct map text;
    int rc = map_open(&text, r->text.path, err);

    if (rc)
        return rc;
    const char *bytes = text.size ? (const char *)text.data : "";
    rc = eval_text(p->result, &p->original_result, (const struct model *const *)p->model, p->n,
                   p->original, bytes, text.size, &eo, err);
    if (!rc)
        rc = eval_about_text(&p->about, p->original, bytes, text.size, &eo, err);
    map_release(&text);
    return rc;
}

static int pass_tasks(struct pass *p, const struct branch *b, const struct par *par,
                      struct err *err)
{
    const struct task_opts to = {.cpu = b->e->opts->cpu, .par = *par, .log = &b->e->log};

    if (!b->n_tasks)
        return 0;
    return task_run(p->tasks, &p->original_tasks, (const struct model *const *)p->model, p->n,
                    p->original, b->task, b->n_tasks, &to, err);
}

/* The result moves into the model's entry, and with it into the store. */
static int keep(struct branch *b, struct engine_step *s, struct report_model *m,
                struct eval_result *result, struct task_results *tasks,
                const struct eval_about *about, struct err *err)
{
    struct record r = {0};

    eval_result_release(&m->result);
    task_results_release(&m->tasks);
    m->result = *result;
    m->tasks = *tasks;
    *result = (struct eval_result){0};
    *tasks = (struct task_results){0};
    r.model = *m;
    const int rc = engine_remember(b, s, &r, about, err);
    if (!rc)
        s->state = ENGINE_DONE;
    return rc;
}

static int keep_original(struct pass *p, struct branch *b, struct err *err)
{
    struct report_model *m = &b->model[0];

    report_model_describe(m, model_source(p->original));
    m->name = "original";
    m->file = b->recipe->name;
    m->type = engine_text(b->e, m->type);
    m->sha256 = b->model_sha;
    if (!m->type)
        return err_nomem(err);
    const int rc =
        keep(b, b->score_original, m, &p->original_result, &p->original_tasks, &p->about, err);
    eval_about_release(&b->about);
    b->about = p->about;
    p->about = (struct eval_about){0};
    return rc;
}

static int pass_keep(struct pass *p, struct branch *b, struct err *err)
{
    int rc = b->score_original->state == ENGINE_CACHED || b->score_original->state == ENGINE_DONE
                 ? 0
                 : keep_original(p, b, err);

    for (size_t i = 0; !rc && i < p->n; i++) {
        const size_t at = p->which[i];
        struct report_model *m = &b->model[at + 1];
        tensor_errors_release(&m->tensors);
        rc = tensor_errors_load(&m->tensors, b->variant[at].path, model_source(p->model[i]),
                                &b->e->log, err);
        if (!rc)
            rc = keep(b, b->variant[at].score, m, &p->result[i], &p->tasks[i], NULL, err);
    }
    return rc;
}

int engine_score(struct branch *b, const struct par *par, struct err *err)
{
    size_t next = 0;
    bool first = true;
    int rc = 0;

    for (;;) {
        struct pass p = {0};
        while (next < b->recipe->n_quant && !to_score(&b->variant[next]))
            next++;
        const bool original = b->score_original->state != ENGINE_CACHED && first;
        if (next == b->recipe->n_quant && !original)
            return 0;
        first = false;
        rc = pass_open(&p, &next, b, err);
        if (!rc)
            rc = pass_eval(&p, b, par, err);
        if (!rc)
            rc = pass_tasks(&p, b, par, err);
        if (!rc)
            rc = pass_keep(&p, b, err);
        pass_release(&p);
        if (rc)
            return rc;
    }
}
