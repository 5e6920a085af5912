#ifndef FORMATS_BASE_MAP_H
#define FORMATS_BASE_MAP_H

/* A whole file, mapped read-only. A file that shrinks while it is mapped can
 * still fault (SIGBUS): that is the nature of mmap. */

#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    const uint8_t *data; /* owned mapping; NULL for an empty file */
    size_t size;
};

/* Errors: ERR_IO, with the path in the message; a folder is refused. */
int map_open(struct map *out, const char *path, struct err *err) WARN_UNUSED;

/* Tell the kernel that data[offset, offset + n) will not be needed again, so
 * that streaming through a file does not fill the process' resident set. */
void map_forget(const struct map *m, size_t offset, size_t n);

/* Is text[0, n) all that the file holds? */
bool map_holds(const char *path, const char *text, size_t n);

/* Accepts an all-zero struct. */
void map_release(struct map *m);

#endif /* FORMATS_BASE_MAP_H */
