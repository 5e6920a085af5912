/* From parameters to config.json, row by row. */

#include "formats/arch/arch_export.h"

#include "formats/arch/arch_export_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WHENS = 4 };

/* ---- paths ---------------------------------------------------------------------- */

static bool is_rope_path(const char *s)
{
    return !strncmp(s, "rope_parameters.", 16) || !strncmp(s, "rope_scaling.", 13);
}

bool export_path(char *dst, size_t size, const char *paths)
{
    const char *chosen = NULL;
    int best = -1;

    for (const char *s = paths; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL) {
        const size_t n = strcspn(s, "|");
        const char *dunder = strstr(s, ".__");
        int rank = is_rope_path(s) ? (s[5] == 'p' ? 1 : 0) : 2;
        if (dunder && dunder < s + n)
            rank = 0;
        if (rank > best) {
            best = rank;
            chosen = s;
        }
    }
    const size_t n = chosen ? strcspn(chosen, "|") : size;
    if (n >= size)
        return false;
    memcpy(dst, chosen, n);
    dst[n] = '\0';
    return true;
}

bool export_has_key(const struct attempt *t, const char *gguf)
{
    char key[KEY_BYTES];

    return gguf && key_expand(key, sizeof(key), gguf, t->a) && meta_get(t->m->meta, key);
}

/* ---- values --------------------------------------------------------------------- */

/* The name config.json has for v, or NULL. One that means the same everywhere comes first. */
static const char *name_of(char *dst, size_t size, const struct arch_key *k, double v)
{
    const char *const lists[] = {k->param == ARCH_ACT ? ARCH_ACT_NAMES : k->names, k->names};

    for (size_t i = 0; i < 2; i++)
        for (const char *s = lists[i]; s && *s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL) {
            const size_t n = strcspn(s, "=");
            const double is = strtod(s + n + 1, NULL);
            char whole[64];
            if (!(is == v) || n >= size || n + 2 > sizeof(whole))
                continue;
            (void)snprintf(whole, sizeof(whole), "%.*s=", (int)n, s);
            if (!strstr(k->names, whole))
                continue;
            memcpy(dst, s, n);
            dst[n] = '\0';
            return dst;
        }
    return NULL;
}

/* Is it yes or no in every config.json that has it? */
static bool is_truth(const struct arch_key *k)
{
    return k->type == META_BOOL || k->param == ARCH_EXPERT_NORM ||
           k->param == ARCH_EXPERT_NORM_TOLD || k->param == ARCH_FF_WIDE ||
           k->param == ARCH_FF_ADJUST || k->param == ARCH_PARALLEL || k->param == ARCH_QK_NORM;
}

/* A number that may have a fraction, but is written as a whole one where it is? */
static bool is_counted(const struct arch_key *k)
{
    return key_is_whole(k->type) || k->param == ARCH_QUERY_DIM || k->param == ARCH_SSM_EXPAND ||
           k->param == ARCH_ALIBI_MAX || k->param == ARCH_ROPE_TEMP_CTX;
}

/* Shown as JSON. */
static void value_text(char *dst, size_t size, const struct arch_key *k, double v)
{
    char name[48];

    if (k->names && name_of(name, sizeof(name), k, v)) {
        const bool truth = !strcmp(name, "true") || !strcmp(name, "false");
        (void)snprintf(dst, size, truth ? "%s" : "\"%s\"", name);
    } else if (is_truth(k)) {
        (void)snprintf(dst, size, "%s", v != 0 ? "true" : "false");
    } else if (k->param == ARCH_WINDOW && v == 0) {
        (void)snprintf(dst, size, "null");
    } else if (k->flags & KEY_INF_NONE && v == 0) {
        (void)snprintf(dst, size, "Infinity");
    } else {
        conf_show(dst, size, v);
        /* what a float says by itself is a float */
        if (!is_counted(k) && !strpbrk(dst, ".en"))
            (void)snprintf(dst + strlen(dst), size - strlen(dst), ".0");
    }
}

/* Does the key count in the layer? */
static bool counts_at(const struct attempt *t, const struct arch_key *k, size_t l)
{
    if (k->flags & KEY_AT_ATTENTION && !arch_is_at(AT_ATTENTION, &t->p, l))
        return false;
    return !(k->flags & KEY_AT_FFN) || arch_is_at(AT_FFN, &t->p, l);
}

