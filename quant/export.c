#include "quant/export.h"

#include "formats/arch/arch_export.h"
#include "formats/base/clock.h"
#include "formats/base/out_dir.h"
#include "formats/hf_plan.h"
#include "formats/safetensors_write.h"
#include "formats/sidecar.h"
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
        j->types[i] = dtype_is_plain(t) ? t : DTYPE_BF16;
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
    const struct vocab *v = source_vocab(s);
    struct arch_model m = {
        .meta = source_meta(s),
        .name = name_of,
        .has = has_tensor,
        .arg = s,
        .n_tensors = source_n_tensors(s),
        .n_vocab = rows_of(s, ROLE_TOKEN_EMBD),
        .n_vocab_layer = rows_of(s, ROLE_LAYER_EMBD),
        .dtype = torch_name(main_type(j)),
        .ends = v ? v->ends : NULL,
        .n_ends = v ? v->n_ends : 0,
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

/* ---- pare.json ------------------------------------------------------------------------- */

/* Files whose change makes what pare.json says doubtful. */
static int put_files(struct json_out *out, const struct job *j, struct err *err)
{
    const struct {
        const char *name;
        const struct buf *b;
    } files[] = {
        {"config.json",            &j->config.text     },
        {"generation_config.json", &j->vocab.generation},
        {"tokenizer.json",         &j->vocab.tokenizer },
        {"tokenizer.model",        &j->vocab.spm       },
        {"tokenizer_config.json",  &j->vocab.config    },
    };
    char hex[HASH_HEX_BYTES];
    int rc = 0;

    json_open(out, "files", '{');
    for (size_t i = 0; !rc && i < sizeof(files) / sizeof(files[0]); i++) {
        if (!files[i].b->n)
            continue;
        rc = hash_of(files[i].b->p, files[i].b->n, hex, err);
        if (!rc)
            json_put_str(out, files[i].name, hex);
    }
    json_close(out, '}');
    return rc;
}

/* The type a conversion gives the same file in: none of coded ones, and of other types. */
static enum dtype same_type(const struct job *j)
{
    const enum dtype type = main_type(j);

    for (size_t i = 0; i < source_n_tensors(j->s); i++)
        if (!dtype_is_plain(source_tensor(j->s, i)->type) ||
            j->types[i] != source_tensor(j->s, i)->type)
            return DTYPE_NONE;
    return type;
}

/* Divisors that the formula does not give, byte by byte. */
static int put_made(struct json_out *out, const struct job *j, const struct source *back,
                    struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    int rc = 0;

    json_open(out, "tensors", '{');
    for (size_t i = 0; !rc && i < source_n_tensors(back); i++) {
        const struct source_tensor *t = source_tensor(back, i), *was = source_find(j->s, t->name);
        struct buf b = {0};
        if (!(t->row->flags & TENSOR_MADE) || !was || was->type != DTYPE_F32 ||
            was->part->bytes != t->part->bytes ||
            !memcmp(was->part->data, t->part->data, t->part->bytes))
            continue;
        for (size_t k = 0; k < was->part->bytes; k++)
            buf_fmt(&b, "%c%c", digits[was->part->data[k] >> 4], digits[was->part->data[k] & 15]);
        rc = buf_check(&b, err);
        if (!rc)
            json_put_str(out, t->name, b.p);
        buf_release(&b);
    }
    json_close(out, '}');
    return rc;
}

/* Types that conversion would choose others for. */
static int put_types(struct json_out *out, const struct job *j, const struct source *back,
                     enum dtype type, struct err *err)
{
    enum dtype *types = calloc(source_n_tensors(back) + 1, sizeof(*types));
    int rc = types ? mix_convert_types(types, type, back, err) : err_nomem(err);

    json_open(out, "types", '{');
    for (size_t i = 0; !rc && i < source_n_tensors(back); i++) {
        const struct source_tensor *was = source_find(j->s, source_tensor(back, i)->name);
        if (was && was->type != types[i])
            json_put_str(out, was->name, dtype_get(was->type)->name);
    }
    json_close(out, '}');
    free(types);
    return rc;
}

/* Every tensor must come back; what became two others does so. */
static int check_back(const struct job *j, const struct source *back, struct err *err)
{
    for (size_t i = 0; i < source_n_tensors(j->s); i++) {
        const struct source_tensor *t = source_tensor(j->s, i);
        const struct source_tensor *u = source_find(back, t->name);
        if (!u && t->row && t->row->role == ROLE_MLA_KV_B)
            continue;
        if (!u || memcmp(u->dims, t->dims, sizeof(t->dims)) != 0)
            return err_set(err, ERR_UNSUPPORTED, "tensor %s would not come back", t->name);
    }
    return 0;
}

static int write_sidecar(struct job *j, const struct source *back, bool vocab, struct err *err)
{
    const enum dtype type = back ? same_type(j) : DTYPE_NONE;
    const struct meta none = {0};
    char hex[HASH_HEX_BYTES];
    struct meta_str origin;
    struct buf b = {0};
    struct json_out out = json_out_init(&b, false);
    int rc = 0;

    json_open(&out, NULL, '{');
    json_put_str(&out, "about", "what converting this folder needs for the same GGUF again");
    if (!source_vocab(j->s))
        json_put_bool(&out, "no_vocabulary", true);
    if (type != DTYPE_NONE) {
        json_put_str(&out, "type", dtype_get(type)->name);
        rc = source_sha256(hex, back, &j->o->par, j->o->log, err);
        if (!rc)
            json_put_str(&out, "tensors_sha256", hex);
        if (!rc && meta_str(source_meta(j->s), "pare.source.sha256", &origin))
            json_put_strn(&out, "source_sha256", origin.p, origin.n);
        if (!rc)
            rc = put_types(&out, j, back, type, err);
    }
    if (!rc && back)
        rc = put_files(&out, j, err);
    if (!rc && back)
        rc = put_made(&out, j, back, err);
    sidecar_put_meta(&out, source_meta(j->s), back ? source_meta(back) : &none, vocab);
    json_close(&out, '}');
    buf_str(&b, "\n");
    if (!rc)
        rc = buf_check(&b, err);
    if (!rc)
        rc = out_dir_file(&j->dir, SIDECAR_FILE, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

/* Open what was written, as conversion will, and keep what it would not give. A vocabulary that
 * the files cannot say goes into pare.json whole. */
static int write_rest(struct job *j, struct err *err)
{
    struct source *back = NULL;
    bool vocab = !source_vocab(j->s);
    int rc = vocab ? write_sidecar(j, NULL, true, err) : 0;

    if (!rc)
        rc = source_open(&back, j->dir.part, NULL, err);
    if (rc && rc != ERR_NOMEM && !vocab) {
        vocab = true;
        rc = write_sidecar(j, NULL, true, err);
        if (!rc)
            rc = source_open(&back, j->dir.part, NULL, err);
    }
    if (!rc)
        rc = check_back(j, back, err);
    if (!rc)
        rc = write_sidecar(j, back, vocab, err);
    source_free(back);
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
    const double begun = clock_seconds();

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
        rc = out_dir_open(&j.dir, dir, source_path(s), err);
    if (!rc)
        rc = write_texts(&j, err);
    if (!rc)
        rc = write_tensors(&j, out, err);
    if (!rc)
        rc = write_rest(&j, err);
    if (!rc)
        rc = out_dir_commit(&j.dir, err);
    if (!rc) {
        out->class = j.config.arch->classes[0];
        out->type = main_type(&j);
        out->seconds = clock_seconds() - begun;
    }
    release(&j);
    return rc;
}
