/* WordPiece: the longest token a word begins with, then the longest continuation, and so
 * on; a word that can't be said so to its end is unk.
 * Source: BERT's tokenization.py. */

#include "runtime/tok/tok_parts.h"

void tok_wordpiece_release(struct tok_wordpiece *w)
{
    tok_trie_release(&w->trie);
}

static size_t count_chars(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0, k; i < n; i += k, count++)
        (void)tok_char(&k, text + i, n - i);
    return count;
}

int tok_wordpiece_word(struct tok_ids *out, const struct tok_wordpiece *w, const char *text,
                       size_t n, struct err *err)
{
    const size_t begun = out->n;
    size_t at = 0;

    if (n > w->max_chars && count_chars(text, n) > w->max_chars)
        return w->unk < 0 ? 0 : tok_push(out, w->unk, err);
    while (at < n) {
        size_t bytes = 0;
        int32_t id = -1;
        if (at ? w->has_rest : w->has_first)
            id = tok_trie_longest(&bytes, &w->trie, at ? w->rest : w->first, text + at, n - at);
        if (id < 0)
            break;
        const int rc = tok_push(out, id, err);
        if (rc)
            return rc;
        at += bytes;
    }
    if (at == n)
        return 0;
    out->n = begun;
    return w->unk < 0 ? 0 : tok_push(out, w->unk, err);
}
