#ifndef FORMATS_BASE_JSON_WHERE_H
#define FORMATS_BASE_JSON_WHERE_H

/* Where a value stands in the text it was parsed from, for messages about values that are
 * JSON but not what was expected. */

#include <stddef.h>

/* Offset in text[0, n), which json_parse has accepted, of the value at `path` (as json_path:
 * "choices.text.2"; NULL or "": the whole). Where the path ends early, the last value on it. */
size_t json_where(const char *text, size_t n, const char *path);

/* The offset for people: both count from 1, columns in bytes. */
void json_line_column(size_t *line, size_t *column, const char *text, size_t offset);

#endif /* FORMATS_BASE_JSON_WHERE_H */
