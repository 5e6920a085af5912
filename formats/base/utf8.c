#include "formats/base/utf8.h"

/* Bytes after a first byte, and the range its second byte must be in. */
static int follow(unsigned c, unsigned *low, unsigned *high)
{
    *low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c < 0x80)
        return 0;
    if (c >= 0xc2 && c <= 0xdf)
        return 1;
    if (c >= 0xe0 && c <= 0xef)
        return 2;
    return c >= 0xf0 && c <= 0xf4 ? 3 : -1;
}

size_t utf8_step(bool *good, const char *p, size_t n)
{
    unsigned low, high;
    const int more = follow((unsigned char)p[0], &low, &high);
    size_t k = 1;

    for (int i = 0; i < more && k < n; i++, k++) {
        const unsigned c = (unsigned char)p[k];
        if (c < low || c > high)
            break;
        low = 0x80;
        high = 0xbf;
    }
    *good = more >= 0 && k == (size_t)more + 1;
    return k;
}

size_t utf8_bad(const char *p, size_t n)
{
    bool good = true;
    size_t at = 0, k = 0;

    for (; good && at < n; at += k) {
        k = 1;
        if ((unsigned char)p[at] >= 0x80U)
            k = utf8_step(&good, p + at, n - at);
    }
    return good ? n : at - k;
}
