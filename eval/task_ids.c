#include "eval/task_ids.h"

#include "eval/task_text.h"

#include <stdlib.h>
#include <string.h>

struct encoder {
    struct task_ids *out;
    const struct tok *tok;
    struct tok_memory *memory; /* owned */
    int32_t prefix;            /* stands for an empty context; -1: there is none */
    struct buf prefix_text;    /* owned */
    struct buf whole;          /* owned; context and continuation */
    size_t n_ctx;
};

static int encoder_init(struct encoder *e, struct err *err)
{
    const struct vocab *v = tok_vocab(e->tok);
    int rc = tok_memory_new(&e->memory, e->tok, err);

    e->prefix = v->bos >= 0 ? v->bos : v->eos;
    if (!rc && e->prefix >= 0)
        rc = tok_decode(&e->prefix_text, e->tok, e->prefix, true, err);
    return rc;
}

static void encoder_release(struct encoder *e)
{
    tok_memory_free(e->memory);
    buf_release(&e->prefix_text);
    buf_release(&e->whole);
}

/* Append the ids of a text as the tokenizer is called by default: special tokens around it,
 * unless it has the first one already, and those in it read as such. */
static int encode(struct encoder *e, const char *text, size_t n, struct err *err)
{
    const struct buf *p = &e->prefix_text;
    const bool begun = p->n && n >= p->n && !memcmp(text, p->p, p->n);

    return tok_encode_more(&e->out->ids, e->memory, text, n,
                           TOK_PARSE_SPECIAL | (begun ? 0U : (unsigned)TOK_ADD_SPECIAL), err);
}

static int append_prefix(struct encoder *e, struct err *err)
{
    struct tok_ids *ids = &e->out->ids;

    if (e->prefix < 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "no context, and the tokenizer has neither BOS nor EOS to stand for one");
    if (ids->n == ids->cap) {
        const size_t cap = ids->cap ? 2 * ids->cap : 64;
        int32_t *id = realloc(ids->id, cap * sizeof(*id));
        if (!id)
            return err_nomem(err);
        ids->id = id;
        ids->cap = cap;
    }
    ids->id[ids->n++] = e->prefix;
    return 0;
}

/* A continuation alone. If its first token is the prefix itself, that one is the context. */
static int encode_alone(struct encoder *e, struct task_pair *p, const char *text, struct err *err)
{
    struct tok_ids *ids = &e->out->ids;
    int rc = append_prefix(e, err);

    if (!rc)
        rc = tok_encode_more(ids, e->memory, text, strlen(text), TOK_PARSE_SPECIAL, err);
    if (rc)
        return rc;
    if (ids->n > p->at + 1 && ids->id[p->at + 1] == e->prefix)
        p->at++;
    p->n_context = 1;
    p->n_scored = ids->n - p->at - 1;
    return 0;
}

/* The context's ids, then those of both together that are beyond as many. */
static int encode_pair(struct encoder *e, struct task_pair *p, const struct task_request *r,
                       struct err *err)
{
    struct tok_ids *ids = &e->out->ids;
    const struct task_span context = task_rstrip(task_span(r->context));
    int rc = encode(e, context.p, context.n, err);

    if (!rc && ids->n == p->at)
        rc = append_prefix(e, err);
    if (rc)
        return rc;
    const size_t both = ids->n;
    p->n_context = both - p->at;
    e->whole.n = 0;
    buf_str(&e->whole, r->context);
    buf_str(&e->whole, r->continuation);
    rc = buf_check(&e->whole, err);
    if (!rc)
        rc = encode(e, e->whole.p, e->whole.n, err);
    if (rc)
        return rc;
    const size_t n = ids->n - both;
    p->n_scored = n > p->n_context ? n - p->n_context : 0;
    memmove(ids->id + both, ids->id + both + (n - p->n_scored), p->n_scored * sizeof(*ids->id));
    ids->n = both + p->n_scored;
    return 0;
}

static int check_length(struct encoder *e, struct task_pair *p, struct err *err)
{
    const size_t n = p->n_context + p->n_scored;

    if (!p->n_scored)
        return err_set(err, ERR_FORMAT, "a continuation without a token of its own");
    if (e->n_ctx && p->n_scored > e->n_ctx)
        return err_set(err, ERR_UNSUPPORTED,
                       "a continuation of %zu tokens, and the model's context is %zu", p->n_scored,
                       e->n_ctx);
    if (e->n_ctx && n > e->n_ctx + 1) {
        const size_t drop = n - e->n_ctx - 1;
        p->at += drop;
        p->n_context -= drop;
        p->truncated = true;
    }
    if (p->n_context + p->n_scored - 1 > e->out->longest)
        e->out->longest = p->n_context + p->n_scored - 1;
    return 0;
}

static int encode_item(struct encoder *e, const struct task_item *item, struct err *err)
{
    for (size_t i = 0; i < item->n; i++) {
        const struct task_request *r = &item->request[i];
        struct task_pair *p = &e->out->pair[e->out->n++];
        p->at = e->out->ids.n;
        int rc = *r->context ? encode_pair(e, p, r, err) : encode_alone(e, p, r->continuation, err);
        if (!rc)
            rc = check_length(e, p, err);
        if (rc)
            return rc;
    }
    return 0;
}

int task_ids(struct task_ids *out, const struct task *t, const struct tok *tok, size_t n_ctx,
             struct err *err)
{
    struct encoder e = {.out = out, .tok = tok, .n_ctx = n_ctx};
    size_t n = 0;
    int rc;

    *out = (struct task_ids){0};
    for (size_t i = 0; i < t->n; i++)
        n += t->item[i].n;
    out->pair = calloc(n + 1, sizeof(*out->pair));
    if (!out->pair)
        return err_nomem(err);
    rc = encoder_init(&e, err);
    for (size_t i = 0; i < t->n && !rc; i++)
        if ((rc = encode_item(&e, &t->item[i], err)))
            (void)err_wrap(err, "%s: line %zu", t->path, t->item[i].line);
    encoder_release(&e);
    return rc;
}

void task_ids_release(struct task_ids *ids)
{
    tok_ids_release(&ids->ids);
    free(ids->pair);
    *ids = (struct task_ids){0};
}
