#include "distill/settings.h"

#include "formats/base/buf.h"
#include "formats/base/size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct setting_choice schedules[] = {
    {"cosine",   SCHEDULE_COSINE  },
    {"wsd",      SCHEDULE_WSD     },
    {"constant", SCHEDULE_CONSTANT},
    {NULL,       0                }
};
static const struct setting_choice maths[] = {
    {"f32",  GEMM_F32 },
    {"bf16", GEMM_BF16},
    {NULL,   0        }
};
static const struct setting_choice teacher_maths[] = {
    {"f32",  KERN_F32  },
    {"bf16", KERN_BF16 },
    {"fast", KERN_INT16},
    {NULL,   0         }
};
static const struct setting_choice types[] = {
    {"bf16", DTYPE_BF16},
    {"f32",  DTYPE_F32 },
    {"f16",  DTYPE_F16 },
    {NULL,   0         }
};
static const struct setting_choice keeps[] = {
    {"top-k",   TEACHER_TOP_K  },
    {"sampled", TEACHER_SAMPLED},
    {NULL,      0              }
};

static const struct setting_choice qads[] = {
    {"all",    QAD_ALL   },
    {"scales", QAD_SCALES},
    {NULL,     0         }
};
static const struct setting_choice efforts[] = {
    {"fast",   EFFORT_FAST  },
    {"normal", EFFORT_NORMAL},
    {"best",   EFFORT_BEST  },
    {NULL,     0            }
};

/* More than any count; a setting that goes up to it has no upper bound. */
#define MUCH 1e15

#define AT(member)               offsetof(struct distill_opts, member), sizeof(((struct distill_opts *)0)->member)
#define TEXT(member)             SETTING_TEXT, AT(member), 0, 0, NULL, false
#define FILE_PATH(member)        SETTING_TEXT, AT(member), 0, 0, NULL, true
#define COUNT(member, min, max)  SETTING_COUNT, AT(member), min, max, NULL, false
#define SIZE(member)             SETTING_SIZE, AT(member), 1, MUCH, NULL, false
#define NUMBER(member, min, max) SETTING_NUMBER, AT(member), min, max, NULL, false
#define SWITCH(member)           SETTING_SWITCH, AT(member), 0, 0, NULL, false
#define CHOICE(member, names)    SETTING_CHOICE, AT(member), 0, 0, names, false
#define OTHER(kind, member)      kind, AT(member), 0, MUCH, NULL, false

