/* pare generate MODEL -p PROMPT: the text that follows a prompt, as it comes; with --batch many
 * texts, into a file. */

#include "formats/apart.h"
#include "formats/base/map.h"
#include "runtime/model.h"
#include "runtime/sample.h"
#include "runtime/session.h"
#include "tools/cmd.h"
#include "tools/generate_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 512 };

struct opts {
    const char *prompt, *file, *kernels, *pre, *prompts, *out;
    int64_t n, top_k, seed, batch;
    double temperature, top_p;
    bool special, echo;
};

/* Bytes at the end of p[0, n) that begin a UTF-8 sequence and don't finish it. */
static size_t unfinished(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char c = (unsigned char)p[n - back];
        if ((c & 0xc0U) == 0x80U)
            continue; /* a continuation byte: its lead stands before it */
        const size_t len = c >= 0xf0U ? 4 : c >= 0xe0U ? 3 : c >= 0xc0U ? 2 : 1;
        return len > back ? back : 0;
    }
    return 0;
}

/* Print what `b` holds, but for an unfinished sequence, which stays. */
static int print_text(struct buf *b, bool all, struct err *err)
{
    const size_t keep = all ? 0 : unfinished(b->p, b->n);
    const size_t n = b->n - keep;

    if (fwrite(b->p, 1, n, stdout) != n || fflush(stdout))
        return err_errno(err, "writing the text");
    memmove(b->p, b->p + n, keep);
    b->n = keep;
    return 0;
}

static int encode(struct tok_ids *ids, const struct tok *t, const struct opts *o, struct err *err)
{
    const unsigned flags = TOK_ADD_SPECIAL | (o->special ? (unsigned)TOK_PARSE_SPECIAL : 0U);
    struct map map = {0};
    int rc;

    if (o->prompt)
        return tok_encode(ids, t, o->prompt, strlen(o->prompt), flags, err);
    rc = map_open(&map, o->file, err);
    if (!rc)
        rc = tok_encode(ids, t, (const char *)map.data, map.size, flags, err);
    map_release(&map);
    return rc;
}

struct gen {
    const struct tok *tok;
    struct sess *s;
    struct sampler *sampler;
    float *logits; /* n_vocab, of the last token */
    struct buf text;
    const struct log *log;
};

static int echo_prompt(struct gen *g, const struct tok_ids *ids, bool special, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < ids->n; i++)
        rc = tok_decode(&g->text, g->tok, ids->id[i], special, err);
    if (!rc)
        rc = buf_check(&g->text, err);
    return rc ? rc : print_text(&g->text, false, err);
}

/* Choose a token and print it; *end: it ends the text. */
static int step(bool *end, int32_t *id, struct gen *g, struct err *err)
{
    int rc = log_stop(g->log, err);

    if (!rc)
        rc = sampler_next(id, g->sampler, g->logits, err);
    *end = !rc && tok_is_end(g->tok, *id);
    if (rc || *end)
        return rc;
    rc = tok_decode(&g->text, g->tok, *id, false, err);
    if (!rc)
        rc = buf_check(&g->text, err);
    return rc ? rc : print_text(&g->text, false, err);
}

/* Up to n tokens, until one that ends a text. */
static int generate(struct gen *g, size_t n, struct err *err)
{
    bool end = false;
    int rc = 0;

    for (size_t i = 0; !rc && !end && i < n; i++) {
        int32_t id;
        rc = step(&end, &id, g, err);
        if (!rc && !end && i + 1 < n)
            rc = sess_eval(g->s, &id, 1, g->logits, 1, err);
    }
    buf_str(&g->text, "\n");
    return rc ? rc : print_text(&g->text, true, err);
}

static struct sample_opts sampling(const struct opts *o)
{
    return (struct sample_opts){.temperature = o->temperature,
                                .top_k = (size_t)o->top_k,
                                .top_p = o->top_p,
                                .seed = (uint64_t)o->seed};
}

static int run_batch(const struct model *m, const struct opts *o, const struct par *par,
                     const struct log *log, struct err *err)
{
    struct generate_batch g = {
        .out = o->out,
        .prompts = o->prompts,
        .prompt = o->prompt,
        .special = o->special,
        .kernels = o->kernels,
        .opts = {.n = (size_t)o->batch,
                 .n_tokens = (size_t)o->n,
                 .sample = sampling(o),
                 .par = *par,
                 .log = log}
    };
    struct map map = {0};
    int rc = apart(o->out, source_path(model_source(m)), false, err);

    if (!rc)
        rc = apart(o->out, o->prompts, false, err);
    if (!rc)
        rc = apart(o->out, o->file, false, err);
    if (!rc && o->file)
        rc = map_open(&map, o->file, err);
    if (rc)
        return rc;
    if ((size_t)o->n > model_n_ctx(m))
        log_warn(log, "up to %zu tokens each, but the model was trained for %zu", (size_t)o->n,
                 model_n_ctx(m));
    if (o->file)
        g.prompt = map.data ? (const char *)map.data : "";
    g.n_prompt = o->file ? map.size : o->prompt ? strlen(o->prompt) : 0;
    rc = generate_batch(m, &g, err);
    map_release(&map);
    return rc;
}

