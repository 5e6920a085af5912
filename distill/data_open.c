/* From files to windows. */

#include "distill/data_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_DOCS = 256,       /* tokenized at once ... */
    BATCH_BYTES = 16 << 20, /* ... and not many more bytes than this */
};

/* ---- streams ----------------------------------------------------------------------------- */

/* Documents one after another, not cut yet. */
struct data_stream {
    struct data_tokens tokens;
    size_t *start; /* [n_starts] where documents begin; owned */
    size_t n_starts, cap;
};

static void stream_release(struct data_stream *s)
{
    data_tokens_release(&s->tokens);
    free(s->start);
    *s = (struct data_stream){0};
}

static int grow_ids(struct tok_ids *ids, size_t more, struct err *err)
{
    if (ids->cap - ids->n >= more)
        return 0;
    const size_t cap = ids->n + more + ids->n / 2;
    int32_t *p = realloc(ids->id, cap * sizeof(*p));
    if (!p)
        return err_nomem(err);
    ids->id = p;
    ids->cap = cap;
    return 0;
}

static int stream_add(struct data_stream *s, const struct data_tokens *doc, struct err *err)
{
    struct tok_ids *ids = &s->tokens.ids;

    if (s->n_starts == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 256;
        size_t *p = realloc(s->start, cap * sizeof(*p));
        if (!p)
            return err_nomem(err);
        s->start = p;
        s->cap = cap;
    }
    if (grow_ids(ids, doc->ids.n, err))
        return err->code;
    s->start[s->n_starts++] = ids->n;
    if (doc->ids.n)
        memcpy(ids->id + ids->n, doc->ids.id, doc->ids.n * sizeof(*ids->id));
    ids->n += doc->ids.n;
    s->tokens.chat = s->tokens.chat || doc->chat;
    buf_put(&s->tokens.answer, doc->answer.p, doc->answer.n);
    return buf_check(&s->tokens.answer, err);
}

/* ---- windows of a stream ----------------------------------------------------------------- */

/* Labels and where documents begin, of window i; *k: the document its first token is in. */
static void set_apart(struct data_part *p, const struct data_stream *s, size_t i, size_t n_tok,
                      size_t *k)
{
    const size_t at = i * n_tok;

    for (size_t j = 0; j < n_tok; j++) {
        while (*k + 1 < s->n_starts && s->start[*k + 1] <= at + j)
            ++*k;
        const size_t begin = s->start[*k] > at ? s->start[*k] - at : 0;
        const bool last = *k + 1 < s->n_starts && s->start[*k + 1] == at + j + 1;
        p->doc[at + j] = (int32_t)begin;
        p->label[at + j] = last ? -1 : p->ids[i * (n_tok + 1) + j + 1];
    }
}

static int cut_windows(struct data_part *out, const struct data_stream *s, size_t n_tok, bool apart,
                       struct err *err)
{
    const size_t n = s->tokens.ids.n / n_tok;
    const uint8_t *answer = (const uint8_t *)s->tokens.answer.p;
    const bool answers = s->tokens.answer.n != 0;

    *out = (struct data_part){.n = n};
    out->ids = calloc(n * (n_tok + 1) + 1, sizeof(*out->ids));
    out->label = apart ? calloc(n * n_tok + 1, sizeof(*out->label)) : NULL;
    out->doc = apart ? calloc(n * n_tok + 1, sizeof(*out->doc)) : NULL;
    out->counted = answers ? calloc(n * n_tok + 1, 1) : NULL;
    if (!out->ids || (apart && (!out->label || !out->doc)) || (answers && !out->counted)) {
        data_part_release(out);
        return err_nomem(err);
    }
    for (size_t i = 0, doc = 0; i < n; i++) {
        int32_t *ids = out->ids + i * (n_tok + 1);
        memcpy(ids, s->tokens.ids.id + i * n_tok, n_tok * sizeof(*ids));
        ids[n_tok] = -1;
        if (apart)
            set_apart(out, s, i, n_tok, &doc);
        for (size_t j = i * n_tok; answers && j < (i + 1) * n_tok; j++)
            out->counted[j] = j + 1 < s->tokens.ids.n ? answer[j + 1] : 0;
    }
    return 0;
}

