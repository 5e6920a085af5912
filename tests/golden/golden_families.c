/* Every golden model quantizes with every mix, and what was written runs: finite
 * logits, and tokens picked greedily, from the checkpoint to the text's end. */

#include "formats/base/cpu.h"
#include "formats/base/json.h"
#include "quant/job.h"
#include "quant/pipeline.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "tests/models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 4 };

static int write_mix(const char *to, const struct source *s, const struct mix *mix, struct err *err)
{
    const struct job_opts o = {.mix = mix,
                               .source_sha256 = "",
                               .effort = EFFORT_FAST,
                               .cpu = cpu_detect(),
                               .par = par_init(1)};
    struct pipe_result result;
    struct job *job;
    int rc = job_new(&job, s, &o, err);

    if (rc)
        return rc;
    rc = pipe_write(&result, to, job_pipe(job), err);
    job_free(job);
    return rc;
}

static int32_t best(const float *x, size_t n)
{
    size_t at = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[at])
            at = i;
    return (int32_t)at;
}

/* A prompt of three ids, then the best token a few times. */
static int generate(const struct model *m, struct err *err)
{
    const struct par par = par_init(1);
    const size_t n_vocab = model_n_vocab(m);
    int32_t ids[3 + STEPS] = {1, 2, 3};
    struct sess *s = NULL;
    float *logits = calloc(n_vocab, sizeof(*logits));
    int rc = logits ? sess_new(&s, m, 3 + STEPS, 3, &par, err) : err_nomem(err);

    if (!rc)
        rc = sess_eval(s, ids, 3, logits, 1, err);
    for (size_t i = 3; !rc && i < 3 + STEPS; i++) {
        for (size_t k = 0; !rc && k < n_vocab; k++)
            if (!isfinite(logits[k]))
                rc = err_set(err, ERR_FORMAT, "a logit that is not finite");
        ids[i] = best(logits, n_vocab);
        if (!rc)
            rc = sess_eval(s, &ids[i], 1, logits, 1, err);
    }
    sess_free(s);
    free(logits);
    return rc;
}

/* Can the mix be tried without an importance matrix, and do the rows fit it? */
static bool applies(const struct source *s, const struct mix *mix)
{
    const struct mix_opts opts = {0};
    enum dtype *types = calloc(source_n_tensors(s) + 1, sizeof(*types));
    struct err err;
    bool yes = types && !mix_types(types, mix, s, &opts, &err);

    for (size_t i = 0; yes && i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        yes = !mix_needs_importance(mix, t->row ? t->row->role : ROLE_NONE, types[i]);
    }
    free(types);
    return yes;
}

static bool check(const struct source *s, const struct mix *mix, const char *to, struct err *err)
{
    static const struct log silent;
    const struct model_opts o = {.cpu = cpu_detect(), .math = KERN_INT16, .log = &silent};
    struct model *m = NULL;
    int rc = write_mix(to, s, mix, err);

    if (!rc)
        rc = model_open(&m, to, &o, err);
    if (!rc)
        rc = generate(m, err);
    model_free(m);
    (void)unlink(to);
    return !rc;
}

static void check_model(struct tap *t, const json_val *entry, const char *dir, const char *to)
{
    static const struct log silent;
    const char *name = json_str(json_get(entry, "name"));
    struct source_opts so = {.pre = json_str(json_get(entry, "pre_tokenizer_override")),
                             .log = &silent};
    struct source *s = NULL;
    struct err err = {0};
    size_t n = 0, good = 0;
    const struct mix *mix;

    if (source_open(&s, dir, &so, &err) == ERR_UNSUPPORTED) {
        tap_skip(t, name, err.msg);
        return;
    }
    for (size_t i = 0; s && (mix = mix_at(i)); i++) {
        if (!applies(s, mix))
            continue;
        n++;
        if (check(s, mix, to, &err))
            good++;
        else
            tap_note("%s: %s", mix_name(mix), err.msg);
    }
    if (!s)
        tap_note("%s", err.msg);
    (void)tap_ok(t, n && good == n, "%s: %zu of %zu mixes quantize and generate", name, good, n);
    source_free(s);
}

int main(void)
{
    return models_each("families", check_model);
}
