#include "recipes/store_gc.h"

#include "formats/base/map.h"
#include "formats/base/path.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What belongs to nothing may still be on its way: an object is there before its record. */
enum { GRACE_S = 3600 };

static int path_of(struct buf *out, const struct store *s, const char *sub, const char *name,
                   const char *end, struct err *err)
{
    out->n = 0;
    buf_fmt(out, "%s/%s%s%s", store_dir(s), sub, name, end);
    return buf_check(out, err);
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

/* ---- listing ------------------------------------------------------------------------------- */

static const char *text_of(struct store_list *l, const json_val *doc, const char *key)
{
    const char *text = json_str(json_get(doc, key));

    return text ? arena_str(&l->arena, text) : "";
}

static bool is_digest(const char *hex)
{
    return hex && strlen(hex) == HASH_HEX_BYTES - 1 && !strchr(hex, '/');
}

static int read_objects(struct store_entry *e, struct store_list *l, const json_val *list,
                        struct err *err)
{
    e->object = arena_array(&l->arena, json_len(list) + 1, sizeof(*e->object));
    if (!e->object)
        return err_nomem(err);
    for (const json_val *v = json_first(list); v; v = json_next(v)) {
        if (!is_digest(json_str(v)))
            continue;
        e->object[e->n_objects] = arena_str(&l->arena, json_str(v));
        if (!e->object[e->n_objects++])
            return err_nomem(err);
    }
    return 0;
}

static int read_entry(struct store_entry *e, struct store_list *l, const struct store *s,
                      const char *path, struct err *err)
{
    struct buf object = {0};
    struct stat st;
    json_val *doc = NULL;
    int rc = 0;

    if (stat(path, &st)) /* another has just removed it */
        return 0;
    e->used = (int64_t)st.st_mtim.tv_sec;
    e->used_ns = (int64_t)st.st_mtim.tv_nsec;
    e->bytes = (uint64_t)st.st_size;
    rc = store_peek(&doc, s, e->key, err);
    e->whole = doc != NULL;
    e->step = text_of(l, doc, "step");
    e->recipe = text_of(l, doc, "recipe");
    e->name = text_of(l, doc, "name");
    if (!rc && (!e->step || !e->recipe || !e->name))
        rc = err_nomem(err);
    if (!rc)
        rc = read_objects(e, l, json_get(doc, "objects"), err);
    for (size_t i = 0; !rc && i < e->n_objects; i++) {
        rc = path_of(&object, s, "objects/", e->object[i], "", err);
        e->bytes += rc ? 0 : size_of(object.p);
    }
    buf_release(&object);
    json_free(doc);
    return rc;
}

static int by_use(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;

    if (x->used != y->used)
        return x->used < y->used ? -1 : 1;
    if (x->used_ns != y->used_ns)
        return x->used_ns < y->used_ns ? -1 : 1;
    return strcmp(x->key, y->key);
}

static int open_folder(DIR **out, const struct store *s, const char *sub, struct err *err)
{
    struct buf path = {0};
    int rc = path_of(&path, s, sub, "", "", err);

    *out = rc ? NULL : opendir(path.p);
    if (!rc && !*out)
        rc = err_errno(err, store_dir(s));
    buf_release(&path);
    return rc;
}

/* Bytes of all objects. */
static int add_objects(uint64_t *bytes, const struct store *s, struct err *err)
{
    struct buf path = {0};
    struct err unused;
    DIR *d;
    int rc = 0;

    if (open_folder(&d, s, "objects/", &unused))
        return 0;
    for (struct dirent *e; !rc && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        rc = path_of(&path, s, "objects/", e->d_name, "", err);
        *bytes += rc ? 0 : size_of(path.p);
    }
    (void)closedir(d);
    buf_release(&path);
    return rc;
}

static int add_entry(struct store_list *l, size_t *cap, const struct store *s, const char *name,
                     struct err *err)
{
    struct buf path = {0};

    if (l->n == *cap) {
        struct store_entry *grown = arena_array(&l->arena, 2 * *cap + 64, sizeof(*grown));
        if (!grown)
            return err_nomem(err);
        if (l->n)
            memcpy(grown, l->at, l->n * sizeof(*grown));
        l->at = grown;
        *cap = 2 * *cap + 64;
    }
    struct store_entry *e = &l->at[l->n];
    *e = (struct store_entry){0};
    memcpy(e->key, name, HASH_HEX_BYTES - 1);
    int rc = path_of(&path, s, "", name, "", err);
    if (!rc)
        rc = read_entry(e, l, s, path.p, err);
    if (!rc && e->bytes) {
        l->bytes += size_of(path.p);
        l->n++;
    }
    buf_release(&path);
    return rc;
}

int store_list(struct store_list *out, const struct store *s, struct err *err)
{
    size_t cap = 0;
    DIR *d;

    *out = (struct store_list){0};
    int rc = open_folder(&d, s, "", err);
    if (rc)
        return rc;
    for (struct dirent *e; !rc && (e = readdir(d));)
        if (path_ends(e->d_name, ".step") && strlen(e->d_name) == HASH_HEX_BYTES - 1 + 5)
            rc = add_entry(out, &cap, s, e->d_name, err);
    (void)closedir(d);
    if (!rc)
        rc = add_objects(&out->bytes, s, err);
    if (!rc && out->n)
        qsort(out->at, out->n, sizeof(*out->at), by_use);
    return rc;
}

void store_list_release(struct store_list *l)
{
    arena_release(&l->arena);
    *l = (struct store_list){0};
}

/* ---- collecting ------------------------------------------------------------------------------ */

/* Does an entry that stays name it? */
static bool named(const struct store_list *l, const bool *gone, const char *hex)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; !gone[i] && k < l->at[i].n_objects; k++)
            if (!strcmp(l->at[i].object[k], hex))
                return true;
    return false;
}

