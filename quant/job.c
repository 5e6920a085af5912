#include "quant/job.h"

#include "formats/base/buf.h"
#include "formats/base/version.h"
#include "quant/keep_split.h"

#include <stdlib.h>
#include <string.h>

struct job {
    struct pipe_job pipe;
    struct meta meta;
    enum dtype *types; /* owned; by source tensor */
    size_t *order;     /* owned; NULL: the source's */
    bool *starts;      /* owned; NULL: one file, or cut by size */
};

/* "Q4_K_M", "Q4_K_M pure", "convert BF16": how the types came about. */
static int describe(struct buf *b, const struct job_opts *o, struct err *err)
{
    const struct dtype_info *output = dtype_get(o->mix_opts.output_type);
    const struct dtype_info *embedding = dtype_get(o->mix_opts.embedding_type);

    if (o->convert != DTYPE_NONE) {
        buf_fmt(b, "convert %s", dtype_get(o->convert)->name);
        return buf_check(b, err);
    }
    buf_str(b, mix_name(o->mix));
    if (o->mix_opts.pure)
        buf_str(b, " pure");
    if (o->importance || (o->size_only && o->foreseen_imatrix))
        buf_str(b, " imatrix");
    if (o->effort != EFFORT_NORMAL)
        buf_fmt(b, " effort=%s", o->effort == EFFORT_FAST ? "fast" : "best");
    if (output)
        buf_fmt(b, " output=%s", output->name);
    if (embedding)
        buf_fmt(b, " embedding=%s", embedding->name);
    for (size_t i = 0; i < o->mix_opts.n_overrides; i++)
        buf_fmt(b, " %s=%s", o->mix_opts.overrides[i].pattern,
                dtype_get(o->mix_opts.overrides[i].type)->name);
    return buf_check(b, err);
}

/* What llama-quantize says of an importance matrix (its file by name, wherever it lies), and
 * which bytes it had. */
static int put_imatrix(struct meta *m, const char *path, const char *dataset, uint32_t entries,
                       uint32_t chunks, const char *hex, struct err *err)
{
    const char *slash = strrchr(path, '/');
    int rc = meta_set_str(m, "quantize.imatrix.file", slash ? slash + 1 : path, err);

    if (!rc && dataset)
        rc = meta_set_str(m, "quantize.imatrix.dataset", dataset, err);
    if (!rc)
        rc = meta_set_u32(m, "quantize.imatrix.entries_count", entries, err);
    if (!rc && chunks)
        rc = meta_set_u32(m, "quantize.imatrix.chunks_count", chunks, err);
    return rc ? rc : meta_set_str(m, "pare.imatrix.sha256", hex, err);
}

static int set_imatrix(struct meta *m, const struct importance *imp, struct err *err)
{
    const struct imatrix *im = importance_matrix(imp);
    char hex[HASH_HEX_BYTES];
    const int rc = hash_file(importance_path(imp), hex, err);

    return rc ? rc
              : put_imatrix(m, importance_path(imp), im->n_datasets ? im->dataset[0] : NULL,
                            (uint32_t)im->n_entries, im->chunks, hex, err);
}

static int set_provenance(struct job *j, const struct job_opts *o, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    const char *digest = o->source_sha256;
    struct buf recipe = {0};
    int rc = meta_set_str(&j->meta, "pare.version", PARE_VERSION, err);

    memset(hex, '0', sizeof(hex)); /* until the source has been read */
    hex[HASH_HEX_BYTES - 1] = '\0';
    if (!rc)
        rc = meta_set_str(&j->meta, "pare.source.sha256", digest ? digest : hex, err);
    if (!rc)
        rc = describe(&recipe, o, err);
    if (!rc)
        rc = meta_set_str(&j->meta, "pare.recipe", recipe.p, err);
    if (!rc && o->importance)
        rc = set_imatrix(&j->meta, o->importance, err);
    else if (!rc && o->foreseen_imatrix && o->size_only)
        rc = put_imatrix(&j->meta, o->foreseen_imatrix, o->foreseen_dataset, 1, 1, hex, err);
    buf_release(&recipe);
    return rc;
}

/* A conversion that keeps 4-bit floats is named after them, not after what is left. */
static uint32_t file_type(const struct job *j, const struct source *s, const struct job_opts *o,
                          const struct mix *mix)
{
    enum { MOSTLY_MXFP4_MOE = 38, MOSTLY_NVFP4 = 39 };

    if (dtype_is_plain(o->convert))
        for (size_t i = 0; i < source_n_tensors(s); i++)
            if (j->types[i] == DTYPE_MXFP4 || j->types[i] == DTYPE_NVFP4)
                return j->types[i] == DTYPE_MXFP4 ? MOSTLY_MXFP4_MOE : MOSTLY_NVFP4;
    return mix_file_type(mix);
}

/* Of the encoding that is replaced. */
static bool of_imatrix(const char *key)
{
    return !strncmp(key, "quantize.imatrix.", 17) || !strcmp(key, "pare.imatrix.sha256");
}

static int set_meta(struct job *j, const struct source *s, const struct job_opts *o,
                    struct err *err)
{
    const struct meta *from = source_meta(s);
    const struct arch *arch = source_arch(s);
    const struct mix *mix =
        o->convert != DTYPE_NONE ? mix_by_name(dtype_get(o->convert)->name) : o->mix;
    int rc = 0;

