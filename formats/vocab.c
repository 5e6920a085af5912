#include "formats/vocab.h"

#include "formats/base/buf.h"
#include "formats/vocab/vocab_parts.h"

#include <stdlib.h>
#include <string.h>

int vocab_new(struct vocab **out, struct err *err)
{
    struct vocab *v = calloc(1, sizeof(*v));

    *out = NULL;
    if (!v)
        return err_nomem(err);
    v->bos = v->eos = v->unk = v->sep = v->pad = v->mask = v->eot = v->eom = -1;
    v->add_bos = v->add_eos = v->add_sep = v->space_prefix = -1;
    v->lowercase = v->strip_accents = -1;
    v->pre = "default";
    *out = v;
    return 0;
}

void vocab_free(struct vocab *v)
{
    if (!v)
        return;
    arena_release(&v->arena);
    free(v);
}

int vocab_fill(struct vocab *v, size_t n, float score, struct err *err)
{
    if (n > VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, "a vocabulary of %zu tokens: expected at most %d", n,
                       VOCAB_MAX_TOKENS);
    v->token = arena_array(&v->arena, n, sizeof(*v->token));
    if (!v->token)
        return err_nomem(err);
    v->n_tokens = n;
    for (size_t i = 0; i < n; i++) {
        const char *text = arena_fmt(&v->arena, "[PAD%zu]", i);
        if (!text)
            return err_nomem(err);
        v->token[i] = (struct vocab_token){
            .text = {text, strlen(text)},
              .score = score, .type = VOCAB_UNUSED
        };
    }
    return 0;
}

int vocab_put(struct vocab *v, size_t id, const char *text, size_t n, float score,
              enum vocab_type type, struct err *err)
{
    const char *copy = arena_strn(&v->arena, text, n);

    if (!copy)
        return err_nomem(err);
    v->token[id] = (struct vocab_token){
        .text = {copy, n},
          .score = score, .type = type
    };
    return 0;
}

static bool has_ends(const char *s, const char *head, const char *tail)
{
    const size_t n = strlen(s), h = strlen(head), t = strlen(tail);

    return n >= h && n >= t && !memcmp(s, head, h) && !memcmp(s + n - t, tail, t);
}

/* Added tokens that some checkpoints do not mark special, though they are: the
 * reference converter's list. */
static bool looks_special(const char *s)
{
    static const char *const named[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};

    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++)
        if (!strcmp(s, named[i]))
            return true;
    return has_ends(s, "<|", "|>") || has_ends(s, "<\xef\xbd\x9c", "\xef\xbd\x9c>") ||
           has_ends(s, "<unused", ">");
}

int vocab_put_added(struct vocab *v, size_t id, const char *text, bool special, float score,
                    struct err *err)
{
    struct buf b = {0};

    if (special || looks_special(text))
        return vocab_put(v, id, text, strlen(text), score, VOCAB_CONTROL, err);
    buf_str(&b, "");
    while (*text) {
        const bool space = !strncmp(text, "\xe2\x96\x81", 3);
        buf_put(&b, space ? " " : text, 1);
        text += space ? 3 : 1;
    }
    int rc = buf_check(&b, err);
    if (!rc)
        rc = vocab_put(v, id, b.p ? b.p : "", b.n, score, VOCAB_USER, err);
    buf_release(&b);
    return rc;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

bool vocab_is_byte(const char *text, size_t n)
{
    return n == 6 && !memcmp(text, "<0x", 3) && is_hex(text[3]) && is_hex(text[4]) &&
           text[5] == '>';
}

/* A small JSON file of the folder; *out stays NULL when it is absent. */
static int load_json(json_val **out, const struct ckpt *c, const char *name, struct err *err)
{
    struct map m;
    bool found;

    int rc = ckpt_map(&m, &found, c, name, err);
    if (rc || !found)
        return rc;
    rc = json_parse(out, m.data ? (const char *)m.data : "", m.size, err);
    map_release(&m);
    return rc ? err_wrap(err, "%s/%s", ckpt_dir(c), name) : 0;
}

/* What the reference does for this class of models beyond the general rules: the
 * space prefix is taken from tokenizer_config.json, and two vocabulary sizes are known
 * for what they are (Granite's code models; Code Llama with infill). */
static void llama_rules(struct vocab *v, const struct vocab_files *f)
{
    bool prefix;

    if (json_bool(json_get(f->tokenizer_config, "add_prefix_space"), &prefix))
        v->space_prefix = prefix;
    if (f->n_vocab == 49152)
        v->add_bos = 0;
    if (f->n_vocab == 32016 && v->eot < 0)
        v->eot = 32010;
}

static int read_model(struct vocab *v, const struct ckpt *c, const struct vocab_files *f,
                      struct err *err)
{
    struct map model;
    bool found;

    int rc = ckpt_map(&model, &found, c, "tokenizer.model", err);
    if (rc)
        return rc;
    if (found) {
        rc = vocab_read_spm(v, model.data, model.size, f, err);
        map_release(&model);
        return rc ? err_wrap(err, "%s/tokenizer.model", ckpt_dir(c)) : 0;
    }
    if (!f->tokenizer)
        return err_set(err, ERR_UNSUPPORTED, "%s: neither tokenizer.json nor tokenizer.model",
                       ckpt_dir(c));
    rc = vocab_is_fallback(f->tokenizer) ? vocab_read_fallback(v, f, err)
                                         : vocab_read_bpe(v, f, err);
    return rc ? err_wrap(err, "%s/tokenizer.json", ckpt_dir(c)) : 0;
}

static int read_all(struct vocab *v, const struct ckpt *c, const struct vocab_files *f,
                    struct err *err)
{
    int rc = read_model(v, c, f, err);

    if (!rc)
        rc = vocab_read_special(v, f, v->kind == VOCAB_SPM, err);
    if (rc)
        return rc;
    llama_rules(v, f);
    v->add_space_prefix = v->space_prefix < 0 ? v->kind == VOCAB_SPM : v->space_prefix;
    return 0;
}

int vocab_from_checkpoint(struct vocab **out, const struct ckpt *c, size_t n_vocab, const char *pre,
                          const struct log *log, struct err *err)
{
    struct vocab_files f = {.tokenizer_config = ckpt_tokenizer_config(c),
                            .config = ckpt_config(c),
                            .n_vocab = n_vocab,
                            .pre = pre,
                            .log = log};
    json_val *tokenizer = NULL, *added = NULL, *chat = NULL;
    struct map jinja = {0};
    struct vocab *v = NULL;
    bool found;

    *out = NULL;
    int rc = load_json(&tokenizer, c, "tokenizer.json", err);
    if (!rc)
        rc = load_json(&added, c, "added_tokens.json", err);
    if (!rc)
        rc = load_json(&chat, c, "chat_template.json", err);
    if (!rc)
        rc = ckpt_map(&jinja, &found, c, "chat_template.jinja", err);
    if (!rc)
        rc = vocab_new(&v, err);
    if (rc)
        goto done;
    f.tokenizer = tokenizer;
    f.added_tokens = added;
    f.chat_json = chat;
    if (found) {
        f.chat_jinja = jinja.data ? (const char *)jinja.data : "";
        f.chat_jinja_bytes = jinja.size;
    }
    rc = read_all(v, c, &f, err);
    if (rc)
        goto done;
    *out = v;
    v = NULL;

done:
    vocab_free(v);
    map_release(&jinja);
    json_free(tokenizer);
    json_free(added);
    json_free(chat);
    return rc;
}
