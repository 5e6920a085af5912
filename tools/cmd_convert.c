#include "formats/base/version.h"
#include "quant/mix.h"
#include "quant/pipeline.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct convert {
    const char *type, *split, *pre, *name;
    enum dtype out_type;
    uint64_t split_bytes;
};

/* general.file_type's numbers (llama.h, enum llama_ftype). */
static const struct {
    enum dtype type;
    uint32_t file_type;
} types[] = {
    {DTYPE_F32,  0 },
    {DTYPE_F16,  1 },
    {DTYPE_Q8_0, 7 },
    {DTYPE_BF16, 32},
};

static uint32_t file_type(enum dtype t)
{
    uint32_t found = 0;

    for (size_t i = 0; i < N_OF(types); i++)
        if (types[i].type == t)
            found = types[i].file_type;
    return found;
}

/* The reference's "auto": that of the first matrix in BF16 or F16; F16 when there is
 * none. */
static enum dtype auto_type(const struct source *s)
{
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        if (t->n_dims >= 2 && (t->type == DTYPE_BF16 || t->type == DTYPE_F16))
            return t->type;
    }
    return DTYPE_F16;
}

static int read_type(struct convert *c, struct err *err)
{
    if (!strcmp(c->type, "auto"))
        return 0;
    const enum dtype t = dtype_by_name(c->type);
    for (size_t i = 0; i < N_OF(types); i++)
        if (types[i].type == t)
            c->out_type = t;
    return c->out_type ? 0
                       : err_set(err, ERR_ARG,
                                 "--type wants auto, f32, f16, bf16 or q8_0, not \"%s\"", c->type);
}

/* Metadata of the new file: the source's, its type, and where it comes from. */
static int fill_meta(struct meta *meta, const struct source *s, enum dtype type,
                     const struct par *par, const struct log *log, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    const struct meta *from = source_meta(s);
    int rc = 0;

    for (size_t i = 0; !rc && i < from->n; i++)
        rc = meta_set_kv(meta, &from->kv[i], err);
    if (!rc)
        rc = meta_set_u32(meta, "general.file_type", file_type(type), err);
    if (!rc)
        rc = meta_set_str(meta, "pare.version", PARE_VERSION, err);
    if (!rc)
        rc = source_sha256(hex, s, par, log, err);
    return rc ? rc : meta_set_str(meta, "pare.source.sha256", hex, err);
}

static int convert(const struct source *s, const char *to, const struct convert *c,
                   const struct par *par, const struct log *log, struct err *err)
{
    const enum dtype type = c->out_type ? c->out_type : auto_type(s);
    enum dtype *per_tensor = calloc(source_n_tensors(s) + 1, sizeof(*per_tensor));
    struct meta meta = {0};
    struct pipe_result result;
    int rc = per_tensor ? mix_convert_types(per_tensor, type, s, err) : err_nomem(err);

    if (!rc)
        rc = fill_meta(&meta, s, type, par, log, err);
    const struct pipe_job job = {
        .source = s,
        .meta = &meta,
        .types = per_tensor,
        .split_bytes = c->split_bytes,
        .par = *par,
        .log = log,
    };
    if (!rc)
        rc = pipe_write(&result, to, &job, err);
    if (!rc)
        printf("%s: %s, %zu tensors, %llu values, %llu bytes, %.1f s\n", to, dtype_get(type)->name,
               source_n_tensors(s), (unsigned long long)result.params,
               (unsigned long long)result.bytes, result.seconds);
    meta_release(&meta);
    free(per_tensor);
    return rc;
}

int cmd_convert(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct convert c = {.type = "auto"};
    struct cmd_common common;
    struct source *s = NULL;
    const char *operand[2];
    size_t n;
    const struct opt opts[] = {
        {"type",           "TYPE", "auto, f32, f16, bf16 or q8_0 (default: auto, the checkpoint's)", OPT_STR,
         &c.type,                                                                                                       0, 0},
        {"split-max-size", "SIZE", "start a new file where one would pass SIZE (4GiB, 300M)",
         OPT_STR,                                                                                             &c.split, 0, 0},
        {"pre-tokenizer",  "NAME", "tokenizer.ggml.pre, instead of recognising it",                  OPT_STR, &c.pre,
         0,                                                                                                                0},
        {"name",           "NAME", "general.name, instead of guessing it",                           OPT_STR, &c.name,  0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 2, 2, err);
    if (rc || common.done)
        return rc;
    rc = read_type(&c, err);
    if (!rc && c.split)
        rc = opt_bytes(&c.split_bytes, c.split, err);
    if (!rc && !ckpt_is(operand[0]))
        rc = err_set(err, ERR_FORMAT, "%s: expected a folder with a config.json", operand[0]);
    const struct source_opts so = {.pre = c.pre, .name = c.name, .log = &env->log};
    if (!rc)
        rc = source_open(&s, operand[0], &so, err);
    if (!rc)
        rc = convert(s, operand[1], &c, &common.par, &env->log, err);
    source_free(s);
    return rc;
}
