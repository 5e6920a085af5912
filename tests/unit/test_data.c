/* distill/data: documents, windows, weights, order, what is held back, and what is refused. */

#include "distill/data.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOS = 256, EOS = 257 };

struct fixture {
    struct made_vocab *v;
    struct tok *t;
    char dir[32];
    char path[4][64];
};

/* A vocabulary of bytes, <s> and </s>. */
static struct fixture *fixture_new(bool adds_bos)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->v = made_bpe("gpt-2");
    made_add(f->v, "<s>", 0, VOCAB_CONTROL);
    made_add(f->v, "</s>", 0, VOCAB_CONTROL);
    f->v->v.bos = BOS;
    f->v->v.eos = EOS;
    f->v->v.add_bos = adds_bos;
    f->v->v.add_eos = 0;
    f->t = made_tok(f->v);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/pare-data-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    return f;
}

static void fixture_free(struct fixture *f)
{
    for (size_t i = 0; i < 4; i++)
        if (f->path[i][0])
            (void)remove(f->path[i]);
    (void)rmdir(f->dir);
    tok_free(f->t);
    free(f->v);
    free(f);
}

/* File number i, called `name`. */
static const char *put(struct fixture *f, size_t i, const char *name, const char *text)
{
    (void)snprintf(f->path[i], sizeof(f->path[i]), "%s/%s", f->dir, name);
    FILE *file = fopen(f->path[i], "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return f->path[i];
}

static struct data *open_of(struct fixture *f, const struct data_opts *o)
{
    struct data *d = NULL;
    struct err err = {0};

    if (data_open(&d, f->t, o, &err))
        fail_msg("%s", err.msg);
    return d;
}

/* ids as text: bytes as they are, ^ and $ for BOS and EOS; labels "-" where there is none. */
static void assert_ids_are(const int32_t *ids, size_t n, const char *expected)
{
    char s[200];

    assert_true(n < sizeof(s));
    for (size_t i = 0; i < n; i++)
        s[i] = (char)(ids[i] == BOS ? '^' : ids[i] == EOS ? '$' : ids[i] < 0 ? '-' : ids[i]);
    s[n] = '\0';
    assert_string_equal(s, expected);
}

static void test_data_plain(void **state)
{
    struct fixture *f = fixture_new(true);
    const struct data_file file = {put(f, 0, "a.txt", "abc\n\nde\n\n\n\nf\n"), 1};
    struct data_opts o = {.file = &file, .n_files = 1, .n_tok = 4, .split = "\n\n"};
    struct data *d = open_of(f, &o);

    (void)state;
    assert_int_equal(data_n_tok(d), 4);
    assert_int_equal(data_n_windows(d), 2); /* ^abc ^de^ f */
    assert_ids_are(data_window(d, 0).ids, 4, "^abc");
    assert_ids_are(data_window(d, 0).label, 4, "abc-");
    assert_ids_are(data_window(d, 1).ids, 4, "^de^");
    assert_ids_are(data_window(d, 1).label, 4, "de^-");
    assert_null(data_window(d, 1).doc);
    assert_int_equal(data_window(d, 1).counted[3], 1);
    assert_int_equal(data_n_held(d), 0);
    data_free(d);
    /* documents apart: none sees the one before it, none has to know what comes after it */
    o.apart = true;
    d = open_of(f, &o);
    assert_ids_are(data_window(d, 0).label, 4, "abc-");
    assert_ids_are(data_window(d, 1).label, 4, "de--");
    assert_int_equal(data_window(d, 1).doc[2], 0);
    assert_int_equal(data_window(d, 1).doc[3], 3);
    data_free(d);
    fixture_free(f);
}

/* A document that goes on in the next window begins there anew. */
static void test_data_long_documents(void **state)
{
    struct fixture *f = fixture_new(true);
    const struct data_file file = {put(f, 0, "a.txt", "abcdef|g"), 1};
    const struct data_opts o = {
        .file = &file, .n_files = 1, .n_tok = 4, .split = "|", .apart = true};
    struct data *d = open_of(f, &o);
    struct data_window w = data_window(d, 1);

    (void)state;
    assert_ids_are(w.ids, 4, "def^"); /* ^abc def^ g */
    assert_ids_are(w.label, 4, "ef--");
    assert_int_equal(w.doc[0], 0);
    assert_int_equal(w.doc[2], 0);
    assert_int_equal(w.doc[3], 3);
    data_free(d);
    fixture_free(f);
}

/* Where the tokenizer adds nothing, EOS ends a document; so it does where its text parts them. */
static void test_data_ends(void **state)
{
    struct fixture *f = fixture_new(false), *g = fixture_new(true);
    struct data_file file = {put(f, 0, "a.txt", "ab</s>cd\n</s>"), 1};
    const struct data_opts o = {.file = &file, .n_files = 1, .n_tok = 6};
    struct data *d = open_of(f, &o);

    (void)state;
    assert_ids_are(data_window(d, 0).ids, 6, "ab$cd$");
    data_free(d);
    d = open_of(g, &o);
    assert_ids_are(data_window(d, 0).ids, 6, "^ab$^c");
    data_free(d);
    file.path = put(f, 1, "a.jsonl",
                    "{\"text\": \"ab\"}\n\n{\"text\": \"</s>\", \"x\": [1]}\r\n{\"text\": \"cd\", "
                    "\"cut\": true}\n{\"text\":\"e\"}");
    d = open_of(f, &o);
    assert_int_equal(data_n_windows(d), 2); /* ab$ </s>$ cd e$ */
    assert_ids_are(data_window(d, 0).ids, 6, "ab$</s");
    assert_ids_are(data_window(d, 1).ids, 6, ">$cde$");
    data_free(d);
    file.path =
        put(f, 3, "b.jsonl",
            "{\"text\": \"</s>ab</s>\", \"special\": true}\n{\"text\": \"<s>\", \"special\": 1}");
    d = open_of(f, &o);
    assert_ids_are(data_window(d, 0).ids, 6, "$ab$<s");
    data_free(d);
    file.path = put(f, 2, "a.JSONL", "{\"text\": \"abcde\"}");
    d = open_of(f, &o);
    assert_ids_are(data_window(d, 0).ids, 6, "abcde$");
    data_free(d);
    fixture_free(f);
    fixture_free(g);
}

static void count(size_t *times, struct data *d, size_t from, size_t n)
{
    memset(times, 0, data_n_windows(d) * sizeof(*times));
    for (size_t i = from; i < from + n; i++)
        times[data_order(d, i)]++;
}

static void test_data_order(void **state)
{
    int32_t ids[120];
    size_t times[60], first[60];
    struct data *d;
    struct err err;
    bool moved = false;

    (void)state;
    for (size_t i = 0; i < 120; i++)
        ids[i] = (int32_t)i;
    assert_int_equal(data_of_ids(&d, ids, 120, 2, &err), 0);
    assert_int_equal(data_n_epoch(d), 60);
    for (size_t e = 0; e < 3; e++) {
        count(times, d, e * 60, 60);
        for (size_t i = 0; i < 60; i++)
            assert_int_equal(times[i], 1); /* each once an epoch */
    }
    for (size_t i = 0; i < 60; i++)
        first[i] = data_order(d, i);
    for (size_t i = 0; i < 60; i++)
        moved = moved || data_order(d, 60 + i) != first[i];
    assert_true(moved);
    for (size_t i = 0; i < 60; i++) /* any time again */
        assert_int_equal(data_order(d, i), first[i]);
    const size_t given[] = {5, 5, 2}, wrong[] = {60};
    assert_int_equal(data_order_is(d, wrong, 1, &err), ERR_ARG);
    assert_int_equal(data_order_is(d, given, 0, &err), ERR_ARG);
    assert_int_equal(data_order_is(d, given, 3, &err), 0);
    assert_int_equal(data_order(d, 2), 2);
    assert_int_equal(data_order(d, 4), 5);
    data_free(d);
}

static void test_data_weights(void **state)
{
    struct fixture *f = fixture_new(false);
    const struct data_file file[] = {
        {put(f, 0, "a.txt", "abcdefghijklmnopqrs"), 1  }, /* 20 tokens with EOS: 10 windows */
        {put(f, 1, "b.txt", "ABCDEFGHIJKLMNOPQRS"), 0.5},
        {put(f, 2, "c.txt", "0123456"),             2  }  /* 4 windows */
    };
    const struct data_opts o = {.file = file, .n_files = 3, .n_tok = 2, .seed = 7};
    struct data *d = open_of(f, &o);
    size_t times[24];

    (void)state;
    assert_int_equal(data_n_windows(d), 24);
    assert_int_equal(data_n_epoch(d), 10 + 5 + 8);
    count(times, d, 0, 2 * 23);
    for (size_t i = 0; i < 24; i++) /* of two epochs */
        assert_int_equal(times[i], i < 10 ? 2 : i < 20 ? 1 : 4);
    assert_ids_are(data_window(d, 10).ids, 2, "AB");
    data_free(d);
    fixture_free(f);
}

/* What is held back is nowhere else, whatever the seed. */
static void test_data_held(void **state)
{
    struct fixture *f = fixture_new(false);
    char text[8 * 50 + 1] = "";
    struct data_file file;
    struct data_opts o = {
        .file = &file, .n_files = 1, .n_tok = 8, .split = "|", .held_back = 0.1, .par = {2}};
    bool held[50] = {false}, trained[50] = {false};
    int n = 0;

    (void)state;
    for (int i = 0; i < 50; i++) /* "00aaaaa|": a window with EOS */
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%02daaaaa|", i);
    file = (struct data_file){put(f, 0, "a.txt", text), 1};
    struct data *d = open_of(f, &o);
    assert_int_equal(data_n_held(d), 5);
    assert_int_equal(data_n_windows(d), 45);
    for (size_t i = 0; i < 5; i++) {
        const int32_t *ids = data_held(d, i).ids;
        held[(ids[0] - '0') * 10 + ids[1] - '0'] = true;
    }
    for (size_t i = 0; i < 45; i++) {
        const int32_t *ids = data_window(d, i).ids;
        trained[(ids[0] - '0') * 10 + ids[1] - '0'] = true;
    }
    for (size_t i = 0; i < 50; i++)
        assert_true(held[i] != trained[i]);
    o.seed = 99;
    struct data *other = open_of(f, &o);
    assert_string_equal(data_sha256(d), data_sha256(other));
    data_free(other);
    /* what is not needed goes back to training */
    o.held_tokens = 16;
    other = open_of(f, &o);
    assert_int_equal(data_n_held(other), 2);
    assert_int_equal(data_n_windows(other), 48);
    assert_string_not_equal(data_sha256(d), data_sha256(other));
    data_free(other);
    data_free(d);
    /* a text without documents: its end */
    o = (struct data_opts){.file = &file, .n_files = 1, .n_tok = 8, .held_back = 0.1};
    d = open_of(f, &o);
    assert_true(data_n_held(d) == 5 && data_n_windows(d) > 40);
    assert_true(data_held(d, 0).ids[0] != '0' || data_held(d, 0).ids[1] != '0');
    data_free(d);
    /* ... of which all that is not needed is trained on */
    const size_t at = 400 - 180 - 1;
    for (int k = 0; k < 2; k++) {
        o = (struct data_opts){.file = &file, .n_files = 1, .n_tok = 8, .held_back = 0.45};
        o.held_tokens = 16;
        o.apart = k;
        d = open_of(f, &o);
        assert_int_equal(data_n_held(d), 2);
        assert_int_equal(data_n_windows(d), 48); /* 400 bytes and two ends without 16 */
        for (size_t i = 0, byte = 0; i < 48 * 8; i++) {
            byte = byte == at ? at + 16 : byte;
            const int32_t id = data_window(d, i / 8).ids[i % 8];
            if (id != EOS)
                assert_int_equal(id, text[byte++]);
        }
        data_free(d);
    }
    fixture_free(f);
}

/* The unused rest of a whole file that was drawn is trained on; of a line of JSON it is not. */
static void test_data_held_file(void **state)
{
    struct fixture *f = fixture_new(false);
    const struct data_file text[] = {
        {put(f, 0, "a.txt", "aaaaaaaaaaaaaaaaaaaaaaa"), 1}, /* 24 tokens with EOS: 6 windows */
        {put(f, 1, "b.txt", "bbbbbbbbbbbbbbbbbbbbbbb"), 1}
    };
    const struct data_file lines[] = {
        {put(f, 2, "a.jsonl", "{\"text\": \"aaaaaaaaaaaaaaaaaaaaaaa\"}"), 1},
        {put(f, 3, "b.jsonl", "{\"text\": \"bbbbbbbbbbbbbbbbbbbbbbb\"}"), 1}
    };
    struct data_opts o = {
        .file = text, .n_files = 2, .n_tok = 4, .held_back = 0.5, .held_tokens = 4};
    struct data *d = open_of(f, &o);
    size_t as = 0, bs = 0;

    (void)state;
    assert_int_equal(data_n_held(d), 1);
    assert_int_equal(data_n_windows(d), 11);
    for (size_t i = 0; i < 12; i++) {
        const int32_t *ids = i < 11 ? data_window(d, i).ids : data_held(d, 0).ids;
        for (size_t j = 0; j < 4; j++) {
            as += ids[j] == 'a';
            bs += ids[j] == 'b';
        }
    }
    assert_true(as == 23 && bs == 23);
    data_free(d);
    /* the only file of a weight is held back, whichever it is: that is why none is left */
    const struct data_file apart[] = {
        text[0], {text[1].path, 2}
    };
    struct err err = {0};
    o.file = apart;
    o.held_tokens = 0;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "what is held back leaves 0 tokens to train on"));
    o.held_tokens = 22;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "leaves 2 tokens to train on, and a window has 4"));
    o.file = lines;
    o.held_tokens = 4;
    d = open_of(f, &o);
    assert_int_equal(data_n_held(d), 1);
    assert_int_equal(data_n_windows(d), 6);
    data_free(d);
    fixture_free(f);
}

