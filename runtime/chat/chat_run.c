/* Statements: what they print and set. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

static struct chat_scope *scope_new(struct chat_run *r, struct chat_scope *up)
{
    struct chat_scope *s = chat_alloc(r, sizeof(*s));

    if (s)
        s->up = up;
    return s;
}

/* ---- assignment -------------------------------------------------------------------------- */

static int assign(struct chat_run *r, const struct chat_node *target, struct chat_value v);

static int unpack(struct chat_run *r, const struct chat_node *target, struct chat_value v)
{
    const struct chat_list *items;
    const struct chat_node *t = target->list;
    size_t i = 0;
    int rc = chat_items(&items, r, target, v);

    for (; !rc && t && i < items->n; t = t->next, i++)
        rc = assign(r, t, items->at[i]);
    if (!rc && (t || i < items->n))
        return chat_fail(r, target, "%zu values for %s names", items->n, t ? "more" : "fewer");
    return rc;
}

static int assign(struct chat_run *r, const struct chat_node *target, struct chat_value v)
{
    struct chat_value space;
    int rc;

    if (target->kind == CHAT_N_TUPLE)
        return unpack(r, target, v);
    if (target->kind == CHAT_N_NAME)
        return chat_set(r, r->scope, target->text, v);
    rc = chat_eval(&space, r, target->a);
    if (!rc && space.type != CHAT_SPACE)
        rc = chat_fail(r, target, "attributes can be set on namespaces, not on %s",
                       chat_type_name(space));
    return rc ? rc : chat_dict_put(r, space.u.dict, chat_text_of(target->text), v);
}

/* ---- text kept instead of printed -------------------------------------------------------- */

static int capture(struct chat_value *out, struct chat_run *r, const struct chat_node *body)
{
    struct buf *before = r->out, own = {0};

    r->out = &own;
    const int rc = chat_body(r, body);
    r->out = before;
    return chat_str_take(out, r, &own, rc);
}

/* The body's text through the node's filters. In a scope of its own. */
static int filtered(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    const struct chat_value before = r->hole;
    struct chat_scope *scope = r->scope, *own = scope_new(r, scope);
    int rc;

    if (!own)
        return r->err->code;
    r->scope = own;
    rc = capture(&r->hole, r, n->body);
    r->scope = scope;
    if (!rc)
        rc = chat_eval(out, r, n->b);
    r->hole = before;
    return rc;
}

/* ---- loops ------------------------------------------------------------------------------- */

/* One round: names, and the body unless only `keep` is asked. */
static int round_of(struct chat_run *r, const struct chat_node *n, struct chat_value loop,
                    struct chat_value item, bool *keep)
{
    static const struct chat_str name = {"loop", 4};
    struct chat_scope *scope = r->scope;
    struct chat_value v;
    int rc;

    r->scope = scope_new(r, scope);
    rc = r->scope ? assign(r, n->a, item) : r->err->code;
    if (!rc && keep) {
        rc = chat_eval(&v, r, n->c);
        *keep = !rc && chat_true(v);
    } else if (!rc) {
        rc = chat_set(r, r->scope, name, loop);
        if (!rc)
            rc = chat_body(r, n->body);
    }
    r->scope = scope;
    return rc;
}

/* Those that the loop's "if" lets through. */
static int sift(const struct chat_list **items, struct chat_run *r, const struct chat_node *n)
{
    const struct chat_list *all = *items;
    struct chat_value list;
    int rc = chat_list_new(&list, r, 0);

    for (size_t i = 0; !rc && i < all->n; i++) {
        bool keep;
        rc = round_of(r, n, chat_none(), all->at[i], &keep);
        if (!rc && keep)
            rc = chat_list_add(r, list.u.list, all->at[i]);
    }
    *items = list.u.list;
    return rc;
}

/* A list that the body may change is gone through as it was. */
static int copy_list(const struct chat_list **items, struct chat_run *r)
{
    struct chat_value list;
    const int rc = chat_list_new(&list, r, (*items)->n);

    if (rc)
        return rc;
    if ((*items)->n)
        memcpy(list.u.list->at, (*items)->at, (*items)->n * sizeof(*list.u.list->at));
    list.u.list->n = (*items)->n;
    *items = list.u.list;
    return 0;
}

