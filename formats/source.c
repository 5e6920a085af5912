#include "formats/source.h"

#include "formats/source_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- building --------------------------------------------------------------- */

int source_add(struct source *s, const struct source_tensor *t, struct err *err)
{
    bool added;

    if (s->n == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 64;
        struct source_tensor *grown = realloc(s->tensor, cap * sizeof(*grown));
        if (!grown)
            return err_nomem(err);
        s->tensor = grown;
        s->cap = cap;
    }
    const int rc = strmap_add(&added, &s->names, t->name, strlen(t->name), s->n, err);
    if (rc)
        return rc;
    if (!added)
        return err_set(err, ERR_FORMAT, "tensor %s: two stored tensors become this one", t->name);
    s->tensor[s->n++] = *t;
    return 0;
}

struct source_part *source_part_new(struct source *s, size_t n)
{
    return arena_array(&s->arena, n, sizeof(struct source_part));
}

const char *source_shape(char *dst, size_t size, const uint64_t *dims, int n, bool reverse)
{
    size_t at = 0;

    for (int i = 0; i < n && at < size; i++) {
        const int wrote = snprintf(dst + at, size - at, "%s%" PRIu64, i ? ", " : "[",
                                   dims[reverse ? n - 1 - i : i]);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    if (at < size)
        (void)snprintf(dst + at, size - at, "%s", n ? "]" : "[]");
    return dst;
}

/* ---- completeness ------------------------------------------------------------- */

/* Must a model have the row's tensors? */
static bool is_required(const struct source *s, const struct arch_tensor *row,
                        const json_val *config)
{
    bool tied = s->arch->tied;

    if (row->flags & TENSOR_MADE)
        return false;
    if (row->flags & TENSOR_TIED) {
        (void)json_bool(json_get(config, "tie_word_embeddings"), &tied);
        return config && !tied;
    }
    if (row->when)
        return config && arch_asks(row->when, config);
    return !(row->flags & TENSOR_OPTIONAL);
}

static int missing(const struct source *s, const struct arch_tensor *row, int layer,
                   struct err *err)
{
    char hf[256] = "", gguf[256] = "";

    (void)arch_expand(gguf, sizeof(gguf), row->gguf, layer, 0);
    if (s->ckpt && row->hf && arch_expand(hf, sizeof(hf), row->hf, layer, 0))
        return err_set(err, ERR_FORMAT,
                       "tensor %s is missing (%s; config.json says %" PRIu64 " layers)", hf, gguf,
                       arch_int(&s->params, ARCH_N_LAYER, 0));
    return err_set(err, ERR_FORMAT, "tensor %s is missing (its metadata says %" PRIu64 " layers)",
                   gguf, arch_int(&s->params, ARCH_N_LAYER, 0));
}

int source_check_complete(const struct source *s, const json_val *config, struct err *err)
{
    const uint64_t n_layer = arch_int(&s->params, ARCH_N_LAYER, 0);
    const struct arch_tensor *row;
    char name[256];

    for (size_t i = 0; (row = arch_row(s->arch, i)); i++) {
        if (!is_required(s, row, config))
            continue;
        const uint64_t n = arch_in_block(row) ? n_layer : 1;
        for (uint64_t l = 0; l < n; l++) {
            size_t at;
            const int layer = l < INT32_MAX ? (int)l : INT32_MAX;
            if (arch_in_block(row) && !arch_is_at(row->where, &s->params, (size_t)l))
                continue;
            if (!arch_expand(name, sizeof(name), row->gguf, layer, 0) ||
                !strmap_get(&at, &s->names, name, strlen(name)))
                return missing(s, row, layer, err);
        }
    }
    return 0;
}

/* Where each role stands, by layer; block -1 comes first. */
static int index_roles(struct source *s, struct err *err)
{
    const uint64_t n_layer = arch_int(&s->params, ARCH_N_LAYER, 0);

    if (n_layer > s->n)
        return err_set(err, ERR_FORMAT, "%" PRIu64 " layers, but only %zu tensors", n_layer, s->n);
    s->n_layer = (size_t)n_layer;
    s->role = calloc((s->n_layer + 1) * ROLE_COUNT, sizeof(*s->role));
    if (!s->role)
        return err_nomem(err);
    for (size_t i = 0; i < s->n; i++) {
        const struct source_tensor *t = &s->tensor[i];
        if (t->row)
            s->role[(size_t)(t->layer + 1) * ROLE_COUNT + t->row->role] = i + 1;
    }
    return 0;
}

/* ---- GGUF ------------------------------------------------------------------------ */

/* Does the file's shape follow the family's formula? */
static int check_gguf_shape(const struct source *s, const struct gguf_tensor *g,
                            const struct arch_tensor *row, int layer, struct err *err)
{
    uint64_t want[4] = {1, 1, 1, 1};
    const int n = arch_dims(want, row, &s->params, layer < 0 ? ARCH_NO_LAYER : (size_t)layer);
    char a[96], b[96];

    if (memcmp(want, g->dims, sizeof(want)) != 0)
        return err_set(err, ERR_FORMAT, "tensor %s: expected shape %s, found %s", g->name,
                       source_shape(a, sizeof(a), want, n, false),
                       source_shape(b, sizeof(b), g->dims, g->n_dims, false));
    return 0;
}

static int add_gguf(struct source *s, const struct gguf_tensor *g, struct err *err)
{
    struct source_part *part = source_part_new(s, 1);
    struct source_tensor t = {
        .name = g->name,
        .stored = g->name,
        .layer = -1,
        .type = g->type,
        .n_dims = g->n_dims,
        .n_parts = 1,
        .part = part,
    };

    if (!part)
        return err_nomem(err);
    *part = (struct source_part){g->data, g->bytes, g->map};
    memcpy(t.dims, g->dims, sizeof(t.dims));
    if (s->arch) {
        t.row = arch_match_gguf(s->arch, g->name, &t.layer);
        if (!t.row)
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: architecture %s has none of this name",
                           g->name, s->arch->name);
        if (t.layer >= 0 && (uint64_t)t.layer >= arch_int(&s->params, ARCH_N_LAYER, 0))
            return err_set(err, ERR_FORMAT, "tensor %s: the metadata says %" PRIu64 " layers",
                           g->name, arch_int(&s->params, ARCH_N_LAYER, 0));
        const int rc = check_gguf_shape(s, g, t.row, t.layer, err);
        if (rc)
            return rc;
    }
    return source_add(s, &t, err);
}

