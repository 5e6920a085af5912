/* The pre-tokenizers, a row each. */

#include "formats/pretok_patterns.h"
#include "runtime/tok/hf_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- cutting at matches ---------------------------------------------------------------- */

/* Pieces on their way out: one may wait to be joined with the next. */
struct cutter {
    struct hf_run *r;
    struct hf_piece whole;
    int k;
    enum hf_behavior behavior;
    size_t from, to;   /* the piece that waits */
    bool waits, match; /* and whether it was a match */
};

static int emit(struct cutter *c, size_t from, size_t to, struct err *err)
{
    if (from == to)
        return 0;
    return hf_next(c->r, c->k + 1,
                   (struct hf_piece){c->whole.text + from, to - from, c->whole.start && !from},
                   err);
}

static int flush(struct cutter *c, struct err *err)
{
    const bool waits = c->waits;

    c->waits = false;
    return waits ? emit(c, c->from, c->to, err) : 0;
}

/* Does [from, to) belong to the piece that waits? */
static bool joins(const struct cutter *c, bool match)
{
    if (!c->waits)
        return false;
    switch (c->behavior) {
    case HF_CONTIGUOUS:
        return match == c->match;
    case HF_WITH_PREVIOUS:
        return match && !c->match;
    case HF_WITH_NEXT:
        return !match && c->match;
    default:
        return false;
    }
}

static int put(struct cutter *c, size_t from, size_t to, bool match, struct err *err)
{
    if (c->behavior == HF_ISOLATED || (c->behavior == HF_REMOVED && !match))
        return emit(c, from, to, err);
    if (c->behavior == HF_REMOVED)
        return 0;
    const bool join = joins(c, match);
    const int rc = join ? 0 : flush(c, err);
    c->from = join ? c->from : from;
    c->to = to;
    c->waits = true;
    c->match = match;
    return rc;
}

static int cut(struct hf_run *r, int k, const struct hf_step *s, struct hf_piece p, struct err *err)
{
    const bool invert = s->flags & HF_INVERT;
    struct cutter c = {.r = r, .whole = p, .k = k, .behavior = s->behavior};
    size_t at = 0, from, to;
    struct hf_find f;

    int rc = hf_find_init(&f, r, s, &r->shape[k], p, err);
    while (!rc && hf_find_next(&from, &to, &f)) {
        if (at < from)
            rc = put(&c, at, from, invert, err);
        if (!rc)
            rc = put(&c, from, to, !invert, err);
        at = to;
    }
    if (!rc && at < p.n)
        rc = put(&c, at, p.n, invert, err);
    return rc ? rc : flush(&c, err);
}

static int split(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    return cut(r, k, &r->h->pre.step[k], p, err);
}

/* ---- the others ------------------------------------------------------------------------- */

/* Words of bytes in GPT-2's alphabet, unless the model takes bytes. */
struct level {
    struct hf_run *r;
    int k;
    const char *begin; /* of the piece that is the start, or NULL */
};

static int put_level(void *arg, const char *word, size_t n, struct err *err)
{
    const struct level *l = arg;
    struct hf_piece p = {word, n, word == l->begin};
    struct buf *b = &l->r->b[l->k];

    if (!(l->r->h->pre.step[l->k].flags & HF_RAW)) {
        b->n = 0;
        tok_put_bytes(b, word, n);
        p.text = b->p;
        p.n = b->n;
        const int rc = buf_check(b, err);
        if (rc)
            return rc;
    }
    return hf_next(l->r, l->k + 1, p, err);
}

static int byte_level(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    const struct hf_step *s = &r->h->pre.step[k];
    struct buf *b = &r->a[k];

    if (s->flags & HF_PREFIX_SPACE && p.text[0] != ' ') {
        b->n = 0;
        buf_str(b, " ");
        buf_put(b, p.text, p.n);
        const int rc = buf_check(b, err);
        if (rc)
            return rc;
        p.text = b->p;
        p.n = b->n;
    }
    struct level l = {r, k, p.start ? p.text : NULL};
    if (!(s->flags & HF_USE_REGEX))
        return put_level(&l, p.text, p.n, err);
    return tok_regex_split(s->regex, r->match, p.text, p.n, put_level, &l, err);
}

