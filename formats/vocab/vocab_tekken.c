/* Mistral's tekken.json: byte strings by rank, special tokens before them. Any two
 * neighbours whose joint is a token may merge, at the rank of the joint.
 * Source: mistral-common's Tekkenizer; the reference converter's merges. */

#include "formats/base/buf.h"
#include "formats/base/strmap.h"
#include "formats/pretok.h"
#include "formats/vocab/vocab_parts.h"

#include <stdlib.h>
#include <string.h>

/* The special tokens of files that list none. */
static const char *const specials[] = {
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
};

enum { N_SPECIALS = sizeof(specials) / sizeof(*specials) };

/* A file's tokens as bytes, by rank. */
struct ranks {
    struct meta_str *bytes; /* n, in the vocabulary's arena */
    size_t n, n_special;
    struct strmap rank;
};

/* Bytes as GPT-2's alphabet spells them: printable Latin-1 is itself, the others follow
 * U+0100 in order. */
static void put_spelled(struct buf *b, struct meta_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned c = (unsigned char)s.p[i];
        unsigned u = c;
        if (c <= 32)
            u = 256 + c;
        else if (c >= 127 && c <= 160)
            u = 256 + 33 + (c - 127);
        else if (c == 173)
            u = 256 + 33 + 34;
        const char two[2] = {(char)(0xc0 | u >> 6), (char)(0x80 | (u & 0x3f))};
        if (u < 128)
            buf_put(b, &s.p[i], 1);
        else
            buf_put(b, two, 2);
    }
}

static int read_count(size_t *out, const json_val *config, const char *key, struct err *err)
{
    int64_t n = 0;

    if (!json_int(json_get(config, key), &n) || n < 0 || n > VOCAB_MAX_TOKENS)
        return err_set(err, ERR_FORMAT, "tekken.json: config.%s: no number from 0 to %d", key,
                       VOCAB_MAX_TOKENS);
    *out = (size_t)n;
    return 0;
}

static int read_token(struct vocab *v, struct ranks *r, const json_val *t, size_t i,
                      struct err *err)
{
    const char *text = json_str(json_get(t, "token_bytes"));
    uint8_t *bytes = text ? (uint8_t *)arena_str(&v->arena, text) : NULL;
    bool added;

    if (text && !bytes)
        return err_nomem(err);
    if (!text || !vocab_decode64(bytes, &r->bytes[i].n, text) || !r->bytes[i].n)
        return err_set(err, ERR_FORMAT, "tekken.json: vocab[%zu].token_bytes: no base64", i);
    r->bytes[i].p = (const char *)bytes;
    int rc = strmap_add(&added, &r->rank, r->bytes[i].p, r->bytes[i].n, i, err);
    if (!rc && !added)
        rc = err_set(err, ERR_FORMAT, "tekken.json: vocab[%zu] repeats an earlier token", i);
    return rc;
}

static int read_ranks(struct vocab *v, struct ranks *r, const struct vocab_files *f,
                      struct err *err)
{
    const json_val *config = json_get(f->tekken, "config");
    const json_val *vocab = json_get(f->tekken, "vocab");
    const size_t have = json_len(vocab);
    size_t total = 0, i = 0;

    int rc = read_count(&total, config, "default_vocab_size", err);
    if (!rc)
        rc = read_count(&r->n_special, config, "default_num_special_tokens", err);
    if (rc)
        return rc;
    if (!json_is_array(vocab) || total < r->n_special || total - r->n_special > have)
        return err_set(err, ERR_FORMAT, "tekken.json: %zu tokens, but its config says %zu of %zu",
                       have, total, r->n_special);
    r->n = total - r->n_special;
    r->bytes = arena_array(&v->arena, r->n + 1, sizeof(*r->bytes));
    if (!r->bytes)
        return err_nomem(err);
    rc = strmap_reserve(&r->rank, r->n, err);
    for (const json_val *t = json_first(vocab); t && i < r->n && !rc; t = json_next(t))
        rc = read_token(v, r, t, i++, err);
    return rc;
}

/* Special tokens have the first ids; those without a text are "<SPECIAL_n>". */
static int put_specials(struct vocab *v, const struct ranks *r, const struct vocab_files *f,
                        struct err *err)
{
    const json_val *list = json_get(f->tekken, "special_tokens");
    int rc = 0;

    for (size_t i = 0; i < r->n_special && !rc; i++) {
        const char *text = arena_fmt(&v->arena, "<SPECIAL_%zu>", i);
        if (!text)
            return err_nomem(err);
        if (!json_is_array(list) && i < N_SPECIALS)
            text = specials[i];
        rc = vocab_put(v, i, text, strlen(text), 0, VOCAB_CONTROL, err);
    }
    for (const json_val *t = json_is_array(list) ? json_first(list) : NULL; t && !rc;
         t = json_next(t)) {
        const char *text = json_str(json_get(t, "token_str"));
        size_t id;
        rc = vocab_read_id(&id, json_get(t, "rank"), text ? text : "?", r->n_special, err);
        if (!rc && text)
            rc = vocab_put(v, id, text, strlen(text), 0, VOCAB_CONTROL, err);
    }
    return rc;
}

