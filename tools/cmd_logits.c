/* pare logits MODEL --ids FILE.json OUT.bin: raw little-endian F32 logits [n, vocab] of
 * each of the file's "sequences", one after another. */

#include "formats/apart.h"
#include "formats/base/json.h"
#include "formats/base/out.h"
#include "formats/base/rd.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "tools/cmd.h"

#include <math.h>
#include <stdlib.h>

enum { BATCH = 512, ROWS = 64 }; /* tokens at once; rows of logits held at once */

/* The sequences of an --ids file. */
struct ids {
    int32_t *id; /* owned; one sequence after another */
    size_t *n;   /* owned; of each sequence */
    size_t n_seqs, n_ids, longest;
};

static void ids_release(struct ids *ids)
{
    free(ids->id);
    free(ids->n);
}

static int read_seq(struct ids *ids, const json_val *seq, size_t i, struct err *err)
{
    if (!json_is_array(seq))
        return err_set(err, ERR_FORMAT, "sequence %zu is no array of ids", i);
    for (const json_val *v = json_first(seq); v; v = json_next(v)) {
        int64_t id;
        if (!json_int(v, &id) || id < 0 || id > INT32_MAX)
            return err_set(err, ERR_FORMAT, "sequence %zu, item %zu is no token id", i, ids->n[i]);
        ids->id[ids->n_ids++] = (int32_t)id;
        ids->n[i]++;
    }
    ids->longest = ids->n[i] > ids->longest ? ids->n[i] : ids->longest;
    return 0;
}

static int read_seqs(struct ids *ids, const json_val *doc, struct err *err)
{
    const json_val *seqs = json_get(doc, "sequences");
    size_t total = 0;
    int rc = 0;

    if (!json_is_array(seqs))
        return err_set(err, ERR_FORMAT, "expected {\"sequences\": [[id, ...], ...]}");
    for (const json_val *s = json_first(seqs); s; s = json_next(s))
        total += json_len(s);
    ids->n = calloc(json_len(seqs) + 1, sizeof(*ids->n));
    ids->id = calloc(total + 1, sizeof(*ids->id));
    if (!ids->n || !ids->id)
        return err_nomem(err);
    for (const json_val *s = json_first(seqs); s && !rc; s = json_next(s)) {
        rc = read_seq(ids, s, ids->n_seqs, err);
        ids->n_seqs++;
    }
    return rc;
}

static int ids_load(struct ids *out, const char *path, struct err *err)
{
    json_val *doc = NULL;
    int rc = json_load(&doc, path, err);

    *out = (struct ids){0};
    if (rc)
        return rc;
    rc = read_seqs(out, doc, err);
    json_free(doc);
    if (rc)
        (void)err_wrap(err, "%s", path);
    return rc;
}

struct job {
    const struct model *m;
    struct sess *s;
    struct out *out;
    float *logits; /* ROWS * n_vocab */
    const struct log *log;
};

/* rows[n, n_vocab] of a sequence, from its position `first`. */
static int check_finite(const float *rows, size_t n, size_t n_vocab, size_t first, struct err *err)
{
    for (size_t i = 0; i < n * n_vocab; i++)
        if (!isfinite(rows[i]))
            return err_set(err, ERR_FORMAT, "position %zu, token %zu: a logit that is not finite",
                           first + i / n_vocab, i % n_vocab);
    return 0;
}

/* n tokens, the first of them at position `first`. */
static int write_batch(const struct job *j, size_t n, size_t first, struct err *err)
{
    const size_t n_vocab = model_n_vocab(j->m);
    int rc = 0;

    for (size_t at = 0; !rc && at < n; at += ROWS) {
        const size_t k = n - at < ROWS ? n - at : ROWS;
        rc = sess_logits(j->s, at, k, j->logits, err);
        if (!rc)
            rc = check_finite(j->logits, k, n_vocab, first + at, err);
        if (!rc)
            rc = out_write(j->out, j->logits, k * n_vocab * sizeof(float), err);
    }
    return rc;
}

static int write_seq(const struct job *j, const int32_t *id, size_t n, struct err *err)
{
    int rc = 0;

    sess_keep(j->s, 0);
    for (size_t at = 0; !rc && at < n; at += BATCH) {
        const size_t k = n - at < BATCH ? n - at : BATCH;
        rc = log_stop(j->log, err);
        if (!rc)
            rc = sess_eval(j->s, id + at, k, NULL, 0, err);
        if (!rc)
            rc = write_batch(j, k, at, err);
    }
    return rc;
}

static int write_all(const struct job *j, const struct ids *ids, struct err *err)
{
    size_t done = 0;
    int rc = 0;

    for (size_t i = 0; !rc && i < ids->n_seqs; i++) {
        rc = write_seq(j, ids->id + done, ids->n[i], err);
        done += ids->n[i];
        log_progress(j->log, "tokens", done, ids->n_ids);
        if (rc == ERR_ARG) /* ids come from a file */
            err->code = ERR_FORMAT;
        if (rc)
            rc = err_wrap(err, "sequence %zu", i);
    }
    return rc;
}

static int run(const struct model *m, const struct ids *ids, const char *path,
               const struct par *par, const struct log *log, struct err *err)
{
    struct out out;
    struct job j = {.m = m, .out = &out, .log = log};
    size_t n;
    int rc;

    out_init(&out);
    rc = sess_new(&j.s, m, ids->longest ? ids->longest : 1, BATCH, par, err);
    if (rc)
        goto done;
    j.logits = mul_ok(&n, model_n_vocab(m), ROWS) ? calloc(n, sizeof(*j.logits)) : NULL;
    rc = j.logits ? out_open(&out, path, err) : err_nomem(err);
    if (!rc)
        rc = write_all(&j, ids, err);
    if (!rc)
        rc = out_commit(&out, err);

done:
    out_abandon(&out);
    free(j.logits);
    sess_free(j.s);
    return rc;
}

int cmd_logits(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    const char *path = NULL, *kernels = "f32", *pre = NULL;
    const struct opt opts[] = {
        {"ids",           "FILE.json", "{\"sequences\": [[id, ...], ...]}",         OPT_STR, &path,    0, 0},
        {"kernels",       "KIND",      "f32 (default), bf16 or fast",               OPT_STR, &kernels, 0, 0},
        {"pre-tokenizer", "NAME",      "pre-tokenizer, where it is not recognised", OPT_STR, &pre,     0, 0},
    };
    const char *operand[2];
    size_t n_operands;
    struct cmd_common common;
    struct model_opts mo = {.log = &env->log};
    struct model *m = NULL;
    struct ids ids = {0};
    int rc =
        cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n_operands, 2, 2, err);

    if (rc || common.done)
        return rc;
    if (!path)
        return err_set(err, ERR_ARG, "--ids FILE.json is missing");
    rc = model_math(&mo.math, kernels, err);
    if (rc)
        return rc;
    mo.cpu = common.cpu;
    mo.pre = pre;
    rc = apart(operand[1], operand[0], false, err);
    if (!rc)
        rc = apart(operand[1], path, false, err);
    if (!rc)
        rc = ids_load(&ids, path, err);
    if (!rc)
        rc = model_open(&m, operand[0], &mo, err);
    if (!rc)
        rc = run(m, &ids, operand[1], &common.par, &env->log, err);
    ids_release(&ids);
    model_free(m);
    return rc;
}
