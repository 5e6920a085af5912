/* A vocabulary in GGUF metadata: the tokenizer.* keys, both ways. */

#include "formats/base/buf.h"
#include "formats/base/rd.h"
#include "formats/pretok.h"
#include "formats/vocab/vocab_parts.h"

#include <string.h>

#define KEY            "tokenizer.ggml."
#define KEY_JSON       "tokenizer.huggingface.json"
#define KEY_NORMALIZER "pare.tokenizer.normalizer"
#define KEY_CHARSMAP   "pare.tokenizer.precompiled_charsmap" /* of an SPM, which has no other */
#define KEY_ADDED      "pare.tokenizer.added"

/* Keys whose value is a token id, and where it goes. */
struct id_key {
    const char *key;
    size_t at;
};

static const struct id_key id_keys[] = {
    {KEY "bos_token_id",       offsetof(struct vocab, bos) },
    {KEY "eos_token_id",       offsetof(struct vocab, eos) },
    {KEY "unknown_token_id",   offsetof(struct vocab, unk) },
    {KEY "seperator_token_id", offsetof(struct vocab, sep) }, /* so spelled */
    {KEY "padding_token_id",   offsetof(struct vocab, pad) },
    {KEY "mask_token_id",      offsetof(struct vocab, mask)},
    {KEY "eot_token_id",       offsetof(struct vocab, eot) },
    {KEY "eom_token_id",       offsetof(struct vocab, eom) },
};

/* Keys whose value is a bool, -1 while absent. */
static const struct id_key bool_keys[] = {
    {KEY "add_bos_token",            offsetof(struct vocab, add_bos)            },
    {KEY "add_eos_token",            offsetof(struct vocab, add_eos)            },
    {KEY "add_sep_token",            offsetof(struct vocab, add_sep)            },
    {KEY "add_space_prefix",         offsetof(struct vocab, space_prefix)       },
    {KEY "remove_extra_whitespaces", offsetof(struct vocab, remove_extra_spaces)},
    {KEY "normalizer.lowercase",     offsetof(struct vocab, lowercase)          },
    {KEY "normalizer.strip_accents", offsetof(struct vocab, strip_accents)      },
};

enum {
    N_IDS = sizeof(id_keys) / sizeof(*id_keys),
    N_BOOLS = sizeof(bool_keys) / sizeof(*bool_keys)
};

static const char *const kind_name[] = {
    [VOCAB_NONE] = "none",  [VOCAB_BPE] = "gpt2",       [VOCAB_SPM] = "llama",
    [VOCAB_UNIGRAM] = "t5", [VOCAB_WORDPIECE] = "bert", [VOCAB_TEXT_BPE] = "gemma4"};

enum { N_KINDS = sizeof(kind_name) / sizeof(*kind_name) };

/* Is the rank of a token its merges', not its score's? */
static bool by_merges(enum vocab_kind k)
{
    return k == VOCAB_BPE || k == VOCAB_TEXT_BPE;
}

static bool has_scores(enum vocab_kind k)
{
    return k == VOCAB_SPM || k == VOCAB_UNIGRAM || k == VOCAB_TEXT_BPE;
}

static size_t slot_of(const struct id_key *keys, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(keys[i].key + strlen(KEY), key))
            return keys[i].at;
    return 0; /* the kind, which no key sets */
}

int32_t *vocab_id_slot(struct vocab *v, const char *key)
{
    const size_t at = slot_of(id_keys, N_IDS, key);

    return at ? (int32_t *)(void *)((char *)v + at) : NULL;
}

int *vocab_bool_slot(struct vocab *v, const char *key)
{
    const size_t at = slot_of(bool_keys, N_BOOLS, key);

    return at ? (int *)(void *)((char *)v + at) : NULL;
}

static int get_kind(struct vocab *v, const struct meta *meta, struct err *err)
{
    struct meta_str s;

    if (!meta_str(meta, KEY "model", &s))
        return err_set(err, ERR_UNSUPPORTED, "no " KEY "model: the file has no tokenizer");
    for (int k = VOCAB_BPE; k < N_KINDS && v->kind == VOCAB_NONE; k++)
        if (s.n == strlen(kind_name[k]) && !memcmp(s.p, kind_name[k], s.n))
            v->kind = (enum vocab_kind)k;
    if (v->kind == VOCAB_NONE)
        return err_set(err, ERR_UNSUPPORTED,
                       KEY "model is \"%.*s\": expected gpt2, llama, t5, bert or gemma4",
                       (int)(s.n < 40 ? s.n : 40), s.p);
    if (!meta_str(meta, KEY "pre", &s))
        return 0;
    const char *pre = arena_strn(&v->arena, s.p, s.n);
    if (!pre)
        return err_nomem(err);
    v->pre = pre;
    const struct pretok *p = pretok_by_name(pre);
    if (v->kind == VOCAB_BPE && p && (p->flags & PRETOK_TEXT))
        v->kind = VOCAB_TEXT_BPE;
    return 0;
}

