#include "tests/small.h"

#include "runtime/rng.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spec {
    const char *name;
    int n_dims;
    uint64_t dims[2]; /* fastest first */
};

static const struct spec top_specs[] = {
    {"token_embd.weight",  2, {SMALL_EMBD, SMALL_VOCAB}},
    {"output_norm.weight", 1, {SMALL_EMBD, 1}          },
    {"output.weight",      2, {SMALL_EMBD, SMALL_VOCAB}},
};

static const struct spec block_specs[] = {
    {"attn_norm.weight",   1, {SMALL_EMBD, 1}                       },
    {"attn_q.weight",      2, {SMALL_EMBD, SMALL_HEADS *SMALL_HEAD} },
    {"attn_k.weight",      2, {SMALL_EMBD, SMALL_KV *SMALL_HEAD}    },
    {"attn_v.weight",      2, {SMALL_EMBD, SMALL_KV *SMALL_HEAD}    },
    {"attn_output.weight", 2, {SMALL_HEADS * SMALL_HEAD, SMALL_EMBD}},
    {"ffn_norm.weight",    1, {SMALL_EMBD, 1}                       },
    {"ffn_gate.weight",    2, {SMALL_EMBD, SMALL_FF}                },
    {"ffn_up.weight",      2, {SMALL_EMBD, SMALL_FF}                },
    {"ffn_down.weight",    2, {SMALL_FF, SMALL_EMBD}                },
    {"attn_q.bias",        1, {SMALL_HEADS * SMALL_HEAD, 1}         },
    {"ffn_down.bias",      1, {SMALL_EMBD, 1}                       },
};

enum {
    N_TOP = sizeof(top_specs) / sizeof(top_specs[0]),
    N_BLOCK = sizeof(block_specs) / sizeof(block_specs[0])
};
_Static_assert(SMALL_TENSORS == N_TOP + SMALL_LAYERS * N_BLOCK, "the header counts them");

static size_t values(const struct gguf_item *it)
{
    return (size_t)(it->dims[0] * it->dims[1]);
}

static uint64_t widened(uint64_t dim, const struct small_tweak *w)
{
    return dim == 1 || dim == SMALL_VOCAB || !w->wide ? dim : dim * w->wide;
}

static int add(struct small *t, const struct small_tweak *w, const struct spec *s, int layer,
               struct rng *r, struct err *err)
{
    struct gguf_item *it = &t->items[t->n];
    char *name = t->names[t->n];

    if (layer < 0)
        (void)snprintf(name, sizeof(t->names[0]), "%s", s->name);
    else
        (void)snprintf(name, sizeof(t->names[0]), "blk.%d.%s", layer, s->name);
    *it = (struct gguf_item){
        .name = name,
        .type = DTYPE_F32,
        .n_dims = s->n_dims,
        .dims = {widened(s->dims[0], w), widened(s->dims[1], w), 1, 1}
    };
    float *data = calloc(values(it), sizeof(*data));
    if (!data)
        return err_nomem(err);
    for (size_t i = 0; i < values(it); i++)
        data[i] = (float)(rng_unit(r) - 0.5) * (s->n_dims == 1 ? 1.0f : 0.6f) +
                  (strstr(s->name, "norm") ? 1.0f : 0.0f);
    t->data[t->n++] = data;
    return 0;
}

static int set_meta(struct meta *m, const struct small_tweak *w, struct err *err)
{
    const uint32_t wide = w->wide ? w->wide : 1;
    const uint32_t embd = SMALL_EMBD * wide, ff = SMALL_FF * wide, head = SMALL_HEAD * wide;
    const struct {
        const char *key;
        uint32_t v;
    } numbers[] = {
        {"llama.block_count",             SMALL_LAYERS                          },
        {"llama.context_length",          SMALL_CTX                             },
        {"llama.embedding_length",        embd                                  },
        {"llama.feed_forward_length",     ff                                    },
        {"llama.attention.head_count",    SMALL_HEADS                           },
        {"llama.attention.head_count_kv", w->n_head_kv ? w->n_head_kv : SMALL_KV},
        {"llama.attention.key_length",    head                                  },
        {"llama.attention.value_length",  head                                  },
        {"llama.rope.dimension_count",    head                                  },
        {"llama.vocab_size",              SMALL_VOCAB                           },
        {"pare.arch.window",              w->window                             },
    };
    const size_t n = sizeof(numbers) / sizeof(numbers[0]) - !w->window;
    int rc = meta_set_str(m, "general.architecture", "llama", err);

    for (size_t i = 0; !rc && i < n; i++)
        rc = meta_set_u32(m, numbers[i].key, numbers[i].v, err);
    if (!rc)
        rc = meta_set_f32(m, "llama.attention.layer_norm_rms_epsilon", 1e-5f, err);
    if (!rc)
        rc = meta_set_f32(m, "llama.rope.freq_base", 10000.0f, err);
    for (const struct small_num *x = w->nums; !rc && x && x->key; x++)
        rc = x->by_layer ? meta_set_array(m, x->key, META_F32, SMALL_LAYERS, x->by_layer,
                                          SMALL_LAYERS * sizeof(float), err)
                         : meta_set_f32(m, x->key, x->v, err);
    return rc;
}

static int write_file(const struct small *t, const struct small_tweak *w, struct err *err)
{
    struct meta meta = {0};
    struct gguf_writer *out = NULL;
    int rc = set_meta(&meta, w, err);

    if (!rc)
        rc = gguf_writer_new(&out, t->path, &meta, t->items, t->n, 0, err);
    for (size_t i = 0; !rc && i < t->n; i++)
        rc = gguf_writer_put(out, t->data[i], values(&t->items[i]) * sizeof(float), err);
    if (!rc)
        rc = gguf_writer_commit(out, err);
    gguf_writer_free(out);
    meta_release(&meta);
    return rc;
}

int small_new(struct small *t, const struct small_tweak *w, struct err *err)
{
    struct rng r = rng_init(1);
    int rc = 0;

    *t = (struct small){.path = "/tmp/pare-small-XXXXXX"};
    const int fd = mkstemp(t->path);
    if (fd < 0)
        return err_errno(err, t->path);
    (void)close(fd);
    for (size_t i = 0; !rc && i < N_TOP; i++)
        rc = add(t, w, &top_specs[i], -1, &r, err);
    for (int l = 0; l < SMALL_LAYERS; l++)
        for (size_t i = 0; !rc && i < N_BLOCK; i++)
            if (!w->leave_out || l != 1 || strcmp(block_specs[i].name, w->leave_out) != 0)
                rc = add(t, w, &block_specs[i], l, &r, err);
    return rc ? rc : write_file(t, w, err);
}

void small_free(struct small *t)
{
    (void)unlink(t->path);
    for (size_t i = 0; i < t->n; i++)
        free(t->data[i]);
}

const float *small_weight(const struct small *t, int layer, const char *name)
{
    char full[sizeof(t->names[0])];

    if (layer < 0)
        (void)snprintf(full, sizeof(full), "%s", name);
    else
        (void)snprintf(full, sizeof(full), "blk.%d.%s", layer, name);
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->names[i], full))
            return t->data[i];
    return NULL;
}

void small_ids(int32_t *ids, size_t n, uint64_t seed)
{
    struct rng r = rng_init(seed);

    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(rng_u64(&r) % SMALL_VOCAB);
}
