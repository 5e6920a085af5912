#include "distill/fresh.h"

#include "distill/student_file.h"
#include "distill/teacher_impl.h"
#include "formats/base/json.h"
#include "formats/base/strmap.h"
#include "formats/nested.h"
#include "runtime/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 4096 };

/* How a tensor begins. */
enum begin { BEGIN_NORMAL, BEGIN_RESIDUAL, BEGIN_ONE, BEGIN_ZERO, BEGIN_MADE };

struct fresh_tensor {
    const struct arch_tensor *row;
    enum begin begin;
};

struct fresh {
    json_val *doc; /* owned */
    const json_val *config;
    const struct arch *arch;
    struct arch_params q;
    double std, residual_std;
    uint64_t seed;
    struct fresh_tensor *tensor;
    struct gguf_item *items;
    size_t n, cap;
    struct strmap names;
    struct arena arena;
};

static void fresh_release(struct fresh *f)
{
    json_free(f->doc);
    arch_params_release(&f->q);
    strmap_release(&f->names);
    free(f->tensor);
    free(f->items);
    arena_release(&f->arena);
}

/* ---- which tensors ------------------------------------------------------------------- */

/* A checkpoint of this config.json would have it. */
static bool exists(const struct fresh *f, const struct arch_tensor *row)
{
    bool tied = f->arch->tied;

    if (row->flags & TENSOR_MADE)
        return arch_makes(row, &f->q);
    if (row->flags & TENSOR_TIED) {
        (void)json_bool(json_get(f->config, "tie_word_embeddings"), &tied);
        return !tied;
    }
    return row->when ? arch_asks(row->when, f->config) : !(row->flags & TENSOR_OPTIONAL);
}

static enum begin begin_of(const struct arch_tensor *row, int n_dims)
{
    if (row->flags & TENSOR_MADE)
        return BEGIN_MADE;
    switch (row->role) {
    case ROLE_TOKEN_EMBD_NORM:
    case ROLE_OUTPUT_NORM:
    case ROLE_ATTN_NORM:
    case ROLE_ATTN_NORM_2:
    case ROLE_ATTN_Q_NORM:
    case ROLE_ATTN_K_NORM:
    case ROLE_ATTN_POST_NORM:
    case ROLE_FFN_NORM:
    case ROLE_FFN_POST_NORM:
    case ROLE_MLA_Q_A_NORM:
    case ROLE_MLA_KV_A_NORM:
    case ROLE_LAYER_EMBD_NORM:
    case ROLE_LAYER_IN_NORM:
    case ROLE_LAYER_SCALE:
        return BEGIN_ONE;
    case ROLE_ATTN_OUT:
    case ROLE_FFN_DOWN:
    case ROLE_FFN_DOWN_EXPS:
    case ROLE_FFN_DOWN_SHARED:
        return BEGIN_RESIDUAL;
    default:
        return n_dims > 1 ? BEGIN_NORMAL : BEGIN_ZERO;
    }
}

static int room(struct fresh *f, struct err *err)
{
    const size_t cap = f->cap ? 2 * f->cap : 64;

    if (f->n < f->cap)
        return 0;
    struct fresh_tensor *t = realloc(f->tensor, cap * sizeof(*t));
    if (!t)
        return err_nomem(err);
    f->tensor = t;
    struct gguf_item *it = realloc(f->items, cap * sizeof(*it));
    if (!it)
        return err_nomem(err);
    f->items = it;
    f->cap = cap;
    return 0;
}

static int add(struct fresh *f, const struct arch_tensor *row, int layer, struct err *err)
{
    struct gguf_item it = {
        .type = DTYPE_F32, .dims = {1, 1, 1, 1}
    };
    char name[256];
    bool added;
    size_t at;
    int rc;

    if (!arch_expand(name, sizeof(name), row->gguf, layer, 0) ||
        strmap_get(&at, &f->names, name, strlen(name)))
        return 0; /* another spelling of one that is there */
    it.n_dims = arch_dims(it.dims, row, &f->q, layer < 0 ? ARCH_NO_LAYER : (size_t)layer);
    for (int d = 0; d < it.n_dims; d++)
        if (!it.dims[d] || it.dims[d] > UINT32_MAX)
            return err_set(err, ERR_FORMAT, "tensor %s: dimension %d would be %" PRIu64, name, d,
                           it.dims[d]);
    if (row->role >= ROLE_SSM_IN && row->role <= ROLE_CONV_OUT_BIAS)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: fresh weights of recurrent layers", name);
    rc = room(f, err);
    it.name = rc ? NULL : arena_str(&f->arena, name);
    if (!it.name)
        return rc ? rc : err_nomem(err);
    rc = strmap_add(&added, &f->names, it.name, strlen(it.name), f->n, err);
    f->items[f->n] = it;
    f->tensor[f->n++] = (struct fresh_tensor){row, begin_of(row, it.n_dims)};
    return rc;
}

