#include "formats/checkpoint.h"

#include "formats/base/arena.h"
#include "formats/base/path.h"
#include "formats/base/rd.h"
#include "formats/base/strmap.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct shard {
    const char *file; /* name in the folder, in the arena */
    struct map map;   /* owned */
    struct st *st;    /* owned */
};

/* A tensor and the shard it lies in. */
struct entry {
    const struct st_tensor *tensor;
    const struct shard *shard;
};

enum { CONFIG, GENERATION_CONFIG, TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP, N_DOCS };

static const char *const doc_files[N_DOCS] = {
    [CONFIG] = "config.json",
    [GENERATION_CONFIG] = "generation_config.json",
    [TOKENIZER_CONFIG] = "tokenizer_config.json",
    [SPECIAL_TOKENS_MAP] = "special_tokens_map.json",
};

static const char single_file[] = "model.safetensors";
static const char index_file[] = "model.safetensors.index.json";

struct ckpt {
    const char *dir;       /* in the arena */
    json_val *doc[N_DOCS]; /* owned; NULL: no such file */
    struct shard *shard;   /* owned */
    size_t n_shards, cap_shards;
    struct entry *entry; /* owned */
    size_t n_entries;
    struct strmap names; /* of the tensors, to their entry */
    struct arena arena;
};

/* Does a file, or anything else, of this name exist? */
static bool exists(const char *path)
{
    struct stat st;

    return !stat(path, &st) || (errno != ENOENT && errno != ENOTDIR);
}

bool ckpt_is(const char *path)
{
    char file[4096]; /* Linux takes no longer path */
    struct stat st;
    const int n = snprintf(file, sizeof(file), "%s/%s", path, doc_files[CONFIG]);

    return n > 0 && (size_t)n < sizeof(file) && !stat(file, &st) && S_ISREG(st.st_mode);
}

static const char *path_of(struct ckpt *c, const char *file)
{
    return arena_fmt(&c->arena, "%s/%s", c->dir, file);
}

static int load_docs(struct ckpt *c, struct err *err)
{
    for (int i = 0; i < N_DOCS; i++) {
        const char *path = path_of(c, doc_files[i]);
        if (!path)
            return err_nomem(err);
        if (i != CONFIG && !exists(path))
            continue;
        const int rc = json_load(&c->doc[i], path, err);
        if (rc)
            return rc;
        if (!json_is_object(c->doc[i]))
            return err_set(err, ERR_FORMAT, "%s: not a JSON object", path);
    }
    return 0;
}

/* Remember a shard's name; open_shards does the rest. */
static int add_shard(struct ckpt *c, const char *file, struct err *err)
{
    size_t bytes;

    if (c->n_shards == c->cap_shards) {
        const size_t cap = c->cap_shards ? 2 * c->cap_shards : 8;
        struct shard *s = mul_ok(&bytes, cap, sizeof(*s)) ? realloc(c->shard, bytes) : NULL;
        if (!s)
            return err_nomem(err);
        c->shard = s;
        c->cap_shards = cap;
    }
    const char *copy = arena_str(&c->arena, file);
    if (!copy)
        return err_nomem(err);
    c->shard[c->n_shards++] = (struct shard){.file = copy};
    return 0;
}

static bool is_safetensors(const char *name)
{
    return name[0] != '.' && path_ends(name, ".safetensors");
}

static int list_folder(struct ckpt *c, struct err *err)
{
    DIR *dir = opendir(c->dir);
    struct dirent *e;
    int rc = 0;

    if (!dir)
        return err_errno(err, c->dir);
    while (!rc && (e = readdir(dir)))
        if (is_safetensors(e->d_name))
            rc = add_shard(c, e->d_name, err);
    (void)closedir(dir);
    if (!rc && c->n_shards == 0)
        rc = err_set(err, ERR_UNSUPPORTED, "%s: no safetensors file in this folder", c->dir);
    return rc;
}

