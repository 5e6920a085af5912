/* The normalizers, a row each. */

#include "formats/vocab/vocab_parts.h"
#include "runtime/tok/hf_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int form(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
                struct err *err)
{
    (void)r; /* the form's name tells */
    return tok_normal_form(out, p->text, p->n, s->put.p[s->put.n - 1] == 'C',
                           !!memchr(s->put.p, 'K', s->put.n), err);
}

static int lowercase(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
                     struct err *err)
{
    (void)r;
    (void)s;
    return tok_bert_normal(out, p->text, p->n, TOK_BERT_LOWER, err);
}

static int bert(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
                struct err *err)
{
    size_t k;

    (void)r;
    if (s->flags & TOK_BERT_CLEAN && p->n && tok_bert_drops(tok_char(&k, p->text, p->n)))
        p->start = false;
    return tok_bert_normal(out, p->text, p->n, s->flags, err);
}

/* Characters that a test says go. */
static int without(struct buf *out, struct hf_piece *p, bool (*goes)(int32_t), struct err *err)
{
    for (size_t i = 0, k; i < p->n; i += k) {
        const int32_t c = tok_char(&k, p->text + i, p->n - i);
        if (c < 0 || !goes(c))
            buf_put(out, p->text + i, k);
        else if (!i)
            p->start = false;
    }
    return buf_check(out, err);
}

static int strip_accents(struct buf *out, struct hf_run *r, const struct hf_step *s,
                         struct hf_piece *p, struct err *err)
{
    (void)r;
    (void)s;
    return without(out, p, tok_is_mark, err);
}

static int strip(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
                 struct err *err)
{
    size_t from = 0, to = p->n, k;

    (void)r;
    while (s->flags & HF_LEFT && from < to && tok_is_space(tok_char(&k, p->text + from, to - from)))
        from += k;
    while (s->flags & HF_RIGHT && from < to && tok_is_space(tok_char_before(&k, p->text, to)))
        to -= k;
    p->start = p->start && !from;
    buf_put(out, p->text + from, to - from);
    return buf_check(out, err);
}

static bool nmt_drops(int32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f ||
           c == 0x9f;
}

