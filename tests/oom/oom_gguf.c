#include "formats/digest.h"
#include "formats/gguf_write.h"
#include "tests/oom/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct gguf_item items[] = {
    {"token_embd.weight",   DTYPE_F32,  2, {8, 4, 0, 0} },
    {"blk.0.attn_q.weight", DTYPE_Q8_0, 2, {32, 2, 0, 0}},
    {"output_norm.weight",  DTYPE_F32,  1, {8, 0, 0, 0} },
};

enum { N_ITEMS = 3, DATA_BYTES = 128 + 68 + 32 };

static const uint8_t strings[] = {1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 0};

static int fill(struct meta *m, struct err *err)
{
    const struct meta_kv text = {
        .key = "text", .type = META_STR, .v.str = {.p = "abc", .n = 3}
    };
    int rc = meta_set_str(m, "general.architecture", "llama", err);

    if (!rc)
        rc = meta_set_u32(m, "llama.block_count", 1, err);
    if (!rc)
        rc = meta_set_array(m, "tokenizer.ggml.tokens", META_STR, 2, strings, sizeof(strings), err);
    if (!rc)
        rc = meta_set_kv(m, &text, err);
    for (int i = 0; i < 40 && !rc; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "filler.%d", i);
        rc = meta_set_f32(m, key, 0.5F, err);
    }
    return rc;
}

static int set_meta(void *arg, struct err *err)
{
    struct meta m = {0};
    const int rc = fill(&m, err);

    (void)arg;
    meta_release(&m);
    return rc;
}

struct target {
    const char *path, *first; /* what is written, what is opened then */
    uint64_t split;
};

static int write_file(const struct target *to, struct err *err)
{
    static const uint8_t data[DATA_BYTES];
    struct meta m = {0};
    struct gguf_writer *w = NULL;
    int rc = fill(&m, err);

    if (!rc)
        rc = gguf_writer_new(&w, to->path, &m, items, N_ITEMS, to->split, err);
    if (!rc)
        rc = gguf_writer_put(w, data, sizeof(data), err);
    if (!rc)
        rc = gguf_writer_commit(w, err);
    gguf_writer_free(w);
    meta_release(&m);
    return rc;
}

/* Where it fails, nothing may be left behind. */
static int write_clean(void *arg, struct err *err)
{
    const struct target *to = arg;
    struct stat st;
    char path[256];

    (void)unlink(to->first);
    const int rc = write_file(to, err);
    (void)snprintf(path, sizeof(path), "%s.part", to->first);
    if (rc && (!stat(to->first, &st) || !stat(path, &st)))
        err->msg[0] = '\0'; /* noticed by alloc_each */
    return rc;
}

static int open_file(void *arg, struct err *err)
{
    const struct target *to = arg;
    struct gguf *g;
    const int rc = gguf_open(&g, to->first, err);

    gguf_free(g);
    return rc;
}

static int digest_file(void *arg, struct err *err)
{
    const struct target *to = arg;
    const struct par par = par_init(1);
    struct digest_tensor *list = NULL;
    struct buf b = {0};
    struct gguf *g;
    int rc = gguf_open(&g, to->first, err);

    if (!rc)
        rc = digest_gguf_list(&list, g, err);
    if (!rc)
        rc = digest_hash(list, gguf_n_tensors(g), &par, NULL, err);
    if (!rc)
        rc = digest_gguf_json(&b, g, list, err);
    buf_release(&b);
    free(list);
    gguf_free(g);
    return rc;
}

static void path_in(char path[128], const char *end)
{
    (void)snprintf(path, 128, "/tmp/pare-oom-%ld%s", (long)getpid(), end);
}

int main(void)
{
    char one[128], first[128], second[128];
    struct tap t = {0};

    path_in(one, ".gguf");
    path_in(first, "-00001-of-00002.gguf");
    path_in(second, "-00002-of-00002.gguf");
    struct target single = {.path = one, .first = one};
    struct target split = {.path = one, .first = first, .split = 250};

    alloc_each(&t, "meta_set", set_meta, NULL);
    alloc_each(&t, "gguf_writer", write_clean, &single);
    alloc_each(&t, "gguf_writer, split", write_clean, &split);
    alloc_each(&t, "gguf_open", open_file, &single);
    alloc_each(&t, "gguf_open, split", open_file, &split);
    alloc_each(&t, "digest", digest_file, &single);
    (void)unlink(one);
    (void)unlink(first);
    (void)unlink(second);
    return tap_done(&t);
}
