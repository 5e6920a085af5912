#include "tools/distill_opts.h"

#include <stdlib.h>
#include <string.h>

/* Options before they are read. */
struct texts {
    const char *loss, *tokens, *schedule, *math, *teacher_math, *type, *held_tokens;
    int64_t hidden, ffn, heads, kv_heads, ctx, batch, accumulate, warmup, decay, steps, eval_every;
    int64_t save_every, patience, seed, cache_k;
    double temperature;
    bool no_t2, sampled;
};

static int read_texts(struct distill_cmd *c, struct err *err)
{
    for (size_t i = 0; i < c->text.n; i++) {
        const char *text = c->text.at[i], *eq = strrchr(text, '=');
        char *end = NULL;
        const double w = eq ? strtod(eq + 1, &end) : 1;

        c->file[i] = (struct data_file){text, 1};
        if (!eq || eq[1] == '\0' || *end)
            continue; /* a name may have a '=' */
        if (!(w > 0) || !(w <= 1000))
            return err_set(err, ERR_ARG, "--text %s: a weight is more than 0 and at most 1000",
                           text);
        c->path[i] = strndup(text, (size_t)(eq - text));
        if (!c->path[i])
            return err_nomem(err);
        c->file[i] = (struct data_file){c->path[i], w};
    }
    if (!c->text.n)
        return err_set(err, ERR_ARG, "expected a text to train on: --text FILE");
    c->o.data.file = c->file;
    c->o.data.n_files = c->text.n;
    return 0;
}

static int one_of(size_t *out, const char *option, const char *text, const char *const *names,
                  struct err *err)
{
    struct buf b = {0};

    for (*out = 0; names[*out]; ++*out) {
        if (!strcmp(names[*out], text))
            break;
        buf_fmt(&b, "%s%s", *out ? ", " : "", names[*out]);
    }
    if (!names[*out])
        (void)err_set(err, ERR_ARG, "--%s %s: expected one of %s", option, text, b.p ? b.p : "");
    const int rc = names[*out] ? 0 : (int)ERR_ARG;
    buf_release(&b);
    return rc;
}

static int read_names(struct distill_opts *o, const struct texts *t, struct err *err)
{
    static const char *const schedules[] = {"cosine", "wsd", "constant", NULL};
    static const char *const maths[] = {"f32", "bf16", NULL};
    static const char *const types[] = {"bf16", "f32", "f16", NULL};
    static const enum dtype type[] = {DTYPE_BF16, DTYPE_F32, DTYPE_F16};
    size_t i;
    int rc = one_of(&i, "schedule", t->schedule, schedules, err);

    if (rc)
        return rc;
    o->train.optim.schedule = (enum optim_schedule)i; /* in that order */
    rc = one_of(&i, "math", t->math, maths, err);
    if (rc)
        return rc;
    o->train.math = (enum gemm_math)i;
    rc = one_of(&i, "type", t->type, types, err);
    if (rc)
        return rc;
    o->type = type[i];
    return model_math(&o->teacher_math, t->teacher_math, err);
}

static int read_loss(struct distill_opts *o, const struct texts *t, struct err *err)
{
    const int rc = loss_parse(&o->train.loss, t->loss, err);

    o->train.loss.temperature = t->temperature;
    o->train.loss.no_t2 = t->no_t2;
    return rc;
}

static int read_sizes(struct distill_opts *o, const struct texts *t, struct err *err)
{
    int rc = t->tokens ? opt_bytes(&o->tokens, t->tokens, err) : 0;

    if (rc)
        return err_wrap(err, "--tokens");
    rc = opt_bytes(&o->data.held_tokens, t->held_tokens, err);
    return rc ? err_wrap(err, "--held-tokens") : 0;
}

