/* Expressions of a template as a tree, by Jinja's precedences. */

#include "runtime/chat/chat_parts.h"

#include <stdio.h>
#include <string.h>

/* ---- the next token ---------------------------------------------------------------------- */

static bool is_op(const struct chat_token *t, const char *op)
{
    return t->kind == CHAT_TOK_OP && chat_is(t->text, op);
}

static bool is_name(const struct chat_token *t, const char *name)
{
    return t->kind == CHAT_TOK_NAME && chat_is(t->text, name);
}

bool chat_at_op(const struct chat_parser *p, const char *op)
{
    return is_op(p->tok, op);
}

bool chat_at_name(const struct chat_parser *p, const char *name)
{
    return is_name(p->tok, name);
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
static int join(struct chat_node **a, struct chat_parser *p, enum chat_kind kind, size_t at,
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

static int name_node(struct chat_node **out, struct chat_parser *p, enum chat_kind kind)
{
    if (p->tok->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a name");
    *out = chat_node_new(p, kind, p->tok->at);
    if (!*out)
        return p->err->code;
    (*out)->text = p->tok++->text;
    return 0;
}

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
                rc = join(&key, p, CHAT_N_PAIR, key->at, n);
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
static int word(struct chat_node **out, struct chat_parser *p)
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
    const int rc = name_node(out, p, CHAT_N_NAME);

    for (size_t i = 0; !rc && i < sizeof(known) / sizeof(known[0]); i++)
        if (chat_is((*out)->text, known[i].name)) {
            (*out)->kind = CHAT_N_CONST;
            (*out)->value = known[i].type == CHAT_BOOL ? chat_bool(known[i].b) : chat_none();
        }
    return rc;
}

static int tuple(struct chat_node **out, struct chat_parser *p, bool cond, bool empty);

static int primary(struct chat_node **out, struct chat_parser *p)
{
    int rc;

    switch (p->tok->kind) {
    case CHAT_TOK_NAME:
        return word(out, p);
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
    rc = tuple(out, p, true, true);
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
    else if (p->tok->kind == CHAT_TOK_NAME && is_op(p->tok + 1, "="))
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
    int rc = join(n, p, CHAT_N_ITEM, p->tok++->at, NULL);

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

static int attribute(struct chat_node **n, struct chat_parser *p)
{
    const size_t at = p->tok++->at;
    struct chat_node *key = NULL;
    int rc;

    if (p->tok->kind == CHAT_TOK_INT) {
        rc = number(&key, p);
        return rc ? rc : join(n, p, CHAT_N_ITEM, at, key);
    }
    if (p->tok->kind != CHAT_TOK_NAME)
        return chat_expected(p, "a name");
    rc = join(n, p, CHAT_N_ATTR, at, NULL);
    if (!rc)
        (*n)->text = p->tok++->text;
    return rc;
}

static int call(struct chat_node **n, struct chat_parser *p)
{
    const int rc = join(n, p, CHAT_N_CALL, p->tok++->at, NULL);

    return rc ? rc : arguments(&(*n)->list, p);
}

static int postfix(struct chat_node **n, struct chat_parser *p)
{
    int rc = 0;

    while (!rc) {
        if (chat_at_op(p, "."))
            rc = attribute(n, p);
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
    rc = join(n, p, CHAT_N_FILTER, name->at, NULL);
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
        return !is_name(t, "else") && !is_name(t, "or") && !is_name(t, "and") &&
               !is_name(t, "if") && !is_name(t, "is") && !is_name(t, "in") && !is_name(t, "not");
    return t->kind == CHAT_TOK_STRING || t->kind == CHAT_TOK_INT || t->kind == CHAT_TOK_FLOAT ||
           is_op(t, "[") || is_op(t, "{");
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
    rc = join(n, p, CHAT_N_TEST, name->at, NULL);
    if (rc)
        return rc;
    (*n)->text = name->text;
    (*n)->func = chat_test(name->text);
    if (chat_skip_op(p, "(")) {
        rc = arguments(&(*n)->list, p);
    } else if (bare_argument(p)) {
        rc = primary(&(*n)->list, p);
        if (!rc)
            rc = postfix(&(*n)->list, p);
    }
    return !rc && negated ? join(n, p, CHAT_N_NOT, at, NULL) : rc;
}

static int filters_and_tests(struct chat_node **n, struct chat_parser *p)
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

/* ---- operators --------------------------------------------------------------------------- */

static int unary(struct chat_node **out, struct chat_parser *p, bool filters)
{
    const bool minus = chat_at_op(p, "-");
    const size_t at = p->tok->at;
    int rc = chat_deeper(p);

    if (rc)
        return rc;
    if (minus || chat_at_op(p, "+")) {
        p->tok++;
        rc = unary(out, p, false);
        if (!rc)
            rc = join(out, p, minus ? CHAT_N_NEGATE : CHAT_N_PLUS, at, NULL);
    } else {
        rc = primary(out, p);
    }
    if (!rc)
        rc = postfix(out, p);
    if (!rc && filters)
        rc = filters_and_tests(out, p);
    p->depth--;
    return rc;
}

struct level {
    const char *const *names; /* ends with NULL */
    const enum chat_op *ops;
    int (*next)(struct chat_node **out, struct chat_parser *p);
};

static int binary(struct chat_node **out, struct chat_parser *p, const struct level *level)
{
    int rc = level->next(out, p);
    size_t i = 0;

    while (!rc) {
        const size_t at = p->tok->at;
        struct chat_node *b = NULL;
        for (i = 0; level->names[i] && !chat_at_op(p, level->names[i]); i++)
            ;
        if (!level->names[i])
            break;
        p->tok++;
        rc = level->next(&b, p);
        if (!rc)
            rc = join(out, p, CHAT_N_BINARY, at, b);
        if (!rc)
            (*out)->op = level->ops[i];
    }
    return rc;
}

static int plain(struct chat_node **out, struct chat_parser *p)
{
    return unary(out, p, true);
}

static int power(struct chat_node **out, struct chat_parser *p)
{
    static const char *const names[] = {"**", NULL};
    static const enum chat_op ops[] = {CHAT_POW};
    const struct level level = {names, ops, plain};

    return binary(out, p, &level);
}

static int product(struct chat_node **out, struct chat_parser *p)
{
    static const char *const names[] = {"*", "/", "//", "%", NULL};
    static const enum chat_op ops[] = {CHAT_MUL, CHAT_DIV, CHAT_FLOOR, CHAT_MOD};
    const struct level level = {names, ops, power};

    return binary(out, p, &level);
}

static int concat(struct chat_node **out, struct chat_parser *p)
{
    const size_t at = p->tok->at;
    int rc = product(out, p);

    if (rc || !chat_at_op(p, "~"))
        return rc;
    struct chat_node *n = chat_node_new(p, CHAT_N_CONCAT, at);
    if (!n)
        return p->err->code;
    n->list = *out;
    for (struct chat_node *last = *out; !rc && chat_skip_op(p, "~"); last = last->next)
        rc = product(&last->next, p);
    *out = n;
    return rc;
}

static int sum(struct chat_node **out, struct chat_parser *p)
{
    static const char *const names[] = {"+", "-", NULL};
    static const enum chat_op ops[] = {CHAT_ADD, CHAT_SUB};
    const struct level level = {names, ops, concat};

    return binary(out, p, &level);
}

/* The comparison that begins here, which is passed. */
static bool comparison(enum chat_op *op, struct chat_parser *p)
{
    static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (chat_skip_op(p, names[i])) {
            *op = (enum chat_op)(CHAT_EQ + i);
            return true;
        }
    *op = CHAT_IN;
    if (chat_skip_name(p, "in"))
        return true;
    *op = CHAT_NOT_IN;
    if (!chat_at_name(p, "not") || !is_name(p->tok + 1, "in"))
        return false;
    p->tok += 2;
    return true;
}

static int compare(struct chat_node **out, struct chat_parser *p)
{
    size_t at = p->tok->at;
    struct chat_node **list = NULL;
    enum chat_op op;
    int rc = sum(out, p);

    for (; !rc; at = p->tok->at) {
        const size_t at_op = p->tok->at;
        if (!comparison(&op, p))
            break;
        if (!list) {
            rc = join(out, p, CHAT_N_COMPARE, at, NULL);
            if (rc)
                break;
            list = &(*out)->list;
        }
        *list = chat_node_new(p, CHAT_N_AGAINST, at_op);
        if (!*list)
            return p->err->code;
        (*list)->op = op;
        rc = sum(&(*list)->a, p);
        list = &(*list)->next;
    }
    return rc;
}

static int negation(struct chat_node **out, struct chat_parser *p)
{
    const size_t at = p->tok->at;
    int rc;

    if (!chat_at_name(p, "not"))
        return compare(out, p);
    p->tok++;
    rc = chat_deeper(p);
    if (rc)
        return rc;
    rc = negation(out, p);
    p->depth--;
    return rc ? rc : join(out, p, CHAT_N_NOT, at, NULL);
}

static int conjunction(struct chat_node **out, struct chat_parser *p)
{
    int rc = negation(out, p);

    while (!rc && chat_at_name(p, "and")) {
        const size_t at = p->tok++->at;
        struct chat_node *b = NULL;
        rc = negation(&b, p);
        if (!rc)
            rc = join(out, p, CHAT_N_AND, at, b);
    }
    return rc;
}

static int chat_expr_or(struct chat_node **out, struct chat_parser *p)
{
    int rc = conjunction(out, p);

    while (!rc && chat_at_name(p, "or")) {
        const size_t at = p->tok++->at;
        struct chat_node *b = NULL;
        rc = conjunction(&b, p);
        if (!rc)
            rc = join(out, p, CHAT_N_OR, at, b);
    }
    return rc;
}

int chat_expr(struct chat_node **out, struct chat_parser *p)
{
    int rc = chat_deeper(p);

    if (rc)
        return rc;
    rc = chat_expr_or(out, p);
    while (!rc && chat_at_name(p, "if")) {
        struct chat_node *n = chat_node_new(p, CHAT_N_COND, p->tok++->at);
        if (!n)
            return p->err->code;
        n->b = *out;
        rc = chat_expr_or(&n->a, p);
        if (!rc && chat_skip_name(p, "else"))
            rc = chat_expr(&n->c, p);
        *out = n;
    }
    p->depth--;
    return rc;
}

/* ---- tuples and targets ------------------------------------------------------------------ */

static bool tuple_ends(const struct chat_parser *p)
{
    return p->tok->kind == CHAT_TOK_PRINT_END || p->tok->kind == CHAT_TOK_BLOCK_END ||
           chat_at_op(p, ")") || chat_at_name(p, "in") || chat_at_name(p, "recursive");
}

/* empty: nothing at all is a tuple. */
static int tuple(struct chat_node **out, struct chat_parser *p, bool cond, bool empty)
{
    const size_t at = p->tok->at;
    struct chat_node *first = NULL, **list = &first;
    bool comma = false;
    int rc = 0;

    while (!rc && !(tuple_ends(p) && (comma || empty))) {
        rc = cond ? chat_expr(list, p) : chat_expr_or(list, p);
        if (rc || !chat_skip_op(p, ","))
            break;
        comma = true;
        list = &(*list)->next;
    }
    *out = first;
    if (rc || (first && !comma))
        return rc;
    *out = chat_node_new(p, CHAT_N_TUPLE, at);
    if (!*out)
        return p->err->code;
    (*out)->list = first;
    return 0;
}

int chat_expr_tuple(struct chat_node **out, struct chat_parser *p, bool cond)
{
    return tuple(out, p, cond, false);
}

static int target_item(struct chat_node **out, struct chat_parser *p, bool space)
{
    int rc;

    if (chat_skip_op(p, "(")) {
        rc = chat_deeper(p);
        if (!rc)
            rc = chat_target(out, p, space);
        p->depth -= !rc;
        return rc ? rc : chat_need_op(p, ")");
    }
    const size_t at = p->tok->at;
    rc = word(out, p);
    if (!rc && (*out)->kind == CHAT_N_CONST)
        return chat_bad(p->err, ERR_FORMAT, p->chat->text, at, "this cannot be assigned to");
    if (rc || !space || !chat_at_op(p, "."))
        return rc;
    return attribute(out, p);
}

int chat_target(struct chat_node **out, struct chat_parser *p, bool space)
{
    const size_t at = p->tok->at;
    struct chat_node *first = NULL, **list = &first;
    bool comma = false;
    int rc = 0;

    do {
        rc = target_item(list, p, space);
        if (rc || !chat_skip_op(p, ","))
            break;
        comma = true;
        list = &(*list)->next;
    } while (!tuple_ends(p) && !chat_at_op(p, "="));
    *out = first;
    if (rc || !comma)
        return rc;
    *out = chat_node_new(p, CHAT_N_TUPLE, at);
    if (!*out)
        return p->err->code;
    (*out)->list = first;
    return 0;
}
