#include "distill/student.h"

#include "distill/fresh.h"
#include "distill/measure.h"
#include "distill/prune.h"
#include "formats/arch/arch_export.h"
#include "formats/base/path.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- which layers ------------------------------------------------------------------ */

struct layers {
    uint32_t *at; /* owned; [n] rising; of a number alone, the first n */
    size_t n;
    bool chosen; /* by the user: a list, or all */
};

static int bad_layers(const char *text, struct err *err)
{
    return err_set(err, ERR_ARG, "layers \"%.64s\": expected a number, or a list such as 0,2,4-7",
                   text);
}

/* A decimal number below n; the text after it, or NULL. */
static const char *number(uint64_t *out, const char *s)
{
    uint64_t v = 0;

    if (!isdigit((unsigned char)*s))
        return NULL;
    for (; isdigit((unsigned char)*s); s++)
        v = v < UINT32_MAX ? v * 10 + (uint64_t)(*s - '0') : v;
    *out = v;
    return s;
}

static int mark_list(bool *on, size_t n, const char *text, struct err *err)
{
    uint64_t from = 0, to = 0;

    for (const char *s = text;;) {
        s = number(&from, s);
        to = from;
        if (s && *s == '-')
            s = number(&to, s + 1);
        if (!s || to < from || (*s && *s != ','))
            return bad_layers(text, err);
        if (to >= n)
            return err_set(err, ERR_ARG, "layers \"%.64s\": the teacher's are 0 to %zu", text,
                           n - 1);
        for (; from <= to; from++) {
            if (on[from])
                return err_set(err, ERR_ARG, "layers \"%.64s\": %" PRIu64 " comes twice", text,
                               from);
            on[from] = true;
        }
        if (!*s)
            return 0;
        s++;
    }
}

static int read_layers(struct layers *out, const char *text, size_t n, struct err *err)
{
    bool *on = calloc(n + 1, sizeof(*on));
    uint64_t many = n;
    const char *end;
    int rc = 0;

    *out = (struct layers){.at = calloc(n + 1, sizeof(*out->at)), .chosen = true};
    if (!on || !out->at) {
        rc = err_nomem(err);
    } else if (!text || ((end = number(&many, text)) && !*end)) {
        out->chosen = !text || many == n;
        if (!many || many > n)
            rc = err_set(err, ERR_ARG, "layers %" PRIu64 ": the teacher has %zu", many, n);
        for (size_t l = 0; !rc && l < (size_t)many; l++)
            on[l] = true;
    } else {
        rc = mark_list(on, n, text, err);
    }
    for (size_t l = 0; !rc && l < n; l++)
        if (on[l])
            out->at[out->n++] = (uint32_t)l;
    free(on);
    return rc;
}

/* ---- the plan ------------------------------------------------------------------------- */

void student_describe(struct student_about *out, const struct arch_params *q)
{
    out->layers = arch_int(q, ARCH_N_LAYER, 0);
    out->hidden = arch_int(q, ARCH_N_EMBD, 0);
    out->ffn = arch_most(q, ARCH_N_FF);
    out->heads = arch_most(q, ARCH_N_HEAD);
    out->kv_heads = arch_most(q, ARCH_N_HEAD_KV);
    out->head_dim = arch_int(q, ARCH_HEAD_K, 0);
    out->vocab = arch_int(q, ARCH_N_VOCAB, 0);
}

static int describe_source(struct student_about *out, const struct source *s, struct err *err)
{
    if (!source_params(s))
        return err_set(err, ERR_UNSUPPORTED, "%s: an unknown architecture", source_path(s));
    student_describe(out, source_params(s));
    out->n_params = prune_count(s);
    return 0;
}

static bool is_config(const char *path)
{
    return path_ends(path, ".json") && !path_ends(path, ".index.json");
}

static bool is_cut(const struct student_spec *s)
{
    return s->layers || s->hidden || s->ffn || s->heads || s->kv_heads;
}

bool student_is_fresh(const struct student_spec *s)
{
    return s->from && is_config(s->from);
}

bool student_is_whole(const struct student_spec *s)
{
    return !s->from && !is_cut(s);
}

static int check_from(const struct student_spec *spec, struct err *err)
{
    if (spec->from && (is_cut(spec) || spec->ends))
        return err_set(err, ERR_ARG,
                       "layers and widths are cut out of the teacher: not of a student from %s",
                       spec->from);
    return 0;
}

/* Blocks are chosen only where a number says how many. */
static int check_ends(const struct student_spec *spec, const struct layers *layers, struct err *err)
{
    uint64_t many;
    const char *end = spec->layers ? number(&many, spec->layers) : NULL;

    if (!spec->ends)
        return 0;
    if (!end || *end)
        return err_set(err, ERR_ARG,
                       "keep-ends: expected layers as a number, as in 20, of which some are "
                       "chosen");
    return 2 * spec->ends <= layers->n
               ? 0
               : err_set(err, ERR_ARG,
                         "keep-ends %" PRIu64 ": the first and the last %" PRIu64
                         " blocks are more than the %zu that stay",
                         spec->ends, spec->ends, layers->n);
}

static struct prune_sizes sizes_of(const struct student_spec *spec)
{
    return (struct prune_sizes){spec->hidden, spec->ffn, spec->heads, spec->kv_heads};
}

/* A folder without a key for a size is found before anything is measured, too. */
static int check_folder(const struct student_spec *spec, const struct arch *a,
                        const struct arch_params *q, struct err *err)
{
    const int rc = spec->folder ? arch_export_can(a, q, err) : 0;

    return rc ? err_wrap(err, "a folder cannot hold this student, a .gguf can") : 0;
}