/* As conversion orders them: what has no block first, then block by block. */
static int add_all(struct fresh *f, struct err *err)
{
    const int n_layer = (int)arch_int(&f->q, ARCH_N_LAYER, 0);
    const struct arch_tensor *row;
    int rc = 0;

    for (int l = -1; !rc && l < n_layer; l++)
        for (size_t i = 0; !rc && (row = arch_row(f->arch, i)); i++)
            if (arch_in_block(row) == (l >= 0) && exists(f, row) &&
                (l < 0 || arch_is_at(row->where, &f->q, (size_t)l)))
                rc = add(f, row, l, err);
    return rc;
}

/* ---- the config ------------------------------------------------------------------------ */

/* Numbers that are tensors of the checkpoint. */
static int check_scalars(const struct fresh *f, struct err *err)
{
    for (const struct arch_scalar *s = f->arch->scalars; s && s->hf; s++)
        if (!arch_has(&f->q, s->param))
            return err_set(err, ERR_UNSUPPORTED, "tensor %s: nothing says how it begins", s->hf);
    return 0;
}

static int check_vocab(const struct fresh *f, const struct source *teacher, struct err *err)
{
    const struct meta_array *tokens =
        meta_array(source_meta(teacher), "tokenizer.ggml.tokens", META_STR);
    const uint64_t n = arch_int(&f->q, ARCH_N_VOCAB, 0);

    if (tokens && tokens->n != n)
        return err_set(err, ERR_ARG,
                       "vocab_size %" PRIu64 ": the teacher's tokenizer, which the student takes, "
                       "has %" PRIu64 " tokens",
                       n, tokens->n);
    return 0;
}

/* ---- a tokenizer beside it ----------------------------------------------------------- */

/* *c: its folder. NULL: there is none, or the file is no checkpoint's. */
static int open_beside(struct vocab **out, struct ckpt **c, const struct fresh *f, const char *path,
                       struct err *err)
{
    static const char *const files[] = {"tokenizer.json", "tokenizer.model", "vocab.json",
                                        "tekken.json"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *dir = strndup(slash ? path : ".", slash > path ? (size_t)(slash - path) : 1);
    bool found = false;
    int rc = 0;

    *out = NULL;
    *c = NULL;
    if (!dir)
        return err_nomem(err);
    if (!strcmp(name, "config.json"))
        rc = ckpt_open_files(c, dir, err);
    for (size_t i = 0; !rc && *c && !found && i < sizeof(files) / sizeof(files[0]); i++) {
        struct map m = {0};
        rc = ckpt_map(&m, &found, *c, files[i], err);
        map_release(&m);
    }
    if (!rc && found)
        rc = vocab_from_checkpoint(out, *c, (size_t)arch_int(&f->q, ARCH_N_VOCAB, 0), NULL,
                                   f->arch->vocab, NULL, err);
    free(dir);
    return rc;
}

static int compare_merges(const struct vocab *teacher, const struct vocab *v, struct err *err)
{
    for (size_t i = 0; i < teacher->n_merges || i < v->n_merges; i++) {
        const struct meta_str none = {.p = "", .n = 0};
        const struct meta_str a = i < teacher->n_merges ? teacher->merge[i] : none;
        const struct meta_str b = i < v->n_merges ? v->merge[i] : none;
        if (a.n != b.n || memcmp(a.p, b.p, a.n) != 0)
            return err_set(err, ERR_ARG,
                           "merge %zu is \"%.*s\" in the teacher's vocabulary and \"%.*s\" in the "
                           "student's",
                           i, (int)(a.n < 60 ? a.n : 60), a.p, (int)(b.n < 60 ? b.n : 60), b.p);
    }
    return 0;
}

/* The student takes the teacher's tokenizer. Whoever puts another one beside its config.json does not expect
 * that. */
static int check_beside(const struct fresh *f, const char *path, const struct source *teacher,
                        struct err *err)
{
    const struct vocab *t = source_vocab(teacher);
    struct ckpt *c;
    struct vocab *v;
    size_t same;
    int rc = open_beside(&v, &c, f, path, err);

