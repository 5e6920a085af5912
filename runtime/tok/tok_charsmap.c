/* SentencePiece's precompiled normalizer.
 * Source: sentencepiece's normalizer.cc and darts-clone: u32 bytes of the double array,
 * the array, the replacements. */

#include "formats/base/rd.h"
#include "runtime/tok/tok_parts.h"

#include <string.h>

int tok_charsmap_init(struct tok_charsmap *c, const void *data, size_t n, struct err *err)
{
    struct rd r = rd_init(data, n);

    *c = (struct tok_charsmap){0};
    if (!n)
        return 0;
    const uint32_t bytes = rd_u32(&r);
    c->unit = rd_bytes(&r, bytes);
    if (r.bad || bytes % 4)
        return err_set(err, ERR_FORMAT, "precompiled_charsmap: %u of %zu bytes are its table",
                       (unsigned)bytes, n);
    c->n_units = bytes / 4;
    c->text = (const char *)r.p;
    c->n_text = rd_left(&r);
    if (c->n_text && c->text[c->n_text - 1])
        return err_set(err, ERR_FORMAT, "precompiled_charsmap: its last text has no end");
    return 0;
}

/* A unit beyond the table leads nowhere. */
static uint32_t unit_at(const struct tok_charsmap *c, size_t i)
{
    const uint8_t *u = c->unit + 4 * i;

    return i < c->n_units
               ? (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24
               : 1U << 31;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1U << 9)) >> 6);
}

size_t tok_charsmap_find(const char **to, size_t *n_to, const struct tok_charsmap *c,
                         const char *text, size_t n, bool longest)
{
    size_t node = c->n_units ? offset_of(unit_at(c, 0)) : 0, found = 0;

    for (size_t i = 0; i < n && c->n_units && text[i]; i++) {
        node ^= (unsigned char)text[i];
        const uint32_t unit = unit_at(c, node);
        if ((unit & (1U << 31 | 0xff)) != (unsigned char)text[i])
            break;
        node ^= offset_of(unit);
        const size_t at = unit_at(c, node) & (UINT32_MAX >> 1);
        if (!(unit >> 8 & 1) || at >= c->n_text)
            continue;
        found = i + 1;
        *to = c->text + at;
        *n_to = strlen(*to);
        if (!longest)
            break;
    }
    return found;
}
