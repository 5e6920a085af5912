/* Values in expressions: literals and names, what follows them, filters and tests. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

/* ---- literals ---------------------------------------------------------------------------- */

/* Items up to `end`, which is passed; a comma may follow the last. */
static int items(struct chat_node **list, struct chat_parser *p, const char *end, bool pairs)
{
    while (!chat_skip_op(p, end)) {
        struct chat_node *key = NULL, *n = NULL;
        int rc = chat_expr(&n, p);
        if (!rc && pairs) {
            key = n;
            rc = chat_need_op(p, ":");
            if (!rc)
                rc = chat_expr(&n, p);
            if (!rc)
                rc = chat_join(&key, p, CHAT_N_PAIR, key->at, n);
            n = key;
        }
        if (rc)
            return rc;
        *list = n;
        list = &n->next;
        if (!chat_at_op(p, end) && chat_need_op(p, ","))
            return p->err->code;
    }
    return 0;
}

static int literal(struct chat_node **out, struct chat_parser *p, enum chat_kind kind,
                   const char *end)
{
    *out = chat_node_new(p, kind, p->tok++->at);
    return *out ? items(&(*out)->list, p, end, kind == CHAT_N_DICT) : p->err->code;
}

/* Strings that follow one another are one. */
static int strings(struct chat_node **out, struct chat_parser *p)
{
    size_t n = 0, k = 0;

    *out = chat_node_new(p, CHAT_N_CONST, p->tok->at);
    for (const struct chat_token *t = p->tok; t->kind == CHAT_TOK_STRING; t++)
        n += t->text.n;
    char *s = arena_alloc(&p->chat->arena, n + 1);
    if (!*out || !s)
        return err_nomem(p->err);
    for (; p->tok->kind == CHAT_TOK_STRING; p->tok++) {
        memcpy(s + k, p->tok->text.p, p->tok->text.n);
        k += p->tok->text.n;
    }
    (*out)->value = chat_text_of((struct chat_str){s, n});
    return 0;
}

static int number(struct chat_node **out, struct chat_parser *p)
{
    const struct chat_token *t = p->tok++;

    *out = chat_node_new(p, CHAT_N_CONST, t->at);
    if (!*out)
        return p->err->code;
    (*out)->value = t->kind == CHAT_TOK_INT ? chat_int(t->u.i) : chat_float(t->u.f);
    return 0;
}

/* A word of the language, or a variable. */
int chat_word(struct chat_node **out, struct chat_parser *p)
{
    static const struct {
        const char *name;
        enum chat_type type;
        bool b;
    } known[] = {
        {"true",  CHAT_BOOL, true },
        {"True",  CHAT_BOOL, true },
        {"false", CHAT_BOOL, false},
        {"False", CHAT_BOOL, false},
        {"none",  CHAT_NONE, false},
        {"None",  CHAT_NONE, false},
    };
    const int rc = chat_name_node(out, p, CHAT_N_NAME);

    for (size_t i = 0; !rc && i < sizeof(known) / sizeof(known[0]); i++)
        if (chat_is((*out)->text, known[i].name)) {
            (*out)->kind = CHAT_N_CONST;
            (*out)->value = known[i].type == CHAT_BOOL ? chat_bool(known[i].b) : chat_none();
        }
    return rc;
}

int chat_primary(struct chat_node **out, struct chat_parser *p)
{
    int rc;

    switch (p->tok->kind) {
    case CHAT_TOK_NAME:
        return chat_word(out, p);
    case CHAT_TOK_STRING:
        return strings(out, p);
    case CHAT_TOK_INT:
    case CHAT_TOK_FLOAT:
        return number(out, p);
    default:
        break;
    }
    if (chat_at_op(p, "["))
        return literal(out, p, CHAT_N_LIST, "]");
    if (chat_at_op(p, "{"))
        return literal(out, p, CHAT_N_DICT, "}");
    if (!chat_skip_op(p, "("))
        return chat_expected(p, "an expression");
    if (chat_skip_op(p, ")")) {
        *out = chat_node_new(p, CHAT_N_TUPLE, p->tok[-1].at);
        return *out ? 0 : p->err->code;
    }
    rc = chat_expr_tuple(out, p, true);
    return rc ? rc : chat_need_op(p, ")");
}

/* ---- what follows a value ---------------------------------------------------------------- */

static int argument(struct chat_node **out, struct chat_parser *p)
{
    enum chat_kind kind = CHAT_N_CONST;
    struct chat_node *n = NULL;
    int rc;

    *out = NULL;
    if (chat_skip_op(p, "*"))
        kind = CHAT_N_STAR;
    else if (chat_skip_op(p, "**"))
        kind = CHAT_N_STARS;
    else if (p->tok->kind == CHAT_TOK_NAME && chat_is_op(p->tok + 1, "="))
        kind = CHAT_N_KEYWORD;
    if (kind == CHAT_N_CONST)
        return chat_expr(out, p);
    n = chat_node_new(p, kind, p->tok->at);
    if (!n)
        return p->err->code;
    if (kind == CHAT_N_KEYWORD) {
        n->text = p->tok->text;
        p->tok += 2;
    }
    rc = chat_expr(&n->a, p);
    *out = n;
    return rc;
}

