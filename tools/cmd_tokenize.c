#include "formats/base/map.h"
#include "formats/base/path.h"
#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "formats/nested.h"
#include "runtime/tokenizer.h"
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

struct tokenize {
    const char *file, *jsonl, *prompt, *pre;
    bool ids, special, add;
    unsigned flags;
};

/* Only the tokenizer is read, so that any family's model will do, and a vocabulary
 * without weights. */
struct opened {
    struct ckpt *ckpt;
    struct gguf *gguf;
    struct vocab *vocab;
    struct tok *tok;
};

static void opened_release(struct opened *o)
{
    tok_free(o->tok);
    vocab_free(o->vocab);
    ckpt_free(o->ckpt);
    gguf_free(o->gguf);
}

static int open_checkpoint(struct opened *o, const char *path, const char *pre,
                           const struct log *log, struct err *err)
{
    int64_t n = 0;

    int rc = ckpt_open(&o->ckpt, path, err);
    if (rc)
        return rc;
    const json_val *config = ckpt_config(o->ckpt);
    if (!json_int(json_get(config, "vocab_size"), &n))
        (void)json_int(json_path(config, "text_config.vocab_size"), &n);
    const struct arch *arch = nested_arch(config);
    return vocab_from_checkpoint(&o->vocab, o->ckpt, n > 0 ? (size_t)n : 0, pre,
                                 arch ? arch->vocab : NULL, log, err);
}

/* A tokenizer.json by itself. */
static int open_json(struct opened *o, const char *path, struct err *err)
{
    json_val *doc;

    int rc = json_load(&doc, path, err);
    if (rc)
        return rc;
    rc = tok_new_json(&o->tok, NULL, doc, err);
    json_free(doc);
    return rc ? err_wrap(err, "%s", path) : 0;
}

static int open_tokenizer(struct opened *o, const char *path, const char *pre,
                          const struct log *log, struct err *err)
{
    int rc;

    if (path_ends(path, ".json") && !ckpt_is(path))
        return pre ? err_set(err, ERR_ARG, "a tokenizer.json has its own pre-tokenizer")
                   : open_json(o, path, err);
    if (ckpt_is(path)) {
        rc = open_checkpoint(o, path, pre, log, err);
    } else {
        rc = gguf_open(&o->gguf, path, err);
        if (!rc)
            rc = vocab_from_meta(&o->vocab, gguf_meta(o->gguf), err);
        if (rc == ERR_UNSUPPORTED && !strstr(err->msg, path))
            rc = err_wrap(err, "%s", path);
        if (!rc && pre) {
            o->vocab->pre = pre;
            o->vocab->hf_json = NULL;
        }
    }
    return rc ? rc : tok_new(&o->tok, o->vocab, err);
}

/* A number's digits and a comma; texts of megabytes have millions. */
static void put_number(struct buf *out, uint32_t id)
{
    char digits[12];
    size_t at = sizeof(digits);

    digits[--at] = ',';
    do {
        digits[--at] = (char)('0' + id % 10);
        id /= 10;
    } while (id);
    buf_put(out, digits + at, sizeof(digits) - at);
}

/* "[1,2,3]" and a line end. */
static void put_ids(struct buf *out, const struct tok_ids *ids)
{
    buf_str(out, "[");
    for (size_t i = 0; i < ids->n; i++)
        put_number(out, (uint32_t)ids->id[i]);
    if (ids->n && out->n)
        out->n--; /* the last comma */
    buf_str(out, "]\n");
}

/* A line a token: its id, and its text as JSON. */
static int put_tokens(struct buf *out, const struct tok *tok, const struct tok_ids *ids,
                      struct err *err)
{
    struct buf text = {0};
    int rc = 0;

    for (size_t i = 0; i < ids->n && !rc; i++) {
        struct json_out j = json_out_init(out, true);
        text.n = 0;
        rc = tok_decode(&text, tok, ids->id[i], true, err);
        buf_fmt(out, "%d\t", (int)ids->id[i]);
        json_put_strn(&j, NULL, text.p ? text.p : "", text.n);
        buf_str(out, "\n");
    }
    buf_release(&text);
    return rc;
}

