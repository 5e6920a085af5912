#include "tests/vocabs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool good)
{
    if (!good)
        abort();
}

static struct made_vocab *room(void)
{
    struct made_vocab *s = calloc(1, sizeof(*s));

    must(s);
    return s;
}

void made_add(struct made_vocab *s, const char *text, float score, enum vocab_type type)
{
    s->token[s->v.n_tokens++] = (struct vocab_token){
        {text, strlen(text)},
        score, type
    };
}

void made_merge(struct made_vocab *s, const char *pair)
{
    s->merge[s->v.n_merges++] = (struct meta_str){pair, strlen(pair)};
}

/* Byte c as GPT-2 spells it. */
static void spell(char out[8], int c)
{
    static const int first = 0x100;
    int code = c, n = 0;

    if (c <= 0x20)
        code = first + c;
    else if (c >= 0x7f && c <= 0xa0)
        code = first + 33 + c - 0x7f;
    else if (c == 0xad)
        code = first + 67;
    if (code < 0x80) {
        out[n++] = (char)code;
    } else {
        out[n++] = (char)(0xc0 | code >> 6);
        out[n++] = (char)(0x80 | (code & 0x3f));
    }
    out[n] = '\0';
}

struct made_vocab *made_bpe(const char *pre)
{
    struct made_vocab *s = room();

    s->v = (struct vocab){.kind = VOCAB_BPE, .pre = pre, .token = s->token, .merge = s->merge};
    s->v.bos = s->v.eos = s->v.unk = s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = -1;
    for (int c = 0; c < 256; c++) {
        spell(s->text[c], c);
        made_add(s, s->text[c], 0, VOCAB_NORMAL);
    }
    return s;
}

struct made_vocab *made_spm(void)
{
    struct made_vocab *s = room();

    s->v = (struct vocab){.kind = VOCAB_SPM, .pre = "default", .token = s->token};
    s->v.bos = 1;
    s->v.eos = 2;
    s->v.unk = 0;
    s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = -1;
    s->v.add_space_prefix = true;
    made_add(s, "<unk>", 0, VOCAB_UNKNOWN);
    made_add(s, "<s>", 0, VOCAB_CONTROL);
    made_add(s, "</s>", 0, VOCAB_CONTROL);
    for (int c = 0; c < 256; c++) {
        static const char hex[] = "0123456789ABCDEF";
        char *t = s->text[c];
        memcpy(t, "<0x..>", 7);
        t[3] = hex[c >> 4];
        t[4] = hex[c & 15];
        made_add(s, t, 0, VOCAB_BYTE);
    }
    return s;
}

struct tok *made_tok(const struct made_vocab *s)
{
    struct tok *t;
    struct err err;

    must(!tok_new(&t, &s->v, &err));
    return t;
}

struct made_vocab *made_kind(enum vocab_kind kind)
{
    struct made_vocab *s = room();

    s->v = (struct vocab){.kind = kind, .pre = "default", .token = s->token, .merge = s->merge};
    s->v.bos = s->v.eos = s->v.sep = s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = s->v.add_sep = 0;
    s->v.lowercase = s->v.strip_accents = s->v.remove_extra_spaces = -1;
    made_add(s, "<unk>", 0, VOCAB_UNKNOWN);
    return s;
}

static void print_ids(const char *text, const struct tok_ids *ids)
{
    (void)fprintf(stderr, "%s:", text);
    for (size_t i = 0; i < ids->n; i++)
        (void)fprintf(stderr, " %d", (int)ids->id[i]);
    (void)fprintf(stderr, "\n");
}

bool made_ids(const struct tok *t, const char *text, unsigned flags, size_t n, ...)
{
    struct tok_ids ids = {0};
    struct err err;
    va_list ap;

    must(!tok_encode(&ids, t, text, strlen(text), flags, &err));
    bool same = ids.n == n;
    va_start(ap, n);
    for (size_t i = 0; same && i < n; i++)
        same = ids.id[i] == va_arg(ap, int);
    va_end(ap);
    if (!same)
        print_ids(text, &ids);
    tok_ids_release(&ids);
    return same;
}

bool made_token(const struct vocab *v, size_t id, const char *text, enum vocab_type type)
{
    return id < v->n_tokens && v->token[id].text.n == strlen(text) &&
           !memcmp(v->token[id].text.p, text, strlen(text)) && v->token[id].type == type;
}

json_val *made_json(const char *text)
{
    json_val *doc;
    struct err err;

    must(!json_parse(&doc, text, strlen(text), &err));
    return doc;
}
