/* Trained weights as files: a GGUF, or a checkpoint's folder by way of one. */

#include "distill/params.h"
#include "distill/student.h"
#include "distill/student_file.h"
#include "formats/base/cpu.h"
#include "formats/base/path.h"
#include "quant/export.h"
#include "quant/mix.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int give_rows(void *arg, float *dst, size_t i, uint64_t r0, uint64_t n, struct err *err)
{
    const struct params *ps = arg;
    const struct param *p = &ps->p[i];
    const uint64_t len = source_row_len(p->t);

    (void)err;
    memcpy(dst, ps->w + p->at + r0 * len, (size_t)(n * len) * sizeof(*dst));
    return 0;
}

/* The params are those of this source. */
static int check_same(const struct source *start, const struct params *ps, struct err *err)
{
    if (ps->n != source_n_tensors(start))
        return err_set(err, ERR_ARG, "%zu tensors of weights for %zu of the student", ps->n,
                       source_n_tensors(start));
    for (size_t i = 0; i < ps->n; i++) {
        const struct source_tensor *t = source_tensor(start, i);
        if (strcmp(ps->p[i].t->name, t->name) != 0 ||
            ps->p[i].n != source_row_len(t) * source_n_rows(t))
            return err_set(err, ERR_ARG, "tensor %s: weights of another student", t->name);
    }
    return 0;
}

int student_write_gguf(const char *path, const struct source *start, const struct params *ps,
                       enum dtype type, struct err *err)
{
    const size_t n = source_n_tensors(start);
    struct meta meta = {0};
    struct gguf_item *items = calloc(n + 1, sizeof(*items));
    enum dtype *types = calloc(n + 1, sizeof(*types));
    int rc = items && types ? check_same(start, ps, err) : err_nomem(err);

    if (!rc)
        rc = mix_convert_types(types, type, start, err);
    for (size_t i = 0; !rc && i < n; i++) {
        const struct source_tensor *t = source_tensor(start, i);
        items[i] = (struct gguf_item){.name = t->name, .type = types[i], .n_dims = t->n_dims};
        memcpy(items[i].dims, t->dims, sizeof(items[i].dims));
    }
    if (!rc)
        rc = student_file_meta(&meta, source_meta(start), source_arch(start), type, err);
    const struct student_file file = {path, &meta, items, n, give_rows, (void *)(uintptr_t)ps};
    if (!rc)
        rc = student_file_write(&file, err);
    meta_release(&meta);
    free(items);
    free(types);
    return rc;
}

int student_write_folder(const char *dir, const struct source *start, const struct params *ps,
                         enum dtype type, const struct par *par, struct err *err)
{
    struct source *s = NULL;
    struct export_result result;
    struct export_opts opts = {.type = DTYPE_NONE, .cpu = cpu_detect(), .par = *par};
    struct buf path = {0};

    /* export reads a GGUF: one without a name when the folder appears */
    buf_put(&path, dir, path_len(dir));
    buf_str(&path, ".made.gguf");
    int rc = buf_check(&path, err);
    if (!rc)
        rc = student_write_gguf(path.p, start, ps, type, err);
    if (!rc) {
        rc = source_open(&s, path.p, NULL, err);
        /* open, so still readable: nothing lies about once the folder is there */
        (void)unlink(path.p);
        if (!rc)
            rc = export_folder(&result, s, dir, &opts, err);
        source_free(s);
    }
    buf_release(&path);
    return rc;
}
