#include "distill/data.h"
#include "distill/teacher.h"
#include "runtime/model.h"
#include "tests/oom/alloc.h"
#include "tests/small.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 6, WINDOWS = 2, ROWS = 4 };

static const char hex[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct paths {
    const char *model, *cache;
    enum teacher_keep keep;
};

static int read_all(struct teacher *t, const struct data *d, struct err *err)
{
    struct loss_target target[ROWS];
    int rc = 0;

    for (size_t w = 0; !rc && w < WINDOWS; w++) {
        rc = teacher_sequence(t, w, data_window(d, w).ids, NULL, N, err);
        if (!rc)
            rc = teacher_rows(target, t, 0, ROWS, err);
    }
    return rc;
}

/* A live teacher, a cache of it, and that read. */
static int both(void *arg, struct err *err)
{
    static const size_t layers[] = {0};
    const struct paths *p = arg;
    const struct model_opts mo = {.math = KERN_F32};
    const struct teacher_cache_opts co = {
        .keep = p->keep, .k = 3, .temperature = 1, .model_hex = hex};
    struct teacher_opts o = {.n_vocab = SMALL_VOCAB,
                             .n_tok = N,
                             .n_rows = ROWS,
                             .layers = layers,
                             .n_layers = 1,
                             .par = {1}};
    struct teacher_cache_result result;
    struct teacher *t = NULL, *cached = NULL;
    struct model *m = NULL;
    struct data *d = NULL;
    int32_t ids[WINDOWS * N];

    small_ids(ids, WINDOWS * N, 3);
    int rc = model_open(&m, p->model, &mo, err);
    if (!rc)
        rc = data_of_ids(&d, ids, (size_t)WINDOWS * N, N, err);
    if (!rc)
        rc = teacher_live(&t, m, &o, err);
    if (!rc)
        rc = read_all(t, d, err);
    if (!rc)
        rc = teacher_cache_write(&result, p->cache, t, d, &co, err);
    o.n_layers = 0;
    if (!rc)
        rc = teacher_cached(&cached, p->cache, &co, d, &o, err);
    if (!rc)
        rc = read_all(cached, d, err);
    teacher_free(cached);
    teacher_free(t);
    data_free(d);
    model_free(m);
    return rc;
}

int main(void)
{
    const struct small_tweak plain = {0};
    char cache[] = "/tmp/pare-oom-XXXXXX";
    struct tap t = {0};
    struct small small;
    struct err err = {0};
    struct paths p = {.model = small.path, .cache = cache, .keep = TEACHER_TOP_K};

    const int fd = mkstemp(cache);
    if (tap_ok(&t, fd >= 0 && !small_new(&small, &plain, &err), "a model to learn from %s",
               err.msg)) {
        alloc_each(&t, "a live teacher, a cache of the likeliest tokens", both, &p);
        p.keep = TEACHER_SAMPLED;
        alloc_each(&t, "a cache of draws", both, &p);
    }
    if (fd >= 0)
        (void)close(fd);
    (void)unlink(cache);
    small_free(&small);
    return tap_done(&t);
}
