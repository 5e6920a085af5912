/* Which documents are held back for evaluation. */

#include "distill/data_parts.h"
#include "runtime/rng.h"

#include <math.h>
#include <stdlib.h>

static size_t longest_text(const struct data_docs *d)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < d->n; i++)
        if (!d->doc[i].line && (best == SIZE_MAX || d->doc[i].n > d->doc[best].n))
            best = i;
    return best;
}

/* The end of the longest text becomes a document, the one after it: its number, or SIZE_MAX when there is no
 * text that long. */
static int cut_tail(size_t *held, struct data_docs *d, double share, struct err *err)
{
    const size_t k = longest_text(d);
    double total = 0;

    *held = SIZE_MAX;
    for (size_t i = 0; i < d->n; i++)
        total += (double)d->doc[i].n;
    if (k == SIZE_MAX || total * share + 1 > (double)d->doc[k].n / 2)
        return 0;
    struct data_doc tail = d->doc[k];
    const char *text = (const char *)d->file[tail.file].map.data;
    size_t at = tail.at + tail.n - (size_t)(total * share) - 1;
    while (at < tail.at + tail.n && text[at - 1] != '\n')
        at++;
    if (at >= tail.at + tail.n) { /* no line ends there */
        at = tail.at + tail.n - (size_t)(total * share) - 1;
        while (at < tail.at + tail.n && ((unsigned char)text[at] & 0xc0U) == 0x80U)
            at++;
    }
    tail.n = tail.at + tail.n - at;
    tail.at = at;
    d->doc[k].n -= tail.n;
    *held = k + 1;
    return data_docs_add(d, k + 1, &tail, err);
}

int data_choose_held(size_t *n_held, size_t **list, struct data_docs *d, double share,
                     struct err *err)
{
    size_t tail = SIZE_MAX, *p;
    int rc = 0;

    *n_held = 0;
    *list = NULL;
    if (!(share >= 0 && share < 1))
        return err_set(err, ERR_ARG, "a share of %g cannot be held back", share);
    if (share > 0 && share * (double)d->n < 1)
        rc = cut_tail(&tail, d, share, err);
    if (rc)
        return rc;
    p = *list = calloc(d->n ? d->n : 1, sizeof(*p));
    if (!p)
        return err_nomem(err);
    for (size_t i = 0; i < d->n; i++)
        p[i] = i;
    if (share <= 0)
        return 0;
    if (d->n == 1 && !d->doc[0].line)
        return err_set(err, ERR_ARG,
                       "%s: of a single document less than half can be held back; held-back 0 "
                       "trains on all of it",
                       d->file[0].path);
    if (d->n < 2)
        return err_set(
            err, ERR_ARG,
            "%s: a share of a single document cannot be held back: held-back 0 trains on "
            "all of it",
            d->file[0].path);
    struct rng r = rng_init(0);
    const double want = floor(share * (double)d->n + 0.5);
    *n_held = tail != SIZE_MAX || want < 1 ? 1 : want > (double)d->n - 1 ? d->n - 1 : (size_t)want;
    for (size_t i = 0; i < *n_held; i++) {
        const size_t k = tail != SIZE_MAX ? tail : i + (size_t)(rng_unit(&r) * (double)(d->n - i));
        const size_t t = p[i];
        p[i] = p[k];
        p[k] = t;
    }
    return 0;
}
