/* Templates as a whole: parsed, given their variables, run. */

#include "runtime/chat.h"

#include "runtime/chat/chat_parts.h"

#include <stdlib.h>
#include <string.h>

/* Line ends as "\n", without the last one. */
static int take_text(struct chat *c, const char *text, size_t n, struct err *err)
{
    char *s;
    size_t k = 0;

    if (n > CHAT_TEXT_MAX)
        return err_set(err, ERR_UNSUPPORTED, "chat template: longer than %d MiB",
                       CHAT_TEXT_MAX >> 20);
    s = arena_alloc(&c->arena, n + 1);
    if (!s)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            continue;
        s[k++] = text[i];
        if (text[i] == '\r')
            s[k - 1] = '\n';
    }
    c->text = (struct chat_str){s, k && s[k - 1] == '\n' ? k - 1 : k};
    return 0;
}

int chat_new(struct chat **out, const char *text, size_t n, struct err *err)
{
    struct chat *c = calloc(1, sizeof(*c));
    struct chat_tokens tokens = {0};
    int rc;

    *out = NULL;
    if (!c)
        return err_nomem(err);
    rc = take_text(c, text, n, err);
    if (!rc)
        rc = chat_lex(&tokens, &c->arena, c->text, err);
    if (!rc)
        rc = chat_parse(c, &tokens, err);
    free(tokens.at);
    if (rc)
        chat_free(c);
    else
        *out = c;
    return rc;
}

int chat_of_vocab(struct chat **out, const struct vocab *v, struct err *err)
{
    *out = NULL;
    if (v->chat_template)
        return chat_new(out, v->chat_template, strlen(v->chat_template), err);
    return err_set(err, ERR_UNSUPPORTED, "the model has no chat template");
}

void chat_free(struct chat *c)
{
    if (!c)
        return;
    arena_release(&c->arena);
    free(c);
}

bool chat_marks(const struct chat *c)
{
    return c->marks;
}

void chat_text_release(struct chat_text *t)
{
    buf_release(&t->text);
    free(t->span);
    *t = (struct chat_text){0};
}

/* ---- variables --------------------------------------------------------------------------- */

static int set_var(struct chat_run *r, const char *name, struct chat_value v)
{
    return chat_set(r, r->scope, (struct chat_str){name, strlen(name)}, v);
}

static int set_token(struct chat_run *r, const char *name, int32_t id)
{
    const struct vocab *v = r->vars->vocab;
    struct chat_value text;

    if (id < 0 || (size_t)id >= v->n_tokens)
        return 0;
    const int rc = chat_str_copy(&text, r, v->token[id].text.p, v->token[id].text.n);
    return rc ? rc : set_var(r, name, text);
}

static int set_tokens(struct chat_run *r)
{
    const struct vocab *v = r->vars->vocab;
    int rc = v ? set_token(r, "bos_token", v->bos) : 0;

    if (!rc && v)
        rc = set_token(r, "eos_token", v->eos);
    if (!rc && v)
        rc = set_token(r, "unk_token", v->unk);
    if (!rc && v)
        rc = set_token(r, "sep_token", v->sep);
    if (!rc && v)
        rc = set_token(r, "pad_token", v->pad);
    return !rc && v ? set_token(r, "mask_token", v->mask) : rc;
}

static int set_json(struct chat_run *r, const char *name, const json_val *v)
{
    struct chat_value value;
    const int rc = chat_of_json(&value, r, v);

    return rc ? rc : set_var(r, name, value);
}

static int set_content(struct chat_run *r, struct chat_value message, const char *text)
{
    struct chat_value key, value;
    int rc = chat_str_copy(&key, r, "content", strlen("content"));

    if (!rc)
        rc = chat_str_copy(&value, r, text, strlen(text));
    if (!rc && message.type == CHAT_DICT)
        rc = chat_dict_put(r, message.u.dict, key, value);
    return rc;
}

static int set_messages(struct chat_run *r)
{
    const struct chat_vars *v = r->vars;
    struct chat_value list, item;
    size_t n = 0, at = 0;
    int rc = chat_list_new(&list, r, 0);

    for (const json_val *m = json_first(v->messages); !rc && m; m = json_next(m)) {
        if (v->n_messages && n++ == v->n_messages)
            break;
        rc = chat_of_json(&item, r, m);
        if (!rc && v->instead && at == v->n_instead)
            rc = set_content(r, item, v->instead);
        if (!rc)
            rc = chat_list_add(r, list.u.list, item);
        at++;
    }
    return rc ? rc : set_var(r, "messages", list);
}

/* As transformers gives them: tools and documents are there, as none. */
static int set_vars(struct chat_run *r)
{
    const struct chat_vars *v = r->vars;
    int rc = set_messages(r);

    if (!rc)
        rc = set_json(r, "tools", v->tools);
    if (!rc)
        rc = set_var(r, "documents", chat_none());
    if (!rc)
        rc = set_var(r, "add_generation_prompt", chat_bool(v->add_generation_prompt));
    if (!rc)
        rc = set_tokens(r);
    for (const json_val *m = json_first(v->more); !rc && m; m = json_next(m))
        rc = set_json(r, json_key(m), m);
    return rc;
}

int chat_render(struct chat_text *out, const struct chat *c, const struct chat_vars *v,
                struct err *err)
{
    struct chat_scope top = {0};
    struct chat_run r = {
        .chat = c, .vars = v, .result = out, .scope = &top, .out = &out->text, .err = err};

    *out = (struct chat_text){0};
    r.hole = chat_none();
    int rc = set_vars(&r);
    if (!rc)
        rc = chat_body(&r, c->body);
    if (!rc)
        rc = buf_check(&out->text, err);
    arena_release(&r.arena);
    return rc;
}

/* ---- spans ------------------------------------------------------------------------------- */

int chat_span_add(struct chat_text *t, size_t at, size_t n, struct err *err)
{
    if (t->n_spans == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 8;
        struct chat_span *p = realloc(t->span, cap * sizeof(*p));
        if (!p)
            return err_nomem(err);
        t->span = p;
        t->cap = cap;
    }
    t->span[t->n_spans++] = (struct chat_span){at, n};
    return 0;
}
