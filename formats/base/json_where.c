#include "formats/base/json_where.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The text is known to be JSON, but nothing here reads past its end if it is not. */

static size_t skip_space(const char *p, size_t n, size_t i)
{
    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r'))
        i++;
    return i;
}

/* From an opening quote to one past the closing one. */
static size_t skip_string(const char *p, size_t n, size_t i)
{
    for (i++; i < n && p[i] != '"'; i++)
        if (p[i] == '\\')
            i++;
    return i < n ? i + 1 : n;
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* To one past the value that begins at i. */
static size_t skip_value(const char *p, size_t n, size_t i)
{
    size_t depth = 0;

    if (i < n && !is_one_of(p[i], "\"{[")) {
        while (i < n && !is_one_of(p[i], ",}] \t\r\n"))
            i++;
        return i;
    }
    while (i < n) {
        if (p[i] == '"')
            i = skip_string(p, n, i);
        else {
            depth += is_one_of(p[i], "{[");
            depth -= depth && is_one_of(p[i], "}]");
            i++;
        }
        if (!depth)
            break;
    }
    return i;
}

/* One step of a path. */
struct step {
    const char *name;
    size_t n;
    size_t index; /* as a list's item; (size_t)-1: no number */
};

static struct step step_of(const char *path)
{
    const char *dot = strchr(path, '.');
    struct step s = {path, dot ? (size_t)(dot - path) : strlen(path), (size_t)-1};
    char *end;
    const unsigned long index = strtoul(path, &end, 10);

    if (s.n && end == path + s.n)
        s.index = index;
    return s;
}

/* The member or item of the value at `from` that the step names. */
static bool find(size_t *at, const char *p, size_t n, size_t from, const struct step *s)
{
    const bool object = from < n && p[from] == '{';
    size_t i = from + 1;

    if (from >= n || (p[from] != '{' && p[from] != '['))
        return false;
    for (size_t k = 0;; k++) {
        i = skip_space(p, n, i);
        if (i >= n || p[i] == '}' || p[i] == ']')
            return false;
        bool found = k == s->index;
        if (object) {
            const size_t key = i + 1;
            i = skip_string(p, n, i);
            found = i >= key + 1 && i - key - 1 == s->n && !memcmp(p + key, s->name, s->n);
            i = skip_space(p, n, i);
            i = skip_space(p, n, i + (i < n)); /* the colon */
        }
        if (found) {
            *at = i;
            return true;
        }
        i = skip_space(p, n, skip_value(p, n, i));
        if (i >= n || p[i] != ',')
            return false;
        i++;
    }
}

size_t json_where(const char *text, size_t n, const char *path)
{
    const size_t bom = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    size_t at = skip_space(text, n, bom);

    while (path && *path) {
        const struct step s = step_of(path);
        if (!find(&at, text, n, at, &s))
            break;
        path += s.n + (path[s.n] == '.');
    }
    return at;
}

void json_line_column(size_t *line, size_t *column, const char *text, size_t offset)
{
    size_t begin = 0;

    *line = 1;
    for (size_t i = 0; i < offset; i++)
        if (text[i] == '\n') {
            ++*line;
            begin = i + 1;
        }
    *column = offset - begin + 1;
}
