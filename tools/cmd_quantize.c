#include "formats/apart.h"
#include "formats/base/size.h"
#include "formats/imatrix.h"
#include "quant/importance.h"
#include "quant/job.h"
#include "quant/mix.h"
#include "quant/pipeline.h"
#include "tools/cmd.h"
#include "tools/quantize_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct quantize {
    const char *from, *to;
    bool pure, dry_run, allow_requantize, keep_split;
    const char *output_type, *embedding_type, *split, *effort, *imatrix;
    struct opt_list tensor_types;
    struct mix_override override[OPT_LIST_MAX];
    char *patterns[OPT_LIST_MAX];  /* owned */
    struct imatrix *im;            /* owned */
    struct importance *importance; /* owned */
    struct job_opts opts;
};

/* ---- options ------------------------------------------------------------------- */

static int read_type(enum dtype *out, const char *option, const char *name, struct err *err)
{
    const int rc = name ? mix_read_type(out, name, err) : 0;

    return rc ? err_wrap(err, "--%s", option) : 0;
}

/* PATTERN=TYPE; the last '=' divides. */
static int read_overrides(struct quantize *q, struct err *err)
{
    for (size_t i = 0; i < q->tensor_types.n; i++) {
        const char *text = q->tensor_types.at[i], *eq = strrchr(text, '=');
        if (!eq || eq == text)
            return err_set(err, ERR_ARG, "--tensor-type wants PATTERN=TYPE, not \"%s\"", text);
        const int rc = read_type(&q->override[i].type, "tensor-type", eq + 1, err);
        if (rc)
            return rc;
        q->patterns[i] = strndup(text, (size_t)(eq - text));
        if (!q->patterns[i])
            return err_nomem(err);
        q->override[i].pattern = q->patterns[i];
    }
    q->opts.mix_opts.overrides = q->override;
    q->opts.mix_opts.n_overrides = q->tensor_types.n;
    return 0;
}

static int read_options(struct quantize *q, const char *mix, struct err *err)
{
    int rc = mix_read(&q->opts.mix, mix, err);

    if (!rc && q->effort)
        rc = codec_effort_by_name(&q->opts.effort, q->effort, err);
    q->opts.mix_opts.pure = q->pure;
    q->opts.mix_opts.recode = q->allow_requantize;
    q->opts.keep_split = q->keep_split;
    if (!rc)
        rc = read_type(&q->opts.mix_opts.output_type, "output-type", q->output_type, err);
    if (!rc)
        rc = read_type(&q->opts.mix_opts.embedding_type, "embedding-type", q->embedding_type, err);
    if (!rc)
        rc = read_overrides(q, err);
    if (!rc && q->split && q->keep_split)
        rc = err_set(err, ERR_ARG, "--keep-split and --split-max-size: expected one of them");
    if (!rc && q->split)
        rc = size_parse(&q->opts.split_bytes, q->split, err);
    if (!rc && !q->dry_run)
        rc = apart(q->to, q->from, q->split || q->keep_split, err);
    if (!rc && !q->dry_run)
        rc = apart(q->to, q->imatrix, q->split || q->keep_split, err);
    return rc;
}

/* ---- work ---------------------------------------------------------------------- */

static int read_importance(struct quantize *q, const struct source *s, struct err *err)
{
    int rc = q->imatrix ? imatrix_read(&q->im, q->imatrix, err) : 0;

    if (!rc && q->im)
        rc = importance_new(&q->importance, q->im, q->imatrix, s, q->opts.log, err);
    q->opts.importance = q->importance;
    return rc;
}

static uint64_t count_values(const struct source *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < source_n_tensors(s); i++)
        n += source_row_len(source_tensor(s, i)) * source_n_rows(source_tensor(s, i));
    return n;
}

