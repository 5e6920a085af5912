/* Logits of whole models against transformers': every golden model whose class
 * has an architecture row, opened as a checkpoint, as the F32 GGUF it converts to, and
 * as the reference converter's where there is one; tokens in one batch, in odd ones
 * and one by one; plain and fastest kernels; one and two threads. */

#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "formats/base/path.h"
#include "quant/job.h"
#include "quant/pipeline.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "tests/tap.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DIR_BYTES = 2048, ALL = 1 << 20 };

struct seq {
    int32_t *id; /* owned */
    size_t n;
    size_t first;  /* position of the first stored row */
    size_t n_rows; /* stored rows */
    double std;
    const json_val *argmax;
    struct map map; /* F32 [n_rows, n_vocab] */
};

struct golden {
    const char *dir; /* of the model */
    const char *pre; /* NULL: recognised */
    double bound;    /* on the largest error, in standard deviations */
    json_val *tokens, *logits;
    struct seq *seq; /* owned */
    size_t n_seqs, n_vocab;
};

static void golden_release(struct golden *g)
{
    for (size_t i = 0; i < g->n_seqs; i++) {
        free(g->seq[i].id);
        map_release(&g->seq[i].map);
    }
    free(g->seq);
    json_free(g->tokens);
    json_free(g->logits);
}

static bool load_seq(struct seq *s, const struct golden *g, const json_val *ids,
                     const json_val *want, struct err *err)
{
    char path[PATH_BYTES];
    int64_t first = 0;

    s->n = json_len(ids);
    s->id = calloc(s->n + 1, sizeof(*s->id));
    s->argmax = json_get(want, "argmax");
    s->n_rows = json_len(s->argmax);
    if (!s->id || !json_int(json_get(want, "first_position"), &first) ||
        !json_num(json_get(want, "std"), &s->std) || !json_str(json_get(want, "file")))
        return false;
    s->first = (size_t)first;
    size_t i = 0;
    for (const json_val *v = json_first(ids); v; v = json_next(v)) {
        int64_t id;
        if (!json_int(v, &id))
            return false;
        s->id[i++] = (int32_t)id;
    }
    (void)snprintf(path, sizeof(path), "%s/expected/%s", g->dir, json_str(json_get(want, "file")));
    return !map_open(&s->map, path, err) && s->first + s->n_rows == s->n &&
           s->map.size == s->n_rows * g->n_vocab * sizeof(float);
}

static bool golden_load(struct golden *g, struct err *err)
{
    char path[PATH_BYTES];
    int64_t n_vocab;

    (void)snprintf(path, sizeof(path), "%s/expected/tokens.json", g->dir);
    if (json_load(&g->tokens, path, err))
        return false;
    (void)snprintf(path, sizeof(path), "%s/expected/logits.json", g->dir);
    if (json_load(&g->logits, path, err) || !json_int(json_get(g->logits, "n_vocab"), &n_vocab))
        return false;
    g->n_vocab = (size_t)n_vocab;
    const json_val *ids = json_first(json_get(g->tokens, "sequences"));
    const json_val *want = json_first(json_get(g->logits, "sequences"));
    g->seq = calloc(json_len(json_get(g->logits, "sequences")) + 1, sizeof(*g->seq));
    if (!g->seq)
        return false;
    for (; ids && want; ids = json_next(ids), want = json_next(want))
        if (!load_seq(&g->seq[g->n_seqs++], g, ids, want, err))
            return false;
    return g->n_seqs > 0;
}

/* ---- one run ------------------------------------------------------------------ */

/* logits[n, n_vocab] of a sequence, `portion` tokens at a time. */
static int eval_seq(float *logits, struct sess *s, const struct golden *g, const struct seq *q,
                    size_t portion, struct err *err)
{
    int rc = 0;

    sess_keep(s, 0);
    for (size_t i = 0; !rc && i < q->n; i += portion) {
        const size_t n = q->n - i < portion ? q->n - i : portion;
        rc = sess_eval(s, q->id + i, n, logits + i * g->n_vocab, n, err);
    }
    return rc;
}

/* The distance between the two largest. */
static double top2_gap(const float *x, size_t n)
{
    float best = -INFINITY, second = -INFINITY;

    for (size_t i = 0; i < n; i++)
        if (x[i] > best) {
            second = best;
            best = x[i];
        } else if (x[i] > second) {
            second = x[i];
        }
    return (double)best - (double)second;
}

static int64_t argmax(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return (int64_t)best;
}

