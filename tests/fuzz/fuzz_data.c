/* Any bytes as a line of JSON Lines for training, and as a plain text: windows that hold together, or
 * an error that says where. */

#include "distill/data_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKENS = 258 };

/* A vocabulary of bytes, as SentencePiece spells them, and BOS and EOS. */
static void make_vocab(struct vocab *v, struct vocab_token *token, char text[TOKENS][8])
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < 256; i++) {
        memcpy(text[i], "<0x..>", 7);
        text[i][3] = hex[i >> 4];
        text[i][4] = hex[i & 15];
        token[i + 2] = (struct vocab_token){
            {text[i], 6},
            0, VOCAB_BYTE
        };
    }
    token[0] = (struct vocab_token){
        {"<s>", 3},
        0, VOCAB_CONTROL
    };
    token[1] = (struct vocab_token){
        {"</s>", 4},
        0, VOCAB_CONTROL
    };
    *v = (struct vocab){.kind = VOCAB_SPM, .pre = "default", .token = token, .n_tokens = TOKENS};
    v->bos = 0;
    v->eos = 1;
    v->unk = v->sep = v->pad = v->mask = v->eot = v->eom = -1;
    v->add_bos = v->add_eos = v->add_sep = -1;
    v->chat_template =
        "{% for m in messages %}{{ bos_token }}{{ m.role }}{{ m.content }}{% endfor %}";
}

static void encode(const struct data_coder *c, struct tok_memory *m, const char *text, size_t n,
                   size_t line)
{
    struct data_source file = {
        .path = "f", .map = {(const uint8_t *)text, n},
             .lines = line != 0
    };
    const struct data_docs docs = {.file = &file, .n_files = 1};
    const struct data_doc doc = {.n = n, .line = line};
    struct data_tokens out = {0};
    struct err err = {0};

    if (data_encode(&out, c, m, &docs, &doc, &err)) {
        if (strncmp(err.msg, line ? "f: line 7" : "f: ", line ? 9 : 3) != 0)
            abort();
    } else {
        for (size_t i = 0; i < out.ids.n; i++)
            if (out.ids.id[i] < 0 || out.ids.id[i] >= TOKENS)
                abort();
        if (c->answers && out.answer.n != out.ids.n)
            abort();
    }
    data_tokens_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? (const char *)data : "", *eol = memchr(text, '\n', size);
    struct vocab_token token[TOKENS];
    char texts[TOKENS][8];
    struct data_opts o = {.n_tok = 4};
    struct tok_memory *m;
    struct vocab v;
    struct tok *t;
    struct err err;

    make_vocab(&v, token, texts);
    if (tok_new(&t, &v, &err) || tok_memory_new(&m, t, &err))
        abort();
    for (int answers = 0; answers < 2; answers++) {
        struct data_coder c;
        o.answers_only = answers != 0;
        if (data_coder_init(&c, t, &o, &err))
            abort();
        encode(&c, m, text, eol ? (size_t)(eol - text) : size, 7);
        encode(&c, m, text, size, 0);
        data_coder_release(&c);
    }
    tok_memory_free(m);
    tok_free(t);
    return 0;
}
