#include "formats/base/buf.h"
#include "formats/safetensors.h"
#include "tests/oom/alloc.h"

#include <string.h>

static const char header[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[2,26]},"
    "\"lm_head.weight\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]}}";

static int parse(void *arg, struct err *err)
{
    const struct buf *file = arg;
    struct st *st;
    const int rc = st_parse(&st, file->p, file->n, err);

    st_free(st);
    return rc;
}

int main(void)
{
    struct tap t = {0};
    struct buf file = {0};

    buf_u64(&file, strlen(header));
    buf_str(&file, header);
    buf_put(&file, "abcdefghijklmnopqrstuvwxyz", 26);
    alloc_each(&t, "st_parse", parse, &file);
    buf_release(&file);
    return tap_done(&t);
}
