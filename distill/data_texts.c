/* What is trained on of JSON Lines, as one plain text. */

#include "distill/data_parts.h"
#include "formats/base/json.h"

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

/* What is no line of JSON is left to training to complain of. */
static int put_line(struct buf *out, const char *p, size_t n, size_t line, struct err *err)
{
    struct err bad = {0};
    json_val *v = NULL;

    if (json_parse_line(&v, p, n, line, &bad))
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

int data_texts(struct buf *out, const char *path, const struct tok *t, struct err *err)
{
    const struct data_file file = {path, 1};
    const struct data_opts o = {.file = &file, .n_files = 1};
    struct data_docs docs;
    int rc = data_docs_find(&docs, t, &o, err);

    for (size_t i = 0; !rc && i < docs.n; i++) {
        const struct data_doc *doc = &docs.doc[i];
        rc = put_line(out, (const char *)docs.file[0].map.data + doc->at, doc->n, doc->line, err);
    }
    data_docs_release(&docs);
    return rc;
}
