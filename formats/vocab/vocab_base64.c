#include "formats/vocab/vocab_parts.h"

#include <string.h>

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

bool vocab_decode64(uint8_t *dst, size_t *n, const char *s)
{
    uint32_t bits = 0;
    unsigned have = 0;

    *n = 0;
    for (; *s && *s != '='; s++) {
        const int d = digit_of(*s);
        if (d < 0)
            return false;
        bits = (bits << 6 | (uint32_t)d) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            dst[(*n)++] = (uint8_t)(bits >> have);
        }
    }
    return s[strspn(s, "=")] == '\0';
}
