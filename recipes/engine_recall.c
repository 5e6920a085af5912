/* What finished steps left, and what is foreseen of the others. */

#include "recipes/engine_impl.h"

#include <string.h>
#include <unistd.h>

static bool serious(const struct err *err)
{
    return err->code == ERR_NOMEM || err->code == ERR_INTERRUPTED;
}

static const char *const kind_name[] = {[ENGINE_CALIBRATE] = "calibrate",
                                        [ENGINE_CONVERT] = "convert",
                                        [ENGINE_QUANTIZE] = "quantize",
                                        [ENGINE_EVALUATE] = "evaluate"};

/* ---- records ---------------------------------------------------------------------------------- */

static int write_record(struct buf *b, const struct branch *br, const struct engine_step *s,
                        const struct record *r, const struct eval_about *about, struct err *err)
{
    struct json_out j = json_out_init(b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "step", kind_name[s->kind]);
    json_put_str(&j, "recipe", br->recipe->name);
    json_put_str(&j, "name", s->name);
    json_put_uint(&j, "bytes", r->model.bytes);
    if (*r->object)
        json_put_str(&j, "object", r->object);
    if (*r->beside)
        json_put_str(&j, "beside", r->beside);
    if (r->model.type)
        report_model_put(&j, "model", &r->model);
    if (about) {
        json_open(&j, "about", '{');
        eval_about_put(&j, about);
        json_close(&j, '}');
    }
    json_close(&j, '}');
    return buf_check(b, err);
}

/* A file that can't be kept costs time later, nothing else. */
static int keep(struct branch *b, const char *path, const char *hex, struct err *err)
{
    struct err why = {0};

    if (!*hex || !store_keep(b->e->store, path, hex, &why))
        return 0;
    if (serious(&why)) {
        *err = why;
        return why.code;
    }
    log_warn(&b->e->log, "not kept in the cache: %s", why.msg);
    return 0;
}

int engine_remember(struct branch *b, const struct engine_step *s, const struct record *r,
                    const struct eval_about *about, struct err *err)
{
    struct buf text = {0}, beside = {0};
    int rc = write_record(&text, b, s, r, about, err);

    if (!rc)
        rc = keep(b, s->path, r->object, err);
    if (!rc && *r->beside) {
        buf_fmt(&beside, "%s.json", s->path);
        rc = buf_check(&beside, err);
        if (!rc)
            rc = keep(b, beside.p, r->beside, err);
    }
    if (!rc)
        rc = store_put(b->e->store, s->key, &text, err);
    buf_release(&beside);
    buf_release(&text);
    return rc ? rc : cache_save(b->e->cache, err);
}

static void get_hex(char hex[HASH_HEX_BYTES], const json_val *v)
{
    const char *text = json_str(v);

    *hex = '\0';
    if (text && strlen(text) == HASH_HEX_BYTES - 1 &&
        strspn(text, "0123456789abcdef") == HASH_HEX_BYTES - 1)
        memcpy(hex, text, HASH_HEX_BYTES);
}

/* ---- finished? -------------------------------------------------------------------------------- */

/* Is the file there, with that digest, or can it be fetched from the store? */
static int have_file(bool *have, struct branch *b, const char *path, const char *hex,
                     struct err *err)
{
    struct err why = {0};
    char now[HASH_HEX_BYTES];
    int rc = 0;

    *have =
        !access(path, R_OK) && !cache_hash_file(now, b->e->cache, path, &why) && !strcmp(now, hex);
    if (!*have && b->e->opts->plan_only)
        *have = store_has(b->e->store, hex);
    else if (!*have && !serious(&why)) {
        why = (struct err){0};
        if (store_fetch(have, b->e->store, hex, path, &b->e->log, &why))
            *have = false;
    }
    if (serious(&why)) {
        *err = why;
        rc = why.code;
    }
    return rc;
}

/* Texts go to the arena, under its lock. */
static int get_model(struct report_model *out, struct branch *b, const json_val *v, struct err *err)
{
    (void)pthread_mutex_lock(&b->e->lock);
    const int rc = report_model_get(out, &b->e->arena, v, err);
    (void)pthread_mutex_unlock(&b->e->lock);
    return rc;
}

/* *found: the step's record is there, and its files are what they were. *out is owned, *doc too
 * (or NULL). A model is asked for with `model`. */
