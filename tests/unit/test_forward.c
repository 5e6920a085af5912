/* What families ask of the forward pass, one thing at a time and together: a small model
 * whose metadata asks for it against a plain forward pass in double. */

#include "formats/base/cpu.h"
#include "runtime/model.h"
#include "runtime/session.h"
#include "tests/plain.h"
#include "tests/small.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { VOCAB = SMALL_VOCAB, N = 45 };

static const float first_only[] = {1, 0};

static double gelu_tanh(double v)
{
    return v / 2 * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
}

static double gelu_erf(double v)
{
    return v / 2 * (1 + erf(v / sqrt(2)));
}

static double relu2(double v)
{
    return v > 0 ? v * v : 0;
}

static double relu(double v)
{
    return fmax(v, 0);
}

static double quick(double v)
{
    return v / (1 + exp(-1.702 * v));
}

static double softplus(double v)
{
    return log1p(exp(v));
}

/* alpha_p 0.8, alpha_n 0.3, beta 0.5, eps -1e-6 */
static double xielu(double v)
{
    const double b = 0.5 + softplus(0.3);

    return v > 0 ? softplus(0.8) * v * v + 0.5 * v : b * (expm1(fmin(v, -1e-6)) - v) + 0.5 * v;
}

static const struct a_case {
    const char *what;
    struct small_num nums[6];
    struct plain how;
} cases[] = {
    {"windows in some layers",
     {{"pare.arch.window", 5, NULL}, {"pare.arch.at_window", 0, first_only}},
     {.window = 5, .only_first = true}                                                                             },
    {"chunks",                            {{"pare.arch.chunk", 7, NULL}},                       {.chunk = 7}       },
    {"chunks in some layers",
     {{"pare.arch.chunk", 7, NULL}, {"pare.arch.at_window", 0, first_only}},
     {.chunk = 7, .only_first = true}                                                                              },
    {"unrotated layers",                  {{"pare.arch.at_rope", 0, first_only}},               {.skip_rope = true}},
    {"ALiBi",
     {{"pare.arch.position", POS_ALIBI, NULL}, {"pare.arch.alibi_max", 8, NULL}},
     {.alibi = true, .alibi_max = 8}                                                                               },
    {"caps",
     {{"pare.arch.attn_cap", 2, NULL}, {"pare.arch.logit_cap", 1.5F, NULL}},
     {.cap = 2, .logit_cap = 1.5}                                                                                  },
    {"scales",
     {{"pare.arch.attn_scale", 0.75F, NULL},
      {"pare.arch.embd_scale", 2.5F, NULL},
      {"pare.arch.residual_scale", 0.25F, NULL},
      {"pare.arch.logit_scale", 0.125F, NULL}},
     {.scale = 0.75, .embd_scale = 2.5, .residual_scale = 0.25, .logit_scale = 0.125}                              },
    {"cut off queries",                   {{"pare.arch.clamp_qkv", 0.5F, NULL}},                {.clamp = 0.5}     },
    {"parallel blocks",                   {{"pare.arch.parallel", 1, NULL}},                    {.parallel = true} },
    {"normalised queries",                {{"pare.arch.qk_norm", QK_L2, NULL}},                 {.l2 = true}       },
    {"temperature",
     {{"pare.arch.rope_temperature", 0.5F, NULL}, {"pare.arch.rope_temperature_ctx", 8, NULL}},
     {.temp = 0.5, .temp_ctx = 8}                                                                                  },
    {"temperature where nothing rotates",
     {{"pare.arch.rope_temperature", 0.5F, NULL},
      {"pare.arch.rope_temperature_ctx", 8, NULL},
      {"pare.arch.at_rope", 0, first_only}},
     {.temp = 0.5, .temp_ctx = 8, .skip_rope = true}                                                               },
    {"GELU by tanh",                      {{"pare.arch.act", ACT_GELU_TANH, NULL}},             {.act = gelu_tanh} },
    {"GELU",                              {{"pare.arch.act", ACT_GELU_ERF, NULL}},              {.act = gelu_erf}  },
    {"quick GELU",                        {{"pare.arch.act", ACT_GELU_QUICK, NULL}},            {.act = quick}     },
    {"ReLU",                              {{"pare.arch.act", ACT_RELU, NULL}},                  {.act = relu}      },
    {"squared ReLU",                      {{"pare.arch.act", ACT_RELU2, NULL}},                 {.act = relu2}     },
    {"xIELU",
     {{"pare.arch.act", ACT_XIELU, NULL},
      {"pare.arch.xielu_alpha_p", 0.8F, NULL},
      {"pare.arch.xielu_alpha_n", 0.3F, NULL},
      {"pare.arch.xielu_beta", 0.5F, NULL},
      {"pare.arch.xielu_eps", -1e-6F, NULL}},
     {.act = xielu}                                                                                                },
    {"Gemma 2's",
     {{"pare.arch.window", 6, NULL},
      {"pare.arch.at_window", 0, first_only},
      {"pare.arch.attn_cap", 3, NULL},
      {"pare.arch.act", ACT_GELU_TANH, NULL},
      {"pare.arch.embd_scale", 2, NULL}},
     {.window = 6, .only_first = true, .cap = 3, .act = gelu_tanh, .embd_scale = 2}                                },
};

/* *worst = the largest error of any logit, `portion` tokens at a time. */
static void run(double *worst, const struct small *t, const double *want, unsigned cpu,
                size_t portion)
{
    const struct model_opts o = {.cpu = cpu, .math = KERN_F32};
    const struct par par = {.n_threads = 1};
    struct model *m = NULL;
    struct sess *s = NULL;
    struct err err = {0};
    int32_t ids[N];
    float got[N * VOCAB];

    small_ids(ids, N, 2);
    if (model_open(&m, t->path, &o, &err))
        print_message("%s\n", err.msg);
    assert_non_null(m);
    assert_int_equal(sess_new(&s, m, N, portion, &par, &err), 0);
    for (size_t i = 0; i < N; i += portion) {
        const size_t n = N - i < portion ? N - i : portion;
        assert_int_equal(sess_eval(s, ids + i, n, got + i * VOCAB, n, &err), 0);
    }
    for (size_t i = 0; i < (size_t)N * VOCAB; i++)
        *worst = fmax(*worst, fabs((double)got[i] - want[i]));
    sess_free(s);
    model_free(m);
}

/* Logits are of order 1; F32 sums err by some 1e-6. */
static void test_forward_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct a_case *c = &cases[i];
        const struct small_tweak w = {.nums = c->nums};
        struct small t;
        struct err err = {0};
        int32_t ids[N];
        double want[N * VOCAB], llama[N * VOCAB], worst = 0, differs = 0;

        assert_int_equal(small_new(&t, &w, &err), 0);
        small_ids(ids, N, 2);
        plain_run(want, &t, ids, N, &c->how);
        plain_run(llama, &t, ids, N, NULL);
        run(&worst, &t, want, 0, N);
        run(&worst, &t, want, cpu_detect(), N);
        run(&worst, &t, want, cpu_detect(), 4);
        run(&worst, &t, want, cpu_detect(), 1);
        for (size_t j = 0; j < (size_t)N * VOCAB; j++)
            differs = fmax(differs, fabs(want[j] - llama[j]));
        if (!(worst < 1e-4) || !(differs > 1e-2))
            print_message("%s: off by %g; a Llama differs by %g\n", c->what, worst, differs);
        assert_true(worst < 1e-4);
        assert_true(differs > 1e-2);
        small_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forward_cases)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
