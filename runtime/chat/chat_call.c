/* Calls: arguments evaluated, put in the order of the parameters, and handed over. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

/* ---- arguments --------------------------------------------------------------------------- */

struct args {
    struct chat_list list;
    struct chat_dict keys;
};

static int add_key(struct chat_run *r, struct args *a, const struct chat_node *n,
                   struct chat_value key, struct chat_value v)
{
    if (key.type != CHAT_STR)
        return chat_fail(r, n, "names of arguments must be texts");
    if (chat_dict_str(&a->keys, key.u.s))
        return chat_fail(r, n, "the argument \"%.*s\" is given twice",
                         (int)(key.u.s.n < 60 ? key.u.s.n : 60), key.u.s.p);
    return chat_dict_put(r, &a->keys, key, v);
}

static int add_argument(struct chat_run *r, struct args *a, const struct chat_node *n)
{
    const bool plain =
        n->kind != CHAT_N_KEYWORD && n->kind != CHAT_N_STAR && n->kind != CHAT_N_STARS;
    const struct chat_list *items;
    struct chat_value v;
    int rc = chat_eval(&v, r, plain ? n : n->a);

    if (rc)
        return rc;
    if (plain)
        return chat_list_add(r, &a->list, v);
    if (n->kind == CHAT_N_KEYWORD)
        return add_key(r, a, n, chat_text_of(n->text), v);
    if (n->kind == CHAT_N_STARS) {
        if (v.type != CHAT_DICT)
            return chat_fail(r, n, "** needs a dict, not %s", chat_type_name(v));
        for (size_t i = 0; !rc && i < v.u.dict->n; i++)
            rc = add_key(r, a, n, v.u.dict->at[i].key, v.u.dict->at[i].value);
        return rc;
    }
    rc = chat_items(&items, r, n, v);
    for (size_t i = 0; !rc && i < items->n; i++)
        rc = chat_list_add(r, &a->list, items->at[i]);
    return rc;
}

static int arguments(struct args *a, struct chat_run *r, const struct chat_node *list)
{
    int rc = 0;

    *a = (struct args){0};
    for (; !rc && list; list = list->next)
        rc = add_argument(r, a, list);
    return rc;
}

/* ---- parameters -------------------------------------------------------------------------- */

/* Which parameter of "a b c" is called name, or how many there are. */
static size_t param_at(const char *params, struct chat_str name)
{
    size_t i = 0;

    while (*params) {
        const size_t n = strcspn(params, " ");
        if (chat_same((struct chat_str){params, n}, name))
            return i;
        params += n + (params[n] == ' ');
        i++;
    }
    return i;
}

/* Steps of going once through a text or a list. */
static size_t cost(struct chat_value v)
{
    if (v.type == CHAT_STR)
        return v.u.s.n / 32;
    return v.type == CHAT_LIST || v.type == CHAT_TUPLE ? v.u.list->n / 8 : 0;
}

/* What f is given costs steps, whatever f does with it; but for the list that it may only add to. */
static int pay(struct chat_run *r, const struct chat_call *c)
{
    size_t n = c->self.type == CHAT_STR ? cost(c->self) : 0;

    for (size_t i = 0; i < c->n; i++)
        n += cost(c->arg[i]);
    return chat_step(r, n);
}

int chat_call_func(struct chat_value *out, struct chat_run *r, const struct chat_func *f,
                   struct chat_call *c)
{
    static const struct chat_str none = {"", 0};
    const size_t most = param_at(f->params, none);
    const int rc = pay(r, c);

    if (rc)
        return rc;
    for (size_t i = 0; i < CHAT_ARGS; i++)
        c->a[i].type = CHAT_ABSENT;
    if (f->params[0] == '*')
        return f->fn(out, r, c);
    if (c->n > most)
        return chat_fail(r, c->node, "%s takes %zu arguments, not %zu", f->name, most, c->n);
    for (size_t i = 0; i < c->n; i++)
        c->a[i] = c->arg[i];
    for (size_t i = 0; i < c->n_keys; i++) {
        const struct chat_str name = c->key[i].key.u.s;
        const size_t k = param_at(f->params, name);
        if (k == most || c->a[k].type != CHAT_ABSENT)
            return chat_fail(r, c->node, "%s takes no argument \"%.*s\"%s", f->name,
                             (int)(name.n < 60 ? name.n : 60), name.p, k == most ? "" : " besides");
        c->a[k] = c->key[i].value;
    }
    for (size_t i = 0; i < f->least; i++)
        if (c->a[i].type == CHAT_ABSENT)
            return chat_fail(r, c->node, "%s needs %zu arguments", f->name, f->least);
    return f->fn(out, r, c);
}

