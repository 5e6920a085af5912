#include "formats/base/json_line.h"

#include "formats/base/utf8.h"

#include <string.h>

int json_read_line(json_val **out, const char *text, size_t n, size_t line, struct err *err)
{
    const size_t bad = utf8_bad(text, n);

    *out = NULL;
    if (bad < n)
        return err_set(err, ERR_FORMAT, "line %zu, column %zu: expected UTF-8, found byte 0x%02x",
                       line, bad + 1, (unsigned)(unsigned char)text[bad]);
    if (!json_parse_line(out, text, n, line, err))
        return 0;
    if (err->code == ERR_FORMAT && strncmp(err->msg, "line ", 5) != 0)
        return err_wrap(err, "line %zu, column 1", line); /* duplicate keys have no place */
    return err->code;
}
