#include "formats/source_map.h"

#include <string.h>

uint64_t source_map_at(const struct source_map *m, uint64_t i)
{
    const struct source_run *r = m->run;

    for (int k = 1; k < m->n_runs && i >= r->n; k++) {
        i -= r->n;
        r++;
    }
    uint64_t at = r->base;
    for (int d = r->n_digits; d-- > 0;) {
        at += i % r->size[d] * r->stride[d];
        i /= r->size[d];
    }
    return at;
}

/* ---- the changes -------------------------------------------------------------- */

/* Append a run; sizes of zero end the list. */
static void run(struct source_map *m, uint64_t base, const uint64_t (*digit)[2])
{
    struct source_run *r = &m->run[m->n_runs++];

    *r = (struct source_run){.n = 1, .base = base};
    while (r->n_digits < SOURCE_DIGITS && digit[r->n_digits][0]) {
        r->size[r->n_digits] = digit[r->n_digits][0];
        r->stride[r->n_digits] = digit[r->n_digits][1];
        r->n *= digit[r->n_digits][0];
        r->n_digits++;
    }
}

/* Two halves of a head -> pairs. */
static void permute(struct source_map *m, uint64_t heads, uint64_t n)
{
    const uint64_t head = heads ? n / heads : 0;

    if (head && n % heads == 0 && head % 2 == 0)
        run(m, 0,
            (const uint64_t[][2]){
                {heads,    head    },
                {head / 2, 1       },
                {2,        head / 2},
                {0,        0       }
        });
}

/* [head][q, k, v][width] -> [q, k, v][head][width] */
static void qkv_heads(struct source_map *m, uint64_t heads, uint64_t n)
{
    const uint64_t head = heads ? n / 3 / heads : 0;

    if (head && n % (3 * heads) == 0)
        run(m, 0,
            (const uint64_t[][2]){
                {3,     head    },
                {heads, 3 * head},
                {head,  1       },
                {0,     0       }
        });
}

/* [kv head][its queries, k, v][width] -> all queries, all keys, all values */
static void qkv_groups(struct source_map *m, uint64_t heads, uint64_t kv, uint64_t n)
{
    const uint64_t head = heads ? n / (heads + 2 * kv) : 0, queries = kv ? heads / kv : 0;
    const uint64_t group = (queries + 2) * head;

    if (!head || !queries)
        return;
    run(m, 0,
        (const uint64_t[][2]){
            {kv,             group},
            {queries * head, 1    },
            {0,              0    }
    });
    run(m, queries * head,
        (const uint64_t[][2]){
            {kv,   group},
            {head, 1    },
            {0,    0    }
    });
    run(m, (queries + 1) * head,
        (const uint64_t[][2]){
            {kv,   group},
            {head, 1    },
            {0,    0    }
    });
}

/* Delta net, by key head: q, k, the values and the gates of its value heads -> q, k and v
 * of all, or the gates. */
static void delta_split(struct source_map *m, bool gates, const struct arch_params *p, size_t layer)
{
    const uint64_t heads = arch_int(p, ARCH_SSM_GROUPS, layer);
    const uint64_t key = arch_int(p, ARCH_SSM_STATE, layer);
    const uint64_t values = heads ? arch_int(p, ARCH_SSM_INNER, layer) / heads : 0;
    const uint64_t group = 2 * key + 2 * values;
    const uint64_t keys[][2] = {
        {heads, group},
        {key,   1    },
        {0,     0    }
    };
    const uint64_t vals[][2] = {
        {heads,  group},
        {values, 1    },
        {0,      0    }
    };

    if (!heads || !key || !values)
        return;
    if (gates) {
        run(m, 2 * key + values, vals);
        return;
    }
    run(m, 0, keys);
    run(m, key, keys);
    run(m, 2 * key, vals);
}

/* Value heads [key head][each] -> [each][key head], of n rows from `base` on. */
static void tile(struct source_map *m, uint64_t base, const struct arch_params *p, size_t layer,
                 uint64_t n)
{
    const uint64_t keys = arch_int(p, ARCH_SSM_GROUPS, layer);
    const uint64_t heads = arch_int(p, ARCH_SSM_DT_RANK, layer);
    const uint64_t each = keys ? heads / keys : 0, width = heads ? n / heads : 0;

    if (each && width && heads % keys == 0 && n % heads == 0)
        run(m, base,
            (const uint64_t[][2]){
                {each,  width       },
                {keys,  each * width},
                {width, 1           },
                {0,     0           }
        });
}

/* Rows of q and k as they are, then value heads. */
static void tile_qkv(struct source_map *m, const struct arch_params *p, size_t layer, uint64_t n)
{
    const uint64_t keys =
        2 * arch_int(p, ARCH_SSM_GROUPS, layer) * arch_int(p, ARCH_SSM_STATE, layer);

    if (!keys || keys >= n)
        return;
    run(m, 0,
        (const uint64_t[][2]){
            {keys, 1},
            {0,    0}
    });
    tile(m, keys, p, layer, n - keys);
    if (m->n_runs < 2)
        *m = (struct source_map){0};
}

