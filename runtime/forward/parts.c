/* From traits to code: one table a trait. */

#include "runtime/forward/forward.h"

#include <string.h>

static void norm_rms(const struct model *m, float *y, const float *x, const float *w,
                     const float *bias)
{
    (void)bias; /* RMS norm has none */
    m->kern.rms_norm(y, x, w, m->n_embd, m->norm_eps);
}

static const struct {
    const char *name;
    norm_fn *fn;
} norms[] = {
    [NORM_RMS] = {"RMS norm",   norm_rms},
    [NORM_LAYER] = {"layer norm", NULL    },
};

static const struct {
    const char *name;
    const struct placement *p;
} placements[] = {
    [NORM_PRE] = {"norms before the parts",           &placement_pre},
    [NORM_POST] = {"norms after the parts",            NULL          },
    [NORM_SANDWICH] = {"norms before and after the parts", NULL          },
};

static const struct {
    const char *name;
    const struct part *p;
} mixers[] = {
    [MIXER_ATTENTION] = {"attention",                   &part_attention},
    [MIXER_MLA] = {"multi-head latent attention", NULL           },
    [MIXER_MAMBA] = {"Mamba layers",                NULL           },
    [MIXER_MAMBA2] = {"Mamba 2 layers",              NULL           },
    [MIXER_DELTA_NET] = {"gated delta net layers",      NULL           },
    [MIXER_SHORT_CONV] = {"short convolutions",          NULL           },
};

static const struct {
    const char *name;
    const struct part *p;
} ffns[] = {
    [FFN_GATED] = {"gated feed-forward", &part_ffn_gated},
    [FFN_PLAIN] = {"plain feed-forward", NULL           },
    [FFN_NONE] = {"no feed-forward",    NULL           },
};

static const struct {
    const char *name;
    bool done;
} acts[] = {
    [ACT_SILU] = {"SiLU",         true },
    [ACT_GELU_TANH] = {"GELU (tanh)",  false},
    [ACT_GELU_ERF] = {"GELU",         false},
    [ACT_RELU2] = {"squared ReLU", false},
    [ACT_GELU_QUICK] = {"quick GELU",   false},
};

static const struct weight_use top_uses[] = {
    {ROLE_TOKEN_EMBD,  0                              },
    {ROLE_OUTPUT,      WEIGHT_OPTIONAL                },
    {ROLE_OUTPUT_NORM, WEIGHT_VECTOR                  },
    {ROLE_ROPE_FREQS,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,        0                              },
};

static int missing(const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "the runtime does not compute %s", what);
}

int plan_of(struct plan *out, const struct arch_traits *t, struct err *err)
{
    *out = (struct plan){
        .placement = placements[t->norm_place].p,
        .mixer = mixers[t->mixer].p,
        .ffn = ffns[t->ffn].p,
        .norm = norms[t->norm].fn,
        .top = top_uses,
    };
    if (!out->norm)
        return missing(norms[t->norm].name, err);
    if (!out->placement)
        return missing(placements[t->norm_place].name, err);
    if (!out->mixer)
        return missing(mixers[t->mixer].name, err);
    if (!out->ffn)
        return missing(ffns[t->ffn].name, err);
    if (!acts[t->act].done)
        return missing(acts[t->act].name, err);
    return 0;
}
