/* Statements of a template as a tree. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

static int statements(struct chat_node **out, struct chat_parser *p, const char *const *ends);

static int need_block_end(struct chat_parser *p)
{
    if (p->tok->kind != CHAT_TOK_BLOCK_END)
        return chat_expected(p, "the tag's end");
    p->tok++;
    return 0;
}

/* The body of a block up to its end tag, which is passed. */
static int body(struct chat_node **out, struct chat_parser *p, const char *end)
{
    const char *const ends[] = {end, NULL};
    int rc = need_block_end(p);

    if (!rc)
        rc = statements(out, p, ends);
    if (!rc)
        p->tok++;
    return rc;
}

/* After "if" or "elif". */
static int parse_if(struct chat_node *n, struct chat_parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct chat_node *own = n;

    for (;;) {
        int rc = chat_expr_tuple(&own->a, p, false);
        if (!rc)
            rc = need_block_end(p);
        if (!rc)
            rc = statements(&own->body, p, ends);
        if (rc)
            return rc;
        if (chat_skip_name(p, "endif"))
            return 0;
        if (chat_skip_name(p, "else"))
            return body(&own->other, p, "endif");
        own->other = chat_node_new(p, CHAT_N_IF, p->tok++->at);
        if (!own->other)
            return p->err->code;
        own = own->other;
    }
}

static int parse_for(struct chat_node *n, struct chat_parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    int rc = chat_target(&n->a, p, false);

    if (!rc && !chat_skip_name(p, "in"))
        rc = chat_expected(p, "\"in\"");
    if (!rc)
        rc = chat_expr_tuple(&n->b, p, false);
    if (!rc && chat_skip_name(p, "if"))
        rc = chat_expr(&n->c, p);
    if (!rc && chat_at_name(p, "recursive"))
        return chat_bad(p->err, ERR_UNSUPPORTED, p->chat->text, p->tok->at,
                        "recursive loops are not supported");
    if (!rc)
        rc = need_block_end(p);
    if (rc)
        return rc;
    p->loops++;
    rc = statements(&n->body, p, ends);
    p->loops--;
    if (rc || chat_skip_name(p, "endfor"))
        return rc;
    p->tok++;
    return body(&n->other, p, "endfor");
}

static int parse_set(struct chat_node *n, struct chat_parser *p)
{
    int rc = chat_target(&n->a, p, true);

    if (rc)
        return rc;
    if (chat_skip_op(p, "="))
        return chat_expr_tuple(&n->b, p, true);
    n->kind = CHAT_N_SET_TEXT;
    n->b = chat_node_new(p, CHAT_N_HOLE, n->at);
    if (!n->b)
        return p->err->code;
    rc = chat_filters(&n->b, p, false);
    return rc ? rc : body(&n->body, p, "endset");
}

/* "(a, b=1)" of a macro. */
static int parameters(struct chat_node **list, struct chat_parser *p)
{
    bool optional = false;
    int rc = chat_need_op(p, "(");

    while (!rc && !chat_skip_op(p, ")")) {
        const struct chat_token *name = p->tok;
        if (name->kind != CHAT_TOK_NAME)
            return chat_expected(p, "a name");
        *list = chat_node_new(p, CHAT_N_PARAM, name->at);
        if (!*list)
            return p->err->code;
        (*list)->text = name->text;
        p->tok++;
        if (chat_skip_op(p, "=")) {
            optional = true;
            rc = chat_expr(&(*list)->a, p);
        } else if (optional) {
            return chat_bad(p->err, ERR_FORMAT, p->chat->text, name->at,
                            "a parameter without a default after one that has one");
        }
        list = &(*list)->next;
        if (!rc && !chat_at_op(p, ")"))
            rc = chat_need_op(p, ",");
    }
    return rc;
}

/* Loops around a macro's definition are none of its body's. */
static int own_body(struct chat_node *n, struct chat_parser *p, const char *end)
{
    const size_t loops = p->loops;

    p->loops = 0;
    const int rc = body(&n->body, p, end);
    p->loops = loops;
    return rc;
}

