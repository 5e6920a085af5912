#ifndef FORMATS_BASE_JSON_LINE_H
#define FORMATS_BASE_JSON_LINE_H

/* JSON Lines that people write: as json_parse_line, with the place of everything that is wrong. */

#include "formats/base/json.h"

/* Errors: ERR_FORMAT with line and column, also of bytes that are no UTF-8 and of duplicate keys; ERR_NOMEM. */
int json_read_line(json_val **out, const char *text, size_t n, size_t line,
                   struct err *err) WARN_UNUSED;

#endif /* FORMATS_BASE_JSON_LINE_H */
