#ifndef DISTILL_STUDENT_FILE_H
#define DISTILL_STUDENT_FILE_H

/* Writing a student: a GGUF of plain floats whose rows come from the caller. Seen by distill only. */

#include "formats/base/err.h"
#include "formats/gguf_write.h"
#include "formats/meta.h"
#include "formats/source.h"

#include <stddef.h>
#include <stdint.h>

/* dst[n, row length] = rows r0 .. r0 + n - 1 of tensor i. */
typedef int student_rows_fn(void *arg, float *dst, size_t i, uint64_t r0, uint64_t n,
                            struct err *err);

struct student_file {
    const char *path;
    const struct meta *meta;
    const struct gguf_item *items; /* F32, F16 or BF16 */
    size_t n_items;
    student_rows_fn *rows;
    void *arg;
};

/* Atomic. Errors: those of the writer and of `rows`, ERR_FORMAT (a value that is not finite: tensor, row). */
int student_file_write(const struct student_file *f, struct err *err) WARN_UNUSED;

/* Open it as any reader would; a file that cannot be opened is removed. */
int student_file_check(const char *path, struct err *err) WARN_UNUSED;

/* *out = what a student's file says of itself: `from` without what was said of the file that it came
 * from (digests, importance, sizes), and the type of its matrices. `out` is empty before. */
int student_file_meta(struct meta *out, const struct meta *from, const struct arch *arch,
                      enum dtype type, struct err *err) WARN_UNUSED;

#endif /* DISTILL_STUDENT_FILE_H */
