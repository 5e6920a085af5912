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

enum { MODELS_MAX = 64, OPTIONS_MAX = 32 };

struct eval {
    const char *text, *against, *kernels;
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

static int measure(struct eval *e, const struct cmd_common *common, const struct log *log,
                   struct err *err)
{
    const struct eval_opts eo = {.text_name = e->text,
                                 .n_ctx = (size_t)e->ctx,
                                 .n_chunks = (size_t)e->chunks,
                                 .cpu = common->cpu,
                                 .par = common->par,
                                 .log = log};
    struct eval_result result[MODELS_MAX] = {0};
    struct map text;
    int rc = map_open(&text, e->text, err);

    if (rc)
        return rc;
    const char *bytes = text.size ? (const char *)text.data : "";
    rc = eval_text(result, &e->shown[0].result, (const struct model *const *)e->model, e->n,
                   e->original, bytes, text.size, &eo, err);
    for (size_t i = 0; i < e->n; i++)
        e->shown[i + 1].result = result[i];
    if (!rc)
        rc = eval_about_text(&e->about, e->original ? e->original : e->model[0], bytes, text.size,
                             &eo, err);
    if (!rc)
        rc = hash_of(bytes, text.size, e->text_sha, err);
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

static void describe(struct report_model *m, const char *path, const struct model *model)
{
    report_model_describe(m, model_source(model));
    m->name = base_name(path);
    m->file = path;
    m->have_seconds = m->result.n_tokens > 0;
    if (!m->result.n_tokens) /* tasks alone */
        m->result.nll = m->result.ppl = (struct stats_mean){(double)NAN, (double)NAN};
}

static int show(struct eval *e, const char *how, const struct log *log, struct err *err)
{
    struct report r = {.name = base_name(e->against ? e->against : e->path[0]),
                       .command = how,
                       .text = e->text,
                       .text_sha256 = e->text ? e->text_sha : NULL,
                       .about = e->text ? &e->about : NULL,
                       .kernels = report_kernels(e->math),
                       .n_ctx = (size_t)e->ctx,
                       .original = e->original ? &e->shown[0] : NULL,
                       .model = &e->shown[1],
                       .n_models = e->n};
    struct gate_results gates = {0};
    struct err gate_err = {0};
    int rc = 0;

    if (e->original)
        describe(&e->shown[0], e->against, e->original);
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
    for (size_t i = 0; !rc && i < REPORTS_MAX; i++)
        rc = gates_apart(&e->gates, e->out.path[i], err);
    return rc;
}

static int check(struct eval *e, struct err *err)
{
    if (!e->text && !e->tasks.n)
        return err_set(err, ERR_ARG, "--text FILE or --task FILE is missing: what to measure on");
    if (!e->tasks.n && (e->items || e->samples))
        return err_set(err, ERR_ARG, "--%s is of tasks, and there is no --task FILE",
                       e->items ? "items" : "samples");
    if (!report_math(&e->math, e->kernels))
        return err_set(err, ERR_ARG, "--kernels wants f32, bf16 or fast, not \"%s\"", e->kernels);
    int rc = check_output(e, e->samples, err);
    for (size_t i = 0; !rc && i < REPORTS_MAX; i++)
        rc = check_output(e, e->out.path[i], err);
    if (!rc)
        rc = reports_apart(&e->out, e->samples, "samples", err);
    if (!rc)
        rc = check_gates(e, err);
    /* hours of measuring should not end with a bad line */
    return rc ? rc : task_check(e->tasks.at, e->tasks.n, (size_t)e->items, err);
}

int cmd_eval(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct eval e = {.ctx = EVAL_CTX, .kernels = report_kernels(EVAL_MATH)};
    struct buf how = {0};
    struct cmd_common common;
    size_t n_opts = 0;
    struct opt opts[OPTIONS_MAX + REPORTS_MAX] = {
        {"text",          "FILE",     "what to measure on",                                            OPT_STR,  &e.text,    0,            0  },
        {"against",       "ORIGINAL", "also what was lost against this model",                         OPT_STR,  &e.against, 0,            0  },
        {"ctx",           "N",        "tokens of a window (default: 512)",                             OPT_INT,  &e.ctx,     EVAL_CTX_MIN, 1e7},
        {"chunks",        "N",        "at most N windows (default: all)",                              OPT_INT,  &e.chunks,  1,            1e9},
        {"kernels",       "KIND",     "f32 or bf16: what the file lost; fast: with 8-bit activations",
         OPT_STR,                                                                                                &e.kernels, 0,            0  },
        {"task",          "FILE",     "a file of questions with answers; may be given several times",  OPT_LIST,
         &e.tasks,                                                                                                           0,            0  },
        {"items",         "N",        "at most N items of each task (default: all)",                   OPT_INT,  &e.items,   1,            1e9},
        {"samples",       "FILE",     "write what each choice of every item got, as JSON Lines",       OPT_STR,
         &e.samples,                                                                                                         0,            0  },
        {"gate",          "EXPR",     "a condition: \"kld <= 0.03 at 95%\"; may be repeated",          OPT_LIST, &e.exprs,
         0,                                                                                                                                0  },
        {"allow-overlap", NULL,       "with the text a model was calibrated on",                       OPT_FLAG,
         &e.allow_overlap,                                                                                                   0,            0  },
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
    if (!rc && e.text)
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
    buf_release(&how);
    return rc;
}
