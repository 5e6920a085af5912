/* Filters of lists: what picks, orders and joins items. */

#include "runtime/chat/chat_filters.h"

#include <string.h>

static int items_of(const struct chat_list **out, struct chat_run *r, const struct chat_call *c)
{
    return chat_items(out, r, c->node, c->self);
}

static struct chat_value *key_of(const struct chat_call *c, const char *name)
{
    const struct chat_dict keys = {c->key, c->n_keys, 0};

    return chat_dict_str(&keys, (struct chat_str){name, strlen(name)});
}

/* An attribute's path; numbers are items. */
static int path_of(struct chat_str *out, struct chat_run *r, const struct chat_value *v)
{
    *out = (struct chat_str){0};
    return v->type == CHAT_ABSENT || v->type == CHAT_NONE ? 0 : chat_to_str(out, r, *v);
}

/* ---- one of them ------------------------------------------------------------------------- */

static int do_first(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    static const struct chat_str name = {"the first of none", 17};
    const struct chat_list *l;
    const int rc = items_of(&l, r, c);

    if (!rc)
        *out = l->n ? l->at[0] : chat_undefined(name);
    return rc;
}

static int do_last(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    static const struct chat_str name = {"the last of none", 16};
    const struct chat_list *l;
    const int rc = items_of(&l, r, c);

    if (!rc)
        *out = l->n ? l->at[l->n - 1] : chat_undefined(name);
    return rc;
}

static int extreme(struct chat_value *out, struct chat_run *r, const struct chat_call *c, bool most)
{
    static const struct chat_str name = {"the extreme of none", 19};
    struct chat_order how = {.any_case = c->a[0].type == CHAT_ABSENT || !chat_true(c->a[0])};
    struct chat_value key, best = chat_none();
    const struct chat_list *l;
    int rc = items_of(&l, r, c);

    *out = chat_undefined(name);
    if (!rc)
        rc = path_of(&how.attribute, r, &c->a[1]);
    for (size_t i = 0; !rc && i < l->n; i++) {
        bool better = !i;
        rc = chat_sort_key(&key, r, c->node, l->at[i], &how);
        if (!rc && i)
            rc = chat_compare(&better, r, c->node, most ? CHAT_GT : CHAT_LT, key, best);
        if (!rc && better) {
            *out = l->at[i];
            best = key;
        }
    }
    return rc;
}

static int do_max(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return extreme(out, r, c, true);
}

static int do_min(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return extreme(out, r, c, false);
}

static int do_sum(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_node add = *c->node;
    const struct chat_list *l;
    struct chat_str path;
    int rc = items_of(&l, r, c);

    add.op = CHAT_ADD;
    *out = c->a[1].type == CHAT_ABSENT ? chat_int(0) : c->a[1];
    if (!rc)
        rc = path_of(&path, r, &c->a[0]);
    for (size_t i = 0; !rc && i < l->n; i++) {
        struct chat_value v = l->at[i];
        if (path.p)
            rc = chat_path(&v, r, c->node, v, path);
        if (!rc)
            rc = chat_binary(out, r, &add, *out, v);
    }
    return rc;
}

static int do_join(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str between = {"", 0}, path;
    const struct chat_list *l;
    struct buf b = {0};
    int rc = items_of(&l, r, c);

    if (!rc && c->a[0].type != CHAT_ABSENT)
        rc = chat_to_str(&between, r, c->a[0]);
    if (!rc)
        rc = path_of(&path, r, &c->a[1]);
    for (size_t i = 0; !rc && i < l->n; i++) {
        struct chat_value v = l->at[i];
        if (i)
            rc = chat_put(r, &b, between.p, between.n);
        if (!rc && path.p)
            rc = chat_path(&v, r, c->node, v, path);
        if (!rc)
            rc = chat_print(r, &b, v);
    }
    return chat_str_take(out, r, &b, rc);
}

