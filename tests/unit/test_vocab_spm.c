/* formats/vocab: tokenizer.model. */

#include "formats/vocab/vocab_parts.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void put_piece(struct buf *b, const char *text, float score, int type)
{
    struct buf p = {0};
    uint32_t bits;

    memcpy(&bits, &score, sizeof(bits));
    buf_fmt(&p, "\x0a%c%s\x15", (int)strlen(text), text);
    buf_u32(&p, bits);
    if (type)
        buf_fmt(&p, "\x18%c", type);
    buf_fmt(b, "\x0a%c", (int)p.n);
    buf_put(b, p.p, p.n);
    buf_release(&p);
}

static void make_model(struct buf *b)
{
    put_piece(b, "<unk>", 0, VOCAB_UNKNOWN);
    put_piece(b, "<s>", 0, VOCAB_CONTROL);
    put_piece(b, "<0x41>", 0, VOCAB_BYTE);
    put_piece(b, "u", -1.5F, VOCAB_USER);
    put_piece(b, "x", -2.5F, 0);
    buf_put(b, "\x12\x02\x18\x02", 4); /* trainer_spec.model_type = BPE */
}

static void test_vocab_spm(void **state)
{
    json_val *config =
        made_json("{\"added_tokens_decoder\":{\"1\":{\"content\":\"<s>\",\"special\":"
                  "true},\"6\":{\"content\":\"new\xe2\x96\x81\"},\"99\":{\"content\":"
                  "\"far\"}}}");
    json_val *added = made_json("{\"old\":5,\"over\":40}");
    const struct vocab_files f = {.tokenizer_config = config, .added_tokens = added, .n_vocab = 8};
    struct buf b = {0};
    struct vocab *v;
    struct err err;

    (void)state;
    make_model(&b);
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_spm(v, b.p, b.n, &f, &err), 0);
    assert_int_equal(v->n_tokens, 8);
    assert_true(made_token(v, 0, "<unk>", VOCAB_UNKNOWN));
    assert_true(made_token(v, 1, "<s>", VOCAB_CONTROL));
    assert_true(v->token[1].score == -1000.0F && v->token[4].score == -2.5F);
    assert_true(made_token(v, 2, "<0x41>", VOCAB_BYTE));
    assert_true(made_token(v, 3, "u", VOCAB_NORMAL));
    assert_true(made_token(v, 5, "old", VOCAB_USER));
    assert_true(made_token(v, 6, "new ", VOCAB_USER));
    assert_true(made_token(v, 7, "[PAD7]", VOCAB_UNUSED));
    assert_true(v->token[7].score == -10000.0F);
    vocab_free(v);
    buf_release(&b);
    json_free(config);
    json_free(added);
}

/* A Unigram model keeps how it prepares a text. */
static void test_vocab_spm_unigram(void **state)
{
    static const char norm[] = "\x1a\x08\x12\x02MP\x18\x00\x20\x01"; /* normalizer_spec */
    const struct vocab_files f = {0};
    struct meta m = {0};
    struct buf b = {0};
    struct vocab *v, *w;
    struct err err;

    (void)state;
    make_model(&b);
    b.p[b.n - 1] = 1;
    buf_put(&b, norm, sizeof(norm) - 1);
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_spm(v, b.p, b.n, &f, &err), 0);
    assert_int_equal(v->kind, VOCAB_UNIGRAM);
    assert_int_equal(v->space_prefix, 0);
    assert_int_equal(v->remove_extra_spaces, 1);
    assert_int_equal(v->charsmap_bytes, 2);
    assert_memory_equal(v->charsmap, "MP", 2);
    assert_int_equal(vocab_to_meta(&m, v, &err), 0);
    assert_int_equal(vocab_from_meta(&w, &m, &err), 0);
    assert_int_equal(w->kind, VOCAB_UNIGRAM);
    assert_int_equal(w->remove_extra_spaces, 1);
    assert_int_equal(w->charsmap_bytes, 2);
    assert_true(w->token[4].score == -2.5F);
    vocab_free(v);
    vocab_free(w);
    meta_release(&m);
    buf_release(&b);
}

/* Every cut of a model is refused or read, never a crash; one of words is refused. */
static void test_vocab_spm_refuses(void **state)
{
    const struct vocab_files f = {0};
    struct buf b = {0};
    struct vocab *v;
    struct err err;

    (void)state;
    make_model(&b);
    for (size_t n = 0; n < b.n; n++) {
        assert_int_equal(vocab_new(&v, &err), 0);
        const int rc = vocab_read_spm(v, b.p, n, &f, &err);
        assert_true(!rc || rc == ERR_FORMAT);
        assert_true(n || rc);
        vocab_free(v);
    }
    b.p[b.n - 1] = 3;
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_spm(v, b.p, b.n, &f, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "word"));
    vocab_free(v);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocab_spm),
        cmocka_unit_test(test_vocab_spm_unigram),
        cmocka_unit_test(test_vocab_spm_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
