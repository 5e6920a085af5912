/* Teachers, live and cached, against the session they run and against dense logits. */

#include "distill/data.h"
#include "distill/teacher.h"
#include "distill/teacher_impl.h"
#include "formats/base/cpu.h"
#include "runtime/session.h"
#include "tests/small.h"
#include "tests/tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 24, VOCAB = SMALL_VOCAB, ROWS = 5 };

static const struct par two = {.n_threads = 2};

struct fix {
    struct small small;
    struct model *m;
    int32_t ids[4 * N];
};

static void fix_open(struct fix *f)
{
    const struct small_tweak w = {0};
    const struct model_opts o = {.math = KERN_F32};
    struct err err = {0};

    assert_int_equal(small_new(&f->small, &w, &err), 0);
    assert_int_equal(model_open(&f->m, f->small.path, &o, &err), 0);
    small_ids(f->ids, sizeof(f->ids) / sizeof(f->ids[0]), 5);
}

static void fix_close(struct fix *f)
{
    model_free(f->m);
    small_free(&f->small);
}

static struct teacher *live(const struct fix *f, const size_t *layers, size_t n_layers)
{
    const struct teacher_opts o = {.n_vocab = VOCAB,
                                   .n_tok = N,
                                   .n_rows = ROWS,
                                   .layers = layers,
                                   .n_layers = n_layers,
                                   .par = two};
    struct teacher *t = NULL;
    struct err err = {0};

    if (teacher_live(&t, f->m, &o, &err))
        print_message("%s\n", err.msg);
    assert_non_null(t);
    return t;
}

/* logits[n, VOCAB] of ids as one document. */
static void alone(float *logits, const struct fix *f, const int32_t *ids, size_t n)
{
    struct sess *s;
    struct err err = {0};

    assert_int_equal(sess_new(&s, f->m, n, n, &two, &err), 0);
    assert_int_equal(sess_eval(s, ids, n, logits, n, &err), 0);
    sess_free(s);
}

/* All rows of the sequence, ROWS at a time. */
static void all_rows(float *logits, struct teacher *t)
{
    struct loss_target target[ROWS];
    struct err err = {0};

    for (size_t i = 0; i < N; i += ROWS) {
        const size_t n = N - i < ROWS ? N - i : ROWS;
        assert_int_equal(teacher_rows(target, t, i, n, &err), 0);
        for (size_t k = 0; k < n; k++) {
            assert_null(target[k].sparse);
            memcpy(logits + (i + k) * VOCAB, target[k].logits, VOCAB * sizeof(float));
        }
    }
}

/* ---- live ------------------------------------------------------------------------------ */

static void test_teacher_live(void **state)
{
    struct fix f;
    float want[N * VOCAB], got[N * VOCAB];
    struct err err = {0};

    (void)state;
    fix_open(&f);
    alone(want, &f, f.ids, N);
    struct teacher *t = live(&f, NULL, 0);
    assert_int_equal(teacher_sequence(t, 0, f.ids, NULL, N, &err), 0);
    all_rows(got, t);
    assert_memory_equal(got, want, sizeof(want));
    all_rows(got, t); /* as often as one likes */
    assert_memory_equal(got, want, sizeof(want));
    assert_null(teacher_hidden(t, 0));
    teacher_free(t);
    fix_close(&f);
}

/* Documents do not see each other, and later rows do not need a later document's pass. */
static void test_teacher_documents(void **state)
{
    struct fix f;
    float want[N * VOCAB], got[N * VOCAB];
    int32_t doc[N];
    struct err err = {0};

    (void)state;
    fix_open(&f);
    for (int32_t i = 0; i < N; i++)
        doc[i] = i < 7 ? 0 : i < 8 ? 7 : 8;
    alone(want, &f, f.ids, 7);
    alone(want + 7 * VOCAB, &f, f.ids + 7, 1);
    alone(want + 8 * VOCAB, &f, f.ids + 8, N - 8);
    struct teacher *t = live(&f, NULL, 0);
    assert_int_equal(teacher_sequence(t, 0, f.ids, doc, N, &err), 0);
    all_rows(got, t);
    for (size_t i = 0; i < (size_t)N * VOCAB; i++)
        assert_true(fabsf(got[i] - want[i]) < 1e-5f);
    doc[9] = 7;
    assert_int_equal(teacher_sequence(t, 0, f.ids, doc, N, &err), ERR_ARG);
    teacher_free(t);
    fix_close(&f);
}