/* ---- tokenizing -------------------------------------------------------------------------- */

struct batch {
    const struct data_coder *coder;
    const struct data_docs *docs;
    const size_t *doc; /* [n] of docs */
    struct data_tokens tokens[BATCH_DOCS];
    struct tok_memory **memory; /* [threads] */
    struct err *err;            /* [threads] the first of each */
    size_t *bad;                /* [threads] whose it is; SIZE_MAX: none */
    /* Of document `begun` (SIZE_MAX: of none) the first n_gone tokens are held back. */
    size_t begun, n_gone;
};

static void tokens_drop(struct data_tokens *t, size_t n)
{
    n = n < t->ids.n ? n : t->ids.n;
    t->ids.n -= n;
    memmove(t->ids.id, t->ids.id + n, t->ids.n * sizeof(*t->ids.id));
    if (t->answer.n >= n) {
        t->answer.n -= n;
        memmove(t->answer.p, t->answer.p + n, t->answer.n);
    }
}

static void encode_one(void *arg, size_t i, int thread)
{
    struct batch *b = arg;
    struct err err;

    if (b->bad[thread] < i)
        return;
    b->tokens[i].ids.n = 0;
    b->tokens[i].answer.n = 0;
    b->tokens[i].chat = false;
    if (!data_encode(&b->tokens[i], b->coder, b->memory[thread], b->docs, &b->docs->doc[b->doc[i]],
                     &err)) {
        if (b->doc[i] == b->begun)
            tokens_drop(&b->tokens[i], b->n_gone);
        return;
    }
    b->bad[thread] = i;
    b->err[thread] = err;
}

/* The error of the first document that has one. */
static int first_error(const struct batch *b, int n_threads, struct err *err)
{
    int first = 0;

    for (int i = 1; i < n_threads; i++)
        if (b->bad[i] < b->bad[first])
            first = i;
    if (b->bad[first] == SIZE_MAX)
        return 0;
    *err = b->err[first];
    return err->code;
}

struct encoder {
    struct batch *batch;
    struct par par;
    const struct log *log;
    uint64_t done, total; /* bytes */
};

static void encoder_release(struct encoder *e)
{
    struct batch *b = e->batch;

    if (!b)
        return;
    for (size_t i = 0; i < BATCH_DOCS; i++)
        data_tokens_release(&b->tokens[i]);
    for (int i = 0; b->memory && i < e->par.n_threads; i++)
        tok_memory_free(b->memory[i]);
    free(b->memory);
    free(b->err);
    free(b->bad);
    free(b);
    e->batch = NULL;
}

static int encoder_init(struct encoder *e, const struct data_coder *c, const struct data_docs *docs,
                        const struct data_opts *o, struct err *err)
{
    const int n = o->par.n_threads > 0 ? o->par.n_threads : 1;
    struct batch *b = calloc(1, sizeof(*b));
    int rc = 0;

    *e = (struct encoder){.batch = b, .par = {n}, .log = o->log};
    if (!b)
        return err_nomem(err);
    b->coder = c;
    b->docs = docs;
    b->begun = SIZE_MAX;
    b->memory = calloc((size_t)n, sizeof(struct tok_memory *));
    b->err = calloc((size_t)n, sizeof(*b->err));
    b->bad = calloc((size_t)n, sizeof(*b->bad));
    if (!b->memory || !b->err || !b->bad)
        return err_nomem(err);
    for (int i = 0; !rc && i < n; i++)
        rc = tok_memory_new(&b->memory[i], c->t, err);
    for (size_t i = 0; i < docs->n; i++)
        e->total += docs->doc[i].n;
    return rc;
}

/* How many of list[0, n) make a batch. */
static size_t batch_size(const struct data_docs *d, const size_t *list, size_t n)
{
    size_t bytes = 0, k = 0;

    while (k < n && k < BATCH_DOCS && bytes < BATCH_BYTES)
        bytes += d->doc[list[k++]].n;
    return k;
}

