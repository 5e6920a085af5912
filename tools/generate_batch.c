#include "tools/generate_batch.h"

#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/base/json_where.h"
#include "formats/base/map.h"
#include "formats/base/out_lines.h"
#include "formats/base/utf8.h"
#include "formats/base/version.h"
#include "runtime/chat.h"

#include <stdlib.h>
#include <string.h>

/* What texts begin with: a line of the file each, or one for all. */
struct prompts {
    struct tok_ids *ids; /* [n] */
    json_val **line;     /* [n] what was read; NULL: no file */
    size_t n, cap;
    struct chat *chat; /* NULL: not needed so far */
};

struct writer {
    const struct generate_batch *g;
    const struct tok *t;
    const struct prompts *p;
    struct out_lines file;
    struct buf text, json;
};

static void prompts_release(struct prompts *p)
{
    for (size_t i = 0; i < p->n; i++) {
        tok_ids_release(&p->ids[i]);
        json_free(p->line[i]);
    }
    free(p->ids);
    free(p->line);
    chat_free(p->chat);
}

/* Room for one more, at p->n. */
static int grow(struct prompts *p, struct err *err)
{
    const size_t cap = p->cap ? 2 * p->cap : 16;

    if (p->n < p->cap)
        return 0;
    struct tok_ids *ids = realloc(p->ids, cap * sizeof(*ids));
    if (ids)
        p->ids = ids;
    json_val **line = ids ? realloc(p->line, cap * sizeof(*line)) : NULL;
    if (!line)
        return err_nomem(err);
    p->line = line;
    memset(p->ids + p->cap, 0, (cap - p->cap) * sizeof(*ids));
    memset(p->line + p->cap, 0, (cap - p->cap) * sizeof(json_val *));
    p->cap = cap;
    return 0;
}

static unsigned flags_of(const struct generate_batch *g)
{
    return TOK_ADD_SPECIAL | (g->special ? (unsigned)TOK_PARSE_SPECIAL : 0U);
}

static int encode_messages(struct prompts *p, const struct tok *t, const json_val *v,
                           struct err *err)
{
    const struct chat_vars vars = {.messages = json_get(v, "messages"),
                                   .tools = json_get(v, "tools"),
                                   .add_generation_prompt = true,
                                   .vocab = tok_vocab(t)};
    struct chat_text text = {0};
    int rc = p->chat ? 0 : chat_of_vocab(&p->chat, tok_vocab(t), err);

    if (!rc)
        rc = chat_render(&text, p->chat, &vars, err);
    if (!rc)
        rc = tok_encode(&p->ids[p->n], t, text.text.p ? text.text.p : "", text.text.n,
                        TOK_PARSE_SPECIAL, err);
    chat_text_release(&text);
    return rc;
}

static int encode_prompt(struct prompts *p, const struct tok *t, const struct generate_batch *g,
                         const json_val *v, struct err *err)
{
    const char *text = json_str(json_get(v, "text"));
    int rc;

    if (!text && !json_is_array(json_get(v, "messages")))
        return err_set(err, ERR_FORMAT, "expected an object with \"text\" or \"messages\"");
    rc = text ? tok_encode(&p->ids[p->n], t, text, strlen(text), flags_of(g), err)
              : encode_messages(p, t, v, err);
    if (!rc && !p->ids[p->n].n)
        rc = batch_begin(&p->ids[p->n], t, err);
    return rc;
}

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
            return false;
    return true;
}

static int read_prompts(struct prompts *p, const struct tok *t, const struct generate_batch *g,
                        const struct map *map, struct err *err)
{
    const char *s = (const char *)map->data, *end = s + map->size;
    int rc = 0;

    for (size_t line = 1; !rc && s < end; line++) {
        const char *eol = memchr(s, '\n', (size_t)(end - s));
        const size_t n = (size_t)((eol ? eol : end) - s);
        if (!is_blank(s, n)) {
            rc = grow(p, err);
            if (rc)
                return rc;
            rc = json_parse_line(&p->line[p->n], s, n, line, err);
            if (!rc && encode_prompt(p, t, g, p->line[p->n], err))
                rc = err_wrap(err, "line %zu", line);
            p->n++;
        }
        s += n + (eol != NULL);
    }
    return rc || p->n ? rc : err_set(err, ERR_FORMAT, "no prompts in it");
}

static int find_prompts(struct prompts *p, const struct tok *t, const struct generate_batch *g,
                        struct err *err)
{
    struct map map = {0};
    int rc;

