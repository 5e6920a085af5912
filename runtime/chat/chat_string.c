/* Work on strings, by characters as Python counts them. */

#include "formats/base/utf8.h"
#include "runtime/chat/chat_parts.h"

#include <string.h>

#include <utf8proc.h>

int32_t chat_char(struct chat_str s, size_t *n)
{
    bool good;
    utf8proc_int32_t c = 0;

    *n = utf8_step(&good, s.p, s.n);
    if (!good)
        return 0xfffd;
    (void)utf8proc_iterate((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)*n, &c);
    return c;
}

size_t chat_chars(struct chat_str s)
{
    size_t count = 0, n;

    for (; s.n; s.p += n, s.n -= n, count++)
        (void)chat_char(s, &n);
    return count;
}

size_t chat_char_at(struct chat_str s, size_t i)
{
    const char *begin = s.p;
    size_t n;

    for (; i && s.n; s.p += n, s.n -= n, i--)
        (void)chat_char(s, &n);
    return (size_t)(s.p - begin);
}

bool chat_space(int32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static bool is_among(struct chat_str one, struct chat_str chars)
{
    size_t n;

    if (!chars.p)
        return chat_space(chat_char(one, &n));
    for (; chars.n; chars.p += n, chars.n -= n) {
        (void)chat_char(chars, &n);
        if (chat_same(one, (struct chat_str){chars.p, n}))
            return true;
    }
    return false;
}

struct chat_str chat_strip(struct chat_str s, bool left, bool right, struct chat_str chars)
{
    size_t n;

    while (left && s.n) {
        (void)chat_char(s, &n);
        if (!is_among((struct chat_str){s.p, n}, chars))
            break;
        s.p += n;
        s.n -= n;
    }
    while (right && s.n) {
        for (n = 1; n < s.n && n < 4 && ((unsigned char)s.p[s.n - n] & 0xc0U) == 0x80U;)
            n++;
        if (!is_among((struct chat_str){s.p + s.n - n, n}, chars))
            break;
        s.n -= n;
    }
    return s;
}

static bool is_cased(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);

    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

int chat_recase(struct chat_value *out, struct chat_run *r, struct chat_str s, enum chat_case how)
{
    struct buf b = {0};
    bool inside = false; /* of a word */
    int rc = 0;

    while (!rc && s.n) {
        utf8proc_uint8_t p[4];
        bool good;
        const size_t n = utf8_step(&good, s.p, s.n);
        size_t ignored;
        const int32_t c = chat_char(s, &ignored);
        const bool up = how == CHAT_UPPER || (how != CHAT_LOWER && !inside);
        const int32_t to = up && how != CHAT_UPPER ? utf8proc_totitle(c)
                           : up                    ? utf8proc_toupper(c)
                                                   : utf8proc_tolower(c);
        if (good && to != c)
            rc = chat_put(r, &b, (char *)p, (size_t)utf8proc_encode_char(to, p));
        else
            rc = chat_put(r, &b, s.p, n);
        inside = how == CHAT_CAPITALIZE ? true : is_cased(c);
        s.p += n;
        s.n -= n;
    }
    return chat_str_take(out, r, &b, rc);
}

size_t chat_find_str(struct chat_str s, struct chat_str what, size_t at)
{
    if (!what.n)
        return at <= s.n ? at : SIZE_MAX;
    while (at < s.n && s.n - at >= what.n) {
        const char *p = memchr(s.p + at, what.p[0], s.n - at - what.n + 1);
        if (!p)
            return SIZE_MAX;
        at = (size_t)(p - s.p);
        if (!memcmp(p, what.p, what.n))
            return at;
        at++;
    }
    return SIZE_MAX;
}

int chat_replace(struct chat_value *out, struct chat_run *r, struct chat_str s, struct chat_str old,
                 struct chat_str new_, int64_t most)
{
    struct buf b = {0};
    size_t at = 0, n;
    int rc = chat_look(r, s.n, old.n);

    for (int64_t k = 0; !rc && (most < 0 || k < most); k++) {
        const size_t to = chat_find_str(s, old, at);
        if (to == SIZE_MAX)
            break;
        rc = chat_put(r, &b, s.p + at, to - at);
        if (!rc)
            rc = chat_put(r, &b, new_.p, new_.n);
        at = to + old.n;
        if (old.n || rc)
            continue;
        if (at == s.n) /* between all characters, and at both ends */
            break;
        (void)chat_char((struct chat_str){s.p + at, s.n - at}, &n);
        rc = chat_put(r, &b, s.p + at, n);
        at += n;
    }
    if (!rc && at < s.n)
        rc = chat_put(r, &b, s.p + at, s.n - at);
    return chat_str_take(out, r, &b, rc);
}
