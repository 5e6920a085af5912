/* Ten steps of AdamW with clipping and a schedule, by the training pass, two losses: weights after steps 1, 2
 * and 10, losses, norms and moments beside a reference in F64. */

#include "distill/loss.h"
#include "distill/optim.h"
#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "formats/safetensors.h"
#include "tests/links.h"
#include "tests/nets.h"
#include "tests/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DIR_BYTES = 3000 };

struct golden {
    char dir[DIR_BYTES], model[DIR_BYTES];
    json_val *doc;
    struct map map;
    struct st *batches;
};

/* One of its runs. */
struct run {
    const struct golden *g;
    const char *name;
    const json_val *entry;
    struct loss loss;
    struct kern kern;
    struct nets net;
    struct optim *optim;
    double update; /* norm of all that the reference changed */
};

static double num(const json_val *v, const char *key)
{
    double d = (double)NAN;

    (void)json_num(json_get(v, key), &d);
    return d;
}

static const struct st_tensor *batch(const struct golden *g, const char *what, int step)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%s.%d", what, step);
    for (size_t i = 0; i < st_n_tensors(g->batches); i++)
        if (!strcmp(st_tensor(g->batches, i)->name, name))
            return st_tensor(g->batches, i);
    return NULL;
}

/* A checkpoint of the model with weights of dir/file. */
static bool links_to(struct links *l, const struct golden *g, const char *dir, const char *file)
{
    return links_new(l) && links_add(l, "config.json", g->model, "config.json") &&
           links_add(l, "model.safetensors", dir, file) && links_tokens(l);
}

/* ---- a step --------------------------------------------------------------------------- */

struct rows {
    const int32_t *label;
    const float *teacher;
    size_t counted;
};

/* The loss of the batch and its gradient, in chunks. */
static double pass(struct run *r, const struct net_batch *b, const struct rows *rows,
                   struct err *err)
{
    const size_t n = b->n_seq * b->n_tok, v = model_n_vocab(r->net.m),
                 most = net_head_rows(r->net.n);
    double sum = 0;

    memset(r->net.ps.g, 0, r->net.ps.n_values * sizeof(float));
    if (net_forward(r->net.n, b, err))
        return (double)NAN;
    for (size_t k, at = 0; at < n; at += k) {
        k = n - at < most ? n - at : most;
        net_logits(r->net.n, r->net.logits, at, k);
        for (size_t i = 0; i < k; i++) {
            const struct loss_target t = {.logits = rows->teacher + (at + i) * v,
                                          .label = rows->label[at + i],
                                          .counted = rows->label[at + i] >= 0};
            sum += loss_row(r->net.d + i * v, &r->loss, &r->kern, r->net.logits + i * v, &t, v,
                            1 / (double)rows->counted);
        }
        net_logits_back(r->net.n, r->net.d, r->net.logits, at, k);
    }
    net_backward(r->net.n);
    return sum / (double)rows->counted;
}

/* Distance to the reference's weights, as a share of the whole update. */
static double distance(struct run *r, int step, struct err *err)
{
    static const struct log silent;
    const struct source_opts so = {.log = &silent, .pre = "gpt-2"};
    struct params want = {0};
    struct source *s = NULL;
    struct links l;
    char file[64];
    double sum = 0, off = (double)NAN;

    (void)snprintf(file, sizeof(file), "%s_step%d.safetensors", r->name, step);
    if (links_to(&l, r->g, r->g->dir, file) && !source_open(&s, l.dir, &so, err) &&
        !params_read(&want, s, err) && want.n_values == r->net.ps.n_values) {
        for (size_t i = 0; i < want.n_values; i++) {
            const double d = (double)want.w[i] - (double)r->net.ps.w[i];
            sum += d * d;
        }
        off = sqrt(sum) / r->update;
    }
    params_release(&want);
    source_free(s);
    links_remove(&l);
    return off;
}

static void one_step(struct tap *tap, struct run *r, int step, const json_val *log)
{
    const struct st_tensor *ids = batch(r->g, "input_ids", step);
    const struct st_tensor *labels = batch(r->g, "labels", step);
    const struct st_tensor *logits = batch(r->g, "teacher_logits", step);
    struct err err = {0};
    const struct net_batch b = {(const int32_t *)(const void *)ids->data, NULL,
                                (size_t)ids->dims[0], (size_t)ids->dims[1]};
    struct rows rows = {(const int32_t *)(const void *)labels->data,
                        (const float *)(const void *)logits->data, 0};
    double loss, norm;
    char path[PATH_BYTES];

    for (size_t i = 0; i < b.n_seq * b.n_tok; i++)
        rows.counted += rows.label[i] >= 0;
    loss = pass(r, &b, &rows, &err);
    norm = sqrt(optim_norm2(r->optim));
    (void)tap_ok(tap,
                 fabs(loss - num(log, "loss")) <= 1e-5 * loss &&
                     fabs(norm - num(log, "grad_norm")) <= 1e-4 * norm,
                 "%s step %d: loss %.6f, norm %.5f%s", r->name, step, loss, norm, err.msg);
    optim_step(r->optim, (uint64_t)step, norm);
    (void)snprintf(path, sizeof(path), "%s/%s_step%d.safetensors", r->g->dir, r->name, step);
    if (!access(path, R_OK)) {
        const double off = distance(r, step, &err);
        (void)tap_ok(tap, off <= 1e-4, "%s step %d: weights within %.1e of the update%s", r->name,
                     step, off, err.msg);
    }
}

