/* Patterns of steps: literal strings and regular expressions, and how their matches are
 * found one after another. */

#include "formats/pretok_patterns.h"
#include "runtime/tok/hf_parts.h"

#include <string.h>

int hf_string(struct meta_str *out, struct hf *h, const json_val *v, struct err *err)
{
    const char *s = json_str(v);

    *out = (struct meta_str){NULL, 0};
    if (!s)
        return 0;
    out->n = strlen(s);
    out->p = arena_strn(&h->arena, s, out->n);
    return out->p ? 0 : err_nomem(err);
}

bool hf_on(const json_val *v, const char *key, bool otherwise)
{
    (void)json_bool(json_get(v, key), &otherwise);
    return otherwise;
}

int hf_unknown(const char *what, const json_val *v, struct err *err)
{
    struct buf b = {0};

    const int rc = json_print(&b, v, err);
    if (!rc)
        (void)err_set(err, ERR_UNSUPPORTED, "a %s that is not known: %.300s", what, b.p);
    buf_release(&b);
    return rc ? rc : ERR_UNSUPPORTED;
}

static int read_regex(struct hf_step *s, const char *regex, struct err *err)
{
    struct buf b = {0};

    int rc = 0;
    if (!strcmp(regex, RE_THOUSANDS))
        buf_str(&b, regex); /* has a matcher, in linear time, with Oniguruma's words */
    else
        rc = hf_regex_translate(&b, regex, err);
    if (!rc)
        rc = buf_check(&b, err);
    if (!rc) {
        const char *const pattern[] = {b.p, NULL};
        rc = tok_regex_new(&s->regex, pattern, err);
    }
    buf_release(&b);
    return rc;
}

int hf_read_pattern(struct hf *h, struct hf_step *s, const json_val *v, struct err *err)
{
    const char *regex = json_str(json_get(v, "Regex"));
    const json_val *text = json_is_string(v) ? v : json_get(v, "String");

    if (regex)
        return read_regex(s, regex, err);
    if (!json_str(text))
        return hf_unknown("pattern", v, err);
    return hf_string(&s->find, h, text, err);
}

int hf_find_init(struct hf_find *f, struct hf_run *r, const struct hf_step *s, struct buf *shape,
                 struct hf_piece p, struct err *err)
{
    *f = (struct hf_find){.s = s, .r = r, .text = p.text, .n = p.n, .last = SIZE_MAX};
    if (!s->regex)
        return 0;
    return tok_shape(&f->shape, shape, p.text, p.n, err);
}

static bool next_literal(size_t *from, size_t *to, struct hf_find *f)
{
    const struct meta_str s = f->s->find;

    for (size_t at = f->at; s.n && f->n - at >= s.n; at++) {
        const char *p = memchr(f->text + at, s.p[0], f->n - at - s.n + 1);
        if (!p)
            break;
        at = (size_t)(p - f->text);
        if (memcmp(p, s.p, s.n) != 0)
            continue;
        *from = at;
        *to = f->at = at + s.n;
        return true;
    }
    f->at = f->n;
    return false;
}

static bool next_char(size_t *from, size_t *to, struct hf_find *f)
{
    for (size_t k; f->at < f->n; f->at += k) {
        const int32_t c = tok_char(&k, f->text + f->at, f->n - f->at);
        if (!f->s->matches(c, f->s))
            continue;
        *from = f->at;
        *to = f->at += k;
        return true;
    }
    return false;
}

bool hf_find_next(size_t *from, size_t *to, struct hf_find *f)
{
    if (f->s->matches)
        return next_char(from, to, f);
    if (!f->s->regex)
        return next_literal(from, to, f);
    while (f->at <= f->n &&
           tok_regex_find(from, to, f->s->regex, f->r->match, f->shape, f->n, f->at)) {
        if (*from == *to && *to == f->last) {
            size_t k = 1;
            if (f->at < f->n)
                (void)tok_char(&k, f->shape + f->at, f->n - f->at);
            f->at += k;
            continue;
        }
        f->at = f->last = *to;
        return true;
    }
    return false;
}
