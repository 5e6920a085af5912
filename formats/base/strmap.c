#include "formats/base/strmap.h"

#include "formats/base/rd.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 16 };

static uint64_t fnv1a(const char *key, uint64_t n)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (uint64_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)key[i]) * 0x100000001b3U;
    return h ^ h >> 32; /* the upper bits are the better mixed ones */
}

/* The key's slot, or the free one where it would go; cap > n, so there is one. */
static struct strmap_slot *slot_of(const struct strmap *m, const char *key, uint64_t n, uint64_t h)
{
    for (size_t i = (size_t)h & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct strmap_slot *s = &m->slot[i];
        if (!s->key || (s->hash == h && s->n == n && !memcmp(s->key, key, (size_t)n)))
            return s;
    }
}

void strmap_release(struct strmap *m)
{
    free(m->slot);
    *m = (struct strmap){0};
}

int strmap_reserve(struct strmap *m, size_t n, struct err *err)
{
    struct strmap to = {.n = m->n, .cap = m->cap ? m->cap : CAP_MIN};
    size_t want;

    if (!add_ok(&want, n, n / 2 + 1))
        return err_nomem(err);
    while (to.cap < want)
        if (!mul_ok(&to.cap, to.cap, 2))
            return err_nomem(err);
    if (to.cap == m->cap)
        return 0;
    to.slot = calloc(to.cap, sizeof(*to.slot));
    if (!to.slot)
        return err_nomem(err);
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].key)
            *slot_of(&to, m->slot[i].key, m->slot[i].n, m->slot[i].hash) = m->slot[i];
    free(m->slot);
    *m = to;
    return 0;
}

int strmap_add(bool *added, struct strmap *m, const char *key, uint64_t n, size_t value,
               struct err *err)
{
    const uint64_t h = fnv1a(key, n);
    int rc = 0;

    *added = false;
    /* doubling, so that n additions move O(n) slots */
    if (m->n + m->n / 2 + 2 > m->cap)
        rc = strmap_reserve(m, m->n + 1, err);
    if (rc)
        return rc;
    struct strmap_slot *s = slot_of(m, key, n, h);
    if (s->key)
        return 0;
    *s = (struct strmap_slot){.key = key, .n = n, .value = value, .hash = h};
    m->n++;
    *added = true;
    return 0;
}

bool strmap_get(size_t *value, const struct strmap *m, const char *key, uint64_t n)
{
    if (!m->cap)
        return false;
    const struct strmap_slot *s = slot_of(m, key, n, fnv1a(key, n));
    if (!s->key)
        return false;
    *value = s->value;
    return true;
}
