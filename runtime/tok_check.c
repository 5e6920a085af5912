#include "runtime/tok_check.h"

#include "runtime/tok/tok_parts.h"
#include "runtime/tokenizer.h"

#include <string.h>

/* Added tokens that are tried; models with thousands have them all alike. */
enum { MOST_ADDED = 256 };

struct check {
    struct tok *json, *gguf; /* owned */
    struct tok_ids a, b;     /* owned; scratch */
    size_t n_tokens;
};

static void check_release(struct check *c)
{
    tok_free(c->json);
    tok_free(c->gguf);
    tok_ids_release(&c->a);
    tok_ids_release(&c->b);
}

/* Does the definition use an id that the model has no row for? */
static bool beyond(const struct check *c)
{
    for (size_t i = 0; i < c->a.n; i++)
        if ((size_t)c->a.id[i] >= c->n_tokens)
            return true;
    return false;
}

/* "12 (\"ab\")", or "the end". */
static void put_id(struct buf *out, const struct tok_ids *ids, size_t i, const struct tok *t)
{
    struct json_out j = json_out_init(out, true);

    if (i >= ids->n) {
        buf_str(out, "the end");
        return;
    }
    const struct meta_str s = tok_vocab(t)->token[ids->id[i]].text;
    buf_fmt(out, "%d (", (int)ids->id[i]);
    json_put_strn(&j, NULL, s.p, s.n < 40 ? s.n : 40);
    buf_str(out, ")");
}

static int differ(const struct check *c, const char *text, size_t n, struct err *err)
{
    struct buf b = {0}, shown = {0};
    struct json_out j = json_out_init(&shown, true);
    size_t i = 0;

    while (i < c->a.n && i < c->b.n && c->a.id[i] == c->b.id[i])
        i++;
    json_put_strn(&j, NULL, text, n < 80 ? n : 80);
    put_id(&b, &c->a, i, c->gguf);
    buf_str(&b, " by tokenizer.json, ");
    put_id(&b, &c->b, i, c->gguf);
    buf_str(&b, " by the GGUF");
    int rc = buf_check(&b, err);
    if (!rc)
        rc = buf_check(&shown, err);
    if (!rc)
        rc = err_set(err, ERR_FORMAT, "the tokenizer would change: token %zu of %s is %s", i,
                     shown.p, b.p);
    buf_release(&b);
    buf_release(&shown);
    return rc;
}

static int check_text(struct check *c, const char *text, size_t n, struct err *err)
{
    c->a.n = c->b.n = 0;
    int rc = tok_encode(&c->a, c->json, text, n, TOK_PARSE_SPECIAL, err);
    if (!rc)
        rc = tok_encode(&c->b, c->gguf, text, n, TOK_PARSE_SPECIAL, err);
    if (rc || beyond(c))
        return rc;
    if (c->a.n == c->b.n && (!c->a.n || !memcmp(c->a.id, c->b.id, c->a.n * sizeof(*c->a.id))))
        return 0;
    return differ(c, text, n, err);
}

/* An added token by itself, and in a text. */
static int check_added(struct check *c, struct meta_str token, struct err *err)
{
    static const char *const around[][2] = {
        {"",      ""     },
        {"word ", " word"},
        {"word",  "word" },
        {"x  \n", "  \ny"},
    };
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; i < sizeof(around) / sizeof(*around) && !rc; i++) {
        b.n = 0;
        buf_str(&b, around[i][0]);
        buf_put(&b, token.p, token.n);
        buf_put(&b, token.p, i == 3 ? token.n : 0);
        buf_str(&b, around[i][1]);
        rc = buf_check(&b, err);
        if (!rc)
            rc = check_text(c, b.p, b.n, err);
    }
    buf_release(&b);
    return rc;
}

static int check_all(struct check *c, struct err *err)
{
    const struct vocab *v = tok_vocab(c->json);
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; tok_hard(i) && !rc; i++)
        rc = check_text(c, tok_hard(i), strlen(tok_hard(i)), err);
    for (size_t i = 0; i < v->n_tokens && n < MOST_ADDED && !rc; i++)
        if (v->token[i].type == VOCAB_CONTROL || v->token[i].type == VOCAB_USER) {
            rc = check_added(c, v->token[i].text, err);
            n++;
        }
    return rc;
}

static int check_meta(struct check *c, const struct meta *meta, struct err *err)
{
    struct vocab *v = NULL;

    int rc = vocab_from_meta(&v, meta, err);
    if (!rc)
        rc = tok_new(&c->gguf, v, err);
    if (!rc) {
        c->n_tokens = v->n_tokens;
        rc = check_all(c, err);
    }
    tok_free(c->gguf);
    c->gguf = NULL;
    vocab_free(v);
    return rc;
}

int tok_check_meta(const struct meta *meta, const json_val *doc, struct err *err)
{
    struct check c = {0};

    int rc = tok_new_json(&c.json, NULL, doc, err);
    if (!rc)
        rc = check_meta(&c, meta, err);
    check_release(&c);
    return rc;
}

/* tokenizer.json of the checkpoint; *doc NULL: it has none. */
static int load(json_val **doc, const char *path, struct err *err)
{
    struct ckpt *c;
    struct map m;
    bool found;

    *doc = NULL;
    int rc = ckpt_open(&c, path, err);
    if (rc)
        return rc;
    rc = ckpt_map(&m, &found, c, "tokenizer.json", err);
    if (!rc && found) {
        rc = json_parse(doc, m.data ? (const char *)m.data : "", m.size, err);
        map_release(&m);
    }
    ckpt_free(c);
    return rc;
}

/* The file is let go before the other tokenizer is made: both are large. */
int tok_check(const struct source *s, bool forced, const struct log *log, struct err *err)
{
    struct check c = {0};
    json_val *doc = NULL;

    if (!source_is_checkpoint(s) || !source_vocab(s))
        return 0;
    int rc = load(&doc, source_path(s), err);
    const bool found = doc;
    if (!rc && found)
        rc = tok_new_json(&c.json, NULL, doc, err);
    json_free(doc);
    if (!rc && found)
        rc = check_meta(&c, source_meta(s), err);
    check_release(&c);
    if (rc == ERR_UNSUPPORTED || (rc == ERR_FORMAT && forced)) {
        log_warn(log, "%s: %s", source_path(s), err->msg);
        rc = 0;
    }
    return rc ? err_wrap(err, "%s", source_path(s)) : 0;
}