/* ---- all of them ------------------------------------------------------------------------- */

static int copy(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_list *l;
    int rc = items_of(&l, r, c);

    if (!rc)
        rc = chat_list_new(out, r, l->n);
    for (size_t i = 0; !rc && i < l->n; i++)
        rc = chat_list_add(r, out->u.list, l->at[i]);
    return rc;
}

static int do_list(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return copy(out, r, c);
}

static int do_reverse(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct buf b = {0};
    int rc = copy(out, r, c);

    if (rc)
        return rc;
    struct chat_list *l = out->u.list;
    for (size_t i = 0; i < l->n / 2; i++) {
        const struct chat_value t = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = t;
    }
    if (c->self.type != CHAT_STR)
        return 0;
    for (size_t i = 0; !rc && i < l->n; i++)
        rc = chat_print(r, &b, l->at[i]);
    return chat_str_take(out, r, &b, rc);
}

static int do_items(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int rc = chat_list_new(out, r, 0);

    if (c->self.type == CHAT_UNDEFINED || rc)
        return rc;
    if (c->self.type != CHAT_DICT)
        return chat_fail(r, c->node, "\"%s\" has no items", chat_type_name(c->self));
    return chat_pairs(out, r, c->self.u.dict);
}

static int do_sort(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_order how = {.reverse = chat_true(c->a[0]), .any_case = !chat_true(c->a[1])};
    int rc = copy(out, r, c);

    if (!rc)
        rc = path_of(&how.attribute, r, &c->a[2]);
    return rc ? rc : chat_sort(r, c->node, out->u.list, &how);
}

static int do_dictsort(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_order how = {
        .reverse = chat_true(c->a[2]), .any_case = !chat_true(c->a[0]), .attribute = {"0", 1}
    };
    struct chat_str by = {"key", 3};
    int rc = chat_arg_str(&by, r, c, 1);

    if (!rc && !chat_is(by, "key") && !chat_is(by, "value"))
        rc = chat_fail(r, c->node, "dictsort goes by \"key\" or \"value\"");
    if (chat_is(by, "value"))
        how.attribute.p = "1";
    if (!rc)
        rc = do_items(out, r, c);
    return rc ? rc : chat_sort(r, c->node, out->u.list, &how);
}

static int do_unique(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_order how = {.any_case = !chat_true(c->a[0])};
    struct chat_value seen, key;
    const struct chat_list *l;
    int rc = items_of(&l, r, c);

    if (!rc)
        rc = path_of(&how.attribute, r, &c->a[1]);
    if (!rc)
        rc = chat_list_new(out, r, 0);
    if (!rc)
        rc = chat_dict_new(&seen, r, 0);
    for (size_t i = 0; !rc && i < l->n; i++) {
        const size_t before = seen.u.dict->n;
        rc = chat_sort_key(&key, r, c->node, l->at[i], &how);
        if (!rc)
            rc = chat_dict_put(r, seen.u.dict, key, chat_none());
        if (!rc && seen.u.dict->n > before)
            rc = chat_list_add(r, out->u.list, l->at[i]);
    }
    return rc;
}

/* ---- map and select ---------------------------------------------------------------------- */

/* A call of what arg[0] names, with the arguments after it. */
static int named(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                 const struct chat_func *f, struct chat_value self, size_t skip)
{
    struct chat_call own = *c;

    if (!f)
        return chat_fail(r, c->node, "no such filter or test");
    own.self = self;
    own.arg = c->arg + skip;
    own.n = c->n - skip;
    return chat_call_func(out, r, f, &own);
}

