#include "runtime/model.h"
#include "runtime/sample.h"
#include "runtime/session.h"
#include "tests/oom/alloc.h"
#include "tests/small.h"

#include <stdlib.h>

enum { N = 12 };

struct run {
    const char *path;
    size_t calls; /* allocations during sess_eval */
};

static int open_and_run(void *arg, struct err *err)
{
    const struct model_opts mo = {.math = KERN_F32};
    const struct sample_opts so = {.temperature = 1, .top_p = 0.9};
    const struct par par = {.n_threads = 1};
    struct run *run = arg;
    struct model *m = NULL;
    struct sess *s = NULL;
    struct sampler *sampler = NULL;
    float logits[SMALL_VOCAB];
    int32_t ids[N + 1];
    int rc = model_open(&m, run->path, &mo, err);

    small_ids(ids, N, 1);
    if (!rc)
        rc = sess_new(&s, m, N + 1, N, &par, err);
    if (!rc)
        rc = sampler_new(&sampler, &so, SMALL_VOCAB, err);
    const size_t before = alloc_calls();
    if (!rc)
        rc = sess_eval(s, ids, N, logits, 1, err);
    if (!rc)
        rc = sampler_next(&ids[N], sampler, logits, err);
    if (!rc)
        rc = sess_eval(s, ids + N, 1, logits, 1, err);
    run->calls = alloc_calls() - before;
    sampler_free(sampler);
    sess_free(s);
    model_free(m);
    return rc;
}

int main(void)
{
    const struct small_tweak plain = {0};
    struct tap t = {0};
    struct small small;
    struct err err = {0};
    struct run run = {.path = small.path};

    if (tap_ok(&t, !small_new(&small, &plain, &err), "a model to run %s", err.msg)) {
        alloc_each(&t, "model and session", open_and_run, &run);
        (void)tap_ok(&t, run.calls == 0, "evaluating and sampling allocate nothing");
    }
    small_free(&small);
    return tap_done(&t);
}