/* Every file the index names, once. */
static int list_index(struct ckpt *c, const json_val *weight_map, struct err *err)
{
    struct strmap seen = {0};
    int rc = 0;

    for (const json_val *v = json_first(weight_map); v && !rc; v = json_next(v)) {
        const char *file = json_str(v);
        bool fresh = false;
        if (!file || !*file || strchr(file, '/')) {
            rc = err_set(err, ERR_FORMAT, "tensor %.100s: no name of a file of this folder",
                         json_key(v));
            break;
        }
        rc = strmap_add(&fresh, &seen, file, strlen(file), 0, err);
        if (!rc && fresh)
            rc = add_shard(c, file, err);
    }
    strmap_release(&seen);
    if (!rc && c->n_shards == 0)
        rc = err_set(err, ERR_FORMAT, "weight_map names no tensor");
    return rc;
}

static int load_index(json_val **out, struct ckpt *c, const char *path, struct err *err)
{
    int rc = json_load(out, path, err);

    if (rc)
        return rc;
    const json_val *weight_map = json_get(*out, "weight_map");
    if (!json_is_object(weight_map))
        return err_set(err, ERR_FORMAT, "%s: no object under \"weight_map\"", path);
    rc = list_index(c, weight_map, err);
    return rc ? err_wrap(err, "%s", path) : 0;
}

static int by_file(const void *a, const void *b)
{
    return strcmp(((const struct shard *)a)->file, ((const struct shard *)b)->file);
}

static int open_shard(struct ckpt *c, struct shard *s, struct err *err)
{
    const char *path = path_of(c, s->file);

    if (!path)
        return err_nomem(err);
    int rc = map_open(&s->map, path, err);
    if (rc)
        return rc;
    rc = st_parse(&s->st, s->map.data, s->map.size, err);
    return rc ? err_wrap(err, "%s", path) : 0;
}

