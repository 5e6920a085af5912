/* The families pare knows, from their rows: the table in docs/architectures.md. */

#include "formats/arch/arch.h"
#include "tools/inspect.h"

#include <stdio.h>
#include <string.h>

static const char *const norms[] = {[NORM_RMS] = "RMS", [NORM_LAYER] = "layer"};
static const char *const places[] = {
    [NORM_PRE] = "before", [NORM_POST] = "after", [NORM_SANDWICH] = "before and after"};
static const char *const positions[] = {[POS_ROPE_PAIRS] = "rotary, pairs",
                                        [POS_ROPE_HALVES] = "rotary, halves",
                                        [POS_LEARNED] = "learned",
                                        [POS_ALIBI] = "ALiBi",
                                        [POS_NONE] = "none"};
static const char *const mixers[] = {[MIXER_NONE] = "none",
                                     [MIXER_ATTENTION] = "attention",
                                     [MIXER_MLA] = "latent attention",
                                     [MIXER_MAMBA] = "Mamba",
                                     [MIXER_MAMBA2] = "Mamba 2",
                                     [MIXER_DELTA_NET] = "gated delta net",
                                     [MIXER_SHORT_CONV] = "short convolution"};
static const char *const ffns[] = {
    [FFN_GATED] = "gated", [FFN_PLAIN] = "plain", [FFN_NONE] = "none"};
static const char *const acts[] = {[ACT_SILU] = "SiLU",
                                   [ACT_GELU_TANH] = "GELU (tanh)",
                                   [ACT_GELU_ERF] = "GELU",
                                   [ACT_RELU2] = "ReLU^2",
                                   [ACT_RELU] = "ReLU",
                                   [ACT_XIELU] = "xIELU",
                                   [ACT_SWIGLU_OAI] = "clipped SwiGLU",
                                   [ACT_GELU_QUICK] = "quick GELU"};

static bool has_key(const struct arch *a, enum arch_param which)
{
    for (const struct arch_key *const *set = a->keys; *set; set++)
        for (const struct arch_key *k = *set; k->config || k->gguf || k->param; k++)
            if (k->param == which)
                return true;
    return false;
}

static bool has_choice(const struct arch *a, enum arch_param which)
{
    for (const struct arch_choice *c = a->choices; c && c->param; c++)
        if (c->param == which)
            return true;
    return false;
}

static void print_mixer(const struct arch *a)
{
    const struct arch_traits *t = &a->traits;

    printf(" %s", mixers[t->mixer]);
    if (t->recurrent)
        printf(t->both ? " beside %s" : " or %s", mixers[t->recurrent]);
}

static void print_ffn(const struct arch *a)
{
    const bool dense = a->traits.ffn != FFN_NONE;

    if (dense)
        printf(" %s, %s", ffns[a->traits.ffn], acts[a->traits.act]);
    if (has_key(a, ARCH_N_EXPERT))
        printf("%sexperts", dense ? " or " : " ");
    if (!dense && !has_key(a, ARCH_N_EXPERT))
        printf(" none");
}

/* One of a list, where it holds. */
static void say(int *n, bool holds, const char *what)
{
    if (holds)
        printf("%s%s", (*n)++ ? ", " : " ", what);
}

/* What else a family may have. */
static void print_rest(const struct arch *a)
{
    static const struct {
        enum arch_param key;
        const char *says;
    } keys[] = {
        {ARCH_WINDOW,         "window"         },
        {ARCH_CHUNK,          "chunks"         },
        {ARCH_N_FF_SHARED,    "shared expert"  },
        {ARCH_EXPERT_GROUPS,  "routed by group"},
        {ARCH_EMBD_SCALE,     "embedding scale"},
        {ARCH_RESIDUAL_SCALE, "residual scale" },
        {ARCH_ATTN_SCALE,     "attention scale"},
        {ARCH_LOGIT_SCALE,    "logit scale"    },
        {ARCH_LOGIT_DIVISOR,  "logit divisor"  },
        {ARCH_ATTN_CAP,       "attention cap"  },
        {ARCH_LOGIT_CAP,      "logit cap"      },
        {ARCH_CLAMP_QKV,      "clamped QKV"    },
        {ARCH_ROPE_TEMP,      "temperature"    },
    };
    const struct arch_traits *t = &a->traits;
    int n = 0;

    say(&n, t->parallel || has_key(a, ARCH_PARALLEL), "parallel");
    say(&n, t->qk_norm || has_key(a, ARCH_QK_NORM), "normed Q and K");
    say(&n, t->attn_gate, "gated attention");
    say(&n, has_choice(a, ARCH_AT_ROPE), "layers without positions");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        say(&n, has_key(a, keys[i].key), keys[i].says);
}

void inspect_print_families(void)
{
    const struct arch *a;

    printf("| class | GGUF | mixer | norm | positions | feed-forward | also |\n");
    printf("|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; (a = arch_at(i)); i++) {
        printf("|");
        for (const char *const *c = a->classes; *c; c++)
            printf("%s %s", c == a->classes ? "" : ",", *c);
        printf(" | %s |", a->name);
        print_mixer(a);
        printf(" | %s, %s |", norms[a->traits.norm], places[a->traits.norm_place]);
        printf(" %s |", positions[a->traits.position]);
        print_ffn(a);
        printf(" |");
        print_rest(a);
        printf(" |\n");
    }
}
