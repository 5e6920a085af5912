/* Byte-level BPE as it was kept before tokenizer.json: vocab.json, merges.txt,
 * added_tokens.json, and tokenizer_config.json's added_tokens_decoder. */

#include "formats/pretok.h"
#include "formats/vocab/vocab_parts.h"

#include <stdlib.h>
#include <string.h>

/* These files do not say how words are cut; the class that reads them knows. */
static const struct {
    const char *class; /* begins so */
    const char *pre;
} classes[] = {
    {"GPT2Tokenizer",    "gpt-2"      },
    {"Qwen2Tokenizer",   "qwen2"      },
    {"CodeGenTokenizer", "phi-2"      },
    {"RobertaTokenizer", "roberta-bpe"},
};

static int find_pre(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const char *class = json_str(json_get(f->tokenizer_config, "tokenizer_class"));
    const char *name = f->pre;

    for (size_t i = 0; class && !name && i < sizeof(classes) / sizeof(*classes); i++)
        if (!strncmp(class, classes[i].class, strlen(classes[i].class)))
            name = classes[i].pre;
    const struct pretok *p = name ? pretok_by_name(name) : NULL;
    if (name && !p)
        return err_set(err, ERR_ARG, "pre-tokenizer \"%.60s\": not one of the known names", name);
    if (!p)
        return err_set(err, ERR_UNSUPPORTED,
                       "tokenizer_class %.60s, without a tokenizer.json: how it cuts words is not "
                       "known: name it with --pre-tokenizer",
                       class ? class : "is not given");
    v->pre = p->name;
    return 0;
}

/* The lists of added tokens, the later over the earlier. */
static int put_added(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *decoder = json_get(f->tokenizer_config, "added_tokens_decoder");
    size_t id = 0;
    int rc = 0;

    for (const json_val *t = json_is_object(f->added_tokens) ? json_first(f->added_tokens) : NULL;
         t && !rc; t = json_next(t)) {
        rc = vocab_read_id(&id, t, json_key(t), v->n_tokens, err);
        if (!rc)
            rc = vocab_put_added(v, id, json_key(t),
                                 vocab_named_special(f->tokenizer_config, json_key(t)), 0, err);
    }
    for (const json_val *t = json_is_object(decoder) ? json_first(decoder) : NULL; t && !rc;
         t = json_next(t)) {
        char *end;
        const unsigned long long at = strtoull(json_key(t), &end, 10);
        const char *text = json_str(json_get(t, "content"));
        bool special = false;
        if (!text || *end || end == json_key(t) || at >= v->n_tokens)
            continue;
        (void)json_bool(json_get(t, "special"), &special);
        rc = vocab_put_added(v, (size_t)at, text, special, 0, err);
    }
    return rc;
}

static int put_base(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const size_t count = json_len(f->slow) + json_len(f->added_tokens);
    size_t n = 0, id = 0;
    int rc = 0;

    for (const json_val *t = json_first(f->slow); t && !rc; t = json_next(t)) {
        rc = vocab_read_id(&id, t, json_key(t), f->n_vocab ? f->n_vocab : 2 * count + 1024, err);
        n = id + 1 > n ? id + 1 : n;
    }
    for (const json_val *t = json_is_object(f->added_tokens) ? json_first(f->added_tokens) : NULL;
         t && !rc; t = json_next(t)) {
        rc = vocab_read_id(&id, t, json_key(t), f->n_vocab ? f->n_vocab : 2 * count + 1024, err);
        n = id + 1 > n ? id + 1 : n;
    }
    if (!rc)
        rc = vocab_fill(v, f->n_vocab ? f->n_vocab : n, 0, err);
    for (const json_val *t = json_first(f->slow); t && !rc; t = json_next(t)) {
        rc = vocab_read_id(&id, t, json_key(t), v->n_tokens, err);
        if (!rc)
            rc = vocab_put(v, id, json_key(t), strlen(json_key(t)), 0, VOCAB_NORMAL, err);
    }
    return rc;
}

/* The next line of merges.txt, without white space around it. */
static struct meta_str next_line(const char **at, const char *end)
{
    const char *from = *at;
    const char *stop = memchr(from, '\n', (size_t)(end - from));
    const char *to = stop ? stop : end;

    *at = stop ? stop + 1 : end;
    while (to > from && strchr(" \t\r", to[-1]))
        to--;
    while (from < to && strchr(" \t\r", *from))
        from++;
    return (struct meta_str){from, (size_t)(to - from)};
}

/* "left right" a line; the first may be a comment, "#version: 0.2". */
static int put_merges(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const char *end = f->merges + f->merges_bytes;
    size_t lines = 1, line = 0;

    for (const char *p = f->merges; p < end; p++)
        lines += *p == '\n';
    v->merge = arena_array(&v->arena, lines, sizeof(*v->merge));
    if (!v->merge)
        return err_nomem(err);
    for (const char *at = f->merges; at < end;) {
        const struct meta_str m = next_line(&at, end);
        line++;
        if (!m.n || (line == 1 && *m.p == '#'))
            continue;
        const char *gap = memchr(m.p, ' ', m.n);
        if (!gap || memchr(gap + 1, ' ', m.n - (size_t)(gap - m.p) - 1))
            return err_set(err, ERR_FORMAT, "merges.txt, line %zu: expected \"left right\"", line);
        const char *copy = arena_strn(&v->arena, m.p, m.n);
        if (!copy)
            return err_nomem(err);
        v->merge[v->n_merges++] = (struct meta_str){copy, m.n};
    }
    return 0;
}

int vocab_read_slow(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    v->kind = VOCAB_BPE;
    if (!json_is_object(f->slow))
        return err_set(err, ERR_FORMAT, "vocab.json: expected an object");
    if (!f->merges)
        return err_set(err, ERR_UNSUPPORTED, "vocab.json without merges.txt or tokenizer.json");
    int rc = find_pre(v, f, err);
    if (!rc)
        rc = put_base(v, f, err);
    if (!rc)
        rc = put_added(v, f, err);
    if (!rc)
        rc = put_merges(v, f, err);
    return rc ? rc : vocab_pad(v, err);
}