/* clang-format off */
static const struct setting settings[] = {
    {"layers",       "N|LIST",  "blocks to keep: the N of most influence, or 0,2,4-7",
     TEXT(student.layers)},
    {"keep-ends",    "K",       "of --layers N: the first and the last K in any case (0)",
     COUNT(student.ends, 0, 1e6)},
    {"hidden",       "N",       "width of the residual stream", COUNT(student.hidden, 0, MUCH)},
    {"ffn",          "N",       "width of the feed-forward parts", COUNT(student.ffn, 0, MUCH)},
    {"heads",        "N",       "attention heads", COUNT(student.heads, 0, MUCH)},
    {"kv-heads",     "N",       "heads of keys and values", COUNT(student.kv_heads, 0, MUCH)},
    {"from",         "FILE",    "start from a config.json (fresh weights), a checkpoint or a GGUF",
     FILE_PATH(student.from)},
    {"split",        "TEXT",    "what parts documents in plain text", TEXT(data.split)},
    {"apart",        NULL,      "documents do not see each other", SWITCH(data.apart)},
    {"answers-only", NULL,      "of messages, only the assistant's count",
     SWITCH(data.answers_only)},
    {"held-back",    "SHARE",   "of the documents, for evaluation (0.05; 0: none)",
     NUMBER(data.held_back, 0, 0.9)},
    {"held-tokens",  "N",       "most of them (8192)", SIZE(data.held_tokens)},
    {"tokens",       "N",       "to train on, such as 2M (one epoch)", SIZE(tokens)},
    {"steps",        "N",       "instead of --tokens", COUNT(train.optim.total, 1, MUCH)},
    {"ctx",          "N",       "tokens of a window (512)", COUNT(data.n_tok, 2, 1e6)},
    {"batch",        "N",       "windows at a time (8)", COUNT(train.n_seq, 1, 1e6)},
    {"accumulate",   "N",       "batches of a step (1)", COUNT(train.accumulate, 1, 1e6)},
    {"loss",         "SUM",     "such as 0.5*ce + 0.5*forward_kl (forward_kl)",
     OTHER(SETTING_LOSS, train.loss)},
    {"hidden-map",   "LIST",    "of hidden losses: student's and teacher's blocks, as 0:2,4:14 (spread evenly)",
     TEXT(hidden_map)},
    {"temperature",  "T",       "of both softmaxes (1)", NUMBER(train.loss.temperature, 1e-3, 1e3)},
    {"no-t2",        NULL,      "divergences are not multiplied by T^2", SWITCH(train.loss.no_t2)},
    {"lr",           "RATE",    "learning rate (3e-4; with --quantize 5e-5, of scales 1e-3)",
     NUMBER(train.optim.lr, 0, 1e6)},
    {"min-lr",       "SHARE",   "of it at the end (0.1)", NUMBER(train.optim.min_lr_ratio, 0, 1)},
    {"schedule",     "HOW",     "cosine, wsd or constant", CHOICE(train.optim.schedule, schedules)},
    {"warmup",       "STEPS",   "with a rising rate (a tenth, at most 100)",
     COUNT(train.optim.warmup, 0, MUCH)},
    {"decay",        "STEPS",   "of wsd: the last ones, with a falling rate (a fifth)",
     COUNT(train.optim.decay, 0, MUCH)},
    {"weight-decay", "N",       "of matrices (0.01)", NUMBER(train.optim.weight_decay, 0, 1e3)},
    {"clip",         "NORM",    "longest gradient (1; 0: any)", NUMBER(train.optim.clip, 0, 1e9)},
    {"ema",          "SHARE",   "moving average of the weights, such as 0.999",
     NUMBER(train.optim.ema, 0, 0.9999999)},
    {"only",         "PATTERN", "all other tensors stay as they are", TEXT(train.only)},
    {"eval-every",   "STEPS",   "look at the text held back (a tenth)",
     COUNT(train.eval_every, 0, MUCH)},
    {"save-every",   "STEPS",   "checkpoints (at evaluations)", COUNT(train.save_every, 0, MUCH)},
    {"patience",     "N",       "evaluations without a better KL (loss ce: PPL), then stop",
     COUNT(train.patience, 0, 1e9)},
    {"seed",         "N",       "of the order, of fresh weights, of draws",
     OTHER(SETTING_SEED, data.seed)},
    {"math",         "HOW",     "of training: f32 or bf16", CHOICE(train.math, maths)},
    {"teacher-math", "HOW",     "f32, bf16 or fast", CHOICE(teacher_math, teacher_maths)},
    {"type",         "TYPE",    "of the matrices written: bf16, f32 or f16", CHOICE(type, types)},
    {"cache",        "FILE",    "the teacher's targets: read, or made when it is not there",
     FILE_PATH(cache)},
    {"cache-k",      "N",       "tokens kept of a row (128)", COUNT(cache_k, 1, 4096)},
    {"cache-keep",   "WHICH",   "of them: top-k (most probable), or sampled (drawn)",
     CHOICE(cache_keep, keeps)},
    {"quantize",     "MIX",     "train through the types of a mix, such as Q3_K_M, and write a GGUF of it",
     TEXT(quantize)},
    {"qad",          "WHAT",    "of it: all weights, or only scales, norms and biases",
     CHOICE(qad, qads)},
    {"imatrix",      "FILE",    "importance of the columns, for --quantize", FILE_PATH(imatrix)},
    {"effort",       "HOW",     "of --quantize's encoder: fast, normal or best (fast; of scales normal)",
     CHOICE(effort, efforts)},
    {"keep",         NULL,      "leave what it worked with in OUT.train", SWITCH(keep)},
};
/* clang-format on */

const struct setting *setting_at(size_t i)
{
    _Static_assert(sizeof(settings) / sizeof(settings[0]) <= SETTINGS_MAX, "room for all");
    return i < sizeof(settings) / sizeof(settings[0]) ? &settings[i] : NULL;
}

static bool is_named(const struct setting *s, const char *name)
{
    const char *a = s->name;

    for (; *a && (*a == *name || (*a == '-' && *name == '_')); a++)
        name++;
    return *a == *name;
}

