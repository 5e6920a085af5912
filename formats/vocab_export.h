#ifndef FORMATS_VOCAB_EXPORT_H
#define FORMATS_VOCAB_EXPORT_H

/* A vocabulary as the files of a checkpoint's folder: what vocab_from_checkpoint reads,
 * and transformers. What they cannot say is for the caller to keep beside them. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/meta.h"
#include "formats/vocab.h"

/* All owned; empty: there is no such file. */
struct vocab_texts {
    struct buf tokenizer;  /* tokenizer.json */
    struct buf config;     /* tokenizer_config.json */
    struct buf spm;        /* tokenizer.model */
    struct buf generation; /* generation_config.json */
};

/* `v` may be NULL: generation_config.json only. A kind that has no such form leaves
 * tokenizer.json out. n_ctx: for model_max_length. Errors: ERR_NOMEM. */
int vocab_export(struct vocab_texts *out, const struct vocab *v, const struct meta *meta,
                 uint64_t n_ctx, struct err *err) WARN_UNUSED;
void vocab_texts_release(struct vocab_texts *t); /* accepts an all-zero struct */

#endif /* FORMATS_VOCAB_EXPORT_H */