static void copy_numbers(struct distill_cmd *c, const struct texts *t)
{
    struct train_opts *r = &c->o.train;

    c->o.student.hidden = (uint64_t)t->hidden;
    c->o.student.ffn = (uint64_t)t->ffn;
    c->o.student.heads = (uint64_t)t->heads;
    c->o.student.kv_heads = (uint64_t)t->kv_heads;
    c->o.student.seed = c->o.data.seed = r->seed = (uint64_t)t->seed;
    c->o.data.n_tok = (size_t)t->ctx;
    c->o.cache_k = (size_t)t->cache_k;
    c->o.cache_keep = t->sampled ? TEACHER_SAMPLED : TEACHER_TOP_K;
    r->n_seq = (size_t)t->batch;
    r->accumulate = (size_t)t->accumulate;
    r->optim.total = (uint64_t)t->steps;
    r->optim.warmup = t->warmup < 0 ? UINT64_MAX : (uint64_t)t->warmup;
    r->optim.decay = (uint64_t)t->decay;
    r->eval_every = (uint64_t)t->eval_every;
    r->save_every = (uint64_t)t->save_every;
    r->patience = (unsigned)t->patience;
    for (size_t i = 0; i < c->freeze.n; i++)
        c->freeze_end[i] = c->freeze.at[i];
    r->freeze = c->freeze.n ? c->freeze_end : NULL;
}

int distill_cmd_read(struct distill_cmd *c, const struct cmd_env *env, int argc, char **argv,
                     struct err *err)
{
    struct texts t = {.loss = "forward_kl",
                      .schedule = "cosine",
                      .math = "f32",
                      .teacher_math = "f32",
                      .type = "bf16",
                      .held_tokens = "8192",
                      .ctx = 512,
                      .batch = 8,
                      .accumulate = 1,
                      .warmup = -1,
                      .cache_k = 128,
                      .temperature = 1};
    struct distill_opts *o = &c->o;
    struct optim_opts *p = &c->o.train.optim;
    const char *operand[2];
    size_t n;

