/* A model's id taken apart: "org/Base-Name-7B-Instruct-v0.2". The guessing rules are
 * the reference converter's, so that both give a model the same name. */

#include "formats/general.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a part between hyphens may be; one part can be several things. */
enum { IS_BASE = 1, IS_SIZE = 2, IS_TUNE = 4, IS_VERSION = 8, IS_TYPE = 16 };

enum { PARTS_MAX = 64 };

struct parts {
    char *text[PARTS_MAX];
    unsigned kind[PARTS_MAX];
    size_t n;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* s begins with `word` (lower case), whatever its case: what follows, or NULL. */
static const char *skip_word(const char *s, const char *word)
{
    while (*word)
        if (lower(*s++) != *word++)
            return NULL;
    return s;
}

static const char *skip_digits(const char *s)
{
    while (is_digit(*s))
        s++;
    return s;
}

static bool is_word(const char *s, const char *const *words)
{
    for (; *words; words++) {
        const char *end = skip_word(s, *words);
        if (end && !*end)
            return true;
    }
    return false;
}

/* "v1.2", "iter3", "0.1" */
static bool is_version(const char *s)
{
    const char *after = skip_word(s, "iter");

    s = after ? after : s + (lower(*s) == 'v');
    if (!is_digit(*s))
        return false;
    s = skip_digits(s);
    while (*s == '.' && is_digit(s[1]))
        s = skip_digits(s + 1);
    return !*s;
}

/* "q4_k_m", "iq2_xs", "bf16", "fp32": a part of a type's name is one character */
static bool is_type(const char *s)
{
    const char *q = s + (lower(*s) == 'i');

    if (lower(*q) == 'q' && is_digit(q[1])) {
        for (q += 2; *q == '_' && (isalnum((unsigned char)q[1]) || q[1] == '_'); q += 2)
            ;
        return !*q;
    }
    s += lower(*s) == 'b';
    if (lower(*s) != 'f')
        return false;
    s++;
    s += lower(*s) == 'p';
    return !strcmp(s, "16") || !strcmp(s, "32");
}

/* "7B", "1.5b", "8x7B", "A3B", "7b1" */
static bool is_amount(const char *s)
{
    if (lower(*s) == 'a' && is_digit(s[1]))
        s++;
    else if (is_digit(*s) && lower(*skip_digits(s)) == 'x')
        s = skip_digits(s) + 1;
    if (!is_digit(*s))
        return false;
    s = skip_digits(s);
    if ((*s == '.' || *s == '_') && is_digit(s[1]))
        s = skip_digits(s + 1);
    if (!*s || !strchr("kmbt", lower(*s)))
        return false;
    s++;
    return !*s || (is_digit(*s) && !s[1]);
}

static bool is_size(const char *s)
{
    static const char *const words[] = {"small", "mini", "medium", "large", "xl", "xxl", NULL};

    return is_amount(s) || is_word(s, words);
}

static bool is_tune(const char *s)
{
    static const char *const words[] = {"chat", "instruct", "vision", "lora", NULL};

    return is_word(s, words);
}

/* "7b1" -> "7.1b"; "1_5b" -> "1.5B". Room for one more character is there. */
static void normalize_size(char *s)
{
    for (char *p = s; *p; p++)
        if (*p == '_')
            *p = '.';
    size_t n = strlen(s);
    if (n >= 2 && is_digit(s[n - 1])) {
        const char digit = s[n - 1], unit = s[n - 2];
        s[n - 2] = '.';
        s[n - 1] = digit;
        s[n] = unit;
        s[++n] = '\0';
    }
    if (n >= 2 && is_digit(s[n - 2]))
        s[n - 1] = upper(s[n - 1]);
}

/* A label far from the model's real size is a context length. */
static bool is_context(const char *s, uint64_t n_params)
{
    static const char units[] = " KMBT";
    const size_t n = strlen(s);
    const char *unit = n ? strchr(units, s[n - 1]) : NULL;
    char *end = NULL;

    if (!n_params || !unit || !is_digit(*s))
        return false;
    const double amount = strtod(s, &end);
    if (end != s + n - 1)
        return false; /* "8x7B" */
    return fabs(amount * pow(1000, (double)(unit - units)) - (double)n_params) >
           (double)(7 * n_params / 8);
}

static void annotate(struct parts *p, size_t i, uint64_t n_params)
{
    char *s = p->text[i];

    if (is_version(s)) {
        p->kind[i] = IS_VERSION;
    } else if (is_type(s)) {
        p->kind[i] = IS_TYPE;
        for (; *s; s++)
            *s = upper(*s);
    } else if (i && is_size(s)) {
        normalize_size(s);
        p->kind[i] = IS_SIZE;
        if (is_context(s, n_params)) {
            p->kind[i] = IS_TUNE;
            s[strlen(s) - 1] = lower(s[strlen(s) - 1]);
        }
    } else if (i && is_tune(s)) {
        p->kind[i] = IS_TUNE;
    }
}

/* Where a size is told by a number, words like "mini" are no sizes. */
static void drop_word_sizes(struct parts *p)
{
    bool number = false;

    for (size_t i = 0; i < p->n; i++)
        if (p->kind[i] & IS_SIZE)
            number = number || strpbrk(p->text[i], "0123456789");
    for (size_t i = 0; number && i < p->n; i++) {
        const char *s = p->text[i];
        while (is_letter(*s))
            s++;
        if (!*s)
            p->kind[i] &= ~(unsigned)IS_SIZE;
    }
}

/* The base name is what stands before anything else; versions inside it belong to it,
 * versions at its end do not. */
static void find_base(struct parts *p)
{
    bool at_start = true;

    for (size_t i = 0; i < p->n; i++) {
        const bool plain = !p->kind[i] && (is_letter(*p->text[i]) || *p->text[i] & 0x80);
        if (at_start && (plain || p->kind[i] & IS_VERSION)) {
            p->kind[i] |= IS_BASE;
            continue;
        }
        at_start = false;
        if (!p->kind[i])
            p->kind[i] = IS_TUNE;
    }
    for (size_t i = p->n; i-- && p->kind[i] & IS_BASE && p->kind[i] != IS_BASE;)
        p->kind[i] &= ~(unsigned)IS_BASE;
}

/* Parts of a kind joined again, each text once if `once`; NULL when there is none. */
static int join(const char **out, struct arena *arena, const struct parts *p, unsigned with,
                unsigned without, struct err *err)
{
    struct buf b = {0};

    *out = NULL;
    for (size_t i = 0; i < p->n; i++) {
        bool take = p->kind[i] & with && !(p->kind[i] & without);
        for (size_t j = 0; take && with == IS_SIZE && j < i; j++)
            take = !(p->kind[j] & IS_SIZE && !strcmp(p->text[j], p->text[i]));
        if (take) {
            if (b.n)
                buf_str(&b, "-");
            buf_str(&b, p->text[i]);
        }
    }
    int rc = buf_check(&b, err);
    if (!rc && b.n) {
        *out = arena_strn(arena, b.p, b.n);
        rc = *out ? 0 : err_nomem(err);
    }
    buf_release(&b);
    return rc;
}

static int split(struct parts *p, struct arena *arena, const char *name, struct err *err)
{
    p->n = 0;
    while (*name) {
        const size_t n = strcspn(name, "-");
        if (n && p->n < PARTS_MAX) {
            char *text = arena_alloc(arena, n + 2); /* normalize_size may add one */
            if (!text)
                return err_nomem(err);
            memcpy(text, name, n);
            p->kind[p->n] = 0;
            p->text[p->n++] = text;
        }
        name += n + (name[n] == '-');
    }
    return 0;
}

int general_id_parse(struct general_id *out, struct arena *arena, const char *id, uint64_t n_params,
                     struct err *err)
{
    struct parts p;

