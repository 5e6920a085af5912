#include "formats/base/out.h"
#include "formats/checkpoint.h"
#include "formats/digest.h"
#include "tests/oom/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {
    "config.json",     "tokenizer_config.json", "model.safetensors.index.json",
    "m-1.safetensors", "m-2.safetensors",
};

static int put(const char *dir, const char *name, const struct buf *text)
{
    char path[256];
    struct err err;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return out_file(path, text->p, text->n, &err);
}

static int put_shard(const char *dir, const char *name, const char *tensor)
{
    struct buf head = {0}, b = {0};

    buf_fmt(&head, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", tensor);
    buf_u64(&b, head.n);
    buf_put(&b, head.p, head.n);
    buf_str(&b, "x");
    const int rc = put(dir, name, &b);
    buf_release(&head);
    buf_release(&b);
    return rc;
}

static int make(const char *dir)
{
    struct buf b = {0};

    if (mkdir(dir, 0700))
        return 1;
    buf_str(&b, "{\"model_type\":\"llama\",\"hidden_size\":64}");
    int rc = put(dir, names[0], &b) || put(dir, names[1], &b);
    b.n = 0;
    buf_str(&b, "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
    rc = rc || put(dir, names[2], &b) || put_shard(dir, names[3], "a") ||
         put_shard(dir, names[4], "b");
    buf_release(&b);
    return rc;
}

static int open_and_list(void *arg, struct err *err)
{
    struct digest_tensor *list = NULL;
    struct buf b = {0};
    struct ckpt *c;
    struct map m = {0};
    bool found;
    int rc = ckpt_open(&c, arg, err);

    if (!rc)
        rc = ckpt_map(&m, &found, c, "config.json", err);
    if (!rc)
        rc = digest_ckpt_list(&list, c, err);
    if (!rc)
        rc = digest_ckpt_json(&b, c, list, err);
    buf_release(&b);
    free(list);
    map_release(&m);
    ckpt_free(c);
    return rc;
}

int main(void)
{
    struct tap t = {0};
    char dir[64], path[256];

    (void)snprintf(dir, sizeof(dir), "/tmp/pare-oom-ckpt-%ld", (long)getpid());
    if (!tap_ok(&t, !make(dir), "a folder to read"))
        return tap_done(&t);
    alloc_each(&t, "ckpt_open", open_and_list, dir);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, names[2]);
    (void)unlink(path);
    alloc_each(&t, "ckpt_open, no index", open_and_list, dir);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return tap_done(&t);
}