/* Is there one value for all layers that have any? */
static bool is_one(double *out, const struct attempt *t, const struct arch_key *k)
{
    const struct arch_value *v = &t->p.p[k->param];
    bool seen = false;

    *out = v->v;
    if (v->per_layer && !(k->flags & (KEY_AT_ATTENTION | KEY_AT_FFN | KEY_LIST)))
        return false;
    for (size_t l = 0; v->per_layer && l < arch_int(&t->p, ARCH_N_LAYER, 0); l++) {
        if (!counts_at(t, k, l))
            continue;
        if (seen && (v->per_layer[l] < *out || v->per_layer[l] > *out))
            return false;
        *out = v->per_layer[l];
        seen = true;
    }
    return true;
}

static void put_list(struct attempt *t, const struct arch_key *k, const char *path)
{
    const struct arch_value *v = &t->p.p[k->param];
    struct buf b = {0};
    char text[64];

    for (size_t l = 0; l < arch_int(&t->p, ARCH_N_LAYER, 0); l++) {
        value_text(text, sizeof(text), k, v->per_layer[l]);
        buf_fmt(&b, "%s%s", l ? ", " : "[", text);
    }
    buf_str(&b, "]");
    t->c.bad = t->c.bad || b.bad;
    conf_text(&t->c, path, b.p ? b.p : "[]", false);
    buf_release(&b);
}

/* "a.*.b": the member of each layer that is not windowed. */
static void put_members(struct attempt *t, const struct arch_key *k, const char *path, double v)
{
    const char *star = strstr(path, ".*.");
    char one[KEY_BYTES], text[64];

    value_text(text, sizeof(text), k, v);
    for (size_t l = 0; l < arch_int(&t->p, ARCH_N_LAYER, 0); l++) {
        if (arch_num(&t->p, ARCH_AT_WINDOW, l) != 0)
            continue;
        (void)snprintf(one, sizeof(one), "%.*s." CONF_MEMBER "%zu.%s", (int)(star - path), path, l,
                       star + 3);
        conf_text(&t->c, one, text, false);
    }
}

/* The factors that conversion has folded into weights are 1 now. */
static bool is_fold(enum arch_param which)
{
    return which >= ARCH_FOLD_EMBD && which <= ARCH_FOLD_DOWN;
}

static void put_value(struct attempt *t, const struct arch_key *k, const char *path)
{
    const struct arch_value *v = &t->p.p[k->param];
    double one = is_fold(k->param) ? 1 : v->v;
    char text[64];

    if (v->set && !is_one(&one, t, k)) {
        put_list(t, k, path);
        return;
    }
    if (strstr(path, ".*.")) {
        put_members(t, k, path, one);
        return;
    }
    value_text(text, sizeof(text), k, one);
    conf_text(&t->c, path, text,
              k->when_absent == ARCH_CONST && (float)one == (float)k->value);
}

/* ---- rows ----------------------------------------------------------------------- */

/* "when" of key rows, each once. */
static size_t list_whens(const char *out[MOST_WHENS], const struct arch *a)
{
    size_t n = 0;

    for (const struct arch_key *const *set = a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++) {
            size_t i = 0;
            while (k->when && i < n && strcmp(out[i], k->when) != 0)
                i++;
            if (k->when && i == n && n < MOST_WHENS)
                out[n++] = k->when;
        }
    return n;
}

static bool is_asked(const struct attempt *t, const char *when)
{
    const char *list[MOST_WHENS];
    const size_t n = list_whens(list, t->a);

    for (size_t i = 0; when && i < n; i++)
        if (!strcmp(list[i], when))
            return t->asked >> i & 1;
    return true;
}

/* A row that would bring a key the file does not have. */
static bool brings_key(const struct attempt *t, const struct arch_key *k)
{
    const bool told = k->gguf && !(k->flags & (KEY_SILENT | KEY_FOLD));
    const bool has = export_has_key(t, k->gguf);

    if (told && k->flags & KEY_DERIVED)
        return has;
    return told && !has &&
           (k->flags & KEY_GIVEN || k->when_absent == ARCH_OPTIONAL_KEY);
}

/* Does another row of the same key of config.json bring one? */
static bool shares_key(const struct attempt *t, const struct arch_key *k)
{
    for (const struct arch_key *const *set = t->a->keys; *set; set++)
        for (const struct arch_key *o = *set; !key_is_end(o); o++)
            if (o->config && !strcmp(o->config, k->config) && brings_key(t, o))
                return true;
    return false;
}