    if (g->prompts) {
        rc = map_open(&map, g->prompts, err);
        if (rc)
            return rc;
        rc = read_prompts(p, t, g, &map, err);
        map_release(&map);
        return rc && rc != ERR_NOMEM ? err_wrap(err, "%s", g->prompts) : rc;
    }
    rc = grow(p, err);
    if (rc)
        return rc;
    p->n = 1;
    if (g->prompt)
        rc = tok_encode(&p->ids[0], t, g->prompt, g->n_prompt, flags_of(g), err);
    return rc || p->ids[0].n ? rc : batch_begin(&p->ids[0], t, err);
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Without the bytes of a character that the last token left unfinished; others that are no UTF-8
 * become U+FFFD as JSON is written. */
static size_t whole_characters(const struct buf *b)
{
    size_t at = 0;

    while (at < b->n) {
        bool good;
        const size_t k = utf8_step(&good, b->p + at, b->n - at);
        if (!good && at + k == b->n)
            break;
        at += k;
    }
    return at;
}

/* Byte tokens can make NULs, which no text has; returns how many bytes are left. */
static size_t drop_nuls(char *p, size_t n)
{
    size_t to = 0;

    for (size_t i = 0; i < n; i++)
        if (p[i])
            p[to++] = p[i];
    return to;
}

/* The messages of a line, the model's behind them, and the tools they speak of. */
static void put_messages(struct json_out *j, const json_val *line, const struct buf *text)
{
    const json_val *tools = json_get(line, "tools");

    if (tools)
        json_put_val(j, "tools", tools);
    json_open(j, "messages", '[');
    for (const json_val *m = json_first(json_get(line, "messages")); m; m = json_next(m))
        json_put_val(j, NULL, m);
    json_open(j, NULL, '{');
    json_put_str(j, "role", "assistant");
    json_put_strn(j, "content", text->p ? text->p : "", text->n);
    json_close(j, '}');
    json_close(j, ']');
}

static int write_text(void *arg, size_t i, const int32_t *ids, size_t n, bool ended,
                      struct err *err)
{
    struct writer *w = arg;
    const size_t k = i % w->p->n;
    const json_val *line = w->p->line[k];
    const char *begin = line ? json_str(json_get(line, "text")) : w->g->prompt;
    const size_t n_begin = line ? begin ? strlen(begin) : 0 : w->g->n_prompt;
    const bool text = !line || begin, special = text && w->g->special;
    int rc = 0;

    w->text.n = w->json.n = 0;
    for (size_t j = 0; !rc && j < n; j++)
        rc = tok_decode(&w->text, w->t, ids[j], special, err);
    if (!rc)
        rc = buf_check(&w->text, err);
    if (rc)
        return rc;
    w->text.n = drop_nuls(w->text.p, whole_characters(&w->text));
    if (!n_begin && w->text.n && w->text.p[0] == ' ' && tok_vocab(w->t)->add_space_prefix) {
        memmove(w->text.p, w->text.p + 1, --w->text.n); /* which the tokenizer puts there again */
    }
    struct json_out j = json_out_init(&w->json, true);
    json_open(&j, NULL, '{');
    if (!text) {
        put_messages(&j, line, &w->text);
    } else {
        struct buf all = {0};
        buf_put(&all, n_begin ? begin : "", n_begin);
        buf_put(&all, w->text.p ? w->text.p : "", w->text.n);
        w->json.bad = w->json.bad || all.bad;
        json_put_strn(&j, "text", all.p ? all.p : "", all.n);
        buf_release(&all);
    }
    if (special) /* which distill does not parse in a text unless it is told so */
        json_put_bool(&j, "special", true);
    if (!ended)
        json_put_bool(&j, "cut", true);
    json_close(&j, '}');
    buf_str(&w->json, "\n");
    rc = buf_check(&w->json, err);
    return rc ? rc : out_write(&w->file.out, w->json.p, w->json.n, err);
}

/* ---- the whole --------------------------------------------------------------------------- */

/* What decides the texts, but for their number. */
static int identify(char hex[HASH_HEX_BYTES], const struct model *m, const struct generate_batch *g,
                    const struct prompts *p, struct err *err)
{
    const struct sample_opts *s = &g->opts.sample;
    char model[HASH_HEX_BYTES], prompts[HASH_HEX_BYTES] = "";
    struct hash *h;
    int rc = source_sha256(model, model_source(m), &g->opts.par, g->opts.log, err);

    if (!rc && g->prompts)
        rc = hash_file(g->prompts, prompts, err);
    if (!rc)
        rc = hash_new(&h, err);
    if (rc)
        return rc;
    hash_str(h, PARE_VERSION);
    hash_str(h, model);
    hash_str(h, g->kernels);
    hash_u64(h, g->special);
    hash_str(h, prompts);
    hash_u64(h, g->n_prompt);
    hash_add(h, g->n_prompt ? g->prompt : "", g->n_prompt);
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->ids[i].n; k++)
            hash_u64(h, (uint64_t)p->ids[i].id[k]);
    hash_u64(h, g->opts.n_tokens);
    hash_f64(h, s->temperature);
    hash_u64(h, s->top_k);
    hash_f64(h, s->top_p);
    hash_u64(h, s->seed);
    rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

int generate_batch(const struct model *m, const struct generate_batch *g, struct err *err)
{
    struct prompts p = {0};
    struct writer w = {.g = g, .t = model_tok(m), .p = &p};
    struct batch_opts o = g->opts;
    char key[HASH_HEX_BYTES];
    int rc;

    out_lines_init(&w.file);
    if (!w.t)
        return err_set(err, ERR_UNSUPPORTED, "the model has no vocabulary");
    rc = find_prompts(&p, w.t, g, err);
    o.prompt = p.ids;
    o.n_prompts = p.n;
    if (!rc)
        rc = identify(key, m, g, &p, err);
    if (!rc)
        rc = out_lines_open(&w.file, g->out, key, o.n, err);
    o.first = w.file.n;
    if (!rc)
        rc = batch_generate(m, &o, write_text, &w, err);
    if (!rc)
        rc = out_lines_commit(&w.file, err);
    out_lines_close(&w.file);
    buf_release(&w.text);
    buf_release(&w.json);
    prompts_release(&p);
    return rc;
}