    for (size_t i = 0; !rc && i < from->n; i++)
        if (o->convert != DTYPE_NONE || !of_imatrix(from->kv[i].key))
            rc = meta_set_kv(&j->meta, &from->kv[i], err);
    if (!rc)
        rc = meta_set_u32(&j->meta, "general.quantization_version", 2, err);
    if (!rc && !(o->convert != DTYPE_NONE && arch && arch->no_file_type))
        rc = meta_set_u32(&j->meta, "general.file_type", file_type(j, s, o, mix), err);
    if (!rc)
        rc = set_provenance(j, o, err);
    const struct meta *last = source_told_last(s); /* the same file again, as far as may be */
    for (size_t i = 0;
         !rc && o->convert != DTYPE_NONE && o->convert == source_told_type(s) && i < last->n; i++)
        rc = meta_set_kv(&j->meta, &last->kv[i], err);
    return rc;
}

/* What some types make of a tensor without weights of its columns is not worth writing. */
static int check_importance(const struct job *j, const struct source *s, const struct job_opts *o,
                            struct err *err)
{
    for (size_t k = 0; k < source_n_tensors(s); k++) {
        const size_t i = j->order[k];
        const struct source_tensor *t = source_tensor(s, i);
        const enum arch_role role = t->row ? t->row->role : ROLE_NONE;
        if (j->types[i] == t->type || !mix_needs_importance(o->mix, role, j->types[i]))
            continue;
        if (!o->importance && o->size_only && o->foreseen_imatrix)
            return 0;
        if (!o->importance)
            return err_set(err, ERR_ARG,
                           "%s needs an importance matrix (--imatrix): tensor %.64s becomes %s",
                           mix_name(o->mix), t->name, dtype_get(j->types[i])->name);
        if (!importance_row(o->importance, i, 0))
            return err_set(err, ERR_ARG,
                           "%s: nothing about tensor %.64s, which needs it to become %s",
                           importance_path(o->importance), t->name, dtype_get(j->types[i])->name);
    }
    return 0;
}

static int set_types(struct job *j, const struct source *s, const struct job_opts *o,
                     struct err *err)
{
    const size_t n = source_n_tensors(s);

    j->types = calloc(n + !n, sizeof(*j->types));
    if (!j->types)
        return err_nomem(err);
    if (o->convert != DTYPE_NONE) {
        const int rc = mix_convert_types(j->types, o->convert, s, err);
        for (size_t i = 0; !rc && o->convert == source_told_type(s) && i < n; i++)
            if (source_told_tensor_type(s, i) != DTYPE_NONE)
                j->types[i] = source_told_tensor_type(s, i);
        return rc;
    }
    j->order = calloc(n + !n, sizeof(*j->order));
    if (!j->order)
        return err_nomem(err);
    struct mix_opts mo = o->mix_opts;
    mo.have_importance |= o->importance != NULL;
    int rc = mix_types(j->types, o->mix, s, &mo, err);
    if (!rc)
        rc = pipe_order_by_block(j->order, s, err);
    if (!rc && o->keep_split) {
        j->starts = calloc(n + !n, sizeof(*j->starts));
        rc = j->starts ? keep_split(j->order, j->starts, s, err) : err_nomem(err);
    }
    if (!rc && !o->size_only)
        rc = check_importance(j, s, o, err);
    if (!rc && o->importance)
        rc = importance_check(o->importance, s, j->types, o->log, err);
    return rc;
}

int job_new(struct job **out, const struct source *s, const struct job_opts *opts, struct err *err)
{
    struct job *j = calloc(1, sizeof(*j));
    int rc;

    *out = NULL;
    if (!j)
        return err_nomem(err);
    rc = set_types(j, s, opts, err);
    if (!rc)
        rc = set_meta(j, s, opts, err);
    if (rc) {
        job_free(j);
        return rc;
    }
    j->pipe = (struct pipe_job){.source = s,
                                .meta = &j->meta,
                                .order = j->order,
                                .types = j->types,
                                .split_bytes = opts->split_bytes,
                                .starts = j->starts,
                                .source_digest = !opts->source_sha256 && !opts->size_only,
                                .tensor_report = opts->tensor_report,
                                .importance = opts->importance,
                                .effort = opts->convert != DTYPE_NONE ? EFFORT_FAST : opts->effort,
                                .cpu = opts->cpu,
                                .par = opts->par,
                                .log = opts->log};
    *out = j;
    return 0;
}

int job_check_rounded(const struct job *j, const char *how, struct err *err)
{
    const struct source *s = j->pipe.source;

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        if (dtype_get(t->type)->block > 1 && j->types[i] != t->type)
            return err_set(err, ERR_ARG,
                           "%s: tensor %s is already quantized (%s): quantize the original, or %s",
                           source_path(s), t->name, dtype_get(t->type)->name, how);
    }
    return 0;
}

const struct pipe_job *job_pipe(const struct job *j)
{
    return &j->pipe;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    meta_release(&j->meta);
    free(j->types);
    free(j->order);
    free(j->starts);
    free(j);
}