/* A trait that no key of config.json had to say. */
static bool is_trait(const struct arch_value *v, const struct arch_key *k)
{
    return k->param >= ARCH_ACT && v->derived && k->when_absent == ARCH_OPTIONAL_KEY;
}

static void put_key(struct attempt *t, const struct arch_key *k)
{
    const struct arch_value *v = &t->p.p[k->param];
    char path[KEY_BYTES];

    if (!k->config || k->flags & (KEY_FIXED | KEY_SECTIONS | KEY_COUNT | KEY_FACT) ||
        k->gguf_layers || !is_asked(t, k->when) || !export_path(path, sizeof(path), k->config))
        return;
    if (!v->set && !is_fold(k->param)) {
        if (k->flags & KEY_NULL_NONE)
            conf_text(&t->c, path, "null", false);
        else if (k->flags & KEY_ZERO_NONE)
            conf_text(&t->c, path, is_truth(k) ? "false" : "0", false);
        return;
    }
    if (!shares_key(t, k) && !is_trait(v, k))
        put_value(t, k, path);
}

/* Make config.json ask for `when`, or not: every alternative is set, of texts the first. */
static void ask(struct attempt *t, const char *when, bool yes)
{
    const bool negated = when[0] == '!';
    const char *at = when + negated;
    const size_t n = strcspn(at, "=:");
    const char *want = at[n] == '=' ? at + n + 1 : "true";
    const bool truth = !strcmp(want, "true") || !strcmp(want, "false");
    char path[KEY_BYTES];

    yes = yes != negated;
    if (at[n] == ':' || (!yes && !truth))
        return;
    for (size_t i = 0, k; i < n; i += k + 1) {
        k = strcspn(at + i, "|=:");
        if (k >= sizeof(path))
            return;
        memcpy(path, at + i, k);
        path[k] = '\0';
        if (truth)
            conf_bool(&t->c, path, !strcmp(want, "true") == yes);
        else if (!want[strspn(want, "0123456789")])
            conf_text(&t->c, path, want, false);
        else if (!i)
            conf_str(&t->c, path, want);
    }
}

/* Does every layer that may have the row's tensor have it? *may: is there such a layer? */
static bool is_there(bool *may, const struct attempt *t, const struct arch_tensor *row)
{
    const uint64_t n = arch_in_block(row) ? arch_int(&t->p, ARCH_N_LAYER, 0) : 1;
    char name[256];

    for (size_t l = 0; l < n; l++) {
        if (arch_in_block(row) && !arch_is_at(row->where, &t->p, l))
            continue;
        *may = true;
        if (!arch_expand(name, sizeof(name), row->gguf, (int)l, 0) ||
            !t->m->has(t->m->arg, name))
            return false;
    }
    return true;
}

/* What config.json must say of tensors that may be there: asked for when all are. */
static void put_tensors(struct attempt *t)
{
    const struct arch_tensor *row, *other;

    for (size_t i = 0; (row = arch_row(t->a, i)); i++) {
        bool all = true, may = false;
        for (size_t k = 0; row->when && (other = arch_row(t->a, k)); k++)
            if (other->when && !strcmp(other->when, row->when))
                all = is_there(&may, t, other) && all;
        if (row->when && may)
            ask(t, row->when, all);
    }
}

static bool has_row(const struct attempt *t, enum arch_role role)
{
    const struct arch_tensor *row;
    bool may = false;

    for (size_t i = 0; (row = arch_row(t->a, i)); i++)
        if (row->role == role && is_there(&may, t, row))
            return true;
    return false;
}

/* ---- parameters ------------------------------------------------------------------ */

/* Windowed layers' values that stand in a parameter's list. */
static void unfold(struct attempt *t)
{
    for (const struct arch_key *const *set = t->a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++) {
            if (!(k->flags & KEY_FOLD) || k->param != ARCH_N_HEAD_KV_SWA)
                continue;
            struct arch_value *v = &t->p.p[ARCH_N_HEAD_KV];
            double full = v->v, windowed = v->v;
            for (size_t l = 0; v->per_layer && l < arch_int(&t->p, ARCH_N_LAYER, 0); l++)
                *(arch_num(&t->p, ARCH_AT_WINDOW, l) != 0 ? &windowed : &full) = v->per_layer[l];
            v->per_layer = NULL;
            v->v = full;
            param_set(&t->p, ARCH_N_HEAD_KV_SWA, windowed);
        }
}