void source_map_rows(struct source_map *out, enum arch_change change, const struct arch_params *p,
                     size_t layer, uint64_t n)
{
    const uint64_t heads = arch_int(p, ARCH_N_HEAD, layer), kv = arch_int(p, ARCH_N_HEAD_KV, layer);
    const uint64_t v = arch_int(p, ARCH_HEAD_V_MLA, layer);
    const uint64_t nope = arch_int(p, ARCH_HEAD_K_MLA, layer) - arch_int(p, ARCH_N_ROT, layer);

    *out = (struct source_map){0};
    switch (change) {
    case CHANGE_PERMUTE_Q:
        permute(out, heads, n);
        break;
    case CHANGE_PERMUTE_K:
        permute(out, kv, n);
        break;
    case CHANGE_QKV_HEADS:
        qkv_heads(out, heads, n);
        break;
    case CHANGE_QKV_GROUPS:
        qkv_groups(out, heads, kv, n);
        break;
    case CHANGE_FIRST_HALF:
        run(out, 0,
            (const uint64_t[][2]){
                {n, 1},
                {0, 0}
        });
        break;
    case CHANGE_SECOND_HALF:
        run(out, n,
            (const uint64_t[][2]){
                {n, 1},
                {0, 0}
        });
        break;
    case CHANGE_EVEN:
        run(out, 0,
            (const uint64_t[][2]){
                {n, 2},
                {0, 0}
        });
        break;
    case CHANGE_ODD:
        run(out, 1,
            (const uint64_t[][2]){
                {n, 2},
                {0, 0}
        });
        break;
    case CHANGE_MLA_V: /* one part a head */
        if (n == v)
            run(out, nope,
                (const uint64_t[][2]){
                    {v, 1},
                    {0, 0}
            });
        break;
    case CHANGE_DELTA_QKV:
    case CHANGE_DELTA_Z:
        delta_split(out, change == CHANGE_DELTA_Z, p, layer);
        break;
    case CHANGE_TILE:
    case CHANGE_TILE_NEG_EXP:
        tile(out, 0, p, layer, n);
        break;
    case CHANGE_TILE_QKV:
        tile_qkv(out, p, layer, n);
        break;
    case CHANGE_TILE_COLS:
    case CHANGE_MLA_K: /* one part a head, transposed; its nope values come first */
    case CHANGE_NONE:
    case CHANGE_ADD_ONE:
    case CHANGE_NEG_EXP:
    case CHANGE_SQUEEZE:
        break;
    }
}

void source_map_cols(struct source_map *out, enum arch_change change, const struct arch_params *p,
                     size_t layer, uint64_t n)
{
    *out = (struct source_map){0};
    if (change == CHANGE_TILE_COLS)
        tile(out, 0, p, layer, n);
}

/* ---- what is stored ------------------------------------------------------------- */

int source_map_stored(uint64_t dims[4], const struct arch_tensor *row, const struct arch_params *p,
                      size_t layer)
{
    int n = arch_dims(dims, row, p, layer);
    const bool stacked = row->flags & (TENSOR_EXPERTS | TENSOR_STACKED);
    const int rows_at = n - (stacked ? 1 : 0) > 1 ? 1 : 0; /* a vector's values are its rows */

    if (row->flags & TENSOR_EXPERTS)
        n--;
    switch (row->change) {
    case CHANGE_FIRST_HALF:
    case CHANGE_SECOND_HALF:
    case CHANGE_EVEN:
    case CHANGE_ODD:
        dims[rows_at] *= 2;
        break;
    case CHANGE_DELTA_QKV:
    case CHANGE_DELTA_Z:
        dims[1] = arch_dim(DIM_SSM_CH, p, layer) + arch_dim(DIM_SSM_INNER, p, layer);
        break;
    case CHANGE_MLA_K:
    case CHANGE_MLA_V:
        dims[0] = arch_int(p, ARCH_KV_LORA, layer);
        dims[1] = arch_int(p, ARCH_N_HEAD, layer) *
                  (arch_int(p, ARCH_HEAD_K_MLA, layer) - arch_int(p, ARCH_N_ROT, layer) +
                   arch_int(p, ARCH_HEAD_V_MLA, layer));
        n = 2;
        break;
    default:
        break;
    }
    if (row->flags & TENSOR_VECTOR) {
        for (; n > 1; n--)
            dims[0] *= dims[n - 1];
    }
    if (row->flags & TENSOR_TRANSPOSED && n > 1) {
        const uint64_t d = dims[0];
        dims[0] = dims[1];
        dims[1] = d;
    }
    return n;
}
