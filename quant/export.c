#include "quant/export.h"

#include "formats/arch/arch_export.h"
#include "formats/base/out_dir.h"
#include "formats/hf_plan.h"
#include "formats/safetensors_write.h"
#include "formats/vocab_export.h"
#include "quant/mix.h"
#include "quant/pipe/pipe.h"
#include "quant/unpack.h"

#include <stdlib.h>
#include <string.h>

struct job {
    const struct source *s;
    const struct export_opts *o;
    struct arch_config config;
    struct arch_params p; /* by the row of config */
    enum dtype *types;    /* owned; by source tensor */
    struct hf_plan *plan;
    struct st_item *items; /* owned; the plan's */
    struct vocab_texts vocab;
    struct out_dir dir;
};

/* ---- types ---------------------------------------------------------------------- */

static bool is_plain(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;
}

/* As conversion to that type would choose; by themselves, plain tensors stay as they are. */
static int set_types(struct job *j, struct err *err)
{
    const size_t n = source_n_tensors(j->s);

    j->types = calloc(n + 1, sizeof(*j->types));
    if (!j->types)
        return err_nomem(err);
    if (j->o->type != DTYPE_NONE)
        return mix_convert_types(j->types, j->o->type, j->s, err);
    for (size_t i = 0; i < n; i++) {
        const enum dtype t = source_tensor(j->s, i)->type;
        j->types[i] = is_plain(t) ? t : DTYPE_BF16;
    }
    return 0;
}

/* The type of most values in matrices. */
static enum dtype main_type(const struct job *j)
{
    uint64_t n[DTYPE_COUNT] = {0};
    enum dtype most = DTYPE_F32;

    for (size_t i = 0; i < source_n_tensors(j->s); i++) {
        const struct source_tensor *t = source_tensor(j->s, i);
        if (t->n_dims > 1)
            n[j->types[i]] += source_row_len(t) * source_n_rows(t);
    }
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (n[t] > n[most])
            most = (enum dtype)t;
    return most;
}

static const char *torch_name(enum dtype t)
{
    return t == DTYPE_F32 ? "float32" : t == DTYPE_F16 ? "float16" : "bfloat16";
}

/* ---- config.json ------------------------------------------------------------------ */

static bool has_tensor(const void *arg, const char *gguf)
{
    return source_find(arg, gguf) != NULL;
}

static const char *name_of(const void *arg, size_t i)
{
    return source_tensor(arg, i)->name;
}

/* Plain F32 values of a tensor, or NULL. */
static const float *values_of(size_t *n, const struct source *s, enum arch_role role)
{
    const struct source_tensor *t = source_role(s, role, -1);

    if (!t || t->type != DTYPE_F32 || t->n_dims != 1)
        return NULL;
    *n = (size_t)source_row_len(t);
    return (const float *)(const void *)t->part->data;
}

/* Rows of an embedding; 0: there is none. */
static uint64_t rows_of(const struct source *s, enum arch_role role)
{
    const struct source_tensor *t = source_role(s, role, -1);

    return t ? source_n_rows(t) : 0;
}

/* What files without a key for it mean. */
static void set_rows(struct arch_params *p, enum arch_param which, uint64_t n)
{
    if (!arch_has(p, which) && n)
        p->p[which] = (struct arch_value){.set = true, .v = (double)n};
}

static int make_config(struct job *j, struct err *err)
{
    const struct source *s = j->s;
    struct arch_model m = {
        .meta = source_meta(s),
        .name = name_of,
        .has = has_tensor,
        .arg = s,
        .n_tensors = source_n_tensors(s),
        .n_vocab = rows_of(s, ROLE_TOKEN_EMBD),
        .n_vocab_layer = rows_of(s, ROLE_LAYER_EMBD),
        .dtype = torch_name(main_type(j)),
    };

    m.freqs = values_of(&m.n_freqs, s, ROLE_ROPE_FREQS);
    m.freqs_short = values_of(&m.n_freqs, s, ROLE_ROPE_SHORT);
    m.freqs_long = values_of(&m.n_freqs, s, ROLE_ROPE_LONG);
    int rc = arch_export(&j->config, &m, err);
    if (!rc)
        rc = arch_params_from_meta(&j->p, j->config.arch, m.meta, m.n_tensors, err);
    if (rc)
        return rc;
    set_rows(&j->p, ARCH_N_VOCAB, m.n_vocab);
    set_rows(&j->p, ARCH_N_VOCAB_LAYER, m.n_vocab_layer);
    return 0;
}

