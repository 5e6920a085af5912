/* Methods of texts, lists, dicts and loops. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

/* ---- texts ------------------------------------------------------------------------------- */

static int strip(struct chat_value *out, struct chat_run *r, const struct chat_call *c, bool left,
                 bool right)
{
    struct chat_str chars = {0};
    int rc = chat_arg_str(&chars, r, c, 0);

    if (!rc)
        rc = chat_look(r, c->self.u.s.n, chars.n);
    if (!rc)
        *out = chat_text_of(chat_strip(c->self.u.s, left, right, chars));
    return rc;
}

static int str_strip(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return strip(out, r, c, true, true);
}

static int str_lstrip(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return strip(out, r, c, true, false);
}

static int str_rstrip(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return strip(out, r, c, false, true);
}

static bool affixed(struct chat_str s, struct chat_str part, bool end)
{
    if (part.n > s.n)
        return false;
    return !part.n || !memcmp(end ? s.p + s.n - part.n : s.p, part.p, part.n);
}

/* One text, or any of a tuple. */
static int affix(struct chat_value *out, struct chat_run *r, const struct chat_call *c, bool end)
{
    struct chat_value v = c->a[0];
    const struct chat_list one = {&v, 1, 1};
    const struct chat_list *l = v.type == CHAT_TUPLE ? v.u.list : &one;
    bool found = false;

    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].type != CHAT_STR)
            return chat_fail(r, c->node, "a text is needed, not %s", chat_type_name(l->at[i]));
        found = found || affixed(c->self.u.s, l->at[i].u.s, end);
    }
    *out = chat_bool(found);
    return 0;
}

static int str_startswith(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return affix(out, r, c, false);
}

static int str_endswith(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return affix(out, r, c, true);
}

static int remove_affix(struct chat_value *out, struct chat_run *r, const struct chat_call *c,
                        bool end)
{
    struct chat_str s = c->self.u.s, part = {"", 0};
    const int rc = chat_arg_str(&part, r, c, 0);

    if (!rc && affixed(s, part, end)) {
        s.p += end ? 0 : part.n;
        s.n -= part.n;
    }
    *out = chat_text_of(s);
    return rc;
}

static int str_removeprefix(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return remove_affix(out, r, c, false);
}

static int str_removesuffix(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return remove_affix(out, r, c, true);
}

static int str_upper(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return chat_recase(out, r, c->self.u.s, CHAT_UPPER);
}

static int str_lower(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return chat_recase(out, r, c->self.u.s, CHAT_LOWER);
}

static int str_title(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return chat_recase(out, r, c->self.u.s, CHAT_TITLE);
}

static int str_capitalize(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return chat_recase(out, r, c->self.u.s, CHAT_CAPITALIZE);
}

static int str_replace(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str old = {"", 0}, new_ = {"", 0};
    int64_t most;
    int rc = chat_arg_str(&old, r, c, 0);

    if (!rc)
        rc = chat_arg_str(&new_, r, c, 1);
    if (!rc)
        rc = chat_arg_int(&most, r, c, 2, -1);
    return rc ? rc : chat_replace(out, r, c->self.u.s, old, new_, most);
}

/* The last one before `end`, or SIZE_MAX. */
static size_t find_last(struct chat_str s, struct chat_str what, size_t end)
{
    for (size_t at = end + 1 - what.n; what.n <= end && at-- > 0;)
        if (!what.n || !memcmp(s.p + at, what.p, what.n))
            return at;
    return SIZE_MAX;
}

static int find(struct chat_value *out, struct chat_run *r, const struct chat_call *c, bool last)
{
    const struct chat_str s = c->self.u.s;
    struct chat_str what = {"", 0};
    int64_t from = 0;
    int rc = chat_arg_str(&what, r, c, 0);

    if (!rc)
        rc = chat_arg_int(&from, r, c, 1, 0);
    if (!rc)
        rc = chat_look(r, s.n, what.n);
    if (rc)
        return rc;
    const size_t begin = chat_char_at(s, from < 0 ? 0 : (size_t)from);
    const size_t at = last ? find_last(s, what, s.n) : chat_find_str(s, what, begin);
    *out = chat_int(at == SIZE_MAX ? -1 : (int64_t)chat_chars((struct chat_str){s.p, at}));
    return 0;
}

static int str_find(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return find(out, r, c, false);
}

static int str_rfind(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return find(out, r, c, true);
}

static int str_count(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str what = {"", 0};
    int64_t n = 0;
    int rc = chat_arg_str(&what, r, c, 0);

    if (!rc)
        rc = chat_look(r, c->self.u.s.n, what.n);
    if (!rc && !what.n)
        n = (int64_t)chat_chars(c->self.u.s) + 1;
    for (size_t at = 0; !rc && what.n; n++) {
        at = chat_find_str(c->self.u.s, what, at);
        if (at == SIZE_MAX)
            break;
        at += what.n;
    }
    *out = chat_int(n);
    return rc;
}

