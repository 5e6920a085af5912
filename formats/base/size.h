#ifndef FORMATS_BASE_SIZE_H
#define FORMATS_BASE_SIZE_H

/* Large numbers as people write them. */

#include "formats/base/err.h"

#include <stdint.h>

/* "4GiB" (2^30), "300M" (10^6), "1500000", "1.5G". Errors: ERR_ARG. */
int size_parse(uint64_t *out, const char *text, struct err *err) WARN_UNUSED;

#endif /* FORMATS_BASE_SIZE_H */