    *c = (struct distill_cmd){0};
    o->data.held_back = 0.05;
    *p = (struct optim_opts){.lr = 3e-4,
                             .min_lr_ratio = 0.1,
                             .beta1 = 0.9,
                             .beta2 = 0.95,
                             .eps = 1e-8,
                             .weight_decay = 0.01,
                             .clip = 1};
    const double much = 1e15;
    const struct opt opts[] = {
        {"layers",        "N|LIST",   "blocks to keep: the N of most influence, or 0,2,4-7",              OPT_STR,
         &o->student.layers,                                                                                                          0,    0    },
        {"hidden",        "N",        "width of the residual stream",                                     OPT_INT,  &t.hidden,        0,    much },
        {"ffn",           "N",        "width of the feed-forward parts",                                  OPT_INT,  &t.ffn,           0,    much },
        {"heads",         "N",        "attention heads",                                                  OPT_INT,  &t.heads,         0,    much },
        {"kv-heads",      "N",        "heads of keys and values",                                         OPT_INT,  &t.kv_heads,      0,    much },
        {"from",          "FILE",     "start from a config.json (fresh weights), a checkpoint or a GGUF",
         OPT_STR,                                                                                                   &o->student.from, 0,    0    },
        {"text",          "FILE[=W]", "text or .jsonl to train on, W times an epoch",                     OPT_LIST, &c->text,         0,
         0                                                                                                                                       },
        {"split",         "TEXT",     "what parts documents in plain text",                               OPT_STR,  &o->data.split,   0,    0    },
        {"apart",         NULL,       "documents do not see each other",                                  OPT_FLAG, &o->data.apart,   0,    0    },
        {"answers-only",  NULL,       "of messages, only the assistant's count",                          OPT_FLAG,
         &o->data.answers_only,                                                                                                       0,    0    },
        {"held-back",     "SHARE",    "of the documents, for evaluation (0.05; 0: none)",                 OPT_NUM,
         &o->data.held_back,                                                                                                          0,    0.9  },
        {"held-tokens",   "N",        "most of them (8192)",                                              OPT_STR,  &t.held_tokens,   0,    0    },
        {"tokens",        "N",        "to train on, such as 2M (one epoch)",                              OPT_STR,  &t.tokens,        0,    0    },
        {"steps",         "N",        "instead of --tokens",                                              OPT_INT,  &t.steps,         0,    much },
        {"ctx",           "N",        "tokens of a window (512)",                                         OPT_INT,  &t.ctx,           2,    1e6  },
        {"batch",         "N",        "windows at a time (8)",                                            OPT_INT,  &t.batch,         1,    1e6  },
        {"accumulate",    "N",        "batches of a step (1)",                                            OPT_INT,  &t.accumulate,    1,    1e6  },
        {"loss",          "SUM",      "such as 0.5*ce + 0.5*forward_kl (forward_kl)",                     OPT_STR,  &t.loss,          0,    0    },
        {"temperature",   "T",        "of both softmaxes (1)",                                            OPT_NUM,  &t.temperature,   1e-3, 1e3  },
        {"no-t2",         NULL,       "divergences are not multiplied by T^2",                            OPT_FLAG, &t.no_t2,         0,    0    },
        {"lr",            "RATE",     "learning rate (3e-4)",                                             OPT_NUM,  &p->lr,           0,    1e30 },
        {"min-lr",        "SHARE",    "of it at the end (0.1)",                                           OPT_NUM,  &p->min_lr_ratio, 0,    1    },
        {"schedule",      "HOW",      "cosine, wsd or constant",                                          OPT_STR,  &t.schedule,      0,    0    },
        {"warmup",        "STEPS",    "with a rising rate (a tenth, at most 100)",                        OPT_INT,  &t.warmup,        0,
         much                                                                                                                                    },
        {"decay",         "STEPS",    "of wsd: the last ones, with a falling rate",                       OPT_INT,  &t.decay,         0,
         much                                                                                                                                    },
        {"weight-decay",  "N",        "of matrices (0.01)",                                               OPT_NUM,  &p->weight_decay, 0,    1e3  },
        {"clip",          "NORM",     "longest gradient (1; 0: any)",                                     OPT_NUM,  &p->clip,         0,    1e9  },
        {"ema",           "SHARE",    "moving average of the weights, such as 0.999",                     OPT_NUM,  &p->ema,          0,
         0.9999999                                                                                                                               },
        {"freeze",        "PATTERN",  "tensors that stay as they are",                                    OPT_LIST, &c->freeze,       0,    0    },
        {"only",          "PATTERN",  "all other tensors stay as they are",                               OPT_STR,  &o->train.only,   0,    0    },
        {"eval-every",    "STEPS",    "look at the text held back (a tenth)",                             OPT_INT,  &t.eval_every,    0,
         much                                                                                                                                    },
        {"save-every",    "STEPS",    "checkpoints (at evaluations)",                                     OPT_INT,  &t.save_every,    0,    much },
        {"patience",      "N",        "evaluations without a better KL, then stop",                       OPT_INT,  &t.patience,      0,
         1e9                                                                                                                                     },
        {"seed",          "N",        "of the order, of fresh weights, of draws",                         OPT_INT,  &t.seed,          0,    much },
        {"math",          "HOW",      "of training: f32 or bf16",                                         OPT_STR,  &t.math,          0,    0    },
        {"teacher-math",  "HOW",      "f32, bf16 or fast",                                                OPT_STR,  &t.teacher_math,  0,    0    },
        {"type",          "TYPE",     "of the matrices written: bf16, f32 or f16",                        OPT_STR,  &t.type,          0,    0    },
        {"cache",         "FILE",     "the teacher's targets: read, or made when it is not there",        OPT_STR,
         &o->cache,                                                                                                                   0,    0    },
        {"cache-k",       "N",        "tokens kept of a row (128)",                                       OPT_INT,  &t.cache_k,       1,    65535},
        {"cache-sampled", NULL,       "drawn from the teacher instead of the most probable",              OPT_FLAG,
         &t.sampled,                                                                                                                  0,    0    },
        {"keep",          NULL,       "leave what it worked with in OUT.train",                           OPT_FLAG, &o->keep,         0,    0    },
    };
    int rc = cmd_options(&c->common, env, opts, N_OF(opts), argc, argv, operand, &n, 2, 2, err);

    if (rc || c->common.done)
        return rc;
    o->teacher = operand[0];
    o->out = operand[1];
    o->train.cpu = c->common.cpu;
    o->train.par = c->common.par;
    o->train.log = &env->log;
    copy_numbers(c, &t);
    rc = read_texts(c, err);
    if (!rc)
        rc = read_names(o, &t, err);
    if (!rc)
        rc = read_loss(o, &t, err);
    return rc ? rc : read_sizes(o, &t, err);
}

void distill_cmd_release(struct distill_cmd *c)
{
    for (size_t i = 0; i < OPT_LIST_MAX; i++)
        free(c->path[i]);
}
