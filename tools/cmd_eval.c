#include "eval/eval.h"
#include "eval/overlap.h"
#include "eval/report.h"
#include "formats/apart.h"
#include "formats/base/hash.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/checkpoint.h"
#include "recipes/cache.h"
#include "runtime/model.h"
#include "tools/cmd.h"
#include "tools/gates.h"
#include "tools/reports.h"
#include "tools/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MODELS_MAX = 64, OPTIONS_MAX = 32 };

struct eval {
    const char *text, *against, *kernels;
    const char *told, *save; /* logits files: in place of an original; to write */
    struct logits_file *logits;
    bool fast; /* --kernels both */
    struct reports out;
    int64_t ctx, chunks;
    enum kern_math math;
    const char *path[MODELS_MAX];
    size_t n;
    struct model *model[MODELS_MAX];
    struct model *original;                    /* NULL: none */
    struct report_model shown[MODELS_MAX + 1]; /* [0] the original, then the models */
    struct eval_about about;
    char text_sha[HASH_HEX_BYTES];
    char sha[MODELS_MAX + 1][HASH_HEX_BYTES]; /* of `shown` */
    struct opt_list tasks;
    bool allow_overlap; /* with what models were calibrated on */
    int64_t items;
    const char *samples;
    struct opt_list exprs; /* of gates */
    struct gates gates;
};

static int open_models(struct eval *e, const struct cmd_common *common, const struct log *log,
                       struct err *err)
{
    const struct model_opts mo = {.cpu = common->cpu, .math = e->math, .log = log};
    int rc = e->against ? model_open(&e->original, e->against, &mo, err) : 0;

    if (e->told)
        rc = logits_file_open(&e->logits, e->told, err);
    if (!rc && e->told && e->ctx && (size_t)e->ctx != logits_file_n_ctx(e->logits))
        rc = err_set(err, ERR_ARG, "--ctx %lld, and %s holds windows of %zu tokens",
                     (long long)e->ctx, e->told, logits_file_n_ctx(e->logits));
    if (!rc && e->told)
        e->ctx = (int64_t)logits_file_n_ctx(e->logits);
    if (!e->ctx)
        e->ctx = EVAL_CTX;
    for (size_t i = 0; !rc && i < e->n; i++)
        rc = model_open(&e->model[i], e->path[i], &mo, err);
    return rc;
}

/* Figures measured on what a model was calibrated with say nothing. */
static int check_overlap(const struct eval *e, struct err *err)
{
    struct map text = {0};
    int rc = e->text && !e->allow_overlap ? map_open(&text, e->text, err) : 0;
    const struct overlap_text t = {e->text, text.size ? (const char *)text.data : "", text.size};

    for (size_t i = 0; !rc && t.n && i < e->n; i++)
        rc = overlap_check_model(e->model[i], &t, err);
    map_release(&text);
    return rc;
}

/* Of the tokens in a logits file, in place of the text's digest. */
static int hash_told(struct eval *e, struct err *err)
{
    const size_t n_ctx = logits_file_n_ctx(e->logits);
    int32_t *ids = calloc(n_ctx, sizeof(*ids));
    struct hash *h;
    int rc = ids ? hash_new(&h, err) : err_nomem(err);

    for (size_t i = 0; !rc && i < logits_file_n_windows(e->logits); i++) {
        logits_file_ids(ids, e->logits, i);
        for (size_t k = 0; k < n_ctx; k++)
            hash_u64(h, (uint64_t)ids[k]);
    }
    if (!rc) {
        rc = hash_hex(h, e->text_sha, err);
        hash_free(h);
    }
    free(ids);
    return rc;
}

static int measure(struct eval *e, const struct cmd_common *common, const struct log *log,
                   struct err *err)
{
    const struct eval_opts eo = {.text_name = e->text,
                                 .n_ctx = (size_t)e->ctx,
                                 .n_chunks = (size_t)e->chunks,
                                 .cpu = common->cpu,
                                 .par = common->par,
                                 .log = log,
                                 .logits = e->logits,
                                 .fast = e->fast,
                                 .save = e->save};
    struct eval_result result[MODELS_MAX] = {0};
    struct map text = {0};
    int rc = e->text ? map_open(&text, e->text, err) : 0;

    if (rc)
        return rc;
    const char *bytes = text.size ? (const char *)text.data : e->text ? "" : NULL;
    rc = eval_text(result, &e->shown[0].result, (const struct model *const *)e->model, e->n,
                   e->original, bytes, text.size, &eo, err);
    for (size_t i = 0; i < e->n; i++)
        e->shown[i + 1].result = result[i];
    if (!rc)
        rc = eval_about_text(&e->about, e->original ? e->original : e->model[0], bytes, text.size,
                             &eo, err);
    if (!rc && bytes)
        rc = hash_of(bytes, text.size, e->text_sha, err);
    else if (!rc)
        rc = hash_told(e, err);
    map_release(&text);
    return rc;
}