static int print_text(struct tok_memory *memory, const struct tok *tok, const struct tokenize *t,
                      const char *text, size_t n, struct err *err)
{
    struct tok_ids ids = {0};
    struct buf out = {0};

    int rc = tok_encode_more(&ids, memory, text, n, t->flags, err);
    if (!rc && (t->ids || t->jsonl))
        put_ids(&out, &ids);
    else if (!rc)
        rc = put_tokens(&out, tok, &ids, err);
    if (!rc)
        rc = buf_check(&out, err);
    if (!rc && fwrite(out.p ? out.p : "", 1, out.n, stdout) != out.n)
        rc = err_errno(err, "stdout");
    tok_ids_release(&ids);
    buf_release(&out);
    return rc;
}

static int print_line(struct tok_memory *memory, const struct tok *tok, const struct tokenize *t,
                      const char *line, size_t n, struct err *err)
{
    json_val *doc;

    int rc = json_parse(&doc, line, n, err);
    if (rc)
        return rc;
    const char *text = json_str(json_get(doc, "text"));
    rc = text ? print_text(memory, tok, t, text, strlen(text), err)
              : err_set(err, ERR_FORMAT, "expected an object with a string \"text\"");
    json_free(doc);
    return rc;
}

static int print_lines(struct tok_memory *memory, const struct tok *tok, const struct tokenize *t,
                       const char *p, size_t n, struct err *err)
{
    const char *end = p + n;

    for (size_t line = 1; p < end; line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const int rc = print_line(memory, tok, t, p, (size_t)((nl ? nl : end) - p), err);
        if (rc)
            return err_wrap(err, "line %zu", line);
        p = nl ? nl + 1 : end;
    }
    return 0;
}

static int read_stdin(struct buf *out, struct err *err)
{
    char piece[65536];
    size_t n;

    while ((n = fread(piece, 1, sizeof(piece), stdin)))
        buf_put(out, piece, n);
    return ferror(stdin) ? err_errno(err, "stdin") : buf_check(out, err);
}

/* The text from where it was asked to come: -p, a file, or stdin. */
static int run(const struct tok *tok, const struct tokenize *t, struct err *err)
{
    const char *path = t->jsonl ? t->jsonl : t->file;
    const bool input = !t->prompt && (!path || !strcmp(path, "-"));
    struct tok_memory *memory;
    struct buf b = {0};
    struct map m = {0};
    int rc = tok_memory_new(&memory, tok, err);

    if (!rc && input)
        rc = read_stdin(&b, err);
    else if (!rc && !t->prompt)
        rc = map_open(&m, path, err);
    const char *text = t->prompt ? t->prompt : input ? b.p : (const char *)m.data;
    const size_t n = t->prompt ? strlen(t->prompt) : input ? b.n : m.size;
    if (!rc)
        rc = t->jsonl ? print_lines(memory, tok, t, text ? text : "", n, err)
                      : print_text(memory, tok, t, text ? text : "", n, err);
    if (rc && t->jsonl && !strncmp(err->msg, "line ", 5))
        rc = err_wrap(err, "%s", input ? "stdin" : path);
    tok_memory_free(memory);
    buf_release(&b);
    map_release(&m);
    return rc;
}

int cmd_tokenize(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    struct tokenize t = {0};
    struct opened o = {0};
    struct cmd_common common;
    const char *operand[1];
    size_t n;
    const struct opt opts[] = {
        {"ids",           NULL,   "ids only, as a JSON array",                 OPT_FLAG, &t.ids,     0, 0},
        {"file",          "FILE", "the text (default: stdin, also \"-\")",     OPT_STR,  &t.file,    0, 0},
        {"jsonl",         "FILE", "a JSON array a line, of each \"text\"",     OPT_STR,  &t.jsonl,   0, 0},
        {"p",             "TEXT", "the text itself",                           OPT_STR,  &t.prompt,  0, 0},
        {"special",       NULL,   "the text of a special token is that token", OPT_FLAG, &t.special, 0, 0},
        {"add-special",   NULL,   "put BOS and EOS around as the model asks",  OPT_FLAG, &t.add,     0, 0},
        {"pre-tokenizer", "NAME", "instead of the model's own",                OPT_STR,  &t.pre,     0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, operand, &n, 1, 1, err);
    if (rc || common.done)
        return rc;
    if (!!t.file + !!t.jsonl + !!t.prompt > 1)
        return err_set(err, ERR_ARG, "--file, --jsonl and -p are three ways to give one text");
    t.flags = (t.special ? TOK_PARSE_SPECIAL : 0U) | (t.add ? TOK_ADD_SPECIAL : 0U);
    rc = open_tokenizer(&o, operand[0], t.pre, &env->log, err);
    if (!rc)
        rc = run(o.tok, &t, err);
    opened_release(&o);
    return rc;
}
