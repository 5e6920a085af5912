/* The kinds of struct vocab, one row each: how a GGUF that names its tokenizer has text
 * normalized, cut and made into ids.
 * Source: gguf.md; what llama.cpp does for each tokenizer.ggml.model. */

#include "runtime/tok/tok_parts.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

struct tok_kind {
    enum vocab_kind kind;
    int (*init)(struct tok_model *m, struct err *err);
    int (*normal)(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                  struct err *err);
    int (*encode)(struct tok_run *r, const char *text, size_t n, struct err *err);
};

static int put_word(struct tok_run *r, tok_ids_fn *fn, const char *word, size_t n, struct err *err)
{
    return tok_cached(r->cache, r->out, fn, r->model, word, n, err);
}

/* ---- BPE --------------------------------------------------------------------------- */

/* "left right"; one that is not of that form can never happen: it is left empty. */
static void part_merges(struct tok_merge *out, const struct vocab *v)
{
    for (size_t i = 0; i < v->n_merges; i++) {
        const struct meta_str m = v->merge[i];
        const char *gap = m.n > 2 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
        const size_t left = gap ? (size_t)(gap - m.p) : 0;
        out[i] = (struct tok_merge){
            {m.p,                 left                    },
            {gap ? gap + 1 : m.p, gap ? m.n - left - 1 : 0}
        };
    }
}

static int init_bpe(struct tok_model *m, struct err *err)
{
    const struct vocab *v = m->v;
    const struct pretok *pre = pretok_by_name(v->pre);
    const bool text = v->kind == VOCAB_TEXT_BPE;
    struct tok_bpe_opts opts = {.bytes = !text, .byte_fallback = text, .fuse_unk = text};

    if (!pre && !text)
        return err_set(err, ERR_UNSUPPORTED, "pre-tokenizer \"%.60s\" is not supported", v->pre);
    opts.whole_words = pre && pre->flags & PRETOK_WHOLE_WORDS;
    opts.unk = v->unk;
    struct tok_merge *merge = calloc(v->n_merges + 1, sizeof(*merge));
    if (!merge)
        return err_nomem(err);
    part_merges(merge, v);
    int rc = tok_bpe_init(&m->bpe, v->token, v->n_tokens, merge, v->n_merges, &opts, err);
    free(merge);
    if (!rc && !text)
        rc = tok_regex_new(&m->regex, pre->pattern, err);
    return rc;
}

/* The Unicode form that was asked for. */
static int normal_form(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                       struct err *err)
{
    const char *form = m->v->normalizer;

    if (!form || !*form) {
        buf_put(out, text, n);
        return buf_check(out, err);
    }
    return tok_normal_form(out, text, n, form[strlen(form) - 1] == 'C', !!strchr(form, 'K'), err);
}

static int bpe_word(struct tok_ids *out, const void *model, const char *word, size_t n,
                    struct err *err)
{
    const struct tok_model *m = model;

    return tok_bpe_word(out, &m->bpe, word, n, err);
}

static int put_bpe_word(void *arg, const char *word, size_t n, struct err *err)
{
    return put_word(arg, bpe_word, word, n, err);
}

static int encode_bpe(struct tok_run *r, const char *text, size_t n, struct err *err)
{
    const int rc = r->match ? 0 : tok_match_new(&r->match, err);

    return rc ? rc : tok_regex_split(r->model->regex, r->match, text, n, put_bpe_word, r, err);
}

/* ---- texts with U+2581 for spaces ---------------------------------------------------- */

static int escape_spaces(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                         struct err *err)
{
    const char *end = text + n;

    if (m->v->add_space_prefix && n)
        buf_str(out, TOK_SPACE);
    while (text < end) {
        const char *space = memchr(text, ' ', (size_t)(end - text));
        buf_put(out, text, (size_t)((space ? space : end) - text));
        if (space)
            buf_put(out, TOK_SPACE, 3);
        text = space ? space + 1 : end;
    }
    return buf_check(out, err);
}

