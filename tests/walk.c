#include "tests/walk.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add(struct walk *w, const char *path)
{
    char **grown = realloc(w->path, (w->n + 1) * sizeof(*grown));

    if (!grown)
        return 1;
    w->path = grown;
    w->path[w->n] = strdup(path);
    return w->path[w->n] ? (w->n++, 0) : 1;
}

static int visit(struct walk *w, const char *dir, const char *end)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int rc = 0;

    while (d && !rc && (e = readdir(d))) {
        char path[4096];
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        const size_t n = strlen(path), k = strlen(end);
        if (!stat(path, &st) && S_ISDIR(st.st_mode))
            rc = visit(w, path, end);
        else if (n >= k && !strcmp(path + n - k, end))
            rc = add(w, path);
    }
    if (d)
        (void)closedir(d);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int walk_find(struct walk *w, const char *root, const char *end)
{
    const int rc = visit(w, root, end);

    if (w->n)
        qsort(w->path, w->n, sizeof(*w->path), by_name);
    return rc;
}

void walk_release(struct walk *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->path[i]);
    free(w->path);
    *w = (struct walk){0};
}
