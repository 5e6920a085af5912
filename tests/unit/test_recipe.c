#include "recipes/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A variable that is set, one that is empty, and none. */
static const char *variable(void *arg, const char *name)
{
    (void)arg;
    if (!strcmp(name, "TEXT"))
        return "some ${TEXT}.txt";
    return !strcmp(name, "EMPTY") ? "" : NULL;
}

static int parse(struct recipe_list *r, const char *text, struct err *err)
{
    const struct recipe_opts opts = {.env = variable};

    return recipe_parse(r, "dir/tiny.yaml", text, strlen(text), &opts, err);
}

static void test_recipe_whole(void **state)
{
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&r,
                           "name: small\n"
                           "model: ./m\n"
                           "quantize:\n"
                           "  - Q8_0\n"
                           "  - {name: flat, type: Q6_K}\n"
                           "  - {mix: Q4_K_M, output_type: Q8_0, name: q4}\n"
                           "evaluate: {text: /t.txt, chunks: 3, ctx: 64}\n"
                           "report: {html: r.at->report.html, json: out/r.at->report.json}\n",
                           &err),
                     0);
    assert_string_equal(r.at->name, "small");
    assert_string_equal(r.at->model.path, "dir/m");
    assert_int_equal(r.at->n_quant, 3);
    assert_string_equal(r.at->quant[0].name, "Q8_0");
    assert_false(r.at->quant[0].pure);
    assert_string_equal(r.at->quant[1].name, "flat");
    assert_string_equal(mix_name(r.at->quant[1].mix), "Q6_K");
    assert_true(r.at->quant[1].pure);
    assert_int_equal(r.at->quant[2].output_type, DTYPE_Q8_0);
    assert_string_equal(r.at->text.path, "/t.txt");
    assert_int_equal(r.at->n_chunks, 3);
    assert_int_equal(r.at->n_ctx, 64);
    assert_string_equal(r.at->report.path[0], "r.at->report.html");
    assert_string_equal(r.at->report.path[1], "out/r.at->report.json");
    recipe_release(&r);
}

static void test_recipe_defaults(void **state)
{
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&r, "model: .\nevaluate: {text: t}\n", &err), 0);
    assert_string_equal(r.at->name, "tiny");
    assert_string_equal(r.at->model.path, "dir");
    assert_string_equal(r.at->text.path, "dir/t");
    assert_string_equal(r.at->text.as_told, "t");
    assert_int_equal(r.at->n_ctx, 512);
    assert_int_equal(r.at->n_chunks, 0);
    assert_null(r.at->report.path[0]);
    recipe_release(&r);

    const char *here = "model: .\nquantize: [Q8_0]\n";
    assert_int_equal(recipe_parse(&r, "x.yaml", here, strlen(here),
                                  &(struct recipe_opts){.sets = NULL, .n_sets = 0}, &err),
                     0);
    assert_string_equal(r.at->model.path, ".");
    recipe_release(&r);
}

static void test_recipe_sets(void **state)
{
    const char *text = "model: m\nquantize: [Q8_0]\n";
    const char *const sets[] = {"evaluate.chunks=2", "evaluate.text=a/b.txt", "model=./other",
                                "quantize=[Q4_0, {name: x, mix: Q6_K}]"};
    const char *const no_key[] = {"chunks"}, *const in_list[] = {"quantize.0=Q4_0"};
    const char *const unknown[] = {"evaluate.speed=2"};
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text),
                                  &(struct recipe_opts){.sets = sets, .n_sets = 4}, &err),
                     0);
    assert_int_equal(r.at->n_chunks, 2);
    /* paths from the command line begin where the user stands */
    assert_string_equal(r.at->text.path, "a/b.txt");
    assert_string_equal(r.at->model.path, "./other");
    assert_int_equal(r.at->n_quant, 2);
    recipe_release(&r);

    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text),
                                  &(struct recipe_opts){.sets = no_key, .n_sets = 1}, &err),
                     ERR_ARG);
    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text),
                                  &(struct recipe_opts){.sets = in_list, .n_sets = 1}, &err),
                     ERR_ARG);
    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text),
                                  &(struct recipe_opts){.sets = unknown, .n_sets = 1}, &err),
                     ERR_FORMAT);
    assert_non_null(strstr(err.msg, "--set"));
}

/* Variables, escapes, and texts that only look like one. */
static void test_recipe_variables(void **state)
{
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&r,
                           "model: a$b$$c${NONE:-d e}\n"
                           "name: \"${EMPTY:-x}\"\n"
                           "quantize: [{mix: Q8_0, tensor_type: {\"a${NONE}\": Q6_K}}]\n"
                           "evaluate: {text: \"${TEXT}$${TEXT}\"}\n",
                           &err),
                     0);
    assert_string_equal(r.at->model.as_told, "a$b$$cd e");
    assert_string_equal(r.at->name, "x");
    /* a value that looks like a variable is text; keys are as they are written */
    assert_string_equal(r.at->text.as_told, "some ${TEXT}.txt${TEXT}");
    assert_string_equal(r.at->quant[0].overrides[0].pattern, "a${NONE}");
    recipe_release(&r);
}

