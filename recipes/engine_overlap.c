/* Calibration and evaluation text must not share a run of tokens. */

#include "eval/overlap.h"
#include "formats/base/map.h"
#include "formats/base/version.h"
#include "recipes/engine_impl.h"

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
    rc = hash_hex(h, key, err);
    hash_free(h);
    return rc;
}

static struct overlap_text text_of(const struct recipe_path *p, const struct map *m)
{
    return (struct overlap_text){p->path, m->size ? (const char *)m->data : "", m->size};
}

/* The text, or those that the importance matrix given was collected on and that can be found. */
static int check_texts(const struct recipe *r, const struct tok *tok,
                       const struct overlap_text *text, struct err *err)
{
    struct imatrix *im = NULL;
    struct map map = {0};
    int rc = r->calibration.path ? map_open(&map, r->calibration.path, err)
                                 : imatrix_read(&im, r->imatrix.path, err);

    if (!rc && r->calibration.path) {
        const struct overlap_text cal = text_of(&r->calibration, &map);
        rc = overlap_check(tok, &cal, text, err);
    }
    for (size_t i = 0; !rc && im && i < im->n_datasets; i++)
        rc = overlap_check_named(tok, im->dataset[i], r->imatrix.path, text, err);
    imatrix_free(im);
    map_release(&map);
    return rc;
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

    if ((!b->recipe->calibration.path && !b->recipe->imatrix.path) || !b->recipe->text.path ||
        b->recipe->allow_overlap || b->e->opts->allow_overlap)
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
