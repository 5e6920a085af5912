/* Teachers, live and cached, against the session they run and against dense logits. */

#include "distill/data.h"
#include "distill/teacher.h"
#include "distill/teacher_impl.h"
#include "distill/teacher_wire.h"
#include "formats/base/cpu.h"
#include "formats/base/map.h"
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

/* ---- caches ------------------------------------------------------------------------------- */

enum { WINDOWS = 4 };

static const char hex_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                  hex_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

struct cache {
    struct fix f;
    struct data *data;
    char path[64];
    struct teacher_cache_opts made;
    struct teacher_cache_result result;
};

static struct teacher_opts cache_opts(size_t n_vocab)
{
    return (struct teacher_opts){.n_vocab = n_vocab, .n_tok = N, .n_rows = ROWS, .par = two};
}

static void cache_make(struct cache *c, const struct teacher_cache_opts *o)
{
    struct err err = {0};

    c->made = *o;
    fix_open(&c->f);
    (void)snprintf(c->path, sizeof(c->path), "/tmp/pare-cache-%ld", (long)getpid());
    assert_int_equal(data_of_ids(&c->data, c->f.ids, WINDOWS * N, N, &err), 0);
    struct teacher *t = live(&c->f, NULL, 0);
    if (teacher_cache_write(&c->result, c->path, t, c->data, o, &err))
        fail_msg("%s", err.msg);
    teacher_free(t);
}

static void cache_drop(struct cache *c)
{
    assert_int_equal(unlink(c->path), 0);
    data_free(c->data);
    fix_close(&c->f);
}

static struct teacher *cached(const struct cache *c)
{
    const struct teacher_opts o = cache_opts(VOCAB);
    struct teacher *t;
    struct err err = {0};

    if (teacher_cached(&t, c->path, &c->made, c->data, &o, &err))
        fail_msg("%s", err.msg);
    return t;
}

/* Of logits z: log-probabilities at temperature T, in double. */
static void shares(double *logp, const float *z, double T)
{
    double sum = 0;

    for (size_t i = 0; i < VOCAB; i++)
        sum += exp((double)z[i] / T);
    for (size_t i = 0; i < VOCAB; i++)
        logp[i] = (double)z[i] / T - log(sum);
}

/* One row against dense logits: the k best, in order, near their values, a distribution. Its divergence. */
static double check_row(const struct loss_sparse *s, const float *z, size_t k, double T)
{
    double logp[VOCAB], mass = exp((double)s->log_rest), rest = 0, kl = 0;
    bool kept[VOCAB] = {0};

    shares(logp, z, T);
    assert_true(s->tempered);
    assert_int_equal(s->k, k);
    for (size_t i = 0; i < k; i++) {
        const double x = logp[s->id[i]];
        assert_false(kept[s->id[i]]);
        kept[s->id[i]] = true;
        assert_true(i == 0 || s->logp[i] <= s->logp[i - 1]);
        /* half a step, and what the sum of all is off */
        assert_true(fabs((double)s->logp[i] - x) < 0.5 / (10 + 500 * exp(x / 2)) + 3e-3);
        mass += exp((double)s->logp[i]);
        kl += exp(x) * (x - (double)s->logp[i]);
    }
    assert_true(fabs(mass - 1) < 1e-6);
    for (size_t i = 0; i < VOCAB; i++) {
        rest += kept[i] ? 0 : exp(logp[i]);
        for (size_t j = 0; !kept[i] && j < k; j++)
            assert_true(logp[i] <= logp[s->id[j]]);
    }
    if (rest > 0)
        kl += rest * (log(rest) - (double)s->log_rest);
    else
        assert_true(isinf(s->log_rest) && s->log_rest < 0);
    return kl;
}

