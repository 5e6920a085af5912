/* Calibration and evaluation text must not share a run of tokens. */

#include "eval/overlap.h"
#include "formats/base/map.h"
#include "formats/base/version.h"
#include "formats/lines.h"
#include "recipes/engine_impl.h"

static int hash_path(struct hash *h, const struct branch *b, const char *path, struct err *err)
{
    char hex[HASH_HEX_BYTES] = "";
    const int rc = path ? cache_hash_file(hex, b->e->cache, path, err) : 0;

    hash_str(h, hex);
    hash_u64(h, path && lines_named(path));
    return rc;
}

/* That a check was passed is remembered: both texts may be long. */
static int key_of(char key[HASH_HEX_BYTES], const struct branch *b, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_str(h, "overlap");
    hash_str(h, PARE_VERSION);
    hash_u64(h, OVERLAP_RUN);
    hash_str(h, b->model_sha); /* whose tokenizer it is */
    hash_str(h, b->text_sha);
    hash_str(h, b->calibration_sha);
    hash_u64(h, lines_named(b->recipe->text.path)); /* which the name tells, not the bytes */
    hash_u64(h, b->recipe->calibration.path && lines_named(b->recipe->calibration.path));
    for (size_t i = 0; !rc && i < b->recipe->n_student; i++) {
        const struct recipe_student *s = &b->recipe->student[i];
        rc = hash_path(h, b, s->text.path, err);
        if (!rc)
            rc = hash_path(h, b, s->imatrix.path, err);
    }
    if (!rc)
        rc = hash_hex(h, key, err);
    hash_free(h);
    return rc;
}

static struct overlap_text text_of(const struct recipe_path *p, const struct map *m)
{
    return (struct overlap_text){p->path, m->size ? (const char *)m->data : "", m->size};
}

static int check_text(const struct recipe_path *p, const struct tok *tok,
                      const struct overlap_text *text, struct err *err)
{
    struct map map = {0};
    int rc = map_open(&map, p->path, err);

    if (!rc) {
        const struct overlap_text used = text_of(p, &map);
        rc = overlap_check(tok, &used, text, err);
    }
    map_release(&map);
    return rc;
}

/* Texts that the importance matrix given was collected on and that can be found. */
static int check_imatrix(const char *path, const struct tok *tok, const struct overlap_text *text,
                         struct err *err)
{
    struct imatrix *im = NULL;
    int rc = imatrix_read(&im, path, err);

    for (size_t i = 0; !rc && i < im->n_datasets; i++)
        rc = overlap_check_named(tok, im->dataset[i], path, text, err);
    imatrix_free(im);
    return rc;
}

/* Whatever was calibrated or trained on. */
static int check_texts(const struct recipe *r, const struct tok *tok,
                       const struct overlap_text *text, struct err *err)
{
    int rc = r->calibration.path ? check_text(&r->calibration, tok, text, err) : 0;

    if (!rc && r->imatrix.path)
        rc = check_imatrix(r->imatrix.path, tok, text, err);
    for (size_t i = 0; !rc && i < r->n_student; i++) {
        const struct recipe_student *s = &r->student[i];
        if (s->text.path)
            rc = check_text(&s->text, tok, text, err);
        if (!rc && s->imatrix.path)
            rc = check_imatrix(s->imatrix.path, tok, text, err);
    }
    return rc;
}

static bool has_texts(const struct recipe *r)
{
    bool has = r->calibration.path || r->imatrix.path;

    for (size_t i = 0; i < r->n_student; i++)
        has = has || r->student[i].text.path || r->student[i].imatrix.path;
    return has;
}

static int check(struct branch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    struct tok *tok = NULL;
    struct map map = {0};
    int rc = engine_source(b, &b->original, err);

    if (rc || !source_vocab(b->original.source))
        return rc; /* which evaluation will complain about */
    rc = tok_new(&tok, source_vocab(b->original.source), err);
    if (rc)
        return err_wrap(err, "%s", r->model.path);
    rc = map_open(&map, r->text.path, err);
    if (!rc) {
        const struct overlap_text text = text_of(&r->text, &map);
        rc = check_texts(r, tok, &text, err);
        if (rc == ERR_FORMAT)
            rc = err_wrap(err, "%s", r->text.where);
    }
    map_release(&map);
    tok_free(tok);
    return rc;
}

int engine_check_overlap(struct branch *b, struct err *err)
{
    char key[HASH_HEX_BYTES];
    const char *const keys = key;
    struct store_locks locks = {0};
    struct buf record = {0};
    json_val *doc = NULL;
    int rc;

    if (!has_texts(b->recipe) || !b->recipe->text.path || b->recipe->allow_overlap ||
        b->e->opts->allow_overlap)
        return 0;
    rc = key_of(key, b, err);
    if (!rc && !b->e->opts->plan_only)
        rc = store_lock(&locks, b->e->store, &keys, 1, NULL, NULL, &b->e->log, err);
    if (!rc)
        rc = store_get(&doc, b->e->store, key, err);
    if (!rc && !doc) {
        rc = check(b, err);
        buf_fmt(&record, "{\"step\": \"overlap\", \"recipe\": \"%s\", \"name\": \"texts\"}",
                b->recipe->name);
        if (!rc && !b->e->opts->plan_only)
            rc = store_put(b->e->store, key, &record, err);
    }
    store_unlock(&locks);
    buf_release(&record);
    json_free(doc);
    return rc;
}
