/* Students cut out of every golden checkpoint: with all of it the same logits, with fewer layers or
 * narrower ones a model that opens and gives finite logits; what cannot be cut is refused by name. */

#include "distill/student.h"
#include "formats/base/cpu.h"
#include "runtime/session.h"
#include "tests/models.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TOK = 12, N_SEQ = 2 };

struct run {
    struct model *m;
    float *logits; /* [N_TOK, n_vocab] */
    size_t n;
};

static void run_free(struct run *r)
{
    model_free(r->m);
    free(r->logits);
    *r = (struct run){0};
}

static int run_eval(struct run *r, struct err *err)
{
    const struct par par = par_init(1);
    struct sess *s = NULL;
    int32_t ids[N_TOK];

    r->n = N_TOK * model_n_vocab(r->m);
    r->logits = calloc(r->n, sizeof(float));
    for (size_t i = 0; i < N_TOK; i++)
        ids[i] = (int32_t)((i * 37 + 5) % model_n_vocab(r->m));
    int rc = r->logits ? sess_new(&s, r->m, N_TOK, N_TOK, &par, err) : err_nomem(err);
    if (!rc)
        rc = sess_eval(s, ids, N_TOK, r->logits, N_TOK, err);
    sess_free(s);
    return rc;
}

static int run_open(struct run *r, const char *path, struct err *err)
{
    const struct model_opts opts = {.cpu = cpu_detect(), .math = KERN_F32};
    int rc;

    *r = (struct run){0};
    rc = model_open(&r->m, path, &opts, err);
    return rc ? rc : run_eval(r, err);
}

static double worst(const struct run *a, const struct run *b)
{
    double d = a->n == b->n ? 0 : HUGE_VAL;

    for (size_t i = 0; i < a->n && i < b->n; i++) {
        const double e = fabs((double)a->logits[i] - (double)b->logits[i]);
        if (!(e <= d))
            d = isnan(e) ? HUGE_VAL : e;
    }
    return d;
}

static bool is_finite(const struct run *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!isfinite(r->logits[i]))
            return false;
    return true;
}

/* Make it and run it; ERR_ARG and ERR_UNSUPPORTED are answers too. */
static int cut(struct run *out, struct student_about *about, const struct model *teacher,
               const struct student_spec *spec, const char *path, struct err *err)
{
    const struct par par = par_init(1);
    int32_t ids[N_SEQ * N_TOK];
    const struct student_sample sample = {ids, N_SEQ, N_TOK};

    *out = (struct run){0};
    for (size_t i = 0; i < N_SEQ * N_TOK; i++)
        ids[i] = (int32_t)((i * 53 + 1) % model_n_vocab(teacher));
    int rc = student_make(about, path, spec, teacher, &sample, &par, NULL, err);
    if (!rc)
        rc = run_open(out, path, err);
    (void)unlink(path);
    return rc;
}

static void try_all(struct tap *t, const char *name, struct run *teacher, const char *path)
{
    const struct student_spec spec = {0};
    struct student_about about = {0};
    struct err err = {0};
    struct run got, again = {0};
    int rc = cut(&got, &about, teacher->m, &spec, path, &err);
    const double d = rc ? HUGE_VAL : worst(&got, teacher);

    (void)tap_ok(t, !rc && d <= 2e-5, "%s: all of it, %.3g from the teacher%s%s", name, d,
                 rc ? ": " : "", rc ? err.msg : "");
    (void)tap_ok(t, rc || about.n_params == about.n_params_teacher, "%s: as many parameters", name);
    student_about_release(&about);
    run_free(&got);
    run_free(&again);
}

static void try_cut(struct tap *t, const char *name, const struct model *teacher,
                    const struct student_spec *spec, const char *what, const char *path)
{
    struct student_about about = {0}, planned = {0};
    struct err err = {0};
    struct run got;
    const int rc = cut(&got, &about, teacher, spec, path, &err);
    const bool refused = rc == ERR_UNSUPPORTED || rc == ERR_ARG;

    (void)tap_ok(t, refused || (!rc && is_finite(&got)), "%s: %s%s%s", name, what, rc ? ": " : "",
                 rc ? err.msg : "");
    if (!rc && !student_plan(&planned, spec, model_source(teacher), &err))
        /* which layers of different sizes will be kept is not known before */
        (void)tap_ok(t,
                     planned.layers == about.layers &&
                         (about.influence || planned.n_params == about.n_params),
                     "%s: %s: as planned, %.3g of the teacher", name, what,
                     (double)about.n_params / (double)about.n_params_teacher);
    student_about_release(&about);
    run_free(&got);
}

static void one(struct tap *t, const json_val *entry, const char *dir, const char *out)
{
    const char *name = json_str(json_get(entry, "name"));
    struct student_about about = {0};
    const struct student_spec none = {0};
    struct err err = {0};
    struct run teacher;
    char list[32];

    if (run_open(&teacher, dir, &err) ||
        student_plan(&about, &none, model_source(teacher.m), &err)) {
        (void)tap_ok(t, false, "%s: %s", name, err.msg);
        run_free(&teacher);
        return;
    }
    try_all(t, name, &teacher, out);
    (void)snprintf(list, sizeof(list), "0,%d", (int)about.layers - 1);
    const struct student_spec depth = {.layers = about.layers > 2 ? list : "0-0"};
    try_cut(t, name, teacher.m, &depth, "first and last layer", out);
    const struct student_spec depth_1 = {.layers = "1"};
    try_cut(t, name, teacher.m, &depth_1, "the layer of most influence", out);
    const struct student_spec ffn = {.ffn = about.ffn / 2};
    try_cut(t, name, teacher.m, &ffn, "half the feed-forward", out);
    const struct student_spec kv = {.kv_heads = (about.kv_heads + 1) / 2};
    try_cut(t, name, teacher.m, &kv, "half the heads", out);
    const struct student_spec hidden = {.hidden = about.hidden / 2};
    try_cut(t, name, teacher.m, &hidden, "half the channels", out);
    const struct student_spec both = {.hidden = about.hidden / 2,
                                      .ffn = about.ffn / 2,
                                      .kv_heads = (about.kv_heads + 1) / 2,
                                      .layers = "1"};
    try_cut(t, name, teacher.m, &both, "half of everything", out);
    student_about_release(&about);
    run_free(&teacher);
}

int main(void)
{
    return models_each("students of golden models", one);
}
