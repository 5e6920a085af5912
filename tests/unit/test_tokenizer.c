/* runtime/tokenizer on small vocabularies made here. */

#include "formats/pretok.h"
#include "formats/pretok_patterns.h"
#include "runtime/tok/tok_parts.h"
#include "runtime/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 600 };

/* A vocabulary on the stack: 256 byte tokens, then what a test adds. */
struct small {
    struct vocab v;
    struct vocab_token token[MAX];
    struct meta_str merge[MAX];
    char text[256][8];
};

static void add(struct small *s, const char *text, float score, enum vocab_type type)
{
    s->token[s->v.n_tokens++] = (struct vocab_token){
        {text, strlen(text)},
        score, type
    };
}

static void merge(struct small *s, const char *pair)
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

static struct small *new_bpe(const char *pre)
{
    struct small *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->v = (struct vocab){.kind = VOCAB_BPE, .pre = pre, .token = s->token, .merge = s->merge};
    s->v.bos = s->v.eos = s->v.unk = s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = -1;
    for (int c = 0; c < 256; c++) {
        spell(s->text[c], c);
        add(s, s->text[c], 0, VOCAB_NORMAL);
    }
    return s;
}

static struct small *new_spm(void)
{
    struct small *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->v = (struct vocab){.kind = VOCAB_SPM, .pre = "default", .token = s->token};
    s->v.bos = 1;
    s->v.eos = 2;
    s->v.unk = 0;
    s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = -1;
    s->v.add_space_prefix = true;
    add(s, "<unk>", 0, VOCAB_UNKNOWN);
    add(s, "<s>", 0, VOCAB_CONTROL);
    add(s, "</s>", 0, VOCAB_CONTROL);
    for (int c = 0; c < 256; c++) {
        static const char hex[] = "0123456789ABCDEF";
        char *t = s->text[c];
        memcpy(t, "<0x..>", 7);
        t[3] = hex[c >> 4];
        t[4] = hex[c & 15];
        add(s, t, 0, VOCAB_BYTE);
    }
    return s;
}

static struct tok *tok_of(const struct small *s)
{
    struct tok *t;
    struct err err;

    assert_int_equal(tok_new(&t, &s->v, &err), 0);
    return t;
}

static void assert_ids(const struct tok *t, const char *text, unsigned flags, size_t n, ...)
{
    struct tok_ids ids = {0};
    struct err err;
    va_list ap;

    assert_int_equal(tok_encode(&ids, t, text, strlen(text), flags, &err), 0);
    assert_int_equal(ids.n, n);
    va_start(ap, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids.id[i], va_arg(ap, int));
    va_end(ap);
    tok_ids_release(&ids);
}

/* decode(encode(text)) == text */
static void assert_round(const struct tok *t, const char *text, size_t n)
{
    struct tok_ids ids = {0};
    struct buf b = {0};
    struct err err;

    assert_int_equal(tok_encode(&ids, t, text, n, 0, &err), 0);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_equal(tok_decode(&b, t, ids.id[i], true, &err), 0);
    assert_int_equal(b.n, n);
    if (n)
        assert_memory_equal(b.p, text, n);
    buf_release(&b);
    tok_ids_release(&ids);
}

static void test_tokenizer_every_pretok_compiles(void **state)
{
    struct tok_regex *r;
    struct err err;

    (void)state;
    for (size_t i = 0; pretok_at(i); i++) {
        assert_ptr_equal(pretok_by_name(pretok_at(i)->name), pretok_at(i));
        if (tok_regex_new(&r, pretok_at(i)->pattern, &err))
            fail_msg("%s", err.msg);
        tok_regex_free(r);
    }
    assert_true(pretok_by_name("no such") == NULL);
}

