/* The task files of an evaluation: patterns to files, their digests. */

#include "recipes/engine_impl.h"

#include <glob.h>
#include <string.h>

/* Files of one pattern, in the order of their names. */
static int expand(struct branch *b, const struct recipe_path *p, struct err *err)
{
    glob_t g = {0};
    const int got = glob(p->path, GLOB_ERR, NULL, &g);
    int rc = 0;

    if (got == GLOB_NOSPACE)
        rc = err_nomem(err);
    else if (got)
        rc = err_set(err, ERR_IO, "%s: tasks: no file is named %s", p->where, p->path);
    const char **grown =
        rc ? NULL : arena_array(&b->e->arena, b->n_tasks + g.gl_pathc + 1, sizeof(*b->task));
    if (!rc && !grown)
        rc = err_nomem(err);
    if (!rc && b->n_tasks)
        memcpy(grown, b->task, b->n_tasks * sizeof(*grown));
    for (size_t i = 0; !rc && i < g.gl_pathc; i++) {
        grown[b->n_tasks + i] = arena_str(&b->e->arena, g.gl_pathv[i]);
        if (!grown[b->n_tasks + i])
            rc = err_nomem(err);
    }
    if (!rc) {
        b->task = grown;
        b->n_tasks += g.gl_pathc;
    }
    globfree(&g);
    return rc;
}

static int hash_tasks(struct branch *b, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_u64(h, TASK_VERSION);
    for (size_t i = 0; !rc && i < b->n_tasks; i++) {
        const char *slash = strrchr(b->task[i], '/');
        rc = cache_hash_file(hex, b->e->cache, b->task[i], err);
        hash_str(h, slash ? slash + 1 : b->task[i]);
        hash_str(h, rc ? "" : hex);
    }
    if (!rc)
        rc = hash_hex(h, b->tasks_sha, err);
    hash_free(h);
    return rc;
}

int engine_find_tasks(struct branch *b, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < b->recipe->n_tasks; i++)
        rc = expand(b, &b->recipe->tasks[i], err);
    if (rc || !b->n_tasks)
        return rc;
    rc = task_check(b->task, b->n_tasks, 0, err);
    return rc ? rc : hash_tasks(b, err);
}
