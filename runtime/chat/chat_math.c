/* Operators on values, as Python's. */

#include "runtime/chat/chat_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_number(struct chat_value v)
{
    return v.type == CHAT_INT || v.type == CHAT_FLOAT || v.type == CHAT_BOOL;
}

static bool is_items(struct chat_value v)
{
    return v.type == CHAT_LIST || v.type == CHAT_TUPLE;
}

static int64_t whole(struct chat_value v)
{
    return v.type == CHAT_BOOL ? v.u.b : v.u.i;
}

static double real(struct chat_value v)
{
    return v.type == CHAT_FLOAT ? v.u.f : (double)whole(v);
}

/* ---- arithmetic -------------------------------------------------------------------------- */

static int too_large(struct chat_run *r, const struct chat_node *n)
{
    return chat_fail(r, n, "the number becomes too large");
}

static int power(struct chat_value *out, struct chat_run *r, const struct chat_node *n, int64_t a,
                 int64_t b)
{
    int64_t x = 1;

    if (b < 0) {
        if (!a)
            return chat_fail(r, n, "division by zero");
        *out = chat_float(pow((double)a, (double)b));
        return 0;
    }
    for (; b; b >>= 1) {
        if ((b & 1) && __builtin_mul_overflow(x, a, &x))
            return too_large(r, n);
        if (b > 1 && __builtin_mul_overflow(a, a, &a))
            return too_large(r, n);
    }
    *out = chat_int(x);
    return 0;
}

/* Rounded down, the rest with the sign of b. */
static int divide(struct chat_value *out, struct chat_run *r, const struct chat_node *n, int64_t a,
                  int64_t b)
{
    if (!b)
        return chat_fail(r, n, "division by zero");
    if (n->op == CHAT_DIV) {
        *out = chat_float((double)a / (double)b);
        return 0;
    }
    if (b == -1) { /* the one that overflows */
        if (n->op == CHAT_FLOOR && a == INT64_MIN)
            return too_large(r, n);
        *out = chat_int(n->op == CHAT_FLOOR ? -a : 0);
        return 0;
    }
    const bool down = a % b && (a < 0) != (b < 0);
    *out = chat_int(n->op == CHAT_FLOOR ? a / b - down : a % b + (down ? b : 0));
    return 0;
}

static int of_ints(struct chat_value *out, struct chat_run *r, const struct chat_node *n, int64_t a,
                   int64_t b)
{
    int64_t x = 0;
    bool over = false;

    switch (n->op) {
    case CHAT_ADD:
        over = __builtin_add_overflow(a, b, &x);
        break;
    case CHAT_SUB:
        over = __builtin_sub_overflow(a, b, &x);
        break;
    case CHAT_MUL:
        over = __builtin_mul_overflow(a, b, &x);
        break;
    case CHAT_POW:
        return power(out, r, n, a, b);
    default:
        return divide(out, r, n, a, b);
    }
    *out = chat_int(x);
    return over ? too_large(r, n) : 0;
}

static int of_floats(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                     double a, double b)
{
    const bool zero = !(b < 0 || b > 0) && !isnan(b);
    double x = 0;

    if (zero && (n->op == CHAT_DIV || n->op == CHAT_FLOOR || n->op == CHAT_MOD))
        return chat_fail(r, n, "division by zero");
    switch (n->op) {
    case CHAT_ADD:
        x = a + b;
        break;
    case CHAT_SUB:
        x = a - b;
        break;
    case CHAT_MUL:
        x = a * b;
        break;
    case CHAT_POW:
        x = pow(a, b);
        break;
    case CHAT_DIV:
        x = a / b;
        break;
    case CHAT_FLOOR:
        x = floor(a / b);
        break;
    default:
        x = fmod(a, b);
        if ((x < 0 || x > 0) && (x < 0) != (b < 0))
            x += b;
        break;
    }
    *out = chat_float(x);
    return 0;
}

/* ---- texts and lists --------------------------------------------------------------------- */

