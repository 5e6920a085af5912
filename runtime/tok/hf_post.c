/* What goes around a text, and how a token's text is shown again. */

#include "runtime/tok/hf_parts.h"

#include <string.h>

/* ---- post-processors -------------------------------------------------------------------- */

/* ids before or after what is there already. */
static int join(int32_t **to, size_t *n, struct hf *h, const int32_t *id, size_t count, bool front,
                struct err *err)
{
    int32_t *all = arena_array(&h->arena, *n + count, sizeof(*all));

    if (!all)
        return err_nomem(err);
    if (*n)
        memcpy(all + (front ? count : 0), *to, *n * sizeof(*all));
    if (count)
        memcpy(all + (front ? 0 : *n), id, count * sizeof(*all));
    *to = all;
    *n += count;
    return 0;
}

/* The ids a special token of a template stands for, before or after the text. */
static int put_template(struct hf *h, const json_val *tokens, const char *name, bool before,
                        struct err *err)
{
    const json_val *ids = json_get(json_get(tokens, name ? name : ""), "ids");
    int rc = 0;

    if (!json_is_array(ids))
        return err_set(err, ERR_FORMAT, "post_processor: no ids for \"%.60s\"", name ? name : "");
    for (const json_val *v = json_first(ids); v && !rc; v = json_next(v)) {
        int64_t id = -1;
        if (!json_int(v, &id) || id < 0 || id > INT32_MAX)
            return err_set(err, ERR_FORMAT, "post_processor: a special token without an id");
        const int32_t one = (int32_t)id;
        rc = before ? join(&h->first, &h->n_first, h, &one, 1, false, err)
                    : join(&h->last, &h->n_last, h, &one, 1, false, err);
    }
    return rc;
}

/* A template around what earlier processors put. */
static int read_template(struct hf *h, const json_val *v, struct err *err)
{
    int32_t *inner = h->first;
    const size_t n_inner = h->n_first;
    bool before = true;
    int rc = 0;

    h->first = NULL;
    h->n_first = 0;
    for (const json_val *s = json_first(json_get(v, "single")); s && !rc; s = json_next(s)) {
        if (json_get(s, "Sequence"))
            before = false;
        else
            rc = put_template(h, json_get(v, "special_tokens"),
                              json_str(json_path(s, "SpecialToken.id")), before, err);
    }
    return rc || !n_inner ? rc : join(&h->first, &h->n_first, h, inner, n_inner, false, err);
}

/* ["text", id] */
static int read_pair(int32_t *out, const json_val *v, struct err *err)
{
    int64_t id = -1;

    if (json_len(v) != 2 || !json_int(json_next(json_first(v)), &id) || id < 0 || id > INT32_MAX)
        return err_set(err, ERR_FORMAT, "post_processor: expected a token and its id");
    *out = (int32_t)id;
    return 0;
}

static int read_bert(struct hf *h, const json_val *v, struct err *err)
{
    int32_t cls, sep;

    int rc = read_pair(&cls, json_get(v, "cls"), err);
    if (!rc)
        rc = read_pair(&sep, json_get(v, "sep"), err);
    if (!rc)
        rc = join(&h->first, &h->n_first, h, &cls, 1, true, err);
    return rc ? rc : join(&h->last, &h->n_last, h, &sep, 1, false, err);
}

