/* Texts to ids: the vocabularies of $PARE_GOLDEN/tokenizers against their cases, and
 * the checkpoints of $PARE_GOLDEN/models against expected/tokenize.jsonl, opened as a
 * folder, as metadata made from it, and as the GGUF beside it where there is one.
 * Where hf_ids and peer_ids differ (the literal text of a special token, NFC, a pattern
 * one of them has otherwise), either will do; how often it was hf_ids is shown. For the
 * literal text of special tokens pare gives peer_ids: they are not parsed. */

#include "formats/arch/arch.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "formats/vocab/vocab_parts.h"
#include "runtime/tok_check.h"
#include "runtime/tokenizer.h"
#include "tests/tap.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char mark[] = "\n__ggml_vocab_test__\n";

/* Cases of one vocabulary. */
struct count {
    size_t n, bad;
    size_t peer, hf; /* only peer_ids, only hf_ids were the same */
    bool only_hf;    /* peer_ids will not do; special tokens are parsed */
};

/* What a case may give: one list, or two. */
struct wanted {
    int32_t *peer, *hf; /* owned; hf may be NULL */
    size_t n_peer, n_hf;
};

static bool equal(const struct tok_ids *got, const int32_t *want, size_t n)
{
    return got->n == n && (!n || !memcmp(got->id, want, n * sizeof(*want)));
}

/* Is there a token for this byte at all? Some vocabularies lack a few. */
static bool can_say(const struct tok *t, char byte)
{
    struct tok_ids ids = {0};
    struct err err;

    const bool can = !tok_encode(&ids, t, &byte, 1, 0, &err) && ids.n;
    tok_ids_release(&ids);
    return can;
}

/* The bytes come back: always in byte-level BPE of text as it is. */
static bool returns(const struct tok *t, const struct tok_ids *ids, const char *text, size_t n)
{
    struct buf got = {0}, want = {0};
    struct err err;
    bool good = true;

    for (size_t i = 0; i < ids->n; i++)
        good = good && !tok_decode(&got, t, ids->id[i], true, &err);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= ' ' || can_say(t, text[i]))
            buf_put(&want, text + i, 1);
    good = good && got.n == want.n && (!want.n || !memcmp(got.p, want.p, want.n));
    buf_release(&got);
    buf_release(&want);
    return good || tok_vocab(t)->kind != VOCAB_BPE || tok_vocab(t)->normalizer;
}

static void check_case(struct count *c, const struct tok *t, const char *name, const char *text,
                       size_t bytes, const struct wanted *want)
{
    struct tok_ids got = {0};
    struct err err = {0};

    const int rc = tok_encode(&got, t, text, bytes, c->only_hf ? TOK_PARSE_SPECIAL : 0, &err);
    const bool peer = !c->only_hf && equal(&got, want->peer, want->n_peer);
    const bool hf = want->hf ? equal(&got, want->hf, want->n_hf) : peer;
    const bool good = !rc && (peer || hf),
               back = good && (c->only_hf || returns(t, &got, text, bytes));
    c->n++;
    c->peer += peer && !hf;
    c->hf += hf && !peer;
    c->bad += !good || !back;
    if ((!good || !back) && c->bad <= 3)
        tap_note("%s: case %zu (%s): \"%.*s\" %s", name, c->n, good ? "decoding" : "ids",
                 bytes < 60 ? (int)bytes : 60, text, err.msg);
    tok_ids_release(&got);
}

static int32_t *ids_of(size_t *n, const json_val *array)
{
    int32_t *ids = malloc((json_len(array) + 1) * sizeof(*ids));

    *n = 0;
    for (const json_val *v = ids ? json_first(array) : NULL; v; v = json_next(v)) {
        int64_t id = -1;
        (void)json_int(v, &id);
        ids[(*n)++] = (int32_t)id;
    }
    return ids;
}

