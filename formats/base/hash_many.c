#include "formats/base/hash_many.h"

#include <stdlib.h>
#include <string.h>

struct hash_many {
    struct hash_stretch *stretch; /* owned */
    size_t n, next;
    int64_t due; /* bytes asked for and not read; below 0: the other way round */
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
    const int64_t most = INT64_MAX / 2, more = bytes < INT64_MAX / 2 ? (int64_t)bytes : most;
    struct err err;

    m->due = m->due + more < most ? m->due + more : most;
    for (; m->next < m->n && m->due >= (int64_t)(m->stretch[m->next].n / 2); m->next++) {
        const struct hash_stretch *s = &m->stretch[m->next];
        if (hash_of(s->data, s->n, s->hex, &err))
            s->hex[0] = '\0';
        if (s->map)
            map_forget(s->map, (size_t)(s->data - s->map->data), s->n);
        m->due -= (int64_t)s->n;
    }
    return m->next < m->n;
}
