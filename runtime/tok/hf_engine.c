/* A tokenizer.json at work: added tokens are cut out, the rest is normalized, cut into
 * words and given to the model. */

#include "runtime/tok/hf_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- a text ----------------------------------------------------------------------------- */

static int read_sequence(struct hf *h, struct hf_steps *out, const struct hf_kinds *kinds,
                         const json_val *list, int depth, struct err *err)
{
    int rc = 0;

    for (const json_val *s = json_first(list); s && !rc; s = json_next(s))
        rc = hf_read_steps(h, out, kinds, s, depth, err);
    return rc;
}

int hf_read_steps(struct hf *h, struct hf_steps *out, const struct hf_kinds *kinds,
                  const json_val *v, int depth, struct err *err)
{
    const char *type = json_str(json_get(v, "type"));

    if (json_is_null(v))
        return 0;
    if (type && !strcmp(type, "Sequence") && depth < HF_MOST_STEPS)
        return read_sequence(h, out, kinds, json_get(v, kinds->list), depth + 1, err);
    for (size_t i = 0; type && i < kinds->n; i++) {
        const struct hf_kind *k = &kinds->at[i];
        if (strcmp(type, k->type) || out->n == HF_MOST_STEPS)
            continue;
        struct hf_step *s = &out->step[out->n++];
        s->norm = k->norm;
        s->pre = k->pre;
        return k->read ? k->read(h, s, v, err) : 0;
    }
    return hf_unknown(kinds->what, v, err);
}

static int word_ids(struct tok_ids *out, const void *model, const char *word, size_t n,
                    struct err *err)
{
    const struct hf *h = model;
    size_t id;

    switch (h->model) {
    case HF_BPE:
        return tok_bpe_word(out, &h->bpe, word, n, err);
    case HF_UNIGRAM:
        return tok_unigram_word(out, &h->unigram, word, n, err);
    case HF_WORDPIECE:
        return tok_wordpiece_word(out, &h->wordpiece, word, n, err);
    default:
        if (strmap_get(&id, &h->word, word, n))
            return tok_push(out, (int32_t)id, err);
        return h->unk < 0 ? 0 : tok_push(out, h->unk, err);
    }
}

int hf_next(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    const struct hf *h = r->h;
    int rc = 0;

    if (!p.n)
        return 0;
    if (k < h->pre.n)
        return h->pre.step[k].pre(r, k, p, err);
    for (size_t at = 0, end; at < p.n && !rc; at = end) {
        end = h->model == HF_BPE ? tok_piece_end(&h->bpe.cuts, p.text, p.n, at) : p.n;
        rc = tok_cached(r->cache, r->out, word_ids, h, p.text + at, end - at, err);
    }
    return rc;
}

static int encode_text(struct hf_run *r, bool parse, struct hf_piece p, struct err *err)
{
    struct tok_pieces pieces = {0};
    const char *text;
    size_t n;

    int rc = hf_normalize(&text, &n, r, &p, err);
    if (!rc)
        rc = tok_special_split(&pieces, &r->h->normal, parse, text, n, err);
    for (size_t i = 0; i < pieces.n && !rc; i++) {
        const struct tok_piece *q = &pieces.at[i];
        rc = q->text
                 ? hf_next(r, 0, (struct hf_piece){q->text, q->n, p.start && q->text == text}, err)
                 : tok_push(r->out, q->id, err);
    }
    tok_pieces_release(&pieces);
    return rc;
}

static int encode(struct hf_run *r, bool parse, const char *text, size_t n, struct err *err)
{
    struct tok_pieces pieces = {0};

    int rc = tok_cache_room(r->cache, n, err);
    if (!rc)
        rc = tok_match_new(&r->match, err);
    if (!rc)
        rc = tok_special_split(&pieces, &r->h->raw, parse, text, n, err);
    for (size_t i = 0; i < pieces.n && !rc; i++) {
        const struct tok_piece *p = &pieces.at[i];
        rc = p->text ? encode_text(r, parse, (struct hf_piece){p->text, p->n, p->text == text}, err)
                     : tok_push(r->out, p->id, err);
    }
    tok_pieces_release(&pieces);
    return rc;
}