static int recall(struct record *out, json_val **doc, bool *found, struct branch *b,
                  const struct engine_step *s, bool model, struct err *err)
{
    struct err ignored = {0};
    int64_t bytes = 0;
    int rc = store_get(doc, b->e->store, s->key, err);

    *found = false;
    *out = (struct record){0};
    if (rc || !*doc)
        return rc;
    get_hex(out->object, json_get(*doc, "object"));
    get_hex(out->beside, json_get(*doc, "beside"));
    (void)json_int(json_get(*doc, "bytes"), &bytes);
    *found = !s->path || *out->object;
    if (*found && s->path)
        rc = have_file(found, b, s->path, out->object, err);
    if (!rc && *found && *out->beside) {
        struct buf beside = {0};
        buf_fmt(&beside, "%s.json", s->path);
        rc = buf_check(&beside, err);
        if (!rc)
            rc = have_file(found, b, beside.p, out->beside, err);
        buf_release(&beside);
    }
    if (!rc && *found && model && get_model(&out->model, b, json_get(*doc, "model"), &ignored))
        *found = false;
    out->model.bytes = (uint64_t)bytes;
    if (serious(&ignored)) {
        *err = ignored;
        rc = ignored.code;
    }
    return rc;
}

int engine_recall_calibrate(struct branch *b, struct err *err)
{
    struct record r;
    json_val *doc = NULL;
    bool found = false;
    int rc = b->calibrate ? recall(&r, &doc, &found, b, b->calibrate, false, err) : 0;

    if (!rc && found) {
        b->calibrate->state = ENGINE_CACHED;
        b->calibrate->bytes = r.model.bytes;
    }
    json_free(doc);
    return rc;
}

int engine_recall_make(struct branch *b, size_t variant, struct err *err)
{
    struct variant *v = &b->variant[variant];
    json_val *doc = NULL;
    struct record r;
    bool found;
    int rc = recall(&r, &doc, &found, b, v->make, true, err);

    if (!rc && found) {
        v->make->state = ENGINE_CACHED;
        v->make->bytes = r.model.bytes;
        memcpy(v->hex, r.object, sizeof(v->hex));
        report_model_release(&b->model[variant + 1]);
        b->model[variant + 1] = r.model;
        b->model[variant + 1].sha256 = v->hex;
    } else {
        report_model_release(&r.model);
    }
    json_free(doc);
    return rc;
}

static int recall_about(bool *found, struct branch *b, const json_val *v, struct err *err)
{
    struct err why = {0};
    struct eval_about about = {0};

    *found = !eval_about_get(&about, v, &why);
    if (!*found) {
        eval_about_release(&about);
        if (serious(&why))
            *err = why;
        return serious(&why) ? why.code : 0;
    }
    eval_about_release(&b->about);
    b->about = about;
    return 0;
}

/* An evaluation's record holds all of its model; the name may have changed since. model: 0 is
 * the original. */
int engine_recall_score(struct branch *b, size_t model, struct err *err)
{
    struct engine_step *s = model ? b->variant[model - 1].score : b->score_original;
    json_val *doc = NULL;
    struct record r;
    bool found;
    int rc;

    if (!s)
        return 0;
    rc = recall(&r, &doc, &found, b, s, true, err);
    if (!rc && found && !model)
        rc = recall_about(&found, b, json_get(doc, "about"), err);
    if (!rc && found) {
        s->state = ENGINE_CACHED;
        report_model_release(&b->model[model]);
        b->model[model] = r.model;
        b->model[model].sha256 = model ? b->variant[model - 1].hex : b->model_sha;
    } else {
        report_model_release(&r.model);
    }
    json_free(doc);
    return rc;
}

int engine_recall(struct branch *b, struct err *err)
{
    int rc = engine_recall_calibrate(b, err);

    for (size_t i = 0; !rc && i < b->recipe->n_quant; i++)
        rc = engine_recall_make(b, i, err);
    for (size_t i = 0; !rc && i <= b->recipe->n_quant; i++)
        rc = engine_recall_score(b, i, err);
    return rc;
}

/* ---- sizes of what is not there yet ------------------------------------------------------------ */

static int foresee_size(struct branch *b, struct variant *v, struct err *err)
{
    struct job *job;
    int rc = engine_source(b, err);

    if (!rc)
        rc = engine_job(&job, b, v, true, &b->e->opts->par, err);
    if (rc)
        return rc;
    rc = pipe_size(&v->make->bytes, job_pipe(job), err);
    job_free(job);
    return rc;
}

static bool of_branch(const struct branch *b, const struct engine_step *s)
{
    return s->branch == b->recipe->suffix;
}

int engine_foresee(struct branch *b, struct err *err)
{
    struct engine *e = b->e;
    bool all = true;
    int rc = 0;

    for (size_t i = 0; !rc && i < b->recipe->n_quant; i++)
        if (b->variant[i].make->state != ENGINE_CACHED)
            rc = foresee_size(b, &b->variant[i], err);
    for (size_t i = 0; i < e->n_steps; i++)
        if (of_branch(b, &e->step[i]) && e->step[i].kind != ENGINE_REPORT)
            all = all && e->step[i].state == ENGINE_CACHED;
    if (rc || !all)
        return rc;
    engine_compose(b);
    rc = engine_check_gates(b, err);
    for (size_t i = 0; !rc && i < e->n_steps; i++)
        if (of_branch(b, &e->step[i]) && e->step[i].kind == ENGINE_REPORT)
            rc = engine_write_report(b, &e->step[i], false, err);
    return rc;
}