static void check_cache(size_t k, double T)
{
    static const size_t order[WINDOWS] = {2, 0, 3, 1};
    const struct teacher_cache_opts o = {
        .keep = TEACHER_TOP_K, .k = k, .temperature = T, .model_hex = hex_a};
    struct cache c;
    float want[N * VOCAB];
    struct loss_target target[ROWS];
    double kl = 0;
    struct err err = {0};

    cache_make(&c, &o);
    struct teacher *t = cached(&c);
    for (size_t w = 0; w < WINDOWS; w++) {
        const int32_t *ids = c.f.ids + order[w] * N;
        alone(want, &c.f, ids, N);
        assert_int_equal(teacher_sequence(t, order[w], ids, NULL, N, &err), 0);
        for (size_t i = 0; i < N; i += ROWS) {
            const size_t n = N - i < ROWS ? N - i : ROWS;
            assert_int_equal(teacher_rows(target, t, i, n, &err), 0);
            for (size_t r = 0; r < n; r++) {
                assert_null(target[r].logits);
                kl += check_row(target[r].sparse, want + (i + r) * VOCAB, k < VOCAB ? k : VOCAB, T);
            }
        }
    }
    assert_int_equal(c.result.n_tokens, WINDOWS * N);
    assert_true(fabs(kl / (WINDOWS * N) - c.result.kl) < 1e-6);
    assert_true(c.result.kl >= 0 && c.result.kl < 2e-5);
    assert_true(k < VOCAB ? c.result.rest > 0 : c.result.rest <= 0);
    assert_null(teacher_hidden(t, 0));
    teacher_free(t);
    cache_drop(&c);
}

static void test_teacher_cache(void **state)
{
    (void)state;
    check_cache(1, 1);
    check_cache(8, 1);
    check_cache(8, 2.5);
    check_cache(VOCAB - 1, 1);
    check_cache(VOCAB + 7, 0.5);
}

/* Mean shares over many seeds are the probabilities: within 5 standard deviations of independent draws. */
static void test_teacher_draws(void **state)
{
    enum { SEEDS = 400, K = 12 };
    struct kern kern;
    const struct teacher_coder coder = {.kern = &kern, .n_vocab = VOCAB, .k = K, .scale = 0.5F};
    struct teacher_token token[K];
    struct teacher_coded coded = {.token = token};
    struct teacher_lost lost;
    float z[VOCAB];
    double logp[VOCAB], mean[VOCAB] = {0};
    struct err err = {0};

    (void)state;
    kern_init(&kern, 0);
    for (size_t i = 0; i < VOCAB; i++)
        z[i] = (float)((i * 37) % VOCAB) * 0.1F;
    shares(logp, z, 2);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_init(seed);
        size_t drawn = 0;
        assert_int_equal(teacher_code_draws(&coded, &lost, &coder, z, &rng, &err), 0);
        for (size_t i = 0; i < coded.n; i++) {
            assert_true(i == 0 || token[i].id > token[i - 1].id);
            mean[token[i].id] += (double)(token[i].level + 1) / K / SEEDS;
            drawn += token[i].level + 1;
        }
        assert_int_equal(drawn, K);
        assert_true(lost.rest > 0 && lost.rest < 1);
    }
    for (size_t i = 0; i < VOCAB; i++) {
        const double p = exp(logp[i]);
        assert_true(fabs(mean[i] - p) < 5 * sqrt(p * (1 - p) / K / SEEDS));
    }
    z[3] = NAN;
    struct rng rng = rng_init(0);
    assert_int_equal(teacher_code_draws(&coded, &lost, &coder, z, &rng, &err), ERR_FORMAT);
}