struct kept {
    float x[SMALL_LAYERS + 1][N * SMALL_EMBD];
};

static void keep(void *arg, size_t layer, const float *x, size_t n)
{
    memcpy(((struct kept *)arg)->x[layer], x, n * SMALL_EMBD * sizeof(*x));
}

static void test_teacher_hidden(void **state)
{
    static const size_t layers[] = {1, 0};
    struct fix f;
    struct kept kept;
    const struct sess_watch w = {.layer_fn = keep, .arg = &kept, .n_layers = SIZE_MAX};
    struct sess *s;
    struct err err = {0};

    (void)state;
    fix_open(&f);
    struct teacher *t = live(&f, layers, 2);
    assert_int_equal(sess_new(&s, f.m, N, N, &two, &err), 0);
    assert_int_equal(sess_watch(s, &w, &err), 0);
    assert_int_equal(sess_eval(s, f.ids, N, NULL, 0, &err), 0);
    assert_int_equal(teacher_sequence(t, 0, f.ids, NULL, N, &err), 0);
    assert_memory_equal(teacher_hidden(t, 0), kept.x[2], sizeof(kept.x[2]));
    assert_memory_equal(teacher_hidden(t, 1), kept.x[1], sizeof(kept.x[1]));
    assert_null(teacher_hidden(t, 2));
    sess_free(s);
    teacher_free(t);
    fix_close(&f);
}

static void test_teacher_refuses(void **state)
{
    static const size_t beyond = SMALL_LAYERS;
    struct fix f;
    struct loss_target target[ROWS + 1];
    struct teacher *none;
    struct err err = {0};

    (void)state;
    fix_open(&f);
    struct teacher *t = live(&f, NULL, 0);
    assert_int_equal(teacher_sequence(t, 0, f.ids, NULL, N + 1, &err), ERR_ARG);
    assert_int_equal(teacher_sequence(t, 0, f.ids, NULL, 0, &err), ERR_ARG);
    assert_int_equal(teacher_sequence(t, 0, f.ids, NULL, 6, &err), 0);
    assert_int_equal(teacher_rows(target, t, 0, ROWS + 1, &err), ERR_ARG);
    assert_int_equal(teacher_rows(target, t, 4, 3, &err), ERR_ARG);
    assert_int_equal(teacher_rows(target, t, 4, 2, &err), 0);
    teacher_free(t);
    struct teacher_opts o = {
        .n_vocab = VOCAB, .n_tok = N, .n_rows = ROWS, .layers = &beyond, .n_layers = 1, .par = two};
    assert_int_equal(teacher_live(&none, f.m, &o, &err), ERR_ARG);
    assert_null(none);
    o.n_layers = 0;
    o.n_rows = 0;
    assert_int_equal(teacher_live(&none, f.m, &o, &err), ERR_ARG);
    fix_close(&f);
}

