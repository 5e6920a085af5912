/* Vocabularies of the golden checkpoints: the pre-tokenizer's name is found from its
 * definition, and every tokenizer.* key equals the reference converter's. */

#include "formats/arch/arch.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/checkpoint.h"
#include "formats/vocab.h"
#include "tests/tap.h"

#include <stdio.h>
#include <string.h>

static bool same_array(const struct meta_array *a, const json_val *want, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    const char *elem = json_str(json_get(want, "elem"));
    const char *sha = json_str(json_get(want, "sha256_raw"));
    int64_t n = -1;

    (void)json_int(json_get(want, "len"), &n);
    return elem && sha && !strcmp(elem, meta_type_name(a->elem)) && a->n == (uint64_t)n &&
           !hash_of(a->raw, a->raw_bytes, hex, err) && !strcmp(hex, sha);
}

static bool same_value(const struct meta_kv *kv, const json_val *want)
{
    const json_val *value = json_get(want, "value");
    const char *type = json_str(json_get(want, "type"));
    const char *s = json_str(value);
    double number;
    bool on;
    struct err err;

    if (!type || strcmp(type, meta_type_name(kv->type)))
        return false;
    if (kv->type == META_ARRAY)
        return same_array(&kv->v.array, want, &err);
    if (kv->type == META_STR)
        return s && strlen(s) == kv->v.str.n && !memcmp(s, kv->v.str.p, kv->v.str.n);
    if (kv->type == META_BOOL)
        return json_bool(value, &on) && on == (kv->v.u != 0);
    return kv->type == META_U32 && json_num(value, &number) && number == (double)kv->v.u;
}

static bool is_tokenizer_key(const char *key)
{
    return key && !strncmp(key, "tokenizer.", 10);
}

/* Keys that differ, each said in a note. */
static int compare(const char *name, const struct meta *got, const json_val *want)
{
    int bad = 0;

    for (const json_val *w = json_first(want); w; w = json_next(w)) {
        const char *key = json_str(json_get(w, "key"));
        const struct meta_kv *kv = is_tokenizer_key(key) ? meta_get(got, key) : NULL;
        if (!is_tokenizer_key(key) || (kv && same_value(kv, w)))
            continue;
        tap_note("%s: %s %s", name, key, kv ? "differs" : "is missing");
        bad++;
    }
    for (size_t i = 0; i < got->n; i++) {
        const json_val *w = json_first(want);
        while (w && strcmp(json_str(json_get(w, "key")), got->kv[i].key))
            w = json_next(w);
        if (!w) {
            tap_note("%s: %s is not in gguf.json", name, got->kv[i].key);
            bad++;
        }
    }
    return bad;
}

static int check(struct tap *t, const char *root, const json_val *model, struct err *err)
{
    const char *name = json_str(json_get(model, "name"));
    const char *pre = json_str(json_get(model, "pre_tokenizer_override"));
    const char *class = json_str(json_get(model, "hf_class"));
    const bool known = class && arch_by_class(class);
    char path[4096];
    struct ckpt *c = NULL;
    struct vocab *v = NULL;
    struct meta got = {0};
    json_val *want = NULL;
    int64_t n_vocab = 0;

    (void)snprintf(path, sizeof(path), "%s/models/%s", root, name);
    int rc = ckpt_open(&c, path, err);
    if (!rc) {
        (void)json_int(json_get(ckpt_config(c), "vocab_size"), &n_vocab);
        rc = vocab_from_checkpoint(&v, c, (size_t)n_vocab, NULL, NULL, err);
    }
    if (!rc)
        rc = vocab_to_meta(&got, v, err);
    (void)snprintf(path, sizeof(path), "%s/models/%s/expected/gguf.json", root, name);
    if (!rc)
        rc = json_load(&want, path, err);
    if (!rc) {
        const bool named = !pre || !strcmp(pre, v->pre);
        if (!named)
            tap_note("%s: pre-tokenizer %s, not %s", name, v->pre, pre);
        const int bad = compare(name, &got, json_get(want, "metadata"));
        if (named && bad && !known)
            tap_skip(t, name, "a family that is not supported yet has rules of its own");
        else
            (void)tap_ok(t, named && !bad, "%s: pre %s, %zu keys", name, v->pre, got.n);
    }
    meta_release(&got);
    vocab_free(v);
    ckpt_free(c);
    json_free(want);
    return rc;
}

int main(void)
{
    struct tap t = {0};
    struct err err = {0};
    const char *root = tap_golden();
    char path[4096];
    json_val *manifest = NULL;

    if (!root) {
        tap_skip(&t, "golden vocabularies", "no golden folder");
        return tap_done(&t);
    }
    (void)snprintf(path, sizeof(path), "%s/models/manifest.json", root);
    if (json_load(&manifest, path, &err))
        (void)tap_ok(&t, false, "%s", err.msg);
    for (const json_val *m = json_first(json_get(manifest, "models")); m; m = json_next(m))
        if (check(&t, root, m, &err))
            (void)tap_ok(&t, false, "%s", err.msg);
    json_free(manifest);
    return tap_done(&t);
}
