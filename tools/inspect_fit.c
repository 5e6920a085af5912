/* What a checkpoint would become: the family it fits, what is missing or unexpected, and
 * what the file would weigh in each type. */

#include "formats/source.h"
#include "formats/source_fit.h"
#include "quant/job.h"
#include "tools/inspect.h"

#include <inttypes.h>
#include <stdio.h>

static void print_names(const char *what, const struct buf *lines, size_t n)
{
    const char *at = lines->p;

    for (; at && *at && n; n--) {
        int k = 0;
        while (at[k] && at[k] != '\n')
            k++;
        printf("  %s %.*s\n", what, k, at);
        at += k + (at[k] == '\n');
    }
    if (n)
        printf("  %s: %zu more\n", what, n);
}

static int print_fit(const struct inspect *m, struct err *err)
{
    struct source_fit f;
    const int rc = source_fit(&f, m->ckpt, err);

    if (rc)
        return rc;
    printf("\narchitecture %s: ", f.class ? f.class : "not named in config.json");
    if (f.arch)
        printf("%s%s, %zu of %zu tensors fit, %zu missing\n",
               f.exact ? "" : "unknown; the nearest is ", f.arch->name, f.n_known, f.n_tensors,
               f.n_missing);
    else
        printf("unknown, and none is near\n");
    print_names("unexpected", &f.unexpected, f.n_tensors - f.n_known);
    print_names("missing", &f.missing, f.n_missing);
    source_fit_release(&f);
    return 0;
}

/* One line; a mix that pare cannot write (yet) for this model has none. */
static void print_size(const char *name, const struct source *s, struct job_opts *opts,
                       uint64_t params)
{
    struct err ignored = {0};
    struct job *job = NULL;
    uint64_t bytes;

    opts->size_only = true;
    if (!job_new(&job, s, opts, &ignored) && !pipe_size(&bytes, job_pipe(job), &ignored))
        printf("%-8s %16" PRIu64 " %10.3f\n", name, bytes,
               params ? 8.0 * (double)bytes / (double)params : 0.0);
    job_free(job);
}

/* Types that `pare convert` writes; mixes of the same name differ in details. */
static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0};

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (dtype_by_name(name) == types[i])
            return true;
    return false;
}

static void print_sizes(const struct source *s, const struct par *par, const struct log *log)
{
    struct job_opts opts = {.par = *par, .log = log};
    const struct mix *mix;
    uint64_t params = 0;

    for (size_t i = 0; i < source_n_tensors(s); i++) {
        const struct source_tensor *t = source_tensor(s, i);
        params += source_row_len(t) * source_n_rows(t);
    }
    printf("\nas a GGUF: %zu tensors, %" PRIu64 " parameters\n%-8s %16s %10s\n",
           source_n_tensors(s), params, "type", "bytes", "bits each");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        opts.convert = types[i];
        print_size(dtype_get(types[i])->name, s, &opts, params);
    }
    opts.convert = DTYPE_NONE;
    for (size_t i = 0; (mix = mix_at(i)); i++) {
        opts.mix = mix;
        if (!is_listed(mix_name(mix)))
            print_size(mix_name(mix), s, &opts, params);
    }
}

int inspect_print_fit(const struct inspect *m, const char *path, const struct par *par,
                      struct err *err)
{
    static const struct log silent;
    const struct source_opts so = {.log = &silent};
    struct source *s = NULL;
    struct err why = {0};
    int rc = m->ckpt ? print_fit(m, err) : 0;

    if (rc || !m->ckpt)
        return rc;
    if (source_open(&s, path, &so, &why))
        printf("\ndoes not convert: %s\n", why.msg);
    else
        print_sizes(s, par, &silent);
    source_free(s);
    return 0;
}
