#include "recipes/engine.h"

#include "formats/apart.h"
#include "formats/base/cpu.h"
#include "formats/base/version.h"
#include "recipes/engine_impl.h"
#include "runtime/tok_check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- keys ------------------------------------------------------------------------------- */

/* The model's folder or file name: the converter guesses general.* from it. */
static const char *model_name(struct engine *e)
{
    char *real = realpath(e->recipe.model, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    const char *name = arena_str(&e->arena, slash ? slash + 1 : e->recipe.model);

    free(real);
    return name;
}

static int key_of_make(struct engine *e, struct variant *v, struct err *err)
{
    const struct recipe_quant *q = v->quant;
    const char *name = model_name(e);
    struct hash *h;
    int rc = name ? hash_new(&h, err) : err_nomem(err);

    if (rc)
        return rc;
    hash_str(h, "quantize");
    hash_str(h, PARE_VERSION);
    hash_u64(h, PARE_ENCODER_VERSION);
    hash_str(h, e->model_sha);
    hash_str(h, name);
    hash_str(h, mix_name(q->mix));
    hash_str(h, e->calibrate && !v->convert ? e->calibrate->key : "");
    hash_u64(h, q->pure);
    hash_u64(h, v->convert);
    hash_u64(h, q->output_type);
    hash_u64(h, q->embedding_type);
    rc = hash_hex(h, v->make->key, err);
    hash_free(h);
    return rc;
}

/* `of` is the key of the step that made the model, or the original's digest: making is
 * deterministic, so either stands for the content. */
static int key_of_score(struct engine *e, struct engine_step *s, const char *of, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_str(h, "evaluate");
    hash_str(h, PARE_VERSION);
    hash_u64(h, EVAL_VERSION);
    hash_u64(h, EVAL_MATH);
    hash_str(h, cpu_level(e->opts->cpu));
    hash_str(h, e->model_sha);
    hash_str(h, e->text_sha);
    hash_str(h, of);
    hash_u64(h, e->recipe.n_ctx);
    hash_u64(h, e->recipe.n_chunks);
    rc = hash_hex(h, s->key, err);
    hash_free(h);
    return rc;
}

/* ---- steps ------------------------------------------------------------------------------ */

struct engine_step *engine_add_step(struct engine *e, enum engine_kind kind, const char *name,
                                    const char *path)
{
    struct engine_step *s = &e->step[e->n_steps++];

    *s = (struct engine_step){.kind = kind, .name = name, .path = path};
    return s;
}

/* F32, F16 and BF16 of a checkpoint are what `pare convert` writes. */
static enum dtype convert_of(const struct recipe *r, const struct recipe_quant *q)
{
    const enum dtype t = dtype_by_name(mix_name(q->mix));
    const bool plain = t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;

    return plain && ckpt_is(r->model) && !q->pure && !q->output_type && !q->embedding_type
               ? t
               : DTYPE_NONE;
}

static int plan_variants(struct engine *e, struct err *err)
{
    const struct recipe *r = &e->recipe;

    for (size_t i = 0; i < r->n_quant; i++) {
        struct variant *v = &e->variant[i];
        v->quant = &r->quant[i];
        v->file = arena_fmt(&e->arena, "%s-%s.gguf", r->name, v->quant->name);
        v->path = v->file ? arena_fmt(&e->arena, "%s/%s", e->out_dir, v->file) : NULL;
        if (!v->path)
            return err_nomem(err);
        v->convert = convert_of(r, v->quant);
        v->make = engine_add_step(e, v->convert ? ENGINE_CONVERT : ENGINE_QUANTIZE, v->quant->name,
                                  v->path);
        const int rc = key_of_make(e, v, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int plan_scores(struct engine *e, struct err *err)
{
    int rc;

    if (!e->recipe.text)
        return 0;
    e->score_original = engine_add_step(e, ENGINE_EVALUATE, "original", NULL);
    rc = key_of_score(e, e->score_original, e->model_sha, err);
    for (size_t i = 0; !rc && i < e->recipe.n_quant; i++) {
        struct variant *v = &e->variant[i];
        v->score = engine_add_step(e, ENGINE_EVALUATE, v->quant->name, NULL);
        rc = key_of_score(e, v->score, v->make->key, err);
    }
    return rc;
}

static int plan_report(struct engine *e, const char *file, struct err *err)
{
    const char *path = file ? arena_fmt(&e->arena, "%s/%s", e->out_dir, file) : NULL;

    if (path)
        (void)engine_add_step(e, ENGINE_REPORT, file, path);
    return file && !path ? err_nomem(err) : 0;
}

/* No output may replace the recipe, the model or the text. */
static int check_outputs(const struct engine *e, const char *recipe, struct err *err)
{
    const char *const in[] = {recipe, e->recipe.model, e->recipe.text, e->recipe.calibration};
    int rc = 0;

    for (size_t i = 0; i < e->n_steps; i++)
        for (size_t k = 0; !rc && k < sizeof(in) / sizeof(in[0]); k++)
            rc = apart(e->step[i].path, in[k], false, err);
    return rc;
}

/* What makes the plan: steps in the order they are done. */
static int plan(struct engine *e, struct err *err)
{
    const size_t n = e->recipe.n_quant;

    e->step = arena_array(&e->arena, 2 * n + 4, sizeof(*e->step));
    e->variant = arena_array(&e->arena, n + 1, sizeof(*e->variant));
    e->model = arena_array(&e->arena, n + 1, sizeof(*e->model));
    if (!e->step || !e->variant || !e->model)
        return err_nomem(err);
    int rc = engine_plan_calibration(e, err);
    if (!rc)
        rc = plan_variants(e, err);
    if (!rc)
        rc = plan_scores(e, err);
    if (!rc)
        rc = plan_report(e, e->recipe.html, err);
    if (!rc)
        rc = plan_report(e, e->recipe.json, err);
    return rc;
}

/* ---- what is finished ---------------------------------------------------------------------- */

static bool serious(const struct err *err)
{
    return err->code == ERR_NOMEM || err->code == ERR_INTERRUPTED;
}

/* What a finished step left in the cache; *found is false when it did not, or its file
 * is no longer what it was. Texts go to the arena; *out is owned. */
static int recall(struct report_model *out, bool *found, struct engine *e,
                  const struct engine_step *s, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    struct err ignored = {0};
    json_val *record;
    int rc = cache_get(&record, e->cache, s->key, err);

    *found = false;
    *out = (struct report_model){0};
    if (rc || !record)
        return rc;
    if (!report_model_get(out, &e->arena, record, &ignored))
        *found = true;
    if (*found && s->path)
        *found = out->sha256 && !access(s->path, R_OK) &&
                 !cache_hash_file(hex, e->cache, s->path, &ignored) && !strcmp(hex, out->sha256);
    if (!*found)
        report_model_release(out);
    if (serious(&ignored)) {
        *err = ignored;
        rc = ignored.code;
    }
    json_free(record);
    return rc;
}

static int recall_make(struct engine *e, struct variant *v, struct report_model *m, struct err *err)
{
    int rc = recall(m, &v->make->cached, e, v->make, err);

    v->make->bytes = m->bytes;
    return rc;
}

/* An evaluation's record holds all of its model; the name may have changed since. */
static int recall_score(struct engine *e, struct engine_step *s, struct report_model *m,
                        struct err *err)
{
    struct report_model scored;
    const int rc = s ? recall(&scored, &s->cached, e, s, err) : 0;

    if (rc || !s || !s->cached)
        return rc;
    report_model_release(m);
    *m = scored;
    return 0;
}

static int recall_all(struct engine *e, struct err *err)
{
    struct report_model unused = {0};
    int rc = e->calibrate ? recall(&unused, &e->calibrate->cached, e, e->calibrate, err) : 0;

    if (e->calibrate)
        e->calibrate->bytes = unused.bytes;
    report_model_release(&unused);
    for (size_t i = 0; !rc && i < e->recipe.n_quant; i++)
        rc = recall_make(e, &e->variant[i], &e->model[i + 1], err);
    if (!rc)
        rc = recall_score(e, e->score_original, &e->model[0], err);
    for (size_t i = 0; !rc && i < e->recipe.n_quant; i++)
        rc = recall_score(e, e->variant[i].score, &e->model[i + 1], err);
    return rc;
}

/* ---- sizes of what is not there yet ------------------------------------------------------------ */

int engine_source(struct engine *e, struct err *err)
{
    const struct source_opts so = {.log = e->opts->log};

    if (e->source)
        return 0;
    const int rc = source_open(&e->source, e->recipe.model, &so, err);
    return rc ? rc : tok_check(e->source, false, e->opts->log, err);
}

int engine_job(struct job **out, struct engine *e, const struct variant *v, bool size_only,
               struct err *err)
{
    const struct job_opts jo = {
        .convert = v->convert,
        .mix = v->quant->mix,
        .mix_opts = {.pure = v->quant->pure,
                     .output_type = v->quant->output_type,
                     .embedding_type = v->quant->embedding_type,
                     .have_importance = e->calibrate != NULL},
        .importance = v->convert ? NULL : e->importance,
        .foreseen_imatrix = e->calibrate && !v->convert ? e->calibrate->path : NULL,
        .foreseen_dataset = e->recipe.calibration_as_told,
        .source_sha256 = *e->source_sha ? e->source_sha : NULL,
        .size_only = size_only,
        .tensor_report = true,
        .cpu = e->opts->cpu,
        .par = e->opts->par,
        .log = e->opts->log
    };

    return job_new(out, e->source, &jo, err);
}

static int foresee_size(struct engine *e, struct variant *v, struct err *err)
{
    struct job *job;
    int rc = engine_source(e, err);

    if (!rc)
        rc = engine_job(&job, e, v, true, err);
    if (rc)
        return rc;
    rc = pipe_size(&v->make->bytes, job_pipe(job), err);
    job_free(job);
    return rc;
}

static int foresee(struct engine *e, struct err *err)
{
    bool all = true;
    int rc = 0;

    for (size_t i = 0; !rc && i < e->recipe.n_quant; i++)
        if (!e->variant[i].make->cached)
            rc = foresee_size(e, &e->variant[i], err);
    for (size_t i = 0; i < e->n_steps; i++)
        all = all && (e->step[i].cached || e->step[i].kind == ENGINE_REPORT);
    if (rc || !all)
        return rc;
    engine_compose(e);
    for (size_t i = 0; !rc && i < e->n_steps; i++)
        if (e->step[i].kind == ENGINE_REPORT)
            rc = engine_write_report(e, &e->step[i], false, err);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static int open_all(struct engine *e, const char *recipe, struct err *err)
{
    const struct engine_opts *o = e->opts;
    int rc = recipe_load(&e->recipe, recipe, o->sets, o->n_sets, err);

    if (rc)
        return rc;
    e->out_dir = o->out_dir ? o->out_dir : arena_fmt(&e->arena, "%s.out", e->recipe.name);
    if (!e->out_dir)
        return err_nomem(err);
    const char *const inputs[] = {e->recipe.model, e->recipe.text, e->recipe.calibration};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
        if (inputs[i] && access(inputs[i], R_OK))
            return err_errno(err, inputs[i]);
    rc = cache_open(&e->cache, e->out_dir, !o->plan_only, o->log, err);
    if (!rc)
        rc = cache_hash_model(e->model_sha, e->cache, e->recipe.model, err);
    if (!rc && e->recipe.text)
        rc = cache_hash_file(e->text_sha, e->cache, e->recipe.text, err);
    if (!rc && e->recipe.calibration)
        rc = cache_hash_file(e->calibration_sha, e->cache, e->recipe.calibration, err);
    if (!rc)
        rc = plan(e, err);
    if (!rc)
        rc = check_outputs(e, recipe, err);
    if (!rc)
        rc = recall_all(e, err);
    if (!rc && o->plan_only)
        rc = foresee(e, err);
    return rc;
}

int engine_open(struct engine **out, const char *recipe, const struct engine_opts *opts,
                struct err *err)
{
    struct engine *e = calloc(1, sizeof(*e));

    *out = NULL;
    if (!e)
        return err_nomem(err);
    e->opts = opts;
    const int rc = open_all(e, recipe, err);
    if (rc) {
        engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->model && i <= e->recipe.n_quant; i++)
        report_model_release(&e->model[i]);
    importance_free(e->importance);
    imatrix_free(e->imatrix);
    source_free(e->source);
    cache_free(e->cache);
    recipe_release(&e->recipe);
    arena_release(&e->arena);
    free(e);
}

size_t engine_n_steps(const struct engine *e)
{
    return e->n_steps;
}

const struct engine_step *engine_step(const struct engine *e, size_t i)
{
    return i < e->n_steps ? &e->step[i] : NULL;
}

const struct report *engine_report(const struct engine *e)
{
    return e->have_report ? &e->report : NULL;
}
