/* The end of a job. All bytes are on the disk before any name changes; then an earlier report
 * goes, the model comes, its report comes: at no moment does a report belong to another file. */

#include "formats/base/json.h"
#include "formats/base/out.h"
#include "quant/pipe/pipe.h"

#include <unistd.h>

/* Is what stands under that name a report of ours? */
static bool is_report(const char *name)
{
    struct err err;
    json_val *doc;

    if (json_load(&doc, name, &err))
        return false;
    const bool ours = json_str(json_get(doc, "pare")) && json_get(doc, "tensors");
    json_free(doc);
    return ours;
}

/* The report, under its part name. */
static int write_report(struct out *o, const char *name, struct pipe *p, const char *path,
                        const struct pipe_result *result, struct err *err)
{
    struct buf text = {0};

    int rc = pipe_report(&text, path, p->stats, p->n_items, result, err);
    if (!rc)
        rc = out_open(o, name, err);
    if (!rc)
        rc = out_write(o, text.p, text.n, err);
    if (!rc)
        rc = out_sync(o, err);
    buf_release(&text);
    return rc;
}

int pipe_commit(struct pipe *p, const char *path, const struct pipe_result *result, struct err *err)
{
    const bool report = p->job->tensor_report;
    struct buf name = {0};
    struct out o;

    if (out_is_device(path))
        return gguf_writer_commit(p->writer, err);
    out_init(&o);
    buf_fmt(&name, "%s.json", path);
    int rc = buf_check(&name, err);
    if (!rc && report)
        rc = write_report(&o, name.p, p, path, result, err);
    if (!rc)
        rc = gguf_writer_sync(p->writer, err);
    if (!rc && (report || is_report(name.p)))
        (void)unlink(name.p);
    if (!rc)
        rc = gguf_writer_commit(p->writer, err);
    if (!rc && report)
        rc = out_commit(&o, err);
    out_abandon(&o);
    buf_release(&name);
    return rc;
}