static int join(struct chat_value *out, struct chat_run *r, struct chat_str a, struct chat_str b)
{
    char *s = a.n + b.n <= CHAT_OUT_MAX ? chat_alloc(r, a.n + b.n + 1) : NULL;

    if (!s)
        return a.n + b.n <= CHAT_OUT_MAX
                   ? r->err->code
                   : err_set(r->err, ERR_FORMAT, "chat template: a text of more than %d MiB",
                             CHAT_OUT_MAX >> 20);
    if (a.n)
        memcpy(s, a.p, a.n);
    if (b.n)
        memcpy(s + a.n, b.p, b.n);
    *out = chat_text_of((struct chat_str){s, a.n + b.n});
    return chat_step(r, (a.n + b.n) / 64);
}

static int join_items(struct chat_value *out, struct chat_run *r, struct chat_value a,
                      struct chat_value b)
{
    int rc = chat_list_new(out, r, a.u.list->n + b.u.list->n);

    for (size_t i = 0; !rc && i < a.u.list->n; i++)
        rc = chat_list_add(r, out->u.list, a.u.list->at[i]);
    for (size_t i = 0; !rc && i < b.u.list->n; i++)
        rc = chat_list_add(r, out->u.list, b.u.list->at[i]);
    if (!rc)
        out->type = a.type;
    return rc ? rc : chat_step(r, out->u.list->n);
}

static int repeat(struct chat_value *out, struct chat_run *r, struct chat_value v, int64_t times)
{
    struct buf b = {0};
    int rc = 0;

    if (v.type == CHAT_STR) {
        for (int64_t i = 0; !rc && v.u.s.n && i < times; i++)
            rc = chat_put(r, &b, v.u.s.p, v.u.s.n);
        return chat_str_take(out, r, &b, rc);
    }
    rc = chat_list_new(out, r, 0);
    for (int64_t i = 0; !rc && v.u.list->n && i < times; i++)
        for (size_t k = 0; !rc && k < v.u.list->n; k++)
            rc = chat_list_add(r, out->u.list, v.u.list->at[k]);
    if (!rc)
        out->type = v.type;
    return rc;
}

int chat_binary(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                struct chat_value a, struct chat_value b)
{
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**"};
    const bool numbers = is_number(a) && is_number(b);

    if (numbers && a.type != CHAT_FLOAT && b.type != CHAT_FLOAT)
        return of_ints(out, r, n, whole(a), whole(b));
    if (numbers)
        return of_floats(out, r, n, real(a), real(b));
    if (n->op == CHAT_ADD && a.type == CHAT_STR && b.type == CHAT_STR)
        return join(out, r, a.u.s, b.u.s);
    if (n->op == CHAT_ADD && is_items(a) && a.type == b.type)
        return join_items(out, r, a, b);
    if (n->op == CHAT_MUL && (a.type == CHAT_STR || is_items(a)) && b.type == CHAT_INT)
        return repeat(out, r, a, b.u.i);
    if (n->op == CHAT_MUL && a.type == CHAT_INT && (b.type == CHAT_STR || is_items(b)))
        return repeat(out, r, b, a.u.i);
    if (n->op == CHAT_MOD && a.type == CHAT_STR) {
        struct chat_list one = {&b, 1, 1};
        return chat_printf(out, r, n, a.u.s, b.type == CHAT_TUPLE ? b.u.list : &one);
    }
    if (a.type == CHAT_UNDEFINED || b.type == CHAT_UNDEFINED) {
        const struct chat_str s = a.type == CHAT_UNDEFINED ? a.u.s : b.u.s;
        return chat_fail(r, n, "\"%.*s\" is undefined", (int)(s.n < 60 ? s.n : 60), s.p);
    }
    return chat_fail(r, n, "%s %s %s is not defined", chat_type_name(a), names[n->op],
                     chat_type_name(b));
}

/* ---- comparison -------------------------------------------------------------------------- */

static int equal_items(bool *out, struct chat_run *r, const struct chat_list *a,
                       const struct chat_list *b)
{
    int rc = 0;

    *out = a->n == b->n;
    for (size_t i = 0; !rc && *out && i < a->n; i++)
        rc = chat_equal(out, r, a->at[i], b->at[i]);
    return rc;
}

