#include "formats/lines.h"

#include "formats/base/json.h"
#include "formats/base/path.h"

#include <string.h>

bool lines_named(const char *path)
{
    return path_ends_nocase(path, ".jsonl") || path_ends_nocase(path, ".ndjson");
}

/* Every string below v, each on a line: content, its parts, calls of tools. */
static void put_strings(struct buf *out, const json_val *v)
{
    if (json_str(v)) {
        buf_str(out, json_str(v));
        buf_str(out, "\n");
    }
    for (const json_val *e = json_first(v); e; e = json_next(e)) /* nested at most 64 deep */
        put_strings(out, e);
}

static int put_line(struct buf *out, const char *p, size_t n, struct err *err)
{
    struct err bad = {0};
    json_val *v = NULL;

    if (json_parse(&v, p, n, &bad))
        return bad.code == ERR_NOMEM ? err_nomem(err) : 0;
    if (json_get(v, "text")) {
        put_strings(out, json_get(v, "text"));
    } else {
        put_strings(out, json_get(v, "messages"));
        put_strings(out, json_get(v, "tools"));
    }
    json_free(v);
    return buf_check(out, err);
}

int lines_said(struct buf *out, const char *text, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t at = 0; !rc && at < n;) {
        const char *eol = memchr(text + at, '\n', n - at);
        const size_t len = eol ? (size_t)(eol - (text + at)) : n - at;
        rc = put_line(out, text + at, len, err);
        at += len + 1;
    }
    return rc;
}
