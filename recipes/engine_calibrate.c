/* The step that collects importance on the calibration text. */

#include "eval/collect.h"
#include "formats/base/map.h"
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

int engine_calibrate(struct branch *b, const struct par *par, struct err *err)
{
    struct engine_step *s = b->calibrate;
    struct record r = {0};
    struct map file;
    int rc = write_sums(b, par, err);

    if (!rc)
        rc = cache_hash_file(r.object, b->e->cache, s->path, err);
    if (!rc)
        rc = map_open(&file, s->path, err);
    if (rc)
        return rc;
    s->bytes = r.model.bytes = file.size;
    map_release(&file);
    return engine_remember(b, s, &r, NULL, err);
}

bool engine_uses_importance(const struct branch *b, const struct variant *v)
{
    return engine_importance_path(b) && !v->convert && !v->quant->no_importance;
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
            rc = importance_new(&b->importance, b->imatrix, path, b->source, &b->e->log, err);
    }
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}
