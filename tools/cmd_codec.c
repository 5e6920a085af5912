#include "formats/apart.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/base/rd.h"
#include "quant/codec.h"
#include "quant/half.h"
#include "quant/mix.h"
#include "tools/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A batch of rows, which bounds the memory. */
enum { BATCH_VALUES = 4 << 20, BATCH_ROWS = 4096 };

struct codec_job {
    const struct codec *c;
    bool encode;
    const char *in_path;
    size_t columns, row_in, row_out; /* bytes of a row */
    size_t rows, batch_rows;
    struct codec_how how;
    const uint8_t *in;
    uint8_t *out;     /* of a batch */
    size_t first;     /* row of the batch */
    struct err *errs; /* one a row of the batch; code ERR_NONE: fine */
};

static void one_row(void *arg, size_t i, int thread)
{
    struct codec_job *j = arg;
    const uint8_t *in = j->in + (j->first + i) * j->row_in;
    uint8_t *out = j->out + i * j->row_out;
    struct err *err = &j->errs[i];

    (void)thread;
    err->code = ERR_NONE;
    if (!j->encode)
        j->c->dec((float *)(void *)out, in, j->columns);
    else if (codec_encode_row(j->c, out, (const float *)(const void *)in, j->columns, &j->how, err))
        (void)err_wrap(err, "%s: row %zu", j->in_path, j->first + i);
}

static int run(struct codec_job *j, const char *path, const struct par *par, const struct log *log,
               struct err *err)
{
    struct out o;
    int rc = out_open(&o, path, err);

    for (j->first = 0; j->first < j->rows && !rc; j->first += j->batch_rows) {
        const size_t left = j->rows - j->first;
        const size_t n = left < j->batch_rows ? left : j->batch_rows;
        par_for(par, n, one_row, j);
        for (size_t i = 0; i < n && !rc; i++)
            if (j->errs[i].code) {
                *err = j->errs[i];
                rc = (int)err->code;
            }
        if (!rc)
            rc = out_write(&o, j->out, n * j->row_out, err);
        log_progress(log, "bytes", (j->first + n) * j->row_in, j->rows * j->row_in);
        if (!rc)
            rc = log_stop(log, err);
    }
    if (!rc)
        return out_commit(&o, err);
    out_abandon(&o);
    return rc;
}

static int read_importance(struct map *m, const char *path, size_t columns, struct err *err)
{
    const int rc = map_open(m, path, err);

    if (rc)
        return rc;
    if (m->size != columns * sizeof(float))
        return err_set(err, ERR_FORMAT,
                       "%s: %zu bytes, expected %zu: an F32 for each of %zu columns", path, m->size,
                       columns * sizeof(float), columns);
    for (size_t i = 0; i < columns; i++) {
        float v;
        memcpy(&v, m->data + 4 * i, sizeof(v));
        if (!isfinite(v) || v < 0)
            return err_set(err, ERR_FORMAT, "%s: column %zu: importance %g, expected >= 0", path, i,
                           (double)v);
    }
    return 0;
}

static int plan(struct codec_job *j, const struct map *in, struct err *err)
{
    const char *type = dtype_get(j->c->type)->name;
    size_t coded;

    if (!dtype_row_bytes(&coded, j->c->type, j->columns))
        return err_set(err, ERR_ARG, "rows of %zu values are no whole number of %s blocks (%u)",
                       j->columns, type, dtype_get(j->c->type)->block);
    const size_t plain = j->columns * sizeof(float);
    j->row_in = j->encode ? plain : coded;
    j->row_out = j->encode ? coded : plain;
    if (in->size % j->row_in)
        return err_set(err, ERR_FORMAT, "%s: %zu bytes, expected a multiple of %zu: %s rows of %zu",
                       j->in_path, in->size, j->row_in, j->encode ? "F32" : type, j->columns);
    j->in = in->data;
    j->rows = in->size / j->row_in;
    j->batch_rows = BATCH_VALUES / j->columns + 1;
    if (j->batch_rows > BATCH_ROWS)
        j->batch_rows = BATCH_ROWS;
    j->out = malloc(j->batch_rows * j->row_out);
    j->errs = calloc(j->batch_rows, sizeof(*j->errs));
    return j->out && j->errs ? 0 : err_nomem(err);
}

static int choose(struct codec_job *j, const char *verb, const char *type, unsigned cpu,
                  struct err *err)
{
    j->encode = !strcmp(verb, "encode");
    if (!j->encode && strcmp(verb, "decode"))
        return err_set(err, ERR_ARG, "\"%s\": expected encode or decode", verb);
    j->c = codec_get(dtype_by_name(type), cpu);
    if (!j->c) {
        enum dtype known;
        const int rc = mix_read_type(&known, type, err);
        return rc ? rc : err_set(err, ERR_ARG, "pare cannot compute with %s yet", type);
    }
    if (j->encode && !j->c->enc)
        return err_set(err, ERR_ARG, "%s can be decoded, not encoded", dtype_get(j->c->type)->name);
    return 0;
}

int cmd_codec(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct codec_job j = {0};
    struct map in = {0}, importance = {0};
    struct cmd_common common;
    const char *operand[4], *importance_path = NULL, *effort = "normal";
    int64_t columns = 0;
    size_t n;
    const struct opt opts[] = {
        {"columns",    "N",    "values in a row (needed)",                 OPT_INT, &columns, 1, 1 << 30},
        {"importance", "FILE", "F32 weights of the columns, for encoding", OPT_STR,
         &importance_path,                                                                    0, 0      },
        {"effort",     "HOW",  "fast, normal or best: how hard to search", OPT_STR, &effort,  0, 0      },
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 4, 4, err);
    if (rc || common.done)
        return rc;
    if (!columns)
        return err_set(err, ERR_ARG, "--columns N is needed: how many values a row has");
    j.columns = (size_t)columns;
    j.in_path = operand[2];
    rc = codec_effort_by_name(&j.how.effort, effort, err);
    if (!rc)
        rc = choose(&j, operand[0], operand[1], common.cpu, err);
    if (!rc)
        rc = apart(operand[3], j.in_path, false, err);
    if (!rc)
        rc = apart(operand[3], importance_path, false, err);
    if (!rc && importance_path)
        rc = read_importance(&importance, importance_path, j.columns, err);
    if (!rc)
        rc = map_open(&in, j.in_path, err);
    if (!rc)
        rc = plan(&j, &in, err);
    if (!rc) {
        j.how.importance = (const float *)(const void *)importance.data;
        rc = run(&j, operand[3], &common.par, &env->log, err);
    }
    map_release(&in);
    map_release(&importance);
    free(j.out);
    free(j.errs);
    return rc;
}
