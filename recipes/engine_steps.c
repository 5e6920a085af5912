#include "eval/eval.h"
#include "eval/html.h"
#include "eval/report.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "recipes/engine_impl.h"
#include "runtime/model.h"

#include <stdlib.h>
#include <string.h>

void engine_announce(const struct engine *e, const struct engine_step *s)
{
    if (e->opts->on_step)
        e->opts->on_step(e->opts->arg, s);
}

int engine_remember(struct engine *e, const struct engine_step *s, const struct report_model *m,
                    struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);

    report_model_put(&j, NULL, m);
    const int rc = cache_put(e->cache, s->key, &b, err);
    buf_release(&b);
    return rc;
}

/* ---- making a file ------------------------------------------------------------------------ */

static uint64_t tensor_bytes(const struct pipe_job *p)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < source_n_tensors(p->source); i++) {
        const struct source_tensor *t = source_tensor(p->source, i);
        size_t row;
        if (dtype_row_bytes(&row, p->types[i], source_row_len(t)))
            sum += row * source_n_rows(t);
    }
    return sum;
}

static int write_variant(struct engine *e, struct variant *v, struct report_model *m,
                         struct err *err)
{
    struct pipe_result result = {0};
    struct job *job;
    int rc = engine_importance(e, err);

    if (!rc)
        rc = engine_job(&job, e, v, false, err);

    if (rc)
        return rc;
    rc = pipe_write(&result, v->path, job_pipe(job), err);
    if (rc == ERR_FORMAT) /* the source's values, not the output */
        rc = err_wrap(err, "%s", e->recipe.model);
    /* m->result stays: it may be known from a run whose file was deleted */
    m->bytes = result.bytes;
    m->params = result.params;
    m->tensor_bytes = tensor_bytes(job_pipe(job));
    job_free(job);
    return rc;
}

static int make(struct engine *e, struct variant *v, struct report_model *m, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    int rc = engine_source(e, err);

    if (!rc && !*e->source_sha)
        rc = source_sha256(e->source_sha, e->source, &e->opts->par, e->opts->log, err);
    if (!rc)
        rc = write_variant(e, v, m, err);
    if (!rc)
        rc = cache_hash_file(hex, e->cache, v->path, err);
    if (rc)
        return rc;
    m->sha256 = arena_str(&e->arena, hex);
    if (!m->sha256)
        return err_nomem(err);
    v->make->bytes = m->bytes;
    rc = engine_remember(e, v->make, m, err);
    return rc ? rc : cache_save(e->cache, err);
}

static int make_all(struct engine *e, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < e->recipe.n_quant; i++) {
        struct variant *v = &e->variant[i];
        engine_announce(e, v->make);
        if (!v->make->cached)
            rc = make(e, v, &e->model[i + 1], err);
    }
    return rc;
}

/* ---- evaluating ------------------------------------------------------------------------------ */

/* The models of one pass: those not measured yet, beside the original. */
struct pass {
    struct model *original;
    struct model **model;       /* owned, each too */
    struct eval_result *result; /* owned, each too */
    size_t *which;              /* owned; index in engine.variant */
    size_t n;
    struct eval_result original_result;
};

static void pass_release(struct pass *p)
{
    for (size_t i = 0; i < p->n; i++) {
        model_free(p->model[i]);
        eval_result_release(&p->result[i]);
    }
    eval_result_release(&p->original_result);
    model_free(p->original);
    free(p->model);
    free(p->result);
    free(p->which);
}

static int pass_open(struct pass *p, struct engine *e, struct err *err)
{
    const struct model_opts mo = {.cpu = e->opts->cpu, .math = EVAL_MATH, .log = e->opts->log};
    const size_t n = e->recipe.n_quant;
    int rc;

    p->model = calloc(n + 1, sizeof(struct model *));
    p->result = calloc(n + 1, sizeof(*p->result));
    p->which = calloc(n + 1, sizeof(*p->which));
    if (!p->model || !p->result || !p->which)
        return err_nomem(err);
    rc = model_open(&p->original, e->recipe.model, &mo, err);
    for (size_t i = 0; !rc && i < n; i++) {
        if (e->variant[i].score->cached)
            continue;
        rc = model_open(&p->model[p->n], e->variant[i].path, &mo, err);
        if (!rc)
            p->which[p->n++] = i;
    }
    return rc;
}

