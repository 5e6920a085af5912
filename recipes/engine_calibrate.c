/* The step that collects importance on the calibration text. */

#include "eval/collect.h"
#include "formats/base/cpu.h"
#include "formats/base/map.h"
#include "formats/base/version.h"
#include "recipes/engine_impl.h"
#include "runtime/model.h"

static int write_sums(struct branch *b, const struct par *par, struct err *err)
{
    const struct log *log = &b->e->log;
    const struct model_opts mo = {.cpu = b->e->opts->cpu, .math = KERN_F32, .log = log};
    const struct recipe *r = b->recipe;
    struct imatrix *im = NULL;
    struct model *m = NULL;
    struct map text;
    int rc = map_open(&text, r->calibration.path, err);

    if (rc)
        return rc;
    rc = model_open(&m, r->model.path, &mo, err);
    struct collect c = {.model = m, .par = *par, .log = log};
    const struct windows_opts how = {.text_name = r->calibration.path,
                                     .n_ctx = r->calibration_ctx,
                                     .least = r->calibration_ctx,
                                     .most = r->calibration_chunks};
    const struct collect_text from = {.text = &text, .how = how, .dataset = r->calibration.as_told};
    if (!rc)
        rc = collect_from(&im, &c, &from, err);
    if (!rc)
        rc = imatrix_write(im, b->calibrate->path, err);
    imatrix_free(im);
    model_free(m);
    map_release(&text);
    return rc;
}

static int run(struct branch *b, struct engine_step *s, const struct par *par, struct err *err)
{
    struct map file;
    int rc = write_sums(b, par, err);

    if (!rc)
        rc = engine_hash_files(b, s, err);
    if (!rc)
        rc = map_open(&file, s->path, err);
    if (rc)
        return rc;
    s->bytes = file.size;
    map_release(&file);
    return engine_remember(b, s, NULL, NULL, err);
}

static int recall(struct branch *b, struct engine_step *s, struct err *err)
{
    json_val *doc = NULL;
    bool found;
    const int rc = engine_recall_step(&found, NULL, &doc, b, s, err);

    if (!rc && found)
        s->state = ENGINE_CACHED;
    json_free(doc);
    return rc;
}

/* ---- planning --------------------------------------------------------------------------------- */

static int key_of(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
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

static int plan(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    const char *path;

    if (!r->calibration.path || !r->n_quant)
        return 0;
    path = arena_fmt(&b->e->arena, "%s/%s.imatrix.gguf", b->out_dir, r->name);
    b->calibrate = path ? engine_add(b, ENGINE_CALIBRATE, "importance", 1) : NULL;
    if (!b->calibrate)
        return err_nomem(err);
    b->calibrate->path = b->calibrate->file[0].path = path;
    return key_of(b, err);
}

static uint64_t memory(const struct branch *b, const struct engine_step *s)
{
    (void)s;
    return engine_weights_bytes(b->recipe->model.path);
}

const struct engine_ops engine_calibrate_ops = {
    .name = "calibrate", .plan = plan, .recall = recall, .run = run, .memory = memory};

/* ---- for variants ----------------------------------------------------------------------------- */

bool engine_uses_importance(const struct branch *b, const struct variant *v)
{
    return engine_importance_path(b) && !v->convert && !v->quant->no_importance &&
           !v->quant->student; /* whose activations were not measured */
}

const char *engine_importance_path(const struct branch *b)
{
    return b->calibrate ? b->calibrate->path : b->recipe->imatrix.path;
}

int engine_importance(struct branch *b, struct err *err)
{
    const char *path = engine_importance_path(b);
    int rc = 0;

    (void)pthread_mutex_lock(&b->lock);
    if (path && !b->importance) {
        rc = b->imatrix ? 0 : imatrix_read(&b->imatrix, path, err);
        if (!rc)
            rc = importance_new(&b->importance, b->imatrix, path, b->original.source, &b->e->log,
                                err);
    }
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}
