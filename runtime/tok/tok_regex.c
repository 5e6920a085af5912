/* The patterns of a pre-tokenizer, over PCRE2. */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "formats/base/buf.h"
#include "formats/base/utf8.h"
#include "runtime/tok/tok_parts.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PATTERNS = 8,
    MATCH_LIMIT = 20 * 1000 * 1000,
    STACK_FIRST = 32 * 1024,
    STACK_MOST = 4 * 1024 * 1024
};

struct tok_regex {
    pcre2_code *code[MAX_PATTERNS];
    int n;
};

void tok_regex_free(struct tok_regex *r)
{
    for (int i = 0; r && i < r->n; i++)
        pcre2_code_free(r->code[i]);
    free(r);
}

/* Unicode's White_Space for \s: PCRE2's own has U+180E besides. */
static void exact_space(struct buf *b, const char *p)
{
    for (; *p; p++) {
        if (p[0] == '\\' && (p[1] == 's' || p[1] == 'S')) {
            buf_str(b, p[1] == 's' ? "\\p{White_Space}" : "\\P{White_Space}");
            p++;
        } else if (p[0] == '\\' && p[1]) {
            buf_put(b, p++, 2);
        } else {
            buf_put(b, p, 1);
        }
    }
}

static int compile(pcre2_code **out, const char *pattern, struct err *err)
{
    struct buf b = {0};
    PCRE2_SIZE at;
    int code;

    exact_space(&b, pattern);
    int rc = buf_check(&b, err);
    if (!rc) {
        *out = pcre2_compile((PCRE2_SPTR)b.p, b.n, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
        if (!*out && code == PCRE2_ERROR_NOMEMORY)
            rc = err_nomem(err);
        else if (!*out)
            rc = err_set(err, ERR_FORMAT, "pattern \"%.100s\": error %d at %zu", b.p, code,
                         (size_t)at);
    }
    if (!rc)
        (void)pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* without it, matching is slower */
    buf_release(&b);
    return rc;
}

int tok_regex_new(struct tok_regex **out, const struct pretok *p, struct err *err)
{
    struct tok_regex *r = calloc(1, sizeof(*r));
    int rc = 0;

    *out = NULL;
    if (!r)
        return err_nomem(err);
    for (size_t i = 0; p->pattern[i] && r->n < MAX_PATTERNS && !rc; i++) {
        rc = compile(&r->code[r->n], p->pattern[i], err);
        r->n += !rc;
    }
    if (rc) {
        tok_regex_free(r);
        return err_wrap(err, "pre-tokenizer %s", p->name);
    }
    *out = r;
    return 0;
}

/* One split in progress. */
struct split {
    const struct tok_regex *regex;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    const char *shape; /* the text with control characters for broken bytes */
    const char *text;
    tok_word_fn *fn;
    void *arg;
};

/* The next match in shape[at, end), as offsets from `begin`. A match that takes
 * more than the limits allow counts as none: the rest is one word. */
static bool find(size_t *from, size_t *to, const struct split *s, int level, size_t begin,
                 size_t at, size_t end)
{
    const int rc =
        pcre2_match(s->regex->code[level], (PCRE2_SPTR)s->shape + begin, end - begin, at - begin,
                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, s->data, s->context);
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(s->data);

    if (rc < 0)
        return false;
    *from = begin + o[0];
    *to = begin + o[1];
    return *to > *from && *from >= at;
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

/* *out: text itself when it is valid, else an owned copy (also in *owned) of the same
 * length where each broken byte is a control character. */
static int shape_of(const char **out, char **owned, const char *text, size_t n, struct err *err)
{
    *out = text;
    *owned = NULL;
    for (size_t i = 0; i < n;) {
        bool good = true;
        size_t k = 1;
        if ((unsigned char)text[i] >= 0x80)
            k = utf8_step(&good, text + i, n - i);
        if (!good && !*owned) {
            *owned = malloc(n);
            if (!*owned)
                return err_nomem(err);
            memcpy(*owned, text, n);
            *out = *owned;
        }
        if (!good)
            memset(*owned + i, 1, k);
        i += k;
    }
    return 0;
}

int tok_regex_split(const struct tok_regex *r, const char *text, size_t n, tok_word_fn *fn,
                    void *arg, struct err *err)
{
    struct split s = {.regex = r, .text = text, .fn = fn, .arg = arg};
    char *owned = NULL;

    int rc = shape_of(&s.shape, &owned, text, n, err);
    s.data = pcre2_match_data_create(8, NULL);
    s.context = pcre2_match_context_create(NULL);
    s.stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL);
    if (!rc && (!s.data || !s.context))
        rc = err_nomem(err);
    if (!rc) {
        (void)pcre2_set_match_limit(s.context, MATCH_LIMIT);
        pcre2_jit_stack_assign(s.context, NULL, s.stack);
        rc = cut(&s, 0, 0, n, err);
    }
    pcre2_jit_stack_free(s.stack);
    pcre2_match_context_free(s.context);
    pcre2_match_data_free(s.data);
    free(owned);
    return rc;
}