/* Files without the key: the embedding says how many tokens there are. */
static void guess_vocab(struct source *s)
{
    int layer;

    for (size_t i = 0; i < gguf_n_tensors(s->gguf); i++) {
        const struct gguf_tensor *g = gguf_tensor(s->gguf, i);
        const struct arch_tensor *row = arch_match_gguf(s->arch, g->name, &layer);
        if (row && row->role == ROLE_TOKEN_EMBD && !arch_has(&s->params, ARCH_N_VOCAB))
            s->params.p[ARCH_N_VOCAB] = (struct arch_value){.set = true, .v = (double)g->dims[1]};
        if (row && row->role == ROLE_LAYER_EMBD && !arch_has(&s->params, ARCH_N_VOCAB_LAYER))
            s->params.p[ARCH_N_VOCAB_LAYER] =
                (struct arch_value){.set = true, .v = (double)g->dims[1]};
    }
}

/* A vocabulary that pare does not know is no reason not to look at the weights. */
static int open_vocab(struct source *s, const struct log *log, struct err *err)
{
    struct err why = {0};
    struct meta_str model;

    if (!meta_str(gguf_meta(s->gguf), "tokenizer.ggml.model", &model))
        return 0;
    const int rc = vocab_from_meta(&s->vocab, gguf_meta(s->gguf), &why);
    if (rc == ERR_UNSUPPORTED) {
        log_warn(log, "%s: %s; it opens without a vocabulary", s->path, why.msg);
        return 0;
    }
    if (rc) {
        *err = why;
        return rc;
    }
    if (s->vocab->kind == VOCAB_NONE) {
        vocab_free(s->vocab);
        s->vocab = NULL;
    }
    return 0;
}

static int from_gguf(struct source *s, const struct source_opts *opts, struct err *err)
{
    int rc = 0;

    s->arch = arch_of_meta(gguf_meta(s->gguf));
    if (s->arch) {
        rc = arch_params_from_meta(&s->params, s->arch, gguf_meta(s->gguf), gguf_n_tensors(s->gguf),
                                   err);
        if (!rc)
            guess_vocab(s);
    }
    if (!rc)
        rc = strmap_reserve(&s->names, gguf_n_tensors(s->gguf), err);
    for (size_t i = 0; !rc && i < gguf_n_tensors(s->gguf); i++)
        if (!source_is_global(s, gguf_tensor(s->gguf, i)))
            rc = add_gguf(s, gguf_tensor(s->gguf, i), err);
    for (size_t i = 0; !rc && i < gguf_n_tensors(s->gguf); i++)
        if (source_is_global(s, gguf_tensor(s->gguf, i)))
            rc = source_add_global(s, gguf_tensor(s->gguf, i), err);
    if (!rc && s->arch)
        rc = source_check_complete(s, NULL, err);
    if (!rc)
        rc = open_vocab(s, opts->log, err);
    return rc ? err_wrap(err, "%s", s->path) : 0;
}

/* ---- life -------------------------------------------------------------------------- */

