#ifndef QUANT_EXPORT_H
#define QUANT_EXPORT_H

/* A GGUF as a checkpoint's folder: config.json, safetensors, tokenizer files, and in
 * pare.json what these cannot say, so that converting it gives the GGUF again. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/dtype.h"
#include "formats/source.h"

#include <stddef.h>
#include <stdint.h>

struct export_opts {
    enum dtype type;      /* F32, F16 or BF16; DTYPE_NONE: each tensor's own, BF16 of coded ones */
    uint64_t shard_bytes; /* 0: one file */
    unsigned cpu;         /* flags of formats/base/cpu.h the decoders may use */
    struct par par;
    const struct log *log;
};

struct export_result {
    const char *class; /* of the config.json */
    enum dtype type;   /* most matrices have */
    size_t n_tensors, n_files;
    uint64_t bytes; /* of tensor data */
    double seconds;
};

/* `s` is a GGUF. The folder appears when all of it is written. Errors: ERR_ARG (dir is not
 * new or empty), ERR_UNSUPPORTED (an architecture that pare does not know; a tensor without a
 * place), those of writing. */
int export_folder(struct export_result *out, const struct source *s, const char *dir,
                  const struct export_opts *opts, struct err *err) WARN_UNUSED;

#endif /* QUANT_EXPORT_H */