/* A student with more columns: -inf; with fewer: those that both have. */
static void test_teacher_other_width(void **state)
{
    const struct model_opts mo = {.math = KERN_F32, .pre = "gpt-2"};
    const int32_t ids[] = {0, 3, 1, 2};
    struct teacher_opts o = {.n_tok = 4, .n_rows = 4, .par = two};
    struct loss_target target[4];
    float want[4 * 4];
    char dir[64];
    struct model *m;
    struct sess *s;
    struct teacher *t;
    struct err err = {0};

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-teacher-%ld", (long)getpid());
    assert_int_equal(tiny_make(dir), 0);
    assert_int_equal(model_open(&m, dir, &mo, &err), 0);
    assert_int_equal(model_n_vocab(m), 4);
    assert_int_equal(sess_new(&s, m, 4, 4, &two, &err), 0);
    assert_int_equal(sess_eval(s, ids, 4, want, 4, &err), 0);
    o.student = tok_vocab(model_tok(m));
    o.n_vocab = 7;
    assert_int_equal(teacher_live(&t, m, &o, &err), 0);
    assert_int_equal(teacher_sequence(t, 0, ids, NULL, 4, &err), 0);
    assert_int_equal(teacher_rows(target, t, 0, 4, &err), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(target[i].logits, want + 4 * i, 4 * sizeof(float));
        for (size_t j = 4; j < 7; j++)
            assert_true(isinf(target[i].logits[j]) && target[i].logits[j] < 0);
    }
    teacher_free(t);
    o.n_vocab = 3; /* the fourth token is in use */
    assert_int_equal(teacher_live(&t, m, &o, &err), ERR_ARG);
    sess_free(s);
    model_free(m);
    assert_int_equal(tiny_remove(dir), 0);
}

/* ---- vocabularies ------------------------------------------------------------------------ */

enum { WORDS = 6 };

static struct vocab words(struct vocab_token token[WORDS], const char *const text[WORDS])
{
    for (size_t i = 0; i < WORDS; i++) {
        const char *s = text[i];
        token[i] = (struct vocab_token){
            .text = {s, strlen(s)},
              .type = s[0] == '[' ? VOCAB_UNUSED : VOCAB_NORMAL
        };
    }
    return (struct vocab){.token = token, .n_tokens = WORDS};
}

static void test_teacher_vocabularies(void **state)
{
    static const char *const plain[WORDS] = {"a", "b", "c", "d", "[PAD4]", "[PAD5]"};
    static const char *const padded[WORDS] = {"a", "b", "c", "d", "[unused0]", "[PAD5]"};
    static const char *const longer[WORDS] = {"a", "b", "c", "d", "e", "[PAD5]"};
    static const char *const other[WORDS] = {"a", "x", "c", "y", "[PAD4]", "[PAD5]"};
    struct vocab_token tp[WORDS], td[WORDS], tl[WORDS], to[WORDS];
    const struct vocab p = words(tp, plain), d = words(td, padded), l = words(tl, longer),
                       o = words(to, other);
    char a[HASH_HEX_BYTES], b[HASH_HEX_BYTES];
    size_t n;
    struct err err = {0};

    (void)state;
    assert_int_equal(teacher_same_tokens(&n, &p, 6, &d, 4, &err), 0);
    assert_int_equal(n, 4);
    assert_int_equal(teacher_same_tokens(&n, &p, 4, &d, 9, &err), 0);
    assert_int_equal(n, 4);
    assert_int_equal(teacher_same_tokens(&n, &p, 4, &l, 6, &err), 0); /* the student knows more */
    assert_int_equal(teacher_same_tokens(&n, &p, 6, &l, 6, &err), ERR_ARG);
    assert_int_equal(teacher_same_tokens(&n, &l, 6, &p, 4, &err), ERR_ARG);
    assert_non_null(strstr(err.msg, "token 4 is \"e\""));
    assert_int_equal(teacher_same_tokens(&n, &p, 6, &o, 6, &err), ERR_ARG);
    assert_string_equal(err.msg, "token 1 is \"b\" in the teacher's vocabulary and \"x\" in the "
                                 "student's");
    assert_int_equal(teacher_same_tokens(&n, &p, 6, NULL, 6, &err), 0);
    assert_int_equal(teacher_same_tokens(&n, &p, 6, NULL, 7, &err), ERR_ARG);
    assert_int_equal(teacher_tok_hex(a, &p, &err), 0);
    assert_int_equal(teacher_tok_hex(b, &d, &err), 0);
    assert_string_equal(a, b);
    assert_int_equal(teacher_tok_hex(b, &l, &err), 0);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_teacher_live),         cmocka_unit_test(test_teacher_documents),
        cmocka_unit_test(test_teacher_hidden),       cmocka_unit_test(test_teacher_refuses),
        cmocka_unit_test(test_teacher_vocabularies), cmocka_unit_test(test_teacher_other_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
