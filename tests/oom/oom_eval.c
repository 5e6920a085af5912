/* Measuring a text without memory: models side by side, what they said in a file, and
 * whether two texts share a run. */
#include "eval/about.h"
#include "eval/eval.h"
#include "eval/logits_file.h"
#include "eval/overlap.h"
#include "formats/base/out.h"
#include "tests/oom/alloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Words enough for two windows and for a run that two texts share. */
static const char text[] =
    "Once upon a time there was a little girl who had a red ball. She liked to play with it in the "
    "park all day long. One day the ball rolled down the hill and into the river, and the girl was "
    "very sad. Then a big dog came and said that it could swim, so it jumped into the water and "
    "brought the ball back to her. The girl was happy and gave the dog a hug.";

struct given {
    struct model *model;
    char logits[64], copy[64]; /* files: what the model said; the text */
};

/* A window of the least length. */
static struct eval_opts options(void)
{
    return (struct eval_opts){
        .text_name = "text", .n_ctx = EVAL_CTX_MIN, .n_chunks = 1, .par = par_init(1)};
}

/* A model beside an original, also with fast kernels; the original's logits saved. */
static int use_models(void *arg, struct err *err)
{
    const struct given *g = arg;
    const struct model *const models[] = {g->model};
    struct eval_opts o = options();
    struct eval_result r, original;

    o.fast = true;
    o.save = g->logits;
    const int rc = eval_text(&r, &original, models, 1, g->model, text, sizeof(text) - 1, &o, err);
    eval_result_release(&r);
    eval_result_release(&original);
    return rc;
}

/* The file that use_models left, as the original. */
static int use_file(void *arg, struct err *err)
{
    const struct given *g = arg;
    const struct model *const models[] = {g->model};
    struct eval_opts o = options();
    struct eval_result r = {0}, original = {0};
    struct eval_about about = {0};
    struct logits_file *f;
    int rc = logits_file_open(&f, g->logits, err);

    o.logits = f;
    if (!rc)
        rc = eval_text(&r, &original, models, 1, NULL, NULL, 0, &o, err);
    if (!rc)
        rc = eval_about_text(&about, g->model, NULL, 0, &o, err);
    eval_about_release(&about);
    eval_result_release(&r);
    eval_result_release(&original);
    logits_file_free(f);
    return rc;
}

static int use_overlap(void *arg, struct err *err)
{
    const struct given *g = arg;
    const struct overlap_text b = {"text", text, sizeof(text) - 1};
    const int rc = overlap_check_named(model_tok(g->model), g->copy, "somewhere/model", &b, err);

    if (rc == ERR_FORMAT && strstr(err->msg, "share a run of"))
        return 0;
    return rc ? rc : err_set(err, ERR_FORMAT, "no run is shared");
}

int main(void)
{
    const struct model_opts mo = {.math = EVAL_MATH};
    struct given g = {0};
    struct tap t = {0};
    struct err err = {0};
    int rc = model_open(&g.model, "recipes/demo", &mo, &err);

    (void)snprintf(g.logits, sizeof(g.logits), "/tmp/pare-oom-%ld.logits", (long)getpid());
    (void)snprintf(g.copy, sizeof(g.copy), "/tmp/pare-oom-%ld.txt", (long)getpid());
    if (!rc)
        rc = out_file(g.copy, text, sizeof(text) - 1, &err);
    if (tap_ok(&t, !rc, "a model and a text %s", err.msg)) {
        alloc_each(&t, "models side by side", use_models, &g);
        alloc_each(&t, "a logits file for the original", use_file, &g);
        alloc_each(&t, "texts that share a run", use_overlap, &g);
    }
    (void)unlink(g.logits);
    (void)unlink(g.copy);
    model_free(g.model);
    return tap_done(&t);
}