static int encode_pieces(struct tok_run *r, tok_ids_fn *fn, const struct tok_cuts *cuts,
                         const char *text, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t at = 0, end; at < n && !rc; at = end) {
        end = tok_piece_end(cuts, text, n, at);
        rc = put_word(r, fn, text + at, end - at, err);
    }
    return rc;
}

static int encode_text_bpe(struct tok_run *r, const char *text, size_t n, struct err *err)
{
    return encode_pieces(r, bpe_word, &r->model->bpe.cuts, text, n, err);
}

static int init_spm(struct tok_model *m, struct err *err)
{
    return tok_spm_init(&m->spm, m->v, err);
}

static int spm_word(struct tok_ids *out, const void *model, const char *word, size_t n,
                    struct err *err)
{
    const struct tok_model *m = model;

    return tok_spm_word(out, &m->spm, m->v, word, n, err);
}

static int encode_spm(struct tok_run *r, const char *text, size_t n, struct err *err)
{
    return encode_pieces(r, spm_word, &r->model->spm.cuts, text, n, err);
}

/* ---- Unigram ---------------------------------------------------------------------------- */

static bool is_piece(const struct vocab *v, size_t i)
{
    const enum vocab_type type = v->token[i].type;

    return type == VOCAB_NORMAL || type == VOCAB_USER || type == VOCAB_UNUSED;
}

static int init_unigram(struct tok_model *m, struct err *err)
{
    const struct vocab *v = m->v;
    struct tok_unigram *u = &m->unigram;
    double least = DBL_MAX;

    int rc = tok_charsmap_init(&m->charsmap, v->charsmap, v->charsmap_bytes, err);
    m->score = calloc(v->n_tokens + 1, sizeof(*m->score));
    if (!rc && !m->score)
        rc = err_nomem(err);
    for (int c = 0; c < VOCAB_BYTES; c++)
        u->byte[c] = -1;
    for (size_t i = 0; i < v->n_tokens && !rc; i++) {
        const struct vocab_token *t = &v->token[i];
        const int byte = t->type == VOCAB_BYTE ? tok_byte_of(t->text) : -1;
        m->score[i] = t->type == VOCAB_USER ? 0 : (double)t->score;
        least = t->type == VOCAB_NORMAL && m->score[i] < least ? m->score[i] : least;
        if (byte >= 0)
            u->byte[byte] = (int32_t)i;
        else if (is_piece(v, i) && t->text.n)
            rc = tok_trie_add(&u->trie, t->text.p, t->text.n, (int32_t)i, err);
    }
    u->score = m->score;
    u->unk_score = (least == DBL_MAX ? 0 : least) - 10; /* SentencePiece's penalty */
    u->unk = v->unk;
    u->byte_fallback = u->fuse_unk = true;
    return rc;
}

/* Words on their way to SentencePiece's normal form: spaces in front of them, and, when
 * extra ones go, nowhere else. */
struct spaced {
    struct buf *out;
    bool prefix, merge;
    bool begun, space; /* something was put; spaces wait to be put */
};

static void put_spaced(struct spaced *s, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == ' ' && s->merge) {
            s->space = true;
            continue;
        }
        if (s->begun ? s->space : s->prefix)
            buf_put(s->out, TOK_SPACE, 3);
        s->begun = true;
        s->space = false;
        buf_put(s->out, p[i] == ' ' ? TOK_SPACE : p + i, p[i] == ' ' ? 3 : 1);
    }
}

static int normal_unigram(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                          struct err *err)
{
    struct spaced s = {out, m->v->add_space_prefix, m->v->remove_extra_spaces > 0, false, false};

    for (size_t i = 0, k; i < n; i += k) {
        const char *to = text + i;
        size_t n_to;
        const int32_t c = tok_char(&n_to, text + i, n - i);
        k = tok_charsmap_find(&to, &n_to, &m->charsmap, text + i, n - i, true);
        if (!k) {
            k = n_to;
            to = c < 0 ? "\xef\xbf\xbd" : to;
            n_to = c < 0 ? 3 : n_to;
        }
        put_spaced(&s, to, n_to);
    }
    return buf_check(out, err);
}

