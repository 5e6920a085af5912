/* Most words of a text were there before: their ids are kept, in a table that forgets
 * a word when another one falls on its place. */

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FEW = 64, SLOTS_MOST = 1 << 15, BYTES_A_SLOT = 32 };

int tok_cache_room(struct tok_cache *c, size_t n, struct err *err)
{
    size_t cap = SLOTS_FEW;

    c->seen = n < SIZE_MAX - c->seen ? c->seen + n : SIZE_MAX;
    while (cap < SLOTS_MOST && cap < c->seen / BYTES_A_SLOT)
        cap *= 2;
    if (c->slot && cap <= c->mask + 1)
        return 0;
    free(c->slot);
    c->slot = calloc(cap, sizeof(*c->slot));
    if (!c->slot)
        return err_nomem(err);
    c->mask = cap - 1;
    return 0;
}

void tok_cache_release(struct tok_cache *c)
{
    free(c->slot);
    *c = (struct tok_cache){0};
}

/* Eight bytes at a time; the multiplier is the golden ratio's. */
static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = n;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15U;
        h ^= h >> 29;
    }
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)(unsigned char)p[i] << (8 * i);
    h = (h ^ w) * 0x9e3779b97f4a7c15U;
    return h ^ h >> 32;
}

/* The word's slot, *known: it holds the word's ids. NULL when the word is too long. */
static struct tok_cache_slot *slot_of(bool *known, const struct tok_cache *c, const char *word,
                                      size_t n)
{
    if (n > TOK_CACHE_KEY || !n)
        return NULL;
    const uint64_t h = hash_of(word, n);
    struct tok_cache_slot *s = &c->slot[h & c->mask];
    *known = s->hash == h && s->n == n && !memcmp(s->key, word, n);
    s->hash = h;
    if (!*known)
        s->n = 0;
    return s;
}

/* Put the word's ids there, unless they are too many. */
static void keep(struct tok_cache_slot *s, const char *word, size_t n, const int32_t *id,
                 size_t n_ids)
{
    if (n_ids > TOK_CACHE_IDS)
        return;
    s->n = (uint8_t)n;
    s->n_ids = (uint8_t)n_ids;
    memcpy(s->key, word, n);
    if (n_ids)
        memcpy(s->id, id, n_ids * sizeof(*id));
}

int tok_cached(struct tok_cache *c, struct tok_ids *out, tok_ids_fn *fn, const void *model,
               const char *word, size_t n, struct err *err)
{
    bool known = false;
    struct tok_cache_slot *s = slot_of(&known, c, word, n);
    const size_t begun = out->n;
    int rc = 0;

    if (known) {
        for (int i = 0; i < s->n_ids && !rc; i++)
            rc = tok_push(out, s->id[i], err);
        return rc;
    }
    rc = fn(out, model, word, n, err);
    if (!rc && s)
        keep(s, word, n, out->id ? out->id + begun : NULL, out->n - begun);
    return rc;
}
