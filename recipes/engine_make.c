/* Steps that write a model: conversions and quantizations. */

#include "recipes/engine_impl.h"
#include "runtime/tok_check.h"

#include <string.h>

static int open_source(struct branch *b, struct err *err)
{
    const struct source_opts so = {.log = &b->e->log};

    if (b->source)
        return 0;
    const int rc = source_open(&b->source, b->recipe->model.path, &so, err);
    return rc ? rc : tok_check(b->source, false, &b->e->log, err);
}

int engine_source(struct branch *b, struct err *err)
{
    (void)pthread_mutex_lock(&b->lock);
    const int rc = open_source(b, err);
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}

/* The source with its digest, taken once. */
static int hashed_source(struct branch *b, const struct par *par, struct err *err)
{
    (void)pthread_mutex_lock(&b->lock);
    int rc = open_source(b, err);
    if (!rc && !*b->source_sha)
        rc = source_sha256(b->source_sha, b->source, par, &b->e->log, err);
    (void)pthread_mutex_unlock(&b->lock);
    return rc;
}

int engine_job(struct job **out, struct branch *b, const struct variant *v, bool size_only,
               const struct par *par, struct err *err)
{
    const bool weighed = engine_uses_importance(b, v);
    const struct job_opts jo = {
        .convert = v->convert,
        .mix = v->quant->mix,
        .mix_opts = {.pure = v->quant->pure,
                     .output_type = v->quant->output_type,
                     .embedding_type = v->quant->embedding_type,
                     .overrides = v->quant->overrides,
                     .n_overrides = v->quant->n_overrides,
                     .have_importance = weighed},
        .importance = weighed ? b->importance : NULL,
        .foreseen_imatrix = weighed ? engine_importance_path(b) : NULL,
        .foreseen_dataset = b->recipe->calibration.as_told,
        .source_sha256 = *b->source_sha ? b->source_sha : NULL,
        .size_only = size_only,
        .tensor_report = true,
        .effort = v->quant->effort,
        .cpu = b->e->opts->cpu,
        .par = *par,
        .log = &b->e->log
    };

    return job_new(out, b->source, &jo, err);
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
    int rc = engine_uses_importance(b, v) ? engine_importance(b, err) : 0;

    if (!rc)
        rc = engine_job(&job, b, v, false, par, err);
    if (rc)
        return rc;
    rc = pipe_write(&result, v->path, job_pipe(job), err);
    if (rc == ERR_FORMAT) /* the source's values, not the output */
        rc = err_wrap(err, "%s", b->recipe->model.path);
    m->bytes = result.bytes;
    m->params = result.params;
    m->tensor_bytes = tensor_bytes(job_pipe(job));
    job_free(job);
    return rc;
}

int engine_make(struct branch *b, struct variant *v, const struct par *par, struct err *err)
{
    struct report_model *m = &b->model[v - b->variant + 1];
    struct record r = {0};
    int rc = hashed_source(b, par, err);

    if (!rc)
        rc = write_variant(m, b, v, par, err);
    if (!rc)
        rc = cache_hash_file(r.object, b->e->cache, v->path, err);
    if (!rc)
        rc = cache_hash_file(r.beside, b->e->cache, v->beside, err);
    if (rc)
        return rc;
    memcpy(v->hex, r.object, sizeof(v->hex));
    m->name = v->quant->name;
    m->file = v->file;
    m->type = mix_name(v->quant->mix);
    m->sha256 = v->hex;
    v->make->bytes = m->bytes;
    r.model = *m; /* a result it may have is known from a run whose file was deleted */
    return engine_remember(b, v->make, &r, NULL, err);
}