static int put_spelling(struct vocab *v, const struct ranks *r, struct err *err)
{
    struct buf b = {0};
    int rc = 0;

    for (size_t i = 0; i < r->n && !rc; i++) {
        b.n = 0;
        put_spelled(&b, r->bytes[i]);
        rc = buf_check(&b, err);
        if (!rc)
            rc = vocab_put(v, r->n_special + i, b.p, b.n, 0, VOCAB_NORMAL, err);
    }
    buf_release(&b);
    return rc;
}

struct pair {
    size_t left, right;
};

static int by_ranks(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

/* The pairs of ranks that make token i. */
static size_t find_pairs(struct pair *out, const struct ranks *r, size_t i)
{
    const struct meta_str t = r->bytes[i];
    size_t n = 0;

    for (size_t j = 1; j < t.n; j++)
        if (strmap_get(&out[n].left, &r->rank, t.p, j) &&
            strmap_get(&out[n].right, &r->rank, t.p + j, t.n - j))
            n++;
    qsort(out, n, sizeof(*out), by_ranks);
    return n;
}

enum { LONGEST = 1024 };

/* Merges of token i; v->merge has room for `cap` of them. */
static int put_merges(struct vocab *v, const struct ranks *r, size_t i, size_t cap, struct err *err)
{
    struct pair pairs[LONGEST];
    struct buf b = {0};
    int rc = 0;

    if (r->bytes[i].n > LONGEST)
        return err_set(err, ERR_FORMAT, "tekken.json: vocab[%zu]: a token of %zu bytes", i,
                       r->bytes[i].n);
    const size_t n = find_pairs(pairs, r, i);
    for (size_t k = 0; k < n && v->n_merges < cap && !rc; k++) {
        b.n = 0;
        put_spelled(&b, r->bytes[pairs[k].left]);
        buf_str(&b, " ");
        put_spelled(&b, r->bytes[pairs[k].right]);
        rc = buf_check(&b, err);
        const char *text = rc ? NULL : arena_strn(&v->arena, b.p, b.n);
        if (!rc && !text)
            rc = err_nomem(err);
        if (!rc)
            v->merge[v->n_merges++] = (struct meta_str){text, b.n};
    }
    buf_release(&b);
    return rc;
}

static int read_merges(struct vocab *v, const struct ranks *r, struct err *err)
{
    size_t cap = 0;
    int rc = 0;

    for (size_t i = 0; i < r->n; i++)
        cap += r->bytes[i].n - 1;
    v->merge = arena_array(&v->arena, cap, sizeof(*v->merge));
    if (!v->merge)
        return err_nomem(err);
    for (size_t i = 0; i < r->n && !rc; i++)
        if (r->bytes[i].n > 1)
            rc = put_merges(v, r, i, cap, err);
    return rc;
}

static int32_t special_id(const struct vocab *v, const struct ranks *r, const char *text)
{
    for (size_t i = 0; i < r->n_special; i++)
        if (!strcmp(v->token[i].text.p, text))
            return (int32_t)i;
    return -1;
}

static int put_all(struct vocab *v, const struct ranks *r, const struct vocab_files *f,
                   struct err *err)
{
    const size_t n = r->n + r->n_special;

    int rc = vocab_fill(v, f->n_vocab > n ? f->n_vocab : n, 0, err);
    if (!rc)
        rc = put_specials(v, r, f, err);
    if (!rc)
        rc = put_spelling(v, r, err);
    if (!rc)
        rc = read_merges(v, r, err);
    if (rc)
        return rc;
    v->bos = special_id(v, r, "<s>");
    v->eos = special_id(v, r, "</s>");
    v->unk = special_id(v, r, "<unk>");
    v->pad = special_id(v, r, "<pad>");
    v->pad = v->pad < 0 ? v->eos : v->pad;
    v->add_bos = 1;
    v->add_eos = 0;
    return vocab_pad(v, err);
}

int vocab_read_tekken(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const struct pretok *p = pretok_by_name("tekken");
    const char *pattern = json_str(json_path(f->tekken, "config.pattern"));
    struct ranks r = {0};

    v->kind = VOCAB_BPE;
    v->pre = p->name;
    if (pattern && strcmp(pattern, p->pattern[0]) != 0)
        log_warn(f->log, "tekken.json: config.pattern is not the one known: words may be cut "
                         "otherwise than it says");
    int rc = read_ranks(v, &r, f, err);
    if (!rc)
        rc = put_all(v, &r, f, err);
    strmap_release(&r.rank);
    return rc;
}
