/* Every allocation of opening checkpoints that other libraries quantized. */

#include "formats/checkpoint.h"
#include "formats/coded.h"
#include "tests/oom/alloc.h"

#include <stdio.h>

static int open_coded(void *arg, struct err *err)
{
    struct coded_set *s = NULL;
    struct ckpt *c = NULL;
    int rc = ckpt_open(&c, arg, err);

    if (!rc)
        rc = coded_open(&s, c, err);
    coded_free(s);
    ckpt_free(c);
    return rc;
}

int main(void)
{
    static const char *const names[] = {
        "awq-32",
        "bnb-nf4-nested",
        "bnb-int8",
        "ct-fp8-block",
        "ct-int4-asym",
        "ct-int8",
        "ct-mxfp4",
        "ct-nvfp4",
        "fp8-block-edge",
        "fp8-experts",
        "gptq-3bit",
        "mxfp4",
        "gptq-4bit-act-order",
        "modelopt-nvfp4",
    };
    struct tap t = {0};
    char dir[128];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(dir, sizeof(dir), "tests/coded/%s", names[i]);
        alloc_each(&t, names[i], open_coded, dir);
    }
    return tap_done(&t);
}
