/* What tokenizer.json says twice must agree: an id belongs to one token, a token has one
 * id, and a merge is of tokens that are there. */

#include "formats/vocab/vocab_parts.h"

#include <stdlib.h>
#include <string.h>

/* Names by their hash; cap is a power of two, more than there are names. */
struct names {
    struct name {
        const char *text;   /* in the document; NULL: free */
        const json_val *at; /* its id: a member of the vocabulary, or of an added token */
        uint32_t hash, n;
    } * slot;
    size_t cap;
};

enum { HASH_START = 5381 };

/* The hash of what came before, and s[0, n) behind it. */
static uint32_t hash_more(uint32_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x01000193U;
    return h;
}

static struct name *first_slot(const struct names *t, uint32_t hash)
{
    return &t->slot[(hash ^ hash >> 15) & (t->cap - 1)];
}

static struct name *next_slot(const struct names *t, struct name *s)
{
    return s + 1 == t->slot + t->cap ? t->slot : s + 1;
}

/* The name a[0, na) with b[0, nb) behind it; hash is of both. NULL: there is none. */
static const struct name *find(const struct names *t, uint32_t hash, struct meta_str a,
                               struct meta_str b)
{
    for (struct name *s = first_slot(t, hash); s->text; s = next_slot(t, s))
        if (s->hash == hash && s->n == a.n + b.n && !memcmp(s->text, a.p, a.n) &&
            !memcmp(s->text + a.n, b.p, b.n))
            return s;
    return NULL;
}

static const struct name *find_one(const struct names *t, struct meta_str a)
{
    return find(t, hash_more(HASH_START, a.p, a.n), a, (struct meta_str){"", 0});
}

static void add(struct names *t, const char *text, const json_val *at)
{
    const size_t n = strlen(text);
    const uint32_t hash = hash_more(HASH_START, text, n);
    struct name *s = first_slot(t, hash);

    while (s->text)
        s = next_slot(t, s);
    *s = (struct name){text, at, hash, (uint32_t)n};
}

static int names_open(struct names *t, const json_val *vocab, const json_val *added,
                      struct err *err)
{
    const size_t n = json_len(vocab) + json_len(added);

    t->cap = 64;
    while (t->cap / 3 * 2 < n) /* the nodes are in memory: no overflow */
        t->cap *= 2;
    t->slot = calloc(t->cap, sizeof(*t->slot));
    if (!t->slot)
        return err_nomem(err);
    for (const json_val *v = json_first(vocab); v; v = json_next(v))
        add(t, json_key(v), v);
    return 0;
}

static int check_added(struct names *t, const json_val *added, struct err *err)
{
    for (const json_val *v = json_first(added); v; v = json_next(v)) {
        const char *text = json_str(json_get(v, "content"));
        int64_t id, other = -1;
        if (!text || !json_int(json_get(v, "id"), &id))
            continue;
        const struct name *s = find_one(t, (struct meta_str){text, strlen(text)});
        if (s && !json_int(s->at, &other))
            other = -1;
        if (s && other != id)
            return err_set(err, ERR_FORMAT, "token \"%.60s\" is there twice: as %lld and as %lld",
                           text, (long long)other, (long long)id);
        if (!s)
            add(t, text, json_get(v, "id"));
    }
    return 0;
}

/* The two halves of a merge; false: it has another form, which its reader refuses. */
static bool halves(struct meta_str *left, struct meta_str *right, const json_val *m)
{
    const char *text = json_str(m), *gap = text ? strchr(text, ' ') : NULL;
    const json_val *second = json_is_array(m) && json_first(m) ? json_next(json_first(m)) : NULL;
    const char *a = second ? json_str(json_first(m)) : NULL, *b = json_str(second);

    if (gap) {
        *left = (struct meta_str){text, (size_t)(gap - text)};
        *right = (struct meta_str){gap + 1, strlen(gap + 1)};
    } else if (a && b) {
        *left = (struct meta_str){a, strlen(a)};
        *right = (struct meta_str){b, strlen(b)};
    }
    return gap || (a && b);
}

/* Is it that token, left[] with right[] behind it? */
static bool is_joined(const json_val *token, struct meta_str left, struct meta_str right)
{
    const char *text = token ? json_key(token) : NULL;

    return text && !strncmp(text, left.p, left.n) && !strncmp(text + left.n, right.p, right.n) &&
           !text[left.n + right.n];
}

/* *next: the token that a merge makes, most likely; files have both in the same order, and
 * looking there first saves a far look into the table. */
static int check_merge(const struct names *t, const json_val *m, size_t i, const json_val **next,
                       struct err *err)
{
    struct meta_str left, right;

    if (!halves(&left, &right, m))
        return 0;
    const uint32_t hash = hash_more(HASH_START, left.p, left.n);
    if (!find(t, hash, left, (struct meta_str){"", 0}))
        return err_set(err, ERR_FORMAT, "merge %zu: \"%.*s\" is no token", i,
                       (int)(left.n < 60 ? left.n : 60), left.p);
    if (!find_one(t, right))
        return err_set(err, ERR_FORMAT, "merge %zu: \"%.*s\" is no token", i,
                       (int)(right.n < 60 ? right.n : 60), right.p);
    if (is_joined(*next, left, right)) {
        *next = json_next(*next);
        return 0;
    }
    const struct name *to = find(t, hash_more(hash, right.p, right.n), left, right);
    if (!to)
        return err_set(err, ERR_FORMAT, "merge %zu: its result, \"%.*s%.*s\", is no token", i,
                       (int)(left.n < 60 ? left.n : 60), left.p, (int)(right.n < 60 ? right.n : 60),
                       right.p);
    *next = json_next(to->at);
    return 0;
}

int vocab_check_json(const json_val *tokenizer, struct err *err)
{
    const json_val *model = json_get(tokenizer, "model");
    const json_val *vocab = json_get(model, "vocab"), *merges = json_get(model, "merges");
    const json_val *added = json_get(tokenizer, "added_tokens");
    const json_val *next = NULL;
    struct names t = {0};
    size_t i = 0;

    if (!json_is_object(vocab))
        return 0;
    int rc = names_open(&t, vocab, added, err);
    if (rc)
        return rc;
    for (const json_val *m = json_first(merges); m && !rc; m = json_next(m))
        rc = check_merge(&t, m, i++, &next, err);
    if (!rc)
        rc = check_added(&t, added, err);
    free(t.slot);
    return rc;
}