/* Metadata that a file of the family cannot hold is found before anything is measured. */
static int check_meta(const struct prune *p, struct err *err)
{
    struct meta meta = {0};
    int rc = 0;

    for (size_t i = 0; !rc && i < source_meta(p->s)->n; i++)
        if (strncmp(source_meta(p->s)->kv[i].key, "tokenizer.", 10) != 0)
            rc = meta_set_kv(&meta, &source_meta(p->s)->kv[i], err);
    if (!rc)
        rc = prune_meta(&meta, p, NULL, err);
    meta_release(&meta);
    return rc;
}

static int plan_pruned(struct student_about *out, const struct student_spec *spec,
                       const struct source *teacher, struct err *err)
{
    const struct prune_sizes want = sizes_of(spec);
    struct layers layers = {0};
    struct prune p = {0};
    int rc = read_layers(&layers, spec->layers, (size_t)out->n_teacher_layers, err);

    if (!rc)
        rc = check_ends(spec, &layers, err);
    if (!rc)
        rc = prune_init(&p, teacher, layers.at, layers.n, &want, err);
    if (!rc) {
        student_describe(out, &p.q);
        out->n_params = prune_n_params(&p);
        rc = check_meta(&p, err);
        if (!rc)
            rc = check_folder(spec, source_arch(teacher), &p.q, err);
        prune_release(&p);
    }
    free(layers.at);
    return rc;
}

static int plan_from(struct student_about *out, const struct student_spec *spec,
                     const struct source *teacher, struct err *err)
{
    struct source *s = NULL;
    int rc;

    if (student_is_fresh(spec))
        return fresh_plan(out, spec, teacher, err);
    rc = source_open(&s, spec->from, NULL, err);
    if (!rc)
        rc = describe_source(out, s, err);
    if (!rc)
        rc = check_folder(spec, source_arch(s), source_params(s), err);
    source_free(s);
    return rc;
}

int student_plan(struct student_about *out, const struct student_spec *spec,
                 const struct source *teacher, struct err *err)
{
    const struct arch_params *q = source_params(teacher);

    *out = (struct student_about){0};
    if (!q)
        return err_set(err, ERR_UNSUPPORTED, "%s: an unknown architecture", source_path(teacher));
    out->n_params_teacher = prune_count(teacher);
    out->n_teacher_layers = arch_int(q, ARCH_N_LAYER, 0);
    const int rc = check_from(spec, err);
    if (rc)
        return rc;
    return spec->from ? plan_from(out, spec, teacher, err) : plan_pruned(out, spec, teacher, err);
}

/* ---- making it --------------------------------------------------------------------------- */

static int copy_from(const char *path, const struct student_spec *spec, const struct log *log,
                     struct err *err)
{
    const struct prune_sizes all = {0};
    struct source *s = NULL;
    struct layers layers = {0};
    struct prune p = {0};
    int rc = source_open(&s, spec->from, NULL, err);

    if (!rc && !source_params(s))
        rc = err_set(err, ERR_UNSUPPORTED, "%s: an unknown architecture", spec->from);
    if (!rc)
        rc = read_layers(&layers, NULL, (size_t)arch_int(source_params(s), ARCH_N_LAYER, 0), err);
    if (!rc)
        rc = prune_init(&p, s, layers.at, layers.n, &all, err);
    if (!rc)
        rc = prune_write(path, &p, log, err);
    prune_release(&p);
    free(layers.at);
    source_free(s);
    return rc;
}

static int keep_layers(struct student_about *out, const struct layers *layers, struct err *err)
{
    out->kept_layers = calloc(layers->n + 1, sizeof(*out->kept_layers));
    if (!out->kept_layers)
        return err_nomem(err);
    for (size_t i = 0; i < layers->n; i++)
        out->kept_layers[i] = layers->at[i];
    return 0;
}

static int make_pruned(struct student_about *out, const char *path, const struct student_spec *spec,
                       const struct measure *how, struct err *err)
{
    const struct source *teacher = model_source(how->m);
    const struct prune_sizes want = sizes_of(spec);
    struct layers layers = {0};
    struct prune p = {0};
    int rc = read_layers(&layers, spec->layers, (size_t)out->n_teacher_layers, err);

    if (!rc && !layers.chosen) {
        out->influence = calloc((size_t)out->n_teacher_layers + 1, sizeof(*out->influence));
        rc = out->influence
                 ? measure_layers(out->influence, layers.at, layers.n, (size_t)spec->ends, how, err)
                 : err_nomem(err);
    }
    if (!rc)
        rc = prune_init(&p, teacher, layers.at, layers.n, &want, err);
    if (!rc && (want.hidden || want.ffn || want.heads || want.kv_heads))
        rc = measure_width(&p, how, err);
    if (!rc)
        rc = prune_write(path, &p, how->log, err);
    if (!rc)
        rc = keep_layers(out, &layers, err);
    if (!rc)
        out->n_params = prune_n_params(&p);
    prune_release(&p);
    free(layers.at);
    return rc;
}

int student_make(struct student_about *out, const char *path, const struct student_spec *spec,
                 const struct model *teacher, const struct student_sample *sample,
                 const struct par *par, const struct log *log, struct err *err)
{
    const struct measure how = {teacher, sample, *par, log};
    int rc = student_plan(out, spec, model_source(teacher), err);

    if (!rc && student_is_fresh(spec))
        rc = fresh_write(path, spec, model_source(teacher), err);
    else if (!rc && spec->from)
        rc = copy_from(path, spec, log, err);
    else if (!rc)
        rc = make_pruned(out, path, spec, &how, err);
    if (rc)
        student_about_release(out);
    return rc;
}

void student_about_release(struct student_about *a)
{
    free(a->kept_layers);
    free(a->influence);
    a->kept_layers = NULL;
    a->influence = NULL;
}
