/* Texts: any bytes through small fixed vocabularies. Byte-level BPE gives them back;
 * SentencePiece too, for its byte tokens say what no piece does. The first byte chooses
 * the pre-tokenizer. */
#include "formats/pretok.h"
#include "runtime/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_BYTES = 256 };

struct small {
    struct vocab v;
    struct vocab_token token[N_BYTES + 16];
    struct meta_str merge[16];
    char text[N_BYTES][8];
};

static void add(struct small *s, const char *text, enum vocab_type type)
{
    s->token[s->v.n_tokens] = (struct vocab_token){
        {text, strlen(text)},
        -(float)s->v.n_tokens, type
    };
    s->v.n_tokens++;
}

static void add_bytes(struct small *s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (int c = 0, other = 0x100; c < N_BYTES; c++) {
        char *t = s->text[c];
        const int plain = (c > 0x20 && c < 0x7f) || (c > 0xa0 && c != 0xad);
        const int code = plain ? c : other;
        other += !plain;
        if (s->v.kind == VOCAB_SPM) {
            memcpy(t, "<0x..>", 7);
            t[3] = hex[c >> 4];
            t[4] = hex[c & 15];
        } else if (code < 0x80) {
            t[0] = (char)code;
        } else {
            t[0] = (char)(0xc0 | code >> 6);
            t[1] = (char)(0x80 | (code & 0x3f));
        }
        add(s, t, s->v.kind == VOCAB_SPM ? VOCAB_BYTE : VOCAB_NORMAL);
    }
}

static void make(struct small *s, enum vocab_kind kind, const char *pre)
{
    static const char *const merges[] = {"a a", "aa aa", "a b", "b a", "\xc4\xa0 a", "1 2"};
    static const char *const tokens[] = {"aa", "aaaa", "ab", "ba", "\u0120a", "12"};

    memset(s, 0, sizeof(*s));
    s->v.kind = kind;
    s->v.pre = pre;
    s->v.token = s->token;
    s->v.merge = s->merge;
    s->v.bos = s->v.eos = s->v.unk = s->v.sep = s->v.pad = s->v.mask = s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = s->v.add_sep = -1;
    add_bytes(s);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
        add(s, tokens[i], VOCAB_NORMAL);
        if (kind == VOCAB_BPE)
            s->merge[s->v.n_merges++] = (struct meta_str){merges[i], strlen(merges[i])};
    }
    add(s, "ab ab", VOCAB_USER);
    add(s, "\xe2\x96\x81", VOCAB_NORMAL);
}

static void check(const struct vocab *v, const char *text, size_t n)
{
    struct tok *t = NULL;
    struct tok_ids ids = {0};
    struct buf b = {0};
    struct err err;

    if (tok_new(&t, v, &err) || tok_encode(&ids, t, text, n, 0, &err))
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (tok_decode(&b, t, ids.id[i], true, &err))
            abort();
    if (v->kind == VOCAB_BPE && (b.n != n || (n && memcmp(b.p, text, n))))
        abort();
    if (v->kind == VOCAB_SPM && b.n > n)
        abort(); /* U+2581 in the text comes back as a space */
    buf_release(&b);
    tok_ids_release(&ids);
    tok_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_pre = 0;
    struct small s;

    if (!size)
        return 0;
    while (pretok_at(n_pre))
        n_pre++;
    make(&s, VOCAB_BPE, pretok_at(data[0] % n_pre)->name);
    check(&s.v, (const char *)data + 1, size - 1);
    make(&s, VOCAB_SPM, "default");
    check(&s.v, (const char *)data + 1, size - 1);
    return 0;
}