const struct setting *setting_by_name(const char *name)
{
    for (size_t i = 0; setting_at(i); i++)
        if (is_named(setting_at(i), name))
            return setting_at(i);
    return NULL;
}

void distill_defaults(struct distill_opts *o)
{
    *o = (struct distill_opts){
        .teacher_math = KERN_F32, .type = DTYPE_BF16, .cache_k = 128, .effort = EFFORT_COUNT};
    o->data.held_back = 0.05;
    o->data.held_tokens = 8192;
    o->data.n_tok = 512;
    o->train.n_seq = 8;
    o->train.accumulate = 1;
    o->train.loss = (struct loss){.term = {{LOSS_FORWARD_KL, 1, 0}}, .n = 1, .temperature = 1};
    o->train.optim = (struct optim_opts){.lr = -1,
                                         .min_lr_ratio = 0.1,
                                         .beta1 = 0.9,
                                         .beta2 = 0.95,
                                         .eps = 1e-8,
                                         .weight_decay = 0.01,
                                         .clip = 1,
                                         .warmup = UINT64_MAX};
}

static int set_whole(void *to, size_t size, const struct setting *s, const char *text,
                     struct err *err)
{
    uint64_t v;
    char *end;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || (double)v < s->min || (double)v > s->max)
        return s->max < MUCH
                   ? err_set(err, ERR_ARG, "expected a whole number from %.0f to %.0f, not \"%s\"",
                             s->min, s->max, text)
                   : err_set(err, ERR_ARG, "expected a whole number, not \"%s\"", text);
    if (size == sizeof(unsigned)) {
        const unsigned small = (unsigned)v;
        memcpy(to, &small, size);
    } else {
        memcpy(to, &v, sizeof(v));
    }
    return 0;
}

static int set_number(double *to, const struct setting *s, const char *text, struct err *err)
{
    char *end;
    const double v = strtod(text, &end);

    if (end == text || *end || !(v >= s->min && v <= s->max))
        return err_set(err, ERR_ARG, "expected a number from %g to %.9g, not \"%s\"", s->min,
                       s->max, text);
    *to = v;
    return 0;
}

static int set_switch(bool *to, const char *text, struct err *err)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return err_set(err, ERR_ARG, "expected true or false, not \"%s\"", text);
    *to = !strcmp(text, "true");
    return 0;
}

static int set_choice(void *to, const struct setting_choice *c, const char *text, struct err *err)
{
    struct buf names = {0};

    for (const struct setting_choice *i = c; i->name; i++) {
        if (!strcmp(i->name, text)) {
            memcpy(to, &i->value, sizeof(i->value));
            buf_release(&names);
            return 0;
        }
        buf_fmt(&names, "%s%s", i == c ? "" : ", ", i->name);
    }
    (void)err_set(err, ERR_ARG, "expected one of %s, not \"%s\"", names.p ? names.p : "?", text);
    buf_release(&names);
    return ERR_ARG;
}

static int set_loss(struct loss *to, const char *text, struct err *err)
{
    struct loss l = {0};
    const int rc = loss_parse(&l, text, err);

    l.temperature = to->temperature;
    l.no_t2 = to->no_t2;
    if (!rc)
        *to = l;
    return rc;
}

int distill_set(struct distill_opts *o, const struct setting *s, const char *text, struct err *err)
{
    void *to = (char *)o + s->at;
    int rc = 0;

    switch (s->kind) {
    case SETTING_TEXT:
        *(const char **)to = text;
        break;
    case SETTING_COUNT:
        rc = set_whole(to, s->size, s, text, err);
        break;
    case SETTING_SIZE:
        rc = size_parse(to, text, err);
        break;
    case SETTING_NUMBER:
        rc = set_number(to, s, text, err);
        break;
    case SETTING_SWITCH:
        rc = set_switch(to, text, err);
        break;
    case SETTING_CHOICE:
        rc = set_choice(to, s->choices, text, err);
        break;
    case SETTING_LOSS:
        rc = set_loss(to, text, err);
        break;
    case SETTING_SEED:
        rc = set_whole(to, s->size, s, text, err);
        o->student.seed = o->data.seed;
        break;
    }
    return rc;
}