/* Of entry e, an object that it names once more. */
static bool again(const struct store_entry *e, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (!strcmp(e->object[i], e->object[k]))
            return true;
    return false;
}

/* Bytes that go with entry i: its own, and of objects that no other names. */
static int freed_by(uint64_t *out, const struct store_list *l, bool *gone, size_t i,
                    const struct store *s, struct err *err)
{
    const struct store_entry *e = &l->at[i];
    struct buf path = {0};
    int rc = path_of(&path, s, "", e->key, ".step", err);

    *out = rc ? 0 : size_of(path.p);
    gone[i] = true;
    for (size_t k = 0; !rc && k < e->n_objects; k++) {
        if (named(l, gone, e->object[k]) || again(e, k))
            continue;
        rc = path_of(&path, s, "objects/", e->object[k], "", err);
        *out += rc ? 0 : size_of(path.p);
    }
    buf_release(&path);
    return rc;
}

/* The record and what only it names; nothing where another run is at that step. */
static int remove_entry(struct store_gc *gc, const struct store_list *l, bool *gone, size_t i,
                        const struct store *s, struct err *err)
{
    const struct store_entry *e = &l->at[i];
    struct store_locks lock = {0};
    struct buf path = {0};
    uint64_t bytes = 0;
    bool held = true;
    int rc = gc->dry ? 0 : store_try_lock(&held, &lock, s, e->key, err);

    if (!rc && held)
        rc = freed_by(&bytes, l, gone, i, s, err);
    if (!rc && held && !gc->dry) {
        rc = path_of(&path, s, "", e->key, ".step", err);
        if (!rc)
            (void)unlink(path.p);
        for (size_t k = 0; !rc && k < e->n_objects; k++) {
            if (named(l, gone, e->object[k]))
                continue;
            rc = path_of(&path, s, "objects/", e->object[k], "", err);
            if (!rc)
                (void)unlink(path.p);
        }
    }
    if (!rc && held) {
        gc->n++;
        gc->bytes += bytes;
        gc->left -= bytes < gc->left ? bytes : gc->left;
    }
    store_unlock(&lock);
    buf_release(&path);
    return rc;
}

/* Files that belong to nothing and are not new: objects without a record, parts, locks. */
static int sweep(struct store_gc *gc, const struct store_list *l, const bool *gone,
                 const struct store *s, const char *sub, struct err *err)
{
    struct buf path = {0};
    struct err unused;
    struct stat st;
    DIR *d;
    int rc = 0;

    if (open_folder(&d, s, sub, &unused))
        return 0;
    for (struct dirent *e; !rc && (e = readdir(d));) {
        const bool part = path_ends(e->d_name, ".part") || path_ends(e->d_name, ".lock");
        const bool object = *sub && strlen(e->d_name) == HASH_HEX_BYTES - 1;
        if (e->d_name[0] == '.' || !strcmp(e->d_name, "lock") ||
            !(part || (object && !named(l, gone, e->d_name))))
            continue;
        rc = path_of(&path, s, sub, e->d_name, "", err);
        if (rc || stat(path.p, &st) || !S_ISREG(st.st_mode) ||
            (int64_t)st.st_mtim.tv_sec + GRACE_S > gc->now)
            continue;
        gc->bytes += (uint64_t)st.st_size;
        gc->left -= object ? (uint64_t)st.st_size : 0;
        if (!gc->dry)
            (void)unlink(path.p);
    }
    (void)closedir(d);
    buf_release(&path);
    return rc;
}

int store_collect(struct store_gc *gc, const struct store *s, struct err *err)
{
    struct store_list l;
    bool *gone = NULL;
    int rc = store_list(&l, s, err);

    gc->n = gc->kept = 0;
    gc->bytes = 0;
    gc->left = l.bytes;
    if (!rc && !(gone = calloc(l.n + 1, sizeof(*gone))))
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < l.n; i++)
        if (!l.at[i].whole || l.at[i].used < gc->oldest)
            rc = remove_entry(gc, &l, gone, i, s, err);
    for (size_t i = 0; !rc && i < l.n && gc->left > gc->most; i++)
        if (!gone[i])
            rc = remove_entry(gc, &l, gone, i, s, err);
    if (!rc)
        rc = sweep(gc, &l, gone, s, "objects/", err);
    if (!rc)
        rc = sweep(gc, &l, gone, s, "", err);
    for (size_t i = 0; !rc && i < l.n; i++)
        gc->kept += !gone[i];
    free(gone);
    store_list_release(&l);
    return rc;
}
