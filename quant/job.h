#ifndef QUANT_JOB_H
#define QUANT_JOB_H

/* One GGUF to make of a source: types, metadata and provenance, ready for the
 * pipeline. What `pare convert`, `pare quantize` and recipes share. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/dtype.h"
#include "formats/source.h"
#include "quant/mix.h"
#include "quant/pipeline.h"

#include <stdbool.h>
#include <stdint.h>

struct job_opts {
    /* F32, F16, BF16 or Q8_0: write what the reference converter would. DTYPE_NONE: what
     * llama-quantize would, by `mix`. */
    enum dtype convert;
    const struct mix *mix;
    struct mix_opts mix_opts;
    const char *source_sha256; /* of source_sha256; NULL: not known yet, taken while reading */
    bool size_only;            /* for pipe_size, not pipe_write */
    uint64_t split_bytes;      /* as in struct pipe_job */
    bool keep_split;           /* as many files as the source has; by `mix` only */
    bool tensor_report;
    const struct importance *importance; /* as in struct pipe_job */
    /* With size_only: of the importance matrix that will be there; NULL: none. */
    const char *foreseen_imatrix, *foreseen_dataset;
    enum codec_effort effort;
    unsigned cpu;
    struct par par;
    const struct log *log;
};

struct job;

/* `s` and what opts point to must outlive *out. Errors: those of mix_types and
 * mix_convert_types, ERR_ARG (a tensor would be ruined without an importance matrix; not when
 * size_only), ERR_INTERRUPTED, ERR_NOMEM. */
int job_new(struct job **out, const struct source *s, const struct job_opts *opts,
            struct err *err) WARN_UNUSED;
void job_free(struct job *j); /* accepts NULL */

/* For pipe_write and pipe_size; lives as long as the job. */
const struct pipe_job *job_pipe(const struct job *j);

/* Rounding what was rounded before loses twice. ERR_ARG: which tensor's type would change that is
 * quantized already, "quantize the original, or <how>". */
int job_check_rounded(const struct job *j, const char *how, struct err *err) WARN_UNUSED;

#endif /* QUANT_JOB_H */