/* A line of {"text", "ids"} or {"text", "peer_ids", "hf_ids"}. */
static int check_line(struct count *c, const struct tok *t, const char *name, const char *line,
                      size_t n, struct err *err)
{
    json_val *doc;
    struct wanted want = {0};

    int rc = json_parse(&doc, line, n, err);
    if (rc)
        return rc;
    const char *text = json_str(json_get(doc, "text"));
    const json_val *peer = json_get(doc, "peer_ids");
    want.peer = ids_of(&want.n_peer, peer ? peer : json_get(doc, "ids"));
    want.hf = peer ? ids_of(&want.n_hf, json_get(doc, "hf_ids")) : NULL;
    if (text && want.peer && (want.hf || !peer))
        check_case(c, t, name, text, strlen(text), &want);
    free(want.peer);
    free(want.hf);
    json_free(doc);
    return 0;
}

static int check_jsonl(struct count *c, const struct tok *t, const char *name, const char *path,
                       struct err *err)
{
    struct map m;

    int rc = map_open(&m, path, err);
    const char *p = rc ? NULL : (const char *)m.data, *end = p ? p + m.size : NULL;
    while (!rc && p && p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((nl ? nl : end) - p);
        rc = n ? check_line(c, t, name, p, n, err) : 0;
        p = nl ? nl + 1 : end;
    }
    map_release(&m);
    return rc;
}

static const char *find(const char *p, const char *end, const char *what)
{
    for (const size_t n = strlen(what); (size_t)(end - p) >= n; p++)
        if (!memcmp(p, what, n))
            return p;
    return NULL;
}

/* Texts of .inp, ids of .out: a line a text. */
static int check_inp(struct count *c, const struct tok *t, const char *name, const char *inp,
                     const char *out, struct err *err)
{
    struct map texts = {0}, lines = {0};

    int rc = map_open(&texts, inp, err);
    if (!rc)
        rc = map_open(&lines, out, err);
    const char *p = (const char *)texts.data, *end = rc ? p : p + texts.size;
    const char *l = (const char *)lines.data, *l_end = rc ? l : l + lines.size;
    for (const char *at; !rc && p && l && (at = find(p, end, mark)); p = at + strlen(mark)) {
        struct wanted want = {.peer = calloc((size_t)(l_end - l) + 1, sizeof(int32_t))};
        while (want.peer && l < l_end && *l != '\n') {
            char *next;
            const long id = strtol(l, &next, 10);
            if (next == l)
                break;
            want.peer[want.n_peer++] = (int32_t)id;
            l = next + strspn(next, " ");
        }
        l += l < l_end;
        if (want.peer)
            check_case(c, t, name, p, (size_t)(at - p), &want);
        free(want.peer);
    }
    map_release(&texts);
    map_release(&lines);
    return rc;
}

static int check_family(struct tap *t, const char *root, const json_val *family, struct err *err)
{
    const char *name = json_str(json_get(family, "family"));
    const char *file = json_str(json_get(family, "vocab"));
    const char *extra = json_str(json_get(family, "extra_cases"));
    char path[2048], out[2100], shown[300];
    struct count a = {0}, b = {0};
    struct gguf *g = NULL;
    struct vocab *v = NULL;
    struct tok *tok = NULL;

    (void)snprintf(shown, sizeof(shown), "tokenizers/%s", name);
    (void)snprintf(path, sizeof(path), "%s/tokenizers/%s", root, file);
    int rc = gguf_open(&g, path, err);
    if (!rc)
        rc = vocab_from_meta(&v, gguf_meta(g), err);
    if (rc == ERR_UNSUPPORTED) {
        tap_skip(t, shown, err->msg);
        rc = 0;
        goto done;
    }
    if (!rc)
        rc = tok_new(&tok, v, err);
    (void)snprintf(path, sizeof(path), "%s/tokenizers/%s.inp", root, file);
    (void)snprintf(out, sizeof(out), "%s/tokenizers/%s.out", root, file);
    if (!rc && json_get(family, "inp_cases"))
        rc = check_inp(&a, tok, shown, path, out, err);
    (void)snprintf(path, sizeof(path), "%s/tokenizers/%s", root, extra ? extra : "");
    if (!rc && extra)
        rc = check_jsonl(&b, tok, shown, path, err);
    if (!rc)
        (void)tap_ok(t, !a.bad && !b.bad && a.n + b.n, "%s: pre %s, %zu+%zu cases, %zu wrong",
                     shown, v->pre, a.n, b.n, a.bad + b.bad);

done:
    tok_free(tok);
    vocab_free(v);
    gguf_free(g);
    return rc;
}

