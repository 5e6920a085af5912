/* A quantized checkpoint of any bytes: u32 length of config.json, config.json, then
 * model.safetensors. It opens or says why not; what opens decodes inside its bytes. */

#include "formats/base/rd.h"
#include "formats/coded.h"
#include "quant/coded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 1 << 16 };

static int put(const char *dir, const char *name, const uint8_t *p, size_t n)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        return 1;
    const bool bad = fwrite(p, 1, n, f) != n;
    return fclose(f) || bad;
}

static void drop(const char *dir, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)unlink(path);
}

static void decode(const struct coded *c)
{
    static const enum dtype types[] = {DTYPE_Q4_0, DTYPE_Q4_1,  DTYPE_Q5_0, DTYPE_Q5_1,
                                       DTYPE_Q8_0, DTYPE_MXFP4, DTYPE_NVFP4};

    if (c->rows > MOST_VALUES || c->cols > MOST_VALUES || c->rows * c->cols > MOST_VALUES)
        return;
    float *x = malloc((size_t)(c->rows * c->cols) * sizeof(*x));
    uint8_t *row = malloc((size_t)c->cols * 2 + 64);
    if (x && row) {
        coded_rows(x, c, 0, c->rows);
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
            (void)coded_exact(row, types[i], c, 0, x);
        (void)coded_nvfp4(row, c, c->rows - 1);
        coded_cells(x, c, c->rows - 1, c->cols / 2, (size_t)(c->cols - c->cols / 2));
    }
    free(row);
    free(x);
}

static void look(const char *dir)
{
    struct ckpt *c = NULL;
    struct coded_set *s = NULL;
    struct err err = {0};

    if (!ckpt_open(&c, dir, &err)) {
        if (coded_open(&s, c, &err) && !err.msg[0])
            abort();
        for (size_t i = 0; s && i < coded_n(s); i++)
            if (coded_at(s, i)->coded)
                decode(coded_at(s, i)->coded);
    }
    coded_free(s);
    ckpt_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_init(data, size);
    const size_t n = rd_u32(&r);
    const uint8_t *config = rd_bytes(&r, n);
    char dir[] = "/tmp/pare-fuzz-coded-XXXXXX";

    if (!config || !mkdtemp(dir))
        return 0;
    if (!put(dir, "config.json", config, n) && !put(dir, "model.safetensors", r.p, rd_left(&r)))
        look(dir);
    drop(dir, "config.json");
    drop(dir, "model.safetensors");
    (void)rmdir(dir);
    return 0;
}