static int put_plain(void *arg, const char *word, size_t n, struct err *err)
{
    const struct level *l = arg;

    return hf_next(l->r, l->k + 1, (struct hf_piece){word, n, word == l->begin}, err);
}

static int bert(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    struct level l = {r, k, p.start ? p.text : NULL};

    return tok_bert_split(p.text, p.n, put_plain, &l, err);
}

static int metaspace(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    const struct hf_step *s = &r->h->pre.step[k];
    const struct meta_str mark = s->find;
    struct buf *b = &r->a[k];

    const bool marked = p.text[0] == ' ' || (p.n >= mark.n && !memcmp(p.text, mark.p, mark.n));
    const bool asked = s->flags & HF_ALWAYS || (s->flags & HF_FIRST && p.start);
    b->n = 0;
    if (asked && !marked)
        buf_put(b, mark.p, mark.n);
    for (size_t i = 0; i < p.n;) {
        const char *space = memchr(p.text + i, ' ', p.n - i);
        const size_t end = space ? (size_t)(space - p.text) : p.n;
        buf_put(b, p.text + i, end - i);
        if (space)
            buf_put(b, mark.p, mark.n);
        i = end + !!space;
    }
    const int rc = buf_check(b, err);
    if (rc)
        return rc;
    p.text = b->p;
    p.n = b->n;
    return s->flags & HF_SPLIT ? cut(r, k, s, p, err) : hf_next(r, k + 1, p, err);
}

/* Runs of word characters, and of others that are no white space. */
static int whitespace(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    size_t begin = 0;
    int kind = 0, rc = 0;

    for (size_t i = 0, bytes; i <= p.n && !rc; i += bytes) {
        bytes = 1;
        const int32_t c = i < p.n ? tok_char(&bytes, p.text + i, p.n - i) : ' ';
        const int now = tok_is_word(c) ? 1 : tok_is_space(c) ? 0 : 2;
        if (now == kind && i < p.n)
            continue;
        if (kind)
            rc = hf_next(r, k + 1, (struct hf_piece){p.text + begin, i - begin, p.start && !begin},
                         err);
        begin = i;
        kind = now;
    }
    return rc;
}

static int fixed_length(struct hf_run *r, int k, struct hf_piece p, struct err *err)
{
    const size_t most = r->h->pre.step[k].put.n;
    size_t begin = 0, count = 0;
    int rc = 0;

    for (size_t i = 0, bytes; i < p.n && !rc; i += bytes) {
        (void)tok_char(&bytes, p.text + i, p.n - i);
        if (++count < most && i + bytes < p.n)
            continue;
        rc = hf_next(r, k + 1,
                     (struct hf_piece){p.text + begin, i + bytes - begin, p.start && !begin}, err);
        begin = i + bytes;
        count = 0;
    }
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool is_space(int32_t c, const struct hf_step *s)
{
    (void)s;
    return tok_is_space(c);
}

static bool is_number(int32_t c, const struct hf_step *s)
{
    (void)s;
    return tok_is_number(c);
}

static bool is_punctuation(int32_t c, const struct hf_step *s)
{
    (void)s;
    return tok_is_punctuation(c);
}

static int read_behavior(struct hf_step *s, const json_val *v, struct err *err)
{
    static const char *const names[] = {
        [HF_REMOVED] = "Removed",
        [HF_ISOLATED] = "Isolated",
        [HF_WITH_PREVIOUS] = "MergedWithPrevious",
        [HF_WITH_NEXT] = "MergedWithNext",
        [HF_CONTIGUOUS] = "Contiguous",
    };
    const char *name = json_str(json_get(v, "behavior"));

    s->behavior = HF_ISOLATED;
    for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(name, names[i])) {
            s->behavior = (enum hf_behavior)i;
            return 0;
        }
    return name ? hf_unknown("pre_tokenizer", v, err) : 0;
}

