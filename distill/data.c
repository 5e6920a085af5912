/* Windows, their order and their digest. */

#include "distill/data_parts.h"
#include "runtime/rng.h"

#include <stdlib.h>
#include <string.h>

/* ---- parts ------------------------------------------------------------------------------- */

void data_part_release(struct data_part *p)
{
    free(p->ids);
    free(p->label);
    free(p->doc);
    free(p->counted);
    *p = (struct data_part){0};
}

void data_free(struct data *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n_parts; i++)
        data_part_release(&d->part[i]);
    data_part_release(&d->held);
    free(d->part);
    free(d->all);
    free(d->order);
    free(d->pass);
    free(d);
}

static struct data_window window_of(const struct data *d, const struct data_part *p, size_t i)
{
    const size_t at = i * d->n_tok;
    const int32_t *ids = p->ids + i * (d->n_tok + 1);

    return (struct data_window){.ids = ids,
                                .label = p->label ? p->label + at : ids + 1,
                                .doc = p->doc ? p->doc + at : NULL,
                                .counted = p->counted ? p->counted + at : d->all};
}

size_t data_n_tok(const struct data *d)
{
    return d->n_tok;
}

size_t data_n_windows(const struct data *d)
{
    return d->n;
}

size_t data_n_epoch(const struct data *d)
{
    return d->n_epoch;
}

size_t data_n_held(const struct data *d)
{
    return d->held.n;
}

struct data_window data_window(const struct data *d, size_t i)
{
    size_t k = 0;

    while (k + 1 < d->n_parts && i >= d->part[k + 1].first)
        k++;
    return window_of(d, &d->part[k], i - d->part[k].first);
}

struct data_window data_held(const struct data *d, size_t i)
{
    return window_of(d, &d->held, i);
}

const char *data_sha256(const struct data *d)
{
    return d->sha256;
}

/* ---- order ------------------------------------------------------------------------------- */

/* Uniform below n: of 64 bits, those that would favour some are drawn again. */
static size_t below(struct rng *r, size_t n)
{
    const uint64_t most = UINT64_MAX - UINT64_MAX % n;
    uint64_t x;

    do
        x = rng_u64(r);
    while (x >= most);
    return (size_t)(x % n);
}

/* Fisher and Yates; what, number: tell streams of one seed apart. */
static void shuffle(size_t *p, size_t n, uint64_t seed, uint64_t what, uint64_t number)
{
    struct rng r = rng_init(seed);

    r = rng_init(rng_u64(&r) ^ what * 0x9e3779b97f4a7c15U);
    r = rng_init(rng_u64(&r) ^ number);
    for (size_t i = n; i > 1; i--) {
        const size_t k = below(&r, i), t = p[i - 1];
        p[i - 1] = p[k];
        p[k] = t;
    }
}

/* A part's windows in this epoch: its passes, each shuffled, go on from epoch to epoch. */
static size_t *order_part(size_t *out, struct data *d, size_t k, uint64_t epoch)
{
    const struct data_part *p = &d->part[k];
    const uint64_t first = epoch * p->visits;
    uint64_t pass = UINT64_MAX;

    for (uint64_t v = first; v < first + p->visits; v++) {
        if (pass != v / p->n) {
            pass = v / p->n;
            for (size_t i = 0; i < p->n; i++)
                d->pass[i] = p->first + i;
            shuffle(d->pass, p->n, d->seed, k + 1, pass);
        }
        *out++ = d->pass[v % p->n];
    }
    return out;
}

size_t data_order(struct data *d, uint64_t at)
{
    const uint64_t epoch = at / d->n_epoch;

    if (!d->given && epoch != d->epoch) {
        size_t *p = d->order;
        for (size_t k = 0; k < d->n_parts; k++)
            p = order_part(p, d, k, epoch);
        if (d->n_parts > 1)
            shuffle(d->order, d->n_epoch, d->seed, 0, epoch);
        d->epoch = epoch;
    }
    return d->order[at % d->n_epoch];
}

int data_order_is(struct data *d, const size_t *order, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (order[i] >= d->n)
            return err_set(err, ERR_ARG, "there is no window %zu: the data have %zu", order[i],
                           d->n);
    size_t *p = n ? calloc(n, sizeof(*p)) : NULL;
    if (!p)
        return n ? err_nomem(err) : err_set(err, ERR_ARG, "an order of no windows");
    memcpy(p, order, n * sizeof(*p));
    free(d->order);
    d->order = p;
    d->n_epoch = n;
    d->given = true;
    return 0;
}

/* ---- digest ------------------------------------------------------------------------------ */

