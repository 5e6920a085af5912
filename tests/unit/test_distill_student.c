#include "distill/params.h"
#include "distill/student.h"
#include "formats/base/cpu.h"
#include "runtime/session.h"
#include "tests/small.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* ---- a teacher -------------------------------------------------------------------- */

enum { N_TOK = 16, N_SEQ = 2, MOST = 1 << 17 };

struct fixture {
    struct small small;
    struct model *m;
    int32_t ids[N_SEQ * N_TOK];
    char path[80], other[80];
};

static int setup(void **state)
{
    const struct model_opts opts = {.math = KERN_F32};
    const struct small_tweak none = {0};
    struct fixture *f = calloc(1, sizeof(*f));
    struct err err = {0};

    if (!f || small_new(&f->small, &none, &err) || model_open(&f->m, f->small.path, &opts, &err))
        return -1;
    small_ids(f->ids, N_SEQ * N_TOK, 3);
    (void)snprintf(f->path, sizeof(f->path), "%s.student", f->small.path);
    (void)snprintf(f->other, sizeof(f->other), "%s.json", f->small.path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_free(f->m);
    (void)unlink(f->path);
    (void)unlink(f->other);
    small_free(&f->small);
    free(f);
    return 0;
}

static int make(struct student_about *about, struct fixture *f, const struct student_spec *spec,
                struct err *err)
{
    const struct student_sample sample = {f->ids, N_SEQ, N_TOK};
    const struct par par = par_init(2);

    return student_make(about, f->path, spec, f->m, &sample, &par, NULL, err);
}

/* logits[SMALL_VOCAB] after the first sequence. */
static void run(float *logits, const char *path, const struct fixture *f)
{
    const struct model_opts opts = {.math = KERN_F32};
    const struct par par = par_init(1);
    struct err err = {0};
    struct model *m;
    struct sess *s;

    assert_int_equal(model_open(&m, path, &opts, &err), 0);
    assert_int_equal(sess_new(&s, m, N_TOK, N_TOK, &par, &err), 0);
    assert_int_equal(sess_eval(s, f->ids, N_TOK, logits, 1, &err), 0);
    sess_free(s);
    model_free(m);
}

static size_t slurp(uint8_t *to, const char *path)
{
    FILE *in = fopen(path, "rb");
    size_t n = in ? fread(to, 1, MOST, in) : 0;

    if (in)
        (void)fclose(in);
    return n;
}

static void spit(const char *path, const char *text)
{
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

/* ---- tests -------------------------------------------------------------------------- */

static void test_distill_student_all(void **state)
{
    float a[SMALL_VOCAB], b[SMALL_VOCAB];
    struct fixture *f = *state;
    const struct student_spec spec = {0};
    struct student_about about;
    struct err err = {0};

    assert_int_equal(make(&about, f, &spec, &err), 0);
    assert_int_equal(about.n_params, about.n_params_teacher);
    assert_int_equal(about.layers, SMALL_LAYERS);
    run(a, f->small.path, f);
    run(b, f->path, f);
    assert_memory_equal(a, b, sizeof(a));
    student_about_release(&about);
}

/* The student of layers 1 has block 1's weights as its block 0. */
static void test_distill_student_layers(void **state)
{
    struct fixture *f = *state;
    const struct student_spec spec = {.layers = "1-1"};
    const struct source_tensor *t;
    struct student_about about;
    struct source *s;
    struct err err = {0};

    assert_int_equal(make(&about, f, &spec, &err), 0);
    assert_int_equal(about.layers, 1);
    assert_int_equal(about.kept_layers[0], 1);
    assert_int_equal(source_open(&s, f->path, NULL, &err), 0);
    t = source_role(s, ROLE_ATTN_Q, 0);
    assert_non_null(t);
    assert_memory_equal(t->part->data, small_weight(&f->small, 1, "attn_q.weight"), t->part->bytes);
    assert_null(source_role(s, ROLE_ATTN_Q, 1));
    source_free(s);
    student_about_release(&about);
}

static void test_distill_student_influence(void **state)
{
    struct fixture *f = *state;
    const struct student_spec spec = {.layers = "1"};
    struct student_about about;
    struct err err = {0};

    assert_int_equal(make(&about, f, &spec, &err), 0);
    const bool second = about.influence[1] > about.influence[0];
    assert_int_equal(about.kept_layers[0], second);
    assert_true(about.influence[0] > 0 && about.influence[0] < 2);
    student_about_release(&about);
}

static const float *values(const struct source *s, enum arch_role role, int layer)
{
    return (const float *)(const void *)source_role(s, role, layer)->part->data;
}

/* at[n]: columns of a [rows, all] that got [rows, n] has. */
static void find_columns(size_t *at, size_t n, const float *got, const float *a, size_t all)
{
    size_t found = 0;

    for (size_t c = 0; c < all && found < n; c++)
        if (got[found] == a[c] && got[n + found] == a[all + c])
            at[found++] = c;
    assert_int_equal(found, n);
}

/* Cut out by hand: rows of the kept heads, columns of the kept channels. */
static void test_distill_student_width(void **state)
{
    struct fixture *f = *state;
    const struct student_spec spec = {.hidden = 16, .ffn = 24, .heads = 2, .kv_heads = 1};
    const float *embd = small_weight(&f->small, -1, "token_embd.weight");
    const float *k = small_weight(&f->small, 0, "attn_k.weight");
    size_t at[16], ff[24], out[16];
    struct student_about about;
    struct source *s;
    struct err err = {0};

    assert_int_equal(make(&about, f, &spec, &err), 0);
    assert_int_equal(source_open(&s, f->path, NULL, &err), 0);
    find_columns(at, 16, values(s, ROLE_TOKEN_EMBD, -1), embd, SMALL_EMBD);
    /* the attention output's columns say which head is kept: two of query heads are one of keys */
    const float *o = small_weight(&f->small, 0, "attn_output.weight"), *got;
    float rows[2 * SMALL_HEADS * SMALL_HEAD];
    for (size_t r = 0; r < 2; r++)
        memcpy(rows + r * SMALL_HEADS * SMALL_HEAD, o + at[r] * SMALL_HEADS * SMALL_HEAD,
               sizeof(rows) / 2);
    find_columns(out, 16, values(s, ROLE_ATTN_OUT, 0), rows, SMALL_HEADS * SMALL_HEAD);
    const size_t head = out[0] / (2 * SMALL_HEAD);
    assert_int_equal(out[15], head * 2 * SMALL_HEAD + 15);
    got = values(s, ROLE_ATTN_K, 0);
    for (size_t r = 0; r < SMALL_HEAD; r++)
        for (size_t c = 0; c < 16; c++)
            assert_true(got[r * 16 + c] == k[(head * SMALL_HEAD + r) * SMALL_EMBD + at[c]]);
    const float *d = small_weight(&f->small, 1, "ffn_down.weight");
    float downs[2 * SMALL_FF];
    memcpy(downs, d + at[0] * SMALL_FF, sizeof(downs) / 2);
    memcpy(downs + SMALL_FF, d + at[1] * SMALL_FF, sizeof(downs) / 2);
    find_columns(ff, 24, values(s, ROLE_FFN_DOWN, 1), downs, SMALL_FF);
    const float *gate = small_weight(&f->small, 1, "ffn_gate.weight");
    got = values(s, ROLE_FFN_GATE, 1);
    for (size_t r = 0; r < 24; r++)
        for (size_t c = 0; c < 16; c++)
            assert_true(got[r * 16 + c] == gate[ff[r] * SMALL_EMBD + at[c]]);
    const struct source_tensor *down = source_role(s, ROLE_FFN_DOWN, 1);
    assert_int_equal(down->dims[0], 24);
    assert_int_equal(down->dims[1], 16);
    uint64_t sum = 0;
    for (size_t i = 0; i < source_n_tensors(s); i++)
        sum += source_row_len(source_tensor(s, i)) * source_n_rows(source_tensor(s, i));
    assert_int_equal(sum, about.n_params);
    source_free(s);
    student_about_release(&about);
}

static void test_distill_student_refuses(void **state)
{
    static const struct {
        struct student_spec spec;
        const char *says;
    } cases[] = {
        {{.layers = "3"},                   "the teacher has 2"           },
        {{.layers = "0"},                   "the teacher has 2"           },
        {{.layers = "0,2"},                 "0 to 1"                      },
        {{.layers = "0,0"},                 "comes twice"                 },
        {{.layers = "1-0"},                 "expected a number, or a list"},
        {{.layers = "x"},                   "expected a number, or a list"},
        {{.hidden = 64},                    "hidden: 64 asked for"        },
        {{.ffn = 49},                       "ffn: 49 asked for"           },
        {{.heads = 3},                      "no multiple"                 },
        {{.layers = "1", .ends = 1},        "more than the 1 that stay"   },
        {{.layers = "0-1", .ends = 1},      "layers as a number"          },
        {{.ends = 1},                       "layers as a number"          },
        {{.from = "/nowhere", .ends = 1},   "cut out of the teacher"      },
        {{.heads = 4, .kv_heads = 1},       "each of the teacher's has 2" },
        {{.kv_heads = 3},                   "key-value heads: 3 asked for"},
        {{.from = "/nowhere", .hidden = 8}, "cut out of the teacher"      },
        {{.from = "/nowhere/config.json"},  "/nowhere/config.json"        },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct student_about about;
        struct err err = {0};
        assert_int_not_equal(make(&about, f, &cases[i].spec, &err), 0);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("case %zu: %s", i, err.msg);
        assert_int_not_equal(access(f->path, F_OK), 0);
    }
}

#define CONFIG(layers)                                                                             \
    "{\"architectures\": [\"Qwen3ForCausalLM\"], \"hidden_size\": 32, \"intermediate_size\": 40, " \
    "\"num_hidden_layers\": " #layers ", \"num_attention_heads\": 4, \"num_key_value_heads\": 2, " \
    "\"head_dim\": 8, \"vocab_size\": 50, \"tie_word_embeddings\": false, "                        \
    "\"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-6, \"initializer_range\": 0.1}"

static void test_distill_student_fresh(void **state)
{
    static uint8_t one[MOST], two[MOST];
    struct fixture *f = *state;
    struct student_spec spec = {.from = f->other, .seed = 5};
    struct student_about about;
    struct source *s;
    struct err err = {0};
    double sum = 0;

    spit(f->other, CONFIG(3));
    assert_int_equal(make(&about, f, &spec, &err), 0);
    const size_t n = slurp(one, f->path);
    assert_true(n > 0 && n < MOST);
    assert_int_equal(about.layers, 3);
    assert_int_equal(source_open(&s, f->path, NULL, &err), 0);
    assert_string_equal(source_arch(s)->name, "qwen3");
    const struct source_tensor *t = source_role(s, ROLE_FFN_DOWN, 2);
    const float *x = (const float *)(const void *)t->part->data;
    for (size_t i = 0; i < 40 * 32; i++)
        sum += (double)x[i] * (double)x[i];
    /* 0.1^2 / (2 * 3), within 4 standard deviations of 1280 draws */
    assert_true(sum / 1280 > 0.01 / 6 * 0.84 && sum / 1280 < 0.01 / 6 * 1.16);
    x = (const float *)(const void *)source_role(s, ROLE_ATTN_Q_NORM, 1)->part->data;
    assert_true(x[7] == 1);
    source_free(s);
    assert_int_equal(make(&about, f, &spec, &err), 0);
    assert_int_equal(slurp(two, f->path), n);
    assert_memory_equal(one, two, n);
    spec.seed = 6;
    assert_int_equal(make(&about, f, &spec, &err), 0);
    assert_int_equal(slurp(two, f->path), n);
    assert_memory_not_equal(one, two, n);
}

/* The first and the last stay, of the others those of most influence. */
static void test_distill_student_ends(void **state)
{
    struct fixture *f = *state;
    const struct model_opts opts = {.math = KERN_F32};
    const struct student_spec deep = {.from = f->other, .seed = 6};
    const struct student_spec any = {.layers = "3"}, ends = {.layers = "3", .ends = 1};
    struct student_about about;
    struct err err = {0};
    uint64_t best = 1;

    spit(f->other, CONFIG(6));
    assert_int_equal(make(&about, f, &deep, &err), 0);
    model_free(f->m);
    assert_int_equal(model_open(&f->m, f->path, &opts, &err), 0);
    assert_int_equal(make(&about, f, &any, &err), 0);
    assert_false(about.kept_layers[0] == 0 && about.kept_layers[2] == 5); /* else it says nothing */
    student_about_release(&about);
    assert_int_equal(make(&about, f, &ends, &err), 0);
    for (uint64_t l = 1; l < 5; l++)
        best = about.influence[l] > about.influence[best] ? l : best;
    assert_int_equal(about.kept_layers[0], 0);
    assert_int_equal(about.kept_layers[1], best);
    assert_int_equal(about.kept_layers[2], 5);
    student_about_release(&about);
}

/* Weights that were read come back, in F32 and rounded; other weights do too. */
static void test_distill_student_output(void **state)
{
    struct fixture *f = *state;
    const struct source *start = model_source(f->m);
    struct params ps = {0}, back = {0};
    struct source *s;
    struct err err = {0};

    assert_int_equal(params_read(&ps, start, &err), 0);
    for (size_t i = 0; i < ps.n; i++)
        for (size_t k = 0; k < ps.p[i].n; k++)
            ps.w[ps.p[i].at + k] *= 1.5F;
    assert_int_equal(student_write_gguf(f->path, start, &ps, DTYPE_F32, &err), 0);
    assert_int_equal(source_open(&s, f->path, NULL, &err), 0);
    assert_int_equal(params_read(&back, s, &err), 0);
    assert_int_equal(back.n_values, ps.n_values);
    assert_memory_equal(back.w, ps.w, ps.n_values * sizeof(float));
    params_release(&back);
    source_free(s);
    assert_int_equal(student_write_gguf(f->path, start, &ps, DTYPE_BF16, &err), 0);
    assert_int_equal(source_open(&s, f->path, NULL, &err), 0);
    assert_int_equal(source_role(s, ROLE_ATTN_Q, 0)->type, DTYPE_BF16);
    assert_int_equal(source_role(s, ROLE_ATTN_NORM, 0)->type, DTYPE_F32);
    source_free(s);
    params_release(&ps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_distill_student_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_layers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_influence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_width, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_fresh, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_distill_student_output, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