static int read_split(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    const int rc = read_behavior(s, v, err);

    s->flags = hf_on(v, "invert", false) ? HF_INVERT : 0U;
    return rc ? rc : hf_read_pattern(h, s, json_get(v, "pattern"), err);
}

static int read_byte_level(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    static const char *const pattern[] = {RE_GPT2, NULL};

    (void)h;
    s->flags = (hf_on(v, "add_prefix_space", true) ? HF_PREFIX_SPACE : 0U) |
               (hf_on(v, "use_regex", true) ? HF_USE_REGEX : 0U);
    return s->flags & HF_USE_REGEX ? tok_regex_new(&s->regex, pattern, err) : 0;
}

static int read_digits(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    (void)h;
    (void)err;
    s->matches = is_number;
    s->behavior = hf_on(v, "individual_digits", false) ? HF_ISOLATED : HF_CONTIGUOUS;
    return 0;
}

static int read_punctuation(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    (void)h;
    s->matches = is_punctuation;
    return read_behavior(s, v, err);
}

static int read_space_split(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    (void)h;
    (void)v;
    (void)err;
    s->matches = is_space;
    s->behavior = HF_REMOVED;
    return 0;
}

static int read_delimiter(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    s->behavior = HF_REMOVED;
    return hf_string(&s->find, h, json_get(v, "delimiter"), err);
}

/* Old files say add_prefix_space instead of a scheme. */
static int read_metaspace(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    const char *scheme = json_str(json_get(v, "prepend_scheme"));
    const bool old = hf_on(v, "add_prefix_space", true);

    s->behavior = HF_WITH_NEXT;
    s->flags = hf_on(v, "split", true) ? HF_SPLIT : 0U;
    if (scheme ? !strcmp(scheme, "always") : old)
        s->flags |= HF_ALWAYS;
    if (scheme && !strcmp(scheme, "first"))
        s->flags |= HF_FIRST;
    const int rc = hf_string(&s->find, h, json_get(v, "replacement"), err);
    if (!s->find.p)
        s->find = (struct meta_str){TOK_SPACE, 3};
    return rc;
}

static int read_length(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    int64_t n = 0;

    (void)h;
    if (!json_int(json_get(v, "length"), &n) || n < 1)
        return hf_unknown("pre_tokenizer", v, err);
    s->put.n = (size_t)n;
    return 0;
}

static const struct hf_kind kinds[] = {
    {.type = "ByteLevel",          .pre = byte_level, .read = read_byte_level },
    {.type = "Split",              .pre = split,      .read = read_split      },
    {.type = "Digits",             .pre = split,      .read = read_digits     },
    {.type = "Punctuation",        .pre = split,      .read = read_punctuation},
    {.type = "WhitespaceSplit",    .pre = split,      .read = read_space_split},
    {.type = "CharDelimiterSplit", .pre = split,      .read = read_delimiter  },
    {.type = "Whitespace",         .pre = whitespace},
    {.type = "BertPreTokenizer",                 .pre = bert                 },
    {.type = "Metaspace",      .pre = metaspace,                       .read = read_metaspace                        },
    {.type = "FixedLength",         .pre = fixed_length,                          .read = read_length      },
};

int hf_read_pre(struct hf *h, const json_val *v, struct err *err)
{
    static const struct hf_kinds all = {kinds, sizeof(kinds) / sizeof(*kinds), "pre_tokenizer",
                                        "pretokenizers"};

    return hf_read_steps(h, &h->pre, &all, v, 0, err);
}

bool hf_is_byte_level(const struct hf_step *s)
{
    return s->pre == byte_level;
}