static void test_tokenizer_bpe_ranks(void **state)
{
    struct small *s = new_bpe("gpt-2");

    (void)state;
    add(s, "bc", 0, VOCAB_NORMAL);  /* 256 */
    add(s, "ab", 0, VOCAB_NORMAL);  /* 257 */
    add(s, "abc", 0, VOCAB_NORMAL); /* 258 */
    merge(s, "b c");
    merge(s, "a b");
    merge(s, "a bc");
    struct tok *t = tok_of(s);
    assert_ids(t, "abc", 0, 1, 258);
    assert_ids(t, "ab", 0, 1, 257);
    assert_ids(t, "aab bc", 0, 4, 'a', 257, ' ', 256); /* a word ends at the space */
    assert_ids(t, "", 0, 0);
    tok_free(t);
    free(s);
}

/* A merge whose result is no token still merges; it comes out as bytes. */
static void test_tokenizer_bpe_odd_merges(void **state)
{
    struct small *s = new_bpe("gpt-2");

    (void)state;
    add(s, "xyz", 0, VOCAB_NORMAL); /* 256 */
    merge(s, "x y");
    merge(s, "xy z");
    merge(s, "nospace");
    merge(s, "");
    merge(s, " ");
    merge(s, "\xe4\xb8\xad a"); /* no byte-level text */
    merge(s, "x y");            /* again */
    struct tok *t = tok_of(s);
    assert_ids(t, "xyz", 0, 1, 256);
    assert_ids(t, "xyw", 0, 3, 'x', 'y', 'w');
    tok_free(t);
    free(s);
}

static void test_tokenizer_bpe_missing_byte(void **state)
{
    struct small *s = new_bpe("gpt-2");

    (void)state;
    s->token['q'].text = (struct meta_str){"<unk>", 5};
    s->token['q'].type = VOCAB_UNKNOWN;
    struct tok *t = tok_of(s);
    assert_ids(t, "aq", 0, 1, 'a'); /* nothing stands for it */
    tok_free(t);
    s->v.unk = 'q';
    t = tok_of(s);
    assert_ids(t, "aq", 0, 2, 'a', 'q');
    tok_free(t);
    free(s);
}

static void test_tokenizer_whole_words(void **state)
{
    struct small *s = new_bpe("llama-bpe");

    (void)state;
    add(s, "hello", 0, VOCAB_NORMAL); /* 256: reached by no merge */
    struct tok *t = tok_of(s);
    assert_ids(t, "hello", 0, 1, 256);
    tok_free(t);
    s->v.pre = "dbrx";
    t = tok_of(s);
    assert_ids(t, "hello", 0, 5, 'h', 'e', 'l', 'l', 'o');
    tok_free(t);
    free(s);
}

/* The heap for long words gives what looking through all pairs gives: a long run cut
 * into words by the pattern, and the same run as one word. */
static void test_tokenizer_long_words(void **state)
{
    struct small *s = new_bpe("gpt-2");
    struct tok_ids ids = {0};
    struct err err;
    char *text = malloc(100000);

    (void)state;
    add(s, "aa", 0, VOCAB_NORMAL);   /* 256 */
    add(s, "aaaa", 0, VOCAB_NORMAL); /* 257 */
    add(s, "aab", 0, VOCAB_NORMAL);  /* 258 */
    merge(s, "a a");
    merge(s, "aa aa");
    merge(s, "aa b");
    struct tok *t = tok_of(s);
    assert_non_null(text);
    memset(text, 'a', 100000);
    text[99999] = 'b';
    text[99996] = 'b';
    assert_int_equal(tok_encode(&ids, t, text, 100000, 0, &err), 0);
    /* 99996 a = 24999 x 4, b, aab */
    assert_int_equal(ids.n, 24999 + 2);
    assert_int_equal(ids.id[24998], 257);
    assert_int_equal(ids.id[24999], 'b');
    assert_int_equal(ids.id[25000], 258);
    tok_ids_release(&ids);
    for (size_t n = 40; n < 60; n++) { /* around the length where the way changes */
        assert_int_equal(tok_encode(&ids, t, text, n, 0, &err), 0);
        assert_int_equal(ids.n, n / 4 + (n % 4 + 1) / 2);
        tok_ids_release(&ids);
    }
    tok_free(t);
    free(text);
    free(s);
}

