#include "eval/collect.h"
#include "eval/imstats.h"
#include "formats/moments.h"
#include "tests/oom/alloc.h"
#include "tests/small.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CTX = 5, TOKENS = 2 * CTX };

struct paths {
    const char *model, *imatrix, *moments;
};

/* A model's sums and second moments, written. */
static int collect(void *arg, struct err *err)
{
    const struct paths *p = arg;
    const struct model_opts mo = {.math = KERN_F32};
    int32_t ids[TOKENS];
    const struct windows text = {
        .ids = {.id = ids, .n = TOKENS},
          .n_ctx = CTX, .n = 2
    };
    struct collect c = {.text = &text, .par = {1}};
    struct imatrix *im = NULL;
    struct model *m = NULL;

    small_ids(ids, TOKENS, 3);
    int rc = model_open(&m, p->model, &mo, err);
    c.model = m;
    if (!rc)
        rc = collect_sums(&im, &c, err);
    if (!rc)
        rc = imatrix_add_dataset(im, "a text", err);
    if (!rc)
        rc = collect_moments(&c, p->moments, 1, err);
    if (!rc)
        rc = imatrix_write(im, p->imatrix, err);
    imatrix_free(im);
    collect_release(&c);
    model_free(m);
    return rc;
}

static const uint8_t legacy[] = {
    1, 0, 0, 0, 1, 0, 0, 0, 'x', 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, /* x: 1 of 0.5 */
    2, 0, 0, 0, 1, 0, 0, 0, 't',                                      /* 2 chunks of t */
};

static int read_old(void *arg, struct err *err)
{
    struct imatrix *im;
    const int rc = imatrix_parse(&im, legacy, sizeof(legacy), err);

    (void)arg;
    imatrix_free(im);
    return rc;
}

/* Read, joined with itself and another weight, described. */
static int use(void *arg, struct err *err)
{
    const struct paths *p = arg;
    const struct imatrix_entry shapes[] = {
        {"blk.0.attn_q.weight", SMALL_EMBD, 1, NULL, NULL},
        {"another",             4,          2, NULL, NULL},
    };
    struct imatrix *a = NULL, *b = NULL;
    struct buf text = {0};
    int rc = imatrix_read(&a, p->imatrix, err);

    if (!rc)
        rc = imatrix_new(&b, shapes, 2, err);
    if (!rc)
        rc = imatrix_merge(b, a, err);
    if (!rc)
        rc = imstats_text(&text, b, err);
    if (!rc)
        rc = imstats_json(&text, b, err);
    buf_release(&text);
    imatrix_free(a);
    imatrix_free(b);
    return rc;
}

static int use_moments(void *arg, struct err *err)
{
    const struct paths *p = arg;
    struct moments *m = NULL;
    float *v = NULL;
    int rc = moments_open(&m, p->moments, err);

    if (!rc && !(v = malloc(SMALL_FF * SMALL_FF * sizeof(*v))))
        rc = err_nomem(err);
    if (!rc)
        rc = moments_read(v, m, moments_at(m, 0), 0, err);
    free(v);
    moments_free(m);
    return rc;
}

int main(void)
{
    const struct small_tweak plain = {0};
    char imatrix[64], moments[64];
    struct tap t = {0};
    struct small small;
    struct err err = {0};
    struct paths p = {small.path, imatrix, moments};

    (void)snprintf(imatrix, sizeof(imatrix), "/tmp/pare-oom-%ld.im", (long)getpid());
    (void)snprintf(moments, sizeof(moments), "/tmp/pare-oom-%ld.xx", (long)getpid());
    if (tap_ok(&t, !small_new(&small, &plain, &err), "a model to run %s", err.msg)) {
        alloc_each(&t, "collecting", collect, &p);
        alloc_each(&t, "an importance matrix", use, &p);
        alloc_each(&t, "second moments", use_moments, &p);
    }
    alloc_each(&t, "the legacy layout", read_old, NULL);
    (void)unlink(imatrix);
    (void)unlink(moments);
    small_free(&small);
    return tap_done(&t);
}
