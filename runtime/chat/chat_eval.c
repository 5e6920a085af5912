/* Expressions as values. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

/* ---- names ------------------------------------------------------------------------------- */

static int chat_find(struct chat_value *out, struct chat_run *r, struct chat_str name)
{
    for (const struct chat_scope *s = r->scope; s; s = s->up) {
        const struct chat_value *v = chat_dict_str(&s->names, name);
        const int rc = chat_step(r, s->names.n / 8 + (v != NULL));
        if (rc)
            return rc;
        if (v) {
            *out = *v;
            return 0;
        }
    }
    const struct chat_func *f = chat_global(name);
    const bool clock = f && !strcmp(f->name, "strftime_now");
    *out = f && (!clock || r->vars->has_now) ? (struct chat_value){.type = CHAT_FUNC, .u.func = f}
                                             : chat_undefined(name);
    return 0;
}

int chat_set(struct chat_run *r, struct chat_scope *s, struct chat_str name, struct chat_value v)
{
    struct chat_value *old = chat_dict_str(&s->names, name);

    if (old) {
        *old = v;
        return 0;
    }
    return chat_dict_put(r, &s->names, chat_text_of(name), v);
}

/* ---- parts of values --------------------------------------------------------------------- */

static int loop_attr(struct chat_value *out, const struct chat_loop *l, struct chat_str name)
{
    const int64_t i = (int64_t)l->i, n = (int64_t)l->items->n;
    const struct {
        const char *name;
        struct chat_value v;
    } attrs[] = {
        {"index",     chat_int(i + 1)                },
        {"index0",    chat_int(i)                    },
        {"revindex",  chat_int(n - i)                },
        {"revindex0", chat_int(n - i - 1)            },
        {"first",     chat_bool(!i)                  },
        {"last",      chat_bool(i + 1 == n)          },
        {"length",    chat_int(n)                    },
        {"depth",     chat_int((int64_t)l->depth)    },
        {"depth0",    chat_int((int64_t)l->depth - 1)},
    };

    *out = chat_undefined(name);
    for (size_t k = 0; k < sizeof(attrs) / sizeof(attrs[0]); k++)
        if (chat_is(name, attrs[k].name))
            *out = attrs[k].v;
    if (chat_is(name, "previtem") && l->i)
        *out = l->items->at[l->i - 1];
    if (chat_is(name, "nextitem") && l->i + 1 < l->items->n)
        *out = l->items->at[l->i + 1];
    return 0;
}

static int bind_method(struct chat_value *out, struct chat_run *r, struct chat_value self,
                       const struct chat_func *f)
{
    struct chat_method *m = chat_alloc(r, sizeof(*m));

    if (!m)
        return r->err->code;
    *m = (struct chat_method){self, f};
    *out = (struct chat_value){.type = CHAT_METHOD, .u.method = m};
    return 0;
}

static int undefined(struct chat_run *r, const struct chat_node *n, struct chat_str name)
{
    return chat_fail(r, n, "\"%.*s\" is undefined", (int)(name.n < 60 ? name.n : 60), name.p);
}

int chat_get_attr(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                  struct chat_value of, struct chat_str name)
{
    const struct chat_func *f = chat_method_of(of.type, name);
    const struct chat_value *v = NULL;

    if (of.type == CHAT_UNDEFINED)
        return undefined(r, n, of.u.s);
    if (f)
        return bind_method(out, r, of, f);
    if (of.type == CHAT_LOOP)
        return loop_attr(out, of.u.loop, name);
    if (of.type == CHAT_DICT || of.type == CHAT_SPACE)
        v = chat_dict_str(of.u.dict, name);
    *out = v ? *v : chat_undefined(name);
    return of.type == CHAT_DICT || of.type == CHAT_SPACE ? chat_step(r, of.u.dict->n / 8) : 0;
}