static int get_tokens(struct vocab *v, const struct meta *meta, struct err *err)
{
    const struct meta_array *a = meta_array(meta, KEY "tokens", META_STR);
    struct meta_strs it;

    if (!a)
        return err_set(err, ERR_FORMAT, KEY "tokens: absent, or no array of strings");
    if (a->n > VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, KEY "tokens: %llu of them: expected at most %d",
                       (unsigned long long)a->n, VOCAB_MAX_TOKENS);
    v->token = arena_array(&v->arena, (size_t)a->n, sizeof(*v->token));
    if (!v->token)
        return err_nomem(err);
    v->n_tokens = (size_t)a->n;
    it = meta_strs(a);
    for (size_t i = 0; i < v->n_tokens; i++) {
        v->token[i].type = VOCAB_NORMAL;
        if (!meta_strs_next(&it, &v->token[i].text))
            return err_set(err, ERR_FORMAT, KEY "tokens: token %zu is broken", i);
    }
    return 0;
}

/* An array with one element per token, when it is there at all. */
static int get_column(const struct meta_array **out, const struct vocab *v, const struct meta *meta,
                      const char *key, enum meta_type elem, struct err *err)
{
    *out = meta_array(meta, key, elem);
    if (!*out && meta_get(meta, key))
        return err_set(err, ERR_FORMAT, "%s: expected an array of %s", key, meta_type_name(elem));
    if (*out && (*out)->n != v->n_tokens)
        return err_set(err, ERR_FORMAT, "%s: %llu values for %zu tokens", key,
                       (unsigned long long)(*out)->n, v->n_tokens);
    return 0;
}

static int get_columns(struct vocab *v, const struct meta *meta, struct err *err)
{
    const struct meta_array *scores, *types;

    int rc = get_column(&scores, v, meta, KEY "scores", META_F32, err);
    if (!rc)
        rc = get_column(&types, v, meta, KEY "token_type", META_I32, err);
    if (rc)
        return rc;
    struct rd rs =
        rd_init(scores ? scores->raw : (const uint8_t *)"", scores ? scores->raw_bytes : 0);
    struct rd rt = rd_init(types ? types->raw : (const uint8_t *)"", types ? types->raw_bytes : 0);
    for (size_t i = 0; i < v->n_tokens; i++) {
        const uint32_t bits = rd_u32(&rs), type = rd_u32(&rt);
        memcpy(&v->token[i].score, &bits, sizeof(bits));
        if (types && type >= VOCAB_NORMAL && type <= VOCAB_BYTE)
            v->token[i].type = (enum vocab_type)type;
        else if (types)
            v->token[i].type = VOCAB_UNUSED; /* "undefined": never produced */
    }
    return 0;
}

static int get_merges(struct vocab *v, const struct meta *meta, struct err *err)
{
    const struct meta_array *a = meta_array(meta, KEY "merges", META_STR);
    struct meta_strs it;

    if (!a && by_merges(v->kind))
        return err_set(err, ERR_FORMAT, KEY "merges: absent, or no array of strings");
    if (!a)
        return 0;
    if (a->n > VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, KEY "merges: %llu of them: expected at most %d",
                       (unsigned long long)a->n, VOCAB_MAX_TOKENS);
    v->merge = arena_array(&v->arena, (size_t)a->n, sizeof(*v->merge));
    if (!v->merge)
        return err_nomem(err);
    it = meta_strs(a);
    for (; v->n_merges < a->n; v->n_merges++)
        if (!meta_strs_next(&it, &v->merge[v->n_merges]))
            return err_set(err, ERR_FORMAT, KEY "merges: merge %zu is broken", v->n_merges);
    return 0;
}

/* Bytes of an array of U8 or I8, in place. */
static void get_bytes(const uint8_t **out, size_t *n, const struct meta *meta, const char *key)
{
    const struct meta_array *a = meta_array(meta, key, META_U8);

    if (!a)
        a = meta_array(meta, key, META_I8);
    *out = a && a->raw_bytes ? a->raw : NULL;
    *n = *out ? a->raw_bytes : 0;
}

/* Pairs of id and flags; those beyond the vocabulary are dropped. */
static int get_added(struct vocab *v, const struct meta *meta, struct err *err)
{
    const struct meta_array *a = meta_array(meta, KEY_ADDED, META_U32);

    if (!a)
        return 0;
    v->added = arena_array(&v->arena, (size_t)(a->n / 2 + 1), sizeof(*v->added));
    if (!v->added)
        return err_nomem(err);
    struct rd r = rd_init(a->raw, a->raw_bytes);
    for (uint64_t i = 0; i < a->n / 2; i++) {
        const uint32_t id = rd_u32(&r), flags = rd_u32(&r);
        if (id < v->n_tokens)
            v->added[v->n_added++] = (struct vocab_added){id, flags};
    }
    return 0;
}

