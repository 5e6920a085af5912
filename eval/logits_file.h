#ifndef EVAL_LOGITS_FILE_H
#define EVAL_LOGITS_FILE_H

/* llama.cpp's file of an original's log-probabilities (llama-perplexity
 * --kl-divergence-base): docs/formats.md, "Logits files". Read through a map, written
 * row by row. */

#include "formats/base/err.h"
#include "quant/kern.h"

#include <stddef.h>
#include <stdint.h>

struct logits_file;

/* Errors: ERR_IO; ERR_FORMAT: not such a file, sizes that don't fit it, a token beyond the
 * vocabulary. */
int logits_file_open(struct logits_file **out, const char *path, struct err *err) WARN_UNUSED;
/* The same of bytes, which must outlive *out. */
int logits_file_parse(struct logits_file **out, const void *data, size_t size,
                      struct err *err) WARN_UNUSED;
void logits_file_free(struct logits_file *f); /* accepts NULL */

/* As it was opened; "": bytes. */
const char *logits_file_path(const struct logits_file *f);
/* Of a window; in the vocabulary. */
size_t logits_file_n_ctx(const struct logits_file *f);
size_t logits_file_n_vocab(const struct logits_file *f);
size_t logits_file_n_windows(const struct logits_file *f);
/* ids[n_ctx] of window i, without what replaced the first. */
void logits_file_ids(int32_t *ids, const struct logits_file *f, size_t i);

/* Log-probabilities of tokens first .. first + n - 1 at scored position `at`, windows one
 * after another; -INFINITY for those of -16 and less, which the format does not tell
 * apart and llama-perplexity leaves out. */
void logits_file_part(float *out, const struct logits_file *f, size_t at, size_t first, size_t n);
/* Of one token, as stored. */
double logits_file_one(const struct logits_file *f, size_t at, size_t token);

/* ---- writing ---------------------------------------------------------------- */

struct logits_shape {
    size_t n_ctx, n_vocab, n_windows;
};

struct logits_out;
/* ids: n_ctx * n_windows of them. The file appears under its name when it is complete.
 * Errors: ERR_IO, ERR_ARG (sizes that the format has no room for). */
int logits_out_new(struct logits_out **out, const char *path, const struct logits_shape *shape,
                   const int32_t *ids, struct err *err) WARN_UNUSED;
/* The next scored position's logits[n_vocab]. */
int logits_out_row(struct logits_out *o, const float *logits, const struct kern *kern,
                   struct err *err) WARN_UNUSED;
/* All positions are written: give it its name. */
int logits_out_done(struct logits_out *o, struct err *err) WARN_UNUSED;
void logits_out_free(struct logits_out *o); /* accepts NULL; removes what is not done */

#endif /* EVAL_LOGITS_FILE_H */
