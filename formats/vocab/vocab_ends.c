/* The ids that end a text or a turn, where a checkpoint lists several: v->ends. */

#include "formats/base/rd.h"
#include "formats/vocab/vocab_parts.h"

#include <string.h>

#define KEY_ENDS "pare.tokenizer.eos_token_ids"

enum { MOST_ENDS = 256 }; /* what a list has beyond is dropped: models have a handful */

static bool has(const uint32_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static int make_room(struct vocab *v, struct err *err)
{
    v->n_ends = 0;
    v->ends = arena_array(&v->arena, MOST_ENDS, sizeof(*v->ends));
    return v->ends ? 0 : err_nomem(err);
}

/* Ids beyond the vocabulary, and those that are there already, are dropped. */
static void add(struct vocab *v, int64_t id)
{
    if (id >= 0 && (uint64_t)id < v->n_tokens && v->n_ends < MOST_ENDS &&
        !has(v->ends, v->n_ends, id))
        v->ends[v->n_ends++] = (uint32_t)id;
}

size_t vocab_ends(const uint32_t **out, uint32_t own[VOCAB_OWN_ENDS], const struct vocab *v)
{
    const int32_t ids[VOCAB_OWN_ENDS] = {v->eos, v->eot, v->eom};
    size_t n = 0;

    for (size_t i = 0; i < VOCAB_OWN_ENDS; i++)
        if (ids[i] >= 0 && !has(own, n, ids[i]))
            own[n++] = (uint32_t)ids[i];
    *out = v->n_ends ? v->ends : own;
    return v->n_ends ? v->n_ends : n;
}

/* generation_config.json's word comes before config.json's, as in transformers. */
static const json_val *list_of(const struct vocab_files *f)
{
    static const char key[] = "eos_token_id";
    const json_val *v = json_get(f->generation, key);

    if (json_is_null(v))
        v = json_get(f->config, key);
    return json_is_null(v) ? json_path(f->config, "text_config.eos_token_id") : v;
}

/* A text that was trained on ends with the tokenizer's eos, whether the list has it or not. */
static void put_eos_first(struct vocab *v)
{
    const size_t n = v->n_ends < MOST_ENDS ? v->n_ends : MOST_ENDS - 1;

    if (v->eos < 0 || (size_t)v->eos >= v->n_tokens || has(v->ends, v->n_ends, v->eos))
        return;
    memmove(v->ends + 1, v->ends, n * sizeof(*v->ends));
    v->ends[0] = (uint32_t)v->eos;
    v->n_ends = n + 1;
}

int vocab_read_ends(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *list = list_of(f);
    uint32_t own[VOCAB_OWN_ENDS];
    const uint32_t *ids;
    const size_t n = vocab_ends(&ids, own, v); /* `own`: there is no list yet */
    int64_t id;

    if (!json_is_array(list))
        return 0;
    const int rc = make_room(v, err);
    if (rc)
        return rc;
    for (const json_val *e = json_first(list); e; e = json_next(e))
        if (json_int(e, &id))
            add(v, id);
    if (v->n_ends)
        put_eos_first(v);
    if (n == v->n_ends && !memcmp(own, v->ends, n * sizeof(*own)))
        v->n_ends = 0; /* nothing that the other ids do not say */
    return 0;
}

int vocab_get_ends(struct vocab *v, const struct meta *meta, struct err *err)
{
    const struct meta_array *a = meta_array(meta, KEY_ENDS, META_U32);

    if (!a)
        return 0;
    const int rc = make_room(v, err);
    struct rd r = rd_init(a->raw, a->raw_bytes);
    for (uint64_t i = 0; !rc && i < a->n && i < MOST_ENDS; i++)
        add(v, rd_u32(&r));
    return rc;
}

int vocab_set_ends(struct meta *meta, const struct vocab *v, struct err *err)
{
    struct buf b = {0};

    if (!v->n_ends)
        return 0;
    for (size_t i = 0; i < v->n_ends; i++)
        buf_u32(&b, v->ends[i]);
    int rc = buf_check(&b, err);
    if (!rc)
        rc = meta_set_array(meta, KEY_ENDS, META_U32, v->n_ends, b.p, b.n, err);
    buf_release(&b);
    return rc;
}
