/* Steps that train a student. */

#include "distill/distill.h"
#include "formats/base/cpu.h"
#include "formats/base/version.h"
#include "formats/lines.h"
#include "recipes/distill_page.h"
#include "recipes/engine_impl.h"

#include <string.h>

static const struct recipe_path *text_of(const struct branch *b, const struct recipe_student *s)
{
    return s->text.path ? &s->text : &b->recipe->calibration;
}

struct progress {
    const struct log *log;
    uint64_t steps;
};

static void on_begun(void *arg, const struct distill_result *r)
{
    ((struct progress *)arg)->steps = r->steps;
}

static void on_row(void *arg, const struct train_row *row)
{
    const struct progress *p = arg;

    if (!row->evaluated)
        log_progress(p->log, "distil", row->step, p->steps);
}

static int train(struct branch *b, struct variant *v, const struct par *par, struct err *err)
{
    const struct recipe_student *s = v->quant->student;
    const struct data_file file = {text_of(b, s)->path, 1};
    struct progress progress = {&b->e->log, 0};
    struct distill_opts o = s->o;
    struct distill_result r;

    o.teacher = b->recipe->model.path;
    o.out = v->path;
    if (engine_uses_importance(v))
        o.imatrix = v->from->imatrix_path;
    o.anew = true;
    o.data.file = &file;
    o.data.n_files = 1;
    o.train.cpu = b->e->opts->cpu;
    o.train.par = *par;
    o.train.log = &b->e->log;
    o.begun = on_begun;
    o.row = on_row;
    o.page = distill_page;
    o.arg = &progress;
    const int rc = distill_run(&r, &o, err);
    if (!rc)
        distill_result_release(&r);
    if (rc != ERR_ARG)
        return rc;
    err->code = ERR_FORMAT; /* the recipe asks for it, not the command line */
    return err_wrap(err, "%s", s->where);
}

/* What is said of its file. */
static int measure(struct report_model *m, const char *path, const struct log *log, struct err *err)
{
    const struct source_opts so = {.log = log};
    struct source *s;
    int rc = source_open(&s, path, &so, err);

    if (rc)
        return rc;
    m->bytes = source_bytes(s);
    m->params = m->tensor_bytes = 0;
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        size_t row = 0;
        m->params += source_n_rows(t) * source_row_len(t);
        if (dtype_row_bytes(&row, t->type, source_row_len(t)))
            m->tensor_bytes += row * source_n_rows(t);
    }
    source_free(s);
    return 0;
}

static int run(struct branch *b, struct engine_step *s, const struct par *par, struct err *err)
{
    struct variant *v = &b->variant[s->item];
    int rc = train(b, v, par, err);

    if (!rc)
        rc = measure(&b->model[s->item + 1], v->path, &b->e->log, err);
    return rc ? rc : engine_keep_variant(b, s, err);
}

/* ---- planning --------------------------------------------------------------------------------- */

/* What it is quantized by while it is trained. */
static int hash_quantized(struct hash *h, struct branch *b, const struct variant *v,
                          struct err *err)
{
    const char *path = v->quant->student->imatrix.path;
    char hex[HASH_HEX_BYTES] = "";
    const int rc = path ? cache_hash_file(hex, b->e->cache, path, err) : 0;

    hash_str(h, hex);
    engine_hash_importance(h, b, v);
    return rc;
}

static int key_of(char key[HASH_HEX_BYTES], struct branch *b, const struct variant *v,
                  struct err *err)
{
    const struct recipe_student *s = v->quant->student;
    char text[HASH_HEX_BYTES] = "", from[HASH_HEX_BYTES] = "";
    struct hash *h;
    int rc = cache_hash_file(text, b->e->cache, text_of(b, s)->path, err);

    if (!rc && s->from.path)
        rc = cache_hash_model(from, b->e->cache, s->from.path, err);
    if (!rc)
        rc = hash_new(&h, err);
    if (rc)
        return rc;
    hash_str(h, "distill");
    hash_str(h, PARE_VERSION);
    hash_u64(h, DISTILL_VERSION);
    hash_str(h, cpu_level(b->e->opts->cpu));
    hash_str(h, b->model_sha);
    hash_str(h, text);
    hash_u64(h, lines_named(text_of(b, s)->path)); /* which the name tells, not the bytes */
    hash_str(h, from);
    hash_str(h, s->settings);
    if (s->o.quantize)
        rc = hash_quantized(h, b, v, err);
    if (!rc)
        rc = hash_hex(h, key, err);
    hash_free(h);
    return rc;
}

/* A student that cannot be is found before anything is done. */
static int check(struct branch *b, struct variant *v, struct err *err)
{
    const struct recipe_student *s = v->quant->student;
    struct student_about about;
    int rc = engine_source(b, &b->original, err);

    if (rc)
        return rc;
    rc = student_plan(&about, &s->o.student, b->original.source, err);
    v->n_params = rc ? 0 : about.n_params;
    student_about_release(&about);
    if (!rc || rc == ERR_NOMEM)
        return rc;
    err->code = ERR_FORMAT; /* the recipe asks for it, not the command line */
    return err_wrap(err, "%s", s->where);
}

/* The log of its training lies beside the file: it has times. */
static int add_step(struct branch *b, struct variant *v, size_t item, struct err *err)
{
    struct arena *a = &b->e->arena;
    struct engine_step *s = engine_add(b, ENGINE_DISTILL, v->quant->name, 1);

    if (!s)
        return err_nomem(err);
    v->path = arena_fmt(a, "%s/%s-%s.gguf", b->out_dir, b->recipe->name, v->quant->name);
    if (!v->path)
        return err_nomem(err);
    s->path = s->file[0].path = v->path;
    s->item = item;
    v->file = strrchr(v->path, '/') + 1;
    v->make = s;
    v->own = (struct weights){.path = v->path, .name = b->recipe->name, .key = s->key, .maker = s};
    return key_of(s->key, b, v, err);
}

static int plan(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    struct variant *student = NULL;
    int rc = 0;

    for (size_t i = 0; !rc && i < r->n_quant; i++) {
        struct variant *v = &b->variant[i];
        v->quant = &r->quant[i];
        if (!v->quant->student)
            continue;
        if (v->quant->is_student) {
            student = v;
            v->from = &b->original;
            rc = check(b, v, err);
            if (!rc)
                rc = add_step(b, v, i, err);
            if (!rc)
                rc = engine_plan_calibrate(b, i, err);
        } else {
            v->from = &student->own;
        }
    }
    return rc;
}

/* Weights, gradients and two moments in F32, and where they are asked for, their average and what they are as a mix's
 * types, beside the teacher as it is stored. */
static uint64_t memory(const struct branch *b, const struct engine_step *s)
{
    const struct variant *v = &b->variant[s->item];
    const struct distill_opts *o = &v->quant->student->o;
    const uint64_t floats = 4U + (o->train.optim.ema > 0 ? 1 : 0) + (o->quantize ? 1 : 0);

    return floats * sizeof(float) * v->n_params + engine_weights_bytes(b->recipe->model.path);
}

/* Quantized while it is trained. */
static enum engine_need needs(const struct branch *b, const struct engine_step *s,
                              const struct engine_step *on)
{
    const struct variant *v = &b->variant[s->item];

    return on == v->from->calibrate && engine_uses_importance(v) ? NEED_IT : NEED_NOTHING;
}

const struct engine_ops engine_distill_ops = {.name = "distill",
                                              .plan = plan,
                                              .recall = engine_recall_variant,
                                              .run = run,
                                              .needs = needs,
                                              .memory = memory};
