/* A checkpoint seen as the GGUF it would convert to. */

#include "formats/general.h"
#include "formats/nested.h"
#include "formats/source_fit.h"
#include "formats/source_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void warn_unasked(struct view *v, const struct st_tensor *st, const struct arch_tensor *row)
{
    if (v->warned || arch_asks(row->when, v->config))
        return;
    log_warn(v->log, "%s: tensor %s is kept although config.json does not set %s",
             ckpt_dir(v->s->ckpt), st->name, row->when);
    v->warned = true;
}

/* The one value of a tensor as a number; false: it is not of a plain type. */
static bool scalar_value(double *out, const struct st_tensor *st)
{
    uint32_t bits = 0;
    float f;

    memcpy(&bits, st->data, st->bytes < sizeof(bits) ? (size_t)st->bytes : sizeof(bits));
    if (st->type == DTYPE_F16) {
        const uint32_t e = bits >> 10 & 31, m = bits & 1023;
        const double v = e ? ldexp(1024 + m, (int)e - 25) : ldexp(m, -24);
        *out = bits >> 15 ? -v : v;
        return e != 31;
    }
    if (st->type != DTYPE_BF16 && st->type != DTYPE_F32)
        return false;
    bits = st->type == DTYPE_BF16 ? bits << 16 : bits;
    memcpy(&f, &bits, sizeof(f));
    *out = (double)f;
    return isfinite(f);
}

/* A tensor of one value that becomes metadata. */
static int take_scalar(bool *taken, struct view *v, const struct st_tensor *st, const char *name,
                       struct err *err)
{
    enum arch_param which;
    int layer;
    double value;

    *taken = arch_match_scalar(&which, &layer, v->arch, name);
    if (!*taken)
        return 0;
    if (st->bytes != dtype_get(st->type)->bytes || !scalar_value(&value, st))
        return err_set(err, ERR_FORMAT, "tensor %s: expected one finite value of F32, F16 or BF16",
                       st->name);
    if (layer < 0 || (uint64_t)layer >= arch_int(v->params, ARCH_N_LAYER, 0))
        return err_set(err, ERR_FORMAT, "tensor %s: config.json says %" PRIu64 " layers", st->name,
                       arch_int(v->params, ARCH_N_LAYER, 0));
    return arch_set_scalar(&v->s->params, which, (size_t)layer, value, err);
}

static int check_scalars(const struct view *v, struct err *err)
{
    char name[256];
    size_t layer;
    const struct arch_scalar *s = arch_lacks_scalar(&layer, v->arch, v->params);

    if (!s)
        return 0;
    if (!arch_expand(name, sizeof(name), s->hf, (int)layer, 0))
        name[0] = '\0';
    return err_set(err, ERR_FORMAT, "tensor %s is missing", name);
}

/* One checkpoint tensor; most are one row, some are taken apart by several. */
static int add_tensor(struct view *v, size_t i, struct err *err)
{
    const struct coded_tensor *from = coded_at(v->s->coded, i);
    const struct st_tensor *st = &from->st;
    const uint64_t n_layer = arch_int(v->params, ARCH_N_LAYER, 0);
    char plain[256];
    const char *name = v->nested ? nested_name(plain, sizeof(plain), st->name) : st->name;
    int layer, expert;
    bool taken = false;

    if (v->nested && nested_other(st->name)) {
        v->n_other++;
        return 0;
    }
    if (arch_ignores(v->arch, name) || arch_is_beyond(v->params, name))
        return 0;
    int rc = take_scalar(&taken, v, st, name, err);
    if (rc || taken)
        return rc;
    const struct arch_tensor *row = arch_match_hf(v->arch, name, &layer, &expert);
    if (!row)
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: architecture %s has none of this name",
                       st->name, v->arch->name);
    if (layer >= 0 && (uint64_t)layer >= n_layer)
        return err_set(err, ERR_FORMAT, "tensor %s: config.json says %" PRIu64 " layers", st->name,
                       n_layer);
    for (; !rc && row; row = arch_match_next(v->arch, row, name)) {
        if (layer >= 0 && !arch_is_at(row->where, v->params, (size_t)layer))
            continue;
        taken = true;
        warn_unasked(v, st, row);
        rc = view_check_type(st, from->coded, err);
        if (!rc)
            rc = view_check_shape(v, from, row, layer, err);
        if (!rc)
            rc = row->flags & TENSOR_EXPERTS ? view_add_expert(v, from, row, layer, expert, err)
                                             : view_add_plain(v, from, row, layer, err);
    }
    if (!rc && !taken)
        return err_set(err, ERR_FORMAT, "tensor %s: config.json makes layer %d one without it",
                       st->name, layer);
    return rc;
}