static void test_recipe_gates(void **state)
{
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&r,
                           "model: m\nquantize: [Q8_0, Q4_0]\nevaluate: {text: t}\ngate:\n"
                           "- kld <= 0.5\n"
                           "- Q4_0: {ppl_ratio: \"<= 1.1 at 95%\", size_ratio: \"< 0.3\"}\n"
                           "- Q8_0: [not worse than base.json, bytes <= 100000]\n",
                           &err),
                     0);
    assert_int_equal(r.at->n_gates, 5);
    assert_null(r.at->gate[0].model);
    assert_string_equal(r.at->gate[1].model, "Q4_0");
    assert_int_equal(r.at->gate[2].op, GATE_LT);
    assert_string_equal(r.at->gate[3].baseline, "dir/base.json");
    assert_string_equal(r.at->gate[4].model, "Q8_0");
    recipe_release(&r);
}

static void test_recipe_matrix(void **state)
{
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&r,
                           "matrix: {model: [a/b.gguf, c], mix: [Q4_K_M, Q6_K], out: [Q8_0]}\n"
                           "quantize:\n"
                           "- {mix: \"${matrix.mix}\", output_type: \"${{ matrix.out }}\"}\n"
                           "- {name: all, mix: Q8_0}\n"
                           "evaluate: {text: t, kernels: fast}\n",
                           &err),
                     0);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.at[0].suffix, "b");
    assert_string_equal(r.at[0].name, "tiny-b");
    assert_string_equal(r.at[0].model.path, "dir/a/b.gguf");
    assert_string_equal(r.at[1].name, "tiny-c");
    assert_int_equal(r.at[1].n_quant, 3);
    assert_string_equal(r.at[1].quant[1].name, "Q6_K-Q8_0");
    assert_int_equal(r.at[1].quant[1].output_type, DTYPE_Q8_0);
    assert_string_equal(r.at[1].quant[2].name, "all");
    assert_int_equal(r.at[1].kernels, KERN_INT16);
    recipe_release(&r);
}

