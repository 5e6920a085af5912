#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/task_file.h"
#include "eval/task_text.h"

#include <string.h>

/* ---- texts ------------------------------------------------------------------------------------- */

static void expect_strip(const char *text, const char *both, const char *right)
{
    const struct task_span a = task_strip(task_span(text)), b = task_rstrip(task_span(text));

    assert_int_equal(a.n, strlen(both));
    assert_memory_equal(a.p, both, a.n);
    assert_int_equal(b.n, strlen(right));
    assert_memory_equal(b.p, right, b.n);
}

/* The expected values are what Python's str.strip and rstrip give. */
static void test_task_strip(void **state)
{
    (void)state;
    expect_strip(" a b \n", "a b", " a b");
    expect_strip("\xc2\xa0x\xe2\x80\x83\xe3\x80\x80", "x", "\xc2\xa0x");   /* NBSP, em, wide */
    expect_strip("\x1fx\x1c\xc2\x85", "x", "\x1fx");                       /* separators */
    expect_strip("\xe2\x80\x8bx\xe2\x80\x8b", "\xe2\x80\x8bx\xe2\x80\x8b", /* zero width: */
                 "\xe2\x80\x8bx\xe2\x80\x8b");                             /* not a space */
    expect_strip(" \t ", "", "");
    expect_strip("", "", "");
    assert_int_equal(task_chars(task_span("a\xc3\xa9\xe5\xb0\x8f\xf0\x9f\x98\x80")), 4);
}

static void expect_text(struct buf *b, const char *want)
{
    assert_string_equal(b->p ? b->p : "", want);
    buf_release(b);
}

static void test_task_capitalize(void **state)
{
    struct buf b = {0};

    (void)state;
    task_capitalize(&b, task_span("then She MET McDonald"));
    expect_text(&b, "Then she met mcdonald");
    task_capitalize(&b, task_span("\xc3\xa9\xc3\x89!"));
    expect_text(&b, "\xc3\x89\xc3\xa9!");
    task_capitalize(&b, task_span(""));
    expect_text(&b, "");
}

/* As re.sub(r"\[.*?\]", "", text) and the replacements around it. */
static void test_task_clean(void **state)
{
    struct buf b = {0};

    (void)state;
    task_clean(&b, task_span("  One [title] Two [step] three   four "));
    expect_text(&b, "One. Two three  four");
    task_clean(&b, task_span("a [b [c] d] e"));
    expect_text(&b, "a d] e");
    task_clean(&b, task_span("a [b\nc] [d] e ["));
    expect_text(&b, "a [b\nc] e [");
    task_clean(&b, task_span("[header]"));
    expect_text(&b, "");
}

/* ---- layouts ------------------------------------------------------------------------------------- */

static struct task parsed(const char *text)
{
    struct task t;
    struct err err = {0};