/* What only a reader that executes definitions needs. */
static int get_definition(struct vocab *v, const struct meta *meta, struct err *err)
{
    struct meta_str s;

    get_bytes(&v->charsmap, &v->charsmap_bytes, meta,
              v->kind == VOCAB_UNIGRAM ? KEY "precompiled_charsmap" : KEY_CHARSMAP);
    if (meta_str(meta, KEY_NORMALIZER, &s)) {
        v->normalizer = arena_strn(&v->arena, s.p, s.n);
        if (!v->normalizer)
            return err_nomem(err);
    }
    if (meta_str(meta, KEY_JSON, &s)) {
        v->hf_json = s.p;
        v->hf_json_bytes = s.n;
    }
    return get_added(v, meta, err);
}

static int get_template(struct vocab *v, const struct meta *meta, struct err *err)
{
    struct meta_str s;

    if (!meta_str(meta, "tokenizer.chat_template", &s))
        return 0;
    v->chat_template = arena_strn(&v->arena, s.p, s.n);
    return v->chat_template ? 0 : err_nomem(err);
}

/* Named templates: "tokenizer.chat_templates" lists the names. */
static int get_templates(struct vocab *v, const struct meta *meta, struct err *err)
{
    const struct meta_array *a = meta_array(meta, "tokenizer.chat_templates", META_STR);
    struct meta_str name, text;

    if (!a || a->n > 1024)
        return 0;
    v->templates = arena_array(&v->arena, (size_t)a->n, sizeof(*v->templates));
    if (!v->templates)
        return err_nomem(err);
    for (struct meta_strs it = meta_strs(a); meta_strs_next(&it, &name);) {
        char *key = arena_fmt(&v->arena, "tokenizer.chat_template.%.*s",
                              (int)(name.n < 200 ? name.n : 200), name.p);
        if (!key)
            return err_nomem(err);
        if (!meta_str(meta, key, &text))
            continue;
        struct vocab_template *t = &v->templates[v->n_templates++];
        t->name = key + strlen("tokenizer.chat_template.");
        t->text = arena_strn(&v->arena, text.p, text.n);
        if (!t->text)
            return err_nomem(err);
    }
    return 0;
}

/* Ids beyond the vocabulary are dropped, as other programs do. */
static void get_ids(struct vocab *v, const struct meta *meta)
{
    for (size_t i = 0; i < N_IDS; i++) {
        uint64_t id;
        if (meta_u64(meta, id_keys[i].key, &id) && id < v->n_tokens)
            *(int32_t *)(void *)((char *)v + id_keys[i].at) = (int32_t)id;
    }
    for (size_t i = 0; i < N_BOOLS; i++) {
        bool on;
        if (meta_bool(meta, bool_keys[i].key, &on))
            *(int *)(void *)((char *)v + bool_keys[i].at) = on;
    }
    v->add_space_prefix = v->space_prefix < 0 ? v->kind == VOCAB_SPM : v->space_prefix;
}

int vocab_from_meta(struct vocab **out, const struct meta *meta, struct err *err)
{
    struct vocab *v;

    *out = NULL;
    int rc = vocab_new(&v, err);
    if (rc)
        return rc;
    rc = get_kind(v, meta, err);
    if (!rc)
        rc = get_tokens(v, meta, err);
    if (!rc)
        rc = get_columns(v, meta, err);
    if (!rc)
        rc = get_merges(v, meta, err);
    if (!rc)
        rc = get_definition(v, meta, err);
    if (!rc)
        rc = vocab_get_ends(v, meta, err);
    if (!rc)
        rc = get_template(v, meta, err);
    if (!rc)
        rc = get_templates(v, meta, err);
    if (rc)
        goto fail;
    get_ids(v, meta);
    *out = v;
    return 0;

fail:
    vocab_free(v);
    return rc;
}

static void put_str(struct buf *b, const char *s, size_t n)
{
    buf_u64(b, n);
    buf_put(b, s, n);
}

/* Append the array in *b under `key`, and empty the buffer. */
static int set_array(struct meta *meta, const char *key, enum meta_type elem, size_t n,
                     struct buf *b, struct err *err)
{
    int rc = buf_check(b, err);

    if (!rc)
        rc = meta_set_array(meta, key, elem, n, b->p ? b->p : "", b->n, err);
    buf_release(b);
    return rc;
}

