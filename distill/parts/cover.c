/* Which models have a way back: what the runtime computes and no part here differentiates is
 * refused by name. */

#include "distill/parts/parts.h"

static int refuse_block(size_t layer, const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "block %zu: training has no way back through %s", layer,
                   what);
}

static const char *mixer_name(const struct layer *l)
{
    const struct {
        const struct part *part;
        const char *name;
    } rows[] = {
        {&part_mla,        "multi-head latent attention"},
        {&part_mamba,      "Mamba layers"               },
        {&part_mamba2,     "Mamba 2 layers"             },
        {&part_delta_net,  "gated delta net layers"     },
        {&part_short_conv, "short convolutions"         },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (l->mixer == rows[i].part || l->recurrent == rows[i].part)
            return rows[i].name;
    return l->mixer != &part_attention ? "a block without attention" : NULL;
}

/* The first thing about a block that has no way back; NULL: there is none. */
static const char *missing(const struct model *m, size_t layer)
{
    const struct layer *l = &m->layer[layer];
    const struct weights *w = &l->w;
    const struct arch_traits *t = &m->traits;
    const bool no_v = !w->mat[ROLE_ATTN_V].t && !w->mat[ROLE_ATTN_QKV].t;
    const bool clamped = arch_num(m->params, ARCH_CLAMP_QKV, layer) > 0;
    const struct {
        bool there;
        const char *name;
    } rows[] = {
        {l->ffn == &part_experts,                      "a mixture of experts"                     },
        {!l->ffn,                                      "a block without a feed-forward"           },
        {l->chunk != 0,                                "chunked attention"                        },
        {l->borrows,                                   "keys and values shared between layers"    },
        {no_v,                                         "values that are the keys"                 },
        {w->vec[ROLE_LAYER_SCALE] != NULL,             "a scale of the layer's output"            },
        {t->alibi_rounded && t->position == POS_ALIBI, "rounded ALiBi"                            },
        {t->attn_gate,                                 "gates of the attention's output"          },
        {t->v_norm,                                    "norms of values"                          },
        {t->qk_norm == QK_L2,                          "norms of queries and keys without weights"},
        {clamped,                                      "clamped queries, keys and values"         },
    };
    const char *mixer = mixer_name(l);

    for (size_t i = 0; !mixer && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].there)
            return rows[i].name;
    return mixer;
}

int net_covers(const struct model *m, struct err *err)
{
    if (m->n_embd_layer)
        return err_set(err, ERR_UNSUPPORTED,
                       "training has no way back through inputs of the layers' own");
    for (size_t i = 0; i < m->n_layer; i++) {
        const char *what = missing(m, i);
        if (what)
            return refuse_block(i, what, err);
    }
    if (m->traits.act == ACT_SWIGLU_OAI)
        return err_set(err, ERR_UNSUPPORTED, "training has no way back through clamped SwiGLU");
    return 0;
}