/* A cache of draws: shares of k that add up to 1, nothing else; the same seed gives the same. */
static void test_teacher_cache_of_draws(void **state)
{
    const struct teacher_cache_opts o = {
        .keep = TEACHER_SAMPLED, .k = 12, .seed = 7, .temperature = 1, .model_hex = hex_a};
    struct cache c;
    struct loss_target target[ROWS];
    struct err err = {0};

    (void)state;
    cache_make(&c, &o);
    assert_true(isnan(c.result.kl));
    assert_true(c.result.rest > 0 && c.result.rest < 1);
    struct teacher *t = cached(&c);
    assert_int_equal(teacher_sequence(t, 1, c.f.ids + N, NULL, N, &err), 0);
    assert_int_equal(teacher_rows(target, t, 0, ROWS, &err), 0);
    for (size_t r = 0; r < ROWS; r++) {
        const struct loss_sparse *s = target[r].sparse;
        double sum = 0;
        for (size_t i = 0; i < s->k; i++) {
            const double share = exp((double)s->logp[i]) * 12;
            assert_true(fabs(share - round(share)) < 1e-5);
            sum += share;
        }
        assert_true(fabs(sum - 12) < 1e-5);
        assert_true(isinf(s->log_rest) && s->log_rest < 0);
    }
    teacher_free(t);
    cache_drop(&c);
}

static void refused(const struct cache *c, const struct teacher_opts *o,
                    const struct teacher_cache_opts *want, const char *said)
{
    struct teacher *t;
    struct err err = {0};

    assert_int_equal(teacher_cached(&t, c->path, want, c->data, o, &err), ERR_ARG);
    assert_null(t);
    if (!strstr(err.msg, said) || !strstr(err.msg, c->path))
        fail_msg("%s", err.msg);
}

static void test_teacher_cache_of_another(void **state)
{
    static const size_t layer = 0;
    const struct teacher_cache_opts o = {.k = 4, .temperature = 1, .model_hex = hex_a};
    struct teacher_opts to = cache_opts(VOCAB);
    struct teacher_cache_opts want = o;
    struct teacher_cache_result result;
    struct cache c;
    struct err err = {0};

    (void)state;
    cache_make(&c, &o);
    want.model_hex = hex_b;
    refused(&c, &to, &want, hex_a);
    refused(&c, &to, &want, hex_b);
    want = o;
    want.k = 5;
    refused(&c, &to, &want, "4 most probable tokens of a row, expected 5 most probable ones");
    want.k = 4;
    want.keep = TEACHER_SAMPLED;
    refused(&c, &to, &want, "4 most probable tokens of a row, expected 4 drawn ones");
    want = o;
    want.math = KERN_BF16;
    refused(&c, &to, &want, "another teacher-math");
    want = o;
    want.temperature = 2;
    refused(&c, &to, &want, "made at temperature 1, this run's is 2");
    to.n_vocab = VOCAB - 1;
    refused(&c, &to, &o, "vocabulary of 50");
    to.n_vocab = VOCAB;
    to.layers = &layer;
    to.n_layers = 1;
    refused(&c, &to, &o, "residual");
    to.n_layers = 0;
    struct teacher *t = cached(&c);
    assert_int_equal(teacher_sequence(t, 1, c.f.ids, NULL, N, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "window 1 has other tokens"));
    assert_int_equal(teacher_sequence(t, WINDOWS, c.f.ids, NULL, N, &err), ERR_ARG);
    assert_int_equal(teacher_sequence(t, 0, c.f.ids, NULL, N - 1, &err), ERR_ARG);
    assert_int_equal(teacher_cache_write(&result, "/dev/null", t, c.data, &o, &err), ERR_ARG);
    teacher_free(t);
    struct data *all = c.data, *fewer;
    assert_int_equal(data_of_ids(&fewer, c.f.ids, (WINDOWS - 1) * N, N, &err), 0);
    c.data = fewer;
    refused(&c, &to, &o, data_sha256(all));
    refused(&c, &to, &o, data_sha256(fewer));
    c.data = all;
    data_free(fewer);
    cache_drop(&c);
}

/* Does every row of all windows come? */
static int read_all(const uint8_t *bytes, size_t n, const struct fix *f, struct err *err)
{
    const struct teacher_opts o = cache_opts(VOCAB);
    struct loss_target target[ROWS];
    struct teacher *t;
    int rc = teacher_cached_bytes(&t, bytes, n, &o, err);

    for (size_t w = 0; !rc && w < WINDOWS; w++) {
        rc = teacher_sequence(t, w, f->ids + w * N, NULL, N, err);
        for (size_t i = 0; !rc && i < N; i++)
            rc = teacher_rows(target, t, i, 1, err);
    }
    teacher_free(t);
    return rc;
}