/* The largest error in standard deviations; infinite when an argmax differs. */
static double compare(const float *got, const struct golden *g, const struct seq *q)
{
    const float *want = (const float *)(const void *)q->map.data;
    double worst = 0;

    got += q->first * g->n_vocab;
    for (size_t i = 0; i < q->n_rows * g->n_vocab; i++) {
        const double e = fabs((double)got[i] - (double)want[i]);
        if (!(e <= worst))
            worst = isnan(e) ? HUGE_VAL : e;
    }
    const json_val *best = json_first(q->argmax);
    for (size_t r = 0; r < q->n_rows; r++, best = json_next(best)) {
        const size_t at = r * g->n_vocab;
        int64_t id = -1;
        if (!json_int(best, &id) ||
            (argmax(got + at, g->n_vocab) != id && top2_gap(want + at, g->n_vocab) > 2 * worst)) {
            tap_note("row %zu: most likely is %lld, expected %lld", r,
                     (long long)argmax(got + at, g->n_vocab), (long long)id);
            return HUGE_VAL;
        }
    }
    return worst / q->std;
}

/* Go back to half of the sequence, or as far as the model can, and on again: the same
 * last row. */
static int go_back(double *worst, float *logits, struct sess *s, const struct golden *g,
                   const struct seq *q, size_t portion, struct err *err)
{
    const size_t kept = sess_keep(s, q->n / 2);
    int rc = 0;

    if (kept != q->n / 2 && kept)
        return err_set(err, ERR_FORMAT, "kept %zu of %zu positions", kept, q->n / 2);
    for (size_t i = kept; !rc && i < q->n; i += portion) {
        const size_t n = q->n - i < portion ? q->n - i : portion;
        rc = sess_eval(s, q->id + i, n, logits + i * g->n_vocab, n, err);
    }
    const double e = rc ? 0 : compare(logits, g, q);
    *worst = e > *worst ? e : *worst;
    return rc;
}

/* Every sequence in every portion; *worst over all. */
static int run_session(double *worst, const struct model *m, const struct golden *g, size_t portion,
                       float **logits, int threads, struct err *err)
{
    const struct par par = {.n_threads = threads};
    struct sess *s = NULL;
    size_t longest = 1;

    for (size_t i = 0; i < g->n_seqs; i++)
        longest = g->seq[i].n > longest ? g->seq[i].n : longest;
    int rc = sess_new(&s, m, longest, portion, &par, err);
    for (size_t i = 0; !rc && i < g->n_seqs; i++) {
        rc = eval_seq(logits[i], s, g, &g->seq[i], portion < longest ? portion : longest, err);
        const double e = rc ? 0 : compare(logits[i], g, &g->seq[i]);
        *worst = e > *worst ? e : *worst;
        if (!rc && portion > 1 && portion < longest)
            rc = go_back(worst, logits[i], s, g, &g->seq[i], portion, err);
    }
    sess_free(s);
    return rc;
}

static bool same(float *const *a, float *const *b, const struct golden *g)
{
    for (size_t i = 0; i < g->n_seqs; i++)
        if (memcmp(a[i], b[i], g->seq[i].n * g->n_vocab * sizeof(float)) != 0)
            return false;
    return true;
}

static float **logits_new(const struct golden *g)
{
    float **p = calloc(g->n_seqs, sizeof(*p));

    for (size_t i = 0; p && i < g->n_seqs; i++) {
        p[i] = calloc(g->seq[i].n * g->n_vocab + 1, sizeof(**p));
        if (!p[i])
            abort();
    }
    return p;
}

static void logits_free(float **p, const struct golden *g)
{
    for (size_t i = 0; p && i < g->n_seqs; i++)
        free(p[i]);
    free(p);
}

/* What a form is put through: more is done where the kernels are fast. */
static const struct run {
    const char *level; /* of the kernels */
    size_t portion;
    int threads;
} runs[] = {
    {"scalar", ALL, 1},
    {"native", ALL, 1},
    {"native", ALL, 2},
    {"native", 7,   1},
    {"native", 1,   1},
};

static int one_run(double *worst, const struct run *r, const char *path, const struct golden *g,
                   float **logits, struct err *err)
{
    struct model_opts o = {.math = KERN_F32, .pre = g->pre};
    struct model *m = NULL;
    int rc = cpu_mask(&o.cpu, r->level, err);

    o.cpu &= cpu_detect();
    if (!rc)
        rc = model_open(&m, path, &o, err);
    if (!rc && model_n_vocab(m) != g->n_vocab)
        rc = err_set(err, ERR_FORMAT, "%zu logits, expected %zu", model_n_vocab(m), g->n_vocab);
    if (!rc)
        rc = run_session(worst, m, g, r->portion, logits, r->threads, err);
    model_free(m);
    return rc;
}

