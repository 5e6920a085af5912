#include "distill/student_file.h"

#include "formats/base/cpu.h"
#include "formats/base/version.h"
#include "quant/codec.h"
#include "quant/mix.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_VALUES = 256 * 1024 }; /* of a tensor at once, or one row where that is longer */

static uint64_t rows_of(const struct gguf_item *it)
{
    uint64_t n = 1;

    for (int d = 1; d < it->n_dims; d++)
        n *= it->dims[d];
    return n;
}

static int put_tensor(struct gguf_writer *w, const struct student_file *f, size_t i, float *x,
                      uint8_t *bytes, struct err *err)
{
    const struct gguf_item *it = &f->items[i];
    const struct codec *c = codec_get(it->type, cpu_detect());
    const struct codec_how how = {0};
    const uint64_t rows = rows_of(it), len = it->dims[0];
    const uint64_t most = len < CHUNK_VALUES ? CHUNK_VALUES / len : 1;
    size_t row_bytes;

    if (!c || !c->enc || !dtype_row_bytes(&row_bytes, it->type, len))
        return err_set(err, ERR_UNSUPPORTED, "tensor %s: cannot be written as %s", it->name,
                       dtype_get(it->type)->name);
    for (uint64_t r = 0; r < rows; r += most) {
        const uint64_t n = rows - r < most ? rows - r : most;
        int rc = f->rows(f->arg, x, i, r, n, err);
        for (uint64_t k = 0; !rc && k < n; k++) {
            rc = codec_encode_row(c, bytes + k * row_bytes, x + k * len, (size_t)len, &how, err);
            if (rc)
                return err_wrap(err, "tensor %s, row %" PRIu64, it->name, r + k);
        }
        if (!rc)
            rc = gguf_writer_put(w, bytes, (size_t)n * row_bytes, err);
        if (rc)
            return rc;
    }
    return 0;
}

int student_file_write(const struct student_file *f, struct err *err)
{
    struct gguf_writer *w = NULL;
    uint64_t most = CHUNK_VALUES;
    float *x = NULL;
    uint8_t *bytes = NULL;

    for (size_t i = 0; i < f->n_items; i++)
        most = f->items[i].dims[0] > most ? f->items[i].dims[0] : most;
    int rc = gguf_writer_new(&w, f->path, f->meta, f->items, f->n_items, 0, err);
    if (rc)
        return rc;
    x = calloc((size_t)most, sizeof(*x));
    bytes = calloc((size_t)most, sizeof(float));
    if (!x || !bytes)
        rc = err_nomem(err);
    for (size_t i = 0; !rc && i < f->n_items; i++)
        rc = put_tensor(w, f, i, x, bytes, err);
    if (!rc)
        rc = gguf_writer_commit(w, err);
    gguf_writer_free(w);
    free(bytes);
    free(x);
    return rc;
}

int student_file_check(const char *path, struct err *err)
{
    struct source *s = NULL;
    const int rc = source_open(&s, path, NULL, err);

    source_free(s);
    if (rc)
        (void)unlink(path);
    return rc;
}

/* Keys that are true of another file. */
static bool of_origin(const char *key)
{
    static const char *const keys[] = {"quantize.imatrix.",
                                       "pare.imatrix.",
                                       "pare.source.",
                                       "pare.recipe",
                                       "split.",
                                       "general.size_label",
                                       "general.file_type",
                                       "general.quantization_version",
                                       "general.parameter_count"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!strncmp(key, keys[i], strlen(keys[i])))
            return true;
    return false;
}

int student_file_meta(struct meta *out, const struct meta *from, const struct arch *arch,
                      enum dtype type, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < from->n; i++)
        if (!of_origin(from->kv[i].key))
            rc = meta_set_kv(out, &from->kv[i], err);
    if (!rc && !(arch && arch->no_file_type))
        rc = meta_set_u32(out, "general.file_type",
                          mix_file_type(mix_by_name(dtype_get(type)->name)), err);
    if (!rc)
        rc = meta_set_str(out, "pare.version", PARE_VERSION, err);
    return rc ? rc : meta_set_str(out, "pare.recipe", "distill", err);
}
