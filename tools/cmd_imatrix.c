#include "eval/collect.h"
#include "eval/eval.h"
#include "eval/imstats.h"
#include "formats/apart.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/base/size.h"
#include "formats/imatrix.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

struct imatrix_cmd {
    const char *model, *text, *out, *kernels; /* model and text NULL: merging only */
    const char *json, *full, *memory;
    uint64_t memory_bytes;
    bool show; /* `out` is read instead */
    int64_t ctx, chunks;
    struct opt_list merge;
    enum kern_math math;
};

/* Neither output is an input. */
static int check_apart(const struct imatrix_cmd *c, const char *in, struct err *err)
{
    const int rc = apart(c->out, in, false, err);

    return rc ? rc : apart(c->full, in, false, err);
}

static int check(struct imatrix_cmd *c, struct err *err)
{
    int rc = model_math(&c->math, c->kernels, err);

    if (!rc)
        rc = size_parse(&c->memory_bytes, c->memory, err);
    if (!rc && c->full && !strcmp(c->full, c->out))
        rc = err_set(err, ERR_ARG, "%s: given for both outputs", c->out);
    if (!rc)
        rc = check_apart(c, c->model, err);
    if (!rc)
        rc = check_apart(c, c->text, err);
    for (size_t i = 0; !rc && i < c->merge.n; i++)
        rc = check_apart(c, c->merge.at[i], err);
    return rc;
}

static int collect(struct imatrix **out, struct imatrix_cmd *c, const struct cmd_common *common,
                   const struct log *log, struct err *err)
{
    const struct model_opts mo = {.cpu = common->cpu, .math = c->math, .log = log};
    const struct windows_opts how = {.text_name = c->text,
                                     .n_ctx = (size_t)c->ctx,
                                     .least = (size_t)c->ctx,
                                     .most = (size_t)c->chunks};
    struct model *m = NULL;
    struct map text;
    int rc = map_open(&text, c->text, err);

    if (rc)
        return rc;
    rc = model_open(&m, c->model, &mo, err);
    struct collect sums = {.model = m, .par = common->par, .log = log, .cpu = common->cpu};
    if (!rc)
        rc = collect_from(out, &sums,
                          &(struct collect_text){.text = &text,
                                                 .how = how,
                                                 .dataset = c->text,
                                                 .full = c->full,
                                                 .memory = c->memory_bytes},
                          err);
    model_free(m);
    map_release(&text);
    return rc;
}

/* The files of --merge, and what was collected after them. */
static int merge(struct imatrix **im, const struct imatrix_cmd *c, struct err *err)
{
    struct imatrix *all = NULL, *next = NULL;
    int rc = 0;

    for (size_t i = 0; !rc && i < c->merge.n; i++) {
        rc = imatrix_read(&next, c->merge.at[i], err);
        if (!rc && all) {
            rc = imatrix_merge(all, next, err);
            imatrix_free(next);
            if (rc)
                rc = err_wrap(err, "%s", c->merge.at[i]);
        } else if (!rc) {
            all = next;
        }
    }
    if (!rc && *im && all) {
        rc = imatrix_merge(all, *im, err);
        if (rc)
            rc = err_wrap(err, "%s", c->model);
    }
    if (!rc && all) {
        imatrix_free(*im);
        *im = all;
        imatrix_count_tokens(all, (uint32_t)c->ctx);
    } else {
        imatrix_free(all);
    }
    return rc;
}

static int show(const struct imatrix_cmd *c, struct err *err)
{
    struct imatrix *im = NULL;
    struct buf b = {0}, j = {0};
    int rc = apart(c->json, c->out, false, err);

    if (!rc)
        rc = imatrix_read(&im, c->out, err);
    if (!rc)
        rc = imstats_text(&b, im, err);
    if (!rc && c->json)
        rc = imstats_json(&j, im, err);
    if (!rc && c->json)
        rc = out_file(c->json, j.p, j.n, err);
    if (!rc)
        (void)fwrite(b.p, 1, b.n, stdout);
    buf_release(&b);
    buf_release(&j);
    imatrix_free(im);
    return rc;
}

/* Which of the three uses it is. */
static int operands(struct imatrix_cmd *c, const struct cmd_env *env, const char *const *operand,
                    size_t n, struct err *err)
{
    if (n == 2 || (n == 1) != (c->show || (c->merge.n && n == 1)) || (c->show && c->merge.n))
        return err_set(err, ERR_ARG,
                       "usage: pare %s %s, or --merge FILE... OUT.gguf, or --show FILE", env->name,
                       env->usage);
    if (c->full && n != 3)
        return err_set(err, ERR_ARG, "--full FILE goes with a model and a text");
    if (c->json && !c->show)
        return err_set(err, ERR_ARG, "--json FILE goes with --show");
    c->out = operand[n - 1];
    if (n == 3) {
        c->model = operand[0];
        c->text = operand[1];
    }
    return 0;
}

static int make(struct imatrix_cmd *c, const struct cmd_common *common, const struct log *log,
                struct err *err)
{
    struct imatrix *im = NULL;
    int rc = check(c, err);

    if (!rc && c->model)
        rc = collect(&im, c, common, log, err);
    if (!rc)
        rc = merge(&im, c, err);
    if (!rc)
        rc = imatrix_write(im, c->out, err);
    if (!rc)
        printf("%s: %zu weights, %u windows of %u tokens\n", c->out, im->n_entries, im->chunks,
               im->chunk_size);
    imatrix_free(im);
    return rc;
}

int cmd_imatrix(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct imatrix_cmd c = {.ctx = EVAL_CTX, .kernels = "f32", .memory = "1GiB"};
    struct cmd_common common;
    const char *operand[3];
    size_t n;
    const struct opt opts[] = {
        {"ctx",         "N",    "tokens of a window (default: 512)",                              OPT_INT,  &c.ctx,     EVAL_CTX_MIN, 1e7},
        {"chunks",      "N",    "at most N windows (default: all)",                               OPT_INT,  &c.chunks,  1,            1e9},
        {"kernels",     "KIND", "f32, bf16 or fast: how the model is run",                        OPT_STR,  &c.kernels, 0,            0  },
        {"full",        "FILE", "also every input's second moment x^T x, for error feedback",     OPT_STR,
         &c.full,                                                                                                       0,            0  },
        {"full-memory", "SIZE",
         "sums held at a time (default: 1GiB): less takes more runs over the text",               OPT_STR,
         &c.memory,                                                                                                     0,            0  },
        {"show",        NULL,   "print what FILE, the only operand, says of every weight",        OPT_FLAG, &c.show,
         0,                                                                                                                           0  },
        {"json",        "FILE", "with --show: write it",                                          OPT_STR,  &c.json,    0,            0  },
        {"merge",       "FILE", "add an importance matrix; with OUT.gguf alone, no model is run",
         OPT_LIST,                                                                                          &c.merge,   0,            0  },
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 1, 3, err);
    if (rc || common.done)
        return rc;
    rc = operands(&c, env, operand, n, err);
    if (rc)
        return rc;
    return c.show ? show(&c, err) : make(&c, &common, &env->log, err);
}