static int str_join(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const struct chat_list *l;
    struct buf b = {0};
    int rc = chat_items(&l, r, c->node, c->a[0]);

    for (size_t i = 0; !rc && i < l->n; i++) {
        if (l->at[i].type != CHAT_STR)
            rc = chat_fail(r, c->node, "item %zu is %s, not a text", i, chat_type_name(l->at[i]));
        if (!rc && i)
            rc = chat_put(r, &b, c->self.u.s.p, c->self.u.s.n);
        if (!rc)
            rc = chat_put(r, &b, l->at[i].u.s.p, l->at[i].u.s.n);
    }
    return chat_str_take(out, r, &b, rc);
}

/* ---- cutting texts ----------------------------------------------------------------------- */

static int add_part(struct chat_value *out, struct chat_run *r, const char *p, size_t n)
{
    return chat_list_add(r, out->u.list, chat_text_of((struct chat_str){p, n}));
}

/* Offset of the first white space (or of what is none) in s. */
static size_t until(struct chat_str s, bool space)
{
    size_t i = 0, n;

    while (i < s.n) {
        if (chat_space(chat_char((struct chat_str){s.p + i, s.n - i}, &n)) == space)
            break;
        i += n;
    }
    return i;
}

static int split_words(struct chat_value *out, struct chat_run *r, struct chat_str s, int64_t most)
{
    const struct chat_str white = {0};
    int rc = 0;

    for (int64_t k = 0; !rc; k++) {
        s = chat_strip(s, true, false, white);
        if (!s.n)
            break;
        size_t n = until(s, true);
        if (most >= 0 && k >= most) {
            s = chat_strip(s, false, true, white);
            n = s.n;
        }
        rc = add_part(out, r, s.p, n);
        s = (struct chat_str){s.p + n, s.n - n};
    }
    return rc;
}

static int split_at(struct chat_value *out, struct chat_run *r, struct chat_str s,
                    struct chat_str sep, int64_t most)
{
    int rc = 0;

    for (int64_t k = 0; !rc; k++) {
        const size_t at = most >= 0 && k >= most ? SIZE_MAX : chat_find_str(s, sep, 0);
        if (at == SIZE_MAX)
            return add_part(out, r, s.p, s.n);
        rc = add_part(out, r, s.p, at);
        s = (struct chat_str){s.p + at + sep.n, s.n - at - sep.n};
    }
    return rc;
}

static void reverse(struct chat_list *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        const struct chat_value t = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = t;
    }
}

/* From the end; sep.n 0: at white space. */
static int rsplit_at(struct chat_value *out, struct chat_run *r, struct chat_str s,
                     struct chat_str sep, int64_t most)
{
    int rc = 0;

    for (int64_t k = 0; !rc; k++) {
        const size_t at = most >= 0 && k >= most ? SIZE_MAX : find_last(s, sep, s.n);
        const size_t from = at == SIZE_MAX ? 0 : at + sep.n;
        rc = add_part(out, r, s.p + from, s.n - from);
        if (at == SIZE_MAX)
            break;
        s.n = at;
    }
    reverse(out->u.list);
    return rc;
}

static int split(struct chat_value *out, struct chat_run *r, const struct chat_call *c, bool right)
{
    struct chat_str sep = {0};
    int64_t most;
    int rc = chat_arg_str(&sep, r, c, 0);

    if (!rc)
        rc = chat_arg_int(&most, r, c, 1, -1);
    if (!rc && sep.p && !sep.n)
        rc = chat_fail(r, c->node, "an empty separator");
    if (!rc)
        rc = chat_list_new(out, r, 0);
    if (!rc)
        rc = chat_look(r, c->self.u.s.n, sep.n);
    if (rc)
        return rc;
    if (sep.p)
        return right ? rsplit_at(out, r, c->self.u.s, sep, most)
                     : split_at(out, r, c->self.u.s, sep, most);
    if (right && most >= 0)
        return chat_fail(r, c->node, "rsplit at white space with a limit is not supported");
    return split_words(out, r, c->self.u.s, most);
}

static int str_split(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return split(out, r, c, false);
}

static int str_rsplit(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    return split(out, r, c, true);
}

static int str_splitlines(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s = c->self.u.s;
    int64_t keep;
    int rc = chat_arg_int(&keep, r, c, 0, 0);

    if (!rc)
        rc = chat_list_new(out, r, 0);
    while (!rc && s.n) {
        size_t n = 0;
        while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r')
            n++;
        const size_t end = n >= s.n                                              ? 0
                           : s.p[n] == '\r' && n + 1 < s.n && s.p[n + 1] == '\n' ? 2
                                                                                 : 1;
        rc = add_part(out, r, s.p, n + (keep ? end : 0));
        s = (struct chat_str){s.p + n + end, s.n - n - end};
    }
    return rc;
}

