/* Tokens of an expression one by one, and the nodes made of them. */

#include "runtime/chat/chat_parts.h"

#include <stdio.h>

/* ---- the next token ---------------------------------------------------------------------- */

bool chat_is_op(const struct chat_token *t, const char *op)
{
    return t->kind == CHAT_TOK_OP && chat_is(t->text, op);
}

bool chat_is_name(const struct chat_token *t, const char *name)
{
    return t->kind == CHAT_TOK_NAME && chat_is(t->text, name);
}

bool chat_at_op(const struct chat_parser *p, const char *op)
{
    return chat_is_op(p->tok, op);
}

bool chat_at_name(const struct chat_parser *p, const char *name)
{
    return chat_is_name(p->tok, name);
}

bool chat_skip_op(struct chat_parser *p, const char *op)
{
    const bool found = chat_at_op(p, op);

    p->tok += found;
    return found;
}

bool chat_skip_name(struct chat_parser *p, const char *name)
{
    const bool found = chat_at_name(p, name);

    p->tok += found;
    return found;
}

int chat_expected(const struct chat_parser *p, const char *what)
{
    static const char *const kinds[] = {"text",          "{{", "the tag's end",     "{%",
                                        "the tag's end", "",   "a string",          "a number",
                                        "a number",      "",   "the template's end"};
    const struct chat_token *t = p->tok;
    const bool shown = t->kind == CHAT_TOK_NAME || t->kind == CHAT_TOK_OP;

    return chat_bad(p->err, ERR_FORMAT, p->chat->text, t->at, "expected %s, found %s%.*s%s", what,
                    shown ? "\"" : kinds[t->kind],
                    shown ? (int)(t->text.n < 40 ? t->text.n : 40) : 0, t->text.p ? t->text.p : "",
                    shown ? "\"" : "");
}

int chat_need_op(struct chat_parser *p, const char *op)
{
    char what[8];

    if (chat_skip_op(p, op))
        return 0;
    (void)snprintf(what, sizeof(what), "\"%s\"", op);
    return chat_expected(p, what);
}

int chat_deeper(struct chat_parser *p)
{
    if (p->depth >= CHAT_DEPTH_MAX)
        return chat_bad(p->err, ERR_UNSUPPORTED, p->chat->text, p->tok->at, "nested deeper than %d",
                        CHAT_DEPTH_MAX);
    p->depth++;
    return 0;
}

struct chat_node *chat_node_new(struct chat_parser *p, enum chat_kind kind, size_t at)
{
    struct chat_node *n = arena_alloc(&p->chat->arena, sizeof(*n));

    if (!n) {
        (void)err_nomem(p->err);
        return NULL;
    }
    n->kind = kind;
    n->at = at;
    return n;
}

/* A node with two children, the first of which was *a. */
int chat_join(struct chat_node **a, struct chat_parser *p, enum chat_kind kind, size_t at,
              struct chat_node *b)
{
    struct chat_node *n = chat_node_new(p, kind, at);

    if (!n)
        return p->err->code;
    n->a = *a;
    n->b = b;
    *a = n;
    return 0;
}

int chat_name_node(struct chat_node **out, struct chat_parser *p, enum chat_kind kind)
{
    if (p->tok->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a name");
    *out = chat_node_new(p, kind, p->tok->at);
    if (!*out)
        return p->err->code;
    (*out)->text = p->tok++->text;
    return 0;
}