/* The task files, and what each of their items got. */
static int measure_tasks(struct eval *e, const struct cmd_common *common, const struct log *log,
                         struct err *err)
{
    struct task_results result[MODELS_MAX] = {0};
    struct buf samples = {0};
    const struct task_opts to = {.n_items = (size_t)e->items,
                                 .cpu = common->cpu,
                                 .par = common->par,
                                 .log = log,
                                 .samples = e->samples ? &samples : NULL};
    int rc = task_run(result, &e->shown[0].tasks, (const struct model *const *)e->model, e->n,
                      e->original, e->tasks.at, e->tasks.n, &to, err);

    for (size_t i = 0; i < e->n; i++)
        e->shown[i + 1].tasks = result[i];
    if (!rc && e->samples)
        rc = out_file(e->samples, samples.p ? samples.p : "", samples.n, err);
    buf_release(&samples);
    return rc;
}

/* Digests as recipes write them: of an original all its files with their names, of a model
 * that is one file the file's. */
static int digest(struct eval *e, struct err *err)
{
    struct cache *c = NULL;
    int rc = cache_open(&c, ".", false, NULL, err);

    if (!rc && e->original)
        rc = cache_hash_model(e->sha[0], c, e->against, err);
    if (!rc && e->told)
        rc = cache_hash_file(e->sha[0], c, e->told, err);
    for (size_t i = 0; !rc && i < e->n; i++)
        rc = ckpt_is(e->path[i]) ? cache_hash_model(e->sha[i + 1], c, e->path[i], err)
                                 : cache_hash_file(e->sha[i + 1], c, e->path[i], err);
    cache_free(c);
    for (size_t i = 0; !rc && i <= e->n; i++)
        e->shown[i].sha256 = e->sha[i];
    return rc;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* model: NULL: a logits file. */
static void describe(struct report_model *m, const char *path, const struct model *model)
{
    struct stat st;

    m->name = base_name(path);
    m->file = path;
    m->type = "logits";
    m->bytes = !stat(path, &st) ? (uint64_t)st.st_size : 0;
    if (model)
        report_model_describe(m, model_source(model));
    m->have_seconds = m->result.n_tokens > 0;
    if (!m->result.n_tokens) /* tasks alone */
        m->result.nll = m->result.ppl = (struct stats_mean){(double)NAN, (double)NAN};
}

static int show(struct eval *e, const char *how, const struct log *log, struct err *err)
{
    const char *original = e->against ? e->against : e->told;
    const char *text = e->text ? e->text : e->told;
    struct report r = {.name = base_name(original ? original : e->path[0]),
                       .command = how,
                       .text = text,
                       .text_sha256 = text ? e->text_sha : NULL,
                       .about = text ? &e->about : NULL,
                       .kernels = report_kernels(e->math),
                       .n_ctx = (size_t)e->ctx,
                       .original = original ? &e->shown[0] : NULL,
                       .model = &e->shown[1],
                       .n_models = e->n};
    struct gate_results gates = {0};
    struct err gate_err = {0};
    int rc = 0;

    if (original)
        describe(&e->shown[0], original, e->original);
    for (size_t i = 0; i < e->n; i++)
        describe(&e->shown[i + 1], e->path[i], e->model[i]);
    /* what was measured is kept whether or not the gates can be checked */
    const int checked = gates_check(&gates, e->gates.at, e->gates.n, &r, &gate_err);
    if (reports_any(&e->out)) {
        rc = digest(e, err);
        for (size_t i = 0; !rc && i < e->n; i++)
            rc = tensor_errors_load(&e->shown[i + 1].tensors, e->path[i], model_source(e->model[i]),
                                    log, err);
        if (!rc)
            rc = reports_write(&e->out, &r, checked ? NULL : &gates, err);
    }
    if (!rc)
        rc = results_print(&r, err);
    if (!rc && checked)
        *err = gate_err;
    else if (!rc && e->gates.n)
        rc = gates_show(&gates, r.name, NULL, err);
    gate_results_release(&gates);
    return rc ? rc : checked;
}

/* A file that is written may not be one that is read. */
static int check_output(const struct eval *e, const char *path, struct err *err)
{
    int rc = apart(path, e->text, false, err);

    if (!rc)
        rc = apart(path, e->against, false, err);
    if (!rc)
        rc = apart(path, e->told, false, err);
    for (size_t i = 0; !rc && i < e->n; i++)
        rc = apart(path, e->path[i], false, err);
    for (size_t i = 0; !rc && i < e->tasks.n; i++)
        rc = apart(path, e->tasks.at[i], false, err);
    return rc;
}

static int check_gates(struct eval *e, struct err *err)
{
    const char *name[MODELS_MAX];

    for (size_t i = 0; i < e->n; i++)
        name[i] = base_name(e->path[i]);
    int rc = gates_parse(&e->gates, &e->exprs, name, e->n, err);
    for (size_t i = 0; !rc && i < REPORT_FORMATS_MAX; i++)
        rc = gates_apart(&e->gates, e->out.path[i], err);
    return rc;
}

/* Logits files go with a text, and stand for an original. */
static int check_logits(const struct eval *e, struct err *err)
{
    if (e->told && e->against)
        return err_set(err, ERR_ARG, "--logits and --against are two originals");
    if (e->save && e->told)
        return err_set(err, ERR_ARG, "--save-logits of what --logits reads: copy the file");
    if (e->save && !e->text)
        return err_set(err, ERR_ARG, "--save-logits wants --text FILE");
    if (e->save && !e->against && (e->n != 1 || e->fast))
        return err_set(err, ERR_ARG, "--save-logits wants --against, or one model alone");
    return 0;
}

static int check(struct eval *e, struct err *err)
{
    if (!e->text && !e->told && !e->tasks.n)
        return err_set(err, ERR_ARG, "--text FILE or --task FILE is missing: what to measure on");
    if (!e->tasks.n && (e->items || e->samples))
        return err_set(err, ERR_ARG, "--%s is of tasks, and there is no --task FILE",
                       e->items ? "items" : "samples");
    e->fast = !strcmp(e->kernels, "both");
    if (!report_math(&e->math, e->fast ? report_kernels(EVAL_MATH) : e->kernels))
        return err_set(err, ERR_ARG, "--kernels wants f32, bf16, fast or both, not \"%s\"",
                       e->kernels);
    int rc = check_logits(e, err);
    if (!rc)
        rc = check_output(e, e->samples, err);
    if (!rc)
        rc = check_output(e, e->save, err);
    for (size_t i = 0; !rc && i < REPORT_FORMATS_MAX; i++)
        rc = check_output(e, e->out.path[i], err);
    if (!rc)
        rc = reports_apart(&e->out, e->samples, "samples", err);
    if (!rc)
        rc = reports_apart(&e->out, e->save, "save-logits", err);
    if (!rc)
        rc = check_gates(e, err);
    /* hours of measuring should not end with a bad line */
    return rc ? rc : task_check(e->tasks.at, e->tasks.n, (size_t)e->items, err);
}

int cmd_eval(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct eval e = {.kernels = report_kernels(EVAL_MATH)};
    struct buf how = {0};
    struct cmd_common common;
    size_t n_opts = 0;
    struct opt opts[OPTIONS_MAX + REPORT_FORMATS_MAX] = {
        {"text",          "FILE",     "what to measure on",                                                OPT_STR,  &e.text,    0,            0  },
        {"against",       "ORIGINAL", "also what was lost against this model",                             OPT_STR,  &e.against, 0,            0  },
        {"ctx",           "N",        "tokens of a window (default: 512)",                                 OPT_INT,  &e.ctx,     EVAL_CTX_MIN, 1e7},
        {"chunks",        "N",        "at most N windows (default: all)",                                  OPT_INT,  &e.chunks,  1,            1e9},
        {"kernels",       "KIND",     "f32, bf16: what the file lost; fast: with 16-bit arithmetic; both",
         OPT_STR,                                                                                                    &e.kernels, 0,            0  },
        {"logits",        "FILE",     "what an original said, as llama-perplexity saves it",               OPT_STR,  &e.told,
         0,                                                                                                                                    0  },
        {"save-logits",   "FILE",     "write such a file: of the original, or of the model alone",
         OPT_STR,                                                                                                    &e.save,    0,            0  },
        {"task",          "FILE",     "a file of questions with answers; may be given several times",      OPT_LIST,
         &e.tasks,                                                                                                               0,            0  },
        {"items",         "N",        "at most N items of each task (default: all)",                       OPT_INT,  &e.items,   1,            1e9},
        {"samples",       "FILE",     "write what each choice of every item got, as JSON Lines",           OPT_STR,
         &e.samples,                                                                                                             0,            0  },
        {"gate",          "EXPR",     "a condition: \"kld <= 0.03 at 95%\"; may be repeated",              OPT_LIST, &e.exprs,
         0,                                                                                                                                    0  },
        {"allow-overlap", NULL,       "with the text a model was calibrated on",                           OPT_FLAG,
         &e.allow_overlap,                                                                                                       0,            0  },
    };

    while (opts[n_opts].name)
        n_opts++;
    n_opts = reports_options(opts, n_opts, &e.out);
    int rc = cmd_options(&common, env, opts, n_opts, argc, argv, e.path, &e.n, 1, MODELS_MAX, err);
    if (rc || common.done)
        return rc;
    reports_command(&how, "eval", argc, argv);
    rc = buf_check(&how, err);
    if (!rc)
        rc = check(&e, err);
    if (!rc)
        rc = open_models(&e, &common, &env->log, err);
    if (!rc)
        rc = check_overlap(&e, err);
    if (!rc && (e.text || e.told))
        rc = measure(&e, &common, &env->log, err);
    if (!rc && e.tasks.n)
        rc = measure_tasks(&e, &common, &env->log, err);
    if (!rc)
        rc = show(&e, how.p, &env->log, err);
    for (size_t i = 0; i < e.n; i++) {
        model_free(e.model[i]);
        report_model_release(&e.shown[i + 1]);
    }
    report_model_release(&e.shown[0]);
    eval_about_release(&e.about);
    gates_release(&e.gates);
    model_free(e.original);
    logits_file_free(e.logits);
    buf_release(&how);
    return rc;
}
