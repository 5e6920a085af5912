#include "quant/pipeline.h"

#include "formats/base/arena.h"
#include "formats/base/clock.h"
#include "formats/base/cpu.h"
#include "formats/base/out.h"
#include "formats/base/rd.h"
#include "formats/gguf_write.h"
#include "quant/pipe/pipe.h"
#include "quant/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct source_tensor *tensor_at(const struct pipe_job *job, size_t item, size_t *index)
{
    *index = job->order ? job->order[item] : item;
    return source_tensor(job->source, *index);
}

/* ---- planning --------------------------------------------------------------- */

static int plan_item(struct pipe *p, const struct source_tensor *t, size_t index, enum dtype type,
                     struct err *err)
{
    const uint64_t rows = pipe_group_rows(t);
    const size_t i = p->n_items++;
    size_t row_bytes;

    if (!dtype_get(type) || dtype_get(type)->ggml < 0)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: type %s has no place in a GGUF", t->name,
                       dtype_get(type) ? dtype_get(type)->name : "unknown");
    if (!dtype_row_bytes(&row_bytes, type, source_row_len(t)))
        return err_set(err, ERR_UNSUPPORTED,
                       "tensor %s: rows of %llu values are no whole number of %s blocks (%u)",
                       t->name, (unsigned long long)source_row_len(t), dtype_get(type)->name,
                       dtype_get(type)->block);
    const struct codec *c = codec_get(type, CPU_ALL);
    if (!rows_verbatim(t, type) && !(c && c->enc))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: pare cannot write %s", t->name,
                       dtype_get(type)->name);
    p->items[i] = (struct gguf_item){.name = t->name, .type = type, .n_dims = t->n_dims};
    memcpy(p->items[i].dims, t->dims, sizeof(t->dims));
    p->stats[i].t = t;
    p->stats[i].index = index;
    p->stats[i].type = type;
    for (size_t k = 0; k < t->n_parts; k++)
        p->stats[i].bytes += t->part[k].bytes;
    p->total += p->stats[i].bytes;
    if (row_bytes * rows > p->group_bytes)
        p->group_bytes = row_bytes * (size_t)rows;
    if (pipe_group_scratch(t) > p->scratch_values)
        p->scratch_values = pipe_group_scratch(t);
    return 0;
}

/* A source tensor, and the number that has to stand beside it. */
static int plan_tensor(struct pipe *p, size_t i, struct err *err)
{
    size_t index;
    bool needed = false;
    const struct source_tensor *t = tensor_at(p->job, i, &index);
    struct source_tensor *beside = arena_alloc(&p->arena, sizeof(*beside));
    int rc = plan_item(p, t, index, p->job->types[index], err);

    if (!rc && !beside)
        rc = err_nomem(err);
    if (!rc)
        p->items[p->n_items - 1].starts_part = p->job->starts && p->job->starts[i];
    if (!rc)
        rc = pipe_global_plan(&needed, beside, &p->stats[p->n_items - 1], p->job->source, &p->arena,
                              err);
    if (!rc && needed)
        rc = plan_item(p, beside, index, DTYPE_F32, err);
    return rc;
}

