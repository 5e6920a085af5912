#include "formats/base/size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int size_parse(uint64_t *out, const char *text, struct err *err)
{
    static const char units[] = "KMGT";
    char *end;

    errno = 0;
    const double v = strtod(text, &end);
    double scale = 1;
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit) {
        const double base = end[1] == 'i' ? 1024 : 1000;
        for (size_t i = 0; i <= (size_t)(unit - units); i++)
            scale *= base;
        end += end[1] == 'i' ? 2 : 1;
    }
    end += *end == 'B';
    if (errno || *end || !(v * scale >= 1) || !(v * scale < 9e15) || *text == '-')
        return err_set(err, ERR_ARG, "expected a size like 300M, 4GiB or 1500000, not \"%s\"",
                       text);
    *out = (uint64_t)(v * scale);
    return 0;
}
