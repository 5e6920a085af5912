/* Oniguruma's regular expressions (Ruby's syntax, as the tokenizers library compiles them)
 * in PCRE2's. What the two write differently: classes in classes and their intersections,
 * what \w and \h mean, ^ and $ at every line, {n,m}+ being no possessive repeat, (?m).
 * Source: Oniguruma's doc/RE; pcre2pattern(3). */

#include "runtime/tok/hf_parts.h"

#include <string.h>

#define WORD "\\p{Alphabetic}\\p{M}\\p{N}\\p{Pc}"

enum { DEEPEST = 32 };

struct reader {
    const char *p;     /* what is still to be read */
    const char *regex; /* all of it */
    int depth;
};

static int refuse(const struct reader *r, const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "pattern \"%.200s\": %s at byte %zu", r->regex, what,
                   (size_t)(r->p - r->regex));
}

/* Long names of general categories: PCRE2 knows the short ones. */
static const char *category(const char *name, size_t n)
{
    static const char *const names[][2] = {
        {"Letter",                "L"          },
        {"Lowercase_Letter",      "Ll"         },
        {"Uppercase_Letter",      "Lu"         },
        {"Titlecase_Letter",      "Lt"         },
        {"Modifier_Letter",       "Lm"         },
        {"Other_Letter",          "Lo"         },
        {"Cased_Letter",          "L&"         },
        {"Mark",                  "M"          },
        {"Nonspacing_Mark",       "Mn"         },
        {"Spacing_Mark",          "Mc"         },
        {"Enclosing_Mark",        "Me"         },
        {"Number",                "N"          },
        {"Decimal_Number",        "Nd"         },
        {"Letter_Number",         "Nl"         },
        {"Other_Number",          "No"         },
        {"Punctuation",           "P"          },
        {"Connector_Punctuation", "Pc"         },
        {"Dash_Punctuation",      "Pd"         },
        {"Open_Punctuation",      "Ps"         },
        {"Close_Punctuation",     "Pe"         },
        {"Initial_Punctuation",   "Pi"         },
        {"Final_Punctuation",     "Pf"         },
        {"Other_Punctuation",     "Po"         },
        {"Symbol",                "S"          },
        {"Math_Symbol",           "Sm"         },
        {"Currency_Symbol",       "Sc"         },
        {"Modifier_Symbol",       "Sk"         },
        {"Other_Symbol",          "So"         },
        {"Separator",             "Z"          },
        {"Space_Separator",       "Zs"         },
        {"Line_Separator",        "Zl"         },
        {"Paragraph_Separator",   "Zp"         },
        {"Other",                 "C"          },
        {"Control",               "Cc"         },
        {"Format",                "Cf"         },
        {"Private_Use",           "Co"         },
        {"Surrogate",             "Cs"         },
        {"Unassigned",            "Cn"         },
        {"Alpha",                 "Alphabetic" },
        {"Digit",                 "Nd"         },
        {"Space",                 "White_Space"},
        {"Punct",                 "P"          },
        {"Upper",                 "Uppercase"  },
        {"Lower",                 "Lowercase"  },
        {"Cntrl",                 "Cc"         },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i][0]) == n && !memcmp(names[i][0], name, n))
            return names[i][1];
    return NULL;
}