static const char chat_template[] =
    "{{ bos_token }}{% for m in messages %}{{ '>' if m.role == 'user' else '<' }}{{ m.content }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<{% endif %}";

/* The template's text, and the loss where the next token is the assistant's. */
static void test_data_messages(void **state)
{
    struct fixture *f = fixture_new(true);
    const struct data_file file = {
        put(f, 0, "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"A\"}, {\"role\": \"assistant\", "
            "\"content\": \"BC\"}]}\n{\"text\": \"x\"}\n"),
        1};
    struct data_opts o = {.file = &file, .n_files = 1, .n_tok = 9};

    (void)state;
    f->v->v.chat_template = chat_template;
    struct data *d = open_of(f, &o);
    assert_ids_are(data_window(d, 0).ids, 9, "^>A$<BC$^");
    assert_int_equal(data_window(d, 0).counted[0], 1);
    data_free(d);
    o.answers_only = true;
    d = open_of(f, &o);
    const uint8_t counted[9] = {0, 0, 0, 0, 1, 1, 1, 1, 1};
    assert_memory_equal(data_window(d, 0).counted, counted, sizeof(counted));
    data_free(d);
    fixture_free(f);
}

/* An answer that was broken off has no end of turn. */
static void test_data_cut(void **state)
{
    struct fixture *f = fixture_new(true);
    const struct data_file file = {
        put(f, 0, "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"A\"}, {\"role\": \"assistant\", "
            "\"content\": \"BC\"}], \"cut\": true}\n{\"text\": \"xyz\"}\n"),
        1};
    struct data_opts o = {.file = &file, .n_files = 1, .n_tok = 9};

    (void)state;
    f->v->v.chat_template = chat_template;
    for (int k = 0; k < 2; k++) {
        o.answers_only = k;
        struct data *d = open_of(f, &o);
        assert_ids_are(data_window(d, 0).ids, 9, "^>A$<BC^x");
        const uint8_t counted[9] = {0, 0, 0, 0, 1, 1, 1, 1, 1};
        if (k)
            assert_memory_equal(data_window(d, 0).counted, counted, sizeof(counted));
        data_free(d);
    }
    f->v->v.chat_template = "{% for m in messages %}{{ m.content | length }}</s>{% endfor %}";
    struct data *d = NULL;
    struct err err = {0};
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "a.jsonl: line 1: \"cut\": "));
    fixture_free(f);
}

