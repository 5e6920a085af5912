/* Any bytes as JSON: an answer, and what was read can be printed and read again. */

#include "formats/base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Our writer on the same values: copies a tree. */
static void copy(struct json_out *j, const char *key, const json_val *v)
{
    double number;
    bool flag;

    if (json_is_object(v) || json_is_array(v)) {
        json_open(j, key, json_is_object(v) ? '{' : '[');
        for (const json_val *c = json_first(v); c; c = json_next(c))
            copy(j, json_key(c), c);
        json_close(j, json_is_object(v) ? '}' : ']');
    } else if (json_is_string(v)) {
        json_put_str(j, key, json_str(v));
    } else if (json_num(v, &number)) {
        json_put_num(j, key, number);
    } else if (json_bool(v, &flag)) {
        json_put_bool(j, key, flag);
    } else {
        json_put_str(j, key, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_val *v, *again;
    struct buf b = {0};
    struct err err;

    if (json_parse(&v, (const char *)data, size, &err)) {
        if (v || !err.msg[0])
            abort();
        return 0;
    }
    struct json_out j = json_out_init(&b, size % 2);
    copy(&j, NULL, v);
    /* two keys that are no UTF-8 may become the same text: only that may fail */
    if (json_parse(&again, b.p, b.n, &err) && err.code != ERR_FORMAT)
        abort();
    json_free(again);
    json_free(v);
    buf_release(&b);
    return 0;
}