int source_open(struct source **out, const char *path, const struct source_opts *opts,
                struct err *err)
{
    static const struct log silent;
    struct source_opts o = opts ? *opts : (struct source_opts){0};
    struct source *s = calloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (!s)
        return err_nomem(err);
    if (!o.log)
        o.log = &silent;
    s->path = strdup(path);
    if (!s->path) {
        rc = err_nomem(err);
        goto fail;
    }
    if (ckpt_is(path)) {
        rc = ckpt_open(&s->ckpt, path, err);
        if (!rc)
            rc = source_from_ckpt(s, &o, err);
    } else {
        rc = gguf_open(&s->gguf, path, err);
        if (!rc)
            rc = from_gguf(s, &o, err);
    }
    if (!rc && s->arch)
        rc = index_roles(s, err);
    if (rc)
        goto fail;
    *out = s;
    return 0;

fail:
    source_free(s);
    return rc;
}

void source_free(struct source *s)
{
    if (!s)
        return;
    vocab_free(s->vocab);
    meta_release(&s->made);
    sidecar_release(&s->told);
    arch_params_release(&s->params);
    strmap_release(&s->names);
    free(s->tensor);
    free(s->role);
    arena_release(&s->arena);
    coded_free(s->coded);
    gguf_free(s->gguf);
    ckpt_free(s->ckpt);
    free(s->path);
    free(s);
}

/* ---- looking ------------------------------------------------------------------------- */

const char *source_path(const struct source *s)
{
    return s->path;
}

bool source_is_checkpoint(const struct source *s)
{
    return s->ckpt != NULL;
}

const struct arch *source_arch(const struct source *s)
{
    return s->arch;
}

const struct arch_params *source_params(const struct source *s)
{
    return s->arch ? &s->params : NULL;
}

const struct meta *source_meta(const struct source *s)
{
    return s->ckpt ? &s->made : gguf_meta(s->gguf);
}

bool source_is_export(const struct source *s)
{
    return s->told.doc && !s->told.changed;
}

enum dtype source_told_type(const struct source *s)
{
    return s->told.type;
}

enum dtype source_told_tensor_type(const struct source *s, size_t i)
{
    return sidecar_type(&s->told, s->tensor[i].name);
}

const struct meta *source_told_last(const struct source *s)
{
    return &s->told.last;
}

const char *source_told_origin(const struct source *s, const char *hex)
{
    const char *origin = s->told.original;

    return origin && s->told.folder && !strcmp(s->told.folder, hex) && strlen(origin) == strlen(hex)
               ? origin
               : hex;
}

const struct vocab *source_vocab(const struct source *s)
{
    return s->vocab;
}

uint64_t source_bytes(const struct source *s)
{
    const struct map *last = NULL;
    uint64_t n = 0;

    if (!s->ckpt)
        return gguf_file_bytes(s->gguf);
    for (size_t i = 0; i < ckpt_n_tensors(s->ckpt); i++) {
        const struct map *m = ckpt_tensor_map(s->ckpt, i);
        n += m != last ? m->size : 0; /* tensors come shard by shard */
        last = m;
    }
    return n;
}

size_t source_n_tensors(const struct source *s)
{
    return s->n;
}

const struct source_tensor *source_tensor(const struct source *s, size_t i)
{
    return i < s->n ? &s->tensor[i] : NULL;
}

const struct source_tensor *source_find(const struct source *s, const char *name)
{
    size_t i;

    return strmap_get(&i, &s->names, name, strlen(name)) ? &s->tensor[i] : NULL;
}

const struct source_tensor *source_role(const struct source *s, enum arch_role role, int layer)
{
    if (!s->role || layer < -1 || layer >= (int64_t)s->n_layer)
        return NULL;
    const size_t i = s->role[(size_t)(layer + 1) * ROLE_COUNT + role];
    return i ? &s->tensor[i - 1] : NULL;
}

uint64_t source_row_len(const struct source_tensor *t)
{
    return t->n_dims ? t->dims[0] : 1;
}

uint64_t source_n_rows(const struct source_tensor *t)
{
    uint64_t n = 1;

    for (int i = 1; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
}

uint64_t source_stored_len(const struct source_tensor *t)
{
    return t->stored_len ? t->stored_len : source_row_len(t);
}

bool source_has_rows(const struct source_tensor *t)
{
    return !t->coded && !t->transposed && !t->cols && !t->scaled && t->change != CHANGE_ADD_ONE &&
           t->change != CHANGE_NEG_EXP;
}

uint64_t source_locate(const struct source_tensor *t, uint64_t r, size_t *part)
{
    *part = 0;
    if (t->n_parts > 1) {
        const uint64_t each = source_n_rows(t) / t->n_parts;
        *part = (size_t)(r / each);
        r %= each;
    }
    return t->rows ? source_map_at(t->rows, r) : r;
}

const uint8_t *source_row(const struct source_tensor *t, uint64_t r, size_t row_bytes)
{
    size_t part;
    const uint64_t at = source_locate(t, r, &part);

    return t->part[part].data + at * row_bytes;
}