/* All cases of a folder with this vocabulary. A family pare does not know may have
 * rules of its own: there a difference is no failure, but it is counted. */
static int check_vocab(struct tap *t, const struct vocab *v, bool known, const char *shown,
                       const char *cases, struct err *err)
{
    struct count c = {0};
    struct tok *tok;

    int rc = tok_new(&tok, v, err);
    if (rc)
        return rc;
    rc = check_jsonl(&c, tok, shown, cases, err);
    tok_free(tok);
    if (!rc && c.bad && !known)
        tap_skip(t, shown, "a family that is not supported yet has rules of its own");
    else if (!rc)
        (void)tap_ok(t, !c.bad && c.n, "%s: pre %s, %zu cases, %zu wrong (%zu peer, %zu hf only)",
                     shown, v->pre, c.n, c.bad, c.peer, c.hf);
    return rc;
}

/* The GGUFs in expected/. */
static int check_ggufs(struct tap *t, const char *name, bool known, const char *expected,
                       const char *cases, struct err *err)
{
    DIR *d = opendir(expected);
    int rc = 0;

    for (struct dirent *e; d && !rc && (e = readdir(d));) {
        const size_t n = strlen(e->d_name);
        char path[4096], shown[700];
        struct gguf *g = NULL;
        struct vocab *v = NULL;
        if (n < 5 || strcmp(e->d_name + n - 5, ".gguf"))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", expected, e->d_name);
        (void)snprintf(shown, sizeof(shown), "models/%s: %s", name, e->d_name);
        rc = gguf_open(&g, path, err);
        if (!rc)
            rc = vocab_from_meta(&v, gguf_meta(g), err);
        if (!rc)
            rc = check_vocab(t, v, known, shown, cases, err);
        vocab_free(v);
        gguf_free(g);
    }
    if (d)
        (void)closedir(d);
    return rc;
}

/* A SentencePiece folder has both files; tokenizer.json alone must do as well. */
static int check_json_alone(struct tap *t, const struct ckpt *c, size_t n_vocab,
                            const struct arch *arch, const char *name, const char *cases,
                            struct err *err)
{
    struct vocab_files f = {.config = ckpt_config(c),
                            .tokenizer_config = ckpt_tokenizer_config(c),
                            .rules = arch ? arch->vocab : NULL,
                            .n_vocab = n_vocab};
    struct vocab *v = NULL;
    json_val *doc = NULL;
    struct map m = {0};
    char shown[300];
    bool found;

    int rc = ckpt_map(&m, &found, c, "tokenizer.json", err);
    if (!rc && found)
        rc = json_parse(&doc, (const char *)m.data, m.size, err);
    if (!rc && vocab_is_fallback(doc)) {
        f.tokenizer = doc;
        (void)snprintf(shown, sizeof(shown), "models/%s: tokenizer.json alone", name);
        rc = vocab_new(&v, err);
        if (!rc)
            rc = vocab_read_fallback(v, &f, err);
        if (!rc)
            rc = vocab_read_special(v, &f, true, err);
        if (!rc) {
            if (f.rules)
                vocab_apply_rules(v, &f);
            v->add_space_prefix = v->space_prefix != 0;
            rc = check_vocab(t, v, !!arch, shown, cases, err);
        }
    }
    vocab_free(v);
    json_free(doc);
    map_release(&m);
    return rc;
}

/* tokenizer.json executed as it is defined gives hf_ids, always. */
static int check_engine(struct tap *t, const struct ckpt *c, const char *name, const char *cases,
                        struct err *err)
{
    struct count n = {.only_hf = true};
    struct tok *tok = NULL;
    json_val *doc = NULL;
    struct map m;
    bool found;

    int rc = ckpt_map(&m, &found, c, "tokenizer.json", err);
    if (rc || !found)
        return rc;
    rc = json_parse(&doc, (const char *)m.data, m.size, err);
    map_release(&m);
    if (!rc)
        rc = tok_new_json(&tok, NULL, doc, err);
    if (!rc)
        rc = check_jsonl(&n, tok, name, cases, err);
    if (!rc)
        (void)tap_ok(t, !n.bad && n.n, "models/%s: tokenizer.json executed, %zu cases, %zu wrong",
                     name, n.n, n.bad);
    tok_free(tok);
    json_free(doc);
    return rc;
}

