/* llama.cpp's files of log-probabilities: written, read, and broken ones. */
#include "eval/logits_file.h"
#include "formats/base/buf.h"
#include "formats/base/out.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 2 windows of 5 tokens, of which 2 are scored, 7 tokens: records of 8 + 2 * 8 bytes. */
enum { CTX = 5, WORDS = 7, WINDOWS = 2, SCORED = 4, HEAD = 20, ROW = 24 };

static const struct logits_shape shape = {CTX, WORDS, WINDOWS};
static const int32_t ids[CTX * WINDOWS] = {6, 0, 1, 2, 3, 4, 5, 6, 0, 1};

static float logit_of(size_t at, size_t token)
{
    return token == 6 ? -30 : (float)((at * 5 + token * 3) % 11);
}

static void path_of(char path[64])
{
    (void)snprintf(path, 64, "/tmp/pare-logits-%d.kld", (int)getpid());
}

static void write_file(const char *path)
{
    struct kern kern;
    struct logits_out *o;
    struct err err;

    kern_init(&kern, 0);
    assert_int_equal(logits_out_new(&o, path, &shape, ids, &err), 0);
    for (size_t at = 0; at < SCORED; at++) {
        float x[WORDS];
        for (size_t i = 0; i < WORDS; i++)
            x[i] = logit_of(at, i);
        assert_int_equal(logits_out_row(o, x, &kern, &err), 0);
    }
    assert_int_equal(logits_out_done(o, &err), 0);
    logits_out_free(o);
}

static double log_share(size_t at, size_t token)
{
    double sum = 0;

    for (size_t i = 0; i < WORDS; i++)
        sum += exp((double)logit_of(at, i));
    return (double)logit_of(at, token) - log(sum);
}

static void check_rows(const struct logits_file *f)
{
    for (size_t at = 0; at < SCORED; at++) {
        float x[WORDS];
        logits_file_part(x + 2, f, at, 2, WORDS - 2);
        for (size_t i = 2; i < 6; i++) {
            /* half a step of 16 / 65535 */
            assert_true(fabs((double)x[i] - log_share(at, i)) < 1.3e-4);
            assert_true((double)x[i] == logits_file_one(f, at, i));
        }
        assert_true(x[6] == -INFINITY);
        assert_true(logits_file_one(f, at, 6) <= -16 && logits_file_one(f, at, 6) > -17);
    }
}

static void test_logits_file_round_trip(void **state)
{
    char path[64];
    struct logits_file *f;
    int32_t window[CTX];
    struct err err;

    (void)state;
    path_of(path);
    write_file(path);
    assert_int_equal(logits_file_open(&f, path, &err), 0);
    assert_int_equal(logits_file_n_ctx(f), CTX);
    assert_int_equal(logits_file_n_vocab(f), WORDS);
    assert_int_equal(logits_file_n_windows(f), WINDOWS);
    assert_string_equal(logits_file_path(f), path);
    logits_file_ids(window, f, 1);
    assert_memory_equal(window, ids + CTX, sizeof(window));
    check_rows(f);
    logits_file_free(f);
    (void)unlink(path);
}

/* A file with `n` bytes at `at` changed, cut to `size`. */
static const struct {
    size_t at, n;
    const char *bytes;
    size_t size;
    const char *words;
} broken[] = {
    {0,  0, "",                 0,        "not a logits file"                 },
    {0,  0, "",                 5,        "not a logits file"                 },
    {3,  1, "x",                156,      "not a logits file"                 },
    {0,  0, "",                 12,       "cut off or negative"               },
    {8,  4, "\xff\xff\xff\xff", 156,      "cut off or negative"               },
    {8,  4, "\3\0\0\0",         156,      "2 windows of 3 tokens"             },
    {12, 4, "\0\0\0\0",         156,      "in a vocabulary of 0"              },
    {16, 4, "\0\0\0\0",         156,      "0 windows of 5 tokens"             },
    {8,  4, "\xff\xff\xff\x7f", 156,      "156 bytes do not hold"             },
    {16, 4, "\xff\xff\xff\x7f", 156,      "156 bytes do not hold"             },
    {12, 4, "\xff\xff\xff\x7f", 156,      "156 bytes do not hold"             },
    {0,  0, "",                 155,      "was its writing ended early?"      },
    {0,  0, "",                 HEAD + 8, "28 bytes do not hold 2 windows"    },
    {24, 4, "\7\0\0\0",         156,      "token 1 is 7, in a vocabulary of 7"},
    {24, 4, "\xff\xff\xff\xff", 156,      "token 1 is -1"                     },
};

static void test_logits_file_broken(void **state)
{
    char path[64];
    char good[HEAD + CTX * WINDOWS * 4 + SCORED * ROW], bad[sizeof(good)];
    struct err err;

    (void)state;
    path_of(path);
    write_file(path);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(good, 1, sizeof(good), in), sizeof(good));
    assert_int_equal(fgetc(in), EOF);
    (void)fclose(in);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct logits_file *f;
        memcpy(bad, good, sizeof(bad));
        memcpy(bad + broken[i].at, broken[i].bytes, broken[i].n);
        assert_int_equal(out_file(path, bad, broken[i].size, &err), 0);
        assert_int_equal(logits_file_open(&f, path, &err), ERR_FORMAT);
        if (!strstr(err.msg, broken[i].words) || !strstr(err.msg, path))
            fail_msg("\"%s\" where \"%s\" was expected", err.msg, broken[i].words);
    }
    (void)unlink(path);
}

/* log p of exactly -16 is one that can't be told from less. */
static void test_logits_file_edge(void **state)
{
    static const float head[] = {0.5F, -17}; /* scale, least */
    static const uint16_t step[] = {1, 2, 3, 34};
    struct buf b = {0};
    struct logits_file *f;
    float x[4];
    struct err err;

    (void)state;
    buf_str(&b, "_logits_");
    buf_u32(&b, 4);
    buf_u32(&b, 4);
    buf_u32(&b, 1);
    for (uint32_t i = 0; i < 4; i++)
        buf_u32(&b, i);
    buf_put(&b, (const char *)head, sizeof(head));
    buf_put(&b, (const char *)step, sizeof(step));
    assert_int_equal(logits_file_parse(&f, b.p, b.n, &err), 0);
    logits_file_part(x, f, 0, 0, 4);
    assert_true(x[0] == -INFINITY && x[1] == -INFINITY);
    assert_true(x[2] == -15.5F && x[3] == 0);
    assert_string_equal(logits_file_path(f), "");
    logits_file_free(f);
    buf_release(&b);
}

/* What is not done leaves nothing, under no name. */
static void test_logits_file_given_up(void **state)
{
    char path[64], part[80];
    struct logits_out *o;
    struct logits_file *f;
    struct err err;

    (void)state;
    path_of(path);
    assert_int_equal(logits_out_new(&o, path, &shape, ids, &err), 0);
    (void)snprintf(part, sizeof(part), "%s.part", path);
    assert_int_equal(access(part, F_OK), 0);
    logits_out_free(o);
    assert_int_not_equal(access(part, F_OK), 0);
    assert_int_equal(logits_file_open(&f, path, &err), ERR_IO);
    assert_int_equal(logits_out_new(&o, "/nowhere/x", &shape, ids, &err), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits_file_round_trip),
        cmocka_unit_test(test_logits_file_broken),
        cmocka_unit_test(test_logits_file_edge),
        cmocka_unit_test(test_logits_file_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