static int item_at(struct chat_value *out, struct chat_run *r, struct chat_value of, int64_t i)
{
    const bool text = of.type == CHAT_STR;
    const int64_t n = (int64_t)(text ? chat_chars(of.u.s) : of.u.list->n);
    const int rc = chat_step(r, text ? of.u.s.n / 16 : 0);

    if (rc)
        return rc;
    if (i < 0)
        i += n;
    if (i < 0 || i >= n)
        return 0;
    if (!text) {
        *out = of.u.list->at[i];
        return 0;
    }
    const size_t a = chat_char_at(of.u.s, (size_t)i), b = chat_char_at(of.u.s, (size_t)i + 1);
    *out = chat_text_of((struct chat_str){of.u.s.p + a, b - a});
    return 0;
}

int chat_get_item(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                  struct chat_value of, struct chat_value key)
{
    static const struct chat_str nameless = {"an item", 7};
    const bool items = of.type == CHAT_LIST || of.type == CHAT_TUPLE || of.type == CHAT_STR;
    struct chat_value *v = NULL;

    if (of.type == CHAT_UNDEFINED)
        return undefined(r, n, of.u.s);
    *out = chat_undefined(key.type == CHAT_STR ? key.u.s : nameless);
    if (items && (key.type == CHAT_INT || key.type == CHAT_BOOL))
        return item_at(out, r, of, key.type == CHAT_INT ? key.u.i : key.u.b);
    if (of.type == CHAT_DICT && chat_dict_get(&v, r, of.u.dict, key))
        return r->err->code;
    if (v) {
        *out = *v;
        return 0;
    }
    return key.type == CHAT_STR ? chat_get_attr(out, r, n, of, key.u.s) : 0;
}

/* ---- kinds of expressions ---------------------------------------------------------------- */

static int eval_items(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value list, v;
    int rc = chat_list_new(&list, r, 0);

    for (const struct chat_node *i = n->list; !rc && i; i = i->next) {
        rc = chat_eval(&v, r, i);
        if (!rc)
            rc = chat_list_add(r, list.u.list, v);
    }
    list.type = n->kind == CHAT_N_TUPLE ? CHAT_TUPLE : CHAT_LIST;
    *out = list;
    return rc;
}

static int eval_dict(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value dict, key, v;
    int rc = chat_dict_new(&dict, r, 0);

    for (const struct chat_node *i = n->list; !rc && i; i = i->next) {
        rc = chat_eval(&key, r, i->a);
        if (!rc)
            rc = chat_eval(&v, r, i->b);
        if (!rc)
            rc = chat_dict_put(r, dict.u.dict, key, v);
    }
    *out = dict;
    return rc;
}

static int eval_attr(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value of;
    const int rc = chat_eval(&of, r, n->a);

    return rc ? rc : chat_get_attr(out, r, n, of, n->text);
}

static int eval_item(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value of, key;
    int rc = chat_eval(&of, r, n->a);

    if (!rc)
        rc = chat_eval(&key, r, n->b);
    return rc ? rc : chat_get_item(out, r, n, of, key);
}

static int eval_slice(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    const struct chat_node *const nodes[] = {n->b, n->c, n->list};
    struct chat_value of, part[3];
    int rc = chat_eval(&of, r, n->a);

    for (size_t i = 0; !rc && i < 3; i++) {
        part[i] = chat_none();
        if (nodes[i])
            rc = chat_eval(&part[i], r, nodes[i]);
    }
    if (!rc && of.type == CHAT_UNDEFINED) /* undefined[1:] is an error in Jinja */
        return undefined(r, n, of.u.s);
    return rc ? rc : chat_slice(out, r, n, of, part);
}

static int eval_sign(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_node zero = {
        .kind = CHAT_N_BINARY, .op = n->kind == CHAT_N_NEGATE ? CHAT_SUB : CHAT_ADD, .at = n->at};
    struct chat_value v;
    const int rc = chat_eval(&v, r, n->a);

    if (!rc && v.type == CHAT_FLOAT && n->kind == CHAT_N_NEGATE) {
        *out = chat_float(-v.u.f);
        return 0;
    }
    return rc ? rc : chat_binary(out, r, &zero, chat_int(0), v);
}