/* ---- tensors -------------------------------------------------------------------------- */

static int make_plan(struct job *j, struct err *err)
{
    int rc = hf_plan_new(&j->plan, j->s, j->config.arch, &j->p, j->types, err);

    if (rc)
        return rc;
    j->items = calloc(hf_plan_n(j->plan) + 1, sizeof(*j->items));
    if (!j->items)
        return err_nomem(err);
    for (size_t i = 0; i < hf_plan_n(j->plan); i++) {
        const struct hf_tensor *h = hf_plan_at(j->plan, i);
        j->items[i] = (struct st_item){.name = h->name, .type = h->type, .n_dims = h->n_dims};
        memcpy(j->items[i].dims, h->dims, sizeof(h->dims));
    }
    return 0;
}

static int write_tensors(struct job *j, struct export_result *out, struct err *err)
{
    struct st_writer *w;
    int rc = st_writer_new(&w, j->dir.part, j->items, hf_plan_n(j->plan), j->o->shard_bytes, err);

    if (rc)
        return rc;
    out->n_files = st_writer_files(w);
    out->bytes = st_writer_bytes(w);
    out->n_tensors = hf_plan_n(j->plan);
    rc = unpack(w, j->plan, j->o->cpu, &j->o->par, j->o->log, err);
    if (!rc)
        rc = st_writer_commit(w, err);
    st_writer_free(w);
    return rc;
}

/* ---- the folder ------------------------------------------------------------------------ */

static int put_file(struct job *j, const char *name, const struct buf *b, struct err *err)
{
    return b->n ? out_dir_file(&j->dir, name, b->p, b->n, err) : 0;
}

static int write_texts(struct job *j, struct err *err)
{
    int rc = put_file(j, "config.json", &j->config.text, err);

    if (!rc)
        rc = put_file(j, "tokenizer.json", &j->vocab.tokenizer, err);
    if (!rc)
        rc = put_file(j, "tokenizer_config.json", &j->vocab.config, err);
    if (!rc)
        rc = put_file(j, "tokenizer.model", &j->vocab.spm, err);
    if (!rc)
        rc = put_file(j, "generation_config.json", &j->vocab.generation, err);
    return rc;
}

static void release(struct job *j)
{
    out_dir_abandon(&j->dir);
    vocab_texts_release(&j->vocab);
    buf_release(&j->config.text);
    arch_params_release(&j->p);
    hf_plan_free(j->plan);
    free(j->items);
    free(j->types);
}

int export_folder(struct export_result *out, const struct source *s, const char *dir,
                  const struct export_opts *opts, struct err *err)
{
    struct job j = {.s = s, .o = opts};
    const double begun = pipe_seconds();

    *out = (struct export_result){0};
    out_dir_init(&j.dir);
    int rc = set_types(&j, err);
    if (!rc)
        rc = make_config(&j, err);
    if (!rc)
        rc = make_plan(&j, err);
    if (!rc)
        rc = vocab_export(&j.vocab, source_vocab(s), source_meta(s),
                          arch_int(&j.p, ARCH_N_CTX, ARCH_NO_LAYER), err);
    if (!rc)
        rc = out_dir_open(&j.dir, dir, err);
    if (!rc)
        rc = write_texts(&j, err);
    if (!rc)
        rc = write_tensors(&j, out, err);
    if (!rc)
        rc = out_dir_commit(&j.dir, err);
    if (!rc) {
        out->class = j.config.arch->classes[0];
        out->type = main_type(&j);
        out->seconds = pipe_seconds() - begun;
    }
    release(&j);
    return rc;
}