    if (task_parse(&t, "dir/some.name.jsonl", text, strlen(text), 0, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(t.name, "some.name");
    return t;
}

/* Item 0: its layout, right answer, and request i. */
static void expect_request(const char *text, const char *layout, size_t answer, size_t i,
                           const char *context, const char *continuation, size_t length)
{
    struct task t = parsed(text);

    assert_string_equal(t.layout, layout);
    assert_int_equal(t.item[0].answer, answer);
    assert_true(i < t.item[0].n);
    assert_string_equal(t.item[0].request[i].context, context);
    assert_string_equal(t.item[0].request[i].continuation, continuation);
    assert_int_equal(t.item[0].request[i].length, length);
    task_release(&t);
}

static void test_task_layouts(void **state)
{
    (void)state;
    expect_request("{\"ind\":1,\"activity_label\":\"Cooking\",\"ctx_a\":\"A [x] man.\","
                   "\"ctx_b\":\"he COOKS\",\"endings\":[\"a  b\",\"[step] c\"],\"label\":\"1\"}",
                   "hellaswag", 1, 0, "Cooking: A man. He cooks", " a b", 3);
    expect_request("{\"ind\":1,\"activity_label\":\"a\",\"ctx_a\":\"A [[x] y [z\\n] [m]n]\","
                   "\"ctx_b\":\"b\",\"endings\":[\"a\",\"[b\"],\"label\":\"1\"}",
                   "hellaswag", 1, 1, "a: A y [z\n] n] B", " [b", 2);
    expect_request("{\"question\":\"Q?\",\"choices\":{\"text\":[\"x\",\"\\u00e9y\"],"
                   "\"label\":[\"1\",\"2\"]},\"answerKey\":\"2\"}",
                   "arc", 1, 1, "Question: Q?\nAnswer:", " \xc3\xa9y", 2);
    expect_request("{\"question_stem\":\"S\",\"choices\":{\"text\":[\"x\",\"y\"],"
                   "\"label\":[\"A\",\"B\"]},\"answerKey\":\" A\"}",
                   "openbookqa", 0, 1, "S", " y", 1);
    expect_request("{\"sentence\":\"The _ was _ big. \",\"option1\":\"cat\",\"option2\":\"dog\","
                   "\"answer\":\"2\"}",
                   "winogrande", 1, 0, "The cat", " was _ big.", 10);
    expect_request("{\"goal\":\"G\",\"sol1\":\"x\",\"sol2\":\"y z\",\"label\":1}", "piqa", 1, 1,
                   "Question: G\nAnswer:", " y z", 3);
    expect_request("{\"question\":\" Q \",\"subject\":\"us_history\",\"choices\":[\"x\",\"\"],"
                   "\"answer\":1}",
                   "mmlu", 1, 1,
                   "The following are multiple choice questions (with answers) about us history."
                   "\n\nQ\nA. x\nB. \nAnswer:",
                   " B", 1);
    expect_request("{\"question\":\"Q\",\"choices\":[\"x\",\"y\"],\"answer\":\"B\"}", "mmlu", 1, 0,
                   "Q\nA. x\nB. y\nAnswer:", " A", 1);
    expect_request("{\"text\":\"to be or\",\"domain\":\"x\"}", "lambada", 0, 0, "to be", " or", 2);
    expect_request("{\"context\":\"C\",\"choices\":[\"x\",\"y\"]}", "choices", 0, 1, "C", " y", 1);
    expect_request("{\"context\":\"\",\"target\":\"x\"}", "cloze", 0, 0, "", " x", 1);
}

/* Blank lines, \r\n, a BOM, no newline at the end; at most so many items. */
static void test_task_lines(void **state)
{
    const char *text =
        "\xef\xbb\xbf{\"text\":\"a b\"}\r\n\n \t\n{\"text\":\"c d\"}\n{\"text\":\"e f\"}";
    struct task t = parsed(text);
    struct err err = {0};

    (void)state;
    assert_int_equal(t.n, 3);
    assert_int_equal(t.item[1].line, 4);
    assert_string_equal(t.item[2].request[0].continuation, " f");
    task_release(&t);
    assert_int_equal(task_parse(&t, "x", text, strlen(text), 2, &err), 0);
    assert_int_equal(t.n, 2);
    task_release(&t);
}

#define OWN "{\"context\":\"c\",\"choices\":"
static const struct {
    const char *text, *message;
} bad[] = {
    {"",                                                                               "f.jsonl: line 1, column 1: expected items, one object a line, found none"},
    {"\n \n",                                                                          "f.jsonl: line 1, column 1: expected items"                               },
    {"{\"text\":\"a b\"}\n[]",
     "line 2, column 1: expected an object on every line (JSON Lines), found []"                                                                                 },
    {"{\"texts\":\"a b\"}",
     "line 1, column 1: expected the keys of a known layout (hellaswag, arc, "                                                                                   },
    {"{\"text\":\"a b\"}\n\n {\"txt\":1}",
     "line 3, column 2: expected \"text\" in an item of lambada, found {\"txt\":1}"                                                                              },
    {"{\"text\":\"a b\"}\n{\"text\": 7}",
     "line 2, column 10: expected a text as \"text\", found 7"                                                                                                   },
    {"{\"text\":\"word\"}",                                                            "line 1, column 9: expected two or more words"                            },
    {"{\"text\":\"two words \"}",                                                      "line 1, column 9: expected two or more words"                            },
    {"{\"text\":\"a b\"}\n{\"text\":}",                                                "line 2, column 9: not valid JSON"                                        },
    {"{\"text\":\"a b\"}\n{\"text\":\"a b\",\"text\":1}",
     "line 2, column 1: duplicate key \"text\""                                                                                                                  },
    {"{\"text\":\"a \xff\"}",                                                          "line 1, column 12: expected UTF-8, found byte 0xff"                      },
    {OWN "[\"a\"]}",
     "line 1, column 26: expected a list of 2 to 256 as \"choices\", found [\"a\"]"                                                                              },
    {OWN "[]}",                                                                        "expected a list of 2 to 256 as \"choices\", found []"                    },
    {OWN "[\"a\",\"\"]}",                                                              "line 1, column 31: expected a text that is not empty as \"choices.1\""   },
    {OWN "[\"a\",\"b\"],\"answer\":2}",
     "line 1, column 45: expected a number 0 to 1 as \"answer\", found 2"                                                                                        },
    {OWN "[\"a\",\"b\"],\"answer\":-1}",                                               "expected a number 0 to 1 as \"answer\", found -1"                        },
    {OWN "[\"a\",\"b\"],\"answer\":\"1x\"}",
     "expected a number 0 to 1 as \"answer\", found \"1x\""                                                                                                      },
    {OWN "[\"a\",\"b\"],\"answer\":0.5}",                                              "expected a number 0 to 1 as \"answer\", found 0.5"                       },
    {OWN "[\"a\",\"b\"],\"answer\":null}",                                             "expected a number 0 to 1 as \"answer\", found null"                      },
    {"{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":-1}",
     "expected a number 0 to 1 as \"label\", found -1"                                                                                                           },
    {"{\"sentence\":\"no gap\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"1\"}",
     "column 13: expected a \"_\" in \"sentence\""                                                                                                               },
    {"{\"sentence\":\"a _\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"\"}",
     "expected a number 1 to 2 as \"answer\", found \"\""                                                                                                        },
    {"{\"question\":\"q\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},"
     "\"answerKey\":\"C\"}",                                                      "column 76: expected one of the labels as \"answerKey\", found \"C\""     },
    {"{\"question\":\"q\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\",\"C\"]},"
     "\"answerKey\":\"C\"}",                                                      "expected 2 labels, as many as texts, found [\"A\""                       },
    {"{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":\"C\"}",
     "expected a number 0 to 1 as \"answer\", found \"C\""                                                                                                       },
};

static void test_task_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct task t;
        struct err err = {0};
        assert_int_equal(task_parse(&t, "f.jsonl", bad[i].text, strlen(bad[i].text), 0, &err),
                         ERR_FORMAT);
        if (!strstr(err.msg, bad[i].message))
            fail_msg("%s: %s", bad[i].text, err.msg);
        assert_int_equal(strncmp(err.msg, "f.jsonl: line ", 14), 0);
        task_release(&t);
    }
}

/* The files that ship: each is read whole, and its right answers are not all in one place. */
static void test_task_shipped_files(void **state)
{
    static const char *const paths[] = {"tasks/story-endings.jsonl", "tasks/story-words.jsonl",
                                        "tasks/story-who.jsonl"};
    size_t items = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct task t;
        struct err err = {0};
        size_t first = 0;
        if (task_load(&t, paths[i], 0, &err))
            fail_msg("%s", err.msg);
        items += t.n;
        for (size_t k = 0; k < t.n; k++)
            first += t.item[k].n > 1 && !t.item[k].answer;
        assert_true(first < t.n * 6 / 10);
        task_release(&t);
    }
    assert_in_range(items, 60, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_strip),         cmocka_unit_test(test_task_capitalize),
        cmocka_unit_test(test_task_clean),         cmocka_unit_test(test_task_layouts),
        cmocka_unit_test(test_task_lines),         cmocka_unit_test(test_task_bad),
        cmocka_unit_test(test_task_shipped_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