static int eval_logic(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    int rc = chat_eval(out, r, n->a);

    if (rc)
        return rc;
    if (n->kind == CHAT_N_NOT) {
        *out = chat_bool(!chat_true(*out));
        return 0;
    }
    return chat_true(*out) == (n->kind == CHAT_N_AND) ? chat_eval(out, r, n->b) : 0;
}

static int eval_binary(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value a, b;
    int rc = chat_eval(&a, r, n->a);

    if (!rc)
        rc = chat_eval(&b, r, n->b);
    return rc ? rc : chat_binary(out, r, n, a, b);
}

static int eval_concat(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct buf b = {0};
    struct chat_value v;
    int rc = 0;

    for (const struct chat_node *i = n->list; !rc && i; i = i->next) {
        rc = chat_eval(&v, r, i);
        if (!rc)
            rc = chat_print(r, &b, v);
    }
    return chat_str_take(out, r, &b, rc);
}

/* a < b < c: each with the next, until one is false. */
static int eval_compare(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_value a, b;
    bool yes = true;
    int rc = chat_eval(&a, r, n->a);

    for (const struct chat_node *i = n->list; !rc && yes && i; i = i->next) {
        rc = chat_eval(&b, r, i->a);
        if (!rc)
            rc = chat_compare(&yes, r, i, i->op, a, b);
        a = b;
    }
    *out = chat_bool(yes);
    return rc;
}

static int eval_cond(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    static const struct chat_str name = {"the value of an if without else", 31};
    struct chat_value v;
    const int rc = chat_eval(&v, r, n->a);

    if (rc)
        return rc;
    if (chat_true(v))
        return chat_eval(out, r, n->b);
    if (n->c)
        return chat_eval(out, r, n->c);
    *out = chat_undefined(name);
    return 0;
}

static int eval(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    switch (n->kind) {
    case CHAT_N_CONST:
        *out = n->value;
        return 0;
    case CHAT_N_NAME:
        return chat_find(out, r, n->text);
    case CHAT_N_TUPLE:
    case CHAT_N_LIST:
        return eval_items(out, r, n);
    case CHAT_N_DICT:
        return eval_dict(out, r, n);
    case CHAT_N_ATTR:
        return eval_attr(out, r, n);
    case CHAT_N_ITEM:
        return eval_item(out, r, n);
    case CHAT_N_SLICE:
        return eval_slice(out, r, n);
    case CHAT_N_CALL:
        return chat_eval_call(out, r, n);
    case CHAT_N_FILTER:
    case CHAT_N_TEST:
        return chat_eval_filter(out, r, n);
    case CHAT_N_HOLE:
        *out = r->hole;
        return 0;
    case CHAT_N_NOT:
    case CHAT_N_AND:
    case CHAT_N_OR:
        return eval_logic(out, r, n);
    case CHAT_N_NEGATE:
    case CHAT_N_PLUS:
        return eval_sign(out, r, n);
    case CHAT_N_BINARY:
        return eval_binary(out, r, n);
    case CHAT_N_CONCAT:
        return eval_concat(out, r, n);
    case CHAT_N_COMPARE:
        return eval_compare(out, r, n);
    case CHAT_N_COND:
        return eval_cond(out, r, n);
    default:
        return chat_fail(r, n, "not an expression");
    }
}

int chat_eval(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    int rc = chat_step(r, 1);

    *out = chat_none();
    if (!rc && ++r->depth > CHAT_DEPTH_MAX)
        rc = chat_fail(r, n, "nested deeper than %d", CHAT_DEPTH_MAX);
    if (!rc)
        rc = eval(out, r, n);
    r->depth--;
    return rc;
}