/* "{} {0} {name}". Formats after ":" are not taken. */
static int field(struct chat_run *r, struct buf *b, const struct chat_call *c, struct chat_str name,
                 size_t *next)
{
    const struct chat_dict keys = {c->key, c->n_keys, 0};
    const struct chat_value *v = NULL;
    size_t i = 0;
    bool digits = true;

    for (size_t k = 0; k < name.n; k++) {
        digits = digits && name.p[k] >= '0' && name.p[k] <= '9' && k < 4;
        i = digits ? i * 10 + (size_t)(name.p[k] - '0') : i;
    }
    if (!name.n)
        i = (*next)++;
    if (digits)
        v = i < c->n ? &c->arg[i] : NULL;
    else
        v = chat_dict_str(&keys, name);
    if (!v)
        return chat_fail(r, c->node, "no value for {%.*s}", (int)(name.n < 40 ? name.n : 40),
                         name.p);
    return chat_print(r, b, *v);
}

static int str_format(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s = c->self.u.s;
    struct buf b = {0};
    size_t next = 0;
    int rc = 0;

    while (!rc && s.n) {
        size_t n = 1;
        if ((s.p[0] == '{' || s.p[0] == '}') && s.n > 1 && s.p[1] == s.p[0]) {
            rc = chat_put(r, &b, s.p, 1);
            n = 2;
        } else if (s.p[0] == '{') {
            const char *end = memchr(s.p, '}', s.n);
            if (!end) {
                rc = chat_fail(r, c->node, "a format with a { alone");
                break;
            }
            n = (size_t)(end - s.p) + 1;
            rc = field(r, &b, c, (struct chat_str){s.p + 1, n - 2}, &next);
        } else {
            rc = chat_put(r, &b, s.p, 1);
        }
        s = (struct chat_str){s.p + n, s.n - n};
    }
    return chat_str_take(out, r, &b, rc);
}

/* ---- what kind of characters ------------------------------------------------------------- */

/* All of them (and there are some) are of a kind; only ASCII counts as digits and letters. */
static int all_of(struct chat_value *out, struct chat_str s, bool digit, bool alpha, bool space)
{
    bool all = s.n != 0;
    size_t n;

    for (; all && s.n; s.p += n, s.n -= n) {
        const int32_t ch = chat_char(s, &n);
        const bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        all = (digit && ch >= '0' && ch <= '9') || (alpha && letter) || (space && chat_space(ch));
    }
    *out = chat_bool(all);
    return 0;
}

static int str_isdigit(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return all_of(out, c->self.u.s, true, false, false);
}

static int str_isalpha(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return all_of(out, c->self.u.s, false, true, false);
}

static int str_isalnum(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return all_of(out, c->self.u.s, true, true, false);
}

static int str_isspace(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    (void)r;
    return all_of(out, c->self.u.s, false, false, true);
}

const struct chat_func *chat_str_method(struct chat_str name)
{
    static const struct chat_func rows[] = {
        {"capitalize",   str_capitalize,   "",              0},
        {"count",        str_count,        "sub",           1},
        {"endswith",     str_endswith,     "suffix",        1},
        {"find",         str_find,         "sub start",     1},
        {"format",       str_format,       "*",             0},
        {"isalnum",      str_isalnum,      "",              0},
        {"isalpha",      str_isalpha,      "",              0},
        {"isdigit",      str_isdigit,      "",              0},
        {"isspace",      str_isspace,      "",              0},
        {"join",         str_join,         "iterable",      1},
        {"lower",        str_lower,        "",              0},
        {"lstrip",       str_lstrip,       "chars",         0},
        {"removeprefix", str_removeprefix, "prefix",        1},
        {"removesuffix", str_removesuffix, "suffix",        1},
        {"replace",      str_replace,      "old new count", 2},
        {"rfind",        str_rfind,        "sub",           1},
        {"rsplit",       str_rsplit,       "sep maxsplit",  0},
        {"rstrip",       str_rstrip,       "chars",         0},
        {"split",        str_split,        "sep maxsplit",  0},
        {"splitlines",   str_splitlines,   "keepends",      0},
        {"startswith",   str_startswith,   "prefix",        1},
        {"strip",        str_strip,        "chars",         0},
        {"title",        str_title,        "",              0},
        {"upper",        str_upper,        "",              0},
    };

    return chat_row(rows, sizeof(rows) / sizeof(rows[0]), name);
}
