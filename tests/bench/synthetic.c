/* synthetic OUT.gguf IMATRIX.gguf [LAYERS]: a Llama model of random BF16 weights (100 MB a layer and
 * 130 MB; ten layers unless told otherwise) and an importance matrix for it. Weights are bell-shaped
 * with a size of their own for every row and column; nothing could run it. For tests/bench/quantize.sh. */

#include "formats/gguf_write.h"
#include "formats/imatrix.h"
#include "formats/meta.h"
#include "quant/half.h"
#include "runtime/rng.h"

#include <stdio.h>
#include <stdlib.h>

enum { EMBD = 2048, FF = 6144, HEADS = 32, KV = 8, VOCAB = 32000, PER_LAYER = 9, LAYERS_MAX = 100 };

static const struct {
    const char *name;
    uint64_t columns, rows; /* rows 0: a vector */
} parts[PER_LAYER] = {
    {"attn_k",      EMBD, EMBD / HEADS *KV},
    {"attn_norm",   EMBD, 0               },
    {"attn_output", EMBD, EMBD            },
    {"attn_q",      EMBD, EMBD            },
    {"attn_v",      EMBD, EMBD / HEADS *KV},
    {"ffn_down",    FF,   EMBD            },
    {"ffn_gate",    EMBD, FF              },
    {"ffn_norm",    EMBD, 0               },
    {"ffn_up",      EMBD, FF              },
};

struct synthetic {
    struct gguf_item item[2 + PER_LAYER * LAYERS_MAX];
    char name[2 + PER_LAYER * LAYERS_MAX][48];
    struct imatrix_entry entry[2 + PER_LAYER * LAYERS_MAX];
    size_t n, n_entries;
    struct meta meta;
    struct rng rng;
};

/* Close to a normal distribution of deviation 1: four of sixteen bits each. */
static float bell(struct rng *r)
{
    const uint64_t u = rng_u64(r);
    const int sum =
        (int)(u & 0xffff) + (int)(u >> 16 & 0xffff) + (int)(u >> 32 & 0xffff) + (int)(u >> 48);

    return ((float)sum - 131070.0F) * (1.0F / 37837.0F);
}

static void add(struct synthetic *s, const char *name, uint64_t columns, uint64_t rows)
{
    const size_t i = s->n++;

    (void)snprintf(s->name[i], sizeof(s->name[i]), "%s.weight", name);
    s->item[i] = (struct gguf_item){
        .name = s->name[i],
        .type = rows ? DTYPE_BF16 : DTYPE_F32,
        .n_dims = rows ? 2 : 1,
        .dims = {columns, rows ? rows : 1, 1, 1}
    };
    if (rows)
        s->entry[s->n_entries++] =
            (struct imatrix_entry){.name = s->name[i], .columns = columns, .matrices = 1};
}

static int plan(struct synthetic *s, uint32_t layers, struct err *err)
{
    char name[40];
    int rc = meta_set_str(&s->meta, "general.architecture", "llama", err);
    const struct {
        const char *key;
        uint32_t v;
    } keys[] = {
        {"llama.block_count",             layers},
        {"llama.context_length",          2048  },
        {"llama.embedding_length",        EMBD  },
        {"llama.feed_forward_length",     FF    },
        {"llama.attention.head_count",    HEADS },
        {"llama.attention.head_count_kv", KV    },
        {"llama.rope.dimension_count",    64    },
        {"llama.vocab_size",              VOCAB },
        {"general.file_type",             32    },
    };

    for (size_t i = 0; !rc && i < sizeof(keys) / sizeof(keys[0]); i++)
        rc = meta_set_u32(&s->meta, keys[i].key, keys[i].v, err);
    if (!rc)
        rc = meta_set_f32(&s->meta, "llama.attention.layer_norm_rms_epsilon", 1e-5F, err);
    add(s, "output_norm", EMBD, 0);
    add(s, "token_embd", EMBD, VOCAB);
    for (uint32_t l = 0; l < layers; l++)
        for (size_t k = 0; k < PER_LAYER; k++) {
            (void)snprintf(name, sizeof(name), "blk.%u.%s", l, parts[k].name);
            add(s, name, parts[k].columns, parts[k].rows);
        }
    return rc;
}

static int put_tensor(struct gguf_writer *w, struct synthetic *s, const struct gguf_item *item,
                      struct err *err)
{
    static const float one = 1;
    const uint64_t columns = item->dims[0];
    int rc = 0;

    if (item->n_dims == 1) {
        for (uint64_t i = 0; !rc && i < columns; i++)
            rc = gguf_writer_put(w, &one, sizeof(one), err);
        return rc;
    }
    float *size = malloc(columns * sizeof(*size));
    uint16_t *row = malloc(columns * sizeof(*row));
    if (!size || !row)
        rc = err_nomem(err);
    for (uint64_t i = 0; !rc && i < columns; i++)
        size[i] = 0.02F * (1 + 0.3F * bell(&s->rng));
    for (uint64_t r = 0; !rc && r < item->dims[1]; r++) {
        const float row_size = 1 + 0.3F * bell(&s->rng);
        for (uint64_t i = 0; i < columns; i++)
            row[i] = bf16_from_f32(size[i] * row_size * bell(&s->rng));
        rc = gguf_writer_put(w, row, columns * sizeof(*row), err);
    }
    free(size);
    free(row);
    return rc;
}

static int write_importance(struct synthetic *s, const char *path, struct err *err)
{
    struct imatrix *im = NULL;
    int rc = imatrix_new(&im, s->entry, s->n_entries, err);

    for (size_t e = 0; !rc && e < im->n_entries; e++) {
        im->entry[e].count[0] = 512;
        for (uint64_t i = 0; i < im->entry[e].columns; i++) {
            const float v = bell(&s->rng);
            im->entry[e].sum2[i] = 512 * v * v * v * v;
        }
    }
    if (!rc) {
        im->chunks = 1;
        im->chunk_size = 512;
        rc = imatrix_add_dataset(im, "random", err);
    }
    if (!rc)
        rc = imatrix_write(im, path, err);
    imatrix_free(im);
    return rc;
}

int main(int argc, char **argv)
{
    struct synthetic *s = calloc(1, sizeof(*s));
    struct gguf_writer *w = NULL;
    const int layers = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 10;
    struct err err;

    if (!s || argc < 3 || layers < 1 || layers > LAYERS_MAX) {
        (void)fprintf(stderr, "usage: synthetic OUT.gguf IMATRIX.gguf [LAYERS]\n");
        free(s);
        return 2;
    }
    s->rng = rng_init(1);
    int rc = plan(s, (uint32_t)layers, &err);
    if (!rc)
        rc = gguf_writer_new(&w, argv[1], &s->meta, s->item, s->n, 0, &err);
    for (size_t i = 0; !rc && i < s->n; i++)
        rc = put_tensor(w, s, &s->item[i], &err);
    if (!rc)
        rc = gguf_writer_commit(w, &err);
    if (!rc)
        rc = write_importance(s, argv[2], &err);
    if (rc)
        (void)fprintf(stderr, "synthetic: %s\n", err.msg);
    gguf_writer_free(w);
    meta_release(&s->meta);
    free(s);
    return rc ? 1 : 0;
}