static bool nmt_space(int32_t c)
{
    return c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
           (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xfeff || c == 0xfffd;
}

static int nmt(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
               struct err *err)
{
    (void)r;
    (void)s;
    for (size_t i = 0, k; i < p->n; i += k) {
        const int32_t c = tok_char(&k, p->text + i, p->n - i);
        if (!nmt_drops(c))
            buf_put(out, nmt_space(c) ? " " : p->text + i, nmt_space(c) ? 1 : k);
        else if (!i)
            p->start = false;
    }
    return buf_check(out, err);
}

static int replace(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
                   struct err *err)
{
    size_t at = 0, from, to;
    struct hf_find f;

    int rc = hf_find_init(&f, r, s, &r->shape[0], *p, err);
    while (!rc && hf_find_next(&from, &to, &f)) {
        buf_put(out, p->text + at, from - at);
        buf_put(out, s->put.p, s->put.n);
        if (!from && to && !s->put.n)
            p->start = false;
        at = to;
    }
    buf_put(out, p->text + at, p->n - at);
    return rc ? rc : buf_check(out, err);
}

static int prepend(struct buf *out, struct hf_run *r, const struct hf_step *s, struct hf_piece *p,
                   struct err *err)
{
    (void)r;
    if (p->n)
        buf_put(out, s->put.p, s->put.n);
    buf_put(out, p->text, p->n);
    return buf_check(out, err);
}

static int byte_level(struct buf *out, struct hf_run *r, const struct hf_step *s,
                      struct hf_piece *p, struct err *err)
{
    (void)r;
    (void)s;
    tok_put_bytes(out, p->text, p->n);
    return buf_check(out, err);
}

/* A cluster of characters, or where the table does not have it, each one of them. The
 * library takes the shortest entry that it begins with for the whole. */
static void put_cluster(struct buf *out, const struct tok_charsmap *m, const char *text, size_t n)
{
    const char *to;
    size_t n_to;

    if (n < 6 && tok_charsmap_find(&to, &n_to, m, text, n, false)) {
        buf_put(out, to, n_to);
        return;
    }
    for (size_t i = 0, k; i < n; i += k) {
        (void)tok_char(&k, text + i, n - i);
        if (tok_charsmap_find(&to, &n_to, m, text + i, k, false))
            buf_put(out, to, n_to);
        else
            buf_put(out, text + i, k);
    }
}

static int precompiled(struct buf *out, struct hf_run *r, const struct hf_step *s,
                       struct hf_piece *p, struct err *err)
{
    utf8proc_int32_t state = 0;
    int32_t before = -1;
    size_t begin = 0;

    (void)r;
    for (size_t i = 0, k; i < p->n; i += k) {
        const int32_t c = tok_char(&k, p->text + i, p->n - i);
        if (i && (c < 0 || before < 0 || utf8proc_grapheme_break_stateful(before, c, &state))) {
            put_cluster(out, &s->charsmap, p->text + begin, i - begin);
            begin = i;
        }
        before = c;
    }
    put_cluster(out, &s->charsmap, p->text + begin, p->n - begin);
    return buf_check(out, err);
}

/* ---- reading ------------------------------------------------------------------------- */

static int read_form(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    return hf_string(&s->put, h, json_get(v, "type"), err);
}

static int read_bert(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    const bool lower = hf_on(v, "lowercase", true);

    (void)h;
    (void)err;
    s->flags = (hf_on(v, "clean_text", true) ? TOK_BERT_CLEAN : 0U) |
               (hf_on(v, "handle_chinese_chars", true) ? TOK_BERT_CHINESE : 0U) |
               (hf_on(v, "strip_accents", lower) ? TOK_BERT_STRIP : 0U) |
               (lower ? TOK_BERT_LOWER : 0U);
    return 0;
}

static int read_strip(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    (void)h;
    (void)err;
    s->flags = (hf_on(v, "strip_left", true) ? HF_LEFT : 0U) |
               (hf_on(v, "strip_right", true) ? HF_RIGHT : 0U);
    return 0;
}

static int read_replace(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    const int rc = hf_read_pattern(h, s, json_get(v, "pattern"), err);

    return rc ? rc : hf_string(&s->put, h, json_get(v, "content"), err);
}

static int read_prepend(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    return hf_string(&s->put, h, json_get(v, "prepend"), err);
}

static int read_precompiled(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    const char *text = json_str(json_get(v, "precompiled_charsmap"));
    size_t n = 0;

    if (!text)
        return 0;
    uint8_t *data = arena_alloc(&h->arena, strlen(text) / 4 * 3 + 3);
    if (!data)
        return err_nomem(err);
    if (!vocab_decode64(data, &n, text))
        return err_set(err, ERR_FORMAT, "precompiled_charsmap is not base64");
    return tok_charsmap_init(&s->charsmap, data, n, err);
}

static const struct hf_kind kinds[] = {
    {.type = "NFC",          .norm = form,          .read = read_form},
    {.type = "NFD",                      .norm = form,                               .read = read_form},
    {.type = "NFKC",     .norm = form,.read = read_form},
    {.type = "NFKD",      .norm = form,               .read = read_form},
    {.type = "Lowercase",         .norm = lowercase            },
    {.type = "Strip",                      .norm = strip,                         .read = read_strip},
    {.type = "StripAccents",                      .norm = strip_accents                },
    {.type = "Replace",    .norm = replace, .read = read_replace},
    {.type = "Prepend",.norm = prepend,.read = read_prepend},
    {.type = "BertNormalizer",    .norm = bert,     .read = read_bert},
    {.type = "Precompiled",      .norm = precompiled,                                 .read = read_precompiled},
    {.type = "ByteLevel",                      .norm = byte_level                   },
    {.type = "Nmt",     .norm = nmt                     },
};

int hf_read_norm(struct hf *h, const json_val *v, struct err *err)
{
    static const struct hf_kinds all = {kinds, sizeof(kinds) / sizeof(*kinds), "normalizer",
                                        "normalizers"};

    return hf_read_steps(h, &h->norm, &all, v, 0, err);
}

int hf_normalize(const char **out, size_t *n, struct hf_run *r, struct hf_piece *p, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < r->h->norm.n && !rc; i++) {
        const struct hf_step *s = &r->h->norm.step[i];
        struct buf *b = &r->norm[i & 1];
        b->n = 0;
        buf_put(b, "", 0);
        rc = s->norm(b, r, s, p, err);
        p->text = b->p ? b->p : "";
        p->n = b->n;
    }
    *out = p->text;
    *n = p->n;
    return rc;
}