/* \p{Name}, after the backslash. */
static int property(struct buf *out, struct reader *r, struct err *err)
{
    const char *end = r->p[1] == '{' ? strchr(r->p, '}') : NULL;
    const char *name = r->p + 2;
    const bool negated = r->p[1] == '{' && *name == '^';

    if (!end)
        return refuse(r, "a property without a name", err);
    name += negated;
    const char *known = category(name, (size_t)(end - name));
    buf_fmt(out, "\\%c{%.*s}", negated ? *r->p ^ 0x20 : *r->p,
            (int)(known ? strlen(known) : (size_t)(end - name)), known ? known : name);
    r->p = end + 1;
    return 0;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* An escape that means the same in a class and outside; r->p is after the backslash. */
static int escape(struct buf *out, struct reader *r, struct err *err)
{
    const char c = *r->p;

    if (!c)
        return refuse(r, "a backslash at the end", err);
    if (c == 'p' || c == 'P')
        return property(out, r, err);
    if (c == 'u') {
        for (int i = 1; i <= 4; i++)
            if (!is_hex(r->p[i]))
                return refuse(r, "\\u without four digits", err);
        buf_fmt(out, "\\x{%.4s}", r->p + 1);
        r->p += 5;
        return 0;
    }
    buf_str(out, "\\");
    buf_put(out, r->p++, 1);
    for (; (unsigned char)*r->p >= 0x80 && ((unsigned char)*r->p & 0xc0) == 0x80; r->p++)
        buf_put(out, r->p, 1); /* the rest of a wide character */
    return 0;
}

/* ---- classes ---------------------------------------------------------------------------- */

/* A class as it is read: members that PCRE2's own syntax holds, and expressions for one
 * character each that it does not. */
struct set {
    struct buf plain; /* "a-z\\d" */
    struct buf other; /* "|expr|expr" */
};

static int read_class(struct buf *out, struct set *flat, struct reader *r, struct err *err);

/* "[:alpha:]" and its like; false: it is none. */
static bool posix(struct set *s, struct reader *r)
{
    static const char *const names[][2] = {
        {"[:alpha:]",  "\\p{Alphabetic}"       },
        {"[:digit:]",  "\\p{Nd}"               },
        {"[:alnum:]",  "\\p{Alphabetic}\\p{Nd}"},
        {"[:upper:]",  "\\p{Uppercase}"        },
        {"[:lower:]",  "\\p{Lowercase}"        },
        {"[:space:]",  "\\s"                   },
        {"[:punct:]",  "\\p{P}\\p{S}"          },
        {"[:cntrl:]",  "\\p{Cc}"               },
        {"[:xdigit:]", "0-9a-fA-F"             },
        {"[:word:]",   WORD                    },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const size_t n = strlen(names[i][0]);
        if (!strncmp(r->p, names[i][0], n)) {
            buf_str(&s->plain, names[i][1]);
            r->p += n;
            return true;
        }
    }
    return false;
}

static int member(struct set *s, struct reader *r, struct err *err)
{
    if (posix(s, r))
        return 0;
    if (r->p[0] == '[' && r->p[1] == ':')
        return refuse(r, "a class that is not known", err);
    if (*r->p == '[') {
        r->p++;
        return read_class(NULL, s, r, err);
    }
    if (*r->p != '\\') {
        buf_put(&s->plain, r->p++, 1);
        return 0;
    }
    const char c = *++r->p;
    if (c == 'w' || c == 'h')
        buf_str(&s->plain, c == 'w' ? WORD : "0-9a-fA-F");
    else if (c == 'W' || c == 'H')
        buf_str(&s->other, c == 'W' ? "|[^" WORD "]" : "|[^0-9a-fA-F]");
    else
        return escape(&s->plain, r, err);
    r->p++;
    return 0;
}

/* One expression for what is in the set. */
static void put_set(struct buf *out, const struct set *s, bool negated)
{
    const char *plain = s->plain.p ? s->plain.p : "";

    if (!s->other.n) {
        buf_fmt(out, s->plain.n ? "[%s%s]" : "(?!)", negated ? "^" : "", plain);
        return;
    }
    buf_str(out, negated ? "(?:(?!" : "(?:");
    if (s->plain.n)
        buf_fmt(out, "[%s]%s", plain, s->other.p);
    else
        buf_str(out, s->other.p + 1);
    buf_str(out, negated ? ")(?s:.))" : ")");
}

static int set_check(const struct set *s, struct err *err)
{
    const int rc = buf_check(&s->plain, err);

    return rc ? rc : buf_check(&s->other, err);
}

/* What is on both sides of &&, into `out`. */
static int read_sides(struct buf *out, struct set *last, struct reader *r, bool *several,
                      struct err *err)
{
    int rc = 0;

    *several = false;
    if (*r->p == ']')
        buf_put(&last->plain, "\\]", 2), r->p++; /* first, it stands for itself */
    while (!rc && *r->p && *r->p != ']') {
        if (r->p[0] != '&' || r->p[1] != '&') {
            rc = member(last, r, err);
            continue;
        }
        r->p += 2;
        *several = true;
        rc = set_check(last, err);
        if (rc)
            return rc;
        buf_str(out, "(?=");
        put_set(out, last, false);
        buf_str(out, ")");
        buf_release(&last->plain);
        buf_release(&last->other);
    }
    return rc;
}

/* A class after its '['. Within another one (flat), members go there as they are when
 * that is the same. */
static int read_class(struct buf *out, struct set *flat, struct reader *r, struct err *err)
{
    const bool negated = *r->p == '^';
    struct buf sides = {0};
    struct set s = {0};
    bool several;

    if (++r->depth > DEEPEST)
        return refuse(r, "classes too deep in each other", err);
    r->p += negated;
    int rc = read_sides(&sides, &s, r, &several, err);
    if (!rc && *r->p != ']')
        rc = refuse(r, "a class without end", err);
    r->p += !rc;
    r->depth--;
    if (!rc)
        rc = set_check(&s, err);
    if (!rc)
        rc = buf_check(&sides, err);
    if (!rc && flat && !negated && !several) {
        buf_put(&flat->plain, s.plain.p, s.plain.n);
        buf_put(&flat->other, s.other.p, s.other.n);
    } else if (!rc) {
        struct buf *to = flat ? &flat->other : out;
        buf_str(to, flat ? "|" : "");
        if (several) {
            buf_fmt(to, negated ? "(?:(?!%s" : "(?:%s", sides.p);
            put_set(to, &s, false);
            buf_str(to, negated ? ")(?s:.))" : ")");
        } else {
            put_set(to, &s, negated);
        }
    }
    buf_release(&sides);
    buf_release(&s.plain);
    buf_release(&s.other);
    return rc;
}

/* ---- everything else ----------------------------------------------------------------------- */

/* Where in `out` the expression that a repeat would repeat begins. */
struct place {
    size_t open[DEEPEST]; /* of the groups around */
    int depth;
    size_t atom;
};

static int outside_escape(struct buf *out, struct reader *r, struct err *err)
{
    static const char *const words[][2] = {
        {"w", "[" WORD "]"                                                     },
        {"W", "[^" WORD "]"                                                    },
        {"h", "[0-9a-fA-F]"                                                    },
        {"H", "[^0-9a-fA-F]"                                                   },
        {"b", "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"},
        {"B", "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (*r->p == words[i][0][0]) {
            buf_str(out, words[i][1]);
            r->p++;
            return 0;
        }
    return escape(out, r, err);
}

/* "(?flags:" and "(?flags)": m is what PCRE2 calls s. */
static int group(struct buf *out, struct reader *r, struct place *at, struct err *err)
{
    if (at->depth == DEEPEST)
        return refuse(r, "groups too deep in each other", err);
    at->open[at->depth++] = out->n;
    buf_put(out, r->p++, 1);
    if (*r->p != '?')
        return 0;
    const size_t flags = strspn(r->p + 1, "imx-");
    const bool only_flags = flags && (r->p[1 + flags] == ':' || r->p[1 + flags] == ')');
    buf_put(out, r->p++, 1);
    for (size_t i = 0; only_flags && i < flags; i++, r->p++)
        buf_put(out, *r->p == 'm' ? "s" : r->p, 1);
    return 0;
}

/* {n,m}+ repeats the repeat. */
static void repeat(struct buf *out, struct reader *r, const struct place *at)
{
    const char *end = r->p + 1 + strspn(r->p + 1, "0123456789,");

    if (end == r->p + 1 || *end != '}') {
        buf_str(out, "\\{"); /* no repeat */
        r->p++;
        return;
    }
    const size_t n = (size_t)(end + 1 - r->p);
    if (end[1] == '+') {
        struct buf tail = {0};
        buf_put(&tail, out->p + at->atom, out->n - at->atom);
        out->n = at->atom;
        buf_fmt(out, "(?:%s%.*s)", tail.p ? tail.p : "", (int)n, r->p);
        out->bad = out->bad || tail.bad;
        buf_release(&tail);
    } else if (r->p[1] == ',') {
        buf_fmt(out, "{0%.*s", (int)n - 1, r->p + 1);
    } else {
        buf_put(out, r->p, n);
    }
    r->p += n;
}

static int token(struct buf *out, struct reader *r, struct place *at, struct err *err)
{
    const size_t begin = out->n;
    int rc = 0;

    switch (*r->p) {
    case '\\':
        r->p++;
        rc = outside_escape(out, r, err);
        break;
    case '[':
        r->p++;
        rc = read_class(out, NULL, r, err);
        break;
    case '(':
        rc = group(out, r, at, err);
        break;
    case ')':
        buf_put(out, r->p++, 1);
        at->atom = at->depth ? at->open[--at->depth] : begin;
        return 0;
    case '{':
        repeat(out, r, at);
        return 0;
    case '*':
    case '+':
    case '?':
        buf_put(out, r->p++, 1);
        return 0;
    case '^':
    case '$':
        buf_fmt(out, "(?m:%c)", *r->p++);
        break;
    case '\n':
    case '\r':
        buf_str(out, *r->p++ == '\n' ? "\\n" : "\\r");
        break;
    default:
        buf_put(out, r->p++, 1);
        while (((unsigned char)*r->p & 0xc0) == 0x80)
            buf_put(out, r->p++, 1);
    }
    at->atom = begin;
    return rc;
}

int hf_regex_translate(struct buf *out, const char *regex, struct err *err)
{
    struct reader r = {regex, regex, 0};
    struct place at = {.depth = 0};
    int rc = 0;

    buf_str(out, "");
    while (!rc && *r.p)
        rc = token(out, &r, &at, err);
    return rc ? rc : buf_check(out, err);
}