/* Tensors the converter makes come first. */
static int add_made(struct view *v, const struct arch_tensor *row, struct err *err)
{
    struct source_part *part = source_part_new(v->s, 1);
    struct source_tensor t = {
        .name = row->gguf,
        .stored = row->gguf,
        .row = row,
        .layer = -1,
        .type = DTYPE_F32,
        .dims = {1, 1, 1, 1},
        .n_parts = 1,
        .part = part,
    };

    if (!part)
        return err_nomem(err);
    t.n_dims = arch_dims(t.dims, row, v->params, ARCH_NO_LAYER);
    const uint64_t n = source_row_len(&t) * source_n_rows(&t);
    if (n > (1U << 24))
        return err_set(err, ERR_FORMAT, "tensor %s: %" PRIu64 " values", t.name, n);
    float *data = arena_array(&v->s->arena, (size_t)n, sizeof(*data));
    if (!data)
        return err_nomem(err);
    if (!sidecar_values(data, (size_t)n, &v->s->told, t.name))
        arch_make(data, (size_t)n, row, v->params);
    *part = (struct source_part){(const uint8_t *)data, (size_t)n * sizeof(*data), NULL};
    return source_add(v->s, &t, err);
}

static const struct source_tensor *of_role(const struct source *s, enum arch_role role)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->tensor[i].row->role == role)
            return &s->tensor[i];
    return NULL;
}

/* config.json calls the head tied, and yet it is there: kept, as the reference does; said
 * where it differs from the embedding, because programs then disagree. */
static void warn_untied(const struct view *v)
{
    const struct source_tensor *embd = of_role(v->s, ROLE_TOKEN_EMBD);
    const struct source_tensor *head = of_role(v->s, ROLE_OUTPUT);
    bool tied = v->arch->tied;

    (void)json_bool(json_get(v->config, "tie_word_embeddings"), &tied);
    if (!tied || !embd || !head || embd->n_parts != 1 || head->n_parts != 1 ||
        (embd->part->bytes == head->part->bytes &&
         !memcmp(embd->part->data, head->part->data, head->part->bytes)))
        return;
    log_warn(v->log, "%s: tie_word_embeddings is true, but %s differs from %s; it is kept",
             ckpt_dir(v->s->ckpt), head->stored, embd->stored);
}

static int add_all(struct view *v, struct err *err)
{
    const struct arch_tensor *row;
    int rc = 0;

    for (size_t i = 0; !rc && (row = arch_row(v->arch, i)); i++)
        if (arch_makes(row, v->params))
            rc = add_made(v, row, err);
    for (size_t i = 0; !rc && i < coded_n(v->s->coded); i++) {
        rc = add_tensor(v, i, err);
        if (rc)
            return err_wrap(err, "%s/%s", ckpt_dir(v->s->ckpt), coded_at(v->s->coded, i)->file);
    }
    if (!rc)
        rc = view_check_stacks(v, err);
    if (!rc)
        rc = check_scalars(v, err);
    if (!rc)
        rc = source_check_complete(v->s, v->config, err);
    if (!rc)
        warn_untied(v);
    if (!rc && v->n_other)
        log_warn(v->log,
                 "%s: the language model only: %zu tensors of vision or speech are left out",
                 ckpt_dir(v->s->ckpt), v->n_other);
    return rc ? err_wrap(err, "%s", ckpt_dir(v->s->ckpt)) : 0;
}

/* ---- metadata ------------------------------------------------------------------------ */

static struct general_size count(const struct source *s)
{
    struct general_size size = {0};
    uint64_t experts = 0, stacks = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct source_tensor *t = &s->tensor[i];
        const uint64_t n = source_row_len(t) * source_n_rows(t);
        size.total += n;
        if (t->row->flags & (TENSOR_EXPERTS | TENSOR_STACKED) && t->n_dims > 2) {
            const uint64_t n_expert = t->dims[t->n_dims - 1];
            size.expert += n / n_expert;
            experts += n_expert;
            stacks++;
        } else {
            size.shared += n;
        }
    }
    size.n_expert = stacks ? experts / stacks : 0;
    return size;
}

/* The last part of the folder's real path ("." and ".." have one too). */
static int general(struct source *s, const struct source_opts *opts, struct err *err)
{
    const struct general_size size = count(s);
    char *real = realpath(s->path, NULL);

    if (!real)
        return err_errno(err, s->path);
    const char *slash = strrchr(real, '/');
    const int rc = general_from_checkpoint(&s->made, s->ckpt, slash ? slash + 1 : real, opts->name,
                                           &size, opts->log, err);
    free(real);
    return rc;
}

