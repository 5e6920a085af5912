/* Any bytes as a GGUF: an answer, and when it is yes, everything it claims can be
 * touched, described and written again. */

#include "formats/digest.h"
#include "formats/meta_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touch(const struct gguf *g)
{
    unsigned sum = 0;

    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor(g, i);
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        if (gguf_find(g, t->name) != t)
            abort();
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct digest_tensor *list = NULL;
    struct gguf *g;
    struct buf b = {0};
    struct err err;

    if (gguf_parse(&g, data, size, &err)) {
        if (g || !err.msg[0])
            abort();
        return 0;
    }
    volatile unsigned sum = touch(g);
    (void)sum;
    if (!digest_gguf_list(&list, g, &err) && digest_gguf_json(&b, g, list, &err))
        abort();
    b.n = 0;
    for (size_t i = 0; i < gguf_meta(g)->n; i++)
        meta_write(&b, &gguf_meta(g)->kv[i]);
    buf_release(&b);
    free(list);
    gguf_free(g);
    return 0;
}