/* Little endian, whatever the machine. */
static void hash_i32s(struct hash *h, const int32_t *v, size_t n)
{
    uint8_t b[1024];

    for (size_t i = 0; i < n;) {
        size_t k = 0;
        for (; i < n && k < sizeof(b); i++, k += 4)
            for (unsigned byte = 0; byte < 4; byte++)
                b[k + byte] = (uint8_t)((uint32_t)v[i] >> (8 * byte));
        hash_add(h, b, k);
    }
}

static void hash_part(struct hash *h, const struct data *d, const struct data_part *p)
{
    hash_u64(h, p->n);
    for (size_t i = 0; i < p->n; i++) {
        const struct data_window w = window_of(d, p, i);
        hash_i32s(h, w.ids, d->n_tok);
        if (w.doc)
            hash_i32s(h, w.doc, d->n_tok);
        hash_add(h, w.counted, d->n_tok);
    }
}

static int hash_all(struct data *d, struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_u64(h, d->n_tok);
    hash_u64(h, d->n_parts);
    for (size_t k = 0; k < d->n_parts; k++)
        hash_part(h, d, &d->part[k]);
    hash_part(h, d, &d->held);
    rc = hash_hex(h, d->sha256, err);
    hash_free(h);
    return rc;
}

/* ---- making ------------------------------------------------------------------------------ */

/* Is there a row that counts; labelled: to measure a student by? */
static bool any_counts(const struct data *d, const struct data_part *p, bool labelled)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct data_window w = window_of(d, p, i);
        for (size_t j = 0; j < d->n_tok; j++)
            if (w.counted[j] && (w.label[j] >= 0 || !labelled))
                return true;
    }
    return false;
}

static int check_counts(const struct data *d, struct err *err)
{
    bool any = false;

    for (size_t k = 0; !any && k < d->n_parts; k++)
        any = any_counts(d, &d->part[k], false);
    if (!any)
        return err_set(err, ERR_ARG, "nothing of the %zu tokens of text counts: it has no answers",
                       d->n * d->n_tok);
    if (d->held.n && !any_counts(d, &d->held, true))
        return err_set(err, ERR_ARG,
                       "nothing of the %zu tokens held back counts: hold back more of the text",
                       d->held.n * d->n_tok);
    return 0;
}

int data_finish(struct data *d, struct err *err)
{
    size_t longest = 0;

    d->n = d->n_epoch = 0;
    for (size_t k = 0; k < d->n_parts; k++) {
        struct data_part *p = &d->part[k];
        p->first = d->n;
        d->n += p->n;
        d->n_epoch += p->visits;
        if (p->n > longest)
            longest = p->n;
    }
    d->epoch = UINT64_MAX;
    d->all = malloc(d->n_tok);
    d->order = calloc(d->n_epoch, sizeof(*d->order));
    d->pass = calloc(longest, sizeof(*d->pass));
    if (!d->all || !d->order || !d->pass)
        return err_nomem(err);
    memset(d->all, 1, d->n_tok);
    const int rc = check_counts(d, err);
    return rc ? rc : hash_all(d, err);
}

static int cut_ids(struct data_part *p, const int32_t *ids, size_t n, size_t n_tok, struct err *err)
{
    if (!n_tok || n < n_tok)
        return err_set(err, ERR_ARG, "%zu tokens, and a window has %zu", n, n_tok);
    p->n = p->visits = n / n_tok;
    p->ids = calloc(p->n * (n_tok + 1), sizeof(*p->ids));
    if (!p->ids)
        return err_nomem(err);
    for (size_t i = 0; i < p->n; i++) {
        memcpy(p->ids + i * (n_tok + 1), ids + i * n_tok, n_tok * sizeof(*ids));
        p->ids[i * (n_tok + 1) + n_tok] = -1;
    }
    return 0;
}

int data_of_ids(struct data **out, const int32_t *ids, size_t n, size_t n_tok, struct err *err)
{
    struct data *d = calloc(1, sizeof(*d));
    int rc;

    *out = NULL;
    if (!d)
        return err_nomem(err);
    d->n_tok = n_tok;
    d->part = calloc(1, sizeof(*d->part));
    d->n_parts = d->part ? 1 : 0;
    rc = d->part ? cut_ids(d->part, ids, n, n_tok, err) : err_nomem(err);
    if (!rc)
        rc = data_finish(d, err);
    if (rc)
        data_free(d);
    else
        *out = d;
    return rc;
}

int data_hold_ids(struct data *d, const int32_t *ids, size_t n, struct err *err)
{
    struct data_part p = {0};
    const int rc = cut_ids(&p, ids, n, d->n_tok, err);

    if (rc)
        return rc;
    data_part_release(&d->held);
    d->held = p;
    return hash_all(d, err);
}