static void test_tokenizer_broken_utf8(void **state)
{
    static const char odd[] = "a\xff\xfe\xc3(\xe2\x82 \xf0\x9f\x98\x80\xed\xa0\x80\xc3\xa9\0z\x80";
    struct small *s = new_bpe("llama-bpe");
    char all[512];

    (void)state;
    merge(s, "\xc3\x83 \xc2\xa9"); /* bytes c3 a9, spelled */
    struct tok *t = tok_of(s);
    assert_round(t, odd, sizeof(odd) - 1);
    for (int i = 0; i < 512; i++)
        all[i] = (char)(i * 7);
    assert_round(t, all, sizeof(all));
    tok_free(t);
    s->v.pre = "deepseek-v3";
    t = tok_of(s);
    assert_round(t, all, sizeof(all));
    tok_free(t);
    free(s);
}

/* User-defined tokens are cut out always, the longest first; control ones when asked. */
static void test_tokenizer_special(void **state)
{
    struct small *s = new_bpe("gpt-2");

    (void)state;
    add(s, "<e>", 0, VOCAB_CONTROL);     /* 256 */
    add(s, "ab", 0, VOCAB_USER);         /* 257 */
    add(s, "bcd", 0, VOCAB_USER);        /* 258 */
    add(s, "<|im_end|>", 0, VOCAB_USER); /* 259: ends a turn, so it is control */
    s->v.bos = s->v.eos = 256;
    s->v.add_bos = 1;
    struct tok *t = tok_of(s);
    assert_ids(t, "abcd", 0, 3, 257, 'c', 'd'); /* what begins first */
    assert_ids(t, "abab", 0, 2, 257, 257);
    assert_ids(t, "x<e>y", 0, 5, 'x', '<', 'e', '>', 'y');
    assert_ids(t, "x<e>y", TOK_PARSE_SPECIAL, 3, 'x', 256, 'y');
    assert_ids(t, "<|im_end|>", TOK_PARSE_SPECIAL, 1, 259);
    assert_ids(t, "", TOK_ADD_SPECIAL, 1, 256);
    assert_true(tok_is_end(t, 256) && tok_is_end(t, 259) && !tok_is_end(t, 257));
    assert_false(tok_is_end(t, -1) || tok_is_end(t, 260));
    s->v.add_eos = 1;
    tok_free(t);
    t = tok_of(s);
    assert_ids(t, "x", TOK_ADD_SPECIAL, 3, 256, 'x', 256);
    tok_free(t);
    free(s);
}

static void test_tokenizer_decode(void **state)
{
    struct small *s = new_bpe("gpt-2");
    struct buf b = {0};
    struct err err;

    (void)state;
    add(s, "<e>", 0, VOCAB_CONTROL);
    add(s, "a b", 0, VOCAB_USER);
    struct tok *t = tok_of(s);
    assert_int_equal(tok_decode(&b, t, 256, false, &err), 0);
    assert_int_equal(b.n, 0);
    assert_int_equal(tok_decode(&b, t, 256, true, &err), 0);
    assert_int_equal(tok_decode(&b, t, 257, false, &err), 0);
    assert_int_equal(tok_decode(&b, t, ' ', false, &err), 0);
    assert_string_equal(b.p, "<e>a b ");
    assert_int_equal(tok_decode(&b, t, 258, true, &err), ERR_ARG);
    assert_int_equal(tok_decode(&b, t, -1, true, &err), ERR_ARG);
    buf_release(&b);
    tok_free(t);
    free(s);
}

#define SP "\xe2\x96\x81"

