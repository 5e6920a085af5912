#include "tools/inspect.h"

#include "formats/base/strmap.h"
#include "formats/gguf_split.h"
#include "tools/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int inspect_open(struct inspect *m, const char *path, struct err *err)
{
    struct stat st;

    *m = (struct inspect){0};
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        int rc = ckpt_open(&m->ckpt, path, err);
        if (rc)
            return rc;
        m->n_tensors = ckpt_n_tensors(m->ckpt);
        return digest_ckpt_list(&m->tensor, m->ckpt, err);
    }
    int rc = gguf_open(&m->gguf, path, err);
    if (rc)
        return rc;
    m->n_tensors = gguf_n_tensors(m->gguf);
    return digest_gguf_list(&m->tensor, m->gguf, err);
}

void inspect_release(struct inspect *m)
{
    free(m->tensor);
    gguf_free(m->gguf);
    ckpt_free(m->ckpt);
    *m = (struct inspect){0};
}

static uint64_t elements(const struct digest_tensor *t)
{
    uint64_t n = 1; /* both readers have checked that this fits */

    for (int k = 0; k < t->n_dims; k++)
        n *= t->dims[k];
    return n;
}

void inspect_print_head(const struct inspect *m)
{
    uint64_t params = 0, bytes = 0;

    for (size_t i = 0; i < m->n_tensors; i++) {
        params += elements(&m->tensor[i]);
        bytes += m->tensor[i].bytes;
    }
    if (m->gguf)
        printf("GGUF v%" PRIu32 ", %" PRIu64 " bytes", gguf_version(m->gguf),
               gguf_file_bytes(m->gguf));
    else
        printf("checkpoint");
    if (m->gguf && gguf_n_parts(m->gguf) > 1)
        printf(" in %zu files", gguf_n_parts(m->gguf));
    printf(", %zu tensors, %" PRIu64 " parameters, %" PRIu64 " bytes of data", m->n_tensors, params,
           bytes);
    if (params)
        printf(", %.3f bits per weight", 8.0 * (double)bytes / (double)params);
    printf("\n");
}

int inspect_print_meta(const struct inspect *m, struct err *err)
{
    const struct meta *meta = m->gguf ? gguf_meta(m->gguf) : NULL;
    struct buf b = {0};

    if (meta)
        buf_fmt(&b, "\nmetadata (%zu)\n", meta->n);
    for (size_t i = 0; meta && i < meta->n; i++) {
        const struct meta_kv *kv = &meta->kv[i];
        buf_fmt(&b, "  %-42s %-8s ", kv->key,
                meta_type_name(kv->type == META_ARRAY ? kv->v.array.elem : kv->type));
        text_value(&b, kv);
        buf_str(&b, "\n");
    }
    if (!meta) {
        buf_str(&b, "\nconfig.json\n  ");
        const int rc = json_print(&b, ckpt_config(m->ckpt), err);
        if (rc) {
            buf_release(&b);
            return rc;
        }
        buf_str(&b, "\n");
    }
    return text_print(&b, err);
}

void inspect_print_types(const struct inspect *m)
{
    struct {
        size_t n;
        uint64_t bytes, params;
    } of[DTYPE_COUNT] = {{0}};
    uint64_t all = 0;

    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct digest_tensor *t = &m->tensor[i];
        of[t->type].n++;
        of[t->type].bytes += t->bytes;
        of[t->type].params += elements(t);
        all += t->bytes;
    }
    printf("\n%-8s %8s %14s %16s %7s\n", "type", "tensors", "parameters", "bytes", "share");
    for (int t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (of[t].n)
            printf("%-8s %8zu %14" PRIu64 " %16" PRIu64 " %6.2f%%\n",
                   dtype_get((enum dtype)t)->name, of[t].n, of[t].params, of[t].bytes,
                   all ? 100.0 * (double)of[t].bytes / (double)all : 0.0);
}

static int width_of_names(const struct inspect *m)
{
    size_t width = 4;

    for (size_t i = 0; i < m->n_tensors; i++)
        if (strlen(m->tensor[i].name) > width)
            width = strlen(m->tensor[i].name);
    return width > 80 ? 80 : (int)width;
}

int inspect_print_tensors(const struct inspect *m, struct err *err)
{
    const int width = width_of_names(m);
    struct buf b = {0};

    buf_fmt(&b, "\n%-*s %-20s %-8s %14s\n", width, "name", "shape", "type", "bytes");
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct digest_tensor *t = &m->tensor[i];
        char shape[ST_MAX_DIMS * 24];
        int n = snprintf(shape, sizeof(shape), "[");
        for (int k = 0; k < t->n_dims; k++)
            n += snprintf(shape + n, sizeof(shape) - (size_t)n, "%s%" PRIu64, k ? ", " : "",
                          t->dims[k]);
        (void)snprintf(shape + n, sizeof(shape) - (size_t)n, "]");
        buf_fmt(&b, "%-*s %-20s %-8s %14zu%s%s\n", width, t->name, shape, dtype_get(t->type)->name,
                t->bytes, t->hex[0] ? "  " : "", t->hex);
    }
    return text_print(&b, err);
}

/* "<path>.json"; for the first part of a split, that of the whole also counts. */
static int load_report(json_val **out, const char *path, struct err *err)
{
    struct buf name = {0};
    struct stat st;
    size_t prefix_n;
    int rc;

    *out = NULL;
    buf_fmt(&name, "%s.json", path);
    if (!name.bad && stat(name.p, &st) && gguf_split_prefix(&prefix_n, path)) {
        buf_release(&name);
        buf_fmt(&name, "%.*s.gguf.json", (int)prefix_n, path);
    }
    rc = buf_check(&name, err);
    if (!rc && !stat(name.p, &st))
        rc = json_load(out, name.p, err);
    buf_release(&name);
    return rc;
}

static int compare(size_t *listed, const struct inspect *m, const json_val *report, struct err *err)
{
    struct strmap names = {0};
    bool fresh;
    int rc = strmap_reserve(&names, m->n_tensors, err);

    for (size_t i = 0; i < m->n_tensors && !rc; i++)
        rc = strmap_add(&fresh, &names, m->tensor[i].name, strlen(m->tensor[i].name), i, err);
    for (const json_val *v = json_first(json_get(report, "tensors")); v && !rc; v = json_next(v)) {
        const char *name = json_str(json_get(v, "name")), *want = json_str(json_get(v, "sha256"));
        size_t i;
        if (!name || !want)
            continue;
        ++*listed;
        if (!strmap_get(&i, &names, name, strlen(name)))
            rc = err_set(err, ERR_FORMAT, "tensor %.100s: listed in the report, not in the file",
                         name);
        else if (strcmp(want, m->tensor[i].hex))
            rc = err_set(err, ERR_FORMAT, "tensor %.100s: sha256 %s, the report says %.64s", name,
                         m->tensor[i].hex, want);
    }
    strmap_release(&names);
    return rc;
}

int inspect_compare(size_t *listed, const struct inspect *m, const char *path, struct err *err)
{
    json_val *report = NULL;
    int rc = load_report(&report, path, err);

    *listed = 0;
    if (!rc && report)
        rc = compare(listed, m, report, err);
    if (!rc && *listed && *listed != m->n_tensors)
        rc = err_set(err, ERR_FORMAT, "the report lists %zu tensors, the file has %zu", *listed,
                     m->n_tensors);
    json_free(report);
    return rc;
}
