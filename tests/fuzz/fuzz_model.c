/* A GGUF is read as its users do: every row decoded, three tokens run, exported, and the
 * exported folder read again. What the metadata claims and what the tensors have may differ in any way. */

#include "formats/base/cpu.h"
#include "quant/export.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "runtime/tokenizer.h"
#include "tests/fuzz/fuzz_rows.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 1 << 20, MOST_CTX = 8 };

static const struct par one_thread = {.n_threads = 1};

static void run(const char *path)
{
    const struct model_opts opts = {.cpu = cpu_detect()};
    struct model *m = NULL;
    struct sess *s = NULL;
    struct tok_ids ids = {0};
    struct err err = {0};

    if (model_open(&m, path, &opts, &err))
        return;
    const size_t n_vocab = model_n_vocab(m);
    const int32_t three[3] = {0, (int32_t)n_vocab - 1, (int32_t)n_vocab / 2};
    float *logits = n_vocab < MOST_VALUES ? malloc((n_vocab + 1) * sizeof(*logits)) : NULL;
    if (logits && n_vocab && !sess_new(&s, m, MOST_CTX, 2, &one_thread, &err))
        for (size_t i = 0; i < 3; i++)
            if (sess_feed(s, three + i % 2, i ? 1 : 2, logits, &err) && !err.msg[0])
                abort();
    if (model_tok(m) && !tok_encode(&ids, model_tok(m), "a b", 3, TOK_PARSE_SPECIAL, &err) && s &&
        ids.n && sess_feed(s, ids.id, ids.n < 3 ? ids.n : 3, logits, &err) && !err.msg[0])
        abort();
    tok_ids_release(&ids);
    free(logits);
    sess_free(s);
    model_free(m);
}

static void clear(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char path[600];

    while (d && (e = readdir(d))) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    (void)rmdir(dir);
}

static void again(const struct source *s, const char *path)
{
    const struct log silent = {0};
    const struct export_opts opts = {.cpu = cpu_detect(), .par = one_thread, .log = &silent};
    struct export_result result;
    struct source *back = NULL;
    struct err err = {0};
    char dir[64];

    (void)snprintf(dir, sizeof(dir), "%s.d", path);
    if (!export_folder(&result, s, dir, &opts, &err) && !source_open(&back, dir, NULL, &err))
        fuzz_rows(back, MOST_VALUES);
    source_free(back);
    clear(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/pare-fuzz-model-XXXXXX";
    const int fd = mkstemp(path);
    struct source *s = NULL;
    struct err err = {0};

    if (fd < 0)
        return 0;
    if (write(fd, data, size) == (ssize_t)size && !source_open(&s, path, NULL, &err)) {
        fuzz_rows(s, MOST_VALUES);
        again(s, path);
        source_free(s);
        run(path);
    } else if (!err.msg[0] && size) {
        abort();
    }
    (void)close(fd);
    (void)unlink(path);
    return 0;
}