static void test_tokenizer_spm(void **state)
{
    struct small *s = new_spm();

    (void)state;
    add(s, SP, -9, VOCAB_NORMAL);     /* 259 */
    add(s, "a", -9, VOCAB_NORMAL);    /* 260 */
    add(s, "b", -9, VOCAB_NORMAL);    /* 261 */
    add(s, "ab", -2, VOCAB_NORMAL);   /* 262 */
    add(s, SP "a", -1, VOCAB_NORMAL); /* 263 */
    struct tok *t = tok_of(s);
    assert_ids(t, "ab", 0, 2, 263, 261); /* the prefix makes the better piece */
    assert_ids(t, "ab ab", TOK_ADD_SPECIAL, 5, 1, 263, 261, 263, 261);
    assert_ids(t, "\xc3\xa9", 0, 3, 259, 3 + 0xc3, 3 + 0xa9); /* no piece: its bytes */
    assert_ids(t, "\xff", 0, 2, 259, 3 + 0xff);
    assert_ids(t, "a<s>b", TOK_PARSE_SPECIAL, 4, 263, 1, 259, 261);
    assert_ids(t, "", 0, 0);
    tok_free(t);
    s->v.add_space_prefix = false;
    s->v.add_bos = 0;
    t = tok_of(s);
    assert_ids(t, "ab", TOK_ADD_SPECIAL, 1, 262);
    assert_round(t, "ab \xc3\xa9 b\xff", 8);
    tok_free(t);
    free(s);
}

/* ---- cutting by hand and by PCRE2 -------------------------------------------------------- */

struct words {
    size_t end[4096];
    size_t n;
    const char *text;
};

static int note(void *arg, const char *word, size_t n, struct err *err)
{
    struct words *w = arg;

    (void)err;
    w->end[w->n++] = (size_t)(word - w->text) + n;
    return 0;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A text of bytes that patterns tell apart, a few of them wide. */
static size_t random_text(char *out, uint32_t *state)
{
    static const char *const parts[] = {
        "a",        "S",        "ll",           "'",        "'s",       "'LL",
        "'re",      " ",        "  ",           "\t",       "\n",       "\r\n",
        "1",        "23",       "456",          ".",        "!?",       "/",
        "_",        "\xc3\xa9", "\xe4\xb8\xad", "\xc2\xa0", "\xcc\x81", "\xd9\xa3",
        "\xc5\xbf", "\v",       "\x7f",         "\xff",     "x1",
    };
    const size_t count = next_random(state) % 24;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const char *p = parts[next_random(state) % (sizeof(parts) / sizeof(*parts))];
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
    }
    return n;
}

/* The pattern in a group is the same to PCRE2, and no matcher knows it. */
static void compare_split(const char *pattern, uint32_t seed)
{
    struct tok_regex *fast, *slow;
    struct tok_match *m;
    static struct words a, b;
    struct err err;
    char grouped[1024], text[128];

    assert_true(strlen(pattern) + 5 < sizeof(grouped));
    memcpy(grouped, "(?:", 4);
    memcpy(grouped + 3, pattern, strlen(pattern));
    memcpy(grouped + 3 + strlen(pattern), ")", 2);
    const char *const one[] = {pattern, NULL}, *const two[] = {grouped, NULL};
    assert_true(tok_scan_for(pattern) || !strcmp(pattern, RE_JAIS2));
    assert_int_equal(tok_match_new(&m, &err), 0);
    assert_int_equal(tok_regex_new(&fast, one, &err), 0);
    assert_int_equal(tok_regex_new(&slow, two, &err), 0);
    for (int i = 0; i < 20000; i++) {
        const size_t n = random_text(text, &seed);
        a.n = b.n = 0;
        a.text = b.text = text;
        assert_int_equal(tok_regex_split(fast, m, text, n, note, &a, &err), 0);
        assert_int_equal(tok_regex_split(slow, m, text, n, note, &b, &err), 0);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.end, b.end, a.n * sizeof(*a.end));
    }
    tok_match_free(m);
    tok_regex_free(fast);
    tok_regex_free(slow);
}

