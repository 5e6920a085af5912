#include "eval/columns.h"

#include <math.h>

/* ---- getters --------------------------------------------------------------------------------- */

static bool put(struct stats_mean *out, bool known, double value)
{
    *out = (struct stats_mean){value, (double)NAN};
    return known && !isnan(value);
}

static bool put_mean(struct stats_mean *out, bool known, struct stats_mean m)
{
    *out = m;
    return known && !isnan(m.value);
}

static bool get_bytes(struct stats_mean *out, const struct report_model *m)
{
    return put(out, true, (double)m->bytes);
}

static bool get_bpw(struct stats_mean *out, const struct report_model *m)
{
    return put(out, true, report_bpw(m));
}

static bool get_ppl(struct stats_mean *out, const struct report_model *m)
{
    return put_mean(out, m->result.n_tokens > 0, m->result.ppl);
}

/* KLD with the fast kernels, and what they add to the file's own. */
static bool get_fast(struct stats_mean *out, const struct report_model *m)
{
    const struct eval_result *f = m->result.fast;

    return f && put_mean(out, f->have_original, f->kld);
}

static bool get_added(struct stats_mean *out, const struct report_model *m)
{
    const struct eval_result *f = m->result.fast;
    const double kld = m->result.kld.value;

    return f && f->have_original && m->result.have_original && kld > 0 &&
           put(out, true, f->kld.value / kld - 1);
}

/* get_FIELD: a mean, or a number, that needs an original. */
#define AGAINST_MEAN(field)                                                                        \
    static bool get_##field(struct stats_mean *out, const struct report_model *m)                  \
    {                                                                                              \
        return put_mean(out, m->result.have_original, m->result.field);                            \
    }
#define AGAINST(field)                                                                             \
    static bool get_##field(struct stats_mean *out, const struct report_model *m)                  \
    {                                                                                              \
        return put(out, m->result.have_original, m->result.field);                                 \
    }

AGAINST_MEAN(ppl_ratio)
AGAINST_MEAN(kld)
AGAINST_MEAN(top1)
AGAINST_MEAN(top5)
AGAINST_MEAN(dp)
AGAINST(ln_correlation)
AGAINST(kld_median)
AGAINST(kld_p90)
AGAINST(kld_p99)
AGAINST(kld_p999)
AGAINST(kld_max)
AGAINST(dp_rms)
AGAINST(dp_p1)
AGAINST(dp_p99)

/* ---- tables ----------------------------------------------------------------------------------- */

const struct column columns_main[] = {
    {"Size",         "size of the file",                                            COLUMN_SIZE,    0, get_bytes    },
    {"KLD",          "mean KL divergence from the original, nats",                  COLUMN_MEAN,    0, get_kld      },
    {"KLD 99 %",     "KL divergence that 99 % of the tokens stay below, nats",      COLUMN_NUM,     4,
     get_kld_p99                                                                                                    },
    {"PPL ratio",    "perplexity over the original's, paired by token",             COLUMN_MEAN,    4, get_ppl_ratio},
    {"PPL",          "perplexity",                                                  COLUMN_MEAN,    4, get_ppl      },
    {"Top-1, %",     "how often both find the same token most likely",              COLUMN_SHARE,   2, get_top1     },
    {"Top-5, %",     "share of the original's five most likely tokens kept",        COLUMN_SHARE,   2, get_top5     },
    {"Fast KLD",     "mean KL divergence with the fast kernels' 16-bit arithmetic", COLUMN_MEAN,    0,
     get_fast                                                                                                       },
    {"Fast adds, %", "what the fast kernels add to the file's own KL divergence",   COLUMN_PERCENT, 1,
     get_added                                                                                                      },
    {"bpw",          "bits per weight, of its tensors alone",                       COLUMN_NUM,     2, get_bpw      },
};
const size_t columns_n_main = sizeof(columns_main) / sizeof(columns_main[0]);

const struct column columns_tail[] = {
    {"KLD median",   "half of the tokens stay below",                COLUMN_NUM,     6, get_kld_median},
    {"KLD 90 %",     "90 % of the tokens stay below",                COLUMN_NUM,     5, get_kld_p90   },
    {"KLD 99 %",     "99 % of the tokens stay below",                COLUMN_NUM,     4, get_kld_p99   },
    {"KLD 99.9 %",   "99.9 % of the tokens stay below",              COLUMN_NUM,     4, get_kld_p999  },
    {"KLD max",      "the worst token",                              COLUMN_NUM,     4, get_kld_max   },
    {"Δp mean, %",  "mean change in the right token's probability", COLUMN_SHARE,   3, get_dp        },
    {"Δp RMS, %",   "its root mean square",                         COLUMN_PERCENT, 3, get_dp_rms    },
    {"Δp 1 %",      "1 % of the tokens lose at least this",         COLUMN_PERCENT, 2, get_dp_p1     },
    {"Δp 99 %",     "1 % of the tokens gain at least this",         COLUMN_PERCENT, 2, get_dp_p99    },
    {"ln PPL corr.", "correlation of both models' log-likelihoods",  COLUMN_NUM,     5,
     get_ln_correlation                                                                               },
};
const size_t columns_n_tail = sizeof(columns_tail) / sizeof(columns_tail[0]);

void column_get(struct column_cell *out, const struct column *c, const struct report_model *m)
{
    *out = (struct column_cell){0};
    out->known = c->get(&out->mean, m);
    if (!out->known)
        return;
    switch (c->kind) {
    case COLUMN_SIZE:
        figure_size(out->text, (uint64_t)out->mean.value);
        break;
    case COLUMN_NUM:
        figure_num(out->text, out->mean.value, c->decimals);
        break;
    case COLUMN_MEAN:
        figure_mean(out->text, out->mean, c->decimals);
        break;
    case COLUMN_SHARE:
        figure_percent(out->text, out->mean);
        break;
    case COLUMN_PERCENT:
        figure_num(out->text, 100 * out->mean.value, c->decimals);
        break;
    }
}

bool column_used(const struct column *c, const struct report *r)
{
    struct stats_mean unused;

    for (size_t i = 0; i < r->n_models; i++)
        if (c->get(&unused, &r->model[i]))
            return true;
    return r->original && c->get(&unused, r->original);
}
