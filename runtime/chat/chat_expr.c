/* Operators of a template's expressions by Jinja's precedences, and tuples. */

#include "runtime/chat/chat_parts.h"

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
            rc = chat_join(out, p, minus ? CHAT_N_NEGATE : CHAT_N_PLUS, at, NULL);
    } else {
        rc = chat_primary(out, p);
    }
    if (!rc)
        rc = chat_postfix(out, p);
    if (!rc && filters)
        rc = chat_filters_and_tests(out, p);
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
            rc = chat_join(out, p, CHAT_N_BINARY, at, b);
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
    if (!chat_at_name(p, "not") || !chat_is_name(p->tok + 1, "in"))
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
            rc = chat_join(out, p, CHAT_N_COMPARE, at, NULL);
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
    return rc ? rc : chat_join(out, p, CHAT_N_NOT, at, NULL);
}

static int conjunction(struct chat_node **out, struct chat_parser *p)
{
    int rc = negation(out, p);

    while (!rc && chat_at_name(p, "and")) {
        const size_t at = p->tok++->at;
        struct chat_node *b = NULL;
        rc = negation(&b, p);
        if (!rc)
            rc = chat_join(out, p, CHAT_N_AND, at, b);
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
            rc = chat_join(out, p, CHAT_N_OR, at, b);
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

int chat_expr_tuple(struct chat_node **out, struct chat_parser *p, bool cond)
{
    const size_t at = p->tok->at;
    struct chat_node *first = NULL, **list = &first;
    bool comma = false;
    int rc = 0;

    while (!rc && !(tuple_ends(p) && comma)) {
        rc = cond ? chat_expr(list, p) : chat_expr_or(list, p);
        if (rc || !chat_skip_op(p, ","))
            break;
        comma = true;
        list = &(*list)->next;
    }
    *out = first;
    if (rc || !comma)
        return rc;
    *out = chat_node_new(p, CHAT_N_TUPLE, at);
    if (!*out)
        return p->err->code;
    (*out)->list = first;
    return 0;
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
    rc = chat_word(out, p);
    if (!rc && (*out)->kind == CHAT_N_CONST)
        return chat_bad(p->err, ERR_FORMAT, p->chat->text, at, "this cannot be assigned to");
    if (rc || !space || !chat_at_op(p, "."))
        return rc;
    return chat_attribute(out, p);
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
