#include "tests/tiny.h"

#include "formats/base/buf.h"
#include "formats/base/out.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char tokenizer[] =
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3},"
    "\"merges\":[\"a b\"]},\"added_tokens\":[],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"}}";

#define P "model.layers.0."
static const struct tiny_tensor tensors[] = {
    {"model.embed_tokens.weight",         4,  8 },
    {P "input_layernorm.weight",          8,  0 },
    {P "self_attn.q_proj.weight",         8,  8 },
    {P "self_attn.k_proj.weight",         4,  8 },
    {P "self_attn.v_proj.weight",         4,  8 },
    {P "self_attn.o_proj.weight",         8,  8 },
    {P "post_attention_layernorm.weight", 8,  0 },
    {P "mlp.gate_proj.weight",            12, 8 },
    {P "mlp.up_proj.weight",              12, 8 },
    {P "mlp.down_proj.weight",            8,  12},
    {"model.norm.weight",                 8,  0 },
};
_Static_assert(sizeof(tensors) / sizeof(tensors[0]) == TINY_TENSORS, "as the header says");

struct tiny_tensor tiny_tensor(size_t i)
{
    return tensors[i];
}

int tiny_put(const char *dir, const char *name, const void *data, size_t n)
{
    char path[512];
    struct err err;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return out_file(path, data, n, &err);
}

int tiny_config(const char *dir, const char *more)
{
    struct buf b = {0};

    buf_fmt(&b,
            "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":8,\"num_attention_heads\":2,"
            "\"num_key_value_heads\":1,\"intermediate_size\":12,\"num_hidden_layers\":1,"
            "\"vocab_size\":4,\"tie_word_embeddings\":true%s%s}",
            *more ? "," : "", more);
    const int rc = tiny_put(dir, "config.json", b.p, b.n);
    buf_release(&b);
    return rc;
}

static void add(struct buf *head, struct buf *data, const struct tiny_tensor *t)
{
    const size_t n = (size_t)t->rows * (t->columns ? t->columns : 1), at = data->n;

    for (size_t i = 0; i < n; i++) {
        const uint8_t v[2] = {(uint8_t)(t->columns ? i / t->columns : i), 0};
        buf_put(data, v, 2);
    }
    buf_fmt(head, "%c\"%s\":{\"dtype\":\"BF16\",\"shape\":[%u", head->n ? ',' : '{', t->name,
            t->rows);
    if (t->columns)
        buf_fmt(head, ",%u", t->columns);
    buf_fmt(head, "],\"data_offsets\":[%zu,%zu]}", at, data->n);
}

int tiny_weights(const char *dir, size_t skip, struct tiny_tensor extra)
{
    struct buf head = {0}, data = {0}, file = {0};

    for (size_t i = 0; i < TINY_TENSORS; i++)
        if (i != skip)
            add(&head, &data, &tensors[i]);
    if (extra.name)
        add(&head, &data, &extra);
    buf_str(&head, "}");
    buf_u64(&file, head.n);
    buf_put(&file, head.p, head.n);
    buf_put(&file, data.p, data.n);
    const int rc = tiny_put(dir, "model.safetensors", file.p, file.n);
    buf_release(&head);
    buf_release(&data);
    buf_release(&file);
    return rc;
}

int tiny_make(const char *dir)
{
    if (mkdir(dir, 0700))
        return 1;
    return tiny_config(dir, "") || tiny_weights(dir, TINY_TENSORS, (struct tiny_tensor){0}) ||
           tiny_put(dir, "tokenizer.json", tokenizer, strlen(tokenizer));
}

int tiny_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    return rmdir(dir);
}
