/* The patterns of a pre-tokenizer, over PCRE2. */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "formats/base/buf.h"
#include "formats/base/utf8.h"
#include "formats/pretok_patterns.h"
#include "runtime/tok/tok_parts.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PATTERNS = 8,
    MATCH_LIMIT = 20 * 1000 * 1000,
    STACK_FIRST = 32 * 1024,
    STACK_MOST = 64 * 1024 * 1024
};

struct tok_regex {
    pcre2_code *code[MAX_PATTERNS];
    bool fast[MAX_PATTERNS];         /* compiled to machine code */
    tok_scan_fn *scan[MAX_PATTERNS]; /* NULL: none */
    int n;
};

struct tok_match {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

void tok_regex_free(struct tok_regex *r)
{
    for (int i = 0; r && i < r->n; i++)
        pcre2_code_free(r->code[i]);
    free(r);
}

/* Scripts: without "sc:" PCRE2 takes the characters that are used with them, too. */
static bool is_script(const char *name, size_t n)
{
    static const char *const scripts[] = {
        "Han",       "Hiragana", "Katakana", "Latin",     "Cyrillic",  "Greek",    "Arabic",
        "Hebrew",    "Hangul",   "Thai",     "Lao",       "Khmer",     "Myanmar",  "Tibetan",
        "Georgian",  "Armenian", "Ethiopic", "Bengali",   "Tamil",     "Telugu",   "Kannada",
        "Gujarati",  "Gurmukhi", "Oriya",    "Sinhala",   "Mongolian", "Bopomofo", "Devanagari",
        "Malayalam", "Cherokee", "Common",   "Inherited", "Thaana",    "Syriac",   "Yi",
    };

    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
        if (strlen(scripts[i]) == n && !memcmp(scripts[i], name, n))
            return true;
    return false;
}

/* Unicode's White_Space for \s: PCRE2's own has U+180E besides; and scripts exactly. */
static void exact(struct buf *b, const char *p)
{
    for (; *p; p++) {
        const bool property = p[0] == '\\' && (p[1] == 'p' || p[1] == 'P') && p[2] == '{';
        if (property && is_script(p + 3, strcspn(p + 3, "}"))) {
            buf_fmt(b, "\\%c{sc:", p[1]);
            p += 2;
        } else if (p[0] == '\\' && (p[1] == 's' || p[1] == 'S')) {
            buf_str(b, p[1] == 's' ? "\\p{White_Space}" : "\\P{White_Space}");
            p++;
        } else if (p[0] == '\\' && p[1]) {
            buf_put(b, p++, 2);
        } else {
            buf_put(b, p, 1);
        }
    }
}

/* A published pattern that takes quadratic time, as one that does not. */
static const char *linear_form(const char *pattern)
{
    return strcmp(pattern, RE_JAIS2) ? pattern : RE_JAIS2_LINEAR;
}

static int compile(pcre2_code **out, bool *fast, const char *pattern, struct err *err)
{
    struct buf b = {0};
    PCRE2_UCHAR reason[128] = {0};
    PCRE2_SIZE at;
    int code;

    exact(&b, linear_form(pattern));
    int rc = buf_check(&b, err);
    if (!rc) {
        *out = pcre2_compile((PCRE2_SPTR)(b.p ? b.p : ""), b.n, PCRE2_UTF | PCRE2_UCP, &code, &at,
                             NULL);
        if (!*out && code != PCRE2_ERROR_NOMEMORY)
            (void)pcre2_get_error_message(code, reason, sizeof(reason));
        if (!*out && code == PCRE2_ERROR_NOMEMORY)
            rc = err_nomem(err);
        else if (!*out)
            rc = err_set(err, ERR_UNSUPPORTED, "pattern \"%.200s\": %s at byte %zu", b.p,
                         (const char *)reason, (size_t)at);
    }
    if (!rc)
        *fast = !pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    buf_release(&b);
    return rc;
}

int tok_regex_new(struct tok_regex **out, const char *const *pattern, struct err *err)
{
    struct tok_regex *r = calloc(1, sizeof(*r));
    int rc = 0;

    *out = NULL;
    if (!r)
        return err_nomem(err);
    for (; pattern[r->n] && !rc; r->n += !rc) {
        if (r->n == MAX_PATTERNS) {
            rc = err_set(err, ERR_UNSUPPORTED, "more than %d patterns", MAX_PATTERNS);
            break;
        }
        rc = compile(&r->code[r->n], &r->fast[r->n], pattern[r->n], err);
        r->scan[r->n] = tok_scan_for(pattern[r->n]);
    }
    if (rc) {
        tok_regex_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void tok_match_free(struct tok_match *m)
{
    if (!m)
        return;
    pcre2_jit_stack_free(m->stack);
    pcre2_match_context_free(m->context);
    pcre2_match_data_free(m->data);
    free(m);
}

int tok_match_new(struct tok_match **out, struct err *err)
{
    struct tok_match *m = calloc(1, sizeof(*m));

    *out = NULL;
    if (!m)
        return err_nomem(err);
    m->data = pcre2_match_data_create(8, NULL);
    m->context = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL);
    if (!m->data || !m->context) {
        tok_match_free(m);
        return err_nomem(err);
    }
    (void)pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    *out = m;
    return 0;
}

/* A match that takes more than the limits allow counts as none: the rest is one word. */
static bool match(size_t *from, size_t *to, const struct tok_regex *r, int k, struct tok_match *m,
                  const char *text, size_t n, size_t at, uint32_t options)
{
    const PCRE2_SPTR p = (PCRE2_SPTR)text;
    const int rc = r->fast[k] ? pcre2_jit_match(r->code[k], p, n, at, options, m->data, m->context)
                              : pcre2_match(r->code[k], p, n, at, PCRE2_NO_UTF_CHECK | options,
                                            m->data, m->context);
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(m->data);

    if (rc < 0)
        return false;
    *from = o[0];
    *to = o[1];
    return *to >= *from && *from >= at; /* \K can say otherwise */
}

bool tok_regex_find(size_t *from, size_t *to, const struct tok_regex *r, struct tok_match *m,
                    const char *text, size_t n, size_t at)
{
    const int rc = r->scan[0] && at < n ? r->scan[0](from, to, text, n, at) : 0;

    if (rc)
        return rc > 0;
    return match(from, to, r, 0, m, text, n, at, 0);
}

/* ---- cutting a text ------------------------------------------------------------------ */

struct split {
    const struct tok_regex *regex;
    struct tok_match *match;
    const char *shape; /* the text, with control characters for broken bytes */
    const char *text;
    tok_word_fn *fn;
    void *arg;
};

/* The next match in shape[at, end), as offsets from `begin`. */
static bool find(size_t *from, size_t *to, const struct split *s, int level, size_t begin,
                 size_t at, size_t end)
{
    tok_scan_fn *scan = s->regex->scan[level];
    const int rc = scan ? scan(from, to, s->shape + begin, end - begin, at - begin) : 0;

    if (rc < 0)
        return false;
    if (!rc && !match(from, to, s->regex, level, s->match, s->shape + begin, end - begin,
                      at - begin, PCRE2_NOTEMPTY))
        return false;
    *from += begin;
    *to += begin;
    return *to > *from;
}

/* Recursion is as deep as there are patterns. */
static int cut(const struct split *s, int level, size_t begin, size_t end, struct err *err)
{
    size_t at = begin, from, to;
    int rc = 0;

    if (begin == end)
        return 0;
    if (level == s->regex->n)
        return s->fn(s->arg, s->text + begin, end - begin, err);
    while (!rc && at < end && find(&from, &to, s, level, begin, at, end)) {
        rc = cut(s, level + 1, at, from, err);
        if (!rc)
            rc = cut(s, level + 1, from, to, err);
        at = to;
    }
    return rc ? rc : cut(s, level + 1, at, end, err);
}

int tok_shape(const char **out, struct buf *owned, const char *text, size_t n, struct err *err)
{
    bool copied = false;

    *out = text;
    owned->n = 0;
    for (size_t i = 0; i < n;) {
        bool good = true;
        size_t k = 1;
        if ((unsigned char)text[i] >= 0x80)
            k = utf8_step(&good, text + i, n - i);
        if (!good && !copied) {
            buf_put(owned, text, n);
            const int rc = buf_check(owned, err);
            if (rc)
                return rc;
            *out = owned->p;
            copied = true;
        }
        if (!good)
            memset(owned->p + i, 1, k);
        i += k;
    }
    return 0;
}

int tok_regex_split(const struct tok_regex *r, struct tok_match *m, const char *text, size_t n,
                    tok_word_fn *fn, void *arg, struct err *err)
{
    struct split s = {.regex = r, .match = m, .text = text, .fn = fn, .arg = arg};
    struct buf owned = {0};

    int rc = tok_shape(&s.shape, &owned, text, n, err);
    if (!rc)
        rc = cut(&s, 0, 0, n, err);
    buf_release(&owned);
    return rc;
}
