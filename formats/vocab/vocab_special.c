/* Special tokens, and what is added around a text, as a checkpoint's files say it:
 * tokenizer.json's post-processor, tokenizer_config.json, config.json.
 * Source: the reference converter's rules, quirks included; each is named here. */

#include "formats/vocab/vocab_parts.h"

#include <string.h>

enum role { BOS, EOS, UNK, SEP, PAD, CLS, MASK, EOT, EOM, N_ROLES };

static const char *const role_name[N_ROLES] = {"bos", "eos",  "unk", "sep", "pad",
                                               "cls", "mask", "eot", "eom"};

/* The text of a special token. `plain`: it stood as a string; where it stood as an
 * object, the reference finds it equal to no string. */
struct named {
    const char *text; /* NULL: none */
    bool plain;
};

struct special {
    struct named token[N_ROLES];
    bool wanted[N_ROLES]; /* eot and eom only once a template displaced the eos */
    int add[N_ROLES];
};

static struct named named_of(const json_val *v)
{
    if (json_is_string(v))
        return (struct named){json_str(v), true};
    return (struct named){json_str(json_get(v, "content")), false};
}

static bool has(struct named n)
{
    return n.text && *n.text;
}

static bool same(struct named n, const char *text)
{
    return n.plain && n.text && !strcmp(n.text, text);
}

static struct named plain(const char *text)
{
    return (struct named){text, true};
}

/* "single" or "pair": the special token of an item, or NULL. */
static const char *item_token(const json_val *item)
{
    const char *s = json_str(json_path(item, "SpecialToken.id"));

    return s && *s ? s : NULL;
}

static const json_val *last_of(const json_val *array)
{
    const json_val *last = NULL;

    for (const json_val *v = json_first(array); v; v = json_next(v))
        last = v;
    return last;
}

static void template_first(struct special *s, const char *first)
{
    if (!same(s->token[BOS], first) && !same(s->token[CLS], first)) {
        if (!has(s->token[BOS]))
            s->token[BOS] = plain(first);
        if (!has(s->token[CLS]))
            s->token[CLS] = plain(first);
    }
    s->add[BOS] = same(s->token[BOS], first) || same(s->token[CLS], first);
}

/* A template that ends with another token than the eos: the old eos becomes the end
 * of turn. */
static void template_last(struct special *s, const char *last)
{
    if (!same(s->token[EOS], last)) {
        const enum role displaced = !s->wanted[EOT] ? EOT : EOM;
        if (!s->wanted[displaced]) {
            s->wanted[displaced] = true;
            s->token[displaced] = s->token[EOS];
        }
        s->token[EOS] = plain(last);
    }
    s->add[EOS] = true;
}

/* Does the pair A [sep] [eos] B put a separator between the texts? */
static void template_pair(struct special *s, const json_val *pair, const char *first,
                          const char *last)
{
    const json_val *at = json_first(pair), *end = last_of(pair);
    const char *begin = item_token(at), *tail = item_token(end);
    bool stop = false; /* the last item is the closing token */

    if (!at)
        return;
    if (first && begin && !strcmp(begin, first))
        at = json_next(at);
    if (last && tail && !strcmp(tail, last))
        stop = true;
    /* the items between A and B, at most the first two of them matter */
    const json_val *item[64];
    size_t n = 0;
    for (; at && n < 64 && !(stop && at == end); at = json_next(at))
        item[n++] = at;
    if (n < 3)
        return;
    const char *a = json_str(json_path(item[0], "Sequence.id"));
    const char *b = json_str(json_path(item[n - 1], "Sequence.id"));
    if (!a || !b || strcmp(a, "A") || strcmp(b, "B"))
        return;
    const char *one = item_token(item[1]), *two = n == 4 ? item_token(item[2]) : NULL;
    bool sep = one && !last && (same(s->token[SEP], one) || same(s->token[EOS], one));
    sep |= two && (same(s->token[SEP], two) || same(s->token[EOS], two));
    s->add[SEP] = sep;
    if (sep && !has(s->token[SEP]))
        s->token[SEP] = s->token[EOS];
}

static void read_template(struct special *s, const json_val *p)
{
    const json_val *single = json_get(p, "single");
    const char *first = NULL, *last = NULL;

    if (json_len(single) > 1) {
        first = item_token(json_first(single));
        last = item_token(last_of(single));
        if (first)
            template_first(s, first);
        if (last)
            template_last(s, last);
    }
    template_pair(s, json_get(p, "pair"), first, last);
}