/* Feed-forwards of twice the width in the layers that share keys and values. */
static void narrow(struct attempt *t)
{
    struct arch_value *v = &t->p.p[ARCH_N_FF];
    const size_t n = (size_t)arch_int(&t->p, ARCH_N_LAYER, 0);
    const size_t shared = (size_t)arch_int(&t->p, ARCH_KV_SHARED, 0);
    bool wide = v->per_layer && shared && shared < n;

    for (size_t l = 0; wide && l < n; l++)
        wide = v->per_layer[l] == v->per_layer[0] * (l + shared >= n ? 2 : 1);
    param_set(&t->p, ARCH_FF_WIDE, wide);
    if (wide) {
        v->v = v->per_layer[0];
        v->per_layer = NULL;
    }
}

/* Three parameters in one list. */
static void read_sections(struct attempt *t)
{
    char key[KEY_BYTES];

    for (const struct arch_key *const *set = t->a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++) {
            if (!(k->flags & KEY_SECTIONS) || !key_expand(key, sizeof(key), k->gguf, t->a))
                continue;
            const struct meta_array *a = meta_array(t->m->meta, key, META_I32);
            if (!a)
                a = meta_array(t->m->meta, key, META_U32);
            for (uint64_t i = 0; a && i < 3 && i < a->n; i++) {
                const struct meta_kv e = meta_element(a, i);
                param_set(&t->p, (enum arch_param)((uint64_t)k->param + i),
                          e.type == META_I32 ? (double)e.v.i : (double)e.v.u);
            }
        }
}

static void complete(struct attempt *t)
{
    if (!arch_has(&t->p, ARCH_N_VOCAB))
        param_set(&t->p, ARCH_N_VOCAB, (double)t->m->n_vocab);
    if (!arch_has(&t->p, ARCH_N_VOCAB_LAYER) && t->m->n_vocab_layer)
        param_set(&t->p, ARCH_N_VOCAB_LAYER, (double)t->m->n_vocab_layer);
    param_set(&t->p, ARCH_FF_ADJUST, 0);
    param_set(&t->p, ARCH_FF_FACTOR, 1);
    read_sections(t);
    unfold(t);
    narrow(t);
    export_rope_tensors(t);
    export_solve(t);
}

/* ---- an attempt ------------------------------------------------------------------- */

/* The class and its model_type; of several, the last for a model with a shared expert. */
static const char *class_of(char *type, size_t size, const struct attempt *t)
{
    const char *s = t->a->model_type ? t->a->model_type : t->a->name;
    size_t at = 0;

    while (strchr(s, '|') && arch_has(&t->p, ARCH_N_FF_SHARED)) {
        s = strchr(s, '|') + 1;
        at++;
    }
    (void)snprintf(type, size, "%.*s", (int)strcspn(s, "|"), s);
    return t->a->classes[at];
}

