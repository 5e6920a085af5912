/* Values of a template, and the bounds of what it may use. */

#include "runtime/chat/chat_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 32 << 10, ALIGN = 16 };

/* ---- bounds ------------------------------------------------------------------------------ */

int chat_fail(struct chat_run *r, const struct chat_node *n, const char *fmt, ...)
{
    char what[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return chat_bad(r->err, ERR_FORMAT, r->chat->text, n->at, "%s", what);
}

int chat_step(struct chat_run *r, size_t n)
{
    r->steps += n;
    return r->steps <= CHAT_STEPS_MAX
               ? 0
               : err_set(r->err, ERR_FORMAT, "chat template: does not end within %d steps",
                         CHAT_STEPS_MAX);
}

int chat_look(struct chat_run *r, size_t n, size_t m)
{
    return chat_step(r, n / 16 + n / 64 * (m / 64));
}

void *chat_alloc(struct chat_run *r, size_t n)
{
    if (n > CHAT_MEMORY_MAX || r->memory + n > CHAT_MEMORY_MAX) {
        (void)err_set(r->err, ERR_FORMAT, "chat template: more than %d MiB of values",
                      CHAT_MEMORY_MAX >> 20);
        return NULL;
    }
    n = (n + ALIGN) / ALIGN * ALIGN;
    r->memory += n;
    if (n > r->room_n) {
        const size_t room = n > ROOM / 4 ? n : ROOM;
        char *p = arena_alloc(&r->arena, room);
        if (!p) {
            (void)err_nomem(r->err);
            return NULL;
        }
        if (room == n)
            return p;
        r->room = p;
        r->room_n = room;
    }
    char *p = r->room;
    r->room += n;
    r->room_n -= n;
    return p;
}

/* ---- simple values ----------------------------------------------------------------------- */

struct chat_value chat_none(void)
{
    return (struct chat_value){.type = CHAT_NONE};
}

struct chat_value chat_bool(bool b)
{
    return (struct chat_value){.type = CHAT_BOOL, .u.b = b};
}

struct chat_value chat_int(int64_t i)
{
    return (struct chat_value){.type = CHAT_INT, .u.i = i};
}

struct chat_value chat_float(double f)
{
    return (struct chat_value){.type = CHAT_FLOAT, .u.f = f};
}

struct chat_value chat_text_of(struct chat_str s)
{
    return (struct chat_value){.type = CHAT_STR, .u.s = s};
}

struct chat_value chat_undefined(struct chat_str name)
{
    return (struct chat_value){.type = CHAT_UNDEFINED, .u.s = name};
}

int chat_str_copy(struct chat_value *out, struct chat_run *r, const char *p, size_t n)
{
    char *s = chat_alloc(r, n + 1);

    if (!s)
        return r->err->code;
    if (n)
        memcpy(s, p, n);
    *out = chat_text_of((struct chat_str){s, n});
    return 0;
}

int chat_str_take(struct chat_value *out, struct chat_run *r, struct buf *b, int rc)
{
    if (!rc)
        rc = buf_check(b, r->err);
    if (!rc)
        rc = chat_str_copy(out, r, b->p, b->n);
    buf_release(b);
    return rc;
}

bool chat_true(struct chat_value v)
{
    switch (v.type) {
    case CHAT_UNDEFINED:
    case CHAT_NONE:
    case CHAT_ABSENT:
        return false;
    case CHAT_BOOL:
        return v.u.b;
    case CHAT_INT:
        return v.u.i != 0;
    case CHAT_FLOAT:
        return v.u.f < 0 || v.u.f > 0 || isnan(v.u.f);
    case CHAT_STR:
        return v.u.s.n != 0;
    case CHAT_LIST:
    case CHAT_TUPLE:
        return v.u.list->n != 0;
    case CHAT_DICT:
        return v.u.dict->n != 0;
    case CHAT_SPACE:
    case CHAT_LOOP:
    case CHAT_METHOD:
    case CHAT_FUNC:
    case CHAT_MACRO:
        break;
    }
    return true;
}

const char *chat_type_name(struct chat_value v)
{
    static const char *const names[] = {"Undefined", "NoneType",  "bool",        "int",
                                        "float",     "str",       "list",        "tuple",
                                        "dict",      "Namespace", "LoopContext", "method",
                                        "function",  "function",  "nothing"};

    return names[v.type];
}

/* ---- lists ------------------------------------------------------------------------------- */

int chat_list_new(struct chat_value *out, struct chat_run *r, size_t cap)
{
    struct chat_list *l = chat_alloc(r, sizeof(*l));

    if (l && cap > CHAT_MEMORY_MAX / sizeof(*l->at))
        cap = CHAT_MEMORY_MAX / sizeof(*l->at); /* which is refused */
    if (l && cap)
        l->at = chat_alloc(r, cap * sizeof(*l->at));
    if (!l || (cap && !l->at))
        return r->err->code;
    l->cap = cap;
    *out = (struct chat_value){.type = CHAT_LIST, .u.list = l};
    return 0;
}

int chat_list_add(struct chat_run *r, struct chat_list *l, struct chat_value v)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 4;
        struct chat_value *p = chat_alloc(r, cap * sizeof(*p));
        if (!p)
            return r->err->code;
        if (l->n)
            memcpy(p, l->at, l->n * sizeof(*p));
        l->at = p;
        l->cap = cap;
    }
    l->at[l->n++] = v;
    return 0;
}

