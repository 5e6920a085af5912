#include "formats/base/hash_many.h"

#include <stdlib.h>
#include <string.h>

struct hash_many {
    struct hash_stretch *stretch; /* owned */
    size_t n, next;
};

int hash_many_new(struct hash_many **out, const struct hash_stretch *stretch, size_t n,
                  struct err *err)
{
    struct hash_many *m = calloc(1, sizeof(*m));

    *out = NULL;
    if (!m)
        return err_nomem(err);
    m->stretch = calloc(n + !n, sizeof(*m->stretch));
    if (!m->stretch) {
        free(m);
        return err_nomem(err);
    }
    if (n)
        memcpy(m->stretch, stretch, n * sizeof(*stretch));
    m->n = n;
    *out = m;
    return 0;
}

void hash_many_free(struct hash_many *m)
{
    if (!m)
        return;
    free(m->stretch);
    free(m);
}

bool hash_many_step(struct hash_many *m, uint64_t bytes)
{
    struct err err;

    for (uint64_t done = 0; done < bytes && m->next < m->n;) {
        const struct hash_stretch *s = &m->stretch[m->next++];
        if (hash_of(s->data, s->n, s->hex, &err))
            s->hex[0] = '\0';
        if (s->map)
            map_forget(s->map, (size_t)(s->data - s->map->data), s->n);
        done += s->n;
    }
    return m->next < m->n;
}
