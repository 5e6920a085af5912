#include "recipes/cache.h"

#include "formats/base/arena.h"
#include "formats/base/map.h"
#include "formats/base/out.h"
#include "formats/base/path.h"
#include "formats/checkpoint.h"
#include "recipes/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* One remembered digest. */
struct known {
    const char *path; /* as realpath gives it; in the arena */
    int64_t size, mtime_s, mtime_ns, inode;
    char hex[HASH_HEX_BYTES];
};

struct cache {
    const char *dir; /* "<output folder>/.cache", in the arena */
    bool create;
    int lock; /* held file, or -1 */
    const struct log *log;
    struct known *known; /* owned */
    size_t n, cap;
    bool changed;
    struct arena arena;
    pthread_mutex_t mutex; /* of known, changed and arena: steps may run side by side */
};

/* ---- remembered digests -------------------------------------------------------------- */

static struct known *find(struct cache *c, const char *path)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->known[i].path, path))
            return &c->known[i];
    return NULL;
}

static struct known *add(struct cache *c, const char *path)
{
    if (c->n == c->cap) {
        const size_t cap = c->cap ? 2 * c->cap : 16;
        struct known *grown = realloc(c->known, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        c->known = grown;
        c->cap = cap;
    }
    const char *copy = arena_str(&c->arena, path);
    if (!copy)
        return NULL;
    c->known[c->n] = (struct known){.path = copy};
    return &c->known[c->n++];
}

static int read_known(struct cache *c, const json_val *v, struct err *err)
{
    struct known k = {0};
    const char *hex = json_str(json_get(v, "sha256"));

    if (!hex || strlen(hex) != HASH_HEX_BYTES - 1 || !json_int(json_get(v, "size"), &k.size) ||
        !json_int(json_get(v, "mtime_s"), &k.mtime_s) ||
        !json_int(json_get(v, "mtime_ns"), &k.mtime_ns) ||
        !json_int(json_get(v, "inode"), &k.inode))
        return 0; /* not ours: the file is simply hashed again */
    struct known *to = add(c, json_key(v));
    if (!to)
        return err_nomem(err);
    k.path = to->path;
    memcpy(k.hex, hex, HASH_HEX_BYTES);
    *to = k;
    return 0;
}

static int load(struct cache *c, struct err *err)
{
    const char *path = arena_fmt(&c->arena, "%s/hashes.json", c->dir);
    struct err unused;
    json_val *doc;
    int rc = 0;

    if (!path)
        return err_nomem(err);
    if (json_load(&doc, path, &unused))
        return unused.code == ERR_NOMEM ? err_nomem(err) : 0;
    for (const json_val *v = json_first(doc); !rc && v && json_is_object(doc); v = json_next(v))
        rc = read_known(c, v, err);
    json_free(doc);
    return rc;
}

static int save(struct cache *c, struct err *err)
{
    struct buf b = {0};
    struct json_out j = json_out_init(&b, false);
    const char *path = arena_fmt(&c->arena, "%s/hashes.json", c->dir);

    json_open(&j, NULL, '{');
    for (size_t i = 0; i < c->n; i++) {
        json_open(&j, c->known[i].path, '{');
        json_put_int(&j, "size", c->known[i].size);
        json_put_int(&j, "mtime_s", c->known[i].mtime_s);
        json_put_int(&j, "mtime_ns", c->known[i].mtime_ns);
        json_put_int(&j, "inode", c->known[i].inode);
        json_put_str(&j, "sha256", c->known[i].hex);
        json_close(&j, '}');
    }
    json_close(&j, '}');
    int rc = path ? buf_check(&b, err) : err_nomem(err);
    if (!rc)
        rc = out_file(path, b.p, b.n, err);
    buf_release(&b);
    c->changed = rc != 0;
    return rc;
}

int cache_save(struct cache *c, struct err *err)
{
    int rc = 0;

    (void)pthread_mutex_lock(&c->mutex);
    if (c->changed && c->create)
        rc = save(c, err);
    (void)pthread_mutex_unlock(&c->mutex);
    return rc;
}

/* ---- hashing --------------------------------------------------------------------------- */

static int hash_bytes(char hex[HASH_HEX_BYTES], const struct cache *c, const struct map *m,
                      struct err *err)
{
    const size_t step = (size_t)4 << 20;
    struct hash *h;
    int rc = hash_new(&h, err);

