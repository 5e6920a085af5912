/* A checkpoint with everything that allocates: front matter, made tensors, biases;
 * then the same as a GGUF. */

#include "formats/gguf_write.h"
#include "formats/source.h"
#include "tests/oom/alloc.h"
#include "tests/tiny.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char card[] = "---\nlicense: [mit, x]\ntags:\n- a\nlanguage: en\nbase_model:\n"
                           "- org/Base-7B-v1\n- {name: N, url: u}\ndatasets: a/b\n---\n";
static const char generation[] =
    "{\"top_k\": 3, \"temperature\": 0.5, \"eos_token_id\": [0, 2, 1]}";

static int make(const char *dir)
{
    return tiny_make(dir) || tiny_put(dir, "README.md", card, strlen(card)) ||
           tiny_put(dir, "generation_config.json", generation, strlen(generation)) ||
           tiny_weights(dir, TINY_TENSORS,
                        (struct tiny_tensor){"model.layers.0.self_attn.k_proj.bias", 4, 0}) ||
           tiny_config(dir, "\"_name_or_path\":\"org/Tiny-7B-Instruct\",\"rope_scaling\":{"
                            "\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
                            "\"high_freq_factor\":4,\"original_max_position_embeddings\":64}");
}

static int open_only(void *arg, struct err *err)
{
    const struct source_opts opts = {.pre = "gpt-2"};
    struct source *s;
    const int rc = source_open(&s, arg, &opts, err);

    source_free(s);
    return rc;
}

static int hash(void *arg, struct err *err)
{
    static const struct log log;
    const struct source_opts opts = {.pre = "gpt-2"};
    const struct par par = par_init(1);
    char hex[HASH_HEX_BYTES];
    struct source *s;
    int rc = source_open(&s, arg, &opts, err);

    if (!rc)
        rc = source_sha256(hex, s, &par, &log, err);
    source_free(s);
    return rc;
}

/* The folder's own bytes under its GGUF's names. */
static int write_gguf(const char *dir, const char *path)
{
    const struct source_opts opts = {.pre = "gpt-2"};
    struct gguf_item item[32];
    struct gguf_writer *w = NULL;
    struct source *s;
    struct err err;
    int rc = source_open(&s, dir, &opts, &err);
    const size_t n = rc ? 0 : source_n_tensors(s);

    for (size_t i = 0; i < n && i < 32; i++) {
        const struct source_tensor *t = source_tensor(s, i);
        item[i] = (struct gguf_item){.name = t->name, .type = t->type, .n_dims = t->n_dims};
        memcpy(item[i].dims, t->dims, sizeof(t->dims));
    }
    if (!rc)
        rc = gguf_writer_new(&w, path, source_meta(s), item, n, 0, &err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = gguf_writer_put(w, source_tensor(s, i)->part->data, source_tensor(s, i)->part->bytes,
                             &err);
    if (!rc)
        rc = gguf_writer_commit(w, &err);
    gguf_writer_free(w);
    source_free(s);
    return rc;
}

int main(void)
{
    struct tap t = {0};
    char dir[64], path[128];

    (void)snprintf(dir, sizeof(dir), "/tmp/pare-oom-source-%ld", (long)getpid());
    (void)snprintf(path, sizeof(path), "%s/m.gguf", dir);
    if (!tap_ok(&t, !make(dir) && !write_gguf(dir, path), "a folder and a file to read"))
        return tap_done(&t);
    alloc_each(&t, "source_open, checkpoint", open_only, dir);
    alloc_each(&t, "source_open, gguf", open_only, path);
    alloc_each(&t, "source_sha256", hash, path);
    (void)tiny_remove(dir);
    return tap_done(&t);
}