static int equal_dicts(bool *out, struct chat_run *r, const struct chat_dict *a,
                       const struct chat_dict *b)
{
    int rc = 0;

    *out = a->n == b->n;
    for (size_t i = 0; !rc && *out && i < a->n; i++) {
        struct chat_value *v;
        rc = chat_dict_get(&v, r, b, a->at[i].key);
        *out = v != NULL;
        if (!rc && v)
            rc = chat_equal(out, r, a->at[i].value, *v);
    }
    return rc;
}

static int equal(bool *out, struct chat_run *r, struct chat_value a, struct chat_value b)
{
    *out = false;
    if (is_number(a) && is_number(b)) {
        *out =
            a.type == CHAT_FLOAT || b.type == CHAT_FLOAT
                ? !(real(a) < real(b)) && !(real(a) > real(b)) && !isnan(real(a)) && !isnan(real(b))
                : whole(a) == whole(b);
        return 0;
    }
    if (a.type != b.type)
        return 0;
    switch (a.type) {
    case CHAT_UNDEFINED:
    case CHAT_NONE:
        *out = true;
        return 0;
    case CHAT_STR:
        *out = chat_same(a.u.s, b.u.s);
        return chat_step(r, *out ? a.u.s.n / 64 : 0);
    case CHAT_LIST:
    case CHAT_TUPLE:
        return a.u.list == b.u.list ? (*out = true, 0) : equal_items(out, r, a.u.list, b.u.list);
    case CHAT_DICT:
        return a.u.dict == b.u.dict ? (*out = true, 0) : equal_dicts(out, r, a.u.dict, b.u.dict);
    default:
        *out = a.u.dict == b.u.dict; /* the same object */
        return 0;
    }
}

int chat_equal(bool *out, struct chat_run *r, struct chat_value a, struct chat_value b)
{
    int rc = ++r->depth > CHAT_DEPTH_MAX
                 ? err_set(r->err, ERR_FORMAT, "chat template: values nested deeper than %d",
                           CHAT_DEPTH_MAX)
                 : chat_step(r, 1);

    if (!rc)
        rc = equal(out, r, a, b);
    r->depth--;
    return rc;
}