static void read_processor(struct special *s, const json_val *p)
{
    const char *type = json_str(json_get(p, "type"));

    if (!type)
        return;
    if (!strcmp(type, "ByteLevel")) {
        s->add[BOS] = s->add[BOS] < 0 ? 0 : s->add[BOS];
        s->add[EOS] = s->add[EOS] < 0 ? 0 : s->add[EOS];
    } else if (!strcmp(type, "RobertaProcessing")) {
        const char *cls = json_str(json_first(json_get(p, "cls")));
        const char *sep = json_str(json_first(json_get(p, "sep")));
        s->add[BOS] = s->add[EOS] = s->add[SEP] = 1;
        if (!has(s->token[CLS]))
            s->token[CLS] = cls ? plain(cls) : s->token[BOS];
        if (!has(s->token[SEP]))
            s->token[SEP] = sep ? plain(sep) : s->token[EOS];
    } else if (!strcmp(type, "TemplateProcessing")) {
        read_template(s, p);
    }
}

static void read_post(struct special *s, const json_val *tokenizer)
{
    const json_val *post = json_get(tokenizer, "post_processor");
    const json_val *list = json_get(post, "processors");

    if (!has(s->token[BOS]))
        s->token[BOS] = s->token[CLS];
    if (!has(s->token[EOS]))
        s->token[EOS] = s->token[SEP];
    if (!json_is_array(list)) {
        read_processor(s, post);
        return;
    }
    for (const json_val *p = json_first(list); p; p = json_next(p))
        read_processor(s, p);
}

static int32_t *id_slot(struct vocab *v, enum role r)
{
    int32_t *const slot[N_ROLES] = {
        [BOS] = &v->bos, [EOS] = &v->eos,   [UNK] = &v->unk, [SEP] = &v->sep,
        [PAD] = &v->pad, [MASK] = &v->mask, [EOT] = &v->eot, [EOM] = &v->eom};

    return slot[r]; /* NULL for CLS: a GGUF has no key for it */
}

/* The first to name an id wins. */
static void set_id(struct vocab *v, enum role r, const json_val *id, bool limit)
{
    int32_t *slot = id_slot(v, r);
    int64_t n;

    if (!slot || *slot >= 0 || !json_int(id, &n) || n < 0 || n > INT32_MAX)
        return;
    if (!limit || (uint64_t)n < v->n_tokens)
        *slot = (int32_t)n;
}

static void read_ids(struct vocab *v, const struct special *s, const struct vocab_files *f,
                     bool limit)
{
    const json_val *added = json_get(f->tokenizer, "added_tokens");

    for (enum role r = 0; r < N_ROLES; r++) {
        const char *text = s->wanted[r] && f->tokenizer_config ? s->token[r].text : NULL;
        for (const json_val *t = text ? json_first(added) : NULL; t; t = json_next(t)) {
            const char *content = json_str(json_get(t, "content"));
            if (!content || strcmp(content, text))
                continue;
            set_id(v, r, json_get(t, "id"), limit);
            break;
        }
    }
    for (enum role r = 0; r < N_ROLES; r++) {
        char key[32], sub[48];
        const char *name = role_name[r];
        if (!s->wanted[r])
            continue;
        (void)snprintf(key, sizeof(key), "%s_token_id", name);
        (void)snprintf(sub, sizeof(sub), "text_config.%s", key);
        const json_val *id = json_get(f->config, key);
        set_id(v, r, json_is_null(id) ? json_path(f->config, sub) : id, limit);
    }
}

/* tokenizer_config.json's word counts only where no post-processor had one. */
static void read_adds(struct special *s, const json_val *config)
{
    for (enum role r = 0; r < N_ROLES; r++) {
        char key[32];
        bool add;
        (void)snprintf(key, sizeof(key), "add_%s_token", role_name[r]);
        if (s->wanted[r] && s->add[r] < 0 && json_bool(json_get(config, key), &add))
            s->add[r] = add;
    }
}

/* Text mode: "\r\n" and "\r" are read as "\n". */
static const char *template_text(struct vocab *v, const char *text, size_t n)
{
    char *copy = arena_strn(&v->arena, text, n);
    size_t w = 0;

    for (size_t i = 0; copy && i < n; i++) {
        const char c = copy[i];
        if (c == '\r' && i + 1 < n && copy[i + 1] == '\n')
            continue;
        copy[w++] = c == '\r' ? '\n' : c;
    }
    if (copy)
        copy[w] = '\0';
    return copy;
}