const struct chat_func *chat_row(const struct chat_func *rows, size_t n, struct chat_str name)
{
    for (size_t i = 0; i < n; i++)
        if (chat_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static int call_value(struct chat_value *out, struct chat_run *r, struct chat_value callee,
                      struct chat_call *c)
{
    switch (callee.type) {
    case CHAT_FUNC:
        return chat_call_func(out, r, callee.u.func, c);
    case CHAT_METHOD:
        c->self = callee.u.method->self;
        return chat_call_func(out, r, callee.u.method->func, c);
    case CHAT_MACRO:
        return chat_call_macro(out, r, callee.u.macro, c);
    case CHAT_UNDEFINED:
        return chat_fail(r, c->node, "\"%.*s\" is undefined",
                         (int)(callee.u.s.n < 60 ? callee.u.s.n : 60), callee.u.s.p);
    default:
        return chat_fail(r, c->node, "\"%s\" cannot be called", chat_type_name(callee));
    }
}

int chat_eval_call(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value callee;
    struct args a;
    int rc = chat_eval(&callee, r, n->a);

    if (!rc)
        rc = arguments(&a, r, n->list);
    if (rc)
        return rc;
    struct chat_call c = {.node = n,
                          .self = chat_none(),
                          .arg = a.list.at,
                          .n = a.list.n,
                          .key = a.keys.at,
                          .n_keys = a.keys.n};
    return call_value(out, r, callee, &c);
}

int chat_eval_filter(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value self;
    struct args a;
    int rc;

    if (!n->func)
        return chat_bad(r->err, ERR_UNSUPPORTED, r->chat->text, n->at, "no %s named \"%.*s\"",
                        n->kind == CHAT_N_FILTER ? "filter" : "test",
                        (int)(n->text.n < 40 ? n->text.n : 40), n->text.p);
    rc = chat_eval(&self, r, n->a);

    if (!rc)
        rc = arguments(&a, r, n->list);
    if (rc)
        return rc;
    struct chat_call c = {.node = n,
                          .self = self,
                          .arg = a.list.at,
                          .n = a.list.n,
                          .key = a.keys.at,
                          .n_keys = a.keys.n};
    return chat_call_func(out, r, n->func, &c);
}

/* ---- what functions ask of their arguments ----------------------------------------------- */

int chat_arg_str(struct chat_str *out, struct chat_run *r, const struct chat_call *c, size_t i)
{
    if (c->a[i].type == CHAT_ABSENT || c->a[i].type == CHAT_NONE)
        return 0;
    if (c->a[i].type != CHAT_STR)
        return chat_fail(r, c->node, "argument %zu is %s, not a text", i + 1,
                         chat_type_name(c->a[i]));
    *out = c->a[i].u.s;
    return 0;
}

int chat_arg_int(int64_t *out, struct chat_run *r, const struct chat_call *c, size_t i,
                 int64_t absent)
{
    *out = absent;
    if (c->a[i].type == CHAT_ABSENT || c->a[i].type == CHAT_NONE)
        return 0;
    if (c->a[i].type != CHAT_INT && c->a[i].type != CHAT_BOOL)
        return chat_fail(r, c->node, "argument %zu is %s, not a whole number", i + 1,
                         chat_type_name(c->a[i]));
    *out = c->a[i].type == CHAT_INT ? c->a[i].u.i : c->a[i].u.b;
    return 0;
}

int chat_self_str(struct chat_str *out, struct chat_run *r, const struct chat_call *c)
{
    if (c->self.type == CHAT_UNDEFINED) {
        *out = (struct chat_str){"", 0};
        return 0;
    }
    return chat_to_str(out, r, c->self);
}
