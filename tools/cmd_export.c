#include "formats/base/size.h"
#include "quant/export.h"

#include "formats/checkpoint.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

struct options {
    const char *type, *shard;
    struct export_opts o;
};

static int read_options(struct options *x, struct err *err)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};

    for (size_t i = 0; x->type && i < N_OF(types); i++)
        if (types[i] == dtype_by_name(x->type))
            x->o.type = types[i];
    if (x->type && x->o.type == DTYPE_NONE)
        return err_set(err, ERR_ARG, "--type wants f32, f16 or bf16, not \"%s\"", x->type);
    x->o.shard_bytes = 5000000000U;
    return x->shard ? size_parse(&x->o.shard_bytes, x->shard, err) : 0;
}

int cmd_export(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct options x = {0};
    struct cmd_common common;
    struct export_result r;
    struct source *s = NULL;
    const char *operand[2];
    size_t n;
    const struct opt opts[] = {
        {"type",           "TYPE", "f32, f16 or bf16 (default: the file's own; bf16 for coded ones)", OPT_STR,
         &x.type,                                                                                                        0, 0},
        {"max-shard-size", "SIZE", "start a new file where one would pass SIZE (default: 5GB)",
         OPT_STR,                                                                                              &x.shard, 0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 2, 2, err);
    if (rc || common.done)
        return rc;
    rc = read_options(&x, err);
    x.o.par = common.par;
    x.o.cpu = common.cpu;
    x.o.log = &env->log;
    if (!rc && ckpt_is(operand[0]))
        rc = err_set(err, ERR_ARG, "%s: is a checkpoint's folder already, expected a GGUF",
                     operand[0]);
    const struct source_opts so = {.log = &env->log};
    if (!rc)
        rc = source_open(&s, operand[0], &so, err);
    if (!rc) {
        rc = export_folder(&r, s, operand[1], &x.o, err);
        if (rc == ERR_FORMAT || rc == ERR_UNSUPPORTED) /* of the model, not of the output */
            rc = err_wrap(err, "%s", operand[0]);
    }
    if (!rc)
        printf("%s: %s, %s, %zu tensors, %llu bytes in %zu file%s, %.1f s\n", operand[1], r.class,
               dtype_get(r.type)->name, r.n_tensors, (unsigned long long)r.bytes, r.n_files,
               r.n_files == 1 ? "" : "s", r.seconds);
    source_free(s);
    return rc;
}