static int encode_unigram(struct tok_run *r, const char *text, size_t n, struct err *err)
{
    return tok_unigram_word(r->out, &r->model->unigram, text, n, err);
}

/* ---- WordPiece -------------------------------------------------------------------------- */

static int init_wordpiece(struct tok_model *m, struct err *err)
{
    const struct vocab *v = m->v;
    struct tok_wordpiece *w = &m->wordpiece;
    uint32_t node = TOK_TRIE_ROOT;
    int rc = 0;

    for (size_t i = v->n_tokens; i-- > 0 && !rc;)
        rc = tok_trie_add(&w->trie, v->token[i].text.p, v->token[i].text.n, (int32_t)i, err);
    for (int i = 0; i < 3 && (!i || node != TOK_TRIE_ROOT); i++)
        node = tok_trie_step(&w->trie, node, (unsigned char)TOK_SPACE[i]);
    w->first = node;
    w->has_first = node != TOK_TRIE_ROOT;
    w->rest = TOK_TRIE_ROOT;
    w->has_rest = true;
    w->max_chars = SIZE_MAX;
    w->unk = v->unk;
    return rc;
}

/* A file that does not say has lower case, and accents go along with it. */
static int normal_wordpiece(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                            struct err *err)
{
    const bool lower = m->v->lowercase != 0;
    const bool strip = m->v->strip_accents < 0 ? lower : m->v->strip_accents;

    return tok_bert_normal(out, text, n,
                           TOK_BERT_GGUF | TOK_BERT_CLEAN | TOK_BERT_CHINESE |
                               (strip ? TOK_BERT_STRIP : 0U) | (lower ? TOK_BERT_LOWER : 0U),
                           err);
}

static int wordpiece_word(struct tok_ids *out, const void *model, const char *word, size_t n,
                          struct err *err)
{
    const struct tok_model *m = model;

    return tok_wordpiece_word(out, &m->wordpiece, word, n, err);
}

static int put_wordpiece_word(void *arg, const char *word, size_t n, struct err *err)
{
    return put_word(arg, wordpiece_word, word, n, err);
}

static int encode_wordpiece(struct tok_run *r, const char *text, size_t n, struct err *err)
{
    return tok_bert_split(text, n, put_wordpiece_word, r, err);
}

/* ---- the kinds ---------------------------------------------------------------------------- */

static const struct tok_kind kinds[] = {
    {VOCAB_BPE,       init_bpe,       normal_form,      encode_bpe      },
    {VOCAB_TEXT_BPE,  init_bpe,       escape_spaces,    encode_text_bpe },
    {VOCAB_SPM,       init_spm,       escape_spaces,    encode_spm      },
    {VOCAB_UNIGRAM,   init_unigram,   normal_unigram,   encode_unigram  },
    {VOCAB_WORDPIECE, init_wordpiece, normal_wordpiece, encode_wordpiece},
};

int tok_model_init(struct tok_model *m, const struct vocab *v, struct err *err)
{
    m->v = v;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].kind == v->kind)
            m->kind = &kinds[i];
    if (!m->kind)
        return err_set(err, ERR_UNSUPPORTED, "the model has no tokenizer");
    return m->kind->init(m, err);
}

void tok_model_release(struct tok_model *m)
{
    tok_bpe_release(&m->bpe);
    tok_spm_release(&m->spm);
    tok_unigram_release(&m->unigram);
    tok_wordpiece_release(&m->wordpiece);
    tok_regex_free(m->regex);
    free(m->score);
    *m = (struct tok_model){0};
}

int tok_model_normal(struct buf *out, const struct tok_model *m, const char *text, size_t n,
                     struct err *err)
{
    return m->kind->normal(out, m, text, n, err);
}

int tok_model_encode(struct tok_run *r, const char *text, size_t n, struct err *err)
{
    return r->model->kind->encode(r, text, n, err);
}
