/* pare bench MODEL: how fast a prompt is read and text is generated. */

#include "formats/apart.h"
#include "formats/base/buf.h"
#include "formats/base/clock.h"
#include "formats/base/json.h"
#include "formats/base/out.h"
#include "formats/base/version.h"
#include "runtime/model.h"
#include "runtime/rng.h"
#include "runtime/session.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { BATCH = 512, RUNS_MAX = 100 };

struct opts {
    int64_t n_prompt, n_gen, runs;
    const char *kernels, *pre, *json;
};

/* Seconds of each run, sorted once all are done. */
struct times {
    double s[RUNS_MAX];
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double best(const struct times *t, int64_t tokens)
{
    return (double)tokens / t->s[0];
}

static double median(const struct times *t, int64_t tokens)
{
    const double mid = (t->s[(t->n - 1) / 2] + t->s[t->n / 2]) / 2;

    return (double)tokens / mid;
}

/* The most memory this process ever held, the mapped model included. */
static uint64_t peak_bytes(void)
{
    struct rusage u;

    return getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_maxrss * 1024;
}

struct bench {
    const struct opts *o;
    struct sess *s;
    int32_t *id;   /* as many as the longer of prompt and text: random */
    float *logits; /* n_vocab */
    struct times prompt, gen;
    const struct log *log;
};

static int time_prompt(struct bench *b, struct err *err)
{
    const double t = clock_seconds();

    sess_keep(b->s, 0);
    const int rc = sess_feed(b->s, b->id, (size_t)b->o->n_prompt, b->logits, err);
    b->prompt.s[b->prompt.n++] = clock_seconds() - t;
    return rc;
}

static int time_gen(struct bench *b, struct err *err)
{
    const double t = clock_seconds();
    int rc = 0;

    sess_keep(b->s, 0);
    for (int64_t i = 0; !rc && i < b->o->n_gen; i++)
        rc = sess_eval(b->s, b->id + i, 1, b->logits, 1, err);
    b->gen.s[b->gen.n++] = clock_seconds() - t;
    return rc;
}

static int measure(struct bench *b, struct err *err)
{
    int rc = 0;

    /* one run before those that count: pages of the model come in */
    for (int64_t i = -1; !rc && i < b->o->runs; i++) {
        rc = log_stop(b->log, err);
        if (i == 0)
            b->prompt.n = b->gen.n = 0;
        if (!rc && b->o->n_prompt)
            rc = time_prompt(b, err);
        if (!rc && b->o->n_gen)
            rc = time_gen(b, err);
        log_progress(b->log, "runs", (uint64_t)(i + 1), (uint64_t)b->o->runs);
    }
    qsort(b->prompt.s, b->prompt.n, sizeof(b->prompt.s[0]), by_value);
    qsort(b->gen.s, b->gen.n, sizeof(b->gen.s[0]), by_value);
    return rc;
}

static void put_speed(struct json_out *j, const char *key, const struct times *t, int64_t tokens)
{
    json_open(j, key, '{');
    json_put_int(j, "tokens", tokens);
    json_put_num(j, "best_tokens_per_s", best(t, tokens));
    json_put_num(j, "median_tokens_per_s", median(t, tokens));
    json_close(j, '}');
}

static int write_json(const struct bench *b, const char *path, const char *model, int threads,
                      struct err *err)
{
    struct buf buf = {0};
    struct json_out j = json_out_init(&buf, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "version", PARE_VERSION);
    json_put_str(&j, "model", model);
    json_put_str(&j, "kernels", b->o->kernels);
    json_put_int(&j, "threads", threads);
    json_put_int(&j, "runs", b->o->runs);
    if (b->prompt.n)
        put_speed(&j, "prompt", &b->prompt, b->o->n_prompt);
    if (b->gen.n)
        put_speed(&j, "generation", &b->gen, b->o->n_gen);
    json_put_uint(&j, "peak_bytes", peak_bytes());
    json_close(&j, '}');
    buf_str(&buf, "\n");
    int rc = buf_check(&buf, err);
    if (!rc)
        rc = out_file(path, buf.p, buf.n, err);
    buf_release(&buf);
    return rc;
}

static void print_row(const char *what, const struct times *t, int64_t tokens)
{
    if (t->n)
        printf("%-10s  %6lld tokens  %9.1f tokens/s best  %9.1f median\n", what, (long long)tokens,
               best(t, tokens), median(t, tokens));
}

static int run(const struct model *m, const struct opts *o, const char *path,
               const struct cmd_common *common, const struct log *log, struct err *err)
{
    const size_t n = (size_t)(o->n_prompt > o->n_gen ? o->n_prompt : o->n_gen);
    struct bench b = {.o = o, .log = log};
    struct rng rng = rng_init(1);
    int rc = 0;

    b.id = calloc(n, sizeof(*b.id));
    b.logits = calloc(model_n_vocab(m), sizeof(*b.logits));
    if (!b.id || !b.logits) {
        rc = err_nomem(err);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        b.id[i] = (int32_t)(rng_u64(&rng) % model_n_vocab(m));
    rc = sess_new(&b.s, m, n, BATCH, &common->par, err);
    if (!rc)
        rc = measure(&b, err);
    if (!rc && o->json)
        rc = write_json(&b, o->json, path, common->par.n_threads, err);
    if (rc)
        goto done;
    print_row("prompt", &b.prompt, o->n_prompt);
    print_row("generation", &b.gen, o->n_gen);
    printf("peak memory %.1f MiB, %d threads, %s kernels\n", (double)peak_bytes() / 0x1p20,
           common->par.n_threads, o->kernels);

done:
    sess_free(b.s);
    free(b.logits);
    free(b.id);
    return rc;
}

int cmd_bench(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct opts o = {.n_prompt = 512, .n_gen = 128, .runs = 3, .kernels = "fast"};
    const struct opt opts[] = {
        {"p",             "N",    "tokens of the prompt (512); 0: no prompt run",        OPT_INT, &o.n_prompt, 0,
         1 << 24                                                                                                              },
        {"n",             "N",    "tokens to generate (128); 0: no generation run",      OPT_INT, &o.n_gen,    0, 1 << 24     },
        {"runs",          "N",    "timed runs, after one that is not (3)",               OPT_INT, &o.runs,     1, RUNS_MAX - 1},
        {"kernels",       "KIND", "activations in f32, bf16 or 16 bits (fast, default)", OPT_STR,
         &o.kernels,                                                                                           0, 0           },
        {"pre-tokenizer", "NAME", "pre-tokenizer, where it is not recognised",           OPT_STR, &o.pre,      0,
         0                                                                                                                    },
        {"json",          "FILE", "write the numbers there too",                         OPT_STR, &o.json,     0, 0           },
    };
    const char *operand[1];
    size_t n_operands;
    struct cmd_common common;
    struct model_opts mo = {.log = &env->log};
    struct model *m = NULL;
    int rc =
        cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n_operands, 1, 1, err);

    if (rc || common.done)
        return rc;
    if (!o.n_prompt && !o.n_gen)
        return err_set(err, ERR_ARG, "-p 0 and -n 0 leave nothing to measure");
    rc = model_math(&mo.math, o.kernels, err);
    if (rc)
        return rc;
    mo.cpu = common.cpu;
    mo.pre = o.pre;
    rc = apart(o.json, operand[0], false, err);
    if (!rc)
        rc = model_open(&m, operand[0], &mo, err);
    if (!rc)
        rc = run(m, &o, operand[0], &common, &env->log, err);
    model_free(m);
    return rc;
}
