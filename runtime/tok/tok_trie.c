/* Strings by their bytes: a trie whose edges lie in one hash table. */

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

static size_t slot_of(const struct tok_edge *edge, size_t cap, uint64_t key)
{
    size_t i = (size_t)((key * 0x9e3779b97f4a7c15U) >> 24) & (cap - 1);

    while (edge[i].key && edge[i].key != key)
        i = (i + 1) & (cap - 1);
    return i;
}

/* Room for another node and its edge. */
static int grow(struct tok_trie *t, struct err *err)
{
    if (t->n + 1 >= t->n_cap) {
        const uint32_t cap = t->n_cap ? t->n_cap * 2 : 64;
        int32_t *value = cap > t->n_cap ? realloc(t->value, cap * sizeof(*value)) : NULL;
        if (!value)
            return err_nomem(err);
        t->value = value;
        t->n_cap = cap;
    }
    if (t->cap && t->n < t->cap / 2)
        return 0;
    const size_t cap = t->cap ? t->cap * 2 : 128;
    struct tok_edge *edge = calloc(cap, sizeof(*edge));
    if (!edge)
        return err_nomem(err);
    for (size_t i = 0; i < t->cap; i++)
        if (t->edge[i].key)
            edge[slot_of(edge, cap, t->edge[i].key)] = t->edge[i];
    free(t->edge);
    t->edge = edge;
    t->cap = cap;
    return 0;
}

int tok_trie_add(struct tok_trie *t, const char *text, size_t n, int32_t value, struct err *err)
{
    uint32_t node = TOK_TRIE_ROOT;

    for (size_t i = 0; i <= n; i++) {
        const int rc = grow(t, err);
        if (rc)
            return rc;
        if (!t->n)
            t->value[t->n++] = -1;
        if (i == n)
            break;
        const uint64_t key = ((uint64_t)node << 8 | (unsigned char)text[i]) + 1;
        struct tok_edge *e = &t->edge[slot_of(t->edge, t->cap, key)];
        if (!e->key) {
            *e = (struct tok_edge){key, t->n};
            t->value[t->n++] = -1;
        }
        node = e->to;
    }
    t->value[node] = value;
    return 0;
}

void tok_trie_release(struct tok_trie *t)
{
    free(t->edge);
    free(t->value);
    *t = (struct tok_trie){0};
}

uint32_t tok_trie_step(const struct tok_trie *t, uint32_t node, unsigned char byte)
{
    const uint64_t key = ((uint64_t)node << 8 | byte) + 1;

    if (!t->cap)
        return TOK_TRIE_ROOT;
    return t->edge[slot_of(t->edge, t->cap, key)].to; /* 0 in a free slot */
}

int32_t tok_trie_longest(size_t *bytes, const struct tok_trie *t, uint32_t node, const char *text,
                         size_t n)
{
    int32_t value = -1;

    for (size_t i = 0; i < n; i++) {
        node = tok_trie_step(t, node, (unsigned char)text[i]);
        if (node == TOK_TRIE_ROOT)
            break;
        if (t->value[node] >= 0) {
            value = t->value[node];
            *bytes = i + 1;
        }
    }
    return value;
}
