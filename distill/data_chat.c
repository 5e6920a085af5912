/* Messages as tokens, and which of these the assistant says. */

#include "distill/data_parts.h"

#include <string.h>

/* How many bytes of text[at, n) a token stands for. Tokenizers that put a space before a word
 * at the beginning of a text or after a special token give one more: it is no part of the text. */
static size_t part_of(const struct buf *token, const struct buf *text, size_t at, bool *good)
{
    const size_t left = text->n - at;

    *good = true;
    if (token->n <= left && !memcmp(token->p, text->p + at, token->n))
        return token->n;
    if (token->n && token->p[0] == ' ' && token->n - 1 <= left &&
        !memcmp(token->p + 1, text->p + at, token->n - 1))
        return token->n - 1;
    *good = false;
    return 0;
}

/* Is any of text[from, to) the assistant's? *k: the span to look at, which only rises. */
static bool is_answer(const struct chat_text *text, size_t from, size_t to, size_t *k)
{
    while (*k < text->n_spans && text->span[*k].at + text->span[*k].n <= from)
        ++*k;
    return *k < text->n_spans && text->span[*k].at < to;
}

/* A byte for each token from `first` on: 1 where it has any of an answer. */
static int mark(struct data_tokens *out, size_t first, const struct tok *t,
                const struct chat_text *text, struct err *err)
{
    struct buf token = {0};
    size_t at = 0, k = 0;
    bool good = true;
    int rc = 0;

    for (size_t i = first; !rc && good && i < out->ids.n; i++) {
        token.n = 0;
        rc = tok_decode(&token, t, out->ids.id[i], true, err);
        if (!rc)
            rc = buf_check(&token, err);
        if (rc)
            break;
        const size_t n = token.n ? part_of(&token, &text->text, at, &good) : 0;
        const char yes = is_answer(text, at, at + n, &k) ? 1 : 0;
        buf_put(&out->answer, &yes, 1);
        at += n;
    }
    buf_release(&token);
    if (!rc && (!good || at < text->text.n))
        return err_set(err, ERR_UNSUPPORTED,
                       "the tokenizer changes the text at byte %zu: which tokens are the "
                       "assistant's cannot be told",
                       at);
    return rc ? rc : buf_check(&out->answer, err);
}

int data_encode_chat(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                     const json_val *object, bool cut, size_t line, struct err *err)
{
    const struct chat_vars vars = {.messages = json_get(object, "messages"),
                                   .tools = json_get(object, "tools"),
                                   .vocab = tok_vocab(c->t)};
    struct chat_text text = {0};
    const size_t first = out->ids.n;
    int rc;

    out->chat = true;
    if (!c->chat) {
        *err = c->no_chat;
        return err_wrap(err, "line %zu: messages", line);
    }
    rc = c->answers ? chat_answers(&text, c->chat, &vars, err)
                    : chat_render(&text, c->chat, &vars, err);
    if (!rc && cut) /* an end of turn would be learnt where there is none */
        rc = chat_cut(&text, c->chat, &vars, err);
    if (!rc)
        rc = tok_encode_more(&out->ids, m, text.text.p ? text.text.p : "", text.text.n,
                             TOK_PARSE_SPECIAL, err);
    if (!rc && c->answers)
        rc = mark(out, first, c->t, &text, err);
    chat_text_release(&text);
    return rc && rc != ERR_NOMEM ? err_wrap(err, "line %zu", line) : rc;
}
