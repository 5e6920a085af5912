#ifndef FORMATS_BASE_UTF8_H
#define FORMATS_BASE_UTF8_H

/* Stepping through text that may not be valid UTF-8. Source: Unicode 15.0, table 3-7
 * and section 3.9, "maximal subpart". */

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the sequence at p[0, n), n >= 1. *good: it is a valid code point; otherwise
 * the bytes stand for one U+FFFD together. */
size_t utf8_step(bool *good, const char *p, size_t n);

/* Where p[0, n) stops being UTF-8: its first such byte, or n. */
size_t utf8_bad(const char *p, size_t n);

#endif /* FORMATS_BASE_UTF8_H */