/* Append the documents of list[0, n) to s until it has `most` tokens; *taken: how many. */
static int encode_list(struct data_stream *s, size_t *taken, struct encoder *e, const size_t *list,
                       size_t n, uint64_t most, struct err *err)
{
    struct batch *b = e->batch;
    int rc = 0;

    *taken = 0;
    while (!rc && *taken < n && s->tokens.ids.n < most) {
        const size_t k = batch_size(b->docs, list + *taken, n - *taken);
        rc = log_stop(e->log, err);
        if (rc)
            break;
        b->doc = list + *taken;
        for (int i = 0; i < e->par.n_threads; i++)
            b->bad[i] = SIZE_MAX;
        par_for(&e->par, k, encode_one, b);
        rc = first_error(b, e->par.n_threads, err);
        for (size_t i = 0; !rc && i < k && s->tokens.ids.n < most; i++) {
            rc = stream_add(s, &b->tokens[i], err);
            e->done += b->docs->doc[b->doc[i]].n;
            ++*taken;
        }
        log_progress(e->log, "bytes of text", e->done, e->total);
    }
    if (!rc && s->tokens.ids.n > most) {
        s->tokens.ids.n = (size_t)most;
        if (s->tokens.answer.n > most)
            s->tokens.answer.n = (size_t)most;
    }
    return rc;
}

/* ---- what is held back ------------------------------------------------------------------- */

static int compare_sizes(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return x < y ? -1 : x > y;
}

/* Those held back, list[0, n) of all, are less than a window: so may be the text. */
static int too_little(struct encoder *e, size_t have, const size_t *list, size_t n,
                      const struct data_opts *o, struct err *err)
{
    const struct data_docs *docs = e->batch->docs;
    struct data_stream rest = {0};
    size_t taken;
    const int rc = encode_list(&rest, &taken, e, list + n, docs->n - n, 2 * o->n_tok, err);
    const size_t all = have + rest.tokens.ids.n;

    stream_release(&rest);
    if (rc)
        return rc;
    if (all < 2 * o->n_tok)
        return err_set(
            err, ERR_ARG,
            "%s: too short a text: %zu tokens, and a window has %zu; one to train on and "
            "one held back are wanted (held-back 0: none)",
            docs->file[0].path, all, o->n_tok);
    return err_set(err, ERR_ARG,
                   "held back are %zu tokens, and a window has %zu: hold back a larger share", have,
                   o->n_tok);
}

/* s is full: what it has not of the last plain text goes back to the others, which are trained on: that may be most of
 * a long file. A line of JSON is held back whole: a conversation without its beginning is none. */
static void give_back(struct encoder *e, size_t *taken, const size_t *list,
                      const struct data_stream *s)
{
    const size_t last = list[*taken - 1];

    if (e->batch->docs->doc[last].line)
        return;
    e->batch->begun = last;
    e->batch->n_gone = s->tokens.ids.n - s->start[s->n_starts - 1];
    --*taken;
}

static int hold(struct data *d, size_t *taken, struct encoder *e, const size_t *list, size_t n,
                const struct data_opts *o, struct err *err)
{
    const uint64_t most = !o->held_tokens             ? UINT64_MAX
                          : o->held_tokens < o->n_tok ? o->n_tok
                                                      : o->held_tokens;
    struct data_stream s = {0};
    int rc = encode_list(&s, taken, e, list, n, most, err);

    if (!rc && s.tokens.ids.n < o->n_tok)
        rc = too_little(e, s.tokens.ids.n, list, n, o, err);
    d->chat = d->chat || s.tokens.chat;
    if (!rc && s.tokens.ids.n >= most)
        give_back(e, taken, list, &s);
    if (!rc)
        rc = cut_windows(&d->held, &s, o->n_tok, o->apart, err);
    stream_release(&s);
    return rc;
}

/* ---- what is trained on ------------------------------------------------------------------ */

static const struct data_source *first_of(const struct data_docs *d, size_t part)
{
    size_t i = 0;

    while (d->file[i].part != part)
        i++;
    return &d->file[i];
}

