#ifndef QUANT_PIPE_PIPE_H
#define QUANT_PIPE_PIPE_H

/* The pieces of quant/pipeline.c: row groups, and what is known of each tensor
 * when it has been written. */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/gguf_write.h"
#include "formats/source.h"
#include "formats/source_digest.h"
#include "quant/pipeline.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values in a row group: its F32 form stays in a core's own cache. Cuts never depend
 * on the number of threads. */
enum { PIPE_GROUP_VALUES = 128 * 1024 };

/* Squared errors and squared values; the same weighted by column. */
struct pipe_sums {
    double err2, sum2, weighted_err2, weighted_sum2;
};

/* Consecutive rows of one tensor. */
struct pipe_group {
    const struct source_tensor *t;
    size_t item;         /* position in writing order */
    size_t index;        /* source_tensor's */
    enum dtype type;     /* to encode as */
    uint64_t r0, n;      /* rows */
    uint8_t *out;        /* in place; out_bytes */
    size_t out_bytes;    /* of the encoded rows */
    size_t in_bytes;     /* of the source, about */
    bool last;           /* of its tensor */
    const float *global; /* n_global numbers its values are divided by; NULL: none */
    size_t n_global;
    struct pipe_sums sums;
    double seconds; /* spent on it */
    int rc;         /* with `err` */
    struct err err;
};

/* Add what a row x[n], read back as y, lost; w[n] are the weights of its columns, NULL: alike.
 * Order and precision of the sums do not depend on the processor. */
void pipe_sums_row(struct pipe_sums *sums, const float *x, const float *y, const float *w,
                   size_t n);
void pipe_sums_add(struct pipe_sums *to, const struct pipe_sums *from);

/* Rows a group of this tensor holds. */
uint64_t pipe_group_rows(const struct source_tensor *t);

/* F32 values of scratch that pipe_group_encode needs for groups of t. */
size_t pipe_group_scratch(const struct source_tensor *t);

/* Read, change, check and encode; fills out, rc and err, and for a tensor report the
 * sums. */
void pipe_group_encode(struct pipe_group *g, const struct pipe_job *job, float *scratch);

/* Let the pages go that n groups, one after another, were read from. */
void pipe_forget(const struct pipe_group *g, size_t n);

/* One written tensor. */
struct pipe_stat {
    const struct source_tensor *t;
    size_t index; /* source_tensor's */
    enum dtype type;
    float *global; /* numbers written beside it, one for each of n_global stretches of rows */
    size_t n_global;
    uint64_t bytes; /* of the source */
    struct pipe_sums sums;
    double seconds;
    struct hash *hash; /* owned while the tensor is being written */
    char sha256[HASH_HEX_BYTES];
};

/* Does a tensor need a number beside it as it is to be written? Then s->global gets room for
 * it, and `beside` is the tensor that will hold it, for the writer's list. */
int pipe_global_plan(bool *needed, struct source_tensor *beside, struct pipe_stat *s,
                     const struct source *from, struct arena *arena, struct err *err) WARN_UNUSED;
/* Find the numbers of n tensors: reads those it has to, once. scratch: of every thread,
 * scratch_values each. */
int pipe_global_find(struct pipe_stat *stats, size_t n, const struct pipe_job *job, float *scratch,
                     size_t scratch_values, struct err *err) WARN_UNUSED;

/* Groups that are worked on together, while those before are being written. */
struct pipe_batch {
    struct pipe_group *group;
    size_t n;
    uint8_t *out; /* owned; in the groups' order */
    size_t out_bytes;
    uint64_t in_bytes; /* that were read for it */
};

/* One job under way. */
struct pipe {
    const struct pipe_job *job;
    struct arena arena;
    struct meta meta; /* owned; instead of the job's, where the digest had to come first */
    size_t n_items;
    struct gguf_item *items; /* in writing order, as everything here */
    struct pipe_stat *stats;
    struct gguf_writer *writer;
    struct source_digest *digest; /* NULL: none to take */
    size_t n_readers;             /* of it */
    struct pipe_batch batch[2];
    struct pipe_batch *now, *before; /* being encoded; being written */
    float *scratch;                  /* scratch_values per thread */
    size_t scratch_values, group_bytes;
    size_t item;            /* next group: of this item */
    uint64_t row;           /* from this row */
    uint64_t done, total;   /* source bytes: of earlier batches, and all */
    atomic_ullong now_done; /* of this batch */
    int write_rc, hash_rc;
    struct err write_err, hash_err;
};

/* Room for groups of up to group_bytes; pipe_release frees `out`. */
int pipe_batch_reserve(struct pipe_batch *b, struct arena *arena, size_t group_bytes,
                       struct err *err) WARN_UNUSED;

/* Cut the next groups into `b`, until it is full or nothing is left. */
void pipe_batch_fill(struct pipe *p, struct pipe_batch *b);

/* On every core: encode p->now, write and hash p->before, read what the digest wants. */
void pipe_batch_run(struct pipe *p);

/* The text of OUT.gguf.json. */
int pipe_report(struct buf *b, const char *path, const struct pipe_stat *stats, size_t n,
                const struct pipe_result *result, struct err *err) WARN_UNUSED;

/* Make the file(s) and the report appear. Interrupted at any moment, a report never stands
 * beside another file than its own. */
int pipe_commit(struct pipe *p, const char *path, const struct pipe_result *result,
                struct err *err) WARN_UNUSED;

#endif /* QUANT_PIPE_PIPE_H */
