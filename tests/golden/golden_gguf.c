/* Every GGUF under the golden folder: it opens, and what was read, written again,
 * is the same bytes. */

#include "formats/gguf.h"
#include "formats/gguf_write.h"
#include "tests/tap.h"
#include "tests/walk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct gguf_item *items_of(const struct gguf *g)
{
    const size_t n = gguf_n_tensors(g);
    struct gguf_item *items = calloc(n + 1, sizeof(*items));

    for (size_t i = 0; items && i < n; i++) {
        const struct gguf_tensor *t = gguf_tensor(g, i);
        items[i] = (struct gguf_item){.name = t->name, .type = t->type, .n_dims = t->n_dims};
        memcpy(items[i].dims, t->dims, sizeof(t->dims));
    }
    return items;
}

static int rewrite(const struct gguf *g, const char *to, uint64_t *planned, struct err *err)
{
    struct gguf_item *items = items_of(g);
    struct gguf_writer *w = NULL;
    int rc = items ? gguf_writer_new(&w, to, gguf_meta(g), items, gguf_n_tensors(g), 0, err)
                   : err_nomem(err);

    for (size_t i = 0; i < gguf_n_tensors(g) && !rc; i++)
        rc = gguf_writer_put(w, gguf_tensor(g, i)->data, gguf_tensor(g, i)->bytes, err);
    if (!rc)
        rc = gguf_writer_commit(w, err);
    if (!rc)
        *planned = gguf_writer_bytes(w);
    gguf_writer_free(w);
    free(items);
    return rc;
}

static bool same_bytes(const char *a, const char *b, struct err *err)
{
    struct map x = {0}, y = {0};
    bool same = !map_open(&x, a, err) && !map_open(&y, b, err);

    if (same && x.size != y.size) {
        (void)err_set(err, ERR_FORMAT, "%zu bytes, expected %zu", y.size, x.size);
        same = false;
    }
    for (size_t i = 0; same && i < x.size; i++) {
        if (x.data[i] == y.data[i])
            continue;
        (void)err_set(err, ERR_FORMAT, "byte %zu differs", i);
        same = false;
    }
    map_release(&x);
    map_release(&y);
    return same;
}

static void check(struct tap *t, const char *path, const char *name)
{
    char to[64];
    struct gguf *g = NULL;
    struct err err = {0};
    uint64_t planned = 0;

    (void)snprintf(to, sizeof(to), "/tmp/pare-golden-%ld.gguf", (long)getpid());
    if (tap_ok(t, !gguf_open(&g, path, &err), "%s: opens", name)) {
        const bool wrote = !rewrite(g, to, &planned, &err);
        const bool same = wrote && same_bytes(path, to, &err);
        (void)tap_ok(t, same && planned == gguf_file_bytes(g), "%s: same bytes written", name);
    }
    if (err.code)
        tap_note("%s", err.msg);
    gguf_free(g);
    (void)unlink(to);
}

int main(void)
{
    struct tap t = {0};
    struct walk w = {0};
    const char *root = tap_golden();

    if (!root || walk_find(&w, root, ".gguf") || w.n == 0) {
        tap_skip(&t, "golden_gguf", "no golden GGUF files");
        walk_release(&w);
        return tap_done(&t);
    }
    for (size_t i = 0; i < w.n; i++)
        check(&t, w.path[i], w.path[i] + strlen(root) + 1);
    walk_release(&w);
    return tap_done(&t);
}
