/* The steps that measure: all models of a branch in one pass beside the original, or in several
 * where they would not fit the memory together. */

#include "formats/base/cpu.h"
#include "formats/base/map.h"
#include "formats/base/version.h"
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
    size_t n, most;             /* of them */
    struct eval_result original_result;
    struct task_results original_tasks;
    struct eval_about about;
};

/* All passes of a branch. */
struct scoring {
    struct branch *b;
    size_t next;      /* variant to look at */
    bool one_by_one;  /* a pass failed: whose fault is it? */
    struct err first; /* of a variant that failed alone; code 0: none did */
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

static bool finished(const struct engine_step *s)
{
    return s->state == ENGINE_CACHED || s->state == ENGINE_DONE;
}

static bool to_score(const struct variant *v)
{
    return made(v) && !finished(v->score) && v->score->state != ENGINE_FAILED;
}

/* The next variant to measure from `at` on; n_quant: none. */
static size_t next_to_score(const struct branch *b, size_t at)
{
    while (at < b->recipe->n_quant && !to_score(&b->variant[at]))
        at++;
    return at;
}

/* A variant that can't be measured fails alone. */
static int fail_alone(struct scoring *s, struct engine_step *step, const struct err *why)
{
    if (!engine_goes_on(s->b->e, why))
        return why->code;
    if (!s->first.code)
        s->first = *why;
    engine_fail(s->b->e, step, why->msg, true);
    return 0;
}

/* Open the original and, from s->next on, as many variants as fit the memory, at least one. */
static int pass_open(struct pass *p, struct scoring *s, struct err *err)
{
    struct branch *b = s->b;
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
    for (; !rc && p->n < p->most; s->next++) {
        s->next = next_to_score(b, s->next);
        if (s->next == n)
            break;
        const struct variant *v = &b->variant[s->next];
        used += v->make->bytes;
        if (p->n && used > b->e->memory)
            break;
        rc = model_open(&p->model[p->n], v->make->path, &mo, err);
        if (rc)
            rc = fail_alone(s, v->score, err);
        else
            p->which[p->n++] = s->next;
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
    eval_result_release(&m->result);
    task_results_release(&m->tasks);
    m->result = *result;
    m->tasks = *tasks;
    *result = (struct eval_result){0};
    *tasks = (struct task_results){0};
    const int rc = engine_remember(b, s, m, about, err);
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
    int rc = finished(b->score_original) ? 0 : keep_original(p, b, err);

    for (size_t i = 0; !rc && i < p->n; i++) {
        const size_t at = p->which[i];
        struct report_model *m = &b->model[at + 1];
        tensor_errors_release(&m->tensors);
        rc = tensor_errors_load(&m->tensors, b->variant[at].make->path, model_source(p->model[i]),
                                &b->e->log, err);
        if (!rc)
            rc = keep(b, b->variant[at].score, m, &p->result[i], &p->tasks[i], NULL, err);
    }
    return rc;
}

/* Measure some; *n: how many models were open beside the original. */
static int one_pass(size_t *n, struct scoring *s, const struct par *par, struct err *err)
{
    const bool original = finished(s->b->score_original);
    struct pass p = {.most = !s->one_by_one ? SIZE_MAX : original ? 1 : 0};
    int rc = pass_open(&p, s, err);

    *n = p.n;
    if (!rc && (p.n || !original)) {
        rc = pass_eval(&p, s->b, par, err);
        if (!rc)
            rc = pass_tasks(&p, s->b, par, err);
        if (!rc)
            rc = pass_keep(&p, s->b, err);
    }
    pass_release(&p);
    return rc;
}

/* Measure what is not measured yet of the original and the variants that are made. After a pass
 * that failed, each model is tried by itself, the original first. */
static int score(struct branch *b, const struct par *par, struct err *err)
{
    struct scoring s = {.b = b};
    size_t from, n;

    for (;;) {
        const bool original = finished(b->score_original);
        from = s.next = next_to_score(b, s.next);
        if (from == b->recipe->n_quant && original)
            break;
        int rc = one_pass(&n, &s, par, err);
        if (rc && (!n || !engine_goes_on(b->e, err)))
            return rc;
        if (rc && n == 1 && original)
            rc = fail_alone(&s, b->variant[next_to_score(b, from)].score, err);
        else if (rc)
            s.one_by_one = true;
        if (rc)
            s.next = from;
    }
    if (s.first.code)
        *err = s.first;
    return s.first.code;
}

/* ---- the step ----------------------------------------------------------------------------------- */

static struct engine_step *step_of(struct branch *b, size_t model)
{
    return model ? b->variant[model - 1].score : b->score_original;
}

static bool is_made(struct branch *b, size_t model)
{
    return !model || made(&b->variant[model - 1]);
}

static int recall_about(bool *found, struct branch *b, const json_val *v, struct err *err)
{
    struct err why = {0};
    struct eval_about about = {0};

    *found = !eval_about_get(&about, v, &why);
    if (!*found) {
        eval_about_release(&about);
        if (why.code == ERR_NOMEM)
            *err = why;
        return why.code == ERR_NOMEM ? why.code : 0;
    }
    eval_about_release(&b->about);
    b->about = about;
    return 0;
}

/* The record holds all of its model; the name may have changed since. */
static int recall(struct branch *b, struct engine_step *s, struct err *err)
{
    const size_t model = s->item;
    struct report_model found_model = {0};
    json_val *doc = NULL;
    bool found;
    int rc = engine_recall_step(&found, &found_model, &doc, b, s, err);

    if (!rc && found && !model)
        rc = recall_about(&found, b, json_get(doc, "about"), err);
    if (!rc && found) {
        s->state = ENGINE_CACHED;
        report_model_release(&b->model[model]);
        b->model[model] = found_model;
        b->model[model].sha256 = model ? b->variant[model - 1].hex : b->model_sha;
    } else {
        report_model_release(&found_model);
    }
    json_free(doc);
    return rc;
}

/* Lock what is missing, look again, tell what is to be done. */
static int prepare(struct store_locks *locks, bool *missing, struct branch *b, const char **key,
                   struct err *err)
{
    const size_t n = b->recipe->n_quant;
    size_t n_keys = 0;
    int rc = 0;

    for (size_t i = 0; i <= n; i++)
        if (is_made(b, i) && step_of(b, i)->state != ENGINE_CACHED)
            key[n_keys++] = step_of(b, i)->key;
    if (n_keys)
        rc = engine_lock(locks, b->e, b->score_original, key, n_keys, err);
    for (size_t i = 0; !rc && i <= n; i++)
        if (is_made(b, i) && step_of(b, i)->state != ENGINE_CACHED)
            rc = recall(b, step_of(b, i), err);
    for (size_t i = 0; !rc && i <= n; i++) {
        struct engine_step *s = step_of(b, i);
        const bool cached = s->state == ENGINE_CACHED;
        if (!is_made(b, i)) {
            engine_announce(b->e, s, ENGINE_SKIPPED);
            continue;
        }
        *missing = *missing || !cached;
        engine_announce(b->e, s, cached ? ENGINE_CACHED : ENGINE_RUNNING);
    }
    return rc;
}

static int run(struct branch *b, struct engine_step *first, const struct par *par, struct err *err)
{
    const char **key = calloc(b->recipe->n_quant + 1, sizeof(*key));
    struct store_locks locks = {0};
    bool missing = false;
    int rc = key ? prepare(&locks, &missing, b, key, err) : err_nomem(err);

    (void)first;
    if (!rc && missing)
        rc = score(b, par, err);
    store_unlock(&locks);
    free(key);
    return rc;
}

/* ---- planning --------------------------------------------------------------------------------- */

/* `of` is the key of the step that made the model, or the original's digest: making is
 * deterministic, so either stands for the content. */
static int key_of(struct branch *b, struct engine_step *s, const char *of, struct err *err)
{
    const struct recipe *r = b->recipe;
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_str(h, "evaluate");
    hash_str(h, PARE_VERSION);
    hash_u64(h, EVAL_VERSION);
    hash_u64(h, r->kernels);
    hash_u64(h, r->kernels_both);
    hash_str(h, cpu_level(b->e->opts->cpu));
    hash_str(h, b->model_sha);
    hash_str(h, b->text_sha);
    hash_str(h, of);
    hash_u64(h, r->n_ctx);
    hash_u64(h, r->n_chunks);
    hash_str(h, b->tasks_sha);
    rc = hash_hex(h, s->key, err);
    hash_free(h);
    return rc;
}

static int plan(struct branch *b, struct err *err)
{
    int rc = 0;

    if (!b->recipe->text.path)
        return 0;
    b->score_original = engine_add(b, ENGINE_EVALUATE, "original", 0);
    rc = b->score_original ? key_of(b, b->score_original, b->model_sha, err) : err_nomem(err);
    for (size_t i = 0; !rc && i < b->recipe->n_quant; i++) {
        struct variant *v = &b->variant[i];
        v->score = engine_add(b, ENGINE_EVALUATE, v->quant->name, 0);
        if (!v->score)
            return err_nomem(err);
        v->score->item = i + 1;
        rc = key_of(b, v->score, v->make->key, err);
    }
    return rc;
}

/* All that were made are measured in one pass. */
static enum engine_need needs(const struct branch *b, const struct engine_step *s,
                              const struct engine_step *on)
{
    return s->item && on == b->variant[s->item - 1].make ? NEED_ANY : NEED_NOTHING;
}

static uint64_t memory(const struct branch *b, const struct engine_step *s)
{
    uint64_t sum = engine_weights_bytes(b->recipe->model.path);

    (void)s;
    for (size_t i = 0; i < b->recipe->n_quant; i++)
        sum += b->variant[i].make->bytes;
    return sum;
}

const struct engine_ops engine_evaluate_ops = {.name = "evaluate",
                                               .plan = plan,
                                               .recall = recall,
                                               .run = run,
                                               .together = true,
                                               .needs = needs,
                                               .memory = memory};
