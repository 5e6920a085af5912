/* What BERT's tokenizers do to a text before WordPiece.
 * Source: BERT's tokenization.py (BasicTokenizer), the tokenizers library. */

#include "runtime/tok/tok_parts.h"

#include <utf8proc.h>

static bool is_chinese(int32_t c)
{
    static const int32_t range[][2] = {
        {0x4e00,  0x9fff },
        {0x3400,  0x4dbf },
        {0x20000, 0x2a6df},
        {0x2a700, 0x2b73f},
        {0x2b740, 0x2b81f},
        {0x2b920, 0x2ceaf}, /* not 2b820: as the tokenizers library has it */
        {0xf900,  0xfaff },
        {0x2f800, 0x2fa1f},
    };

    for (size_t i = 0; i < sizeof(range) / sizeof(*range); i++)
        if (c >= range[i][0] && c <= range[i][1])
            return true;
    return false;
}

/* What a clean text has not. White space is control in the tokenizers library where it is
 * both, \t \n \r apart; in llama.cpp never. */
static bool is_control(int32_t c, unsigned what)
{
    const utf8proc_category_t k = utf8proc_category(c);

    if (c == '\t' || c == '\n' || c == '\r' || (what & TOK_BERT_GGUF && tok_is_space(c)))
        return false;
    return c == 0 || c == 0xfffd || k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_CO;
}

/* The same for ASCII. */
static bool is_ascii_control(char c, unsigned what)
{
    const bool space =
        c == '\t' || c == '\n' || c == '\r' || (what & TOK_BERT_GGUF && (c == '\v' || c == '\f'));

    return !space && (c < ' ' || c == 0x7f);
}

static void put_lower(struct buf *out, int32_t c)
{
    if (c == 0x130) /* the one letter whose lower case is two characters */
        buf_str(out, "i\xcc\x87");
    else
        tok_put_char(out, utf8proc_tolower(c));
}

static void put_one(struct buf *out, int32_t c, unsigned what)
{
    const bool mark =
        what & TOK_BERT_GGUF ? tok_is_mark(c) : utf8proc_category(c) == UTF8PROC_CATEGORY_MN;

    if (what & TOK_BERT_STRIP && mark)
        return;
    if (what & TOK_BERT_LOWER)
        put_lower(out, c);
    else
        tok_put_char(out, c);
}

/* Accents come apart from their letters one character after another: what clean text
 * holds in between does not matter for the ones that go. In llama.cpp only the first
 * part stays, also of Hangul. */
static int put_parts(struct buf *out, int32_t c, unsigned what, struct err *err)
{
    struct buf one = {0}, parts = {0};
    int rc = 0;

    tok_put_char(&one, c);
    rc = buf_check(&one, err);
    if (!rc)
        rc = tok_normal_form(&parts, one.p, one.n, false, false, err);
    for (size_t i = 0, k; i < parts.n && !rc; i += what & TOK_BERT_GGUF ? parts.n : k)
        put_one(out, tok_char(&k, parts.p + i, parts.n - i), what);
    buf_release(&one);
    buf_release(&parts);
    return rc;
}

/* The ASCII text that text[0, n) begins with, normalized: most of most texts. Returns how
 * much that was. */
static size_t put_ascii(struct buf *out, const char *text, size_t n, unsigned what)
{
    const bool clean = what & TOK_BERT_CLEAN, lower = what & TOK_BERT_LOWER;
    char *to = buf_room(out, n);
    size_t i = 0;

    for (; to && i < n && (unsigned char)text[i] < 0x80; i++) {
        const char c = text[i];
        if (clean && is_ascii_control(c, what))
            continue;
        if (clean && c <= ' ')
            *to++ = ' ';
        else
            *to++ = (char)(lower && c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    if (to) {
        *to = '\0';
        out->n = (size_t)(to - out->p);
    }
    return to ? i : n;
}

int tok_bert_normal(struct buf *out, const char *text, size_t n, unsigned what, struct err *err)
{
    int rc = 0;

    for (size_t i = 0, k; i < n && !rc; i += k) {
        if ((unsigned char)text[i] < 0x80) {
            k = put_ascii(out, text + i, n - i, what);
            continue;
        }
        const int32_t c = tok_char(&k, text + i, n - i);
        const bool apart = what & TOK_BERT_CHINESE && is_chinese(c);
        if (c < 0) {
            buf_put(out, text + i, what & TOK_BERT_CLEAN ? 0 : k);
        } else if (what & TOK_BERT_CLEAN && is_control(c, what)) {
            continue;
        } else if (what & TOK_BERT_CLEAN && tok_is_space(c)) {
            buf_str(out, " ");
        } else {
            buf_str(out, apart ? " " : "");
            if (what & TOK_BERT_STRIP)
                rc = put_parts(out, c, what, err);
            else
                put_one(out, c, what);
            buf_str(out, apart ? " " : "");
        }
    }
    return rc ? rc : buf_check(out, err);
}

int tok_bert_split(const char *text, size_t n, tok_word_fn *fn, void *arg, struct err *err)
{
    size_t begin = 0;
    int rc = 0;

    for (size_t i = 0, k; i < n && !rc; i += k) {
        const int32_t c = tok_char(&k, text + i, n - i);
        const bool space = tok_is_space(c), mark = !space && tok_is_punctuation(c);
        if (!space && !mark)
            continue;
        if (begin < i)
            rc = fn(arg, text + begin, i - begin, err);
        if (!rc && mark)
            rc = fn(arg, text + i, k, err);
        begin = i + k;
    }
    return !rc && begin < n ? fn(arg, text + begin, n - begin, err) : rc;
}

bool tok_bert_drops(int32_t c)
{
    return c < 0 || is_control(c, TOK_BERT_CLEAN);
}
