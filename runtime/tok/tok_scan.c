/* Hand-written matchers for the patterns most models share, in plain ASCII: where a byte
 * above 0x7f could change a match they give up, and PCRE2 makes that match. They must
 * agree with it on every text (tests/unit/test_tokenizer.c compares). */

#include "formats/pretok_patterns.h"
#include "runtime/tok/tok_parts.h"

#include <string.h>

enum class {
    LETTER = 1,
    DIGIT = 2,
    BLANK = 4, /* white space that is no line end */
    LINE = 8,  /* \r \n */
    OTHER = 16,
    WIDE = 32 /* above 0x7f */
};

/* clang-format off */
#define C4(c)  c, c, c, c
#define C8(c)  C4(c), C4(c)
#define C32(c) C8(c), C8(c), C8(c), C8(c)
static const uint8_t class_of[VOCAB_BYTES] = {
    C8(OTHER), OTHER, BLANK, LINE, BLANK, BLANK, LINE, OTHER, OTHER,
    C8(OTHER), C8(OTHER),
    BLANK, OTHER, OTHER, OTHER, C4(OTHER), C8(OTHER),
    C8(DIGIT), DIGIT, DIGIT, OTHER, OTHER, C4(OTHER),
    OTHER, LETTER, LETTER, LETTER, C4(LETTER), C8(LETTER),
    C8(LETTER), LETTER, LETTER, LETTER, OTHER, C4(OTHER),
    OTHER, LETTER, LETTER, LETTER, C4(LETTER), C8(LETTER),
    C8(LETTER), LETTER, LETTER, LETTER, OTHER, C4(OTHER),
    C32(WIDE), C32(WIDE), C32(WIDE), C32(WIDE)
};
/* clang-format on */

static unsigned at_class(const char *p, size_t n, size_t i)
{
    return i < n ? class_of[(unsigned char)p[i]] : 0;
}

/* Where the run of these classes that begins at i ends; 0: a wide byte ends it. */
static size_t run(const char *p, size_t n, size_t i, unsigned classes)
{
    while (i < n && class_of[(unsigned char)p[i]] & classes)
        i++;
    return at_class(p, n, i) & WIDE ? 0 : i;
}

/* Length of 's 't 're 've 'm 'll 'd at p[i] == '\''; 0: none. */
static size_t contraction(const char *p, size_t n, size_t i, bool any_case)
{
    const char a = i + 1 < n ? (char)(any_case ? p[i + 1] | 0x20 : p[i + 1]) : '\0';
    const char b = i + 2 < n ? (char)(any_case ? p[i + 2] | 0x20 : p[i + 2]) : '\0';

    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return 0;
}

/* \s+(?!\S)|\s+ from i on, where \s begins: all but the last before something else. */
static size_t spaces(const char *p, size_t n, size_t i)
{
    const size_t end = run(p, n, i, BLANK | LINE);

    return !end || end == n || end == i + 1 ? end : end - 1;
}

