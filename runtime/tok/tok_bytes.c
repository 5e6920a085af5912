/* GPT-2's byte alphabet, and "<0xAB>".
 * Source: GPT-2's bytes_to_unicode; SentencePiece's byte pieces. */

#include "formats/base/buf.h"
#include "runtime/tok/tok_parts.h"

#include <string.h>

/* Printable bytes stand for themselves as code points; the other 68, in order, for
 * U+0100 and up. */
static int byte_of(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff))
        return (int)c;
    if (c >= 0x100 && c <= 0x120) /* 0x00-0x20 */
        return (int)c - 0x100;
    if (c >= 0x121 && c <= 0x142) /* 0x7f-0xa0 */
        return (int)c - 0x121 + 0x7f;
    return c == 0x143 ? 0xad : -1;
}

bool tok_bytes(struct buf *out, const char *text, size_t n)
{
    char *to = buf_room(out, n); /* no character is shorter than its byte */

    if (!to)
        return true; /* the buffer says so */
    for (size_t i = 0; i < n; i++) {
        const unsigned char a = (unsigned char)text[i];
        int byte = a >= 0x21 && a <= 0x7e ? a : -1;
        if (a >= 0xc0 && a < 0xe0 && i + 1 < n && ((unsigned char)text[i + 1] & 0xc0) == 0x80)
            byte = byte_of((uint32_t)(a & 0x1f) << 6 | ((unsigned char)text[++i] & 0x3f));
        if (byte < 0)
            return false;
        *to++ = (char)byte;
    }
    *to = '\0';
    out->n = (size_t)(to - out->p);
    return true;
}

void tok_put_bytes(struct buf *out, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)data[i];
        int32_t code = c;
        if (c <= 0x20)
            code = 0x100 + c;
        else if (c >= 0x7f && c <= 0xa0)
            code = 0x121 + c - 0x7f;
        else if (c == 0xad)
            code = 0x143;
        tok_put_char(out, code);
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tok_byte_of(struct meta_str t)
{
    if (t.n != 6 || memcmp(t.p, "<0x", 3) != 0 || t.p[5] != '>' || hex(t.p[3]) < 0 ||
        hex(t.p[4]) < 0)
        return -1;
    return hex(t.p[3]) << 4 | hex(t.p[4]);
}
