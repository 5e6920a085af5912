#include "quant/keep_split.h"

#include <stdlib.h>

struct place {
    size_t file; /* of the source */
    size_t at;   /* in the order before */
    size_t index;
};

static int place_cmp(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* file[i]: which file tensor i is in, counted as they are met. maps: room for as many. */
static void find_files(size_t *file, const struct map **maps, const struct source *s)
{
    size_t n = 0, now = 0;

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        const struct map *m = t->n_parts ? t->part[0].map : NULL;
        if (m) {
            for (now = 0; now < n && maps[now] != m; now++)
                ;
            if (now == n)
                maps[n++] = m;
        }
        file[i] = now;
    }
}

int keep_split(size_t *order, bool *starts, const struct source *s, struct err *err)
{
    const size_t n = source_n_tensors(s);
    size_t *file = calloc(n + 1, sizeof(*file));
    const struct map **maps = calloc(n + 1, sizeof(*maps));
    struct place *p = calloc(n + 1, sizeof(*p));
    int rc = 0;

    if (!file || !maps || !p) {
        rc = err_nomem(err);
        goto fail;
    }
    find_files(file, maps, s);
    for (size_t i = 0; i < n; i++)
        p[i] = (struct place){.file = file[order[i]], .at = i, .index = order[i]};
    qsort(p, n, sizeof(*p), place_cmp);
    for (size_t i = 0; i < n; i++) {
        order[i] = p[i].index;
        starts[i] = i > 0 && p[i].file != p[i - 1].file;
    }

fail:
    free(file);
    free(maps);
    free(p);
    return rc;
}
