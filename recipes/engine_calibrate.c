/* The step that collects importance on the calibration text. */

#include "eval/collect.h"
#include "eval/eval.h"
#include "formats/base/cpu.h"
#include "formats/base/map.h"
#include "formats/base/version.h"
#include "recipes/engine_impl.h"
#include "runtime/model.h"

static int key_of(struct engine *e, struct engine_step *s, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_str(h, "calibrate");
    hash_str(h, PARE_VERSION);
    hash_u64(h, EVAL_VERSION);
    hash_str(h, cpu_level(e->opts->cpu));
    hash_str(h, e->model_sha);
    hash_str(h, e->calibration_sha);
    hash_str(h, e->recipe.calibration_as_told); /* the file says what it was made on */
    hash_u64(h, e->recipe.calibration_ctx);
    hash_u64(h, e->recipe.calibration_chunks);
    rc = hash_hex(h, s->key, err);
    hash_free(h);
    return rc;
}

int engine_plan_calibration(struct engine *e, struct err *err)
{
    const char *path;

    if (!e->recipe.calibration || !e->recipe.n_quant)
        return 0;
    path = arena_fmt(&e->arena, "%s/%s.imatrix.gguf", e->out_dir, e->recipe.name);
    if (!path)
        return err_nomem(err);
    e->calibrate = engine_add_step(e, ENGINE_CALIBRATE, "importance", path);
    return key_of(e, e->calibrate, err);
}

static int write_sums(struct engine *e, struct err *err)
{
    const struct model_opts mo = {.cpu = e->opts->cpu, .math = KERN_F32, .log = e->opts->log};
    const struct recipe *r = &e->recipe;
    struct imatrix *im = NULL;
    struct model *m = NULL;
    struct map text;
    int rc = map_open(&text, r->calibration, err);

    if (rc)
        return rc;
    rc = model_open(&m, r->model, &mo, err);
    struct collect c = {.model = m, .par = e->opts->par, .log = e->opts->log};
    if (!rc)
        rc = collect_from(&im, &c,
                          &(struct collect_text){
                              .text = &text,
                              .how = {.text_name = r->calibration,
                                      .n_ctx = r->calibration_ctx,
                                      .least = r->calibration_ctx,
                                      .most = r->calibration_chunks},
                              .dataset = r->calibration_as_told
        },
                          err);
    if (!rc)
        rc = imatrix_write(im, e->calibrate->path, err);
    imatrix_free(im);
    model_free(m);
    map_release(&text);
    return rc;
}

int engine_calibrate(struct engine *e, struct err *err)
{
    struct report_model m = {.name = "importance", .type = "imatrix"};
    struct engine_step *s = e->calibrate;
    char hex[HASH_HEX_BYTES];
    int rc;

    if (!s)
        return 0;
    engine_announce(e, s);
    if (s->cached)
        return 0;
    rc = write_sums(e, err);
    if (!rc)
        rc = cache_hash_file(hex, e->cache, s->path, err);
    if (rc)
        return rc;
    m.file = e->recipe.calibration_as_told;
    m.sha256 = hex;
    rc = engine_remember(e, s, &m, err);
    return rc ? rc : cache_save(e->cache, err);
}

int engine_importance(struct engine *e, struct err *err)
{
    if (!e->calibrate || e->importance)
        return 0;
    int rc = engine_source(e, err);
    if (!rc)
        rc = imatrix_read(&e->imatrix, e->calibrate->path, err);
    if (!rc)
        rc = importance_new(&e->importance, e->imatrix, e->calibrate->path, e->source, e->opts->log,
                            err);
    return rc;
}