    for (size_t at = 0; !rc && at < m->size; at += step) {
        const size_t n = m->size - at < step ? m->size - at : step;
        hash_add(h, m->data + at, n);
        map_forget(m, at, n);
        log_progress(c->log, "bytes", at + n, m->size);
        rc = log_stop(c->log, err);
    }
    if (!rc)
        rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

static bool unchanged(const struct known *k, const struct stat *st)
{
    return k->size == (int64_t)st->st_size && k->mtime_s == (int64_t)st->st_mtim.tv_sec &&
           k->mtime_ns == (int64_t)st->st_mtim.tv_nsec && k->inode == (int64_t)st->st_ino;
}

/* *st: what the digest is of. */
static int hash_now(char hex[HASH_HEX_BYTES], struct stat *st, const struct cache *c,
                    const char *path, struct err *err)
{
    struct map m;

    if (stat(path, st))
        return err_errno(err, path);
    int rc = map_open(&m, path, err);
    if (rc)
        return rc;
    rc = hash_bytes(hex, c, &m, err);
    map_release(&m);
    return rc;
}

static int remember(struct cache *c, const char *real, const char *hex, const struct stat *st,
                    struct err *err)
{
    struct known *k = find(c, real);

    if (!k && !(k = add(c, real)))
        return err_nomem(err);
    k->size = (int64_t)st->st_size;
    k->mtime_s = (int64_t)st->st_mtim.tv_sec;
    k->mtime_ns = (int64_t)st->st_mtim.tv_nsec;
    k->inode = (int64_t)st->st_ino;
    memcpy(k->hex, hex, HASH_HEX_BYTES);
    c->changed = true;
    return 0;
}

int cache_hash_file(char hex[HASH_HEX_BYTES], struct cache *c, const char *path, struct err *err)
{
    struct stat st;
    char *real = realpath(path, NULL);
    int rc = 0;

    if (!real || stat(real, &st)) {
        rc = err_errno(err, path);
        goto done;
    }
    (void)pthread_mutex_lock(&c->mutex);
    const struct known *k = find(c, real);
    const bool known = k && unchanged(k, &st);
    if (known)
        memcpy(hex, k->hex, HASH_HEX_BYTES);
    (void)pthread_mutex_unlock(&c->mutex);
    if (known)
        goto done;
    rc = hash_now(hex, &st, c, path, err);
    (void)pthread_mutex_lock(&c->mutex);
    if (!rc)
        rc = remember(c, real, hex, &st, err);
    (void)pthread_mutex_unlock(&c->mutex);
done:
    free(real);
    return rc;
}

/* ---- models -------------------------------------------------------------------------------- */

/* Files a checkpoint is read from; anything else in the folder may change freely. */
static bool of_checkpoint(const char *name)
{
    static const char *const end[] = {".json", ".safetensors", ".model", ".jinja", ".md", NULL};
    bool found = false;

    for (size_t i = 0; end[i] && !found; i++)
        found = path_ends(name, end[i]);
    return found && name[0] != '.';
}

struct names {
    char **at; /* owned, each too */
    size_t n, cap;
};

static void names_release(struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->at[i]);
    free(s->at);
    *s = (struct names){0};
}

static int names_add(struct names *s, const char *name, struct err *err)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 16;
        char **grown = realloc(s->at, cap * sizeof(*grown));
        if (!grown)
            return err_nomem(err);
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->n] = strdup(name);
    return s->at[s->n] ? (s->n++, 0) : err_nomem(err);
}

