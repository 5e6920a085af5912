#include "eval/tensors.h"

#include "formats/base/buf.h"
#include "formats/gguf_split.h"

#include <math.h>
#include <unistd.h>

void tensor_errors_release(struct tensor_errors *t)
{
    arena_release(&t->arena);
    *t = (struct tensor_errors){0};
}

static int copy(const char **out, struct arena *arena, const json_val *v, const char *key,
                struct err *err)
{
    const char *s = json_str(json_get(v, key));

    if (!s)
        return err_set(err, ERR_FORMAT, "%s: expected a text", key);
    *out = arena_str(arena, s);
    return *out ? 0 : err_nomem(err);
}

static int get_one(struct tensor_error *t, struct arena *arena, const json_val *v, struct err *err)
{
    int64_t bytes = 0;
    int rc = copy(&t->name, arena, v, "name", err);

    if (!rc)
        rc = copy(&t->type, arena, v, "type", err);
    if (rc)
        return rc;
    t->nmse = (double)NAN;
    (void)json_num(json_get(v, "nmse"), &t->nmse);
    if (json_get(v, "bytes") && (!json_int(json_get(v, "bytes"), &bytes) || bytes < 0))
        return err_set(err, ERR_FORMAT, "bytes: expected a whole number");
    t->bytes = (uint64_t)bytes;
    return 0;
}

int tensor_errors_get(struct tensor_errors *out, const json_val *v, struct err *err)
{
    const size_t n = json_len(v);

    *out = (struct tensor_errors){0};
    if (v && !json_is_array(v))
        return err_set(err, ERR_FORMAT, "tensors: expected a list");
    if (!n)
        return 0;
    out->at = arena_array(&out->arena, n, sizeof(*out->at));
    if (!out->at)
        return err_nomem(err);
    for (v = json_first(v); v; v = json_next(v)) {
        const int rc = get_one(&out->at[out->n], &out->arena, v, err);
        if (rc == ERR_FORMAT)
            return err_wrap(err, "tensors: item %zu", out->n);
        if (rc)
            return rc;
        out->n++;
    }
    return 0;
}

void tensor_errors_put(struct json_out *j, const struct tensor_errors *t)
{
    const bool flat = j->flat;

    if (!t->n)
        return;
    json_open(j, "tensors", '[');
    for (size_t i = 0; i < t->n; i++) {
        json_open(j, NULL, '{');
        j->flat = true; /* hundreds of tensors: a line each */
        json_put_str(j, "name", t->at[i].name);
        json_put_str(j, "type", t->at[i].type);
        json_put_num(j, "nmse", t->at[i].nmse);
        json_put_uint(j, "bytes", t->at[i].bytes);
        json_close(j, '}');
        j->flat = flat;
    }
    json_close(j, ']');
}

/* The report beside a file does not say how many bytes each tensor has. */
static void add_bytes(struct tensor_errors *t, const struct source *s)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct source_tensor *from = source_find(s, t->at[i].name);
        size_t row;
        if (from && dtype_row_bytes(&row, from->type, source_row_len(from)))
            t->at[i].bytes = row * source_n_rows(from);
    }
}

/* Is the report of this file? */
static int get_report(struct tensor_errors *out, const json_val *doc, const struct source *s,
                      struct err *err)
{
    int64_t bytes;

    if (!json_int(json_get(doc, "bytes"), &bytes) || (uint64_t)bytes != source_bytes(s))
        return err_set(err, ERR_FORMAT, "it is not of this file, which has %llu bytes",
                       (unsigned long long)source_bytes(s));
    return tensor_errors_get(out, json_get(doc, "tensors"), err);
}

static int load(struct tensor_errors *out, const char *name, const struct source *s,
                const struct log *log, struct err *err)
{
    json_val *doc;
    int rc = json_load(&doc, name, err);

    if (!rc) {
        rc = get_report(out, doc, s, err);
        if (rc == ERR_FORMAT)
            rc = err_wrap(err, "%s", name);
        json_free(doc);
    }
    if (!rc)
        add_bytes(out, s);
    if (!rc || rc == ERR_NOMEM)
        return rc;
    log_warn(log, "%s: the errors of its tensors are left out", err->msg);
    tensor_errors_release(out);
    return 0;
}

int tensor_errors_load(struct tensor_errors *out, const char *path, const struct source *s,
                       const struct log *log, struct err *err)
{
    struct buf name = {0};
    size_t prefix_n;

    *out = (struct tensor_errors){0};
    buf_fmt(&name, "%s.json", path);
    if (!name.bad && access(name.p, F_OK) != 0 && gguf_split_prefix(&prefix_n, path)) {
        buf_release(&name); /* a part: that of the whole */
        buf_fmt(&name, "%.*s.gguf.json", (int)prefix_n, path);
    }
    int rc = buf_check(&name, err);
    if (!rc && !access(name.p, F_OK))
        rc = load(out, name.p, s, log, err);
    buf_release(&name);
    return rc;
}