/* What is held back ends before the answer: there would be nothing to measure by. */
static void test_data_held_counts(void **state)
{
    const char *const line = "{\"messages\": [{\"role\": \"user\", \"content\": \"AAAAAAAAAA\"}, "
                             "{\"role\": \"assistant\", \"content\": \"BC\"}]}\n";
    struct fixture *f = fixture_new(true);
    struct data_file file;
    struct data_opts o = {.file = &file, .n_files = 1, .n_tok = 4, .answers_only = true};
    struct data *d = NULL;
    struct err err = {0};
    char text[400];

    (void)state;
    f->v->v.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    assert_true(snprintf(text, sizeof(text), "%s%s", line, line) < (int)sizeof(text));
    file = (struct data_file){put(f, 0, "a.jsonl", text), 1};
    o.held_back = 0.5;
    o.held_tokens = 8;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    assert_string_equal(err.msg,
                        "nothing of the 8 tokens held back counts: hold back more of the text");
    o.held_tokens = 12;
    data_free(open_of(f, &o));
    file.path =
        put(f, 1, "b.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"AAAAAAAAAA\"}]}");
    o.held_back = 0;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    assert_string_equal(err.msg, "nothing of the 8 tokens of text counts: it has no answers");
    fixture_free(f);
}

static void assert_refused(struct fixture *f, const char *name, const char *text, const char *words,
                           const struct data_opts *more)
{
    const struct data_file file = {put(f, 3, name, text), 1};
    struct data_opts o = *more;
    struct data *d = NULL;
    struct err err = {0};

    o.file = &file;
    o.n_files = 1;
    assert_int_not_equal(data_open(&d, f->t, &o, &err), 0);
    if (!strstr(err.msg, words) || strncmp(err.msg, f->path[3], strlen(f->path[3])) != 0)
        assert_string_equal(err.msg, words);
    (void)remove(f->path[3]);
}

