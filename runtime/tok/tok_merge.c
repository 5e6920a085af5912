/* Merging by rank: the pair of neighbours with the lowest rank merges first, the leftmost
 * of equals. Source: Sennrich et al. 2016. */

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>
#include <string.h>

/* Words of up to this many symbols are merged by looking through all pairs. */
enum { SHORT_WORD = 40 };

/* Looks through all pairs at every merge. Returns how many symbols are left. */
static size_t merge_short(const struct tok_bpe *b, int32_t *sym, size_t n)
{
    const struct tok_pair *pair[SHORT_WORD];

    for (size_t i = 0; i + 1 < n; i++)
        pair[i] = tok_pair_find(b, sym[i], sym[i + 1]);
    while (n > 1) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (pair[i] && (best == n || pair[i]->rank < pair[best]->rank))
                best = i;
        if (best == n)
            break;
        sym[best] = pair[best]->to;
        memmove(sym + best + 1, sym + best + 2, (n - best - 2) * sizeof(*sym));
        if (n - best > 2)
            memmove(pair + best + 1, pair + best + 2,
                    (n - best - 3) * sizeof(const struct tok_pair *));
        n--;
        if (best > 0)
            pair[best - 1] = tok_pair_find(b, sym[best - 1], sym[best]);
        if (best + 1 < n)
            pair[best] = tok_pair_find(b, sym[best], sym[best + 1]);
    }
    return n;
}

/* A long word: symbols in a chain, possible merges in a heap. */
struct link {
    int32_t sym; /* -1: merged into the one before */
    uint32_t prev, next;
};

struct chance {
    int32_t rank;
    uint32_t at; /* the left one */
    const struct tok_pair *pair;
};

struct word {
    struct link *link;   /* owned */
    struct chance *heap; /* owned; the first merges first */
    size_t n_heap;
};

static bool before(const struct chance *a, const struct chance *b)
{
    return a->rank < b->rank || (a->rank == b->rank && a->at < b->at);
}

static void heap_push(struct word *w, struct chance c)
{
    size_t i = w->n_heap++;

    for (; i && before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static struct chance heap_pop(struct word *w)
{
    const struct chance top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;

    for (size_t k; (k = 2 * i + 1) < w->n_heap; i = k) {
        if (k + 1 < w->n_heap && before(&w->heap[k + 1], &w->heap[k]))
            k++;
        if (!before(&w->heap[k], &last))
            break;
        w->heap[i] = w->heap[k];
    }
    w->heap[i] = last;
    return top;
}

static void consider(const struct tok_bpe *b, struct word *w, uint32_t left, uint32_t n)
{
    if (left == UINT32_MAX || w->link[left].next >= n)
        return;
    const struct tok_pair *p = tok_pair_find(b, w->link[left].sym, w->link[w->link[left].next].sym);
    if (p)
        heap_push(w, (struct chance){p->rank, left, p});
}

static void merge_chain(const struct tok_bpe *b, struct word *w, uint32_t n)
{
    for (uint32_t i = 0; i + 1 < n; i++)
        consider(b, w, i, n);
    while (w->n_heap) {
        const struct chance c = heap_pop(w);
        struct link *l = &w->link[c.at];
        if (l->sym != c.pair->left || l->next >= n || w->link[l->next].sym != c.pair->right)
            continue; /* one of them has merged since */
        struct link *r = &w->link[l->next];
        l->sym = c.pair->to;
        l->next = r->next;
        r->sym = -1;
        if (l->next < n)
            w->link[l->next].prev = c.at;
        consider(b, w, l->prev, n);
        consider(b, w, c.at, n);
    }
}

static int merge_long(const struct tok_bpe *b, int32_t *sym, size_t *n, struct err *err)
{
    const uint32_t count = (uint32_t)*n;
    struct word w = {0};
    int rc = 0;

    /* every merge adds at most two chances and removes a symbol */
    w.link = calloc(*n, sizeof(*w.link));
    w.heap = calloc(*n, 3 * sizeof(*w.heap));
    if (!w.link || !w.heap) {
        rc = err_nomem(err);
    } else {
        for (uint32_t i = 0; i < count; i++)
            w.link[i] = (struct link){sym[i], i - 1, i + 1};
        merge_chain(b, &w, count);
        *n = 0;
        for (uint32_t i = 0; i < count; i = w.link[i].next)
            sym[(*n)++] = w.link[i].sym;
    }
    free(w.link);
    free(w.heap);
    return rc;
}

int tok_merge_all(const struct tok_bpe *b, int32_t *sym, size_t *n, struct err *err)
{
    if (*n > SHORT_WORD)
        return merge_long(b, sym, n, err);
    *n = merge_short(b, sym, *n);
    return 0;
}
