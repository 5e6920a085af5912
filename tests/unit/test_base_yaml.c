#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/base/yaml.h"

static const struct yaml_node *parsed(struct arena *a, const char *text)
{
    struct yaml_node *root;
    struct err err;

    if (yaml_parse(&root, a, text, strlen(text), &err))
        fail_msg("%s: %s", text, err.msg);
    return root;
}

static void refuse(const char *text, const char *part)
{
    struct arena a = {0};
    struct yaml_node *root;
    struct err err = {0};

    assert_int_equal(yaml_parse(&root, &a, text, strlen(text), &err), ERR_FORMAT);
    assert_null(root);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
    arena_release(&a);
}

static void test_yaml_reads(void **state)
{
    struct arena a = {0};
    const struct yaml_node *r = parsed(&a, "name: demo\n"
                                           "list:\n"
                                           "  - Q8_0\n"
                                           "  - {mix: Q4_K_M, n: '3'}\n"
                                           "empty:\n");

    (void)state;
    assert_int_equal(r->kind, YAML_MAP);
    assert_string_equal(yaml_get(r, "name")->text, "demo");
    assert_true(yaml_get(r, "name")->line == 1 && yaml_get(r, "name")->column == 7);
    const struct yaml_node *list = yaml_get(r, "list");
    assert_int_equal(list->kind, YAML_LIST);
    assert_string_equal(list->first->text, "Q8_0");
    assert_null(list->first->key);
    const struct yaml_node *map = list->first->next;
    assert_true(map->line == 4 && map->column == 5 && !map->next);
    assert_string_equal(map->first->key, "mix");
    assert_false(map->first->quoted);
    assert_true(yaml_get(map, "n")->quoted);
    assert_string_equal(yaml_get(r, "empty")->text, "");
    assert_null(yaml_get(r, "absent"));
    arena_release(&a);
}

static void test_yaml_refuses(void **state)
{
    struct arena a = {0};
    char deep[100];

    (void)state;
    refuse("", "the file is empty");
    refuse("a: 1\nb: 2\na: 3\n", "line 3, column 1: duplicate key \"a\"");
    refuse("a: [1, 2\nb: 3\n", "line 2");
    refuse("a: &x 1\nb: *x\n", "line 1, column 4: anchors are not supported");
    refuse("a: *x\n", "line 1, column 4: aliases are not supported");
    refuse("a: !!int 1\n", "line 1, column 4: tags are not supported");
    refuse("&k a: 1\n", "anchors are not supported");
    refuse("a: \"x\\0y\"\n", "NUL");
    refuse("\"x\\0y\": 1\n", "NUL");
    refuse("--- 1\n--- 2\n", "more than one document");
    refuse("? [a]\n: 1\n", "a key must be plain text");
    refuse("a: \xff\n", "line ");
    memset(deep, '[', 50);
    memset(deep + 50, ']', 50);
    deep[99] = '\0';
    refuse(deep, "nested more than 32");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_reads),
        cmocka_unit_test(test_yaml_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
