/* Vocabularies of the golden checkpoints: the pre-tokenizer's name is found from its
 * definition, and every tokenizer.* key equals the reference converter's. */

#include "formats/arch/arch.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "formats/checkpoint.h"
#include "formats/vocab.h"
#include "tests/models.h"

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

/* How many keys differ; loud: each is said in a note. "pare." keys are our own. */
static int compare(const char *name, const struct meta *got, const json_val *want, bool loud)
{
    int bad = 0;

    for (const json_val *w = json_first(want); w; w = json_next(w)) {
        const char *key = json_str(json_get(w, "key"));
        const struct meta_kv *kv = is_tokenizer_key(key) ? meta_get(got, key) : NULL;
        if (!is_tokenizer_key(key) || (kv && same_value(kv, w)))
            continue;
        if (loud)
            tap_note("%s: %s %s", name, key, kv ? "differs" : "is missing");
        bad++;
    }
    for (size_t i = 0; i < got->n; i++) {
        const json_val *w = json_first(want);
        while (w && strcmp(json_str(json_get(w, "key")), got->kv[i].key))
            w = json_next(w);
        if (!w && strncmp(got->kv[i].key, "pare.", 5) != 0) {
            if (loud)
                tap_note("%s: %s is not in gguf.json", name, got->kv[i].key);
            bad++;
        }
    }
    return bad;
}

/* Rules for classes that no row of formats/arch has yet: the first that fit. */
static const struct {
    const char *name;
    const struct vocab_rules *rules;
} any_rules[] = {
    {"none",     NULL                 },
    {"llama",    &vocab_rules_llama   },
    {"gemma",    &vocab_rules_gemma   },
    {"gemma2",   &vocab_rules_gemma2  },
    {"gemma4",   &vocab_rules_gemma4  },
    {"glm",      &vocab_rules_glm     },
    {"glm4",     &vocab_rules_glm4    },
    {"glm4moe",  &vocab_rules_glm4moe },
    {"hunyuan",  &vocab_rules_hunyuan },
    {"nemotron", &vocab_rules_nemotron},
    {"phi2",     &vocab_rules_phi2    },
    {"phi3",     &vocab_rules_phi3    },
};

enum { N_RULES = sizeof(any_rules) / sizeof(*any_rules) };

/* A checkpoint of the manifest, and what its GGUF must have. */
struct model {
    const char *name, *pre; /* pre: NULL: any */
    const struct arch *arch;
    struct ckpt *ckpt;
    json_val *want;
    size_t n_vocab;
};

/* *bad: the keys that differ, with these rules. */
static int try_rules(int *bad, const struct model *m, const struct vocab_rules *rules, bool loud,
                     struct err *err)
{
    struct vocab *v = NULL;
    struct meta got = {0};

    int rc = vocab_from_checkpoint(&v, m->ckpt, m->n_vocab, NULL, rules, NULL, err);
    if (!rc)
        rc = vocab_to_meta(&got, v, err);
    if (!rc) {
        *bad = compare(m->name, &got, json_get(m->want, "metadata"), loud);
        if (m->pre && strcmp(m->pre, v->pre) != 0) {
            if (loud)
                tap_note("%s: pre-tokenizer %s, not %s", m->name, v->pre, m->pre);
            *bad += 1;
        }
    }
    meta_release(&got);
    vocab_free(v);
    return rc;
}

static int check(struct tap *t, const struct model *m, struct err *err)
{
    int bad = 0;

    if (m->arch) {
        const int rc = try_rules(&bad, m, m->arch->vocab, true, err);
        if (!rc)
            (void)tap_ok(t, !bad, "%s", m->name);
        return rc;
    }
    for (size_t i = 0; i < N_RULES; i++) {
        int rc = try_rules(&bad, m, any_rules[i].rules, false, err);
        if (rc)
            return rc;
        if (!bad) {
            (void)tap_ok(t, true, "%s: no row yet, rules %s fit", m->name, any_rules[i].name);
            return 0;
        }
    }
    int rc = try_rules(&bad, m, NULL, true, err);
    if (!rc)
        (void)tap_ok(t, false, "%s: no row yet, and no rules fit", m->name);
    return rc;
}

static void check_model(struct tap *t, const json_val *model, const char *dir, const char *out)
{
    const char *class = json_str(json_get(model, "hf_class"));
    struct model m = {.name = json_str(json_get(model, "name")),
                      .pre = json_str(json_get(model, "pre_tokenizer_override")),
                      .arch = class ? arch_by_class(class) : NULL};
    struct err err = {0};
    char path[4096];
    int64_t n_vocab = 0;

    (void)out;
    (void)snprintf(path, sizeof(path), "%s/expected/gguf.json", dir);
    int rc = ckpt_open(&m.ckpt, dir, &err);
    if (!rc)
        rc = json_load(&m.want, path, &err);
    if (!rc) {
        (void)json_int(json_get(ckpt_config(m.ckpt), "vocab_size"), &n_vocab);
        m.n_vocab = (size_t)n_vocab;
        rc = check(t, &m, &err);
    }
    if (rc)
        (void)tap_ok(t, false, "%s", err.msg);
    ckpt_free(m.ckpt);
    json_free(m.want);
}

int main(void)
{
    return models_each("golden vocabularies", check_model);
}