static int open_shards(struct ckpt *c, struct err *err)
{
    qsort(c->shard, c->n_shards, sizeof(*c->shard), by_file);
    for (size_t i = 0; i < c->n_shards; i++) {
        const int rc = open_shard(c, &c->shard[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int add_entry(struct ckpt *c, const struct shard *s, const struct st_tensor *t,
                     struct err *err)
{
    bool fresh = false;
    size_t at = 0;
    const int rc = strmap_add(&fresh, &c->names, t->name, strlen(t->name), c->n_entries, err);

    if (rc)
        return rc;
    if (!fresh) {
        (void)strmap_get(&at, &c->names, t->name, strlen(t->name));
        return err_set(err, ERR_FORMAT, "%s: tensor %.100s is in %s and in %s", c->dir, t->name,
                       c->entry[at].shard->file, s->file);
    }
    c->entry[c->n_entries++] = (struct entry){.tensor = t, .shard = s};
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct st_tensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* A shard's tensors by name, whatever the order in its header. */
static int collect_shard(struct ckpt *c, const struct shard *s, const struct st_tensor **order,
                         struct err *err)
{
    const size_t n = st_n_tensors(s->st);
    int rc = 0;

    for (size_t k = 0; k < n; k++)
        order[k] = st_tensor(s->st, k);
    qsort(order, n, sizeof(*order), by_name);
    for (size_t k = 0; k < n && !rc; k++)
        rc = add_entry(c, s, order[k], err);
    return rc;
}

static int collect(struct ckpt *c, struct err *err)
{
    const struct st_tensor **order;
    size_t n = 0;
    int rc;

    for (size_t i = 0; i < c->n_shards; i++)
        n += st_n_tensors(c->shard[i].st);
    c->entry = calloc(n + !n, sizeof(*c->entry));
    order = calloc(n + !n, sizeof(*order));
    rc = c->entry && order ? strmap_reserve(&c->names, n, err) : err_nomem(err);
    for (size_t i = 0; i < c->n_shards && !rc; i++)
        rc = collect_shard(c, &c->shard[i], order, err);
    free(order);
    return rc;
}

/* What the index promises must be where it says. */
static int check_index(const struct ckpt *c, const json_val *index, struct err *err)
{
    for (const json_val *v = json_first(json_get(index, "weight_map")); v; v = json_next(v)) {
        const char *name = json_key(v), *file = json_str(v);
        size_t at;
        if (!strmap_get(&at, &c->names, name, strlen(name)))
            return err_set(err, ERR_FORMAT, "%s/%s: tensor %.100s is not in %s", c->dir, index_file,
                           name, file);
        if (strcmp(c->entry[at].shard->file, file))
            return err_set(err, ERR_FORMAT, "%s/%s: tensor %.100s expected in %s, found in %s",
                           c->dir, index_file, name, file, c->entry[at].shard->file);
    }
    return 0;
}

static int open_tensors(struct ckpt *c, struct err *err)
{
    const char *single = path_of(c, single_file), *path = path_of(c, index_file);
    json_val *index = NULL;
    int rc;

    if (!single || !path)
        return err_nomem(err);
    if (exists(single))
        rc = add_shard(c, single_file, err);
    else if (exists(path))
        rc = load_index(&index, c, path, err);
    else
        rc = list_folder(c, err);
    if (!rc)
        rc = open_shards(c, err);
    if (!rc)
        rc = collect(c, err);
    if (!rc && index)
        rc = check_index(c, index, err);
    json_free(index);
    return rc;
}

static int open_folder(struct ckpt **out, const char *dir, bool tensors, struct err *err)
{
    *out = NULL;
    struct ckpt *c = calloc(1, sizeof(*c));
    if (!c)
        return err_nomem(err);
    c->dir = arena_str(&c->arena, dir);
    int rc = c->dir ? load_docs(c, err) : err_nomem(err);
    if (!rc && tensors)
        rc = open_tensors(c, err);
    if (rc)
        goto fail;
    *out = c;
    return 0;

fail:
    ckpt_free(c);
    return rc;
}

int ckpt_open(struct ckpt **out, const char *dir, struct err *err)
{
    return open_folder(out, dir, true, err);
}

int ckpt_open_files(struct ckpt **out, const char *dir, struct err *err)
{
    return open_folder(out, dir, false, err);
}

void ckpt_free(struct ckpt *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < N_DOCS; i++)
        json_free(c->doc[i]);
    for (size_t i = 0; i < c->n_shards; i++) {
        st_free(c->shard[i].st);
        map_release(&c->shard[i].map);
    }
    free(c->shard);
    free(c->entry);
    strmap_release(&c->names);
    arena_release(&c->arena);
    free(c);
}

const char *ckpt_dir(const struct ckpt *c)
{
    return c->dir;
}

const json_val *ckpt_config(const struct ckpt *c)
{
    return c->doc[CONFIG];
}

const json_val *ckpt_generation_config(const struct ckpt *c)
{
    return c->doc[GENERATION_CONFIG];
}

const json_val *ckpt_tokenizer_config(const struct ckpt *c)
{
    return c->doc[TOKENIZER_CONFIG];
}

const json_val *ckpt_special_tokens_map(const struct ckpt *c)
{
    return c->doc[SPECIAL_TOKENS_MAP];
}

int ckpt_map(struct map *out, bool *found, const struct ckpt *c, const char *name, struct err *err)
{
    struct buf path = {0};

    *out = (struct map){0};
    *found = false;
    buf_fmt(&path, "%s/%s", c->dir, name);
    int rc = buf_check(&path, err);
    if (!rc && exists(path.p)) {
        rc = map_open(out, path.p, err);
        *found = !rc;
    }
    buf_release(&path);
    return rc;
}

size_t ckpt_n_tensors(const struct ckpt *c)
{
    return c->n_entries;
}

const struct st_tensor *ckpt_tensor(const struct ckpt *c, size_t i)
{
    return c->entry[i].tensor;
}

const struct st_tensor *ckpt_find(const struct ckpt *c, const char *name)
{
    size_t i;

    return strmap_get(&i, &c->names, name, strlen(name)) ? c->entry[i].tensor : NULL;
}

const struct map *ckpt_tensor_map(const struct ckpt *c, size_t i)
{
    return &c->entry[i].shard->map;
}

const char *ckpt_tensor_file(const struct ckpt *c, size_t i)
{
    return c->entry[i].shard->file;
}
