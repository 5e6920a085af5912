#ifndef QUANT_PIPELINE_H
#define QUANT_PIPELINE_H

/* From a source to a GGUF in one streamed pass: row groups are read, encoded on
 * every core and appended in order. Memory is bounded by a few row groups. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/dtype.h"
#include "formats/meta.h"
#include "formats/source.h"
#include "quant/codec.h"
#include "quant/importance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe_job {
    const struct source *source;
    const struct meta *meta; /* of the new file */
    const size_t *order;     /* source tensor indices in writing order; NULL: as they are */
    const enum dtype *types; /* by source tensor index */
    uint64_t split_bytes;    /* 0: one file */
    const bool *starts;      /* in writing order: does a new file start there? NULL: nowhere */
    /* "pare.source.sha256" of meta holds as many zeros as a digest has digits: put the source's
     * there, which is taken as the source is read. */
    bool source_digest;
    bool tensor_report; /* also write "<path>.json": type, NMSE, sha256, seconds each */
    const struct importance *importance; /* NULL: every column counts alike */
    enum codec_effort effort;
    unsigned cpu; /* flags of formats/base/cpu.h the encoders may use */
    struct par par;
    const struct log *log;
};

struct pipe_result {
    uint64_t bytes;  /* of the file(s) */
    size_t n_files;  /* gguf_split_file has their names */
    uint64_t params; /* values in all tensors */
    double seconds;
};

/* Errors name the tensor and row; the final name appears only on success. */
int pipe_write(struct pipe_result *out, const char *path, const struct pipe_job *job,
               struct err *err) WARN_UNUSED;

/* Exact bytes of the file or files that pipe_write would write, headers included. */
int pipe_size(uint64_t *out, const struct pipe_job *job, struct err *err) WARN_UNUSED;

/* llama-quantize's writing order: tensors outside blocks first, then by block number,
 * each by name. order: source_n_tensors entries. */
int pipe_order_by_block(size_t *order, const struct source *s, struct err *err) WARN_UNUSED;

#endif /* QUANT_PIPELINE_H */