    if (!rc && v && t) {
        rc = v->kind == t->kind ? teacher_same_tokens(&same, t, t->n_tokens, v, v->n_tokens, err)
                                : err_set(err, ERR_ARG, "it is of another kind");
        if (!rc)
            rc = compare_merges(t, v, err);
        if (rc)
            rc = err_wrap(err,
                          "the tokenizer beside it is not the teacher's, which the student takes");
    }
    vocab_free(v);
    ckpt_free(c);
    return rc;
}

/* ---- reading it ------------------------------------------------------------------------ */

static int read_config(struct fresh *f, const char *path, struct err *err)
{
    const char *class;
    int rc = json_load(&f->doc, path, err);

    if (rc)
        return rc;
    class = json_str(json_first(json_get(f->doc, "architectures")));
    f->config = nested_config(f->doc);
    f->arch = nested_arch(f->doc);
    if (!f->arch)
        return err_set(err, class ? ERR_UNSUPPORTED : ERR_FORMAT,
                       class ? "%s: architecture \"%.60s\" is not supported"
                             : "%s: architectures is missing",
                       path, class);
    rc = arch_params_from_config(&f->q, f->arch, f->config, MOST_LAYERS, err);
    return rc ? err_wrap(err, "%s", path) : 0;
}

static int fresh_open(struct fresh *f, const struct student_spec *spec,
                      const struct source *teacher, struct err *err)
{
    int rc;

    *f = (struct fresh){.seed = spec->seed, .std = 0.02};
    rc = read_config(f, spec->from, err);
    if (rc)
        return rc;
    (void)json_num(json_get(f->config, "initializer_range"), &f->std);
    f->residual_std = f->std / sqrt(2 * arch_num(&f->q, ARCH_N_LAYER, 0));
    rc = isfinite(f->std) && f->std > 0
             ? check_scalars(f, err)
             : err_set(err, ERR_FORMAT, "initializer_range: expected a positive number");
    if (!rc)
        rc = check_vocab(f, teacher, err);
    if (!rc)
        rc = add_all(f, err);
    return rc ? err_wrap(err, "%s", spec->from) : 0;
}

/* ---- values ------------------------------------------------------------------------------ */

/* Two at a time, by Box and Muller. */
static void normal(float *x, size_t n, double std, uint64_t seed)
{
    struct rng r = rng_init(seed);

    for (size_t i = 0; i < n; i += 2) {
        const double length = std * sqrt(-2 * log(1 - rng_unit(&r)));
        const double angle = 2 * 3.14159265358979323846 * rng_unit(&r);
        x[i] = (float)(length * cos(angle));
        if (i + 1 < n)
            x[i + 1] = (float)(length * sin(angle));
    }
}

/* Each row has numbers of its own, whoever asks for it and when. */
static uint64_t seed_of(uint64_t seed, size_t i, uint64_t row)
{
    struct rng r = rng_init(seed);
    const uint64_t a = rng_u64(&r) ^ (uint64_t)i;
    struct rng s = rng_init(a);

    return rng_u64(&s) ^ row;
}

static int give_rows(void *arg, float *dst, size_t i, uint64_t r0, uint64_t n, struct err *err)
{
    const struct fresh *f = arg;
    const struct fresh_tensor *t = &f->tensor[i];
    const size_t len = (size_t)f->items[i].dims[0];

    (void)err;
    if (t->begin == BEGIN_MADE) { /* one row */
        arch_make(dst, len, t->row, &f->q);
        return 0;
    }
    for (uint64_t r = 0; r < n; r++, dst += len) {
        if (t->begin == BEGIN_NORMAL || t->begin == BEGIN_RESIDUAL)
            normal(dst, len, t->begin == BEGIN_NORMAL ? f->std : f->residual_std,
                   seed_of(f->seed, i, r0 + r));
        for (size_t k = 0; k < len && t->begin >= BEGIN_ONE; k++)
            dst[k] = t->begin == BEGIN_ONE ? 1 : 0;
    }
    return 0;
}

/* ---- outside -------------------------------------------------------------------------------- */

static uint64_t count(const struct fresh *f)
{
    uint64_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        uint64_t size = 1;
        for (int d = 0; d < f->items[i].n_dims; d++)
            size *= f->items[i].dims[d];
        n += f->tensor[i].begin == BEGIN_MADE ? 0 : size;
    }
    return n;
}

int fresh_plan(struct student_about *out, const struct student_spec *spec,
               const struct source *teacher, struct err *err)
{
    struct fresh f;
    int rc = fresh_open(&f, spec, teacher, err);

    if (!rc) {
        student_describe(out, &f.q);
        out->n_params = count(&f);
        rc = check_beside(&f, spec->from, teacher, err);
        if (rc)
            rc = err_wrap(err, "%s", spec->from);
    }
    fresh_release(&f);
    return rc;
}

/* The family's keys, and the teacher's tokenizer. */
static int make_meta(struct meta *meta, const struct fresh *f, const struct source *teacher,
                     struct err *err)
{
    const struct meta *from = source_meta(teacher);
    struct meta said = {0};
    int rc = meta_set_str(&said, "general.architecture", f->arch->name, err);

    if (!rc)
        rc = meta_set_str(&said, "general.type", "model", err);
    if (!rc)
        rc = meta_set_str(&said, "general.name", "student", err);
    if (!rc)
        rc = arch_params_to_meta(&said, f->arch, &f->q, err);
    for (size_t i = 0; !rc && i < from->n; i++)
        if (!strncmp(from->kv[i].key, "tokenizer.", 10) ||
            !strncmp(from->kv[i].key, "pare.tokenizer.", 15))
            rc = meta_set_kv(&said, &from->kv[i], err);
    if (!rc)
        rc = student_file_meta(meta, &said, f->arch, DTYPE_F32, err);
    meta_release(&said);
    return rc;
}

int fresh_write(const char *path, const struct student_spec *spec, const struct source *teacher,
                struct err *err)
{
    struct meta meta = {0};
    struct fresh f;
    int rc = fresh_open(&f, spec, teacher, err);

    if (!rc)
        rc = make_meta(&meta, &f, teacher, err);
    if (!rc) {
        const struct student_file file = {path, &meta, f.items, f.n, give_rows, &f};
        rc = student_file_write(&file, err);
    }
    if (!rc)
        rc = student_file_check(path, err);
    meta_release(&meta);
    fresh_release(&f);
    return rc;
}