/* A word of the vocabulary that reads like an end of text is found by its merges only. */
static void test_tokenizer_end_as_word(void **state)
{
    struct small *s = new_bpe("gpt-2");

    (void)state;
    add(s, "</s>", 0, VOCAB_NORMAL);
    struct tok *t = tok_of(s);
    assert_ids(t, "</s>", TOK_PARSE_SPECIAL, 4, '<', '/', 's', '>');
    assert_true(tok_is_end(t, 256));
    tok_free(t);
    s->token[256].type = VOCAB_USER;
    t = tok_of(s);
    assert_ids(t, "</s>", TOK_PARSE_SPECIAL, 1, 256);
    tok_free(t);
    free(s);
}

static void test_tokenizer_matchers_agree(void **state)
{
    static const char *const steps[] = {
        RE_DIGIT, RE_DIGITS3, RE_DIGITS, RE_LINE_END, RE_LETTERS,    RE_CASED_ONLY,   RE_MARKS,
        RE_TAIL,  RE_VISIBLE, RE_ASIAN,  RE_HAN_KANA, RE_HAN_HANGUL, RE_YOUTU_SCRIPTS};

    (void)state;
    compare_split(RE_GPT2, 1);
    compare_split(RE_LLAMA3, 2);
    compare_split(RE_QWEN2, 3);
    compare_split(RE_JAIS2, 4); /* executed as another pattern */
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        compare_split(steps[i], 5 + (uint32_t)i);
}

/* ---- the other kinds ------------------------------------------------------------------------ */

static struct small *new_kind(enum vocab_kind kind)
{
    struct small *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->v = (struct vocab){.kind = kind, .pre = "default", .token = s->token, .merge = s->merge};
    s->v.bos = s->v.eos = s->v.sep = s->v.eot = s->v.eom = -1;
    s->v.add_bos = s->v.add_eos = s->v.add_sep = 0;
    s->v.lowercase = s->v.strip_accents = s->v.remove_extra_spaces = -1;
    add(s, "<unk>", 0, VOCAB_UNKNOWN);
    return s;
}

static void test_tokenizer_unigram(void **state)
{
    struct small *s = new_kind(VOCAB_UNIGRAM);

    (void)state;
    add(s, "\xe2\x96\x81", -5, VOCAB_NORMAL); /* 1 */
    add(s, "a", -4, VOCAB_NORMAL);            /* 2 */
    add(s, "ab", -6, VOCAB_NORMAL);           /* 3 */
    add(s, "b", -3, VOCAB_NORMAL);            /* 4 */
    add(s,
        "\xe2\x96\x81"
        "a",
        -6, VOCAB_NORMAL); /* 5 */
    s->v.add_space_prefix = true;
    s->v.remove_extra_spaces = 1;
    struct tok *t = tok_of(s);
    assert_ids(t, "ab", 0, 2, 5, 4);              /* -9 beats -11 and -12 */
    assert_ids(t, "  ab   b ", 0, 4, 5, 4, 1, 4); /* one space between words */
    assert_ids(t, "bxyb", 0, 4, 1, 4, 0, 4);      /* unknown neighbours are one */
    assert_ids(t, "", 0, 0);
    tok_free(t);
    free(s);
}

static void test_tokenizer_wordpiece(void **state)
{
    struct small *s = new_kind(VOCAB_WORDPIECE);

    (void)state;
    add(s,
        "\xe2\x96\x81"
        "un",
        0, VOCAB_NORMAL);            /* 1 */
    add(s, "able", 0, VOCAB_NORMAL); /* 2 */
    add(s,
        "\xe2\x96\x81"
        "able",
        0, VOCAB_NORMAL); /* 3 */
    add(s,
        "\xe2\x96\x81"
        "!",
        0, VOCAB_NORMAL); /* 4 */
    struct tok *t = tok_of(s);
    assert_ids(t, "Unable able!", 0, 4, 1, 2, 3, 4);
    assert_ids(t,
               "\xc3\x9c"
               "nable",
               0, 2, 1, 2);                  /* without its accent */
    assert_ids(t, "unabl able", 0, 2, 0, 3); /* a word is said whole or not at all */
    tok_free(t);
    free(s);
}

