#include "formats/base/hash_many.h"

#include "formats/base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LET_GO_BYTES = 1 << 20,
    WINDOW_BYTES = 1 << 30, /* as much is put in another order */
    FULL = 8                /* lanes that make it worth while */
};

/* A digest on its way. */
struct lane {
    const struct hash_stretch *of; /* NULL: none */
    size_t at, gone;               /* bytes read, and let go */
};

struct hash_many {
    struct hash_stretch *stretch; /* owned */
    size_t n, next;
    size_t alone; /* those before are too long to share their time with others */
    bool wide;
    struct lane lane[SHA256_WIDTH];
    uint32_t state[SHA256_WORDS][SHA256_WIDTH];
};

static int longer(const void *a, const void *b)
{
    const struct hash_stretch *x = a, *y = b;

    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return x->data < y->data ? -1 : x->data > y->data;
}

/* Long ones first, so that all lanes end together; not far from where they stood. */
static void sort(struct hash_many *m)
{
    for (size_t i = 0, k; i < m->n; i = k) {
        uint64_t sum = 0;
        for (k = i; k < m->n && sum < WINDOW_BYTES; k++)
            sum += m->stretch[k].n;
        qsort(m->stretch + i, k - i, sizeof(*m->stretch), longer);
    }
}

static void find_alone(struct hash_many *m)
{
    uint64_t left = 0;

    for (size_t i = 0; i < m->n; i++)
        left += m->stretch[i].n;
    while (m->alone < m->n && m->stretch[m->alone].n > left / FULL)
        left -= m->stretch[m->alone++].n;
}

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
    m->wide = sha256_wide_native();
    if (m->wide) {
        sort(m);
        find_alone(m);
    }
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

static void let_go(struct lane *l, size_t at_least)
{
    const struct hash_stretch *s = l->of;

    if (!s->map || l->at - l->gone < at_least)
        return;
    map_forget(s->map, (size_t)(s->data - s->map->data) + l->gone, l->at - l->gone);
    l->gone = l->at;
}

/* The next one, by itself. */
static size_t read_alone(struct hash_many *m)
{
    const struct hash_stretch *s = &m->stretch[m->next++];
    struct lane l = {.of = s, .at = s->n};
    struct err err;

    if (hash_of(s->data, s->n, s->hex, &err))
        s->hex[0] = '\0';
    let_go(&l, 0);
    return s->n;
}

static void lane_begin(struct hash_many *m, int k)
{
    static const uint32_t first[SHA256_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    m->lane[k] = (struct lane){.of = &m->stretch[m->next++]};
    for (int w = 0; w < SHA256_WORDS; w++)
        m->state[w][k] = first[w];
}

/* What is left of a block, a one, zeros, and the length in bits. */
static void lane_end(struct hash_many *m, int k)
{
    const struct hash_stretch *s = m->lane[k].of;
    uint8_t tail[2 * SHA256_BLOCK] = {0};
    const uint8_t *p[SHA256_WIDTH];
    const size_t n = s->n - m->lane[k].at;
    const size_t blocks = n + 9 > SHA256_BLOCK ? 2 : 1;

    memcpy(tail, s->data + m->lane[k].at, n);
    tail[n] = 0x80;
    for (size_t i = 0; i < 8; i++)
        tail[blocks * SHA256_BLOCK - 1 - i] = (uint8_t)((uint64_t)s->n * 8 >> 8 * i);
    for (int i = 0; i < SHA256_WIDTH; i++)
        p[i] = tail;
    uint32_t state[SHA256_WORDS][SHA256_WIDTH];
    memcpy(state, m->state, sizeof(state));
    sha256_wide(state, p, blocks);
    for (int w = 0; w < SHA256_WORDS; w++)
        (void)snprintf(s->hex + 8 * (size_t)w, 9, "%08x", state[w][k]);
    m->lane[k].at = s->n;
    let_go(&m->lane[k], 0);
    m->lane[k].of = NULL;
}

/* Blocks that every lane has left, at most `most`; those without any get their end. *active:
 * lanes at work. */
static size_t common_blocks(struct hash_many *m, int *active, size_t most)
{
    size_t blocks = most;

    *active = 0;
    for (int k = 0; k < SHA256_WIDTH; k++) {
        struct lane *l = &m->lane[k];
        while (!l->of && m->next < m->n)
            lane_begin(m, k);
        if (!l->of)
            continue;
        const size_t left = (l->of->n - l->at) / SHA256_BLOCK;
        blocks = left < blocks ? left : blocks;
        ++*active;
    }
    return blocks;
}

/* All lanes go on by as much as each of them has. */
static uint64_t read_wide(struct hash_many *m, uint64_t bytes)
{
    const size_t most =
        (size_t)(bytes < LET_GO_BYTES ? bytes : LET_GO_BYTES) / (SHA256_BLOCK * SHA256_WIDTH) + 1;
    const uint8_t *p[SHA256_WIDTH], *any = NULL;
    int active;
    const size_t blocks = common_blocks(m, &active, most);

    for (int k = 0; k < SHA256_WIDTH; k++)
        if (m->lane[k].of)
            any = m->lane[k].of->data + m->lane[k].at;
    for (int k = 0; k < SHA256_WIDTH; k++)
        p[k] = m->lane[k].of ? m->lane[k].of->data + m->lane[k].at : any;
    if (blocks && active)
        sha256_wide(m->state, p, blocks);
    for (int k = 0; k < SHA256_WIDTH; k++) {
        struct lane *l = &m->lane[k];
        if (!l->of)
            continue;
        l->at += blocks * SHA256_BLOCK;
        let_go(l, LET_GO_BYTES);
        if (l->of->n - l->at < SHA256_BLOCK)
            lane_end(m, k);
    }
    return (uint64_t)active * blocks * SHA256_BLOCK;
}

static bool any_left(const struct hash_many *m)
{
    bool any = m->next < m->n;

    for (int k = 0; k < SHA256_WIDTH; k++)
        any |= m->lane[k].of != NULL;
    return any;
}

bool hash_many_step(struct hash_many *m, uint64_t bytes)
{
    uint64_t done = 0;

    while (done < bytes && any_left(m))
        done += m->wide && m->next >= m->alone ? read_wide(m, bytes - done) : read_alone(m);
    return any_left(m);
}