static void put_ids(struct attempt *t)
{
    static const char *const ids[][2] = {
        {"tokenizer.ggml.bos_token_id",     "bos_token_id"},
        {"tokenizer.ggml.eos_token_id",     "eos_token_id"},
        {"tokenizer.ggml.padding_token_id", "pad_token_id"},
    };
    char path[40];
    uint64_t id;

    for (size_t i = 0; t->m->n_ends > 1 && i < t->m->n_ends; i++) {
        (void)snprintf(path, sizeof(path), "eos_token_id.%zu", i);
        conf_num(&t->c, path, (double)t->m->ends[i], false);
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (meta_u64(t->m->meta, ids[i][0], &id) && id < arch_int(&t->p, ARCH_N_VOCAB, 0))
            conf_num(&t->c, ids[i][1], (double)id, false);
        else
            conf_text(&t->c, ids[i][1], "null", false);
}

static int write_config(struct attempt *t, struct err *err)
{
    const char *list[MOST_WHENS];
    const size_t n = list_whens(list, t->a);
    char type[64];
    const char *class = class_of(type, sizeof(type), t);

    conf_str(&t->c, "architectures.0", class);
    conf_str(&t->c, "model_type", type);
    conf_str(&t->c, "torch_dtype", t->m->dtype);
    for (size_t i = 0; i < n; i++)
        ask(t, list[i], t->asked >> i & 1);
    for (const struct arch_key *const *set = t->a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++)
            put_key(t, k);
    const int rc = export_choices(t, err);
    if (params_have_rope(&t->p))
        export_rope(t);
    put_ids(t);
    conf_bool(&t->c, "tie_word_embeddings", !has_row(t, ROLE_OUTPUT));
    put_tensors(t);
    return rc;
}

/* Keys of `from` that `in` has not, or has with another value. */
static size_t count_missing(const struct meta *from, const struct meta *in, const char *prefix)
{
    size_t n = 0;

    for (size_t i = 0; i < from->n; i++)
        if (!strncmp(from->kv[i].key, prefix, strlen(prefix)) &&
            !meta_same(&from->kv[i], meta_get(in, from->kv[i].key)))
            n++;
    return n;
}

/* How far what config.json says is from the file; SIZE_MAX: it cannot be read. */
static int judge(size_t *out, struct attempt *t, const struct buf *text, struct err *err)
{
    struct arch_params p = {0};
    struct meta made = {0};
    json_val *doc = NULL;
    struct err why = {0};
    char prefix[KEY_BYTES];

    *out = SIZE_MAX;
    int rc = json_parse(&doc, text->p, text->n, err);
    if (!rc && !arch_params_from_config(&p, t->a, doc, t->m->n_tensors, &why))
        rc = arch_params_to_meta(&made, t->a, &p, err);
    if (!rc && made.n) {
        (void)snprintf(prefix, sizeof(prefix), "%s.", t->a->name);
        *out = count_missing(&made, t->m->meta, "") +
               count_missing(t->m->meta, &made, prefix) +
               count_missing(t->m->meta, &made, "pare.arch.") + arch_export_refuses(t->a, &t->p);
    }
    if (why.code == ERR_NOMEM)
        rc = err_nomem(err);
    meta_release(&made);
    arch_params_release(&p);
    json_free(doc);
    return rc;
}

/* One config.json of a row, and how far it is off; text is NULL memory where it is none. */
static int attempt(struct buf *text, size_t *off, const struct arch *a, const struct arch_model *m,
                   unsigned asked, struct err *err)
{
    struct attempt t = {.a = a, .m = m, .asked = asked};
    int rc = arch_params_from_meta(&t.p, a, m->meta, m->n_tensors, err);

    if (rc)
        return rc;
    complete(&t);
    rc = write_config(&t, err);
    if (!rc)
        rc = conf_print(text, &t.c, err);
    if (!rc)
        rc = judge(off, &t, text, err);
    conf_release(&t.c);
    arch_params_release(&t.p);
    return rc;
}

/* Has the row names for all of the file's tensors, and the file the key it asks for? */
static bool fits(const struct arch *a, const struct arch_model *m)
{
    char key[KEY_BYTES];
    int layer;

    if (a->gguf_if &&
        (!key_expand(key, sizeof(key), a->gguf_if, a) || !meta_get(m->meta, key)))
        return false;
    for (size_t i = 0; i < m->n_tensors; i++)
        if (!arch_match_gguf(a, m->name(m->arg, i), &layer))
            return false;
    return true;
}

/* The best config.json of a row, whatever it asks for. */
static int attempt_all(struct arch_config *out, size_t *best, const struct arch *a,
                       const struct arch_model *m, struct err *err)
{
    const char *list[MOST_WHENS];
    const size_t n = list_whens(list, a);
    int rc = 0;

    for (unsigned asked = 0; !rc && asked < 1U << n && *best; asked++) {
        struct buf text = {0};
        size_t off = SIZE_MAX;
        rc = attempt(&text, &off, a, m, asked, err);
        if (!rc && (off < *best || !out->arch)) {
            buf_release(&out->text);
            out->text = text;
            out->arch = a;
            *best = off;
        } else {
            buf_release(&text);
        }
    }
    return rc;
}

int arch_export(struct arch_config *out, const struct arch_model *m, struct err *err)
{
    const struct arch *first = arch_of_meta(m->meta), *a;
    size_t best = SIZE_MAX;
    int rc = 0;

    *out = (struct arch_config){0};
    if (!first)
        return err_set(err, ERR_UNSUPPORTED, "its architecture is not one that pare knows");
    rc = attempt_all(out, &best, first, m, err);
    for (size_t i = 0; !rc && best && (a = arch_at(i)); i++)
        if (a != first && !strcmp(a->name, first->name) && fits(a, m))
            rc = attempt_all(out, &best, a, m, err);
    if (rc)
        buf_release(&out->text);
    return rc;
}