/* The reference keeps another order of rows: moments are compared by their norms. */
static void moments(struct tap *tap, struct run *r)
{
    const struct optim_state s = optim_state(r->optim);
    char path[PATH_BYTES];
    struct map m = {0};
    struct st *st = NULL;
    struct err err = {0};
    double want[2] = {0}, got[2] = {0};

    (void)snprintf(path, sizeof(path), "%s/%s_step10_moments.safetensors", r->g->dir, r->name);
    if (!map_open(&m, path, &err) && !st_parse(&st, m.data, m.size, &err))
        for (size_t i = 0; i < st_n_tensors(st); i++) {
            const struct st_tensor *t = st_tensor(st, i);
            const float *x = (const float *)(const void *)t->data;
            const size_t n = strlen(t->name);
            const int which =
                !strncmp(t->name, "v.", 2) || (n > 2 && !strcmp(t->name + n - 2, ".v"));

            for (size_t j = 0; j < t->bytes / sizeof(*x); j++)
                want[which] += (double)x[j] * (double)x[j];
        }
    for (size_t i = 0; i < s.n; i++) {
        got[0] += (double)s.m[i] * (double)s.m[i];
        got[1] += (double)s.v[i] * (double)s.v[i];
    }
    (void)tap_ok(
        tap, fabs(got[0] - want[0]) <= 1e-3 * want[0] && fabs(got[1] - want[1]) <= 1e-3 * want[1],
        "%s: moments' norms %.6g %.6g, reference %.6g %.6g", r->name, sqrt(got[0]), sqrt(got[1]),
        sqrt(want[0]), sqrt(want[1]));
    st_free(st);
    map_release(&m);
}

/* ---- a run ---------------------------------------------------------------------------- */

static int open_run(struct run *r, struct err *err)
{
    const struct st_tensor *ids = batch(r->g, "input_ids", 1);
    const json_val *h = json_get(r->g->doc, "hyper");
    const struct par par = {2};
    const struct optim_opts o = {.lr = num(h, "lr"),
                                 .min_lr_ratio = num(h, "min_lr_ratio"),
                                 .beta1 = num(h, "beta1"),
                                 .beta2 = num(h, "beta2"),
                                 .eps = num(h, "eps"),
                                 .weight_decay = num(h, "weight_decay"),
                                 .clip = num(h, "clip"),
                                 .schedule = SCHEDULE_COSINE,
                                 .warmup = (uint64_t)num(h, "warmup"),
                                 .total = (uint64_t)num(h, "total")};
    struct nets_opts no = {.pre = "gpt-2", .head_rows = 24, .threads = 2};
    struct links l;
    int rc;

    no.n_seq = (size_t)ids->dims[0];
    no.n_tok = (size_t)ids->dims[1];
    r->update = num(r->entry, "update_norm");
    kern_init(&r->kern, cpu_detect());
    rc = loss_parse(&r->loss, !strcmp(r->name, "ce") ? "ce" : "0.5*ce + 0.5*forward_kl", err);
    r->loss.temperature = 2;
    if (!rc)
        rc = links_to(&l, r->g, r->g->model, "model.safetensors")
                 ? nets_open(&r->net, l.dir, &no, err)
                 : err_errno(err, l.dir);
    links_remove(&l);
    return rc ? rc : optim_new(&r->optim, &r->net.ps, &o, NULL, 0, SIZE_MAX, &par, err);
}

static void run(struct tap *tap, const struct golden *g, const json_val *entry)
{
    struct run r = {.g = g, .name = json_key(entry), .entry = entry};
    struct err err = {0};
    int step = 1;

    if (tap_ok(tap, !open_run(&r, &err), "%s: opened %s", r.name, err.msg)) {
        for (const json_val *v = json_first(json_get(entry, "log")); v; v = json_next(v))
            one_step(tap, &r, step++, v);
        moments(tap, &r);
        optim_free(r.optim);
        nets_free(&r.net);
    }
}

int main(void)
{
    char *golden = tap_golden() ? realpath(tap_golden(), NULL) : NULL; /* links are made to it */
    char path[PATH_BYTES];
    struct golden g = {{0}};
    struct tap tap = {0};
    struct err err = {0};

    (void)snprintf(g.dir, sizeof(g.dir), "%.2500s/distill/adamw", golden ? golden : "");
    (void)snprintf(g.model, sizeof(g.model), "%.2500s/distill/models/llama_tied",
                   golden ? golden : "");
    (void)snprintf(path, sizeof(path), "%s/adamw.json", g.dir);
    if (!golden || access(path, R_OK)) {
        tap_skip(&tap, "adamw", "no golden steps");
        free(golden);
        return tap_done(&tap);
    }
    bool good = !json_load(&g.doc, path, &err);
    (void)snprintf(path, sizeof(path), "%s/batches.safetensors", g.dir);
    good = good && !map_open(&g.map, path, &err) &&
           !st_parse(&g.batches, g.map.data, g.map.size, &err);
    if (tap_ok(&tap, good, "adamw: data %s", err.msg))
        for (const json_val *r = json_first(json_get(g.doc, "runs")); r; r = json_next(r))
            run(&tap, &g, r);
    st_free(g.batches);
    map_release(&g.map);
    json_free(g.doc);
    free(golden);
    return tap_done(&tap);
}