void hf_run_release(struct hf_run *r)
{
    tok_match_free(r->match);
    for (int i = 0; i < HF_MOST_STEPS; i++) {
        buf_release(&r->a[i]);
        buf_release(&r->b[i]);
        buf_release(&r->shape[i]);
    }
    buf_release(&r->norm[0]);
    buf_release(&r->norm[1]);
}

static int push_all(struct tok_ids *out, const int32_t *id, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n && !rc; i++)
        rc = tok_push(out, id[i], err);
    return rc;
}

int hf_encode(struct tok_ids *out, const struct hf *h, struct tok_cache *cache, const char *text,
              size_t n, unsigned flags, struct err *err)
{
    const bool around = flags & TOK_ADD_SPECIAL;
    struct hf_run r = {.h = h, .out = out, .cache = cache};

    int rc = around ? push_all(out, h->first, h->n_first, err) : 0;
    if (!rc)
        rc = encode(&r, flags & TOK_PARSE_SPECIAL, text, n, err);
    if (!rc && around)
        rc = push_all(out, h->last, h->n_last, err);
    hf_run_release(&r);
    return rc;
}

/* ---- building --------------------------------------------------------------------------- */

/* Words of bytes stay bytes when ByteLevel comes last and the model can take them. */
static void keep_bytes(struct hf *h, const json_val *model)
{
    struct hf_step *last = h->pre.n ? &h->pre.step[h->pre.n - 1] : NULL;
    const char *type = json_str(json_get(model, "type"));
    const bool bpe = type ? !strcmp(type, "BPE") : !!json_get(model, "merges");

    if (last && hf_is_byte_level(last) && bpe && !hf_on(model, "byte_fallback", false))
        last->flags |= HF_RAW;
}

static int read_all(struct hf *h, const json_val *json, struct err *err)
{
    const json_val *model = json_get(json, "model");

    int rc = hf_read_norm(h, json_get(json, "normalizer"), err);
    if (!rc)
        rc = hf_read_pre(h, json_get(json, "pre_tokenizer"), err);
    if (!rc)
        keep_bytes(h, model);
    if (!rc)
        rc = hf_read_model(h, model, err);
    if (!rc)
        rc = hf_read_added(h, json_get(json, "added_tokens"), err);
    if (!rc)
        rc = hf_read_post(h, json_get(json, "post_processor"), 0, err);
    if (!rc)
        rc = hf_read_decoder(h, json_get(json, "decoder"), 0, err);
    return rc;
}

/* What the vocabulary leaves open has a text, too. */
static void fill_holes(struct hf *h)
{
    struct vocab *v = &h->own;

    for (size_t i = 0; i < v->n_tokens; i++)
        if (!v->token[i].text.p)
            v->token[i].text = (struct meta_str){"", 0};
    v->bos = v->eos = v->unk = v->sep = v->pad = v->mask = v->eot = v->eom = -1;
    v->add_bos = v->add_eos = v->add_sep = v->space_prefix = -1;
    v->pre = "default";
}

int hf_new(struct hf **out, const json_val *json, struct err *err)
{
    struct hf *h = calloc(1, sizeof(*h));

    *out = NULL;
    if (!h)
        return err_nomem(err);
    h->unk = -1;
    const int rc = read_all(h, json, err);
    if (rc) {
        hf_free(h);
        return rc;
    }
    fill_holes(h);
    *out = h;
    return 0;
}

static void steps_release(struct hf_steps *s)
{
    for (int i = 0; i < s->n; i++)
        tok_regex_free(s->step[i].regex);
}

void hf_free(struct hf *h)
{
    if (!h)
        return;
    steps_release(&h->norm);
    steps_release(&h->pre);
    tok_bpe_release(&h->bpe);
    tok_unigram_release(&h->unigram);
    tok_wordpiece_release(&h->wordpiece);
    strmap_release(&h->word);
    tok_special_release(&h->raw);
    tok_special_release(&h->normal);
    arena_release(&h->arena);
    free(h);
}

const struct vocab *hf_vocab(const struct hf *h)
{
    return &h->own;
}