/* Added tokens as the file has them found. */
static void test_tokenizer_added_flags(void **state)
{
    struct small *s = new_bpe("gpt-2");
    struct vocab_added added[] = {
        {256, VOCAB_LSTRIP | VOCAB_RSTRIP},
        {257, VOCAB_SINGLE_WORD          },
        {258, VOCAB_NORMALIZED           },
    };

    (void)state;
    add(s, "<m>", 0, VOCAB_USER);       /* 256 */
    add(s, "zq", 0, VOCAB_USER);        /* 257 */
    add(s, "e\xcc\x81", 0, VOCAB_USER); /* 258 */
    s->v.added = added;
    s->v.n_added = 3;
    s->v.normalizer = "NFC";
    struct tok *t = tok_of(s);
    assert_ids(t, "a \t<m> \n b", 0, 3, 'a', 256, 'b');
    assert_ids(t, "azq zq zq.", 0, 8, 'a', 'z', 'q', ' ', 257, ' ', 257, '.');
    assert_ids(t,
               "a\xc3\xa9"
               "e\xcc\x81",
               0, 3, 'a', 258, 258);
    tok_free(t);
    free(s);
}

/* ---- tokenizer.json ------------------------------------------------------------------------- */

static struct tok *tok_json(const char *text)
{
    struct tok *t = NULL;
    json_val *doc;
    struct err err;

    assert_int_equal(json_parse(&doc, text, strlen(text), &err), 0);
    if (tok_new_json(&t, NULL, doc, &err))
        fail_msg("%s", err.msg);
    json_free(doc);
    return t;
}

static void test_tokenizer_json(void **state)
{
    (void)state;
    struct tok *t = tok_json(
        "{\"normalizer\":{\"type\":\"Lowercase\"},"
        "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[^a-c\\\\s&&\\\\w]\"},"
        "\"behavior\":\"MergedWithPrevious\",\"invert\":false},"
        "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",4],\"cls\":[\"<s>\",3]},"
        "\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true},"
        "{\"id\":4,\"content\":\"</s>\",\"special\":true}],"
        "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\","
        "\"vocab\":{\"?\":0,\"ab-\":1,\"c\":2}}}");
    assert_ids(t, "AB-c", 0, 2, 1, 2);
    assert_ids(t, "AB-c", TOK_ADD_SPECIAL, 4, 3, 1, 2, 4);
    assert_ids(t, "c<s>c", TOK_PARSE_SPECIAL, 3, 2, 3, 2);
    assert_ids(t, "c<s>c", 0, 4, 0, 0, 0, 2); /* "c<", "s", ">", "c" */
    tok_free(t);
}

static void refuse_json(const char *text, enum err_code code, const char *what)
{
    struct tok *t;
    json_val *doc;
    struct err err;

    assert_int_equal(json_parse(&doc, text, strlen(text), &err), 0);
    assert_int_equal(tok_new_json(&t, NULL, doc, &err), code);
    assert_null(t);
    if (!strstr(err.msg, what))
        fail_msg("%s", err.msg);
    json_free(doc);
}

static void test_tokenizer_json_refuses(void **state)
{
    (void)state;
    refuse_json("{\"model\":{\"type\":\"Other\"}}", ERR_UNSUPPORTED, "Other");
    refuse_json("{\"normalizer\":{\"type\":\"Turn\"}}", ERR_UNSUPPORTED, "Turn");
    refuse_json("{\"pre_tokenizer\":{\"type\":\"Turn\"}}", ERR_UNSUPPORTED, "Turn");
    refuse_json("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a\"}}}",
                ERR_UNSUPPORTED, "without end");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
                ERR_FORMAT, "not of tokens");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}",
                ERR_UNSUPPORTED, "dropout");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", ERR_FORMAT,
                "no id");
    refuse_json("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":7}}", ERR_FORMAT,
                "unk_id");
    refuse_json("{}", ERR_FORMAT, "model");
}

