#include "eval/token_text.h"

#include "formats/base/buf.h"
#include "formats/base/utf8.h"

#include <stdlib.h>

/* The code point at s[0, n), or U+FFFD for what is none and for NUL; left out where it does not
 * fit below TOKEN_TEXT_BYTES, and all that follows. Returns how many bytes it was; *full: it did not fit. */
static size_t put_step(struct buf *to, bool *full, const char *s, size_t n)
{
    bool good;
    const size_t k = utf8_step(&good, s, n);
    const char *from = good && *s ? s : "\xef\xbf\xbd";
    const size_t bytes = from == s ? k : 3;

    *full = *full || bytes > TOKEN_TEXT_BYTES - to->n;
    if (!*full)
        buf_put(to, from, bytes);
    return k;
}

/* The buffer's text to the arena. */
static int keep(const char **out, struct arena *arena, const struct buf *text, struct err *err)
{
    const int rc = buf_check(text, err);

    if (rc)
        return rc;
    *out = arena_strn(arena, text->n ? text->p : "", text->n);
    return *out ? 0 : err_nomem(err);
}

int token_text(const char **out, struct arena *arena, const struct tok *tok, const int32_t *ids,
               size_t n, struct err *err)
{
    struct buf raw = {0}, text = {0};
    bool full = false;
    int rc = 0;

    for (size_t i = 0; !rc && i < n && raw.n < TOKEN_TEXT_BYTES; i++)
        rc = tok_decode(&raw, tok, ids[i], true, err);
    if (!rc)
        rc = buf_check(&raw, err);
    for (size_t at = 0; !rc && at < raw.n && !full;)
        at += put_step(&text, &full, raw.p + at, raw.n - at);
    if (!rc)
        rc = keep(out, arena, &text, err);
    buf_release(&raw);
    buf_release(&text);
    return rc;
}

/* end[n]: where each token's bytes end in `raw`. */
static int decode(struct buf *raw, size_t *end, const struct tok *tok, const int32_t *ids, size_t n,
                  struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        rc = tok_decode(raw, tok, ids[i], true, err);
        end[i] = raw->n;
    }
    return rc ? rc : buf_check(raw, err);
}

/* The characters that end in raw[.., end), from *at on. */
static void put_ending(struct buf *text, size_t *at, const struct buf *raw, size_t end)
{
    bool full = false, good;

    text->n = 0;
    while (*at < end && *at + utf8_step(&good, raw->p + *at, raw->n - *at) <= end)
        *at += put_step(text, &full, raw->p + *at, raw->n - *at);
}

int token_texts(const char **out, struct arena *arena, const struct tok *tok, const int32_t *ids,
                size_t before, size_t n, struct err *err)
{
    struct buf raw = {0}, text = {0};
    size_t *end = calloc(before + n + 1, sizeof(*end)), at = 0;
    int rc = end ? decode(&raw, end, tok, ids, before + n, err) : err_nomem(err);

    for (size_t i = 0; !rc && i < before + n; i++) {
        put_ending(&text, &at, &raw, end[i]);
        if (i >= before)
            rc = keep(&out[i - before], arena, &text, err);
    }
    buf_release(&raw);
    buf_release(&text);
    free(end);
    return rc;
}