/* One of several, `copy` in the arena (NULL: there was no room); "default" is the one without a name. A name that comes again takes the
 * place of the first. */
static int add_template(struct vocab *v, const char *name, const char *copy, struct err *err)
{
    char *n = arena_str(&v->arena, name);
    size_t at = 0;

    if (!n || !copy)
        return err_nomem(err);
    for (char *c = n; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *c))
            *c = '_';
    if (!strcmp(n, "default")) {
        v->chat_template = copy;
        return 0;
    }
    while (at < v->n_templates && strcmp(v->templates[at].name, n) != 0)
        at++;
    v->templates[at] = (struct vocab_template){n, copy};
    v->n_templates += at == v->n_templates;
    return 0;
}

static int room_for_templates(struct vocab *v, size_t n, struct err *err)
{
    v->templates = arena_array(&v->arena, n + 1, sizeof(*v->templates));
    return v->templates ? 0 : err_nomem(err);
}

/* A list of {"name", "template"}. */
static int read_templates(struct vocab *v, const json_val *list, struct err *err)
{
    int rc = room_for_templates(v, json_len(list), err);

    for (const json_val *t = json_first(list); t && !rc; t = json_next(t)) {
        const char *name = json_str(json_get(t, "name"));
        const char *text = json_str(json_get(t, "template"));
        if (name && *name && text)
            rc = add_template(v, name, arena_str(&v->arena, text), err);
    }
    return rc;
}

/* chat_template.jinja, and the folder of others beside it. */
static int read_jinja(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    int rc = room_for_templates(v, f->n_extra, err);

    if (!rc)
        rc = add_template(v, "default", template_text(v, f->chat_jinja, f->chat_jinja_bytes), err);
    for (size_t i = 0; i < f->n_extra && !rc; i++)
        rc = add_template(v, f->extra[i].name,
                          template_text(v, f->extra[i].text, strlen(f->extra[i].text)), err);
    return rc;
}

static int read_chat(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *t = json_get(f->tokenizer_config, "chat_template");
    const char *text = json_str(t);

    if (json_is_array(t))
        return read_templates(v, t, err);
    if (t && !text)
        return 0;
    if (!text && f->chat_jinja)
        return read_jinja(v, f, err);
    if (!text) {
        t = json_get(f->chat_json, "chat_template");
        if (json_is_array(t))
            return read_templates(v, t, err);
        text = json_str(t);
    }
    if (!text)
        return 0;
    v->chat_template = arena_str(&v->arena, text);
    return v->chat_template ? 0 : err_nomem(err);
}

static void read_normalizer(struct vocab *v, const json_val *n, int depth)
{
    const char *type = json_str(json_get(n, "type"));
    bool on;

    if (!type || depth > 8)
        return;
    if (!strcmp(type, "Lowercase"))
        v->lowercase = 1;
    else if (!strcmp(type, "StripAccents"))
        v->strip_accents = 1;
    else if (!strcmp(type, "BertNormalizer")) {
        if (json_bool(json_get(n, "lowercase"), &on))
            v->lowercase = on;
        if (json_bool(json_get(n, "strip_accents"), &on))
            v->strip_accents = on;
    }
    for (const json_val *c = json_first(json_get(n, "normalizers")); c; c = json_next(c))
        read_normalizer(v, c, depth + 1);
}

int vocab_read_special(struct vocab *v, const struct vocab_files *f, bool limit, struct err *err)
{
    struct special s = {0};
    int rc = 0;

    for (enum role r = 0; r < N_ROLES; r++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%s_token", role_name[r]);
        s.token[r] = named_of(json_get(f->tokenizer_config, key));
        s.wanted[r] = r < EOT;
        s.add[r] = -1;
    }
    if (f->tokenizer) {
        read_post(&s, f->tokenizer);
        read_normalizer(v, json_get(f->tokenizer, "normalizer"), 0);
    }
    if (f->tokenizer_config) {
        read_adds(&s, f->tokenizer_config);
        rc = read_chat(v, f, err);
    }
    read_ids(v, &s, f, limit);
    /* a reader may have known already */
    v->add_bos = s.add[BOS] < 0 ? v->add_bos : s.add[BOS];
    v->add_eos = s.add[EOS] < 0 ? v->add_eos : s.add[EOS];
    v->add_sep = s.add[SEP] < 0 ? v->add_sep : s.add[SEP];
    return rc;
}