static int fill_meta(struct source *s, const struct source_opts *opts, struct err *err)
{
    int rc = meta_set_str(&s->made, "general.architecture", s->arch->name, err);

    if (!rc)
        rc = meta_set_str(&s->made, "general.type", "model", err);
    if (!rc)
        rc = general(s, opts, err);
    if (!rc)
        rc = arch_params_to_meta(&s->made, s->arch, &s->params, err);
    if (!rc)
        rc = meta_set_u32(&s->made, "general.quantization_version", 2, err);
    if (!rc && s->vocab)
        rc = vocab_to_meta(&s->made, s->vocab, err);
    return rc ? rc : sidecar_apply(&s->made, &s->told, err);
}

/* The tokenizer's files, unless the export could not say it by them. */
static int open_vocab(struct source *s, const struct source_opts *opts, struct err *err)
{
    if (s->told.no_vocab && !s->told.changed)
        return 0;
    if (meta_get(&s->told.set, "tokenizer.ggml.tokens") && !s->told.changed)
        return vocab_from_meta(&s->vocab, &s->told.set, err);
    return vocab_from_checkpoint(&s->vocab, s->ckpt, (size_t)arch_int(&s->params, ARCH_N_VOCAB, 0),
                                 opts->pre, s->arch->vocab, opts->log, err);
}

/* The vocabulary by the metadata, where an export has changed that. */
static int correct_vocab(struct source *s, struct err *err)
{
    struct vocab *v;

    if (!s->vocab ||
        (!sidecar_has(&s->told, "tokenizer.") && !sidecar_has(&s->told, "pare.tokenizer.")))
        return 0;
    const int rc = vocab_from_meta(&v, &s->made, err);
    if (rc)
        return err_wrap(err, "%s/" SIDECAR_FILE, ckpt_dir(s->ckpt));
    vocab_free(s->vocab);
    s->vocab = v;
    return 0;
}

/* "[the first], [the second] and 3 more" of the lines in b. */
static void put_names(struct buf *b, const struct buf *lines, size_t n)
{
    enum { SHOWN = 3 };
    const char *at = lines->p;
    size_t i = 0;

    for (; at && *at && i < SHOWN; i++) {
        const size_t k = strcspn(at, "\n");
        buf_fmt(b, "%s%.*s", i ? ", " : "", (int)k, at);
        at += k + (at[k] == '\n');
    }
    if (n > i)
        buf_fmt(b, " and %zu more", n - i);
}

/* Which family it comes closest to, and what does not fit. */
static int unknown_arch(const struct source *s, const char *class, struct err *err)
{
    struct source_fit fit;
    struct buf b = {0};
    int rc = source_fit(&fit, s->ckpt, err);

    if (rc)
        return rc;
    if (fit.arch)
        buf_fmt(&b, "; the nearest is %s (%s): %zu of %zu tensors fit", fit.arch->classes[0],
                fit.arch->name, fit.n_known, fit.n_tensors);
    if (fit.arch && fit.n_known < fit.n_tensors) {
        buf_str(&b, ", not ");
        put_names(&b, &fit.unexpected, fit.n_tensors - fit.n_known);
    }
    rc = err_set(err, ERR_UNSUPPORTED, "%s/config.json: architecture \"%.60s\" is not supported%s",
                 ckpt_dir(s->ckpt), class, b.p ? b.p : "");
    buf_release(&b);
    source_fit_release(&fit);
    return rc;
}

static int find_arch(struct source *s, const json_val *config, struct err *err)
{
    const char *name = json_str(json_first(json_get(ckpt_config(s->ckpt), "architectures")));

    if (!name)
        return err_set(err, ERR_FORMAT, "%s/config.json: architectures is missing",
                       ckpt_dir(s->ckpt));
    s->arch = nested_arch(ckpt_config(s->ckpt));
    if (!s->arch)
        return unknown_arch(s, name, err);
    if (arch_params_from_config(&s->params, s->arch, config, ckpt_n_tensors(s->ckpt), err)) {
        const int rc = err_wrap(err, "%s/config.json", ckpt_dir(s->ckpt));
        s->arch = NULL;
        return rc;
    }
    return 0;
}

int source_from_ckpt(struct source *s, const struct source_opts *opts, struct err *err)
{
    const json_val *config = nested_config(ckpt_config(s->ckpt));
    int rc = find_arch(s, config, err);

    if (!rc)
        rc = sidecar_open(&s->told, s->ckpt, opts->log, err);
    if (!rc)
        rc = coded_open(&s->coded, s->ckpt, err);
    if (rc)
        return rc;
    struct view v = {.s = s,
                     .arch = s->arch,
                     .params = &s->params,
                     .config = config,
                     .log = opts->log,
                     .nested = config != ckpt_config(s->ckpt)};
    rc = add_all(&v, err);
    if (!rc)
        rc = source_keep_nvfp4(s, err);
    if (!rc)
        rc = open_vocab(s, opts, err);
    if (!rc)
        rc = fill_meta(s, opts, err);
    return rc ? rc : correct_vocab(s, err);
}