static void test_tokenizer_refuses(void **state)
{
    struct small *s = new_bpe("no such");
    struct tok *t;
    struct err err;

    (void)state;
    assert_int_equal(tok_new(&t, &s->v, &err), ERR_UNSUPPORTED);
    assert_null(t);
    assert_non_null(strstr(err.msg, "no such"));
    s->v.kind = VOCAB_NONE;
    assert_int_equal(tok_new(&t, &s->v, &err), ERR_UNSUPPORTED);
    tok_free(NULL);
    free(s);
}

/* Nothing to go by: an empty vocabulary makes no token of anything. */
static void test_tokenizer_empty(void **state)
{
    struct small *s = calloc(1, sizeof(*s));

    (void)state;
    assert_non_null(s);
    s->v = (struct vocab){.kind = VOCAB_SPM, .pre = "default", .token = s->token};
    s->v.bos = s->v.eos = s->v.unk = s->v.eot = s->v.eom = s->v.add_bos = -1;
    struct tok *t = tok_of(s);
    assert_ids(t, "abc", TOK_ADD_SPECIAL, 0);
    tok_free(t);
    s->v.kind = VOCAB_BPE;
    t = tok_of(s);
    assert_ids(t, "abc", TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, 0);
    tok_free(t);
    free(s);
}

/* Words known from other texts give the same ids, also when the memory has grown. */
static void test_tokenizer_memory(void **state)
{
    static const char *const words[] = {"hello", " hell", "o", " ", "lll", "\xff", "hello hello"};
    struct small *s = new_bpe("gpt-2");
    struct tok_memory *m = NULL;
    struct tok *t = NULL;
    struct err err = {0};
    char text[64];

    (void)state;
    add(s, "he", 0, VOCAB_NORMAL);
    add(s, "ll", 0, VOCAB_NORMAL);
    add(s, "hell", 0, VOCAB_NORMAL);
    merge(s, "h e");
    merge(s, "l l");
    merge(s, "he ll");
    assert_int_equal(tok_new(&t, &s->v, &err), 0);
    assert_int_equal(tok_memory_new(&m, t, &err), 0);
    for (size_t i = 0; i < 2000; i++) {
        struct tok_ids a = {0}, b = {0};
        const size_t n = (size_t)snprintf(text, sizeof(text), "%s%s %zu", words[i % 7],
                                          words[i / 7 % 7], i % 50);
        assert_int_equal(tok_encode(&a, t, text, n, 0, &err), 0);
        assert_int_equal(tok_encode_more(&b, m, text, n, 0, &err), 0);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.id, b.id, a.n * sizeof(*a.id));
        tok_ids_release(&a);
        tok_ids_release(&b);
    }
    tok_memory_free(m);
    tok_free(t);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer_every_pretok_compiles),
        cmocka_unit_test(test_tokenizer_memory),
        cmocka_unit_test(test_tokenizer_bpe_ranks),
        cmocka_unit_test(test_tokenizer_bpe_odd_merges),
        cmocka_unit_test(test_tokenizer_bpe_missing_byte),
        cmocka_unit_test(test_tokenizer_whole_words),
        cmocka_unit_test(test_tokenizer_long_words),
        cmocka_unit_test(test_tokenizer_broken_utf8),
        cmocka_unit_test(test_tokenizer_special),
        cmocka_unit_test(test_tokenizer_decode),
        cmocka_unit_test(test_tokenizer_spm),
        cmocka_unit_test(test_tokenizer_matchers_agree),
        cmocka_unit_test(test_tokenizer_unigram),
        cmocka_unit_test(test_tokenizer_wordpiece),
        cmocka_unit_test(test_tokenizer_added_flags),
        cmocka_unit_test(test_tokenizer_end_as_word),
        cmocka_unit_test(test_tokenizer_json),
        cmocka_unit_test(test_tokenizer_json_refuses),
        cmocka_unit_test(test_tokenizer_refuses),
        cmocka_unit_test(test_tokenizer_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