/* Less than a window is left of a part, n_own documents; *f: its first file. */
static int too_short(const struct batch *b, const struct data_source *f, size_t n_own, size_t have,
                     size_t n_tok, struct err *err)
{
    const struct data_docs *docs = b->docs;
    size_t all = 0;

    for (size_t i = 0; i < docs->n; i++)
        all += docs->file[docs->doc[i].file].part == f->part;
    const bool begun = b->begun != SIZE_MAX && docs->file[docs->doc[b->begun].file].part == f->part;
    if (n_own < all || begun)
        return err_set(err, ERR_ARG,
                       "%s: what is held back leaves %zu tokens to train on, and a window has %zu "
                       "(held-back 0: none)",
                       f->path, have, n_tok);
    return err_set(err, ERR_ARG, "%s: too short a text: %zu tokens, and a window has %zu", f->path,
                   have, n_tok);
}

/* own: room for the numbers of the part's documents. */
static int fill_part(struct data *d, size_t part, struct encoder *e, const size_t *list, size_t n,
                     size_t *own, const struct data_opts *o, struct err *err)
{
    const struct data_docs *docs = e->batch->docs;
    const struct data_source *f = first_of(docs, part);
    const double weight = f->weight;
    struct data_part *p = &d->part[part];
    struct data_stream s = {0};
    size_t n_own = 0, taken;

    for (size_t i = 0; i < n; i++)
        if (docs->file[docs->doc[list[i]].file].part == part)
            own[n_own++] = list[i];
    int rc = encode_list(&s, &taken, e, own, n_own, UINT64_MAX, err);
    if (!rc && s.tokens.ids.n < o->n_tok)
        rc = too_short(e->batch, f, n_own, s.tokens.ids.n, o->n_tok, err);
    d->chat = d->chat || s.tokens.chat;
    if (!rc)
        rc = cut_windows(p, &s, o->n_tok, o->apart, err);
    if (!rc) {
        const double visits = floor(weight * (double)p->n + 0.5);
        p->visits = visits < 1 ? 1 : (size_t)visits;
    }
    stream_release(&s);
    return rc;
}

static int fill(struct data *d, struct data_docs *docs, const struct data_coder *c,
                const struct data_opts *o, struct err *err)
{
    struct encoder e = {0};
    size_t *list = NULL, *own = NULL, n_held, taken = 0;
    int rc = data_choose_held(&n_held, &list, docs, o->held_back, err);

    if (!rc)
        rc = encoder_init(&e, c, docs, o, err);
    if (!rc && n_held)
        rc = hold(d, &taken, &e, list, n_held, o, err);
    if (rc)
        goto done;
    /* in the order of the files again, those too that were to be held back and were not needed */
    qsort(list + taken, docs->n - taken, sizeof(*list), compare_sizes);
    d->part = calloc(docs->n_parts, sizeof(*d->part));
    own = calloc(docs->n, sizeof(*own));
    if (!d->part || !own) {
        rc = err_nomem(err);
        goto done;
    }
    d->n_parts = docs->n_parts;
    for (size_t i = 0; !rc && i < d->n_parts; i++)
        rc = fill_part(d, i, &e, list + taken, docs->n - taken, own, o, err);
    if (!rc)
        rc = data_finish(d, err);

done:
    encoder_release(&e);
    free(list);
    free(own);
    return rc;
}

int data_open(struct data **out, const struct tok *t, const struct data_opts *o, struct err *err)
{
    struct data *d = calloc(1, sizeof(*d));
    struct data_docs docs = {0};
    struct data_coder c = {0};
    int rc;

    *out = NULL;
    if (!d)
        return err_nomem(err);
    d->n_tok = o->n_tok;
    d->seed = o->seed;
    rc = o->n_tok ? data_coder_init(&c, t, o, err) : err_set(err, ERR_ARG, "windows of no tokens");
    if (!rc)
        rc = data_docs_find(&docs, t, o, err);
    if (!rc)
        rc = fill(d, &docs, &c, o, err);
    if (!rc && o->answers_only && !d->chat)
        log_warn(o->log, "answers-only: there are no messages, all of the text counts");
    data_coder_release(&c);
    data_docs_release(&docs);
    if (rc)
        data_free(d);
    else
        *out = d;
    return rc;
}
