#ifndef FORMATS_APART_H
#define FORMATS_APART_H

/* An output must not replace what is being read. */

#include "formats/base/err.h"

#include <stdbool.h>

/* 0 when `out` may be written while `in` (a file, a GGUF with its parts, or a checkpoint's
 * folder) is an input; either may be NULL. `split`: out's name stands for those of several
 * parts. Errors: ERR_ARG, naming both. */
int apart(const char *out, const char *in, bool split, struct err *err) WARN_UNUSED;

#endif /* FORMATS_APART_H */