static int run(const struct model *m, const struct opts *o, const struct par *par,
               const struct log *log, struct err *err)
{
    const struct sample_opts so = sampling(o);
    struct gen g = {.tok = model_tok(m), .log = log};
    struct tok_ids ids = {0};
    int rc;

    if (!g.tok)
        return err_set(err, ERR_UNSUPPORTED, "the model has no vocabulary");
    rc = encode(&ids, g.tok, o, err);
    if (rc)
        goto done;
    if (!ids.n) {
        rc = err_set(err, ERR_ARG, "the prompt is empty, and the model has no first token");
        goto done;
    }
    if (ids.n + (size_t)o->n > model_n_ctx(m))
        log_warn(log, "%zu tokens in all, but the model was trained for %zu", ids.n + (size_t)o->n,
                 model_n_ctx(m));
    g.logits = calloc(model_n_vocab(m), sizeof(*g.logits));
    rc = g.logits ? sampler_new(&g.sampler, &so, model_n_vocab(m), err) : err_nomem(err);
    if (!rc)
        rc = sess_new(&g.s, m, ids.n + (size_t)o->n, BATCH, par, err);
    if (!rc && o->echo)
        rc = echo_prompt(&g, &ids, o->special, err);
    if (!rc)
        rc = sess_feed(g.s, ids.id, ids.n, g.logits, err);
    if (!rc)
        rc = generate(&g, (size_t)o->n, err);

done:
    sess_free(g.s);
    sampler_free(g.sampler);
    free(g.logits);
    buf_release(&g.text);
    tok_ids_release(&ids);
    return rc;
}

static int check(const struct opts *o, struct err *err)
{
    const int prompts = (o->prompt != NULL) + (o->file != NULL) + (o->prompts != NULL);

    if (o->batch && !o->out)
        return err_set(err, ERR_ARG, "--batch wants -o OUT.jsonl");
    if (o->batch && prompts > 1)
        return err_set(err, ERR_ARG, "-p, -f and --prompts exclude one another");
    if (o->batch && o->echo)
        return err_set(err, ERR_ARG, "--batch writes prompts with the texts: --echo is for one");
    if (!o->batch && (o->out || o->prompts))
        return err_set(err, ERR_ARG, "%s goes with --batch", o->out ? "-o" : "--prompts");
    if (!o->batch && prompts != 1)
        return err_set(err, ERR_ARG, "either -p PROMPT or -f FILE is wanted");
    return 0;
}

int cmd_generate(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct opts o = {.kernels = "fast", .n = 128, .temperature = 0.8, .top_k = 40, .top_p = 0.95};
    const struct opt opts[] = {
        {"p",             "PROMPT",    "text to continue",                                        OPT_STR,  &o.prompt,      0, 0      },
        {"f",             "FILE",      "read the prompt from a file",                             OPT_STR,  &o.file,        0, 0      },
        {"n",             "N",         "most tokens to generate (128)",                           OPT_INT,  &o.n,           0, 1 << 24},
        {"temp",          "T",         "temperature (0.8); 0: always the likeliest",              OPT_NUM,  &o.temperature, 0,
         1000                                                                                                                         },
        {"top-k",         "K",         "of the K likeliest tokens (40); 0: of all",               OPT_INT,  &o.top_k,       0, 1 << 30},
        {"top-p",         "P",         "of the fewest that hold P of the probability (0.95)",     OPT_NUM,  &o.top_p,
         1e-9,                                                                                                                 1      },
        {"seed",          "S",         "of the random numbers (0): equal seeds, equal texts",     OPT_INT,  &o.seed,        0,
         0x1p53                                                                                                                       },
        {"special",       NULL,        "text of special tokens in the prompt stands for them",    OPT_FLAG,
         &o.special,                                                                                                        0, 0      },
        {"echo",          NULL,        "print the prompt first (without: only what follows it)",  OPT_FLAG, &o.echo,
         0,                                                                                                                    0      },
        {"batch",         "N",         "write N texts to -o OUT: from nothing, or from prompts",  OPT_INT,  &o.batch,
         1,                                                                                                                    1 << 30},
        {"prompts",       "F.jsonl",   "with --batch: a line is a text to continue, or messages", OPT_STR,
         &o.prompts,                                                                                                        0, 0      },
        {"o",             "OUT.jsonl", "with --batch: where to",                                  OPT_STR,  &o.out,         0, 0      },
        {"kernels",       "KIND",      "activations in f32, bf16 or 16 bits (fast, default)",     OPT_STR,
         &o.kernels,                                                                                                        0, 0      },
        {"pre-tokenizer", "NAME",      "pre-tokenizer, where it is not recognised",               OPT_STR,  &o.pre,         0,
         0                                                                                                                            },
    };
    const char *operand[1];
    size_t n_operands;
    struct cmd_common common;
    struct model_opts mo = {.log = &env->log};
    struct model *m = NULL;
    int rc =
        cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n_operands, 1, 1, err);

    if (rc || common.done)
        return rc;
    rc = check(&o, err);
    if (!rc)
        rc = model_math(&mo.math, o.kernels, err);
    if (rc)
        return rc;
    mo.cpu = common.cpu;
    mo.pre = o.pre;
    rc = model_open(&m, operand[0], &mo, err);
    if (!rc)
        rc = (o.batch ? run_batch : run)(m, &o, &common.par, &env->log, err);
    model_free(m);
    return rc;
}
