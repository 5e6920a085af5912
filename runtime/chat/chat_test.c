/* Tests: "x is defined". */

#include "runtime/chat/chat_parts.h"

static int yes(struct chat_value *out, bool b)
{
    *out = chat_bool(b);
    return 0;
}

static int is_defined(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type != CHAT_UNDEFINED);
}

static int is_undefined(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_UNDEFINED);
}

static int is_none(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_NONE);
}

static int is_boolean(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_BOOL);
}

static int is_true(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_BOOL && c->self.u.b);
}

static int is_false(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_BOOL && !c->self.u.b);
}

static int is_integer(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_INT);
}

static int is_float(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_FLOAT);
}

static int is_number(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out,
               c->self.type == CHAT_INT || c->self.type == CHAT_FLOAT || c->self.type == CHAT_BOOL);
}

static int is_string(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_STR);
}

static int is_mapping(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_DICT);
}

static bool has_items(struct chat_value v)
{
    return v.type == CHAT_STR || v.type == CHAT_LIST || v.type == CHAT_TUPLE || v.type == CHAT_DICT;
}

/* What has a length and items: undefined values, too. */
static int is_sequence(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, has_items(c->self) || c->self.type == CHAT_UNDEFINED);
}

static int is_iterable(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, has_items(c->self) || c->self.type == CHAT_UNDEFINED);
}

static int is_callable(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return yes(out, c->self.type == CHAT_FUNC || c->self.type == CHAT_METHOD ||
                        c->self.type == CHAT_MACRO || c->self.type == CHAT_UNDEFINED);
}

static int same_case(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                     enum chat_case how)
{
    struct chat_value other;
    struct chat_str s;
    bool same;
    int rc = chat_self_str(&s, r, c);

    if (!rc)
        rc = chat_recase(&other, r, s, how);
    if (rc)
        return rc;
    same = chat_same(other.u.s, s);
    if (same) { /* with a letter in it */
        rc = chat_recase(&other, r, s, how == CHAT_LOWER ? CHAT_UPPER : CHAT_LOWER);
        same = !rc && !chat_same(other.u.s, s);
    }
    return rc ? rc : yes(out, same);
}

static int is_lower(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return same_case(out, r, c, CHAT_LOWER);
}

static int is_upper(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return same_case(out, r, c, CHAT_UPPER);
}

/* The rest of a division, for odd, even and divisibleby. */
static int rest(int64_t *out, struct chat_run *r, const struct chat_call *c, int64_t by)
{
    if (c->self.type != CHAT_INT && c->self.type != CHAT_BOOL)
        return chat_fail(r, c->node, "\"%s\" is not a whole number", chat_type_name(c->self));
    if (!by)
        return chat_fail(r, c->node, "division by zero");
    *out = c->self.type == CHAT_BOOL ? c->self.u.b % by : by == -1 ? 0 : c->self.u.i % by;
    return 0;
}

static int is_odd(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t k = 0;
    const int rc = rest(&k, r, c, 2);

    return rc ? rc : yes(out, k != 0);
}

static int is_even(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t k = 0;
    const int rc = rest(&k, r, c, 2);

    return rc ? rc : yes(out, k == 0);
}

static int is_divisible(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t k = 0, by;
    int rc = chat_arg_int(&by, r, c, 0, 0);

    if (!rc)
        rc = rest(&k, r, c, by);
    return rc ? rc : yes(out, k == 0);
}

static int against(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                   enum chat_op op)
{
    bool b;
    const int rc = chat_compare(&b, r, c->node, op, c->self, c->a[0]);

    return rc ? rc : yes(out, b);
}

static int is_eq(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_EQ);
}

static int is_ne(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_NE);
}

static int is_lt(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_LT);
}

static int is_le(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_LE);
}

static int is_gt(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_GT);
}

static int is_ge(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_GE);
}

static int is_in(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return against(out, r, c, CHAT_IN);
}

/* The same object: of simple values, the same type and value. */
static int is_same(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_value a = c->self, b = c->a[0];
    bool same = a.type == b.type;
    int rc = 0;

    if (same && (a.type == CHAT_LIST || a.type == CHAT_TUPLE || a.type == CHAT_DICT))
        same = a.u.dict == b.u.dict;
    else if (same)
        rc = chat_equal(&same, r, a, b);
    return rc ? rc : yes(out, same);
}

const struct chat_func *chat_test(struct chat_str name)
{
    static const struct chat_func rows[] = {
        {"==",          is_eq,        "other", 1},
        {"!=",          is_ne,        "other", 1},
        {"<",           is_lt,        "other", 1},
        {"<=",          is_le,        "other", 1},
        {">",           is_gt,        "other", 1},
        {">=",          is_ge,        "other", 1},
        {"boolean",     is_boolean,   "",      0},
        {"callable",    is_callable,  "",      0},
        {"defined",     is_defined,   "",      0},
        {"divisibleby", is_divisible, "num",   1},
        {"eq",          is_eq,        "other", 1},
        {"equalto",     is_eq,        "other", 1},
        {"even",        is_even,      "",      0},
        {"false",       is_false,     "",      0},
        {"float",       is_float,     "",      0},
        {"ge",          is_ge,        "other", 1},
        {"greaterthan", is_gt,        "other", 1},
        {"gt",          is_gt,        "other", 1},
        {"in",          is_in,        "seq",   1},
        {"integer",     is_integer,   "",      0},
        {"iterable",    is_iterable,  "",      0},
        {"le",          is_le,        "other", 1},
        {"lessthan",    is_lt,        "other", 1},
        {"lower",       is_lower,     "",      0},
        {"lt",          is_lt,        "other", 1},
        {"mapping",     is_mapping,   "",      0},
        {"ne",          is_ne,        "other", 1},
        {"none",        is_none,      "",      0},
        {"number",      is_number,    "",      0},
        {"odd",         is_odd,       "",      0},
        {"sameas",      is_same,      "other", 1},
        {"sequence",    is_sequence,  "",      0},
        {"string",      is_string,    "",      0},
        {"true",        is_true,      "",      0},
        {"undefined",   is_undefined, "",      0},
        {"upper",       is_upper,     "",      0},
    };

    return chat_row(rows, sizeof(rows) / sizeof(rows[0]), name);
}
