#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/general.h"

#include <string.h>

static void test_general_title(void **state)
{
    static const char *const rows[][2] = {
        {"tiny-llama-v1.2",                      "Tiny Llama v1.2"                     },
        {"llama3-rope",                          "Llama3 Rope"                         },
        {"llama-k256",                           "Llama K256"                          },
        {"Tiny-Random-Llama-0.3M-Instruct-v1.2", "Tiny Random Llama 0.3M Instruct v1.2"},
        {"a--b  c",                              "A B C"                               },
        {"foo_bar v2x 7b UPPER",                 "Foo_Bar V2X 7b UPPER"                },
        {"",                                     ""                                    },
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(general_title(&arena, rows[i][0]), rows[i][1]);
    arena_release(&arena);
}

static const char *text(const char *s)
{
    return s ? s : "-";
}

/* Expected values are the reference converter's. */
static void test_general_id_parse(void **state)
{
    static const struct {
        const char *id;
        uint64_t n;
        const char *org, *basename, *finetune, *version, *size;
    } rows[] = {
        {"Tiny-Random-Llama-0.3M-Instruct-v1.2", 131392,      "-",          "Tiny-Random-Llama", "0.3m-Instruct",
         "v1.2",                                                                                                          "-"      },
        {"meta-llama/Llama-2-7b-chat-hf",        7000000000,  "meta-llama", "Llama-2",           "chat-hf",       "-",
         "7B"                                                                                                                      },
        {"Mixtral-8x7B-Instruct-v0.1",           46700000000, "-",          "Mixtral",           "Instruct",      "v0.1", "8x7B"   },
        {"bloom-7b1",                            7000000000,  "-",          "bloom",             "-",             "-",    "7.1B"   },
        {"llama-gqa",                            170304,      "-",          "-",                 "-",             "-",    "-"      },
        {"x-mini-7B-small-7B",                   7000000000,  "-",          "x-mini",            "small",         "-",    "7B"     },
        {"phi-mini",                             100,         "-",          "phi",               "-",             "-",    "mini"   },
        {"./Model-1.5b-v2",                      0,           "-",          "Model",             "-",             "v2",   "1.5B"   },
        {"a sentence-7B",                        0,           "-",          "-",                 "-",             "-",    "-"      },
        {"Qwen3-30B-A3B-Q4_K_M",                 0,           "-",          "Qwen3",             "-",             "-",    "30B-A3B"},
    };
    struct arena arena = {0};
    struct general_id id;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(general_id_parse(&id, &arena, rows[i].id, rows[i].n, &err), 0);
        assert_string_equal(text(id.org), rows[i].org);
        assert_string_equal(text(id.basename), rows[i].basename);
        assert_string_equal(text(id.finetune), rows[i].finetune);
        assert_string_equal(text(id.version), rows[i].version);
        assert_string_equal(text(id.size_label), rows[i].size);
    }
    arena_release(&arena);
}

/* More parts than there is room for are no reason to fail. */
static void test_general_id_long(void **state)
{
    char id[4096];
    struct arena arena = {0};
    struct general_id out;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(id) - 1; i++)
        id[i] = i % 2 ? '-' : 'a';
    id[sizeof(id) - 1] = '\0';
    assert_int_equal(general_id_parse(&out, &arena, id, 1, &err), 0);
    assert_ptr_equal(out.full, id);
    arena_release(&arena);
}

static void test_general_size_label(void **state)
{
    static const struct {
        struct general_size size;
        const char *label;
    } rows[] = {
        {{.total = 170304},                                                           "170K"  },
        {{.total = 1705216},                                                          "1.7M"  },
        {{.total = 134515008},                                                        "135M"  },
        {{.total = 9440000},                                                          "9.4M"  },
        {{.total = 9940000},                                                          "10M"   },
        {{.total = 450},                                                              "0.45K" },
        {{.total = 46702792704, .shared = 1605, .expert = 5637144576, .n_expert = 8}, "8x5.6B"},
        {{.total = 1500000000000},                                                    "1.5T"  },
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(general_size_label(&arena, &rows[i].size), rows[i].label);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general_title),
        cmocka_unit_test(test_general_id_parse),
        cmocka_unit_test(test_general_id_long),
        cmocka_unit_test(test_general_size_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