static int chars_of(struct chat_value *out, struct chat_run *r, struct chat_str s)
{
    int rc = chat_list_new(out, r, s.n);

    while (!rc && s.n) {
        size_t n;
        (void)chat_char(s, &n);
        rc = chat_list_add(r, out->u.list, chat_text_of((struct chat_str){s.p, n}));
        s.p += n;
        s.n -= n;
    }
    return rc;
}

static int keys_of(struct chat_value *out, struct chat_run *r, const struct chat_dict *d)
{
    int rc = chat_list_new(out, r, d->n);

    for (size_t i = 0; !rc && i < d->n; i++)
        rc = chat_list_add(r, out->u.list, d->at[i].key);
    return rc;
}

int chat_items(const struct chat_list **out, struct chat_run *r, const struct chat_node *n,
               struct chat_value v)
{
    struct chat_value list;
    int rc;

    switch (v.type) {
    case CHAT_LIST:
    case CHAT_TUPLE:
        *out = v.u.list;
        return chat_step(r, v.u.list->n);
    case CHAT_UNDEFINED:
        rc = chat_list_new(&list, r, 0);
        break;
    case CHAT_STR:
        rc = chars_of(&list, r, v.u.s);
        break;
    case CHAT_DICT:
        rc = keys_of(&list, r, v.u.dict);
        break;
    default:
        return chat_fail(r, n, "\"%s\" is nothing to go through", chat_type_name(v));
    }
    if (!rc)
        *out = list.u.list;
    return rc ? rc : chat_step(r, list.u.list->n);
}

/* ---- dicts ------------------------------------------------------------------------------- */

int chat_dict_new(struct chat_value *out, struct chat_run *r, size_t cap)
{
    struct chat_dict *d = chat_alloc(r, sizeof(*d));

    if (d && cap)
        d->at = chat_alloc(r, cap * sizeof(*d->at));
    if (!d || (cap && !d->at))
        return r->err->code;
    d->cap = cap;
    *out = (struct chat_value){.type = CHAT_DICT, .u.dict = d};
    return 0;
}

struct chat_value *chat_dict_str(const struct chat_dict *d, struct chat_str key)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->at[i].key.type == CHAT_STR && chat_same(d->at[i].key.u.s, key))
            return &d->at[i].value;
    return NULL;
}

int chat_dict_get(struct chat_value **out, struct chat_run *r, const struct chat_dict *d,
                  struct chat_value key)
{
    int rc = chat_step(r, d->n / 8);
    bool same = false;

    *out = NULL;
    for (size_t i = 0; !rc && i < d->n; i++) {
        rc = chat_equal(&same, r, d->at[i].key, key);
        if (!rc && same) {
            *out = &d->at[i].value;
            break;
        }
    }
    return rc;
}

int chat_dict_put(struct chat_run *r, struct chat_dict *d, struct chat_value key,
                  struct chat_value v)
{
    struct chat_value *old;
    const int rc = chat_dict_get(&old, r, d, key);

    if (rc)
        return rc;
    if (old) {
        *old = v;
        return 0;
    }
    if (d->n == d->cap) {
        const size_t cap = d->cap ? 2 * d->cap : 4;
        struct chat_pair *p = chat_alloc(r, cap * sizeof(*p));
        if (!p)
            return r->err->code;
        if (d->n)
            memcpy(p, d->at, d->n * sizeof(*p));
        d->at = p;
        d->cap = cap;
    }
    d->at[d->n++] = (struct chat_pair){key, v};
    return 0;
}

int chat_pairs(struct chat_value *out, struct chat_run *r, const struct chat_dict *d)
{
    int rc = chat_step(r, d->n);

    for (size_t i = 0; !rc && i < d->n; i++) {
        struct chat_value pair;
        rc = chat_list_new(&pair, r, 2);
        if (rc)
            break;
        pair.type = CHAT_TUPLE;
        pair.u.list->at[0] = d->at[i].key;
        pair.u.list->at[1] = d->at[i].value;
        pair.u.list->n = 2;
        rc = chat_list_add(r, out->u.list, pair);
    }
    return rc;
}

/* ---- from JSON --------------------------------------------------------------------------- */

static int of_number(struct chat_value *out, const json_val *v)
{
    int64_t i = 0;
    double f = 0;
    const bool whole = json_int(v, &i);

    (void)json_num(v, &f);
    *out = whole ? chat_int(i) : chat_float(f);
    return 0;
}

static int of_members(struct chat_value *out, struct chat_run *r, const json_val *v)
{
    int rc = chat_dict_new(out, r, json_len(v));
    struct chat_value key, value;

    /* keys are known to differ: no look-up */
    for (const json_val *m = json_first(v); !rc && m; m = json_next(m)) {
        rc = chat_str_copy(&key, r, json_key(m), strlen(json_key(m)));
        if (!rc)
            rc = chat_of_json(&value, r, m);
        if (!rc)
            out->u.dict->at[out->u.dict->n++] = (struct chat_pair){key, value};
    }
    return rc;
}

int chat_of_json(struct chat_value *out, struct chat_run *r, const json_val *v)
{
    bool b;
    int rc;

    *out = chat_none();
    if (json_bool(v, &b))
        *out = chat_bool(b);
    else if (json_is_number(v))
        return of_number(out, v);
    else if (json_is_string(v))
        return chat_str_copy(out, r, json_str(v), strlen(json_str(v)));
    else if (json_is_object(v))
        return of_members(out, r, v);
    if (!json_is_array(v))
        return 0;
    rc = chat_list_new(out, r, json_len(v));
    for (const json_val *i = json_first(v); !rc && i; i = json_next(i)) {
        struct chat_value item;
        rc = chat_of_json(&item, r, i);
        if (!rc)
            rc = chat_list_add(r, out->u.list, item);
    }
    return rc;
}
