#include "quant/importance.h"

#include "formats/base/buf.h"
#include "formats/base/rd.h"

#include <stdlib.h>
#include <string.h>

/* Of one tensor; all zeros where the file says nothing. */
struct weights {
    float *mean;     /* owned; [matrices, columns] */
    size_t columns;  /* of a row */
    uint64_t rows;   /* of a matrix */
    size_t matrices; /* experts of a stacked tensor */
};

struct importance {
    const struct imatrix *im; /* borrowed */
    char *path;               /* owned */
    struct weights *at;       /* owned; by source tensor */
    size_t n;
};

/* What warnings name: the first of them, and how many there are. */
struct names {
    struct buf text;
    size_t n;
};

enum { NAMED = 6 };

static void names_add(struct names *names, const char *name, size_t k, bool stack)
{
    if (names->n++ >= NAMED)
        return;
    buf_fmt(&names->text, "%s%.63s", names->n > 1 ? ", " : "", name);
    if (stack)
        buf_fmt(&names->text, " (expert %zu)", k);
}

/* "a, b and 5 more" */
static int names_end(struct names *names, struct err *err)
{
    if (names->n > NAMED)
        buf_fmt(&names->text, " and %zu more", names->n - NAMED);
    return buf_check(&names->text, err);
}

static size_t tensor_matrices(const struct source_tensor *t)
{
    uint64_t n = 1;

    for (int k = 2; k < t->n_dims; k++)
        n *= t->dims[k];
    return (size_t)n;
}

/* Dense tensors of three dimensions have one count, and the columns of every matrix behind
 * each other, as llama-imatrix writes them. */
static int check_entry(const struct imatrix_entry *e, const struct source_tensor *t,
                       struct err *err)
{
    const uint64_t matrices = tensor_matrices(t), columns = source_row_len(t);
    size_t want, found;

    if (e->matrices && mul_ok(&want, (size_t)columns, (size_t)matrices) &&
        mul_ok(&found, (size_t)e->columns, (size_t)e->matrices) && want == found &&
        (e->matrices == matrices || e->matrices == 1))
        return 0;
    return err_set(err, ERR_FORMAT,
                   "%s: expected %llu x %llu values as the tensor has columns and experts, found "
                   "%llu x %llu: an importance matrix of another model",
                   e->name, (unsigned long long)columns, (unsigned long long)matrices,
                   (unsigned long long)e->columns, (unsigned long long)e->matrices);
}

/* Sums over `count` tokens; where none came by, or nothing of them was left, all ones. */
static bool set_means(float *mean, const float *sum2, float count, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        mean[i] = count > 0 ? sum2[i] / count : 0;
        any |= mean[i] > 0;
    }
    for (size_t i = 0; i < n && !any; i++)
        mean[i] = 1;
    return any;
}

static int set_weights(struct weights *w, struct names *unused, const struct imatrix_entry *e,
                       const struct source_tensor *t, struct err *err)
{
    const size_t matrices = tensor_matrices(t), columns = (size_t)source_row_len(t);

    const int rc = check_entry(e, t, err);
    if (rc)
        return rc;
    if (!columns || !matrices)
        return 0;
    *w = (struct weights){.columns = columns, .rows = source_n_rows(t) / matrices};
    w->matrices = matrices;
    w->mean = calloc(columns * matrices, sizeof(*w->mean));
    if (!w->mean)
        return err_nomem(err);
    for (size_t k = 0; k < matrices; k++) {
        const float count = e->count[e->matrices == 1 ? 0 : k];
        if (!set_means(w->mean + k * columns, e->sum2 + k * columns, count, columns))
            names_add(unused, t->name, k, matrices > 1);
    }
    return 0;
}

