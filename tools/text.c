#include "tools/text.h"

#include "formats/base/json.h"
#include "formats/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    TEXT_SHOWN = 90, /* bytes of a string */
    ITEMS_SHOWN = 6  /* elements of an array */
};

int text_print(struct buf *b, struct err *err)
{
    const int rc = buf_check(b, err);

    for (size_t i = 0; i < b->n; i++)
        if ((unsigned char)b->p[i] < 0x20 && b->p[i] != '\n')
            b->p[i] = '?';
    if (!rc)
        (void)fwrite(b->p, 1, b->n, stdout);
    buf_release(b);
    return rc;
}

static void put_text(struct buf *b, struct meta_str s)
{
    struct json_out j = json_out_init(b, true);
    size_t n = 0;

    while (n < s.n && n < TEXT_SHOWN) {
        bool good;
        n += utf8_step(&good, s.p + n, s.n - n);
    }
    json_put_strn(&j, NULL, s.p, n);
    if (n < s.n)
        buf_fmt(b, "... (%zu bytes)", s.n);
}

static void put_single(struct buf *b, const struct meta_kv *kv)
{
    struct json_out j = json_out_init(b, true);

    switch (kv->type) {
    case META_STR:
        put_text(b, kv->v.str);
        break;
    case META_F32:
        buf_fmt(b, "%.9g", kv->v.f);
        break;
    case META_F64:
        json_put_num(&j, NULL, kv->v.f);
        break;
    case META_BOOL:
        json_put_bool(&j, NULL, kv->v.u != 0);
        break;
    case META_I8:
    case META_I16:
    case META_I32:
    case META_I64:
        json_put_int(&j, NULL, kv->v.i);
        break;
    default:
        json_put_uint(&j, NULL, kv->v.u);
        break;
    }
}

static void put_array(struct buf *b, const struct meta_array *a)
{
    buf_str(b, "[");
    for (uint64_t i = 0; i < a->n && i < ITEMS_SHOWN; i++) {
        const struct meta_kv kv = meta_element(a, i);
        if (i)
            buf_str(b, ", ");
        put_single(b, &kv);
    }
    buf_fmt(b, a->n > ITEMS_SHOWN ? ", ...] (%" PRIu64 ")" : "]", a->n);
}

void text_value(struct buf *b, const struct meta_kv *kv)
{
    if (kv->type == META_ARRAY)
        put_array(b, &kv->v.array);
    else
        put_single(b, kv);
}