static int map_one(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                   struct chat_value v)
{
    const struct chat_value *attribute = key_of(c, "attribute"), *other = key_of(c, "default");
    struct chat_str path;
    int rc;

    if (!attribute) {
        if (!c->n || c->arg[0].type != CHAT_STR)
            return chat_fail(r, c->node, "map needs a filter's name or an attribute");
        return named(out, r, c, chat_filter(c->arg[0].u.s), v, 1);
    }
    rc = path_of(&path, r, attribute);
    if (!rc)
        rc = chat_path(out, r, c->node, v, path);
    if (!rc && out->type == CHAT_UNDEFINED && other)
        *out = *other;
    return rc;
}

/* Of nothing at all, none too: nothing comes of nothing. */
static int items_or_none(const struct chat_list **out, struct chat_run *r,
                         const struct chat_call *c)
{
    static const struct chat_list none = {0};

    *out = &none;
    return chat_true(c->self) ? items_of(out, r, c) : 0;
}

static int do_map(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_list *l;
    int rc = items_or_none(&l, r, c);

    if (!rc)
        rc = chat_list_new(out, r, l->n);
    for (size_t i = 0; !rc && i < l->n; i++) {
        struct chat_value v;
        rc = map_one(&v, r, c, l->at[i]);
        if (!rc)
            rc = chat_list_add(r, out->u.list, v);
    }
    return rc;
}

/* Does v (its attribute arg[0], if `attr`) pass the test that is named next? */
static int passes(bool *out, struct chat_run *r, const struct chat_call *c, struct chat_value v,
                  bool attr)
{
    struct chat_value result = v;
    struct chat_str path;
    int rc = 0;

    if (attr) {
        if (!c->n)
            return chat_fail(r, c->node, "an attribute is needed");
        rc = path_of(&path, r, &c->arg[0]);
        if (!rc)
            rc = chat_path(&result, r, c->node, v, path);
    }
    if (!rc && c->n > attr) {
        if (c->arg[attr].type != CHAT_STR)
            return chat_fail(r, c->node, "a test's name is needed");
        rc = named(&result, r, c, chat_test(c->arg[attr].u.s), result, (size_t)attr + 1);
    }
    *out = !rc && chat_true(result);
    return rc;
}

static int select_those(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                        bool attr, bool wanted)
{
    const struct chat_list *l;
    int rc = items_or_none(&l, r, c);

    if (!rc)
        rc = chat_list_new(out, r, 0);
    for (size_t i = 0; !rc && i < l->n; i++) {
        bool yes = false;
        rc = passes(&yes, r, c, l->at[i], attr);
        if (!rc && yes == wanted)
            rc = chat_list_add(r, out->u.list, l->at[i]);
    }
    return rc;
}

static int do_select(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return select_those(out, r, c, false, true);
}

static int do_reject(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return select_those(out, r, c, false, false);
}

static int do_selectattr(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return select_those(out, r, c, true, true);
}

static int do_rejectattr(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return select_those(out, r, c, true, false);
}

const struct chat_func *chat_sift(struct chat_str name)
{
    static const struct chat_func rows[] = {
        {"dictsort",   do_dictsort,   "case_sensitive by reverse",        0},
        {"first",      do_first,      "",                                 0},
        {"items",      do_items,      "",                                 0},
        {"join",       do_join,       "d attribute",                      0},
        {"last",       do_last,       "",                                 0},
        {"list",       do_list,       "",                                 0},
        {"map",        do_map,        "*",                                0},
        {"max",        do_max,        "case_sensitive attribute",         0},
        {"min",        do_min,        "case_sensitive attribute",         0},
        {"reject",     do_reject,     "*",                                0},
        {"rejectattr", do_rejectattr, "*",                                0},
        {"reverse",    do_reverse,    "",                                 0},
        {"select",     do_select,     "*",                                0},
        {"selectattr", do_selectattr, "*",                                0},
        {"sort",       do_sort,       "reverse case_sensitive attribute", 0},
        {"sum",        do_sum,        "attribute start",                  0},
        {"unique",     do_unique,     "case_sensitive attribute",         0},
    };

    return chat_row(rows, sizeof(rows) / sizeof(rows[0]), name);
}