/* Any byte that is wrong or missing is noticed, by the time its row is asked for. */
static void test_teacher_cache_damaged(void **state)
{
    const struct teacher_cache_opts o = {
        .keep = TEACHER_SAMPLED, .k = 4, .temperature = 1, .model_hex = hex_a};
    struct cache c;
    struct map map;
    struct err err = {0};

    (void)state;
    cache_make(&c, &o);
    assert_int_equal(map_open(&map, c.path, &err), 0);
    assert_int_equal(map.size, c.result.bytes);
    uint8_t *bytes = malloc(map.size);
    assert_non_null(bytes);
    memcpy(bytes, map.data, map.size);
    assert_int_equal(read_all(bytes, map.size, &c.f, &err), 0);
    for (size_t i = 0; i < map.size; i++) {
        err.msg[0] = '\0';
        assert_int_not_equal(read_all(bytes, i, &c.f, &err), 0);
        assert_true(err.msg[0] != '\0');
        bytes[i] ^= 0x40;
        assert_int_not_equal(read_all(bytes, map.size, &c.f, &err), 0);
        bytes[i] ^= 0x40;
    }
    bytes[TEACHER_MAGIC_BYTES] = 9;
    assert_int_equal(read_all(bytes, map.size, &c.f, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "version 9"));
    bytes[TEACHER_MAGIC_BYTES] = TEACHER_VERSION;
    bytes[TEACHER_HEAD_BYTES + 4 * 4 + 4 + 20] ^= 1; /* in the only chunk */
    assert_int_equal(read_all(bytes, map.size, &c.f, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "chunk 0 (windows 0 to 3) is damaged"));
    free(bytes);
    map_release(&map);
    cache_drop(&c);
}

/* Chunks of their own for windows that are long: any order, the last one short of windows. */
static void test_teacher_cache_chunks(void **state)
{
    enum { MANY = 100 };
    const struct teacher_cache_opts o = {.k = 3, .temperature = 1, .model_hex = hex_a};
    struct cache c;
    int32_t *ids = malloc(MANY * N * sizeof(*ids));
    float want[N * VOCAB];
    struct loss_target target[ROWS];
    struct err err = {0};

    (void)state;
    assert_non_null(ids);
    small_ids(ids, MANY * N, 9);
    cache_make(&c, &o);
    data_free(c.data);
    assert_int_equal(data_of_ids(&c.data, ids, MANY * N, N, &err), 0);
    struct teacher *t = live(&c.f, NULL, 0);
    assert_int_equal(teacher_cache_write(&c.result, c.path, t, c.data, &o, &err), 0);
    teacher_free(t);
    t = cached(&c);
    for (size_t i = 0; i < MANY; i++) {
        const size_t w = i * 37 % MANY;
        assert_int_equal(teacher_sequence(t, w, ids + w * N, NULL, N, &err), 0);
        assert_int_equal(teacher_rows(target, t, N - 2, 2, &err), 0);
        alone(want, &c.f, ids + w * N, N);
        for (size_t r = 0; r < 2; r++)
            (void)check_row(target[r].sparse, want + (N - 2 + r) * VOCAB, 3, 1);
    }
    teacher_free(t);
    free(ids);
    cache_drop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_teacher_live),
        cmocka_unit_test(test_teacher_documents),
        cmocka_unit_test(test_teacher_hidden),
        cmocka_unit_test(test_teacher_refuses),
        cmocka_unit_test(test_teacher_vocabularies),
        cmocka_unit_test(test_teacher_cache),
        cmocka_unit_test(test_teacher_draws),
        cmocka_unit_test(test_teacher_cache_of_draws),
        cmocka_unit_test(test_teacher_cache_of_another),
        cmocka_unit_test(test_teacher_cache_damaged),
        cmocka_unit_test(test_teacher_cache_chunks),
        cmocka_unit_test(test_teacher_other_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
