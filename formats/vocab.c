#include "formats/vocab.h"

#include "formats/base/buf.h"
#include "formats/base/rd.h"
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
    v->lowercase = v->strip_accents = v->remove_extra_spaces = -1;
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
    for (size_t i = 0; i < n; i++)
        v->token[i] = (struct vocab_token){.score = score, .type = VOCAB_UNUSED};
    return 0;
}

int vocab_pad(struct vocab *v, struct err *err)
{
    for (size_t i = 0; i < v->n_tokens; i++) {
        char *text;
        if (v->token[i].text.p)
            continue;
        text = arena_fmt(&v->arena, "[PAD%zu]", i);
        if (!text)
            return err_nomem(err);
        v->token[i].text = (struct meta_str){text, strlen(text)};
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

static int read_json(struct vocab *v, const struct ckpt *c, const struct vocab_files *f,
                     struct err *err)
{
    const char *type = json_str(json_path(f->tokenizer, "model.type"));

    int rc = vocab_check_json(f->tokenizer, err);
    if (rc)
        return err_wrap(err, "%s/tokenizer.json", ckpt_dir(c));
    if (type && !strcmp(type, "Unigram"))
        rc = vocab_read_unigram(v, f, err);
    else if (type && !strcmp(type, "WordPiece"))
        rc = vocab_read_wordpiece(v, f, err);
    else if (!vocab_is_fallback(f->tokenizer))
        rc = vocab_read_bpe(v, f, err);
    else if (f->rules->text_bpe)
        rc = vocab_read_text_bpe(v, f, err);
    else
        rc = vocab_read_fallback(v, f, err);
    return rc ? err_wrap(err, "%s/tokenizer.json", ckpt_dir(c)) : 0;
}

/* A SentencePiece model goes by several names. */
static int read_spm(struct vocab *v, bool *found, const struct ckpt *c, const struct vocab_files *f,
                    struct err *err)
{
    static const char *const names[] = {"tokenizer.model", "spiece.model",
                                        "sentencepiece.bpe.model"};
    struct map model;
    int rc = 0;

    *found = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !rc && !*found; i++) {
        if (i && f->tokenizer) /* the other names only stand in for a tokenizer.json */
            break;
        rc = ckpt_map(&model, found, c, names[i], err);
        if (rc || !*found)
            continue;
        rc = vocab_read_spm(v, model.data, model.size, f, err);
        map_release(&model);
        if (rc)
            return err_wrap(err, "%s/%s", ckpt_dir(c), names[i]);
    }
    return rc;
}

static int read_model(struct vocab *v, const struct ckpt *c, const struct vocab_files *f,
                      struct err *err)
{
    bool found;

    if (f->tokenizer && f->rules->json_first)
        return read_json(v, c, f, err);
    int rc = read_spm(v, &found, c, f, err);
    if (rc || found)
        return rc;
    if (f->tokenizer)
        return read_json(v, c, f, err);
    if (f->slow)
        rc = vocab_read_slow(v, f, err);
    else if (f->tekken)
        rc = vocab_read_tekken(v, f, err);
    else
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: no tokenizer: neither tokenizer.json nor tokenizer.model, vocab.json "
                       "with merges.txt, or tekken.json",
                       ckpt_dir(c));
    return rc ? err_wrap(err, "%s", ckpt_dir(c)) : 0;
}

static int read_all(struct vocab *v, const struct ckpt *c, const struct vocab_files *f,
                    struct err *err)
{
    int rc = read_model(v, c, f, err);

    if (!rc)
        rc = vocab_read_special(v, f, v->kind != VOCAB_BPE && v->kind != VOCAB_TEXT_BPE, err);
    if (!rc)
        rc = vocab_read_added(v, f, err);
    if (rc)
        return rc;
    vocab_apply_rules(v, f);
    v->add_space_prefix = v->space_prefix < 0 ? v->kind == VOCAB_SPM : v->space_prefix;
    return vocab_read_ends(v, f, err);
}

/* vocab_size, rounded up where the class asks for that. */
static size_t padded(size_t n, const struct vocab_files *f)
{
    int64_t to = f->rules->pad_to;
    size_t more;

    if (f->rules->pad_to)
        (void)json_int(json_get(f->config, "pad_vocab_size_multiple"), &to);
    if (to <= 1 || to > 4096 || !add_ok(&more, n, (size_t)to - 1))
        return n;
    return more / (size_t)to * (size_t)to;
}

int vocab_from_checkpoint(struct vocab **out, const struct ckpt *c, size_t n_vocab, const char *pre,
                          const struct vocab_rules *rules, const struct log *log, struct err *err)
{
    static const struct vocab_rules none = {0};
    struct vocab_open o;
    struct vocab *v = NULL;

    *out = NULL;
    int rc = vocab_open(&o, c, err);
    if (!rc)
        rc = vocab_new(&v, err);
    if (rc)
        goto done;
    o.f.pre = pre;
    o.f.rules = rules ? rules : &none;
    o.f.log = log;
    o.f.n_vocab = padded(n_vocab, &o.f);
    rc = read_all(v, c, &o.f, err);
    if (rc)
        goto done;
    *out = v;
    v = NULL;

done:
    vocab_free(v);
    vocab_open_release(&o);
    return rc;
}
