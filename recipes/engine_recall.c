/* What finished steps left, and what is foreseen of the others. */

#include "recipes/engine_impl.h"

#include <string.h>
#include <unistd.h>

static bool serious(const struct err *err)
{
    return err->code == ERR_NOMEM || err->code == ERR_INTERRUPTED;
}

static bool of_branch(const struct branch *b, const struct engine_step *s)
{
    return s->branch == b->recipe->suffix;
}

/* ---- records ---------------------------------------------------------------------------------- */

static int write_record(struct buf *b, const struct branch *br, const struct engine_step *s,
                        const struct report_model *model, const struct eval_about *about,
                        struct err *err)
{
    struct json_out j = json_out_init(b, false);

    json_open(&j, NULL, '{');
    json_put_str(&j, "step", engine_kind_name(s->kind));
    json_put_str(&j, "recipe", br->recipe->name);
    json_put_str(&j, "name", s->name);
    json_put_uint(&j, "bytes", s->bytes);
    json_open(&j, "objects", '[');
    for (size_t i = 0; i < s->n_files; i++)
        json_put_str(&j, NULL, s->file[i].sha256);
    json_close(&j, ']');
    if (model)
        report_model_put(&j, "model", model);
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

    if (!store_keep(b->e->store, path, hex, &why))
        return 0;
    if (serious(&why)) {
        *err = why;
        return why.code;
    }
    log_warn(&b->e->log, "not kept in the cache: %s", why.msg);
    return 0;
}

int engine_hash_files(struct branch *b, struct engine_step *s, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < s->n_files; i++)
        rc = cache_hash_file(s->file[i].sha256, b->e->cache, s->file[i].path, err);
    return rc;
}

int engine_remember(struct branch *b, const struct engine_step *s, const struct report_model *model,
                    const struct eval_about *about, struct err *err)
{
    struct buf text = {0};
    int rc = write_record(&text, b, s, model, about, err);

    for (size_t i = 0; !rc && i < s->n_files; i++)
        rc = keep(b, s->file[i].path, s->file[i].sha256, err);
    if (!rc)
        rc = store_put(b->e->store, s->key, &text, err);
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

/* Are all files that the record names there? */
static int have_files(bool *have, struct branch *b, struct engine_step *s, const json_val *objects,
                      struct err *err)
{
    const json_val *hex = json_first(objects);
    int rc = 0;

    *have = json_len(objects) == s->n_files;
    for (size_t i = 0; !rc && *have && i < s->n_files; i++, hex = json_next(hex)) {
        struct engine_file *f = &s->file[i];
        get_hex(f->sha256, hex);
        *have = *f->sha256;
        if (*have)
            rc = have_file(have, b, f->path, f->sha256, err);
    }
    return rc;
}

int engine_recall_step(bool *found, struct report_model *model, json_val **doc, struct branch *b,
                       struct engine_step *s, struct err *err)
{
    struct err ignored = {0};
    int64_t bytes = 0;
    int rc = store_get(doc, b->e->store, s->key, err);

    *found = false;
    if (rc || !*doc)
        return rc;
    rc = have_files(found, b, s, json_get(*doc, "objects"), err);
    if (!rc && *found && model && get_model(model, b, json_get(*doc, "model"), &ignored))
        *found = false;
    if (*found && json_int(json_get(*doc, "bytes"), &bytes))
        s->bytes = (uint64_t)bytes;
    if (serious(&ignored)) {
        *err = ignored;
        rc = ignored.code;
    }
    return rc;
}

int engine_recall(struct branch *b, struct err *err)
{
    struct engine *e = b->e;
    int rc = 0;

    for (size_t i = 0; !rc && i < e->n_steps; i++) {
        const struct engine_ops *ops = engine_ops(e->step[i]->kind);
        if (of_branch(b, e->step[i]) && ops->recall)
            rc = ops->recall(b, e->step[i], err);
    }
    return rc;
}

/* ---- sizes of what is not there yet ------------------------------------------------------------ */

int engine_foresee(struct branch *b, struct err *err)
{
    struct engine *e = b->e;
    bool all = true;
    int rc = 0;

    for (size_t i = 0; !rc && i < b->recipe->n_quant; i++)
        if (b->variant[i].make->state != ENGINE_CACHED)
            rc = engine_foresee_size(b, &b->variant[i], err);
    for (size_t i = 0; i < e->n_steps; i++)
        if (of_branch(b, e->step[i]) && e->step[i]->kind != ENGINE_REPORT)
            all = all && e->step[i]->state == ENGINE_CACHED;
    if (rc || !all)
        return rc;
    engine_compose(b);
    rc = engine_check_gates(b, err);
    for (size_t i = 0; !rc && i < e->n_steps; i++)
        if (of_branch(b, e->step[i]) && e->step[i]->kind == ENGINE_REPORT)
            rc = engine_write_report(b, e->step[i], false, err);
    return rc;
}