    *out = (struct general_id){.full = id};
    if (strchr(id, ' ')) /* a sentence, not an id */
        return 0;
    const char *slash = strchr(id, '/');
    if (slash) {
        out->full = slash + 1;
        if (*id != '.') {
            out->org = arena_strn(arena, id, (size_t)(slash - id));
            if (!out->org)
                return err_nomem(err);
        }
    }
    int rc = split(&p, arena, out->full, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < p.n; i++)
        annotate(&p, i, n_params);
    drop_word_sizes(&p);
    find_base(&p);
    rc = join(&out->basename, arena, &p, IS_BASE, 0, err);
    if (!rc)
        rc = join(&out->size_label, arena, &p, IS_SIZE, 0, err);
    if (!rc)
        rc = join(&out->finetune, arena, &p, IS_TUNE, 0, err);
    if (!rc)
        rc = join(&out->version, arena, &p, IS_VERSION, IS_BASE, err);
    if (!out->size_label && !out->finetune && !out->version)
        out->basename = NULL; /* one plain word says nothing */
    return rc;
}

/* A word of lower-case letters that is no version and does not begin with a digit. */
static bool wants_title(const char *s, size_t n)
{
    bool cased = false;

    for (size_t i = 0; i < n; i++) {
        if (s[i] >= 'A' && s[i] <= 'Z')
            return false;
        cased = cased || is_letter(s[i]);
    }
    if (is_digit(*s) || !cased)
        return false;
    if (*s != 'v' || n < 2 || !is_digit(s[1]))
        return true;
    size_t i = 1;
    while (i < n && (is_digit(s[i]) || (s[i] == '.' && i + 1 < n && is_digit(s[i + 1]))))
        i++;
    return i < n;
}

const char *general_title(struct arena *arena, const char *id)
{
    char *out = arena_alloc(arena, strlen(id) + 1), *to = out;

    if (!out)
        return NULL;
    while (*id) {
        id += strspn(id, "- \t\n\r\f\v");
        const size_t n = strcspn(id, "- \t\n\r\f\v");
        if (!n)
            break;
        if (to != out)
            *to++ = ' ';
        const bool title = wants_title(id, n);
        for (size_t i = 0; i < n; i++)
            *to++ = title && (!i || !is_letter(id[i - 1])) ? upper(id[i]) : id[i];
        id += n;
    }
    *to = '\0';
    return out;
}

static const char *rounded(struct arena *arena, const char *before, double n)
{
    static const struct {
        double above, scale;
        char unit;
    } units[] = {
        {1e12, 1e-12, 'T'},
        {1e9,  1e-9,  'B'},
        {1e6,  1e-6,  'M'},
        {-1,   1e-3,  'K'},
    };
    size_t i = 0;

    while (!(n > units[i].above))
        i++;
    const double v = n * units[i].scale;
    /* one decimal where the whole part has a single digit, two where it is 0 */
    const double whole = rint(v);
    const int decimals = whole >= 10 ? 0 : (whole >= 1 ? 1 : 2);
    return arena_fmt(arena, "%s%.*f%c", before, decimals, v, units[i].unit);
}

const char *general_size_label(struct arena *arena, const struct general_size *size)
{
    if (!size->n_expert)
        return rounded(arena, "", (double)size->total);
    const char *before = arena_fmt(arena, "%llux", (unsigned long long)size->n_expert);
    return before ? rounded(arena, before, (double)(size->shared + size->expert)) : NULL;
}
