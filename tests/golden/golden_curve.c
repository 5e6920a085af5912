/* The loop from end to end: students of a small teacher, trained for 200 steps on given windows in a given
 * order, beside the reference's losses (F64) and its KL on held-back text. */

#include "distill/train.h"
#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "formats/base/map.h"
#include "tests/links.h"
#include "tests/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DIR_BYTES = 3000, MARKS = 8 };

struct curve {
    char root[DIR_BYTES], teacher_dir[DIR_BYTES];
    json_val *doc;
    struct map train, held, order;
    struct model *teacher;
};

/* One student's run. */
struct run {
    const struct curve *c;
    const char *name;
    struct links links;
    struct model *m;
    struct params ps;
    struct teacher *t;
    struct data *data;
    struct train_opts o;
    char dir[32];
    const json_val *want; /* train_loss, item of the next step */
    double drift, worst;  /* allowed, seen */
    double eval[MARKS];   /* KL at every 50 steps */
    size_t n_eval;
};

static double hyper(const struct curve *c, const char *key)
{
    double v = 0;

    (void)json_num(json_get(json_get(c->doc, "hyper"), key), &v);
    return v;
}

static bool load(struct map *m, const char *root, const char *name)
{
    char path[PATH_BYTES];
    struct err err;

    (void)snprintf(path, sizeof(path), "%.3000s/%s", root, name);
    return !map_open(m, path, &err);
}

/* ---- data --------------------------------------------------------------------------- */

static int32_t *ids_of(const struct map *m, size_t n)
{
    int32_t *ids = calloc(n ? n : 1, sizeof(*ids));

    for (size_t i = 0; ids && i < n; i++)
        ids[i] = m->data[2 * i] | m->data[2 * i + 1] << 8;
    return ids;
}

static size_t *order_of(const struct map *m, size_t n)
{
    size_t *order = calloc(n ? n : 1, sizeof(*order));

    for (size_t i = 0; order && i < n; i++) {
        int32_t v;

        memcpy(&v, m->data + 4 * i, sizeof(v));
        order[i] = (size_t)v;
    }
    return order;
}

static int open_data(struct run *r, struct err *err)
{
    const struct curve *c = r->c;
    const size_t window = (size_t)hyper(c, "window");
    const size_t held = window * (size_t)hyper(c, "eval_windows");
    int32_t *ids = ids_of(&c->train, c->train.size / 2), *other = ids_of(&c->held, held);
    size_t *order = order_of(&c->order, c->order.size / 4);
    int rc = ids && other && order && c->held.size / 2 >= held ? 0 : err_nomem(err);

    if (!rc)
        rc = data_of_ids(&r->data, ids, c->train.size / 2, window, err);
    if (!rc)
        rc = data_order_is(r->data, order, c->order.size / 4, err);
    if (!rc)
        rc = data_hold_ids(r->data, other, held, err);
    free(ids);
    free(other);
    free(order);
    return rc;
}

/* Of logits at a time. */
enum { ROWS = 64 };

/* ---- a run -------------------------------------------------------------------------- */

static int open_student(struct run *r, struct err *err)
{
    const struct model_opts mo = {.cpu = cpu_detect(), .math = KERN_F32};
    struct teacher_opts to = {.n_rows = ROWS, .par = par_init(2)};
    char dir[PATH_BYTES];
    int rc;

    (void)snprintf(dir, sizeof(dir), "%s/%.200s", r->c->root, r->name);
    if (!links_new(&r->links) || !links_add(&r->links, "config.json", dir, "config.json") ||
        !links_add(&r->links, "model.safetensors", dir, "model.safetensors") ||
        !links_add(&r->links, "tokenizer.json", r->c->teacher_dir, "tokenizer.json"))
        return err_set(err, ERR_IO, "%s: no links", r->links.dir);
    rc = model_open(&r->m, r->links.dir, &mo, err);
    if (!rc)
        rc = params_read(&r->ps, model_source(r->m), err);
    if (rc)
        return rc;
    to.n_vocab = model_n_vocab(r->m);
    to.n_tok = (size_t)hyper(r->c, "window");
    to.student = source_vocab(model_source(r->m));
    return teacher_live(&r->t, r->c->teacher, &to, err);
}

static void set_options(struct run *r)
{
    const struct curve *c = r->c;

    r->o = (struct train_opts){
        .loss = {.term = {{LOSS_FORWARD_KL, 1, 0}}, .n = 1, .temperature = hyper(c, "T")},
        .optim = { .lr = hyper(c, "lr"),
                 .min_lr_ratio = hyper(c, "min_lr_ratio"),
                 .beta1 = hyper(c, "beta1"),
                 .beta2 = hyper(c, "beta2"),
                 .eps = hyper(c, "eps"),
                 .weight_decay = hyper(c, "weight_decay"),
                 .clip = hyper(c, "clip"),
                 .schedule = SCHEDULE_COSINE,
                 .warmup = (uint64_t)hyper(c, "warmup"),
                 .total = (uint64_t)hyper(c, "steps")},
        .math = GEMM_F32,
        .n_seq = (size_t)hyper(c, "batch"),
        .accumulate = 1,
        .rows = ROWS,
        .eval_every = 50,
        .save_every = 1000,
        .cpu = cpu_detect(),
        .par = par_init(2),
    };
}