/* After "(": up to ")". */
static int arguments(struct chat_node **list, struct chat_parser *p)
{
    bool named = false;

    while (!chat_skip_op(p, ")")) {
        const size_t at = p->tok->at;
        int rc = argument(list, p);
        if (rc)
            return rc;
        const enum chat_kind kind = (*list)->kind;
        if (named && kind != CHAT_N_KEYWORD && kind != CHAT_N_STARS)
            return chat_bad(p->err, ERR_FORMAT, p->chat->text, at,
                            "an argument without a name after one with a name");
        named = named || kind == CHAT_N_KEYWORD || kind == CHAT_N_STARS;
        list = &(*list)->next;
        if (!chat_at_op(p, ")") && chat_need_op(p, ","))
            return p->err->code;
    }
    return 0;
}

/* One of "x", "x:y", ":y:z" ... after "["; *n is a[...]. */
static int subscript(struct chat_node **n, struct chat_parser *p)
{
    struct chat_node *part[3] = {0};
    size_t k = 0;
    int rc = chat_join(n, p, CHAT_N_ITEM, p->tok++->at, NULL);

    while (!rc && k < 3) {
        if (!chat_at_op(p, ":") && !chat_at_op(p, "]"))
            rc = chat_expr(&part[k], p);
        if (rc || !chat_skip_op(p, ":"))
            break;
        k++;
    }
    if (rc)
        return rc;
    if (k == 3 || (!k && !part[0]))
        return chat_expected(p, k ? "\"]\"" : "an expression");
    (*n)->kind = k ? CHAT_N_SLICE : CHAT_N_ITEM;
    (*n)->b = part[0];
    (*n)->c = part[1];
    (*n)->list = part[2];
    return chat_need_op(p, "]");
}

int chat_attribute(struct chat_node **n, struct chat_parser *p)
{
    const size_t at = p->tok++->at;
    struct chat_node *key = NULL;
    int rc;

    if (p->tok->kind == CHAT_TOK_INT) {
        rc = number(&key, p);
        return rc ? rc : chat_join(n, p, CHAT_N_ITEM, at, key);
    }
    if (p->tok->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a name");
    rc = chat_join(n, p, CHAT_N_ATTR, at, NULL);
    if (!rc)
        (*n)->text = p->tok++->text;
    return rc;
}

static int call(struct chat_node **n, struct chat_parser *p)
{
    const int rc = chat_join(n, p, CHAT_N_CALL, p->tok++->at, NULL);

    return rc ? rc : arguments(&(*n)->list, p);
}

int chat_postfix(struct chat_node **n, struct chat_parser *p)
{
    int rc = 0;

    while (!rc) {
        if (chat_at_op(p, "."))
            rc = chat_attribute(n, p);
        else if (chat_at_op(p, "["))
            rc = subscript(n, p);
        else if (chat_at_op(p, "("))
            rc = call(n, p);
        else
            break;
    }
    return rc;
}

static int filter(struct chat_node **n, struct chat_parser *p)
{
    const struct chat_token *name = p->tok;
    int rc;

    if (name->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a filter's name");
    p->tok++;
    rc = chat_join(n, p, CHAT_N_FILTER, name->at, NULL);
    if (rc)
        return rc;
    (*n)->text = name->text;
    (*n)->func = chat_filter(name->text); /* one that is never reached may be unknown */
    return chat_skip_op(p, "(") ? arguments(&(*n)->list, p) : 0;
}

int chat_filters(struct chat_node **out, struct chat_parser *p, bool begin)
{
    int rc = begin ? filter(out, p) : 0;

    while (!rc && chat_skip_op(p, "|"))
        rc = filter(out, p);
    return rc;
}

/* An argument of a test may stand without brackets. */
static bool bare_argument(const struct chat_parser *p)
{
    const struct chat_token *t = p->tok;

    if (t->kind == CHAT_TOK_NAME)
        return !chat_is_name(t, "else") && !chat_is_name(t, "or") && !chat_is_name(t, "and") &&
               !chat_is_name(t, "if") && !chat_is_name(t, "is") && !chat_is_name(t, "in") &&
               !chat_is_name(t, "not");
    return t->kind == CHAT_TOK_STRING || t->kind == CHAT_TOK_INT || t->kind == CHAT_TOK_FLOAT ||
           chat_is_op(t, "[") || chat_is_op(t, "{");
}

static int test(struct chat_node **n, struct chat_parser *p)
{
    const size_t at = p->tok++->at;
    const bool negated = chat_skip_name(p, "not");
    const struct chat_token *name = p->tok;
    int rc;

    if (name->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a test's name");
    p->tok++;
    rc = chat_join(n, p, CHAT_N_TEST, name->at, NULL);
    if (rc)
        return rc;
    (*n)->text = name->text;
    (*n)->func = chat_test(name->text);
    if (chat_skip_op(p, "(")) {
        rc = arguments(&(*n)->list, p);
    } else if (bare_argument(p)) {
        rc = chat_primary(&(*n)->list, p);
        if (!rc)
            rc = chat_postfix(&(*n)->list, p);
    }
    return !rc && negated ? chat_join(n, p, CHAT_N_NOT, at, NULL) : rc;
}

int chat_filters_and_tests(struct chat_node **n, struct chat_parser *p)
{
    int rc = 0;

    while (!rc) {
        if (chat_skip_op(p, "|"))
            rc = filter(n, p);
        else if (chat_at_name(p, "is"))
            rc = test(n, p);
        else if (chat_at_op(p, "("))
            rc = call(n, p);
        else
            break;
    }
    return rc;
}
