/* Characters and what Unicode says of them, over utf8proc. */

#include "formats/base/utf8.h"
#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

int32_t tok_char(size_t *bytes, const char *p, size_t n)
{
    const unsigned char a = (unsigned char)p[0];
    bool good = true;

    *bytes = 1;
    if (a < 0x80)
        return a;
    const size_t k = utf8_step(&good, p, n);
    if (!good)
        return -1;
    int32_t c = a & (0xff >> (k + 1));
    for (size_t i = 1; i < k; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    *bytes = k;
    return c;
}

int32_t tok_char_before(size_t *bytes, const char *text, size_t at)
{
    size_t k = 1;

    while (k < 4 && k < at && ((unsigned char)text[at - k] & 0xc0) == 0x80)
        k++;
    const int32_t c = tok_char(bytes, text + at - k, k);
    if (*bytes == k)
        return c;
    *bytes = 1; /* broken */
    return -1;
}

void tok_put_char(struct buf *b, int32_t c)
{
    utf8proc_uint8_t p[4];

    buf_put(b, p, (size_t)utf8proc_encode_char(c, p));
}

static utf8proc_category_t category(int32_t c)
{
    return c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);
}

bool tok_is_space(int32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool tok_is_digit(int32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}

bool tok_is_number(int32_t c)
{
    if (c < 0x80)
        return c >= '0' && c <= '9';
    const utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool tok_is_punctuation(int32_t c)
{
    if (c < 0x80)
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
               (c >= '{' && c <= '~');
    const utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool tok_is_mark(int32_t c)
{
    const utf8proc_category_t k = category(c);

    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

bool tok_is_word(int32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_';
    const utf8proc_category_t k = category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) || tok_is_mark(c) ||
           k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_PC ||
           c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) ||
           (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
           (c >= 0x1f170 && c <= 0x1f189); /* circled letters are alphabetic */
}

/* ---- normal forms ------------------------------------------------------------------ */

/* A stretch of characters on their way to a normal form. */
struct form {
    int32_t *c; /* owned */
    size_t n, cap;
    int32_t *sorted; /* owned; room as in c */
    bool compose;
    utf8proc_option_t options;
};

static int ccc(int32_t c)
{
    return c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class;
}

static int room(struct form *f, size_t more, struct err *err)
{
    size_t cap = f->cap ? f->cap : 64;

    while (cap < f->n + more)
        cap *= 2;
    if (cap == f->cap)
        return 0;
    int32_t *c = realloc(f->c, cap * sizeof(*c));
    if (c)
        f->c = c;
    int32_t *sorted = c ? realloc(f->sorted, cap * sizeof(*sorted)) : NULL;
    if (!sorted)
        return err_nomem(err);
    f->sorted = sorted;
    f->cap = cap;
    return 0;
}

/* One character, taken apart. */
static int add(struct form *f, int32_t c, struct err *err)
{
    utf8proc_int32_t parts[32];
    int bound = UTF8PROC_BOUNDCLASS_START;

    const utf8proc_ssize_t n = utf8proc_decompose_char(c, parts, 32, f->options, &bound);
    const size_t k = n > 0 && n <= 32 ? (size_t)n : 1;
    if (n <= 0 || n > 32)
        parts[0] = c;
    const int rc = room(f, k, err);
    if (rc)
        return rc;
    memcpy(f->c + f->n, parts, k * sizeof(*parts));
    f->n += k;
    return 0;
}

/* Marks after a starter in the order of their classes, equal ones as they were: by
 * counting, for a text may be nothing but marks. */
static void sort_marks(struct form *f, size_t from, size_t to)
{
    size_t at[256] = {0}, sum = 0;

    for (size_t i = from; i < to; i++)
        at[ccc(f->c[i])]++;
    for (int k = 0; k < 256; k++) {
        const size_t count = at[k];
        at[k] = sum;
        sum += count;
    }
    for (size_t i = from; i < to; i++)
        f->sorted[at[ccc(f->c[i])]++] = f->c[i];
    memcpy(f->c + from, f->sorted, (to - from) * sizeof(*f->c));
}

static void order(struct form *f)
{
    for (size_t i = 0; i < f->n;) {
        size_t end = i;
        bool sorted = true;
        while (end < f->n && ccc(f->c[end])) {
            sorted = sorted && (end == i || ccc(f->c[end - 1]) <= ccc(f->c[end]));
            end++;
        }
        if (!sorted)
            sort_marks(f, i, end);
        i = end + 1;
    }
}

static void flush(struct buf *out, struct form *f)
{
    if (!f->n)
        return;
    order(f);
    if (f->compose) {
        const utf8proc_ssize_t n = utf8proc_normalize_utf32(f->c, (utf8proc_ssize_t)f->n,
                                                            UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        f->n = n > 0 ? (size_t)n : 0;
    }
    for (size_t i = 0; i < f->n; i++)
        tok_put_char(out, f->c[i]);
    f->n = 0;
}

/* What is below U+0080, or U+0300 for NFC, stands for itself next to its like. */
int tok_normal_form(struct buf *out, const char *text, size_t n, bool compose, bool compat,
                    struct err *err)
{
    const int32_t plain = compose && !compat ? 0x300 : 0x80;
    struct form f = {.compose = compose,
                     .options = (utf8proc_option_t)(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE |
                                                    (compat ? UTF8PROC_COMPAT : 0))};
    int rc = 0;

    for (size_t i = 0, k; i < n && !rc; i += k) {
        size_t next;
        const int32_t c = tok_char(&k, text + i, n - i);
        const bool alone = i + k == n || tok_char(&next, text + i + k, n - i - k) < plain;
        if (c < plain && alone && !f.n) {
            buf_put(out, text + i, k); /* a broken byte, too */
            continue;
        }
        if (c >= 0)
            rc = add(&f, c, err);
        if (!rc && alone && (c < plain || i + k == n))
            flush(out, &f);
        if (c < 0) {
            flush(out, &f);
            buf_put(out, text + i, k);
        }
    }
    flush(out, &f);
    free(f.c);
    free(f.sorted);
    return rc ? rc : buf_check(out, err);
}
