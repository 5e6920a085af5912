/* Steps that write a model: conversions and quantizations. */

#include "formats/base/version.h"
#include "formats/checkpoint.h"
#include "formats/gguf_split.h"
#include "recipes/engine_impl.h"
#include "runtime/tok_check.h"

#include <string.h>

static int open_source(struct branch *b, struct weights *w, struct err *err)
{
    const struct source_opts so = {.log = &b->e->log};

    if (w->source)
        return 0;
    const int rc = source_open(&w->source, w->path, &so, err);
    return rc ? rc : tok_check(w->source, false, &b->e->log, err);
}

int engine_source(struct branch *b, struct weights *w, struct err *err)
{
    (void)pthread_mutex_lock(&b->lock);
    const int rc = open_source(b, w, err);
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}

/* The source with its digest, taken once. */
static int hashed_source(struct branch *b, struct weights *w, const struct par *par,
                         struct err *err)
{
    (void)pthread_mutex_lock(&b->lock);
    int rc = open_source(b, w, err);
    if (!rc && !*w->source_sha)
        rc = source_sha256(w->source_sha, w->source, par, &b->e->log, err);
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}

/* ---- making ----------------------------------------------------------------------------------- */

static int new_job(struct job **out, struct branch *b, const struct variant *v, bool size_only,
                   const struct par *par, struct err *err)
{
    const bool weighed = engine_uses_importance(v);
    const struct job_opts jo = {
        .convert = v->convert,
        .mix = v->quant->mix,
        .mix_opts = {.pure = v->quant->pure,
                     .output_type = v->quant->output_type,
                     .embedding_type = v->quant->embedding_type,
                     .overrides = v->quant->overrides,
                     .n_overrides = v->quant->n_overrides,
                     .recode = v->quant->requantize,
                     .have_importance = weighed},
        .importance = weighed ? v->from->importance : NULL,
        .foreseen_imatrix = weighed ? v->from->imatrix_path : NULL,
        .foreseen_dataset = b->recipe->calibration.as_told,
        .source_sha256 = *v->from->source_sha ? v->from->source_sha : NULL,
        .size_only = size_only,
        .keep_split = v->quant->keep_split,
        .tensor_report = true,
        .effort = v->quant->effort,
        .cpu = b->e->opts->cpu,
        .par = *par,
        .log = &b->e->log
    };

    int rc = job_new(out, v->from->source, &jo, err);
    if (!rc && !v->quant->requantize) {
        rc = job_check_rounded(*out, "write allow_requantize: true", err);
        if (rc)
            job_free(*out);
    }
    if (rc != ERR_ARG)
        return rc;
    err->code = ERR_FORMAT; /* the recipe asks for it, not the command line */
    return err_wrap(err, "%s", v->quant->name);
}

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

static int write_variant(struct report_model *m, struct branch *b, struct variant *v,
                         const struct par *par, struct err *err)
{
    struct pipe_result result = {0};
    struct job *job;
    int rc = engine_uses_importance(v) ? engine_importance(b, v->from, err) : 0;

    if (!rc)
        rc = new_job(&job, b, v, false, par, err);
    if (rc)
        return rc;
    rc = pipe_write(&result, v->path, job_pipe(job), err);
    if (rc == ERR_FORMAT) /* the source's values, not the output */
        rc = err_wrap(err, "%s", v->from->path);
    m->bytes = result.bytes;
    m->params = result.params;
    m->tensor_bytes = tensor_bytes(job_pipe(job));
    job_free(job);
    return rc;
}

/* The last file is what is said of tensors. */
static int take_digest(struct variant *v, struct err *err)
{
    const struct engine_step *s = v->make;
    struct hash *h;
    int rc = 0;

    if (s->n_files <= 2) {
        memcpy(v->hex, s->file[0].sha256, sizeof(v->hex));
        return 0;
    }
    rc = hash_new(&h, err);
    if (rc)
        return rc;
    for (size_t i = 0; i + 1 < s->n_files; i++)
        hash_str(h, s->file[i].sha256);
    rc = hash_hex(h, v->hex, err);
    hash_free(h);
    return rc;
}

int engine_keep_variant(struct branch *b, struct engine_step *s, struct err *err)
{
    struct variant *v = &b->variant[s->item];
    struct report_model *m = &b->model[s->item + 1];
    int rc = engine_hash_files(b, s, err);

    if (!rc)
        rc = take_digest(v, err);
    if (rc)
        return rc;
    m->name = v->quant->name;
    m->file = v->file;
    m->type = mix_name(v->quant->mix);
    m->sha256 = v->hex;
    s->bytes = m->bytes;
    /* a result it may have is known from a run whose file was deleted */
    return engine_remember(b, s, m, NULL, err);
}

static int make(struct branch *b, struct engine_step *s, const struct par *par, struct err *err)
{
    struct variant *v = &b->variant[s->item];
    int rc = hashed_source(b, v->from, par, err);

    if (!rc)
        rc = write_variant(&b->model[s->item + 1], b, v, par, err);
    return rc ? rc : engine_keep_variant(b, s, err);
}