/* The metadata says what tokenizer.json says, on texts made to tell. */
static void check_hard(struct tap *t, const struct meta *meta, const struct ckpt *c,
                       const char *name)
{
    struct err err = {0};
    json_val *doc = NULL;
    struct map m = {0};
    bool found = false;

    int rc = ckpt_map(&m, &found, c, "tokenizer.json", &err);
    if (!rc && found)
        rc = json_parse(&doc, (const char *)m.data, m.size, &err);
    if (!rc && found)
        rc = tok_check_meta(meta, doc, &err);
    if (rc || found)
        (void)tap_ok(t, !rc, "models/%s: hard texts%s%s", name, rc ? ": " : "", err.msg);
    json_free(doc);
    map_release(&m);
}

static int check_model(struct tap *t, const char *root, const json_val *model, struct err *err)
{
    const char *name = json_str(json_get(model, "name"));
    const char *class = json_str(json_get(model, "hf_class"));
    const struct arch *arch = class ? arch_by_class(class) : NULL;
    char path[2048], cases[2100], shown[300];
    struct ckpt *c = NULL;
    struct vocab *v = NULL, *again = NULL;
    struct meta meta = {0};
    int64_t n_vocab = 0;

    (void)snprintf(path, sizeof(path), "%s/models/%s", root, name);
    (void)snprintf(cases, sizeof(cases), "%s/expected/tokenize.jsonl", path);
    (void)snprintf(shown, sizeof(shown), "models/%s", name);
    int rc = ckpt_open(&c, path, err);
    if (!rc) {
        (void)json_int(json_get(ckpt_config(c), "vocab_size"), &n_vocab);
        rc = vocab_from_checkpoint(&v, c, (size_t)n_vocab, NULL, arch ? arch->vocab : NULL, NULL,
                                   err);
    }
    if (!rc)
        rc = check_vocab(t, v, !!arch, shown, cases, err);
    if (!rc && v->kind == VOCAB_SPM)
        rc = check_json_alone(t, c, (size_t)n_vocab, arch, name, cases, err);
    if (!rc)
        rc = vocab_to_meta(&meta, v, err);
    if (!rc)
        rc = vocab_from_meta(&again, &meta, err);
    (void)snprintf(shown, sizeof(shown), "models/%s: as metadata", name);
    if (!rc)
        rc = check_vocab(t, again, !!arch, shown, cases, err);
    if (!rc)
        check_hard(t, &meta, c, name);
    if (!rc)
        rc = check_engine(t, c, name, cases, err);
    (void)snprintf(path, sizeof(path), "%s/models/%s/expected", root, name);
    if (!rc)
        rc = check_ggufs(t, name, !!arch, path, cases, err);
    vocab_free(again);
    meta_release(&meta);
    vocab_free(v);
    ckpt_free(c);
    return rc;
}

int main(void)
{
    struct tap t = {0};
    struct err err = {0};
    const char *root = tap_golden();
    char path[4096];
    json_val *families = NULL, *models = NULL;

    if (!root) {
        tap_skip(&t, "golden tokenizers", "no golden folder");
        return tap_done(&t);
    }
    (void)snprintf(path, sizeof(path), "%s/tokenizers/manifest.json", root);
    if (json_load(&families, path, &err))
        (void)tap_ok(&t, false, "%s", err.msg);
    for (const json_val *f = json_first(families); f; f = json_next(f))
        if (check_family(&t, root, f, &err))
            (void)tap_ok(&t, false, "%s: %s", json_str(json_get(f, "family")), err.msg);
    (void)snprintf(path, sizeof(path), "%s/models/manifest.json", root);
    if (json_load(&models, path, &err))
        (void)tap_ok(&t, false, "%s", err.msg);
    for (const json_val *m = json_first(json_get(models, "models")); m; m = json_next(m))
        if (check_model(&t, root, m, &err))
            (void)tap_ok(&t, false, "%s: %s", json_str(json_get(m, "name")), err.msg);
    json_free(families);
    json_free(models);
    return tap_done(&t);
}
