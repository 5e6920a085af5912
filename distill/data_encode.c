/* A document as tokens. */

#include "distill/data_parts.h"
#include "formats/base/json_line.h"
#include "formats/base/json_where.h"

#include <stdio.h>
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
    if (rc)
        return rc;
    /* it may never be needed: an error is kept until it is */
    const int chat = chat_of_vocab(&c->chat, v, &c->no_chat);
    return chat == ERR_NOMEM ? err_nomem(err) : 0;
}

void data_coder_release(struct data_coder *c)
{
    chat_free(c->chat);
    *c = (struct data_coder){0};
}

enum ending {
    ENDING_PLAIN, /* EOS where the tokenizer asks for it, or asks for nothing at all */
    ENDING_EOS,   /* EOS */
    ENDING_CUT    /* none: the text goes on */
};

/* special: the text of control tokens stands for them. */
static int encode_text(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                       struct meta_str text, enum ending ending, bool special, struct err *err)
{
    const unsigned flags = TOK_ADD_SPECIAL | (special ? (unsigned)TOK_PARSE_SPECIAL : 0U);
    struct tok_ids *ids = &out->ids;
    int rc = tok_encode_more(ids, m, text.p, text.n, flags, err);
    const bool ends = !rc && c->end >= 0 && ids->n && ids->id[ids->n - 1] == c->end;

    if (ends && ending == ENDING_CUT)
        ids->n--;
    if (!rc && !ends && c->end >= 0 && (ending == ENDING_EOS || (!ending && c->bare)))
        rc = tok_push(ids, c->end, err);
    while (!rc && c->answers && out->answer.n < ids->n && !out->answer.bad)
        buf_put(&out->answer, "\1", 1); /* plain text counts */
    return rc ? rc : buf_check(&out->answer, err);
}

/* ---- lines ------------------------------------------------------------------------------- */

struct line {
    const char *p;
    size_t n, number;
};

static int expected(const struct line *in, const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: expected %s", in->number,
                   json_where(in->p, in->n, path) + 1, what);
}

static int encode_value(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                        const json_val *v, const struct line *in, struct err *err)
{
    const json_val *text = json_get(v, "text"), *messages = json_get(v, "messages");
    size_t i = 0;
    bool cut = false, special = false;
    char path[40];

    if (!json_is_object(v))
        return expected(in, NULL, "an object on every line (JSON Lines)", err);
    if (!text && !messages)
        return expected(in, NULL, "\"text\" or \"messages\" in an object", err);
    if (text && !json_is_string(text))
        return expected(in, "text", "a string as \"text\"", err);
    (void)json_bool(json_get(v, "cut"), &cut); /* as pare generate --batch says it */
    (void)json_bool(json_get(v, "special"), &special);
    if (text)
        return encode_text(out, c, m, (struct meta_str){json_str(text), strlen(json_str(text))},
                           cut ? ENDING_CUT : ENDING_PLAIN, special, err);
    if (!json_is_array(messages) || !json_first(messages))
        return expected(in, "messages", "a list of messages", err);
    for (const json_val *e = json_first(messages); e; e = json_next(e), i++)
        if (!json_str(json_get(e, "role"))) {
            (void)snprintf(path, sizeof(path), "messages.%zu", i);
            return expected(in, path, "a message: an object with \"role\"", err);
        }
    return data_encode_chat(out, c, m, v, cut, in->number, err);
}

static int encode_line(struct data_tokens *out, const struct data_coder *c, struct tok_memory *m,
                       const struct line *in, struct err *err)
{
    json_val *v = NULL;
    int rc = json_read_line(&v, in->p, in->n, in->number, err);

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
                             : encode_text(out, c, m, (struct meta_str){in.p, in.n},
                                           f->ended ? ENDING_EOS : ENDING_PLAIN, false, err);

    return rc ? err_wrap(err, "%s", f->path) : 0;
}
