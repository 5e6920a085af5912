/* Steps that collect importance on the calibration text. */

#include "eval/collect.h"
#include "formats/base/cpu.h"
#include "formats/base/map.h"
#include "formats/base/version.h"
#include "recipes/engine_impl.h"
#include "runtime/model.h"

/* Whose importance the step collects. */
static struct weights *of_step(struct branch *b, const struct engine_step *s)
{
    return s->item ? &b->variant[s->item - 1].own : &b->original;
}

static int write_sums(struct branch *b, const struct engine_step *s, const struct par *par,
                      struct err *err)
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
    rc = model_open(&m, of_step(b, s)->path, &mo, err);
    struct collect c = {.model = m, .par = *par, .log = log};
    const struct windows_opts how = {.text_name = r->calibration.path,
                                     .n_ctx = r->calibration_ctx,
                                     .least = r->calibration_ctx,
                                     .most = r->calibration_chunks};
    const struct collect_text from = {.text = &text, .how = how, .dataset = r->calibration.as_told};
    if (!rc)
        rc = collect_from(&im, &c, &from, err);
    if (!rc)
        rc = imatrix_write(im, s->path, err);
    imatrix_free(im);
    model_free(m);
    map_release(&text);
    return rc;
}

static int run(struct branch *b, struct engine_step *s, const struct par *par, struct err *err)
{
    struct map file;
    int rc = write_sums(b, s, par, err);

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

static int key_of(struct branch *b, const struct weights *w, struct err *err)
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
    hash_str(h, w->key);
    hash_str(h, b->calibration_sha);
    hash_str(h, r->calibration.as_told); /* the file says what it was made on */
    hash_u64(h, r->calibration_ctx);
    hash_u64(h, r->calibration_chunks);
    rc = hash_hex(h, w->calibrate->key, err);
    hash_free(h);
    return rc;
}

/* item: as engine_step's. */
static int add_step(struct branch *b, struct weights *w, const char *name, size_t item,
                    struct err *err)
{
    struct engine_step *s = engine_add(b, ENGINE_CALIBRATE, name, 1);
    const char *student = item ? name : "";

    if (!s)
        return err_nomem(err);
    s->item = item;
    s->path = s->file[0].path = arena_fmt(&b->e->arena, "%s/%s%s%s.imatrix.gguf", b->out_dir,
                                          b->recipe->name, item ? "-" : "", student);
    w->calibrate = s;
    w->imatrix_path = s->path;
    return s->path ? key_of(b, w, err) : err_nomem(err);
}

/* A student that is quantized while it is trained, from the whole model: what was measured on
 * that fits it, unless it has importance of its own. */
static bool begins_whole(const struct recipe_student *s)
{
    return s->o.quantize && !s->imatrix.path && !s->from.path && student_is_whole(&s->o.student);
}

static int plan(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    bool wanted = false;

    b->original.imatrix_path = r->imatrix.path;
    for (size_t i = 0; i < r->n_quant; i++)
        wanted = wanted || !r->quant[i].student || begins_whole(r->quant[i].student);
    return r->calibration.path && wanted ? add_step(b, &b->original, "importance", 0, err) : 0;
}

/* Numbers as they are have no errors to weigh. */
static bool is_plain(const struct recipe_quant *q)
{
    return dtype_is_plain(dtype_by_name(mix_name(q->mix))) && !q->output_type &&
           !q->embedding_type && !q->n_overrides;
}

int engine_plan_calibrate(struct branch *b, size_t item, struct err *err)
{
    struct variant *v = &b->variant[item];
    const struct recipe_student *s = v->quant->student;
    bool wanted = false;

    for (size_t i = 0; i < s->n_then; i++)
        wanted = wanted || (!s->then[i].no_importance && !is_plain(&s->then[i]));
    return wanted && b->recipe->calibration.path ? add_step(b, &v->own, s->name, item + 1, err) : 0;
}

/* A student is not there yet, and no larger than the model. */
static uint64_t memory(const struct branch *b, const struct engine_step *s)
{
    (void)s;
    return engine_weights_bytes(b->recipe->model.path);
}

static enum engine_need needs(const struct branch *b, const struct engine_step *s,
                              const struct engine_step *on)
{
    return s->item && on == b->variant[s->item - 1].make ? NEED_IT : NEED_NOTHING;
}

const struct engine_ops engine_calibrate_ops = {.name = "calibrate",
                                                .plan = plan,
                                                .recall = recall,
                                                .run = run,
                                                .needs = needs,
                                                .memory = memory};

/* ---- for variants ----------------------------------------------------------------------------- */

bool engine_uses_importance(const struct variant *v)
{
    return v->from->imatrix_path && !v->convert && !v->quant->no_importance &&
           !(v->quant->student && is_plain(v->quant)) &&
           (!v->quant->is_student || begins_whole(v->quant->student));
}

void engine_hash_importance(struct hash *h, const struct branch *b, const struct variant *v)
{
    const bool uses = engine_uses_importance(v);
    const struct engine_step *made = v->from->calibrate;

    hash_str(h, uses && made ? made->key : "");
    hash_str(h, uses && !made ? b->calibration_sha : "");
    hash_str(h, uses && !made ? b->recipe->imatrix.as_told : "");
}

int engine_importance(struct branch *b, struct weights *w, struct err *err)
{
    int rc = 0;

    (void)pthread_mutex_lock(&b->lock);
    if (!w->importance) {
        rc = w->imatrix ? 0 : imatrix_read(&w->imatrix, w->imatrix_path, err);
        if (!rc)
            rc = importance_new(&w->importance, w->imatrix, w->imatrix_path, w->source, &b->e->log,
                                err);
    }
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}
