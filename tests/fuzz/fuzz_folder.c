/* A checkpoint's folder as conversion sees it: config.json, pare.json, tokenizer.json and
 * model.safetensors, each with its length before it. Opened, and every row of it read. */

#include "formats/base/rd.h"
#include "formats/source_fit.h"
#include "tests/fuzz/fuzz_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 1 << 18 };

static const char *const files[] = {"config.json", "pare.json", "tokenizer.json",
                                    "model.safetensors"};
enum { FILES = sizeof(files) / sizeof(files[0]) };

static void path_of(char path[128], const char *dir, size_t i)
{
    (void)snprintf(path, 128, "%s/%s", dir, files[i]);
}

/* An empty one is not there. */
static void put(const char *dir, size_t i, struct rd *r)
{
    const size_t left = rd_left(r), n = i + 1 < FILES ? rd_u32(r) : left;
    const uint8_t *p = rd_bytes(r, n);
    char path[128];

    path_of(path, dir, i);
    FILE *f = p && n ? fopen(path, "wb") : NULL;
    if (f) {
        (void)fwrite(p, 1, n, f);
        (void)fclose(f);
    }
}

static void use(const char *dir)
{
    struct source_fit fit;
    struct source *s = NULL;
    struct ckpt *c = NULL;
    struct err err = {0};

    if (!source_open(&s, dir, NULL, &err))
        fuzz_rows(s, MOST_VALUES);
    else if (!err.msg[0])
        abort();
    source_free(s);
    if (!ckpt_open(&c, dir, &err) && !source_fit(&fit, c, &err))
        source_fit_release(&fit);
    ckpt_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/tmp/pare-fuzz-folder-XXXXXX", path[128];
    struct rd r = rd_init(data, size);

    if (!mkdtemp(dir))
        return 0;
    for (size_t i = 0; i < FILES; i++)
        put(dir, i, &r);
    use(dir);
    for (size_t i = 0; i < FILES; i++) {
        path_of(path, dir, i);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return 0;
}
