#include "recipes/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(struct recipe *r, const char *text, struct err *err)
{
    return recipe_parse(r, "dir/tiny.yaml", text, strlen(text), NULL, 0, err);
}

static void test_recipe_whole(void **state)
{
    struct recipe r;
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
                           "report: {html: r.html, json: out/r.json}\n",
                           &err),
                     0);
    assert_string_equal(r.name, "small");
    assert_string_equal(r.model, "dir/m");
    assert_int_equal(r.n_quant, 3);
    assert_string_equal(r.quant[0].name, "Q8_0");
    assert_false(r.quant[0].pure);
    assert_string_equal(r.quant[1].name, "flat");
    assert_string_equal(mix_name(r.quant[1].mix), "Q6_K");
    assert_true(r.quant[1].pure);
    assert_int_equal(r.quant[2].output_type, DTYPE_Q8_0);
    assert_string_equal(r.text, "/t.txt");
    assert_int_equal(r.n_chunks, 3);
    assert_int_equal(r.n_ctx, 64);
    assert_string_equal(r.html, "r.html");
    assert_string_equal(r.json, "out/r.json");
    recipe_release(&r);
}

static void test_recipe_defaults(void **state)
{
    struct recipe r;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(&r, "model: .\nevaluate: {text: t}\n", &err), 0);
    assert_string_equal(r.name, "tiny");
    assert_string_equal(r.model, "dir");
    assert_string_equal(r.text, "dir/t");
    assert_string_equal(r.text_as_told, "t");
    assert_int_equal(r.n_ctx, 512);
    assert_int_equal(r.n_chunks, 0);
    assert_null(r.html);
    recipe_release(&r);

    const char *here = "model: .\nquantize: [Q8_0]\n";
    assert_int_equal(recipe_parse(&r, "x.yaml", here, strlen(here), NULL, 0, &err), 0);
    assert_string_equal(r.model, ".");
    recipe_release(&r);
}

static void test_recipe_sets(void **state)
{
    const char *text = "model: m\nquantize: [Q8_0]\n";
    const char *const sets[] = {"evaluate.chunks=2", "evaluate.text=a/b.txt", "model=./other",
                                "quantize=[Q4_0, {name: x, mix: Q6_K}]"};
    const char *const no_key[] = {"chunks"}, *const in_list[] = {"quantize.0=Q4_0"};
    const char *const unknown[] = {"evaluate.speed=2"};
    struct recipe r;
    struct err err = {0};

    (void)state;
    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text), sets, 4, &err), 0);
    assert_int_equal(r.n_chunks, 2);
    /* paths from the command line begin where the user stands */
    assert_string_equal(r.text, "a/b.txt");
    assert_string_equal(r.model, "./other");
    assert_int_equal(r.n_quant, 2);
    recipe_release(&r);

    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text), no_key, 1, &err), ERR_ARG);
    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text), in_list, 1, &err), ERR_ARG);
    assert_int_equal(recipe_parse(&r, "dir/a.yaml", text, strlen(text), unknown, 1, &err),
                     ERR_FORMAT);
    assert_non_null(strstr(err.msg, "--set"));
}

