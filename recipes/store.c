#include "recipes/store.h"

#include "formats/base/map.h"
#include "formats/base/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct store {
    char *dir; /* owned */
    bool objects, create;
};

const char *store_dir(const struct store *s)
{
    return s->dir;
}

int store_make_folders(char *path, struct err *err)
{
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/')
            continue;
        const char was = *p;
        *p = '\0';
        if (mkdir(path, 0777) && errno != EEXIST)
            return err_errno(err, path);
        *p = was;
        if (!was)
            return 0;
    }
}

int store_open(struct store **out, const char *dir, bool objects, bool create, struct err *err)
{
    struct store *s = calloc(1, sizeof(*s));
    struct buf sub = {0};
    int rc = 0;

    *out = NULL;
    if (!s || !(s->dir = strdup(dir))) {
        free(s);
        return err_nomem(err);
    }
    s->objects = objects;
    s->create = create;
    buf_fmt(&sub, "%s%s", dir, objects ? "/objects" : "");
    rc = buf_check(&sub, err);
    if (!rc && create)
        rc = store_make_folders(sub.p, err);
    buf_release(&sub);
    if (rc) {
        store_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    free(s->dir);
    free(s);
}

/* ---- records: the digest of what follows it, a newline, JSON --------------------------------- */

static int record_path(struct buf *out, const struct store *s, const char *key, struct err *err)
{
    buf_fmt(out, "%s/%s.step", s->dir, key);
    return buf_check(out, err);
}

/* *out stays NULL unless the bytes are what was written. */
static int read_record(json_val **out, const struct map *m, struct err *err)
{
    const size_t head = HASH_HEX_BYTES; /* digits and a newline */
    char hex[HASH_HEX_BYTES];
    struct err why = {0};

    if (m->size <= head || m->data[head - 1] != '\n')
        return 0;
    const char *text = (const char *)m->data + head;
    int rc = hash_of(text, m->size - head, hex, err);
    if (rc || memcmp(hex, m->data, head - 1) != 0)
        return rc;
    if (json_parse(out, text, m->size - head, &why))
        *out = NULL;
    return why.code == ERR_NOMEM ? err_nomem(err) : 0;
}

static int get(json_val **out, const struct store *s, const char *key, bool use, struct err *err)
{
    struct buf path = {0};
    struct map m = {0};
    struct err unused;
    int rc = record_path(&path, s, key, err);

    *out = NULL;
    if (!rc && !map_open(&m, path.p, &unused))
        rc = read_record(out, &m, err);
    if (!rc && *out && use)
        (void)utimensat(AT_FDCWD, path.p, NULL, 0); /* collecting spares what was used lately */
    map_release(&m);
    buf_release(&path);
    return rc;
}

int store_get(json_val **out, const struct store *s, const char *key, struct err *err)
{
    return get(out, s, key, s->create, err);
}

int store_peek(json_val **out, const struct store *s, const char *key, struct err *err)
{
    return get(out, s, key, false, err);
}

int store_put(struct store *s, const char *key, const struct buf *record, struct err *err)
{
    struct buf path = {0}, all = {0};
    char hex[HASH_HEX_BYTES];
    int rc = buf_check(record, err);

    if (!rc)
        rc = record_path(&path, s, key, err);
    if (!rc)
        rc = hash_of(record->p, record->n, hex, err);
    if (!rc) {
        buf_fmt(&all, "%s\n", hex);
        buf_put(&all, record->p, record->n);
        rc = buf_check(&all, err);
    }
    if (!rc)
        rc = out_file(path.p, all.p, all.n, err);
    buf_release(&all);
    buf_release(&path);
    return rc;
}

/* ---- objects --------------------------------------------------------------------------------- */

static int object_path(struct buf *out, const struct store *s, const char *hex, struct err *err)
{
    buf_fmt(out, "%s/objects/%s", s->dir, hex);
    return buf_check(out, err);
}

/* Write the mapped bytes and take their digest. A copy, not a link: programs that change a
 * file in place must not reach the cache, nor another folder. */
static int copy_bytes(char hex[HASH_HEX_BYTES], struct out *o, const struct map *m,
                      const struct log *log, struct err *err)
{
    const size_t step = (size_t)4 << 20;
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    for (size_t at = 0; !rc && at < m->size; at += step) {
        const size_t n = m->size - at < step ? m->size - at : step;
        hash_add(h, m->data + at, n);
        rc = out_write(o, m->data + at, n, err);
        map_forget(m, at, n);
        log_progress(log, "bytes", at + n, m->size);
        if (!rc)
            rc = log_stop(log, err);
    }
    if (!rc)
        rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

/* *good: `to` now holds the file of that digest. */
static int copy(bool *good, const char *to, const struct map *m, const char *hex,
                const struct log *log, struct err *err)
{
    char found[HASH_HEX_BYTES] = "";
    struct out o;
    int rc;

    *good = false;
    out_init(&o);
    rc = out_open(&o, to, err);
    if (!rc)
        rc = copy_bytes(found, &o, m, log, err);
    if (!rc && !strcmp(found, hex)) {
        rc = out_commit(&o, err);
        *good = !rc;
    }
    out_abandon(&o);
    return rc;
}

int store_keep(struct store *s, const char *path, const char *hex, struct err *err)
{
    struct buf to = {0};
    struct map m = {0};
    bool good;
    int rc = 0;

    if (!s->objects)
        return 0;
    rc = object_path(&to, s, hex, err);
    if (!rc && !access(to.p, F_OK))
        goto done;
    if (!rc)
        rc = map_open(&m, path, err);
    if (!rc)
        rc = copy(&good, to.p, &m, hex, NULL, err);
done:
    map_release(&m);
    buf_release(&to);
    return rc;
}

bool store_has(const struct store *s, const char *hex)
{
    struct buf path = {0};
    struct err unused;
    const bool has = s->objects && !object_path(&path, s, hex, &unused) && !access(path.p, R_OK);

    buf_release(&path);
    return has;
}

int store_fetch(bool *found, struct store *s, const char *hex, const char *path,
                const struct log *log, struct err *err)
{
    struct buf from = {0};
    struct map m = {0};
    struct err unused;
    int rc;

    *found = false;
    if (!s->objects || !s->create)
        return 0;
    rc = object_path(&from, s, hex, err);
    if (!rc && !map_open(&m, from.p, &unused)) {
        rc = copy(found, path, &m, hex, log, err);
        if (!rc && *found)
            (void)utimensat(AT_FDCWD, from.p, NULL, 0);
        else if (!rc)
            (void)unlink(from.p);
    }
    map_release(&m);
    buf_release(&from);
    return rc;
}