static int compare(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int list_folder(struct names *out, const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int rc = 0;

    if (!d)
        return err_errno(err, dir);
    while (!rc && (e = readdir(d)))
        if (of_checkpoint(e->d_name))
            rc = names_add(out, e->d_name, err);
    (void)closedir(d);
    if (!rc && out->n)
        qsort(out->at, out->n, sizeof(*out->at), compare);
    return rc;
}

static int hash_folder(struct hash *h, struct cache *c, const char *dir, struct err *err)
{
    struct names names = {0};
    char hex[HASH_HEX_BYTES];
    int rc = list_folder(&names, dir, err);

    for (size_t i = 0; !rc && i < names.n; i++) {
        struct buf path = {0};
        struct stat st;
        buf_fmt(&path, "%s/%s", dir, names.at[i]);
        rc = buf_check(&path, err);
        const bool skip = !rc && !stat(path.p, &st) && !S_ISREG(st.st_mode);
        if (!rc && !skip)
            rc = cache_hash_file(hex, c, path.p, err);
        buf_release(&path);
        if (skip)
            continue;
        hash_str(h, names.at[i]);
        hash_str(h, rc ? "" : hex);
    }
    names_release(&names);
    return rc;
}

/* "m-00001-of-00003.gguf" is three files; 1 for any other name. */
static unsigned n_parts(const char *path, size_t *stem)
{
    const size_t n = strlen(path), tail = strlen("-00001-of-00001.gguf");
    unsigned of = 0;
    char end = 0;

    if (n <= tail || memcmp(path + n - tail, "-00001-of-", 10) != 0 || !path_ends(path, ".gguf"))
        return 1;
    *stem = n - tail;
    if (sscanf(path + n - 10, "%5u%c", &of, &end) != 2 || end != '.' || !of)
        return 1;
    return of;
}

static int hash_gguf(struct hash *h, struct cache *c, const char *path, struct err *err)
{
    size_t stem = 0;
    const unsigned n = n_parts(path, &stem);
    char hex[HASH_HEX_BYTES];
    int rc = 0;

    for (unsigned i = 1; !rc && i <= n; i++) {
        const char *part =
            n == 1 ? path : arena_fmt(&c->arena, "%.*s-%05u-of-%05u.gguf", (int)stem, path, i, n);
        rc = part ? cache_hash_file(hex, c, part, err) : err_nomem(err);
        hash_str(h, rc ? "" : hex);
    }
    return rc;
}

int cache_hash_model(char hex[HASH_HEX_BYTES], struct cache *c, const char *path, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    rc = ckpt_is(path) ? hash_folder(h, c, path, err) : hash_gguf(h, c, path, err);
    if (!rc)
        rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static int lock(struct cache *c, struct err *err)
{
    char *path = arena_fmt(&c->arena, "%s", c->dir);

    if (!path)
        return err_nomem(err);
    int rc = store_make_folders(path, err);
    if (rc)
        return rc;
    path = arena_fmt(&c->arena, "%s/lock", c->dir);
    if (!path)
        return err_nomem(err);
    c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (c->lock < 0)
        return err_errno(err, path);
    if (flock(c->lock, LOCK_EX | LOCK_NB))
        return err_set(err, ERR_IO, "%s: another run is using this folder", path);
    return 0;
}

int cache_open(struct cache **out, const char *dir, bool create, const struct log *log,
               struct err *err)
{
    struct cache *c = calloc(1, sizeof(*c));
    int rc = 0;

    *out = NULL;
    if (!c)
        return err_nomem(err);
    c->lock = -1;
    (void)pthread_mutex_init(&c->mutex, NULL);
    c->log = log;
    c->create = create;
    c->dir = arena_fmt(&c->arena, "%s/.cache", dir);
    if (!c->dir)
        rc = err_nomem(err);
    if (!rc && create)
        rc = lock(c, err);
    if (!rc)
        rc = load(c, err);
    if (rc) {
        cache_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    if (c->lock >= 0)
        (void)close(c->lock);
    free(c->known);
    arena_release(&c->arena);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
}