static void print_result(const struct quantize *q, const struct source *s,
                         const struct pipe_result *r)
{
    printf("%s: %s, %.1f -> %.1f MB, %.2f bits per value, ", q->to, mix_name(q->opts.mix),
           1e-6 * (double)source_bytes(s), 1e-6 * (double)r->bytes,
           r->params ? 8.0 * (double)r->bytes / (double)r->params : 0.0);
    if (q->dry_run)
        printf("%llu bytes (dry run)\n", (unsigned long long)r->bytes);
    else
        printf("%.1f s\n", r->seconds);
}

static int write_file(struct quantize *q, const struct source *s, struct err *err)
{
    struct job *job = NULL;
    struct pipe_result r = {.params = count_values(s)};

    q->opts.size_only = q->dry_run;
    q->opts.tensor_report = !q->dry_run;
    int rc = job_new(&job, s, &q->opts, err);
    if (!rc && !q->allow_requantize)
        rc = job_check_rounded(job, "say --allow-requantize", err);
    if (!rc && q->dry_run)
        rc = pipe_size(&r.bytes, job_pipe(job), err);
    else if (!rc)
        rc = pipe_write(&r, q->to, job_pipe(job), err);
    if (rc == ERR_FORMAT) /* the source's values, not the output */
        rc = err_wrap(err, "%s", source_path(s));
    if (!rc && q->dry_run) {
        if (!q->importance)
            quantize_plan_warn(s, q->opts.mix, job_pipe(job)->types, q->opts.log);
        quantize_plan_print(s, job_pipe(job)->types, r.bytes);
    }
    if (!rc)
        print_result(q, s, &r);
    job_free(job);
    return rc;
}

int cmd_quantize(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct quantize q = {0};
    struct cmd_common common;
    struct source *s = NULL;
    const char *operand[3];
    size_t n;
    const struct opt opts[] = {
        {"imatrix",          "FILE",         "importance matrix: weights the errors by column",         OPT_STR,  &q.imatrix,
         0,                                                                                                                               0},
        {"tensor-type",      "PATTERN=TYPE", "for names the pattern finds; the first wins",             OPT_LIST,
         &q.tensor_types,                                                                                                              0, 0},
        {"output-type",      "TYPE",         "of the output matrix",                                    OPT_STR,  &q.output_type,      0, 0},
        {"embedding-type",   "TYPE",         "of the token embedding",                                  OPT_STR,  &q.embedding_type,   0, 0},
        {"pure",             NULL,           "the mix's base type for every matrix",                    OPT_FLAG, &q.pure,             0, 0},
        {"effort",           "HOW",          "fast, normal or best: how hard to search",                OPT_STR,  &q.effort,           0, 0},
        {"split-max-size",   "SIZE",         "start a new file where one would pass SIZE (4GiB, 300M)",
         OPT_STR,                                                                                                 &q.split,            0, 0},
        {"keep-split",       NULL,           "as many files as the model has",                          OPT_FLAG, &q.keep_split,       0, 0},
        {"allow-requantize", NULL,           "take an already quantized model",                         OPT_FLAG, &q.allow_requantize,
         0,                                                                                                                               0},
        {"dry-run",          NULL,           "say what would be written, to the byte",                  OPT_FLAG, &q.dry_run,          0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 3, 3, err);
    if (rc || common.done)
        return rc;
    q.from = operand[0];
    q.to = operand[1];
    q.opts.par = common.par;
    q.opts.cpu = common.cpu;
    q.opts.log = &env->log;
    rc = read_options(&q, operand[2], err);
    const struct source_opts so = {.log = &env->log};
    if (!rc)
        rc = source_open(&s, q.from, &so, err);
    if (!rc)
        rc = read_importance(&q, s, err);
    if (!rc)
        rc = write_file(&q, s, err);
    importance_free(q.importance);
    imatrix_free(q.im);
    source_free(s);
    for (size_t i = 0; i < q.tensor_types.n; i++)
        free(q.patterns[i]);
    return rc;
}