static int pass_eval(struct pass *p, const struct engine *e, struct err *err)
{
    const struct eval_opts eo = {.text_name = e->recipe.text,
                                 .n_ctx = e->recipe.n_ctx,
                                 .n_chunks = e->recipe.n_chunks,
                                 .cpu = e->opts->cpu,
                                 .par = e->opts->par,
                                 .log = e->opts->log};
    struct map text;
    int rc = map_open(&text, e->recipe.text, err);

    if (rc)
        return rc;
    rc = eval_text(p->result, &p->original_result, (const struct model *const *)p->model, p->n,
                   p->original, text.size ? (const char *)text.data : "", text.size, &eo, err);
    map_release(&text);
    return rc;
}

/* The result moves into the model's entry, and with it into the cache. */
static int keep(struct engine *e, const struct engine_step *s, struct report_model *m,
                struct eval_result *result, struct err *err)
{
    eval_result_release(&m->result);
    m->result = *result;
    *result = (struct eval_result){0};
    return engine_remember(e, s, m, err);
}

static int pass_keep(struct pass *p, struct engine *e, struct err *err)
{
    int rc = 0;

    if (!e->score_original->cached) {
        struct report_model *m = &e->model[0];
        report_model_describe(m, model_source(p->original));
        m->type = arena_str(&e->arena, m->type);
        m->sha256 = arena_str(&e->arena, e->model_sha);
        rc = m->type && m->sha256 ? keep(e, e->score_original, m, &p->original_result, err)
                                  : err_nomem(err);
    }
    for (size_t i = 0; !rc && i < p->n; i++) {
        const size_t at = p->which[i];
        rc = keep(e, e->variant[at].score, &e->model[at + 1], &p->result[i], err);
    }
    return rc;
}

static int score_all(struct engine *e, struct err *err)
{
    bool missing = false;
    struct pass p = {0};
    int rc;

    for (size_t i = 0; i < e->n_steps; i++)
        if (e->step[i].kind == ENGINE_EVALUATE) {
            engine_announce(e, &e->step[i]);
            missing = missing || !e->step[i].cached;
        }
    if (!missing)
        return 0;
    rc = pass_open(&p, e, err);
    if (!rc)
        rc = pass_eval(&p, e, err);
    if (!rc)
        rc = pass_keep(&p, e, err);
    pass_release(&p);
    return rc;
}

/* ---- reporting -------------------------------------------------------------------------------- */

void engine_compose(struct engine *e)
{
    struct report *r = &e->report;

    if (!e->recipe.text)
        return;
    e->model[0].name = "original";
    e->model[0].file = e->recipe.name;
    for (size_t i = 0; i < e->recipe.n_quant; i++) {
        e->model[i + 1].name = e->variant[i].quant->name;
        e->model[i + 1].file = e->variant[i].file;
        e->model[i + 1].type = mix_name(e->variant[i].quant->mix);
    }
    *r = (struct report){.name = e->recipe.name,
                         .text = e->recipe.text_as_told,
                         .text_sha256 = e->text_sha,
                         .kernels = report_kernels(EVAL_MATH),
                         .n_ctx = e->recipe.n_ctx,
                         .original = &e->model[0],
                         .model = &e->model[1],
                         .n_models = e->recipe.n_quant};
    e->have_report = true;
}

static bool holds(const char *path, const struct buf *b)
{
    struct map m;
    struct err unused;

    if (map_open(&m, path, &unused))
        return false;
    const bool same = m.size == b->n && (!b->n || !memcmp(m.data, b->p, b->n));
    map_release(&m);
    return same;
}

int engine_write_report(struct engine *e, struct engine_step *s, bool write, struct err *err)
{
    const bool html = s->name == e->recipe.html;
    struct buf b = {0};
    int rc = html ? html_report(&b, &e->report, err) : report_json(&b, &e->report, err);

    if (!rc) {
        s->bytes = b.n;
        s->cached = holds(s->path, &b);
        if (write)
            engine_announce(e, s);
        if (write && !s->cached)
            rc = out_file(s->path, b.p, b.n, err);
    }
    buf_release(&b);
    return rc;
}

static int report_all(struct engine *e, struct err *err)
{
    int rc = 0;

    engine_compose(e);
    for (size_t i = 0; !rc && i < e->n_steps; i++)
        if (e->step[i].kind == ENGINE_REPORT)
            rc = engine_write_report(e, &e->step[i], true, err);
    return rc;
}

int engine_run(struct engine *e, struct err *err)
{
    struct err unused;
    int rc = engine_calibrate(e, err);

    if (!rc)
        rc = make_all(e, err);
    if (!rc && e->recipe.text)
        rc = score_all(e, err);
    if (!rc)
        rc = report_all(e, err);
    /* digests are worth keeping after a failure too, but the failure is what to tell */
    const int saved = cache_save(e->cache, rc ? &unused : err);
    return rc ? rc : saved;
}
