/* Methods of lists, dicts and loops. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

/* ---- lists ------------------------------------------------------------------------------- */

static int list_append(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    *out = chat_none();
    return chat_list_add(r, c->self.u.list, c->a[0]);
}

static int list_extend(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_list *l;
    int rc = chat_items(&l, r, c->node, c->a[0]);
    const size_t n = rc ? 0 : l->n; /* the list itself may be what it is extended by */

    *out = chat_none();
    for (size_t i = 0; !rc && i < n; i++)
        rc = chat_list_add(r, c->self.u.list, l->at[i]);
    return rc;
}

static int list_insert(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_list *l = c->self.u.list;
    int64_t i;
    int rc = chat_arg_int(&i, r, c, 0, 0);

    *out = chat_none();
    if (!rc)
        rc = chat_list_add(r, l, c->a[1]);
    if (rc)
        return rc;
    const int64_t n = (int64_t)l->n - 1;
    i = i < -n ? 0 : i < 0 ? i + n : i > n ? n : i;
    memmove(l->at + i + 1, l->at + i, (size_t)(n - i) * sizeof(*l->at));
    l->at[i] = c->a[1];
    return chat_step(r, l->n / 8);
}

static int list_pop(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_list *l = c->self.u.list;
    const int64_t n = (int64_t)l->n;
    int64_t i;
    const int rc = chat_arg_int(&i, r, c, 0, -1);

    if (rc)
        return rc;
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return chat_fail(r, c->node, "pop beyond the list's end");
    *out = l->at[i];
    memmove(l->at + i, l->at + i + 1, (size_t)(n - 1 - i) * sizeof(*l->at));
    l->n--;
    return chat_step(r, l->n / 8);
}

static int find_item(int64_t *first, int64_t *count, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_list *l = c->self.u.list;
    int rc = 0;

    *first = -1;
    *count = 0;
    for (size_t i = 0; !rc && i < l->n; i++) {
        bool same;
        rc = chat_equal(&same, r, l->at[i], c->a[0]);
        if (rc || !same)
            continue;
        if (!(*count)++)
            *first = (int64_t)i;
    }
    return rc;
}

static int list_index(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t first, count;
    const int rc = find_item(&first, &count, r, c);

    if (!rc && first < 0)
        return chat_fail(r, c->node, "the value is not in the list");
    *out = chat_int(rc ? 0 : first);
    return rc;
}

static int list_count(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t first, count;
    const int rc = find_item(&first, &count, r, c);

    *out = chat_int(rc ? 0 : count);
    return rc;
}

/* ---- dicts ------------------------------------------------------------------------------- */

static int dict_get(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_value *v;
    const int rc = chat_dict_get(&v, r, c->self.u.dict, c->a[0]);

    *out = chat_none();
    if (!rc && v)
        *out = *v;
    else if (c->a[1].type != CHAT_ABSENT)
        *out = c->a[1];
    return rc;
}

static int dict_items(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const int rc = chat_list_new(out, r, c->self.u.dict->n);

    return rc ? rc : chat_pairs(out, r, c->self.u.dict);
}

static int dict_part(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                     bool values)
{
    const struct chat_dict *d = c->self.u.dict;
    int rc = chat_list_new(out, r, d->n);

    for (size_t i = 0; !rc && i < d->n; i++)
        rc = chat_list_add(r, out->u.list, values ? d->at[i].value : d->at[i].key);
    return rc ? rc : chat_step(r, d->n);
}

static int dict_keys(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return dict_part(out, r, c, false);
}

static int dict_values(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return dict_part(out, r, c, true);
}

static int dict_copy(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_dict *d = c->self.u.dict;
    const int rc = chat_dict_new(out, r, d->n);

    if (rc)
        return rc;
    if (d->n)
        memcpy(out->u.dict->at, d->at, d->n * sizeof(*d->at));
    out->u.dict->n = d->n;
    return chat_step(r, d->n);
}

static int dict_update(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_dict *d = c->n && c->arg[0].type == CHAT_DICT ? c->arg[0].u.dict : NULL;
    int rc = 0;

    *out = chat_none();
    if (c->n && !d)
        return chat_fail(r, c->node, "update needs a dict");
    for (size_t i = 0; !rc && d && i < d->n; i++)
        rc = chat_dict_put(r, c->self.u.dict, d->at[i].key, d->at[i].value);
    for (size_t i = 0; !rc && i < c->n_keys; i++)
        rc = chat_dict_put(r, c->self.u.dict, c->key[i].key, c->key[i].value);
    return rc;
}

static int dict_pop(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_dict *d = c->self.u.dict;
    struct chat_value *v;
    const int rc = chat_dict_get(&v, r, d, c->a[0]);

    if (rc)
        return rc;
    if (!v && c->a[1].type == CHAT_ABSENT)
        return chat_fail(r, c->node, "the key is not in the dict");
    *out = v ? *v : c->a[1];
    for (size_t i = 0; v && i < d->n; i++)
        if (&d->at[i].value == v) {
            memmove(d->at + i, d->at + i + 1, (d->n - 1 - i) * sizeof(*d->at));
            d->n--;
            break;
        }
    return 0;
}

/* ---- loops ------------------------------------------------------------------------------- */

static int loop_cycle(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    if (!c->n)
        return chat_fail(r, c->node, "cycle needs values");
    *out = c->arg[c->self.u.loop->i % c->n];
    return 0;
}

static int loop_changed(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_loop *l = c->self.u.loop;
    struct chat_value now;
    bool same = false;
    int rc = chat_list_new(&now, r, c->n);

    for (size_t i = 0; !rc && i < c->n; i++)
        rc = chat_list_add(r, now.u.list, c->arg[i]);
    if (!rc)
        rc = chat_equal(&same, r, now, l->changed);
    l->changed = now;
    *out = chat_bool(!same);
    return rc;
}

const struct chat_func *chat_method_of(enum chat_type type, struct chat_str name)
{
    static const struct chat_func list[] = {
        {"append", list_append, "object",       1},
        {"count",  list_count,  "value",        1},
        {"extend", list_extend, "iterable",     1},
        {"index",  list_index,  "value",        1},
        {"insert", list_insert, "index object", 2},
        {"pop",    list_pop,    "index",        0},
    };
    static const struct chat_func tuple[] = {
        {"count", list_count, "value", 1},
        {"index", list_index, "value", 1},
    };
    static const struct chat_func dict[] = {
        {"copy",   dict_copy,   "",            0},
        {"get",    dict_get,    "key default", 1},
        {"items",  dict_items,  "",            0},
        {"keys",   dict_keys,   "",            0},
        {"pop",    dict_pop,    "key default", 1},
        {"update", dict_update, "*",           0},
        {"values", dict_values, "",            0},
    };
    static const struct chat_func loop[] = {
        {"changed", loop_changed, "*", 0},
        {"cycle",   loop_cycle,   "*", 0},
    };

    switch (type) {
    case CHAT_STR:
        return chat_str_method(name);
    case CHAT_LIST:
        return chat_row(list, sizeof(list) / sizeof(list[0]), name);
    case CHAT_TUPLE:
        return chat_row(tuple, sizeof(tuple) / sizeof(tuple[0]), name);
    case CHAT_DICT:
        return chat_row(dict, sizeof(dict) / sizeof(dict[0]), name);
    case CHAT_LOOP:
        return chat_row(loop, sizeof(loop) / sizeof(loop[0]), name);
    default:
        return NULL;
    }
}