static int run_for(struct chat_run *r, const struct chat_node *n)
{
    struct chat_loop *loop = chat_alloc(r, sizeof(*loop));
    struct chat_value v;
    int rc = loop ? chat_eval(&v, r, n->b) : r->err->code;

    if (!rc)
        rc = chat_items(&loop->items, r, n->b, v);
    if (!rc)
        rc = n->c ? sift(&loop->items, r, n) : copy_list(&loop->items, r);
    if (rc)
        return rc;
    loop->depth = ++r->loops;
    loop->changed.type = CHAT_ABSENT;
    v = (struct chat_value){.type = CHAT_LOOP, .u.loop = loop};
    for (; !rc && r->flow != CHAT_BREAK && loop->i < loop->items->n; loop->i++) {
        r->flow = CHAT_GO;
        rc = round_of(r, n, v, loop->items->at[loop->i], NULL);
    }
    r->flow = CHAT_GO;
    r->loops--;
    return rc || loop->items->n ? rc : chat_body(r, n->other);
}

/* ---- macros ------------------------------------------------------------------------------ */

/* Which parameter of the macro has this name. */
static bool has_param(const struct chat_node *macro, struct chat_str name)
{
    const struct chat_node *p = macro->list;

    while (p && !chat_same(p->text, name))
        p = p->next;
    return p != NULL;
}

/* What was given beyond the parameters: varargs, kwargs, caller. */
static int set_rest(struct chat_run *r, const struct chat_macro *m, const struct chat_call *c,
                    size_t used)
{
    static const struct chat_str varargs = {"varargs", 7}, kwargs = {"kwargs", 6};
    struct chat_value list, dict;
    int rc = chat_list_new(&list, r, 0);

    for (size_t i = used; !rc && i < c->n; i++)
        rc = chat_list_add(r, list.u.list, c->arg[i]);
    if (!rc)
        rc = chat_dict_new(&dict, r, 0);
    for (size_t i = 0; !rc && i < c->n_keys; i++) {
        const struct chat_str name = c->key[i].key.u.s;
        if (chat_is(name, "caller"))
            rc = chat_set(r, r->scope, name, c->key[i].value);
        else if (!has_param(m->node, name))
            rc = chat_dict_put(r, dict.u.dict, c->key[i].key, c->key[i].value);
    }
    list.type = CHAT_TUPLE;
    if (!rc)
        rc = chat_set(r, r->scope, varargs, list);
    return rc ? rc : chat_set(r, r->scope, kwargs, dict);
}

static int set_params(struct chat_run *r, const struct chat_macro *m, const struct chat_call *c)
{
    size_t i = 0;
    int rc = 0;

    for (const struct chat_node *p = m->node->list; !rc && p; p = p->next, i++) {
        const struct chat_dict keys = {c->key, c->n_keys, 0};
        const struct chat_value *given = i < c->n ? &c->arg[i] : chat_dict_str(&keys, p->text);
        struct chat_value v = chat_undefined(p->text);
        if (given)
            v = *given;
        else if (p->a)
            rc = chat_eval(&v, r, p->a);
        if (!rc)
            rc = chat_set(r, r->scope, p->text, v);
    }
    return rc ? rc : set_rest(r, m, c, i);
}

int chat_call_macro(struct chat_value *out, struct chat_run *r, const struct chat_macro *m,
                    const struct chat_call *c)
{
    struct chat_scope *scope = r->scope;
    const struct chat_value hole = r->hole;
    int rc = ++r->depth > CHAT_DEPTH_MAX
                 ? chat_fail(r, c->node, "calls nested deeper than %d", CHAT_DEPTH_MAX)
                 : 0;

    if (!rc) {
        r->scope = scope_new(r, m->scope);
        rc = r->scope ? set_params(r, m, c) : r->err->code;
    }
    if (!rc)
        rc = capture(out, r, m->node->body);
    r->scope = scope;
    r->hole = hole;
    r->depth--;
    return rc;
}

static int macro_new(struct chat_value *out, struct chat_run *r, const struct chat_node *n)
{
    struct chat_macro *m = chat_alloc(r, sizeof(*m));

    if (!m)
        return r->err->code;
    *m = (struct chat_macro){n, r->scope};
    *out = (struct chat_value){.type = CHAT_MACRO, .u.macro = m};
    return 0;
}