static int parse_macro(struct chat_node *n, struct chat_parser *p)
{
    if (p->tok->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a name");
    n->text = p->tok++->text;
    const int rc = parameters(&n->list, p);
    return rc ? rc : own_body(n, p, "endmacro");
}

static int parse_call(struct chat_node *n, struct chat_parser *p)
{
    int rc = chat_at_op(p, "(") ? parameters(&n->list, p) : 0;

    n->text = (struct chat_str){"caller", 6};
    if (!rc)
        rc = chat_expr(&n->a, p);
    if (!rc && n->a->kind != CHAT_N_CALL)
        return chat_bad(p->err, ERR_FORMAT, p->chat->text, n->a->at, "expected a call");
    return rc ? rc : own_body(n, p, "endcall");
}

static int parse_filter(struct chat_node *n, struct chat_parser *p)
{
    n->b = chat_node_new(p, CHAT_N_HOLE, n->at);
    if (!n->b)
        return p->err->code;
    const int rc = chat_filters(&n->b, p, true);
    return rc ? rc : body(&n->body, p, "endfilter");
}

static int parse_with(struct chat_node *n, struct chat_parser *p)
{
    struct chat_node **list = &n->list;
    int rc = 0;

    while (!rc && p->tok->kind != CHAT_TOK_BLOCK_END) {
        *list = chat_node_new(p, CHAT_N_SET, p->tok->at);
        if (!*list)
            return p->err->code;
        rc = chat_target(&(*list)->a, p, false);
        if (!rc)
            rc = chat_need_op(p, "=");
        if (!rc)
            rc = chat_expr(&(*list)->b, p);
        list = &(*list)->next;
        if (!rc && p->tok->kind != CHAT_TOK_BLOCK_END)
            rc = chat_need_op(p, ",");
    }
    return rc ? rc : body(&n->body, p, "endwith");
}

static int parse_mark(struct chat_node *n, struct chat_parser *p)
{
    p->chat->marks = true;
    return own_body(n, p, "endgeneration");
}

/* "print a, b" */
static int parse_print(struct chat_node *n, struct chat_parser *p)
{
    return chat_expr_tuple(&n->a, p, true);
}

static int parse_jump(struct chat_node *n, struct chat_parser *p)
{
    if (!p->loops)
        return chat_bad(p->err, ERR_FORMAT, p->chat->text, n->at, "outside of a loop");
    return 0;
}

/* At the name of a tag, which is no end. */
static int statement(struct chat_node **out, struct chat_parser *p)
{
    static const struct {
        const char *name;
        enum chat_kind kind;
        int (*parse)(struct chat_node *n, struct chat_parser *p);
    } known[] = {
        {"if",         CHAT_N_IF,       parse_if    },
        {"for",        CHAT_N_FOR,      parse_for   },
        {"set",        CHAT_N_SET,      parse_set   },
        {"macro",      CHAT_N_MACRO,    parse_macro },
        {"call",       CHAT_N_CALLER,   parse_call  },
        {"filter",     CHAT_N_FILTERED, parse_filter},
        {"with",       CHAT_N_WITH,     parse_with  },
        {"generation", CHAT_N_MARK,     parse_mark  },
        {"print",      CHAT_N_PRINT,    parse_print },
        {"break",      CHAT_N_BREAK,    parse_jump  },
        {"continue",   CHAT_N_CONTINUE, parse_jump  },
    };
    const struct chat_token *name = p->tok;

    if (name->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a tag's name");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (chat_is(name->text, known[i].name)) {
            p->tok++;
            *out = chat_node_new(p, known[i].kind, name->at);
            return *out ? known[i].parse(*out, p) : p->err->code;
        }
    return chat_bad(p->err, ERR_UNSUPPORTED, p->chat->text, name->at, "no tag named \"%.*s\"",
                    (int)(name->text.n < 40 ? name->text.n : 40), name->text.p);
}

static int parse_text(struct chat_node **out, struct chat_parser *p)
{
    *out = chat_node_new(p, CHAT_N_TEXT, p->tok->at);
    if (!*out)
        return p->err->code;
    (*out)->text = p->tok++->text;
    return 0;
}

static int print_tag(struct chat_node **out, struct chat_parser *p)
{
    *out = chat_node_new(p, CHAT_N_PRINT, p->tok++->at);
    if (!*out)
        return p->err->code;
    const int rc = chat_expr_tuple(&(*out)->a, p, true);
    if (!rc && p->tok->kind != CHAT_TOK_PRINT_END)
        return chat_expected(p, "\"}}\"");
    p->tok += !rc;
    return rc;
}

static bool at_end(const struct chat_parser *p, const char *const *ends)
{
    for (size_t i = 0; ends && ends[i]; i++)
        if (chat_at_name(p, ends[i]))
            return true;
    return false;
}

static int statements_of(struct chat_node **out, struct chat_parser *p, const char *const *ends)
{
    int rc = 0;

    while (!rc) {
        if (p->tok->kind == CHAT_TOK_END)
            return ends ? chat_expected(p, "the block's end") : 0;
        if (p->tok->kind == CHAT_TOK_TEXT) {
            rc = parse_text(out, p);
        } else if (p->tok->kind == CHAT_TOK_PRINT) {
            rc = print_tag(out, p);
        } else {
            p->tok++;
            if (at_end(p, ends))
                return 0;
            rc = statement(out, p);
            if (!rc)
                rc = need_block_end(p);
        }
        if (!rc)
            out = &(*out)->next;
    }
    return rc;
}

/* Up to a tag of `ends` (at its name), or the template's end. */
static int statements(struct chat_node **out, struct chat_parser *p, const char *const *ends)
{
    int rc = chat_deeper(p);

    if (rc)
        return rc;
    rc = statements_of(out, p, ends);
    p->depth--;
    return rc;
}

int chat_parse(struct chat *c, const struct chat_tokens *tokens, struct err *err)
{
    struct chat_parser p = {.chat = c, .tok = tokens->at, .err = err};

    return statements(&c->body, &p, NULL);
}
