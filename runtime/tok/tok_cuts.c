/* Pieces of a text that are merged one by one: short ones are found in the cache. */

#include "runtime/tok/tok_parts.h"

#include <string.h>

static bool is_ascii(char c)
{
    return (unsigned char)c < VOCAB_ASCII;
}

static bool is_joined(const struct tok_cuts *c, char a, char b)
{
    return !is_ascii(a) || !is_ascii(b) || c->joined[(int)a][(int)b / 64] >> ((int)b % 64) & 1;
}

static bool is_mark(const char *text, size_t n, size_t at)
{
    return n - at >= 3 && !memcmp(text + at, TOK_SPACE, 3);
}

size_t tok_piece_end(const struct tok_cuts *c, const char *text, size_t n, size_t at)
{
    if (!c->spaces && !c->pairs)
        return n;
    while (is_mark(text, n, at))
        at += 3;
    for (at++; at < n; at++) {
        if (c->pairs && !is_joined(c, text[at - 1], text[at]))
            return at;
        if (c->spaces && text[at] == TOK_SPACE[0] && is_mark(text, n, at))
            return at;
    }
    return n;
}

void tok_cuts_add(struct tok_cuts *c, const char *text, size_t n)
{
    const struct tok_cuts spaces = {.spaces = true};

    for (size_t i = 1; i < n; i++)
        if (is_ascii(text[i - 1]) && is_ascii(text[i]))
            c->joined[(int)text[i - 1]][(int)text[i] / 64] |= UINT64_C(1) << ((int)text[i] % 64);
    c->spaces = c->spaces && tok_piece_end(&spaces, text, n, 0) >= n;
}
