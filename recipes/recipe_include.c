#include "recipes/recipe_include.h"

#include "formats/base/map.h"
#include "recipes/recipe_node.h"

#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 8, FILES_MAX = 64, BYTES_MAX = 256 << 10 };

/* A file that is being read, and those that led to it. */
struct link {
    const struct link *from; /* NULL: the recipe itself */
    dev_t dev;
    ino_t ino;
    bool known; /* dev and ino are */
    int depth;
};

struct includer {
    struct arena *arena;
    const struct subst *env;
    size_t files, bytes; /* of all of them */
    struct err *err;
};

static int read_document(struct yaml_node **out, struct includer *in, const char *path,
                         const char *text, size_t n, const struct link *at);

/* Maps member by member, anything else as a whole. */
static void merge(struct yaml_node *to, struct yaml_node *from)
{
    for (struct yaml_node *m = from->first, *next; m; m = next) {
        struct yaml_node **slot = &to->first;
        next = m->next;
        while (*slot && strcmp((*slot)->key, m->key) != 0)
            slot = &(*slot)->next;
        if (*slot && (*slot)->kind == YAML_MAP && m->kind == YAML_MAP) {
            merge(*slot, m);
        } else {
            m->next = *slot ? (*slot)->next : NULL;
            *slot = m;
        }
    }
}

/* Its identity; a recipe that is no file has none. */
static struct link link_of(const char *path, const struct link *from)
{
    struct link l = {.from = from, .depth = from ? from->depth + 1 : 0};
    struct stat st;

    l.known = !stat(path, &st);
    if (l.known) {
        l.dev = st.st_dev;
        l.ino = st.st_ino;
    }
    return l;
}

static int check_link(struct includer *in, const struct yaml_node *at, const struct link *l)
{
    for (const struct link *up = l->from; up; up = up->from)
        if (up->known && l->known && up->dev == l->dev && up->ino == l->ino)
            return node_bad(in->err, at, ERR_FORMAT, "include: %.100s is included by itself",
                            at->text);
    if (l->depth > DEPTH_MAX)
        return node_bad(in->err, at, ERR_FORMAT, "include: more than %d levels deep", DEPTH_MAX);
    if (++in->files > FILES_MAX)
        return node_bad(in->err, at, ERR_FORMAT, "include: more than %d files", FILES_MAX);
    return 0;
}

static int include_one(struct yaml_node *to, struct includer *in, const struct yaml_node *at,
                       const struct link *from)
{
    const char *name = NULL, *dir, *path = NULL;
    struct yaml_node *root = NULL;
    struct map file;
    int rc;

    if (at->kind != YAML_SCALAR || !*at->text)
        return node_bad(in->err, at, ERR_FORMAT, "include: expected a file, or a list of files");
    rc = subst_text(&name, in->arena, at, in->env, in->err);
    if (rc)
        return rc;
    dir = node_folder(in->arena, at);
    if (dir)
        path = name[0] == '/' ? name : arena_fmt(in->arena, "%s%s", dir, name);
    if (!path)
        return err_nomem(in->err);
    const struct link l = link_of(path, from);
    rc = check_link(in, at, &l);
    if (rc)
        return rc;
    if (map_open(&file, path, in->err)) {
        const char *place = node_place(in->arena, at);
        return place ? err_wrap(in->err, "%s: include", place) : err_nomem(in->err);
    }
    rc = read_document(&root, in, path, file.size ? (const char *)file.data : "", file.size, &l);
    map_release(&file);
    if (!rc)
        merge(to, root);
    return rc;
}

static int read_document(struct yaml_node **out, struct includer *in, const char *path,
                         const char *text, size_t n, const struct link *at)
{
    struct yaml_node *root, *all, *include;
    int rc;

    in->bytes += n;
    if (n > BYTES_MAX || in->bytes > BYTES_MAX)
        return err_set(in->err, ERR_FORMAT,
                       "%s: a recipe of more than %d KiB, with what it includes", path,
                       BYTES_MAX >> 10);
    rc = yaml_parse(&root, in->arena, text, n, in->err);
    if (rc)
        return rc == ERR_NOMEM ? rc : err_wrap(in->err, "%s", path);
    node_set_file(root, path);
    *out = root;
    if (root->kind != YAML_MAP)
        return node_bad(in->err, root, ERR_FORMAT, "the recipe: expected keys and values");
    include = node_take(root, "include");
    if (!include)
        return 0;
    all = node_copy(in->arena, root);
    if (!all)
        return err_nomem(in->err);
    if (include->kind != YAML_LIST)
        rc = include_one(all, in, include, at);
    else
        for (const struct yaml_node *f = include->first; !rc && f; f = f->next)
            rc = include_one(all, in, f, at);
    if (!rc)
        merge(all, root);
    *out = all;
    return rc;
}

int include_parse(struct yaml_node **out, struct arena *arena, const char *path, const char *text,
                  size_t n, const struct subst *env, struct err *err)
{
    struct includer in = {.arena = arena, .env = env, .err = err};
    const struct link top = link_of(path, NULL);

    return read_document(out, &in, path, text, n, &top);
}
