#ifndef FORMATS_BASE_OUT_DIR_H
#define FORMATS_BASE_OUT_DIR_H

/* A folder that appears whole or not at all: files go into "<path>.part", which is
 * renamed on commit. */

#include "formats/base/err.h"

#include <stddef.h>

struct out_dir {
    char *path; /* owned; the final name */
    char *part; /* owned; what is being filled */
    int fd;     /* of part, locked; -1 when closed */
};

/* One that out_dir_abandon accepts before anything was opened. */
void out_dir_init(struct out_dir *d);

/* Make the part folder, empty: files an interrupted run left there are removed. `input`: a file
 * that must not lie there; NULL: none. Errors: ERR_ARG (path exists and is no empty folder, the
 * input would be removed), ERR_IO (also when another process fills the same folder). */
int out_dir_open(struct out_dir *d, const char *path, const char *input,
                 struct err *err) WARN_UNUSED;

/* A whole file in it. */
int out_dir_file(const struct out_dir *d, const char *name, const void *data, size_t n,
                 struct err *err) WARN_UNUSED;

/* fsync and rename. On failure the part folder is removed. */
int out_dir_commit(struct out_dir *d, struct err *err) WARN_UNUSED;

/* Remove the part folder and its files; nothing after a commit. */
void out_dir_abandon(struct out_dir *d);

#endif /* FORMATS_BASE_OUT_DIR_H */