int hf_read_post(struct hf *h, const json_val *v, int depth, struct err *err)
{
    const char *type = json_str(json_get(v, "type"));
    int rc = 0;

    if (json_is_null(v))
        return 0;
    if (type && !strcmp(type, "Sequence") && depth < HF_MOST_STEPS) {
        for (const json_val *s = json_first(json_get(v, "processors")); s && !rc; s = json_next(s))
            rc = hf_read_post(h, s, depth + 1, err);
        return rc;
    }
    if (type && !strcmp(type, "TemplateProcessing"))
        return read_template(h, v, err);
    if (type && (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing")))
        return read_bert(h, v, err);
    if (type && !strcmp(type, "ByteLevel"))
        return 0;
    return hf_unknown("post_processor", v, err);
}

/* ---- decoders ----------------------------------------------------------------------------- */

static int add_replace(struct hf *h, const json_val *find, const char *put, struct err *err)
{
    struct hf_step *s = &h->decode.step[h->decode.n];

    if (h->decode.n == HF_MOST_STEPS)
        return 0;
    h->decode.n++;
    s->put = (struct meta_str){" ", 1};
    int rc = find ? hf_string(&s->find, h, find, err) : 0;
    if (!rc && put) {
        s->put.n = strlen(put);
        s->put.p = arena_strn(&h->arena, put, s->put.n);
        rc = s->put.p ? 0 : err_nomem(err);
    }
    return rc;
}

/* Steps that concern a whole text (Fuse, Strip, CTC) have no say in a single token. */
int hf_read_decoder(struct hf *h, const json_val *v, int depth, struct err *err)
{
    const char *type = json_str(json_get(v, "type"));
    const json_val *text = json_path(v, "pattern.String");
    int rc = 0;

    if (!type)
        return 0;
    if (!strcmp(type, "Sequence") && depth < HF_MOST_STEPS) {
        for (const json_val *s = json_first(json_get(v, "decoders")); s && !rc; s = json_next(s))
            rc = hf_read_decoder(h, s, depth + 1, err);
    } else if (!strcmp(type, "ByteLevel")) {
        h->decode_bytes = true;
    } else if (!strcmp(type, "ByteFallback")) {
        h->decode_fallback = true;
    } else if (!strcmp(type, "Replace") && json_str(text)) {
        rc = add_replace(h, text, json_str(json_get(v, "content")), err);
    } else if (!strcmp(type, "Metaspace")) {
        rc = add_replace(h, json_get(v, "replacement"), " ", err);
    } else if (!strcmp(type, "BPEDecoder")) {
        rc = add_replace(h, json_get(v, "suffix"), " ", err);
    } else if (!strcmp(type, "WordPiece")) {
        rc = hf_string(&h->continuing, h, json_get(v, "prefix"), err);
    }
    return rc;
}

static void put_replaced(struct buf *out, const struct hf_step *s, struct meta_str text)
{
    for (size_t i = 0; i < text.n;) {
        const bool found =
            s->find.n && text.n - i >= s->find.n && !memcmp(text.p + i, s->find.p, s->find.n);
        buf_put(out, found ? s->put.p : text.p + i, found ? s->put.n : 1);
        i += found ? s->find.n : 1;
    }
}

void hf_decode(struct buf *out, const struct hf *h, struct meta_str text)
{
    const int byte = h->decode_fallback ? tok_byte_of(text) : -1;
    const size_t begun = out->n;
    struct buf a = {0}, b = {0};

    if (byte >= 0) {
        const char one = (char)byte;
        buf_put(out, &one, 1);
        return;
    }
    if (h->decode_bytes && tok_bytes(out, text.p, text.n))
        return;
    out->n = begun;
    if (h->continuing.p) {
        const size_t n = h->continuing.n;
        const bool inside = text.n > n && !memcmp(text.p, h->continuing.p, n);
        buf_put(out, " ", !inside);
        buf_put(out, text.p + (inside ? n : 0), text.n - (inside ? n : 0));
        return;
    }
    buf_put(&a, text.p, text.n);
    for (int i = 0; i < h->decode.n; i++) {
        b.n = 0;
        put_replaced(&b, &h->decode.step[i], (struct meta_str){a.p ? a.p : "", a.n});
        const struct buf old = a;
        a = b;
        b = old;
    }
    buf_put(out, a.p ? a.p : "", a.n);
    out->bad = out->bad || a.bad || b.bad;
    buf_release(&a);
    buf_release(&b);
}