/* What is wrong, and where the message says it is. */
static const struct {
    const char *text;
    enum err_code code;
    const char *says;
} wrong[] = {
    {"",                                                              ERR_FORMAT,      "the file is empty"                           },
    {"- a\n",                                                         ERR_FORMAT,      "line 1, column 1: the recipe: expected keys" },
    {"model: m\nquantise: [Q8_0]\n",                                  ERR_FORMAT,
     "line 2, column 11: unknown key \"quantise\" (known: name, model, quantize, evaluate, "
     "report, calibrate)"                                                                                                            },
    {"model: m\nquantize: [Q8_0]\ncalibrate: {chunks: 3}\n",          ERR_FORMAT,
     "line 3, column 12: calibrate: expected a text: to collect importance on"                                                       },
    {"model: m\nquantize: [Q8_0]\ndistill: []\n",                     ERR_UNSUPPORTED,
     "line 3, column 10: distill is not supported"                                                                                   },
    {"model: m\nquantize: [Q8_0]\ngate: {}\n",                        ERR_UNSUPPORTED,
     "line 3, column 7: gate is not supported"                                                                                       },
    {"model: m\nquantize:\n- {name: a, target_size: 90MiB}\n",        ERR_UNSUPPORTED,
     "line 3, column 26: target_size is not"                                                                                         },
    {"model: m\nevaluate: {text: t, tasks: [x]}\n",                   ERR_UNSUPPORTED, "tasks is not supported"                      },
    {"quantize: [Q8_0]\n",                                            ERR_FORMAT,      "expected a model:"                           },
    {"model: m\n",                                                    ERR_FORMAT,      "nothing to do"                               },
    {"model: [m]\nquantize: [Q8_0]\n",                                ERR_FORMAT,      "line 1, column 8: model: expected text"      },
    {"model: m\nquantize: Q8_0\n",                                    ERR_FORMAT,      "line 2, column 11: quantize: expected a list"},
    {"model: m\nquantize: [Q7_0]\n",                                  ERR_FORMAT,      "line 2, column 12: unknown mix \"Q7_0\"; the"},
    {"model: m\nquantize: [Q8_0, q8_0]\n",                            ERR_FORMAT,      "two variants named \"Q8_0\""                 },
    {"model: m\nquantize: [{name: a}]\n",                             ERR_FORMAT,      "expected a mix or type"                      },
    {"model: m\nquantize: [{mix: Q8_0, type: Q8_0}]\n",               ERR_FORMAT,      "found both"                                  },
    {"model: m\nquantize: [{mix: Q8_0, pure: maybe}]\n",              ERR_FORMAT,
     "pure: expected true or false"                                                                                                  },
    {"model: m\nquantize: [{mix: Q8_0, output_type: Q9}]\n",          ERR_FORMAT,
     "\"Q9\" is no type of a matrix"                                                                                                 },
    {"model: m\nquantize: [{mix: Q8_0, name: a/b}]\n",                ERR_FORMAT,      "\"a/b\" is no name"                          },
    {"model: m\nname: ../x\nquantize: [Q8_0]\n",                      ERR_FORMAT,      "\"../x\" is no name"                         },
    {"model: m\nevaluate: {chunks: 2}\n",                             ERR_FORMAT,      "expected a text:"                            },
    {"model: m\nevaluate: {text: t, chunks: -1}\n",                   ERR_FORMAT,
     "chunks: expected a whole number, 1 or more"                                                                                    },
    {"model: m\nevaluate: {text: t, ctx: 7}\n",                       ERR_FORMAT,
     "ctx: expected a whole number, 8 or more"                                                                                       },
    {"model: m\nevaluate: {text: t, ctx: 99999999999999999999999}\n", ERR_FORMAT,      "ctx: expected"                               },
    {"model: m\nquantize: [Q8_0]\nreport: {html: h}\n",               ERR_FORMAT,      "report: needs evaluate:"                     },
    {"model: m\nevaluate: {text: t}\nreport: {html: /h}\n",           ERR_FORMAT,      "inside the output folder"                    },
    {"model: m\nevaluate: {text: t}\nreport: {html: ../h}\n",         ERR_FORMAT,
     "inside the output folder"                                                                                                      },
    {"model: m\nmodel: n\n",                                          ERR_FORMAT,      "line 2, column 1: duplicate key \"model\""   },
    {"model: {m\n",                                                   ERR_FORMAT,      "line 2"                                      },
};

static void test_recipe_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct recipe r;
        struct err err = {0};
        const int rc = parse(&r, wrong[i].text, &err);
        if (rc != wrong[i].code || !strstr(err.msg, wrong[i].says))
            fail_msg("%s\ngave %d: %s", wrong[i].text, rc, err.msg);
        assert_memory_equal(err.msg, "dir/tiny.yaml: ", strlen("dir/tiny.yaml: "));
    }
}

static void test_recipe_load(void **state)
{
    struct recipe r;
    struct err err = {0};

    (void)state;
    assert_int_equal(recipe_load(&r, "no/such.yaml", NULL, 0, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "no/such.yaml"));
    assert_int_equal(recipe_load(&r, "recipes/demo/demo.yaml", NULL, 0, &err), 0);
    assert_string_equal(r.model, "recipes/demo");
    recipe_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_whole), cmocka_unit_test(test_recipe_defaults),
        cmocka_unit_test(test_recipe_sets),  cmocka_unit_test(test_recipe_wrong),
        cmocka_unit_test(test_recipe_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
