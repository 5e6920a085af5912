/* A document as tokens. */

#include "distill/data_parts.h"
#include "formats/base/json.h"
#include "formats/base/json_where.h"
#include "formats/base/utf8.h"
#include "runtime/tok/tok_parts.h"

#include <string.h>

void data_tokens_release(struct data_tokens *t)
{
    tok_ids_release(&t->ids);
    buf_release(&t->answer);
}

/* What the tokenizer puts around nothing is what it puts around every text. */
int data_coder_init(struct data_coder *c, const struct tok *t, const struct data_opts *o,
                    struct err *err)
{
    const struct vocab *v = tok_vocab(t);
    struct tok_ids empty = {0};
    const int rc = tok_encode(&empty, t, "", 0, TOK_ADD_SPECIAL, err);

    *c = (struct data_coder){.t = t, .answers = o->answers_only};
    c->bare = !empty.n;
    c->end = v->eos >= 0 ? v->eos : v->eot;
    tok_ids_release(&empty);
    return rc;
}

void data_coder_release(struct data_coder *c)
{
    *c = (struct data_coder){0};
}

static int encode_text(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                       const char *text, size_t n, bool ended, struct err *err)
{
    int rc = tok_encode_more(&out->ids, m, text, n, TOK_ADD_SPECIAL, err);

    if (rc || !(c->bare || ended) || c->end < 0)
        return rc;
    if (out->ids.n && out->ids.id[out->ids.n - 1] == c->end)
        return 0;
    return tok_push(&out->ids, c->end, err);
}

/* ---- lines ------------------------------------------------------------------------------- */

struct line {
    const char *p;
    size_t n, number;
};

static int check_utf8(const char *p, size_t n, size_t line, struct err *err)
{
    for (size_t i = 0; i < n;) {
        bool good;
        const size_t k = utf8_step(&good, p + i, n - i);
        if (!good)
            return err_set(err, ERR_FORMAT,
                           "line %zu, column %zu: expected UTF-8, found byte 0x%02x", line, i + 1,
                           (unsigned)(unsigned char)p[i]);
        i += k;
    }
    return 0;
}

static int encode_value(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                        const json_val *v, const struct line *in, struct err *err)
{
    const json_val *text = json_get(v, "text");

    if (!json_is_object(v))
        return err_set(err, ERR_FORMAT,
                       "line %zu, column %zu: expected an object on every line (JSON Lines)",
                       in->number, json_where(in->p, in->n, NULL) + 1);
    if (!text)
        return err_set(err, ERR_FORMAT,
                       "line %zu, column %zu: expected \"text\" or \"messages\" in an object",
                       in->number, json_where(in->p, in->n, NULL) + 1);
    if (!json_is_string(text))
        return err_set(err, ERR_FORMAT, "line %zu, column %zu: expected a string as \"text\"",
                       in->number, json_where(in->p, in->n, "text") + 1);
    return encode_text(out, c, m, json_str(text), strlen(json_str(text)), false, err);
}

static int encode_line(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                       const struct line *in, struct err *err)
{
    json_val *v = NULL;
    int rc = check_utf8(in->p, in->n, in->number, err);

    if (!rc && json_parse_line(&v, in->p, in->n, in->number, err)) {
        rc = err->code;
        if (rc == ERR_FORMAT && strncmp(err->msg, "line ", 5) != 0)
            rc = err_wrap(err, "line %zu, column 1", in->number); /* duplicate keys */
    }
    if (!rc)
        rc = encode_value(out, c, m, v, in, err);
    json_free(v);
    return rc;
}

int data_encode(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                const struct data_docs *docs, const struct data_doc *doc, struct err *err)
{
    const struct data_source *f = &docs->file[doc->file];
    const struct line in = {(const char *)f->map.data + doc->at, doc->n, doc->line};
    const int rc = doc->line ? encode_line(out, c, m, &in, err)
                             : encode_text(out, c, m, in.p, in.n, f->ended, err);

    return rc ? err_wrap(err, "%s", f->path) : 0;
}