static int compare_str(struct chat_str a, struct chat_str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

/* a < b; the first items that differ decide. */
static int less(bool *out, struct chat_run *r, const struct chat_node *n, struct chat_value a,
                struct chat_value b)
{
    bool same = true;
    int rc = 0;

    *out = false;
    if (is_number(a) && is_number(b)) {
        *out =
            a.type == CHAT_FLOAT || b.type == CHAT_FLOAT ? real(a) < real(b) : whole(a) < whole(b);
        return 0;
    }
    if (a.type == CHAT_STR && b.type == CHAT_STR) {
        *out = compare_str(a.u.s, b.u.s) < 0;
        return chat_step(r, (a.u.s.n < b.u.s.n ? a.u.s.n : b.u.s.n) / 64);
    }
    if (!is_items(a) || a.type != b.type)
        return chat_fail(r, n, "%s and %s have no order", chat_type_name(a), chat_type_name(b));
    const struct chat_list *x = a.u.list, *y = b.u.list;
    for (size_t i = 0; !rc && i < x->n && i < y->n; i++) {
        rc = chat_equal(&same, r, x->at[i], y->at[i]);
        if (rc || same)
            continue;
        if (++r->depth > CHAT_DEPTH_MAX)
            rc = chat_fail(r, n, "values nested deeper than %d", CHAT_DEPTH_MAX);
        if (!rc)
            rc = less(out, r, n, x->at[i], y->at[i]);
        r->depth--;
        return rc;
    }
    *out = x->n < y->n;
    return rc;
}

static int contains(bool *out, struct chat_run *r, const struct chat_node *n, struct chat_value a,
                    struct chat_value b)
{
    struct chat_value *v;
    int rc = 0;

    *out = false;
    switch (b.type) {
    case CHAT_UNDEFINED:
        return 0;
    case CHAT_STR:
        if (a.type != CHAT_STR)
            return chat_fail(r, n, "%s cannot be looked for in a text", chat_type_name(a));
        rc = chat_look(r, b.u.s.n, a.u.s.n);
        *out = !rc && chat_find_str(b.u.s, a.u.s, 0) != SIZE_MAX;
        return rc;
    case CHAT_DICT:
        rc = chat_dict_get(&v, r, b.u.dict, a);
        *out = !rc && v;
        return rc;
    case CHAT_LIST:
    case CHAT_TUPLE:
        for (size_t i = 0; !rc && !*out && i < b.u.list->n; i++)
            rc = chat_equal(out, r, a, b.u.list->at[i]);
        return rc;
    default:
        return chat_fail(r, n, "nothing can be in \"%s\"", chat_type_name(b));
    }
}

int chat_compare(bool *out, struct chat_run *r, const struct chat_node *n, enum chat_op op,
                 struct chat_value a, struct chat_value b)
{
    int rc;

    switch (op) {
    case CHAT_EQ:
        return chat_equal(out, r, a, b);
    case CHAT_NE:
        rc = chat_equal(out, r, a, b);
        break;
    case CHAT_LT:
        return less(out, r, n, a, b);
    case CHAT_GT:
        return less(out, r, n, b, a);
    case CHAT_LE: /* no NaN among what can be written */
        rc = less(out, r, n, b, a);
        break;
    case CHAT_GE:
        rc = less(out, r, n, a, b);
        break;
    case CHAT_IN:
        return contains(out, r, n, a, b);
    default:
        rc = contains(out, r, n, a, b);
        break;
    }
    *out = !*out;
    return rc;
}

/* ---- slices ------------------------------------------------------------------------------ */

static int bound(int64_t *out, struct chat_run *r, const struct chat_node *n, struct chat_value v,
                 int64_t absent, int64_t len, int64_t least)
{
    *out = absent;
    if (v.type == CHAT_NONE || v.type == CHAT_ABSENT)
        return 0;
    if (v.type != CHAT_INT && v.type != CHAT_BOOL)
        return chat_fail(r, n, "a slice needs whole numbers, not %s", chat_type_name(v));
    int64_t i = whole(v);
    if (i < 0)
        i = i < -len ? least : i + len;
    *out = i < least ? least : i > len + least ? len + least : i;
    return 0;
}

static int add_item(struct chat_run *r, struct chat_list *items, struct buf *b,
                    const struct chat_list *list, struct chat_str text, int64_t i)
{
    if (list)
        return chat_list_add(r, items, list->at[i]);
    const size_t from = chat_char_at(text, (size_t)i), to = chat_char_at(text, (size_t)i + 1);
    const int rc = chat_step(r, (size_t)i / 8);
    return rc ? rc : chat_put(r, b, text.p + from, to - from);
}

int chat_slice(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
               struct chat_value of, const struct chat_value part[3])
{
    const struct chat_list *list = is_items(of) ? of.u.list : NULL;
    const struct chat_str text = of.type == CHAT_STR ? of.u.s : (struct chat_str){0};
    int64_t step = 1, from, to;
    struct chat_list items = {0};
    struct buf b = {0};

    if (!list && of.type != CHAT_STR)
        return chat_fail(r, n, "\"%s\" cannot be sliced", chat_type_name(of));
    if (part[2].type == CHAT_INT)
        step = part[2].u.i;
    else if (part[2].type != CHAT_NONE && part[2].type != CHAT_ABSENT)
        return chat_fail(r, n, "a slice needs whole numbers");
    if (!step)
        return chat_fail(r, n, "a slice with a step of 0");
    const int64_t len = (int64_t)(list ? list->n : chat_chars(text)), least = step < 0 ? -1 : 0;
    int rc = bound(&from, r, n, part[0], step < 0 ? len - 1 : 0, len, least);
    if (!rc)
        rc = bound(&to, r, n, part[1], step < 0 ? -1 : len, len, least);
    if (rc)
        return rc;
    if (!list && step == 1) {
        const size_t x = chat_char_at(text, (size_t)from);
        const size_t y = from < to ? chat_char_at(text, (size_t)to) : x;
        *out = chat_text_of((struct chat_str){text.p + x, y - x});
        return chat_step(r, text.n / 16);
    }
    for (int64_t i = from; !rc && (step > 0 ? i < to : i > to);) {
        rc = add_item(r, &items, &b, list, text, i);
        if (step > 0 ? step >= to - i : step <= to - i)
            break;
        i += step;
    }
    if (!list)
        return chat_str_take(out, r, &b, rc);
    buf_release(&b);
    if (!rc)
        rc = chat_list_new(out, r, 0);
    if (!rc) {
        *out->u.list = items;
        out->type = of.type;
    }
    return rc;
}

/* ---- "%s" -------------------------------------------------------------------------------- */

/* One conversion, its flags and width in spec[0, n) without the letter. */
static int convert(struct chat_run *r, struct buf *b, const struct chat_node *n, const char *spec,
                   size_t n_spec, char kind, struct chat_value v)
{
    char fmt[32], s[400];

    if (kind == 's' || kind == 'r') {
        if (n_spec)
            return chat_fail(r, n, "a width in \"%%%c\" is not supported", kind);
        return kind == 's' ? chat_print(r, b, v) : chat_repr(r, b, v);
    }
    if (!is_number(v))
        return chat_fail(r, n, "\"%%%c\" needs a number, not %s", kind, chat_type_name(v));
    if (kind == 'd' || kind == 'i' || kind == 'x' || kind == 'X') {
        const double f = real(v);
        if (v.type == CHAT_FLOAT && !(fabs(f) < 0x1p62))
            return too_large(r, n);
        const int64_t i = v.type == CHAT_FLOAT ? (int64_t)f : whole(v);
        (void)snprintf(fmt, sizeof(fmt), "%%%.*s%s", (int)n_spec, spec,
                       kind == 'x'   ? PRIx64
                       : kind == 'X' ? PRIX64
                                     : PRId64);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(s, sizeof(s), fmt, i);
    } else {
        (void)snprintf(fmt, sizeof(fmt), "%%%.*s%c", (int)n_spec, spec, kind);
        (void)snprintf(s, sizeof(s), fmt, real(v));
#pragma GCC diagnostic pop
    }
    return chat_put(r, b, s, strlen(s));
}

static int printf_one(size_t *at, size_t *used, struct chat_run *r, struct buf *b,
                      const struct chat_node *n, struct chat_str f, const struct chat_list *args)
{
    enum { SPEC_MAX = 6 };
    size_t i = *at + 1, k = 0;

    while (i + k < f.n && k <= SPEC_MAX && strchr("+- 0123456789.", f.p[i + k]) && f.p[i + k])
        k++;
    if (i + k >= f.n || k > SPEC_MAX || !f.p[i + k] || !strchr("sdifrxXgGeE%", f.p[i + k]))
        return chat_fail(r, n, "a conversion that is not supported in a format");
    *at = i + k + 1;
    if (f.p[i + k] == '%')
        return chat_put(r, b, "%", 1);
    if (*used >= args->n)
        return chat_fail(r, n, "a format with more conversions than values");
    return convert(r, b, n, f.p + i, k, f.p[i + k], args->at[(*used)++]);
}

int chat_printf(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                struct chat_str format, const struct chat_list *args)
{
    struct buf b = {0};
    size_t at = 0, used = 0;
    int rc = 0;

    while (!rc && at < format.n) {
        if (format.p[at] == '%') {
            rc = printf_one(&at, &used, r, &b, n, format, args);
            continue;
        }
        const char *p = memchr(format.p + at, '%', format.n - at);
        const size_t to = p ? (size_t)(p - format.p) : format.n;
        rc = chat_put(r, &b, format.p + at, to - at);
        at = to;
    }
    if (!rc && used < args->n)
        rc = chat_fail(r, n, "a format with fewer conversions than values");
    return chat_str_take(out, r, &b, rc);
}
