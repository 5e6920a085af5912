#include "eval/verify.h"
#include "formats/apart.h"
#include "formats/base/cpu.h"
#include "formats/base/size.h"
#include "formats/gguf_split.h"
#include "quant/job.h"
#include "runtime/tok_check.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

struct convert {
    const char *type, *split, *pre, *name;
    enum dtype out_type; /* DTYPE_NONE: the checkpoint's */
    uint64_t split_bytes;
    bool verify;
};

/* The reference's "auto": that of the first matrix in BF16 or F16; F16 when there is
 * none. Of an export, the type of the GGUF it was. */
static enum dtype auto_type(const struct source *s)
{
    if (source_told_type(s) != DTYPE_NONE)
        return source_told_type(s);
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        if (t->n_dims >= 2 && (t->type == DTYPE_BF16 || t->type == DTYPE_F16))
            return t->type;
    }
    return DTYPE_F16;
}

static int read_type(struct convert *c, struct err *err)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0};

    if (!strcmp(c->type, "auto"))
        return 0;
    for (size_t i = 0; i < N_OF(types); i++)
        if (types[i] == dtype_by_name(c->type))
            c->out_type = types[i];
    if (c->out_type == DTYPE_NONE)
        return err_set(err, ERR_ARG, "--type wants auto, f32, f16, bf16 or q8_0, not \"%s\"",
                       c->type);
    return 0;
}

static int convert(size_t *n_files, const struct source *s, const char *to, const struct convert *c,
                   const struct par *par, const struct log *log, struct err *err)
{
    const struct job_opts opts = {
        .convert = c->out_type != DTYPE_NONE ? c->out_type : auto_type(s),
        .split_bytes = c->split_bytes,
        .cpu = CPU_ALL,
        .par = *par,
        .log = log,
    };
    struct pipe_result result = {0};
    struct job *job;
    int rc = job_new(&job, s, &opts, err);

    if (rc)
        return rc;
    rc = pipe_write(&result, to, job_pipe(job), err);
    if (rc == ERR_FORMAT || rc == ERR_UNSUPPORTED) /* the source's values, not the output */
        rc = err_wrap(err, "%s", source_path(s));
    if (!rc)
        printf("%s: %s, %zu tensors, %llu values, %llu bytes, %.1f s\n", to,
               dtype_get(opts.convert)->name, source_n_tensors(s),
               (unsigned long long)result.params, (unsigned long long)result.bytes, result.seconds);
    *n_files = result.n_files;
    job_free(job);
    return rc;
}

/* NMSE beyond which a conversion is not what it says. Rounding to Q8_0 costs some 1e-4, in
 * small mixtures, where a rounded score may choose another expert, some 1e-2; a wrong
 * tensor costs about 1. */
static const double MOST_NMSE = 0.1;

static int verify(const char *from, const char *to, size_t n_files, const struct convert *c,
                  const struct cmd_common *common, const struct log *log, struct err *err)
{
    const struct verify_opts opts = {
        .cpu = common->cpu, .pre = c->pre, .par = common->par, .log = log};
    struct buf name = {0};
    struct verify v;
    gguf_split_file(&name, to, 0, n_files);
    int rc = buf_check(&name, err);
    if (!rc)
        rc = verify_models(&v, from, name.p, &opts, err);
    if (!rc)
        printf("verified on %zu tokens: NMSE of the logits %.3g, the same best token at %zu\n",
               v.n_tokens, v.nmse, v.same_best);
    if (!rc && !(v.nmse <= MOST_NMSE))
        rc = err_set(err, ERR_FORMAT, "%s: its logits differ from the checkpoint's: NMSE %.3g",
                     name.p, v.nmse);
    buf_release(&name);
    return rc;
}

int cmd_convert(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct convert c = {.type = "auto"};
    struct cmd_common common;
    struct source *s = NULL;
    const char *operand[2];
    size_t n, n_files = 0;
    const struct opt opts[] = {
        {"type",           "TYPE", "auto, f32, f16, bf16 or q8_0 (auto: the checkpoint's)",   OPT_STR,  &c.type,
         0,                                                                                                           0},
        {"split-max-size", "SIZE", "start a new file where one would pass SIZE (4GiB, 300M)",
         OPT_STR,                                                                                       &c.split,  0, 0},
        {"pre-tokenizer",  "NAME", "tokenizer.ggml.pre, instead of recognising it",           OPT_STR,  &c.pre,
         0,                                                                                                           0},
        {"name",           "NAME", "general.name, instead of guessing it",                    OPT_STR,  &c.name,   0, 0},
        {"verify",         NULL,   "run a prompt through both and compare the logits",        OPT_FLAG, &c.verify, 0,
         0                                                                                                             },
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 2, 2, err);
    if (rc || common.done)
        return rc;
    rc = read_type(&c, err);
    if (!rc && c.split)
        rc = size_parse(&c.split_bytes, c.split, err);
    if (!rc)
        rc = apart(operand[1], operand[0], c.split, err);
    if (!rc && !ckpt_is(operand[0]))
        rc = err_set(err, ERR_FORMAT, "%s: expected a folder with a config.json", operand[0]);
    const struct source_opts so = {.pre = c.pre, .name = c.name, .log = &env->log};
    if (!rc)
        rc = source_open(&s, operand[0], &so, err);
    if (!rc && !source_is_export(s)) /* there the GGUF's own word counts */
        rc = tok_check(s, !!c.pre, &env->log, err);
    if (!rc)
        rc = convert(&n_files, s, operand[1], &c, &common.par, &env->log, err);
    source_free(s);
    if (!rc && c.verify)
        rc = verify(operand[0], operand[1], n_files, &c, &common, &env->log, err);
    return rc;
}
