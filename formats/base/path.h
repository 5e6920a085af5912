#ifndef FORMATS_BASE_PATH_H
#define FORMATS_BASE_PATH_H

/* Ends of names. */

#include <stdbool.h>
#include <stddef.h>

/* Does it end so, with something before the end? ".gguf" alone has no such ending. */
bool path_ends(const char *path, const char *end);
/* The same, ASCII letters being taken whichever their case is. */
bool path_ends_nocase(const char *path, const char *end);

/* Its length without the slashes at its end; "/" keeps its one. */
size_t path_len(const char *path);

#endif /* FORMATS_BASE_PATH_H */
