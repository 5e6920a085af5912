#include "eval/imstats.h"

#include "formats/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers --------------------------------------------------------------------- */

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Means of the matrices with data, sorted; returns how many. */
static size_t means(double *a, struct imstats *s)
{
    const struct imatrix_entry *e = s->entry;
    size_t n = 0;

    for (size_t m = 0; m < e->matrices; m++) {
        const double count = (double)e->count[m];
        s->tokens = fmax(s->tokens, count);
        s->least = m ? fmin(s->least, count) : count;
        s->n_unused += !(count > 0);
        for (size_t k = 0; count > 0 && k < e->columns; k++)
            a[n++] = (double)e->sum2[m * e->columns + k] / count;
    }
    qsort(a, n, sizeof(*a), rising);
    return n;
}

static void measure(struct imstats *s, const double *a, size_t n)
{
    const size_t top = n / 100 ? n / 100 : 1;
    double squares = 0;

    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        s->sum += a[i];
        s->active += a[i] > 1e-5;
        s->top_share += i + top >= n ? a[i] : 0;
    }
    s->min = a[0];
    s->max = a[n - 1];
    s->mean = s->sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (a[i] - s->mean) * (a[i] - s->mean);
    s->stddev = sqrt(squares / (double)n);
    for (size_t i = 0; i < n; i++) {
        const double p = s->sum > 0 ? a[i] / s->sum : 0;
        s->entropy -= p > 0 ? p * log2(p) : 0;
        s->strong += s->stddev > 0 && a[i] - s->mean > s->stddev;
    }
    s->active /= (double)n;
    s->strong /= (double)n;
    s->top_share = s->sum > 0 ? s->top_share / s->sum : 0;
    s->evenness = n > 1 ? s->entropy / log2((double)n) : 1;
}

/* The name of the same weight in the block before: false where there is none. */
static bool before(char *out, size_t size, const char *name)
{
    char *end;

    if (strncmp(name, "blk.", 4))
        return false;
    const unsigned long block = strtoul(name + 4, &end, 10);
    if (end == name + 4 || !block)
        return false;
    return (size_t)snprintf(out, size, "blk.%lu%s", block - 1, end) < size;
}

static double cosine(const struct imatrix *im, const struct imatrix_entry *e)
{
    char name[256];
    const struct imatrix_entry *p =
        before(name, sizeof(name), e->name) ? imatrix_find(im, name) : NULL;
    double ab = 0, aa = 0, bb = 0;

    if (!p || p->columns != e->columns || p->matrices != e->matrices)
        return -1;
    for (size_t i = 0; i < e->columns * e->matrices; i++) {
        const double a = (double)e->sum2[i], b = (double)p->sum2[i];
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

int imstats_of(struct imstats *out, const struct imatrix *im, const struct imatrix_entry *e,
               struct err *err)
{
    double *a = calloc(e->columns * e->matrices, sizeof(*a));

    *out = (struct imstats){.entry = e};
    if (!a)
        return err_nomem(err);
    measure(out, a, means(a, out));
    out->cosine = cosine(im, e);
    free(a);
    return 0;
}

/* ---- for people ------------------------------------------------------------------- */

static void text_line(struct buf *b, const struct imstats *s, int width)
{
    const struct imatrix_entry *e = s->entry;

    buf_fmt(b, "%-*s %7llu %5llu %6zu %8.0f %8.0f %10.4g %9.3g %9.3g %9.3g %7.2f %8.2f %7.2f",
            width, e->name, (unsigned long long)e->columns, (unsigned long long)e->matrices,
            s->n_unused, s->least, s->tokens, s->sum, s->mean, s->min, s->max, 100 * s->active,
            100 * s->evenness, 100 * s->top_share);
    if (s->cosine >= 0)
        buf_fmt(b, " %7.4f\n", s->cosine);
    else
        buf_str(b, "       -\n");
}

int imstats_text(struct buf *b, const struct imatrix *im, struct err *err)
{
    int width = 6, rc = 0;

    for (size_t i = 0; i < im->n_entries; i++) {
        const size_t n = strlen(im->entry[i].name);
        width = n > (size_t)width && n < 64 ? (int)n : width;
    }
    for (size_t i = 0; i < im->n_datasets; i++)
        buf_fmt(b, "text %s\n", im->dataset[i]);
    buf_fmt(b, "%zu weights, %u windows of %u tokens\n\n", im->n_entries, im->chunks,
            im->chunk_size);
    buf_fmt(b, "%-*s %7s %5s %6s %8s %8s %10s %9s %9s %9s %7s %8s %7s %7s\n", width, "weight",
            "columns", "of", "unused", "least", "tokens", "sum", "mean", "min", "max", "active%",
            "entropy%", "top1%", "cosine");
    for (size_t i = 0; !rc && i < im->n_entries; i++) {
        struct imstats s;
        rc = imstats_of(&s, im, &im->entry[i], err);
        if (!rc)
            text_line(b, &s, width);
    }
    return rc ? rc : buf_check(b, err);
}

/* ---- for machines ------------------------------------------------------------------ */

static void json_weight(struct json_out *j, const struct imstats *s)
{
    const struct imatrix_entry *e = s->entry;

    json_open(j, NULL, '{');
    json_put_str(j, "name", e->name);
    json_put_uint(j, "columns", e->columns);
    json_put_uint(j, "matrices", e->matrices);
    json_put_uint(j, "unused", s->n_unused);
    json_put_num(j, "sum", s->sum);
    json_put_num(j, "mean", s->mean);
    json_put_num(j, "min", s->min);
    json_put_num(j, "max", s->max);
    json_put_num(j, "stddev", s->stddev);
    json_put_num(j, "active", s->active);
    json_put_num(j, "entropy", s->entropy);
    json_put_num(j, "evenness", s->evenness);
    json_put_num(j, "strong", s->strong);
    json_put_num(j, "top_share", s->top_share);
    json_put_num(j, "cosine", s->cosine >= 0 ? s->cosine : (double)NAN);
    json_open(j, "tokens", '[');
    for (size_t i = 0; i < e->matrices; i++)
        json_put_num(j, NULL, (double)e->count[i]);
    json_close(j, ']');
    json_close(j, '}');
}

int imstats_json(struct buf *b, const struct imatrix *im, struct err *err)
{
    struct json_out j = json_out_init(b, false);
    int rc = 0;

    json_open(&j, NULL, '{');
    json_put_str(&j, "schema", "pare.imatrix");
    json_put_uint(&j, "chunks", im->chunks);
    json_put_uint(&j, "chunk_size", im->chunk_size);
    json_open(&j, "datasets", '[');
    for (size_t i = 0; i < im->n_datasets; i++)
        json_put_str(&j, NULL, im->dataset[i]);
    json_close(&j, ']');
    json_open(&j, "weights", '[');
    for (size_t i = 0; !rc && i < im->n_entries; i++) {
        struct imstats s;
        rc = imstats_of(&s, im, &im->entry[i], err);
        if (!rc)
            json_weight(&j, &s);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    buf_str(b, "\n");
    return rc ? rc : buf_check(b, err);
}
