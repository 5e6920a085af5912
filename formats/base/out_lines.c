#include "formats/base/out_lines.h"

#include "formats/base/buf.h"
#include "formats/base/map.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void out_lines_init(struct out_lines *o)
{
    *o = (struct out_lines){0};
    out_init(&o->out);
}

/* *bytes of the part file are whole lines. After a loss of power NULs may stand where bytes were not written. */
static int count(size_t *bytes, struct out_lines *o, size_t most, struct err *err)
{
    struct map m = {0};
    int rc = map_open(&m, o->out.part, err);
    const uint8_t *nul = m.size ? memchr(m.data, 0, m.size) : NULL, *eol;
    const size_t size = nul ? (size_t)(nul - m.data) : m.size;

    *bytes = 0;
    for (; !rc && o->n < most && *bytes < size; o->n++) {
        eol = memchr(m.data + *bytes, '\n', size - *bytes);
        if (!eol)
            break;
        *bytes = (size_t)(eol - m.data) + 1;
    }
    map_release(&m);
    return rc;
}

int out_lines_open(struct out_lines *o, const char *path, const char *key, size_t most,
                   struct err *err)
{
    struct buf b = {0};
    size_t bytes = 0;

    out_lines_init(o);
    int rc = out_take_up(&o->out, path, err);
    if (rc || out_is_device(path))
        return rc;
    buf_fmt(&b, "%s.key", o->out.part);
    rc = buf_check(&b, err);
    if (rc)
        goto fail;
    o->key = b.p;
    const bool same = map_holds(o->key, key, strlen(key));
    if (same)
        rc = count(&bytes, o, most, err);
    if (!rc)
        rc = out_cut(&o->out, bytes, err);
    if (!rc && !same) /* once the lines of the other key are gone */
        rc = out_file(o->key, key, strlen(key), err);
    if (!rc)
        return 0;
fail:
    out_lines_close(o);
    return rc;
}

static void key_release(struct out_lines *o, bool removed)
{
    if (o->key && removed)
        (void)unlink(o->key);
    free(o->key);
    o->key = NULL;
}

int out_lines_commit(struct out_lines *o, struct err *err)
{
    const int rc = out_commit(&o->out, err);

    key_release(o, true);
    return rc;
}

void out_lines_close(struct out_lines *o)
{
    const bool some = o->key && o->out.n;

    if (some)
        out_leave(&o->out);
    else
        out_abandon(&o->out);
    key_release(o, !some);
}