/* What is wrong, and where the message says it is. */
static const struct {
    const char *text;
    enum err_code code;
    const char *says;
} wrong[] = {
    {"",                                                                          ERR_FORMAT,      "the file is empty"                           },
    {"- a\n",                                                                     ERR_FORMAT,      "line 1, column 1: the recipe: expected keys" },
    {"model: m\nquantise: [Q8_0]\n",                                              ERR_FORMAT,
     "line 2, column 11: unknown key \"quantise\" (known: name, model, quantize, evaluate, "
     "report, calibrate, "                                                                                                                       },
    {"model: m\nquantize: [Q8_0]\ncalibrate: {chunks: 3}\n",                      ERR_FORMAT,
     "line 3, column 12: calibrate: expected a text: to collect importance on"                                                                   },
    {"model: m\ndistill: 3\n",                                                    ERR_FORMAT,      "line 2, column 10: distill: expected a list" },
    {"model: m\ndistill: [{layers: 2}]\n",                                        ERR_FORMAT,      "line 2, column 11: expected a name:"         },
    {"model: m\ndistill: [{name: x, layers: 2}]\n",                               ERR_FORMAT,      "x: expected a text: to train on"             },
    {"model: m\ndistill: [{name: x, text: t, kv_heads: two}]\n",                  ERR_FORMAT,
     "line 2, column 40: kv_heads: expected a whole number"                                                                                      },
    {"model: m\ndistill: [{name: x, text: t, cache: f}]\n",                       ERR_FORMAT,      "unknown key \"cache\""                       },
    {"model: m\ndistill: [{name: x, text: t, loss: best}]\n",                     ERR_FORMAT,      "loss 'best'"                                 },
    {"model: m\nquantize: [Q8_0]\ndistill: [{name: Q8_0, text: t}]\n",            ERR_FORMAT,
     "two variants named \"Q8_0\""                                                                                                               },
    {"model: m\ndistill: [{name: x, text: t, then: [Q8_0, Q8_0]}]\n",             ERR_FORMAT,
     "two variants named \"Q8_0\""                                                                                                               },
    {"model: m\nquantize: [Q8_0]\ngate: {}\n",                                    ERR_FORMAT,
     "line 3, column 7: gate: needs evaluate:"                                                                                                   },
    {"model: m\nevaluate: {text: t}\ngate: [kdl <= 3]\n",                         ERR_FORMAT,      "line 3, column 8: gate"                      },
    {"model: m\nquantize: [Q8_0]\nevaluate: {text: t}\ngate: {Q4_0: kld <= 3}\n", ERR_FORMAT,
     "line 4, column 14: gate \"Q4_0: kld <= 3\": there is no model"                                                                             },
    {"model: m\nquantize:\n- {name: a, target_size: 90MiB}\n",                    ERR_UNSUPPORTED,
     "line 3, column 26: target_size is not"                                                                                                     },
    {"quantize: [Q8_0]\n",                                                        ERR_FORMAT,      "expected a model:"                           },
    {"model: m\n",                                                                ERR_FORMAT,      "nothing to do"                               },
    {"model: [m]\nquantize: [Q8_0]\n",                                            ERR_FORMAT,
     "line 1, column 8: model: expected one (several: matrix:"                                                                                   },
    {"model: m\nquantize: Q8_0\n",                                                ERR_FORMAT,      "line 2, column 11: quantize: expected a list"},
    {"model: m\nquantize: [Q7_0]\n",                                              ERR_FORMAT,      "line 2, column 12: unknown mix \"Q7_0\"; the"},
    {"model: m\nquantize: [Q8_0, q8_0]\n",                                        ERR_FORMAT,      "two variants named \"Q8_0\""                 },
    {"model: m\nquantize: [{name: a}]\n",                                         ERR_FORMAT,      "expected a mix or type"                      },
    {"model: m\nquantize: [{mix: Q8_0, type: Q8_0}]\n",                           ERR_FORMAT,      "found both"                                  },
    {"model: m\nquantize: [{mix: Q8_0, pure: maybe}]\n",                          ERR_FORMAT,
     "pure: expected true or false"                                                                                                              },
    {"model: m\nquantize: [{mix: Q8_0, output_type: Q9}]\n",                      ERR_FORMAT,
     "\"Q9\" is no type of a matrix"                                                                                                             },
    {"model: m\nquantize: [{mix: Q8_0, name: a/b}]\n",                            ERR_FORMAT,      "\"a/b\" is no name"                          },
    {"model: m\nname: ../x\nquantize: [Q8_0]\n",                                  ERR_FORMAT,      "\"../x\" is no name"                         },
    {"model: m\nevaluate: {chunks: 2}\n",                                         ERR_FORMAT,      "expected a text:"                            },
    {"model: m\nevaluate: {text: t, chunks: -1}\n",                               ERR_FORMAT,
     "chunks: expected a whole number, 1 or more"                                                                                                },
    {"model: m\nevaluate: {text: t, ctx: 7}\n",                                   ERR_FORMAT,
     "ctx: expected a whole number, 8 or more"                                                                                                   },
    {"model: m\nevaluate: {text: t, ctx: 99999999999999999999999}\n",             ERR_FORMAT,      "ctx: expected"                               },
    {"model: m\nquantize: [Q8_0]\nreport: {html: h}\n",                           ERR_FORMAT,      "report: needs evaluate:"                     },
    {"model: m\nevaluate: {text: t}\nreport: {html: /h}\n",                       ERR_FORMAT,      "inside the output folder"                    },
    {"model: m\nevaluate: {text: t}\nreport: {html: ../h}\n",                     ERR_FORMAT,
     "inside the output folder"                                                                                                                  },
    {"model: m\nmodel: n\n",                                                      ERR_FORMAT,      "line 2, column 1: duplicate key \"model\""   },
    {"model: {m\n",                                                               ERR_FORMAT,      "line 2"                                      },
};

static void test_recipe_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct recipe_list r;
        struct err err = {0};
        const int rc = parse(&r, wrong[i].text, &err);
        if (rc != wrong[i].code || !strstr(err.msg, wrong[i].says))
            fail_msg("%s\ngave %d: %s", wrong[i].text, rc, err.msg);
        assert_memory_equal(err.msg, "dir/tiny.yaml: ", strlen("dir/tiny.yaml: "));
    }
}

static void test_recipe_load(void **state)
{
    const struct recipe_opts none = {0};
    struct recipe_list r;
    struct err err = {0};

    (void)state;
    assert_int_equal(recipe_load(&r, "no/such.yaml", &none, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "no/such.yaml"));
    assert_int_equal(recipe_load(&r, "recipes/demo/demo.yaml", &none, &err), 0);
    assert_string_equal(r.at->model.path, "recipes/demo");
    recipe_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_whole),  cmocka_unit_test(test_recipe_defaults),
        cmocka_unit_test(test_recipe_sets),   cmocka_unit_test(test_recipe_wrong),
        cmocka_unit_test(test_recipe_load),   cmocka_unit_test(test_recipe_variables),
        cmocka_unit_test(test_recipe_matrix), cmocka_unit_test(test_recipe_gates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