static void take_row(void *arg, const struct train_row *row)
{
    struct run *r = arg;
    double want;

    if (row->evaluated) {
        if (r->n_eval < MARKS)
            r->eval[r->n_eval++] = row->kl;
        return;
    }
    if (json_num(r->want, &want))
        r->worst = fmax(r->worst, fabs(row->loss - want));
    else
        r->worst = (double)INFINITY;
    r->want = json_next(r->want);
}

static void compare(struct tap *tap, const struct run *r, const json_val *eval)
{
    size_t i = 0;

    (void)tap_ok(tap, r->worst <= 10 * r->drift, "%s: losses within %.2e, allowed %.2e", r->name,
                 r->worst, 10 * r->drift);
    for (const json_val *v = json_first(eval); v; v = json_next(v), i++) {
        double want = 0;

        (void)json_num(json_get(v, "kl"), &want);
        (void)tap_ok(tap, i < r->n_eval && fabs(r->eval[i] - want) <= 0.01 * want,
                     "%s: KL after %s steps: %.5f, reference %.5f", r->name, json_key(v),
                     i < r->n_eval ? r->eval[i] : (double)NAN, want);
    }
}

static void remove_dir(const struct run *r)
{
    static const char *const names[] = {"state", "best", "log.csv"};
    char path[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(r->dir);
}

static void student(struct tap *tap, const struct curve *c, const json_val *s)
{
    const json_val *f64 = json_get(s, "f64");
    struct run r = {.c = c, .name = json_key(s), .dir = "/tmp/pare-curve-XXXXXX"};
    struct train_result result;
    struct err err = {0};
    int rc;

    r.want = json_first(json_get(f64, "train_loss"));
    (void)json_num(json_get(s, "max_abs_train_loss_diff_f32_f64"), &r.drift);
    set_options(&r);
    rc = mkdtemp(r.dir) ? open_student(&r, &err) : err_errno(&err, r.dir);
    if (!rc)
        rc = open_data(&r, &err);
    const struct train_job job = {.ps = &r.ps,
                                  .plan = r.m,
                                  .teacher = r.t,
                                  .judge = r.t,
                                  .data = r.data,
                                  .dir = r.dir,
                                  .identity = r.name,
                                  .row = take_row,
                                  .arg = &r};
    if (!rc)
        rc = train_run(&result, &job, &r.o, &err);
    if (tap_ok(tap, !rc, "%s: trained %s", r.name, err.msg)) {
        tap_note("%s: %.1f s", r.name, result.seconds);
        compare(tap, &r, json_get(f64, "eval"));
    }
    data_free(r.data);
    teacher_free(r.t);
    params_release(&r.ps);
    model_free(r.m);
    links_remove(&r.links);
    remove_dir(&r);
}

int main(void)
{
    const struct model_opts mo = {.cpu = cpu_detect(), .math = KERN_F32};
    char *golden = tap_golden() ? realpath(tap_golden(), NULL) : NULL; /* links are made to it */
    char path[PATH_BYTES];
    struct curve c = {{0}};
    struct tap tap = {0};
    struct err err = {0};

    (void)snprintf(c.root, sizeof(c.root), "%.2500s/distill/curve", golden ? golden : "");
    (void)snprintf(c.teacher_dir, sizeof(c.teacher_dir), "%.2500s/../models/stories260k",
                   golden ? golden : "");
    (void)snprintf(path, sizeof(path), "%s/curve.json", c.root);
    if (!golden || access(path, R_OK)) {
        tap_skip(&tap, "curve", "no golden curve");
        free(golden);
        return tap_done(&tap);
    }
    if (tap_ok(&tap,
               !json_load(&c.doc, path, &err) && load(&c.train, c.root, "train_tokens.u16.bin") &&
                   load(&c.held, c.root, "eval_tokens.u16.bin") &&
                   load(&c.order, c.root, "order.i32.bin") &&
                   !model_open(&c.teacher, c.teacher_dir, &mo, &err),
               "curve: data and teacher %s", err.msg))
        for (const json_val *s = json_first(json_get(c.doc, "students")); s; s = json_next(s)) {
            double drift = 0;

            /* what says little is left out: losses that rounding alone moves that much */
            (void)json_num(json_get(s, "max_abs_train_loss_diff_f32_f64"), &drift);
            if (drift < 1e-3)
                student(&tap, &c, s);
        }
    json_free(c.doc);
    map_release(&c.train);
    map_release(&c.held);
    map_release(&c.order);
    model_free(c.teacher);
    free(golden);
    return tap_done(&tap);
}
