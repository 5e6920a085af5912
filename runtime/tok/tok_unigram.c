/* Unigram: of all ways to cut a text into tokens, the one whose scores sum highest.
 * Source: Kudo 2018; sentencepiece's unigram_model.cc (EncodeOptimized). */

#include "runtime/tok/tok_parts.h"

#include <stdlib.h>

/* The best way to get to the end of a character: its last token. */
struct node {
    double score;
    uint32_t from; /* where that token begins; UINT32_MAX: nothing gets here yet */
    int32_t id;
};

void tok_unigram_release(struct tok_unigram *u)
{
    tok_trie_release(&u->trie);
}

static void offer(struct node *at, double score, size_t from, int32_t id)
{
    if (at->from == UINT32_MAX || score > at->score)
        *at = (struct node){score, (uint32_t)from, id};
}

/* Every token that text[at, n) begins with; a character that is none is unk. */
static void advance(struct node *node, const struct tok_unigram *u, const char *text, size_t n,
                    size_t at, size_t bytes)
{
    const double here = node[at].score;
    uint32_t k = TOK_TRIE_ROOT;
    bool single = false;

    for (size_t i = at; i < n; i++) {
        k = tok_trie_step(&u->trie, k, (unsigned char)text[i]);
        if (k == TOK_TRIE_ROOT)
            break;
        const int32_t id = u->trie.value[k];
        if (id < 0)
            continue;
        offer(&node[i + 1], here + u->score[id], at, id);
        single = single || i + 1 - at == bytes;
    }
    if (!single)
        offer(&node[at + bytes], here + u->unk_score, at, -1);
}

/* What has no token: its bytes where all have one, else unk. */
static int put_unknown(struct tok_ids *out, const struct tok_unigram *u, const char *text, size_t n,
                       struct err *err)
{
    bool all = u->byte_fallback;
    int rc = 0;

    for (size_t i = 0; i < n && all; i++)
        all = u->byte[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; i < n && all && !rc; i++)
        rc = tok_push(out, u->byte[(unsigned char)text[i]], err);
    return rc || all || u->unk < 0 ? rc : tok_push(out, u->unk, err);
}

/* The path was found from its end: turn the links round, then go along it. Neighbours
 * without a token are one when that is asked for, and a token if their text is one. */
static int put_path(struct tok_ids *out, const struct tok_unigram *u, struct node *node,
                    const char *text, size_t n, struct err *err)
{
    size_t end = n, next = n;
    int rc = 0;

    for (; end; end = node[end].from) {
        node[end].score = (double)next; /* where the token after this one ends */
        next = end;
    }
    for (size_t at = 0; at < n && !rc;) {
        end = next;
        const int32_t id = node[end].id;
        next = (size_t)node[end].score;
        const bool unknown = id < 0 || id == u->unk;
        while (unknown && u->fuse_unk && end < n &&
               (node[next].id < 0 || node[next].id == u->unk)) {
            end = next;
            next = (size_t)node[end].score;
        }
        if (!unknown) {
            rc = tok_push(out, id, err);
        } else {
            size_t bytes = 0;
            const int32_t whole =
                tok_trie_longest(&bytes, &u->trie, TOK_TRIE_ROOT, text + at, end - at);
            rc = whole >= 0 && bytes == end - at ? tok_push(out, whole, err)
                                                 : put_unknown(out, u, text + at, end - at, err);
        }
        at = end;
    }
    return rc;
}

int tok_unigram_word(struct tok_ids *out, const struct tok_unigram *u, const char *text, size_t n,
                     struct err *err)
{
    if (!n)
        return 0;
    struct node *node = malloc((n + 1) * sizeof(*node));
    if (!node)
        return err_nomem(err);
    for (size_t i = 0; i <= n; i++)
        node[i] = (struct node){0, UINT32_MAX, -1};
    node[0].score = 0;
    for (size_t at = 0, bytes; at < n; at += bytes) {
        (void)tok_char(&bytes, text + at, n - at);
        advance(node, u, text, n, at, bytes);
    }
    const int rc = put_path(out, u, node, text, n, err);
    free(node);
    return rc;
}
