/* The steps of a branch and their keys. */

#include "formats/apart.h"
#include "formats/base/cpu.h"
#include "formats/base/version.h"
#include "formats/checkpoint.h"
#include "recipes/engine_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- keys ------------------------------------------------------------------------------- */

/* The model's folder or file name: the converter guesses general.* from it. */
static const char *model_name(struct branch *b)
{
    char *real = realpath(b->recipe->model.path, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    const char *name = engine_text(b->e, slash ? slash + 1 : b->recipe->model.path);

    free(real);
    return name;
}

/* What weighs errors: how it is collected, or the file that has it. */
static void hash_importance(struct hash *h, const struct branch *b, const struct variant *v)
{
    const bool uses = engine_uses_importance(b, v);

    hash_str(h, uses && b->calibrate ? b->calibrate->key : "");
    hash_str(h, uses && !b->calibrate ? b->calibration_sha : "");
    hash_str(h, uses && !b->calibrate ? b->recipe->imatrix.as_told : "");
}

static int key_of_make(struct branch *b, struct variant *v, struct err *err)
{
    const struct recipe_quant *q = v->quant;
    const char *name = model_name(b);
    struct hash *h;
    int rc = name ? hash_new(&h, err) : err_nomem(err);

    if (rc)
        return rc;
    hash_str(h, "quantize");
    hash_str(h, PARE_VERSION);
    hash_u64(h, PARE_ENCODER_VERSION);
    hash_str(h, b->model_sha);
    hash_str(h, name);
    hash_str(h, mix_name(q->mix));
    hash_importance(h, b, v);
    hash_u64(h, q->pure);
    hash_u64(h, v->convert);
    hash_u64(h, q->output_type);
    hash_u64(h, q->embedding_type);
    hash_u64(h, q->effort);
    hash_u64(h, q->n_overrides);
    for (size_t i = 0; i < q->n_overrides; i++) {
        hash_str(h, q->overrides[i].pattern);
        hash_u64(h, q->overrides[i].type);
    }
    rc = hash_hex(h, v->make->key, err);
    hash_free(h);
    return rc;
}

/* `of` is the key of the step that made the model, or the original's digest: making is
 * deterministic, so either stands for the content. */
static int key_of_score(struct branch *b, struct engine_step *s, const char *of, struct err *err)
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

/* ---- steps ------------------------------------------------------------------------------ */

static struct engine_step *add_step(struct branch *b, enum engine_kind kind, const char *name,
                                    const char *path)
{
    struct engine_step *s = &b->e->step[b->e->n_steps++];

    *s =
        (struct engine_step){.kind = kind, .branch = b->recipe->suffix, .name = name, .path = path};
    return s;
}

/* The step that collects importance, where the recipe asks for it. */
static int plan_calibration(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    struct hash *h;
    const char *path;
    int rc;

    if (!r->calibration.path || !r->n_quant)
        return 0;
    path = arena_fmt(&b->e->arena, "%s/%s.imatrix.gguf", b->out_dir, r->name);
    rc = path ? hash_new(&h, err) : err_nomem(err);
    if (rc)
        return rc;
    b->calibrate = add_step(b, ENGINE_CALIBRATE, "importance", path);
    hash_str(h, "calibrate");
    hash_str(h, PARE_VERSION);
    hash_u64(h, EVAL_VERSION);
    hash_str(h, cpu_level(b->e->opts->cpu));
    hash_str(h, b->model_sha);
    hash_str(h, b->calibration_sha);
    hash_str(h, r->calibration.as_told); /* the file says what it was made on */
    hash_u64(h, r->calibration_ctx);
    hash_u64(h, r->calibration_chunks);
    rc = hash_hex(h, b->calibrate->key, err);
    hash_free(h);
    return rc;
}

/* F32, F16 and BF16 of a checkpoint are what `pare convert` writes. */
static enum dtype convert_of(const struct recipe *r, const struct recipe_quant *q)
{
    const enum dtype t = dtype_by_name(mix_name(q->mix));
    const bool plain = t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;

    return plain && ckpt_is(r->model.path) && !q->pure && !q->output_type && !q->embedding_type &&
                   !q->n_overrides
               ? t
               : DTYPE_NONE;
}

static int plan_variants(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    struct arena *a = &b->e->arena;

    for (size_t i = 0; i < r->n_quant; i++) {
        struct variant *v = &b->variant[i];
        v->quant = &r->quant[i];
        v->file = arena_fmt(a, "%s-%s.gguf", r->name, v->quant->name);
        v->path = v->file ? arena_fmt(a, "%s/%s", b->out_dir, v->file) : NULL;
        v->beside = v->path ? arena_fmt(a, "%s.json", v->path) : NULL;
        if (!v->beside)
            return err_nomem(err);
        v->convert = convert_of(r, v->quant);
        v->make =
            add_step(b, v->convert ? ENGINE_CONVERT : ENGINE_QUANTIZE, v->quant->name, v->path);
        const int rc = key_of_make(b, v, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int plan_scores(struct branch *b, struct err *err)
{
    int rc;

    if (!b->recipe->text.path)
        return 0;
    b->score_original = add_step(b, ENGINE_EVALUATE, "original", NULL);
    rc = key_of_score(b, b->score_original, b->model_sha, err);
    for (size_t i = 0; !rc && i < b->recipe->n_quant; i++) {
        struct variant *v = &b->variant[i];
        v->score = add_step(b, ENGINE_EVALUATE, v->quant->name, NULL);
        rc = key_of_score(b, v->score, v->make->key, err);
    }
    return rc;
}

static int plan_report(struct branch *b, const char *file, struct err *err)
{
    const char *path = file ? arena_fmt(&b->e->arena, "%s/%s", b->out_dir, file) : NULL;

    if (path)
        (void)add_step(b, ENGINE_REPORT, file, path);
    return file && !path ? err_nomem(err) : 0;
}

static int plan_reports(struct branch *b, struct err *err)
{
    const struct recipe_reports *r = &b->recipe->report;
    const char *const file[] = {r->html, r->json, r->junit, r->markdown, r->csv};
    int rc = 0;

    for (size_t i = 0; !rc && i < sizeof(file) / sizeof(file[0]); i++)
        rc = plan_report(b, file[i], err);
    return rc;
}

size_t engine_most_steps(const struct recipe *r)
{
    return 2 * r->n_quant + 2 + sizeof(r->report) / sizeof(r->report.html);
}

int engine_plan(struct branch *b, struct err *err)
{
    const size_t n = b->recipe->n_quant;

    b->variant = arena_array(&b->e->arena, n + 1, sizeof(*b->variant));
    b->model = arena_array(&b->e->arena, n + 1, sizeof(*b->model));
    if (!b->variant || !b->model)
        return err_nomem(err);
    int rc = plan_calibration(b, err);
    if (!rc)
        rc = plan_variants(b, err);
    if (!rc)
        rc = plan_scores(b, err);
    if (!rc)
        rc = plan_reports(b, err);
    return rc;
}