static int plan(struct pipe *p, const struct pipe_job *job, struct err *err)
{
    const size_t n = source_n_tensors(job->source);

    p->job = job;
    p->items = arena_array(&p->arena, 2 * n + 1, sizeof(*p->items));
    p->stats = arena_array(&p->arena, 2 * n + 1, sizeof(*p->stats));
    if (!p->items || !p->stats)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const int rc = plan_tensor(p, i, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int reserve(struct pipe *p, struct err *err)
{
    const size_t threads = (size_t)p->job->par.n_threads;
    size_t bytes;

    for (int i = 0; i < 2; i++) {
        const int rc = pipe_batch_reserve(&p->batch[i], &p->arena, p->group_bytes, err);
        if (rc)
            return rc;
    }
    if (!mul_ok(&bytes, p->scratch_values * sizeof(*p->scratch), threads))
        return err_nomem(err);
    p->scratch = malloc(bytes + 1);
    return p->scratch ? 0 : err_nomem(err);
}

static void pipe_release(struct pipe *p)
{
    for (size_t i = 0; p->stats && i < p->n_items; i++)
        hash_free(p->stats[i].hash);
    gguf_writer_free(p->writer);
    source_digest_free(p->digest);
    meta_release(&p->meta);
    free(p->batch[0].out);
    free(p->batch[1].out);
    free(p->scratch);
    arena_release(&p->arena);
}

/* ---- streaming -------------------------------------------------------------- */

/* The first failure in file order, whatever thread met it. */
static int batch_result(struct pipe *p, struct err *err)
{
    if (p->write_rc) {
        *err = p->write_err;
        return p->write_rc;
    }
    if (p->hash_rc) {
        *err = p->hash_err;
        return p->hash_rc;
    }
    for (size_t i = 0; i < p->now->n; i++) {
        const struct pipe_group *g = &p->now->group[i];
        struct pipe_stat *s = &p->stats[g->item];
        if (g->rc) {
            *err = g->err;
            return g->rc;
        }
        pipe_sums_add(&s->sums, &g->sums);
        s->seconds += g->seconds;
        p->done += g->in_bytes;
    }
    log_progress(p->job->log, "bytes", p->done, p->total);
    return log_stop(p->job->log, err);
}

static int stream(struct pipe *p, struct err *err)
{
    p->now = &p->batch[0];
    p->before = &p->batch[1];
    do {
        pipe_batch_fill(p, p->now);
        pipe_batch_run(p);
        pipe_forget(p->now->group, p->now->n);
        const int rc = batch_result(p, err);
        if (rc)
            return rc;
        struct pipe_batch *b = p->before;
        p->before = p->now;
        p->now = b;
    } while (p->before->n);
    return 0;
}

/* ---- the source's digest ------------------------------------------------------ */

static const char digest_key[] = "pare.source.sha256";

/* Where the header can't be changed later, all is read for the digest first. */
static int digest_first(struct pipe *p, struct err *err)
{
    const struct meta *m = p->job->meta;
    char hex[HASH_HEX_BYTES];
    int rc = source_sha256(hex, p->job->source, &p->job->par, p->job->log, err);

    for (size_t i = 0; i < m->n && !rc; i++)
        rc = meta_set_kv(&p->meta, &m->kv[i], err);
    return rc ? rc
              : meta_set_str(&p->meta, digest_key, source_told_origin(p->job->source, hex), err);
}

/* Open the file; the digest that its header shall hold is taken on the way. */
static int begin(struct pipe *p, const char *path, struct err *err)
{
    const struct pipe_job *job = p->job;
    const struct meta *meta = job->meta;
    int rc = 0;

    if (job->source_digest && out_is_device(path)) {
        rc = digest_first(p, err);
        meta = &p->meta;
    } else if (job->source_digest) {
        p->n_readers = source_digest_readers(job->par.n_threads);
        rc = source_digest_new(&p->digest, job->source, job->order, p->n_readers, err);
    }
    return rc ? rc
              : gguf_writer_new(&p->writer, path, meta, p->items, p->n_items, job->split_bytes,
                                err);
}

static int amend_digest(struct pipe *p, struct err *err)
{
    char hex[HASH_HEX_BYTES];

    if (!p->digest)
        return 0;
    const int rc = source_digest_hex(p->digest, hex, err);
    return rc ? rc
              : gguf_writer_amend(p->writer, digest_key, source_told_origin(p->job->source, hex),
                                  err);
}

/* ---- the whole ---------------------------------------------------------------- */

static uint64_t count_params(const struct pipe *p)
{
    uint64_t n = 0;

    for (size_t i = 0; i < p->n_items; i++)
        n += source_row_len(p->stats[i].t) * source_n_rows(p->stats[i].t);
    return n;
}

int pipe_write(struct pipe_result *out, const char *path, const struct pipe_job *job,
               struct err *err)
{
    struct pipe p = {0};
    struct pipe_result result = {0};
    const double begun = clock_seconds();

    int rc = plan(&p, job, err);
    if (rc)
        goto fail;
    rc = reserve(&p, err);
    if (rc)
        goto fail;
    rc = pipe_global_find(p.stats, p.n_items, job, p.scratch, p.scratch_values, err);
    if (rc)
        goto fail;
    rc = begin(&p, path, err);
    if (rc)
        goto fail;
    result.bytes = gguf_writer_bytes(p.writer);
    result.n_files = gguf_writer_files(p.writer);
    result.params = count_params(&p);
    rc = stream(&p, err);
    if (rc)
        goto fail;
    rc = amend_digest(&p, err);
    if (rc)
        goto fail;
    rc = pipe_commit(&p, path, &result, err);
    if (rc)
        goto fail;
    result.seconds = clock_seconds() - begun;
    *out = result;

fail:
    pipe_release(&p);
    return rc;
}

int pipe_size(uint64_t *out, const struct pipe_job *job, struct err *err)
{
    struct pipe p = {0};

    int rc = plan(&p, job, err);
    if (rc)
        goto fail;
    rc = gguf_writer_new(&p.writer, NULL, job->meta, p.items, p.n_items, job->split_bytes, err);
    if (rc)
        goto fail;
    *out = gguf_writer_bytes(p.writer);

fail:
    pipe_release(&p);
    return rc;
}

/* ---- order -------------------------------------------------------------------- */

struct place {
    long layer;
    const char *name;
    size_t index;
};

static int place_cmp(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return strcmp(x->name, y->name);
}

int pipe_order_by_block(size_t *order, const struct source *s, struct err *err)
{
    const size_t n = source_n_tensors(s);
    struct place *p = calloc(n + 1, sizeof(*p));

    if (!p)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const char *name = source_tensor(s, i)->name;
        p[i] = (struct place){.layer = -1, .name = name, .index = i};
        if (!strncmp(name, "blk.", 4))
            p[i].layer = strtol(name + 4, NULL, 10);
    }
    qsort(p, n, sizeof(*p), place_cmp);
    for (size_t i = 0; i < n; i++)
        order[i] = p[i].index;
    free(p);
    return 0;
}
