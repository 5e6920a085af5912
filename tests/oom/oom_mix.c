#include "formats/apart.h"
#include "quant/diff.h"
#include "quant/job.h"
#include "quant/mix.h"
#include "tests/oom/alloc.h"
#include "tests/small.h"

static const struct par one = {.n_threads = 1};

/* Types, patterns, files as the source has them, and the size that all of it will have. */
static int plan(void *arg, struct err *err)
{
    static const struct mix_override over[] = {
        {"attn_[qk]", DTYPE_Q8_0},
        {"ffn",       DTYPE_Q5_1}
    };
    const struct source_opts so = {0};
    const struct job_opts opts = {
        .mix = mix_by_name("Q4_K_M"),
        .mix_opts = {.overrides = over, .n_overrides = 2},
        .size_only = true,
        .keep_split = true,
        .par = one
    };
    struct source *s = NULL;
    struct job *job = NULL;
    uint64_t bytes;
    int rc = apart("/nowhere", arg, true, err);

    if (!rc)
        rc = source_open(&s, arg, &so, err);
    if (!rc)
        rc = job_new(&job, s, &opts, err);
    if (!rc)
        rc = pipe_size(&bytes, job_pipe(job), err);
    job_free(job);
    source_free(s);
    return rc;
}

static int compare(void *arg, struct err *err)
{
    const struct source_opts so = {0};
    struct source *s = NULL;
    struct diff d = {0};
    int rc = source_open(&s, arg, &so, err);

    if (!rc)
        rc = diff_models(&d, s, s, &one, NULL, err);
    diff_release(&d);
    source_free(s);
    return rc;
}

int main(void)
{
    const struct small_tweak plain = {0};
    struct tap t = {0};
    struct small small;
    struct err err = {0};

    if (tap_ok(&t, !small_new(&small, &plain, &err), "a model to plan for %s", err.msg)) {
        alloc_each(&t, "types and sizes", plan, small.path);
        alloc_each(&t, "diff", compare, small.path);
    }
    small_free(&small);
    return tap_done(&t);
}
