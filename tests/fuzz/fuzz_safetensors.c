/* Any bytes as a safetensors file: an answer, and when it is yes, the tensors are all
 * of the data and nothing else. */

#include "formats/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct st *st;
    struct err err;
    size_t bytes = 0;
    volatile unsigned sum = 0;

    if (st_parse(&st, data, size, &err)) {
        if (st || !err.msg[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < st_n_tensors(st); i++) {
        const struct st_tensor *t = st_tensor(st, i);
        if (!dtype_get(t->type) || !t->name)
            abort();
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        bytes += t->bytes;
    }
    (void)sum;
    if (bytes > size)
        abort();
    st_free(st);
    return 0;
}
