#ifndef QUANT_PATTERNS_H
#define QUANT_PATTERNS_H

/* Regular expressions (PCRE2), searched anywhere in a name; the first of a list wins. */

#include "formats/base/err.h"

#include <stddef.h>

struct patterns;

/* Of a list that is filled by patterns_add, n of them at most. */
int patterns_new(struct patterns **out, size_t n, struct err *err) WARN_UNUSED;
void patterns_free(struct patterns *p); /* accepts NULL */

/* `text` must outlive p. Errors: ERR_ARG (does not compile: why, and where), ERR_NOMEM. */
int patterns_add(struct patterns *p, const char *text, struct err *err) WARN_UNUSED;

/* *first: the first pattern found in name, or how many there are. Every pattern found is
 * remembered. Errors: ERR_ARG (a pattern that takes too long). */
int patterns_find(size_t *first, struct patterns *p, const char *name, struct err *err) WARN_UNUSED;

/* The text of the first pattern that patterns_find never found; NULL: there is none. */
const char *patterns_unfound(const struct patterns *p);

#endif /* QUANT_PATTERNS_H */