static void test_data_refuses(void **state)
{
    struct fixture *f = fixture_new(true);
    const struct data_opts o = {.n_tok = 8}, held = {.n_tok = 1, .held_back = 0.5};

    (void)state;
    assert_refused(f, "a.txt", "abc", "too short a text: 4 tokens, and a window has 8", &o);
    assert_refused(f, "a.txt", "", "an empty file", &o);
    assert_refused(f, "a.txt", "</s>", "no text in it", &o);
    assert_refused(f, "a.jsonl", "\n \n", "no text in it", &o);
    assert_refused(f, "a.jsonl", "{\"text\": \"a\"}\n{\"text\" 1}", "line 2, column 9", &o);
    assert_refused(f, "a.jsonl", "{\"text\": \"a\"}\n[1]", "line 2, column 1: expected an object",
                   &o);
    assert_refused(f, "a.jsonl", "{\"txt\": 1}", "line 1, column 1: expected \"text\" or", &o);
    assert_refused(f, "a.jsonl", "{\"text\": 1}", "line 1, column 10: expected a string", &o);
    assert_refused(f, "a.jsonl", "{\"text\": \"a\xff\"}", "column 12: expected UTF-8", &o);
    assert_refused(f, "a.jsonl", "{\"text\": \"a\", \"text\": \"b\"}", "line 1, column 1", &o);
    assert_refused(f, "a.jsonl", "{\"messages\": []}", "column 14: expected a list of messages",
                   &o);
    assert_refused(f, "a.jsonl", "{\"messages\": [{\"x\": 1}]}", "column 15: expected a message",
                   &o);
    assert_refused(f, "a.jsonl", "{\"messages\": [{\"role\": \"user\"}]}",
                   "line 1: messages: the model has no chat template", &o);
    assert_refused(f, "a.jsonl", "{\"text\": \"ab\"}", "a single document", &held);
    f->v->v.chat_template = "{{ raise_exception('never') }}";
    assert_refused(f, "a.jsonl", "{\"messages\": [{\"role\": \"user\"}]}",
                   "line 1: chat template, line 1, column 19: the template refuses: never", &o);
    fixture_free(f);
}

