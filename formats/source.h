#ifndef FORMATS_SOURCE_H
#define FORMATS_SOURCE_H

/* A model to read from, whichever form it has: a GGUF, or a checkpoint seen as the
 * GGUF it would convert to. Metadata and the tensor list are the GGUF's; each
 * tensor knows where its bytes lie and what has to happen to them, but nothing is
 * computed here (quant/rows.h reads rows as numbers). */

#include "formats/arch/arch.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "formats/coded.h"
#include "formats/dtype.h"
#include "formats/gguf.h"
#include "formats/meta.h"
#include "formats/source_map.h"
#include "formats/vocab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One stretch of stored rows; experts are one part each. */
struct source_part {
    const uint8_t *data; /* in place; for TENSOR_MADE: computed F32 values */
    size_t bytes;
    const struct map *map; /* for map_forget; NULL: nothing to forget */
};

/* A part whose rows are coded: its row 0 is row0 of the weight. */
struct source_coded {
    const struct coded *how;
    uint64_t row0;
};

/* Rows before `end` that no earlier range has. Of a vector, values. */
struct source_scale {
    uint64_t end;
    float by;
};

struct source_tensor {
    const char *name;              /* GGUF name */
    const char *stored;            /* name in the file it comes from, for messages */
    const struct arch_tensor *row; /* role and flags; NULL when the family is unknown */
    int layer;                     /* -1: not in a block */
    enum dtype type;               /* as stored */
    int n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; /* as in the GGUF: fastest first, after `change` */
    enum arch_change change;
    const struct source_map *rows; /* order of a part's rows; NULL: as they are */
    const struct source_map *cols; /* order of a row's values */
    bool transposed;               /* each part is stored [row length, stored rows] */
    uint64_t stored_len; /* values in a stored row; 0: as in the GGUF. Transposed: stored rows */
    bool scaled; /* values are multiplied: all by `scale`, `scale_2`, then rows by their own */
    float scale, scale_2;
    size_t n_scales;
    const struct source_scale *scales;
    const float *global; /* numbers that all values are multiplied by last, one for each of
                            n_global equal stretches of rows (experts), which of
                            coded values was done; NULL: none */
    size_t n_global;
    size_t n_parts; /* rows divide evenly among them */
    const struct source_part *part;
    const struct source_coded *coded; /* one a part; NULL: plain values of `type`. The bytes of
                                         a coded part are no rows of `type` */
};

struct source;

struct source_opts {
    const char *pre;  /* pre-tokenizer name to use instead of recognising it; NULL */
    const char *name; /* general.name; NULL: guessed from the folder's name */
    const struct log *log;
};

/* Open either form. A GGUF of an unknown family opens too (arch NULL): its
 * tensors can be listed and copied. Errors name file, tensor, expected and found:
 * ERR_UNSUPPORTED (unknown architecture, a tensor it does not know), ERR_FORMAT
 * (a missing tensor, a shape that disagrees with config.json), and those of
 * gguf_open and ckpt_open. */
int source_open(struct source **out, const char *path, const struct source_opts *opts,
                struct err *err) WARN_UNUSED;
void source_free(struct source *s); /* accepts NULL */

/* As it was given to source_open; which form it has; the family and its numbers. */
const char *source_path(const struct source *s);
bool source_is_checkpoint(const struct source *s);
const struct arch *source_arch(const struct source *s);          /* NULL: unknown */
const struct arch_params *source_params(const struct source *s); /* NULL with it */
/* Without general.file_type when it is a checkpoint: that is the writer's to say. */
const struct meta *source_meta(const struct source *s);
const struct vocab *source_vocab(const struct source *s); /* NULL: it has none */

/* What the folder of an export says of the GGUF it came from (formats/sidecar.h): the type to
 * convert to for the same file, DTYPE_NONE: it does not say; with it, the types of tensors that
 * conversion would choose others for, and keys its writer sets last; and what stands for the
 * digest `hex` of its tensors: that of the GGUF's own source, or hex. */
bool source_is_export(const struct source *s); /* such a folder, as it was written */
enum dtype source_told_type(const struct source *s);
enum dtype source_told_tensor_type(const struct source *s, size_t i);
const struct meta *source_told_last(const struct source *s);
const char *source_told_origin(const struct source *s, const char *hex);
/* Bytes of the file(s) behind it. */
uint64_t source_bytes(const struct source *s);

/* A digest of the stored tensors, whatever files they lie in: SHA-256 over, for each in
 * order, stored name, type name, shape and the SHA-256 of every 16 MiB of every part.
 * Reads all bytes, on every core, and forgets them. ERR_INTERRUPTED as `log` asks. */
int source_sha256(char hex[HASH_HEX_BYTES], const struct source *s, const struct par *par,
                  const struct log *log, struct err *err) WARN_UNUSED;

/* In file order: for a checkpoint, the order the reference converter writes. */
size_t source_n_tensors(const struct source *s);
const struct source_tensor *source_tensor(const struct source *s, size_t i);
const struct source_tensor *source_find(const struct source *s, const char *name); /* or NULL */
/* By role; layer -1 for those outside blocks. NULL when absent. */
const struct source_tensor *source_role(const struct source *s, enum arch_role role, int layer);

/* dims[0], and the product of the others; values in a stored row. */
uint64_t source_stored_len(const struct source_tensor *t);
uint64_t source_row_len(const struct source_tensor *t);
uint64_t source_n_rows(const struct source_tensor *t);

/* How many such numbers llama.cpp reads for a tensor of this name and shape: 0, 1, or one for
 * each matrix of a stack. */
size_t source_may_have_global(const struct source *s, const struct source_tensor *t);

/* Are its rows stored as such, each in one piece, in whatever order? Then source_row says
 * where row r lies; `row_bytes` is of the stored type. */
bool source_has_rows(const struct source_tensor *t);
/* The stored row that row r is, counted in its part. Not when it is transposed. */
uint64_t source_locate(const struct source_tensor *t, uint64_t r, size_t *part);
const uint8_t *source_row(const struct source_tensor *t, uint64_t r, size_t row_bytes);

#endif /* FORMATS_SOURCE_H */
