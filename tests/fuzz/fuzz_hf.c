/* A tokenizer.json executed: whatever it defines, texts through it give ids it has, or it
 * is refused. After a zero byte comes the text. */
#include "runtime/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct tok *t, const char *text, size_t n)
{
    const struct vocab *v = tok_vocab(t);
    struct tok_ids ids = {0};
    struct buf b = {0};
    struct err err;

    if (tok_encode(&ids, t, text, n, TOK_PARSE_SPECIAL, &err))
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if ((size_t)ids.id[i] >= v->n_tokens || tok_decode(&b, t, ids.id[i], true, &err))
            abort();
    buf_release(&b);
    tok_ids_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = " Hello\tworld, don't 12345 na\xc3\xafve \xe4\xb8\xad\xe6\x96\x87 "
                               "e\xcc\x81 \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd \xff\xc3 <s> A\n\n";
    const char *zero = size ? memchr(data, 0, size) : NULL;
    const size_t n = zero ? (size_t)(zero - (const char *)data) : size;
    struct tok *t = NULL;
    json_val *doc = NULL;
    struct err err;

    if (!size || json_parse(&doc, (const char *)data, n, &err))
        return 0;
    if (!tok_new_json(&t, NULL, doc, &err)) {
        run(t, text, sizeof(text) - 1);
        if (zero)
            run(t, zero + 1, size - n - 1);
    }
    tok_free(t);
    json_free(doc);
    return 0;
}