static void test_data_arguments(void **state)
{
    const int32_t ids[] = {1, 2, 3};
    struct fixture *f = fixture_new(true);
    struct data_file file = {put(f, 0, "a.txt", "a|d|e|f"), 1};
    struct data_opts o = {.file = &file, .n_files = 1, .n_tok = 2, .split = "|"};
    struct data *d;
    struct err err;

    (void)state;
    assert_int_equal(data_of_ids(&d, ids, 3, 4, &err), ERR_ARG);
    assert_string_equal(err.msg, "3 tokens, and a window has 4");
    assert_int_equal(data_of_ids(&d, ids, 3, 0, &err), ERR_ARG);
    assert_int_equal(data_of_ids(&d, ids, 3, 1, &err), 0);
    assert_int_equal(data_hold_ids(d, ids, 0, &err), ERR_ARG);
    assert_int_equal(data_hold_ids(d, ids, 2, &err), 0);
    assert_int_equal(data_n_held(d), 2);
    assert_int_equal(data_held(d, 1).ids[0], 2);
    data_free(d);
    o.held_back = 1;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    o.held_back = 0.25;
    o.n_tok = 4; /* one document of two tokens */
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    assert_string_equal(err.msg,
                        "held back are 2 tokens, and a window has 4: hold back a larger share");
    o.held_back = 0;
    file.weight = 0;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    file = (struct data_file){"/nowhere/x.txt", 1};
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_IO);
    o.n_files = 0;
    assert_int_equal(data_open(&d, f->t, &o, &err), ERR_ARG);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_plain),     cmocka_unit_test(test_data_long_documents),
        cmocka_unit_test(test_data_ends),      cmocka_unit_test(test_data_order),
        cmocka_unit_test(test_data_weights),   cmocka_unit_test(test_data_held),
        cmocka_unit_test(test_data_messages),  cmocka_unit_test(test_data_refuses),
        cmocka_unit_test(test_data_arguments), cmocka_unit_test(test_data_held_counts),
        cmocka_unit_test(test_data_held_file), cmocka_unit_test(test_data_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