int engine_recall_variant(struct branch *b, struct engine_step *s, struct err *err)
{
    struct variant *v = &b->variant[s->item];
    struct report_model found_model = {0}, *m = &b->model[s->item + 1];
    json_val *doc = NULL;
    bool found;
    int rc = engine_recall_step(&found, &found_model, &doc, b, s, err);

    if (!rc && found)
        rc = take_digest(v, err);
    if (!rc && found) {
        s->state = ENGINE_CACHED;
        report_model_release(m);
        *m = found_model;
        m->sha256 = v->hex;
    } else {
        report_model_release(&found_model);
    }
    json_free(doc);
    return rc;
}

/* ---- planning --------------------------------------------------------------------------------- */

static int key_of(struct branch *b, struct variant *v, struct err *err)
{
    const struct recipe_quant *q = v->quant;
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_str(h, "quantize");
    hash_str(h, PARE_VERSION);
    hash_u64(h, PARE_ENCODER_VERSION);
    hash_str(h, v->from->key);
    hash_str(h, v->from->name);
    hash_str(h, mix_name(q->mix));
    engine_hash_importance(h, b, v);
    hash_u64(h, q->pure);
    hash_u64(h, v->convert);
    hash_u64(h, q->output_type);
    hash_u64(h, q->embedding_type);
    hash_u64(h, q->effort);
    hash_u64(h, q->keep_split);
    hash_u64(h, q->requantize);
    hash_u64(h, q->n_overrides);
    for (size_t i = 0; i < q->n_overrides; i++) {
        hash_str(h, q->overrides[i].pattern);
        hash_u64(h, q->overrides[i].type);
    }
    rc = hash_hex(h, v->make->key, err);
    hash_free(h);
    return rc;
}

/* F32, F16 and BF16 of a checkpoint are what `pare convert` writes. */
static enum dtype convert_of(const struct weights *from, const struct recipe_quant *q)
{
    const enum dtype t = dtype_by_name(mix_name(q->mix));

    return dtype_is_plain(t) && ckpt_is(from->path) && !q->pure && !q->output_type &&
                   !q->embedding_type && !q->n_overrides && !q->keep_split
               ? t
               : DTYPE_NONE;
}

/* How many files it will be. */
static int count_files(size_t *n, struct branch *b, struct variant *v, struct err *err)
{
    const struct pipe_job *p;
    struct job *job;
    int rc;

    *n = 1;
    if (!v->quant->keep_split)
        return 0;
    rc = engine_source(b, v->from, err);
    if (!rc)
        rc = new_job(&job, b, v, true, &b->e->opts->par, err);
    if (rc)
        return rc;
    p = job_pipe(job);
    for (size_t i = 0; p->starts && i < source_n_tensors(p->source); i++)
        *n += p->starts[i];
    job_free(job);
    return 0;
}

/* The model's files, and what is said of its tensors. */
static int add_step(struct branch *b, struct variant *v, size_t n, struct err *err)
{
    struct arena *a = &b->e->arena;
    struct engine_step *s =
        engine_add(b, v->convert ? ENGINE_CONVERT : ENGINE_QUANTIZE, v->quant->name, n + 1);

    if (!s)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct buf path = {0};
        gguf_split_file(&path, v->path, i, n);
        s->file[i].path = path.bad ? NULL : arena_str(a, path.p);
        buf_release(&path);
        if (!s->file[i].path)
            return err_nomem(err);
    }
    s->file[n].path = arena_fmt(a, "%s.json", v->path);
    s->path = s->file[0].path;
    v->file = strrchr(s->path, '/') + 1;
    v->make = s;
    return s->file[n].path ? 0 : err_nomem(err);
}

static int plan(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    int rc = 0;

    for (size_t i = 0; !rc && i < r->n_quant; i++) {
        struct variant *v = &b->variant[i];
        size_t n = 1;
        v->quant = &r->quant[i];
        if (v->quant->is_student)
            continue;
        if (!v->quant->student)
            v->from = &b->original;
        v->convert = convert_of(v->from, v->quant);
        v->path = arena_fmt(&b->e->arena, "%s/%s-%s.gguf", b->out_dir, r->name, v->quant->name);
        rc = v->path ? count_files(&n, b, v, err) : err_nomem(err);
        if (!rc)
            rc = add_step(b, v, n, err);
        if (rc)
            return rc;
        v->make->item = i;
        rc = key_of(b, v, err);
    }
    return rc;
}

int engine_foresee_size(struct branch *b, struct variant *v, struct err *err)
{
    struct job *job;
    int rc;

    if (v->quant->is_student || (v->from->maker && v->from->maker->state != ENGINE_CACHED))
        return 0; /* nobody knows yet */
    rc = engine_source(b, v->from, err);
    if (!rc)
        rc = new_job(&job, b, v, true, &b->e->opts->par, err);
    if (rc)
        return rc;
    rc = pipe_size(&v->make->bytes, job_pipe(job), err);
    job_free(job);
    return rc;
}

static enum engine_need needs(const struct branch *b, const struct engine_step *s,
                              const struct engine_step *on)
{
    const struct variant *v = &b->variant[s->item];

    return on == v->from->maker || (on == v->from->calibrate && engine_uses_importance(v))
               ? NEED_IT
               : NEED_NOTHING;
}

const struct engine_ops engine_convert_ops = {
    .name = "convert", .recall = engine_recall_variant, .run = make, .needs = needs};
const struct engine_ops engine_quantize_ops = {
    .name = "quantize", .plan = plan, .recall = engine_recall_variant, .run = make, .needs = needs};