static size_t scan_gpt2(const char *p, size_t n, size_t at)
{
    const unsigned c = at_class(p, n, at), next = at_class(p, n, at + 1);
    const bool space = p[at] == ' ' && next & (LETTER | DIGIT | OTHER);
    const unsigned what = space ? next : c;

    if (p[at] == '\'') {
        if (next & WIDE || at_class(p, n, at + 2) & WIDE)
            return 0;
        const size_t k = contraction(p, n, at, false);
        if (k)
            return at + k;
    }
    if (c & WIDE || (p[at] == ' ' && next & WIDE))
        return 0;
    if (what & (LETTER | DIGIT | OTHER))
        return run(p, n, at + space, what);
    return spaces(p, n, at);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t space_tail(const char *p, size_t n, size_t at)
{
    const size_t end = run(p, n, at, BLANK | LINE);

    for (size_t i = end; i > at; i--)
        if (class_of[(unsigned char)p[i - 1]] & LINE)
            return i;
    return end ? spaces(p, n, at) : 0;
}

/* What cl100k and its relatives share; digits: how many make a word. */
static size_t scan_cl100k(const char *p, size_t n, size_t at, size_t digits)
{
    const unsigned c = at_class(p, n, at), next = at_class(p, n, at + 1);

    if (c & WIDE || next & WIDE)
        return 0;
    if (p[at] == '\'') {
        /* U+017F is an s, too */
        const size_t k = at_class(p, n, at + 2) & WIDE ? 0 : contraction(p, n, at, true);
        if (k)
            return at + k;
        if (at_class(p, n, at + 2) & WIDE)
            return 0;
    }
    if (c & LETTER)
        return run(p, n, at, LETTER);
    if (c & (BLANK | OTHER) && next & LETTER)
        return run(p, n, at + 1, LETTER);
    if (c & DIGIT) {
        size_t end = at + 1;
        while (end < at + digits && at_class(p, n, end) & DIGIT)
            end++;
        return end < at + digits && at_class(p, n, end) & WIDE ? 0 : end;
    }
    if (c & OTHER || (p[at] == ' ' && next & OTHER)) {
        const size_t end = run(p, n, at + (p[at] == ' '), OTHER);
        return end ? run(p, n, end, LINE) : 0;
    }
    return space_tail(p, n, at);
}

/* A matcher's answer out of the end of a match at `at`. */
static int answer(size_t *from, size_t *to, size_t at, size_t end)
{
    *from = at;
    *to = end;
    return end > at;
}

static int find_gpt2(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return answer(from, to, at, scan_gpt2(p, n, at));
}

static int find_llama3(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return answer(from, to, at, scan_cl100k(p, n, at, 3));
}

static int find_qwen2(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return answer(from, to, at, scan_cl100k(p, n, at, 1));
}

/* Characters that are cut out of a text, in runs of at most `most`. */
struct cut {
    unsigned classes;
    bool no_symbols; /* of OTHER: not $+<=>^`|~ */
    bool lead;       /* with a white space before them */
    size_t most;
};

static bool is_cut(const struct cut *s, unsigned char c)
{
    const unsigned k = class_of[c] & s->classes;

    return k && !(k & OTHER && (c < ' ' || c == 0x7f)) &&
           !(k & OTHER && s->no_symbols && strchr("$+<=>^`|~", c));
}

static int find_cut(size_t *from, size_t *to, const char *p, size_t n, size_t at,
                    const struct cut *s)
{
    size_t i = at, k = 0;

    while (i < n && !(class_of[(unsigned char)p[i]] & WIDE) && !is_cut(s, (unsigned char)p[i]))
        i++;
    if (i == n)
        return -1;
    *from = i - (s->lead && i > at && at_class(p, n, i - 1) & (BLANK | LINE));
    for (; i < n && k < s->most && is_cut(s, (unsigned char)p[i]); i++)
        k++;
    *to = i;
    return k && !(k < s->most && at_class(p, n, i) & WIDE);
}

static int find_digit(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return find_cut(from, to, p, n, at, &(struct cut){.classes = DIGIT, .most = 1});
}

static int find_digits3(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return find_cut(from, to, p, n, at, &(struct cut){.classes = DIGIT, .most = 3});
}

static int find_digits(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return find_cut(from, to, p, n, at, &(struct cut){.classes = DIGIT, .most = SIZE_MAX});
}

static int find_letters(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return find_cut(from, to, p, n, at,
                    &(struct cut){.classes = LETTER, .lead = true, .most = SIZE_MAX});
}

static int find_punctuation(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return find_cut(
        from, to, p, n, at,
        &(struct cut){.classes = OTHER, .no_symbols = true, .lead = true, .most = SIZE_MAX});
}

static int find_visible(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    return find_cut(from, to, p, n, at,
                    &(struct cut){.classes = LETTER | OTHER, .lead = true, .most = SIZE_MAX});
}

static int find_line_end(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    while (at < n && !(class_of[(unsigned char)p[at]] & LINE))
        at++;
    return at == n ? -1 : answer(from, to, at, at + 1);
}

/* What ASCII has nothing of. */
static int find_wide(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    (void)from;
    (void)to;
    while (at < n && (unsigned char)p[at] < 0x80)
        at++;
    return at == n ? -1 : 0;
}

/* \s+$ */
static int find_tail(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    size_t i = n;

    while (i > at && class_of[(unsigned char)p[i - 1]] & (BLANK | LINE))
        i--;
    if (i > at && class_of[(unsigned char)p[i - 1]] & WIDE)
        return 0;
    return i == n ? -1 : answer(from, to, i, n);
}

/* What Oniguruma calls a word character. */
static bool is_word(int32_t c)
{
    return (tok_is_word(c) || tok_is_number(c)) && c != 0x200c && c != 0x200d;
}

/* \d{1,3}(?=(?:\d{3})*\b): digits in threes from the end of a number, when no letter
 * follows it. PCRE2 would look at the whole rest of a long number for each three; here
 * that is done once: inside a number, what is left is threes. */
static int find_thousands(size_t *from, size_t *to, const char *p, size_t n, size_t at)
{
    while (at < n) {
        size_t count = 0, end = at, k = 0;
        const bool inside = at && tok_is_digit(tok_char_before(&k, p, at));
        for (; end < n && tok_is_digit(tok_char(&k, p + end, n - end)); end += k)
            if (++count == 3 && inside)
                break;
        const bool ends = inside || end == n || !is_word(tok_char(&k, p + end, n - end));
        if (count && ends) {
            *from = *to = at;
            for (size_t left = (count - 1) % 3 + 1; left; left--, *to += k)
                (void)tok_char(&k, p + *to, n - *to);
            return 1;
        }
        at = end < n ? end + k : n; /* the character there is no digit */
    }
    return -1;
}

tok_scan_fn *tok_scan_for(const char *pattern)
{
    static const struct {
        const char *pattern;
        tok_scan_fn *fn;
    } scans[] = {
        {RE_GPT2,          find_gpt2       },
        {RE_LLAMA3,        find_llama3     },
        {RE_QWEN2,         find_qwen2      },
        {RE_THOUSANDS,     find_thousands  },
        {RE_DIGIT,         find_digit      },
        {RE_DIGITS3,       find_digits3    },
        {RE_DIGITS,        find_digits     },
        {RE_LINE_END,      find_line_end   },
        {RE_LETTERS,       find_letters    },
        {RE_CASED_ONLY,    find_letters    },
        {RE_MARKS,         find_punctuation},
        {RE_VISIBLE,       find_visible    },
        {RE_TAIL,          find_tail       },
        {RE_HAN_KANA,      find_wide       },
        {RE_HAN_HANGUL,    find_wide       },
        {RE_ASIAN,         find_wide       },
        {RE_YOUTU_SCRIPTS, find_wide       },
    };

    for (size_t i = 0; i < sizeof(scans) / sizeof(*scans); i++)
        if (!strcmp(scans[i].pattern, pattern))
            return scans[i].fn;
    return NULL;
}