static void check_form(struct tap *t, const char *name, const char *form, const char *path,
                       const struct golden *g)
{
    float **one = logits_new(g), **two = logits_new(g);
    double worst = 0;
    bool equal = true;
    struct err err = {0};
    int rc = one && two ? 0 : err_nomem(&err);

    for (size_t i = 0; !rc && i < sizeof(runs) / sizeof(runs[0]); i++) {
        rc = one_run(&worst, &runs[i], path, g, runs[i].threads == 1 ? one : two, &err);
        if (!rc && runs[i].threads == 2) /* the run before was the same with one thread */
            equal = equal && same(one, two, g);
    }
    if (rc)
        tap_note("%s", err.msg);
    (void)tap_ok(t, !rc && worst <= g->bound, "%s: %s: error %.1e of the standard deviation", name,
                 form, worst);
    (void)tap_ok(t, !rc && equal, "%s: %s: same bytes from one and two threads", name, form);
    logits_free(one, g);
    logits_free(two, g);
}

/* ---- forms ---------------------------------------------------------------------- */

/* The F32 GGUF of a checkpoint, at `path`, as `pare convert` writes it. */
static int convert(const char *path, const char *dir, const char *pre, struct err *err)
{
    const struct source_opts so = {.pre = pre};
    const struct job_opts jo = {.convert = DTYPE_F32, .par = {.n_threads = 1}};
    struct source *s = NULL;
    struct job *job = NULL;
    struct pipe_result done;
    int rc = source_open(&s, dir, &so, err);

    if (!rc)
        rc = job_new(&job, s, &jo, err);
    if (!rc)
        rc = pipe_write(&done, path, job_pipe(job), err);
    job_free(job);
    source_free(s);
    return rc;
}

static void check_converted(struct tap *t, const char *name, const struct golden *g)
{
    char dir[] = "/tmp/pare-logits-XXXXXX";
    char path[sizeof(dir) + 16];
    struct err err = {0};

    if (!mkdtemp(dir)) {
        (void)tap_ok(t, false, "%s: a temporary folder", name);
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/m.gguf", dir);
    const int rc = convert(path, g->dir, g->pre, &err);
    if (tap_ok(t, !rc, "%s: converted %s", name, err.msg))
        check_form(t, name, "gguf", path, g);
    (void)unlink(path);
    (void)rmdir(dir);
}

/* The reference converter's F32 files. */
static void check_reference(struct tap *t, const char *name, const struct golden *g)
{
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/expected", g->dir);
    DIR *d = opendir(path);
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (path_ends(e->d_name, ".f32.gguf")) {
            (void)snprintf(path, sizeof(path), "%s/expected/%s", g->dir, e->d_name);
            check_form(t, name, e->d_name, path, g);
        }
    if (d)
        (void)closedir(d);
}

static void check_model(struct tap *t, const char *root, const json_val *row, double bound)
{
    const char *name = json_str(json_get(row, "name"));
    const char *class = json_str(json_get(row, "hf_class"));
    struct golden g = {.pre = json_str(json_get(row, "pre_tokenizer_override")), .bound = bound};
    struct err err = {0};
    char dir[DIR_BYTES];

    if (!name || !class || !arch_by_class(class)) {
        tap_skip(t, name ? name : "a model", "no architecture row");
        return;
    }
    (void)snprintf(dir, sizeof(dir), "%s/models/%s", root, name);
    g.dir = dir;
    if (!golden_load(&g, &err)) {
        (void)tap_ok(t, false, "%s: expected logits: %s", name, err.msg);
    } else {
        check_form(t, name, "checkpoint", dir, &g);
        check_converted(t, name, &g);
        check_reference(t, name, &g);
    }
    golden_release(&g);
}

int main(void)
{
    const char *root = tap_golden();
    struct tap t = {0};
    struct err err = {0};
    char path[PATH_BYTES];
    json_val *manifest = NULL;
    double bound = 1e-3;

    if (!root) {
        tap_skip(&t, "logits", "no golden folder");
        return tap_done(&t);
    }
    (void)snprintf(path, sizeof(path), "%s/models/manifest.json", root);
    if (tap_ok(&t, !json_load(&manifest, path, &err), "manifest %s", err.msg)) {
        (void)json_num(json_path(manifest, "tolerance.f32.max_abs_err_over_logit_std"), &bound);
        const json_val *m = json_first(json_get(manifest, "models"));
        for (; m; m = json_next(m))
            check_model(&t, root, m, bound);
    }
    json_free(manifest);
    return tap_done(&t);
}
