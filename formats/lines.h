#ifndef FORMATS_LINES_H
#define FORMATS_LINES_H

/* JSON Lines of texts: {"text": ...}, or {"messages": [...], "tools": [...]}. */

#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* By its name: is a file read as JSON Lines? */
bool lines_named(const char *path);

/* Append the texts of text[0, n) and what its messages say, each on a line; what is no line of JSON is passed over. */
int lines_said(struct buf *out, const char *text, size_t n, struct err *err) WARN_UNUSED;

#endif /* FORMATS_LINES_H */