/* Every tensor that the file names gets its weights; *found: how many do. */
static int set_all(struct importance *imp, size_t *found, const struct source *s,
                   const struct log *log, struct err *err)
{
    struct names unused = {0};
    int rc = 0;

    *found = 0;
    for (size_t i = 0; i < imp->n && !rc; i++) {
        const struct source_tensor *t = source_tensor(s, i);
        const struct imatrix_entry *e = imatrix_find(imp->im, t->name);
        if (e && e->count && e->sum2) {
            rc = set_weights(&imp->at[i], &unused, e, t, err);
            ++*found;
        }
    }
    if (!rc)
        rc = names_end(&unused, err);
    if (!rc && unused.n)
        log_warn(log, "%s: no data for %s: all columns count alike there", imp->path,
                 unused.text.p);
    buf_release(&unused.text);
    return rc;
}

/* A few entries of tensors that this form of the model lacks are no reason to stop. */
static int warn_strange(const struct importance *imp, const struct source *s, const struct log *log,
                        struct err *err)
{
    struct names strange = {0};

    for (size_t i = 0; i < imp->im->n_entries; i++)
        if (!source_find(s, imp->im->entry[i].name))
            names_add(&strange, imp->im->entry[i].name, 0, false);
    const int rc = names_end(&strange, err);
    if (!rc && strange.n)
        log_warn(log, "%s: not in this model: %s", imp->path, strange.text.p);
    buf_release(&strange.text);
    return rc;
}

int importance_new(struct importance **out, const struct imatrix *im, const char *path,
                   const struct source *s, const struct log *log, struct err *err)
{
    struct importance *imp = calloc(1, sizeof(*imp));
    size_t found = 0;
    int rc;

    *out = NULL;
    if (!imp)
        return err_nomem(err);
    imp->im = im;
    imp->n = source_n_tensors(s);
    imp->at = calloc(imp->n + !imp->n, sizeof(*imp->at));
    imp->path = strdup(path);
    rc = imp->at && imp->path ? set_all(imp, &found, s, log, err) : err_nomem(err);
    if (!rc && !found)
        rc = err_set(err, ERR_FORMAT,
                     "an importance matrix of another model: none of its %zu entries (%.63s) is a "
                     "tensor of %s",
                     im->n_entries, im->n_entries ? im->entry[0].name : "", source_path(s));
    if (!rc)
        rc = warn_strange(imp, s, log, err);
    if (rc) {
        if (rc == ERR_FORMAT)
            rc = err_wrap(err, "%s", path);
        importance_free(imp);
        return rc;
    }
    *out = imp;
    return 0;
}

/* Looked up by token, or the last matrix. */
static bool may_lack(const struct source_tensor *t)
{
    return strstr(t->name, "token_embd") || !strcmp(t->name, "output.weight");
}

int importance_check(const struct importance *imp, const struct source *s, const enum dtype *types,
                     const struct log *log, struct err *err)
{
    struct names bare = {0};

    for (size_t i = 0; i < imp->n; i++) {
        const struct source_tensor *t = source_tensor(s, i);
        const struct dtype_info *type = dtype_get(types[i]);
        if (!imp->at[i].mean && t->n_dims > 1 && types[i] != t->type && type && type->block > 1 &&
            !may_lack(t))
            names_add(&bare, t->name, 0, false);
    }
    const int rc = names_end(&bare, err);
    if (!rc && bare.n)
        log_warn(log, "%s: nothing on %s: all columns count alike there", imp->path, bare.text.p);
    buf_release(&bare.text);
    return rc;
}

void importance_free(struct importance *imp)
{
    if (!imp)
        return;
    for (size_t i = 0; imp->at && i < imp->n; i++)
        free(imp->at[i].mean);
    free(imp->at);
    free(imp->path);
    free(imp);
}

const float *importance_row(const struct importance *imp, size_t i, uint64_t r)
{
    const struct weights *w = &imp->at[i];

    return w->mean ? w->mean + (size_t)(r / w->rows) * w->columns : NULL;
}

const struct imatrix *importance_matrix(const struct importance *imp)
{
    return imp->im;
}

const char *importance_path(const struct importance *imp)
{
    return imp->path;
}