static int set_tokens(struct meta *meta, const struct vocab *v, struct err *err)
{
    struct buf text = {0}, scores = {0}, types = {0}, merges = {0};

    for (size_t i = 0; i < v->n_tokens; i++) {
        uint32_t bits;
        memcpy(&bits, &v->token[i].score, sizeof(bits));
        put_str(&text, v->token[i].text.p, v->token[i].text.n);
        if (has_scores(v->kind))
            buf_u32(&scores, bits);
        buf_u32(&types, v->token[i].type);
    }
    for (size_t i = 0; i < v->n_merges; i++)
        put_str(&merges, v->merge[i].p, v->merge[i].n);
    int rc = set_array(meta, KEY "tokens", META_STR, v->n_tokens, &text, err);
    if (!rc && has_scores(v->kind))
        rc = set_array(meta, KEY "scores", META_F32, v->n_tokens, &scores, err);
    if (!rc)
        rc = set_array(meta, KEY "token_type", META_I32, v->n_tokens, &types, err);
    if (!rc && (v->n_merges || by_merges(v->kind)))
        rc = set_array(meta, KEY "merges", META_STR, v->n_merges, &merges, err);
    buf_release(&text);
    buf_release(&scores);
    buf_release(&types);
    buf_release(&merges);
    return rc;
}

/* An added token that the general rule does not tell: a special one is looked for in
 * the text as it is, another in the normalized one. */
static bool is_odd(unsigned flags)
{
    return (flags & (VOCAB_LSTRIP | VOCAB_RSTRIP | VOCAB_SINGLE_WORD)) ||
           !(flags & VOCAB_SPECIAL) != !!(flags & VOCAB_NORMALIZED);
}

static int set_added(struct meta *meta, const struct vocab *v, struct err *err)
{
    struct buf b = {0};
    size_t odd = 0;

    for (size_t i = 0; i < v->n_added; i++) {
        odd += is_odd(v->added[i].flags);
        buf_u32(&b, v->added[i].id);
        buf_u32(&b, v->added[i].flags);
    }
    if (odd)
        return set_array(meta, KEY_ADDED, META_U32, 2 * v->n_added, &b, err);
    buf_release(&b);
    return 0;
}

static int set_definition(struct meta *meta, const struct vocab *v, struct err *err)
{
    int rc = 0;

    if (v->charsmap)
        rc = meta_set_array(meta,
                            v->kind == VOCAB_UNIGRAM ? KEY "precompiled_charsmap" : KEY_CHARSMAP,
                            META_U8, v->charsmap_bytes, v->charsmap, v->charsmap_bytes, err);
    if (!rc && v->normalizer)
        rc = meta_set_str(meta, KEY_NORMALIZER, v->normalizer, err);
    if (!rc && v->hf_json)
        rc = meta_set_strn(meta, KEY_JSON, v->hf_json, v->hf_json_bytes, err);
    return rc ? rc : set_added(meta, v, err);
}

static int set_templates(struct meta *meta, const struct vocab *v, struct err *err)
{
    struct buf names = {0};
    int rc = 0;

    for (size_t i = 0; i < v->n_templates && !rc; i++) {
        struct buf key = {0};
        buf_fmt(&key, "tokenizer.chat_template.%s", v->templates[i].name);
        put_str(&names, v->templates[i].name, strlen(v->templates[i].name));
        rc = buf_check(&key, err);
        if (!rc)
            rc = meta_set_str(meta, key.p, v->templates[i].text, err);
        buf_release(&key);
    }
    if (!rc && v->n_templates)
        rc = set_array(meta, "tokenizer.chat_templates", META_STR, v->n_templates, &names, err);
    if (!rc && v->chat_template)
        rc = meta_set_str(meta, "tokenizer.chat_template", v->chat_template, err);
    buf_release(&names);
    return rc;
}

int vocab_to_meta(struct meta *meta, const struct vocab *v, struct err *err)
{
    if (v->kind == VOCAB_NONE)
        return 0;
    int rc = meta_set_str(meta, KEY "model", kind_name[v->kind], err);
    if (!rc && v->kind != VOCAB_TEXT_BPE)
        rc = meta_set_str(meta, KEY "pre", v->pre, err);
    if (!rc)
        rc = set_tokens(meta, v, err);
    for (size_t i = 0; i < N_IDS && !rc; i++) {
        const int32_t id = *(const int32_t *)(const void *)((const char *)v + id_keys[i].at);
        if (id >= 0)
            rc = meta_set_u32(meta, id_keys[i].key, (uint32_t)id, err);
    }
    for (size_t i = 0; i < N_BOOLS && !rc; i++) {
        const int on = *(const int *)(const void *)((const char *)v + bool_keys[i].at);
        if (on >= 0)
            rc = meta_set_bool(meta, bool_keys[i].key, on != 0, err);
    }
    if (!rc)
        rc = set_definition(meta, v, err);
    if (!rc)
        rc = vocab_set_ends(meta, v, err);
    if (!rc)
        rc = set_templates(meta, v, err);
    return rc;
}