/* The call, with one argument more: the block as "caller". */
static int run_caller(struct chat_run *r, const struct chat_node *n)
{
    struct chat_node constant = {.kind = CHAT_N_CONST, .at = n->at};
    struct chat_node keyword = {
        .kind = CHAT_N_KEYWORD, .at = n->at, .text = {"caller", 6}
    };
    struct chat_node call = *n->a, *list = NULL, **last = &list;
    struct chat_value v;
    int rc = macro_new(&constant.value, r, n);

    for (const struct chat_node *a = n->a->list; !rc && a; a = a->next) {
        *last = chat_alloc(r, sizeof(**last));
        if (!*last)
            return r->err->code;
        **last = *a;
        last = &(*last)->next;
    }
    if (rc)
        return rc;
    keyword.a = &constant;
    *last = &keyword;
    call.list = list;
    rc = chat_eval(&v, r, &call);
    return rc ? rc : chat_print(r, r->out, v);
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int run_if(struct chat_run *r, const struct chat_node *n)
{
    struct chat_value v;

    for (;;) {
        const int rc = chat_eval(&v, r, n->a);
        if (rc)
            return rc;
        if (chat_true(v))
            return chat_body(r, n->body);
        /* an elif, or what comes to the same: an if that is all of the else */
        const struct chat_node *o = n->other;
        if (!o || o->kind != CHAT_N_IF || o->next)
            return chat_body(r, o);
        n = o;
    }
}

static int run_with(struct chat_run *r, const struct chat_node *n)
{
    struct chat_scope *scope = r->scope, *own = scope_new(r, scope);
    struct chat_value v;
    int rc = own ? 0 : r->err->code;

    for (const struct chat_node *s = n->list; !rc && s; s = s->next) {
        r->scope = scope; /* values do not see one another */
        rc = chat_eval(&v, r, s->b);
        r->scope = own;
        if (!rc)
            rc = assign(r, s->a, v);
    }
    if (!rc) {
        r->scope = own;
        rc = chat_body(r, n->body);
    }
    r->scope = scope;
    return rc;
}

/* Text that goes somewhere else first has no place yet that could be marked. */
static int run_mark(struct chat_run *r, const struct chat_node *n)
{
    const size_t from = r->out->n;
    struct chat_scope *scope = r->scope;

    if (r->out != &r->result->text)
        return chat_fail(r, n, "generation inside of a macro or a set block is not supported");
    r->scope = scope_new(r, scope);
    int rc = r->scope ? chat_body(r, n->body) : r->err->code;
    r->scope = scope;
    return rc ? rc : chat_span_add(r->result, from, r->out->n - from, r->err);
}

static int run_set(struct chat_run *r, const struct chat_node *n)
{
    struct chat_value v;
    const int rc = n->kind == CHAT_N_SET ? chat_eval(&v, r, n->b) : filtered(&v, r, n);

    return rc ? rc : assign(r, n->a, v);
}

static int run_print(struct chat_run *r, const struct chat_node *n)
{
    struct chat_value v;
    const int rc = n->kind == CHAT_N_PRINT ? chat_eval(&v, r, n->a) : filtered(&v, r, n);

    return rc ? rc : chat_print(r, r->out, v);
}

static int run_macro(struct chat_run *r, const struct chat_node *n)
{
    struct chat_value v;
    const int rc = macro_new(&v, r, n);

    return rc ? rc : chat_set(r, r->scope, n->text, v);
}

static int run(struct chat_run *r, const struct chat_node *n)
{
    switch (n->kind) {
    case CHAT_N_TEXT:
        return chat_put(r, r->out, n->text.p, n->text.n);
    case CHAT_N_PRINT:
    case CHAT_N_FILTERED:
        return run_print(r, n);
    case CHAT_N_IF:
        return run_if(r, n);
    case CHAT_N_FOR:
        return run_for(r, n);
    case CHAT_N_SET:
    case CHAT_N_SET_TEXT:
        return run_set(r, n);
    case CHAT_N_MACRO:
        return run_macro(r, n);
    case CHAT_N_CALLER:
        return run_caller(r, n);
    case CHAT_N_WITH:
        return run_with(r, n);
    case CHAT_N_MARK:
        return run_mark(r, n);
    case CHAT_N_BREAK:
        r->flow = CHAT_BREAK;
        return 0;
    case CHAT_N_CONTINUE:
        r->flow = CHAT_CONTINUE;
        return 0;
    default:
        return chat_fail(r, n, "not a statement");
    }
}

int chat_body(struct chat_run *r, const struct chat_node *body)
{
    int rc = 0;

    if (!body)
        return 0;
    if (++r->depth > CHAT_DEPTH_MAX)
        rc = chat_fail(r, body, "nested deeper than %d", CHAT_DEPTH_MAX);
    for (; !rc && body && r->flow == CHAT_GO; body = body->next) {
        rc = chat_step(r, 1);
        if (!rc)
            rc = run(r, body);
    }
    r->depth--;
    return rc;
}
