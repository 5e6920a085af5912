/* runtime/chat: what templates render to (found equal in Jinja by tests/oracle/chat.py), and what is
 * refused. */

#include "runtime/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char talk[] =
    "[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yo\"}]";

/* The text, or the error's message; with the spans as "[at,n]" behind it. */
static char *render_of(const char *template, const char *messages, const char *more, bool answers)
{
    struct chat_vars vars = {0};
    struct chat_text out = {0};
    struct chat *c = NULL;
    struct err err = {0};
    struct buf b = {0};
    json_val *m = NULL, *v = NULL;

    assert_int_equal(json_parse(&m, messages, strlen(messages), &err), 0);
    assert_int_equal(json_parse(&v, more, strlen(more), &err), 0);
    vars.messages = m;
    vars.more = v;
    int rc = chat_new(&c, template, strlen(template), &err);
    if (!rc)
        rc = answers ? chat_answers(&out, c, &vars, &err) : chat_render(&out, c, &vars, &err);
    buf_str(&b, rc ? err.msg : out.text.p ? out.text.p : "");
    for (size_t i = 0; !rc && i < out.n_spans; i++)
        buf_fmt(&b, "[%zu,%zu]", out.span[i].at, out.span[i].n);
    chat_text_release(&out);
    chat_free(c);
    json_free(m);
    json_free(v);
    assert_int_equal(buf_check(&b, &err), 0);
    return b.p;
}

static void assert_render(const char *template, const char *expected)
{
    char *found = render_of(template, talk, "{\"n\":3}", false);

    assert_string_equal(found, expected);
    free(found);
}

static void assert_refused(const char *template, const char *words)
{
    char *found = render_of(template, talk, "{\"n\":3}", false);

    if (!strstr(found, words) || strncmp(found, "chat template", 13) != 0)
        assert_string_equal(found, words);
    free(found);
}

static void test_chat_whitespace(void **state)
{
    (void)state;
    assert_render("a\n{% if 1 %}\nb\n{% endif %}\nc\n", "a\nb\nc");
    assert_render("a\n  {% if 1 %}\n  b\n  {% endif %}\n", "a\n  b\n");
    assert_render("a  {% if 1 %} b {% endif %} c", "a   b  c");
    assert_render("a \n {%- if 1 -%} \n b {%- endif %}", "ab");
    assert_render("a\n {%+ if 1 +%}\nb{% endif %}", "a\n \nb");
    assert_render("a\n {{ 1 }}\n", "a\n 1");
    assert_render("a {{- 1 -}} b", "a1b");
    assert_render("a\r\n{# x #}\r\nb\r\n\r\n", "a\nb\n");
    assert_render("{% raw %}{{ x }}{% endraw %}", "{{ x }}");
    assert_render("", "");
}

static void test_chat_values(void **state)
{
    (void)state;
    assert_render("{{ {'a': [1, 2.5, none, true], 'b': (1,)} }}",
                  "{'a': [1, 2.5, None, True], 'b': (1,)}");
    assert_render("{{ [1, 'é', {\"k\": 1.0}] | tojson }}", "[1, \"é\", {\"k\": 1.0}]");
    assert_render("{{ {'a': [1], 'b': {}} | tojson(indent=2) }}",
                  "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
    assert_render("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 1 / 2 }} {{ 2 ** 3 }} {{ n + 1 }}",
                  "3 -4 2 0.5 8 4");
    assert_render("{{ 'hëllo'[1] }} {{ 'hëllo'[::-1] }} {{ 'hëllo'[-2:] }} {{ 'hëllo' | length }}",
                  "ë ollëh lo 5");
    assert_render("{{ [3, 1, 2][1:] }} {{ [3, 1, 2][::-1] }} {{ [1][5] is defined }}",
                  "[1, 2] [2, 1, 3] False");
    assert_render("{{ 1 < 2 < 3 }} {{ 'a' in 'cat' }} {{ 2 not in [1] }} {{ not 1 or 1 }}",
                  "True True True 1");
    assert_render("{{ 'a' ~ 1 ~ none }} {{ 'x' if n > 5 else 'y' }} {{ nothing or 'z' }}",
                  "a1None y z");
}

static void test_chat_statements(void **state)
{
    (void)state;
    assert_render("{% for m in messages %}{{ loop.index }}{{ m.role }}{{ loop.last }};{% endfor %}",
                  "1userFalse;2assistantTrue;");
    assert_render("{% for x in range(9) if x % 2 %}{% if x == 7 %}{% break %}{% endif %}{{ x }}"
                  "{% endfor %}{% for x in [] %}{% else %}none{% endfor %}",
                  "135none");
    assert_render("{% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}"
                  "{% set y = x %}{% endfor %}{{ ns.n }}{{ y is defined }}",
                  "3False");
    assert_render("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}"
                  "{{ m(1) }}{{ m(b=3, a=0) }}{% call m(5) %}!{% endcall %}",
                  "120352!");
    assert_render("{% set t %}a {{ n }}{% endset %}{{ t }}{% filter upper %}b{% endfilter %}",
                  "a 3B");
    assert_render("{% if n == 1 %}a{% elif n == 3 %}b{% else %}c{% endif %}", "b");
    assert_render("{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123");
    assert_render("{% generation %}é{% endgeneration %}x{% generation %}y{% endgeneration %}",
                  "éxy[0,2][3,1]");
}

static void test_chat_functions(void **state)
{
    (void)state;
    assert_render("{{ ' a b '.strip() }}|{{ 'a,b'.split(',') }}|{{ 'abc'.replace('b', 'x') }}|"
                  "{{ 'ab'.startswith('a') }}|{{ 'x'.join(['1', '2']) }}|{{ \"it's\".title() }}",
                  "a b|['a', 'b']|axc|True|1x2|It'S");
    assert_render("{{ messages | map(attribute='role') | join(',') }} "
                  "{{ messages | selectattr('role', '==', 'user') | list | length }} "
                  "{{ messages | rejectattr('role', 'in', ['user']) | first | items | list }}",
                  "user,assistant 1 [('role', 'assistant'), ('content', 'Yo')]");
    assert_render("{{ [3, 1] | sort }} {{ {'b': 1, 'a': 2} | dictsort }} {{ 'x\ny' | indent(2) }}",
                  "[1, 3] [('a', 2), ('b', 1)] x\n  y");
    assert_render("{{ nothing | default('d') }} {{ '5' | int + 1 }} {{ messages[0].get('z', 1) }}",
                  "d 6 1");
    assert_render("{{ strftime_now is defined }} {{ dict(a=1) }} {{ '%s-%d' % ('a', 2) }}",
                  "False {'a': 1} a-2");
    assert_render("{% if false %}{{ 1 | unknown }}{% endif %}ok", "ok");
}

static void test_chat_refuses(void **state)
{
    (void)state;
    assert_refused("a\n {{ messages.x.y }}", "line 2, column 15: \"x\" is undefined");
    assert_refused("{{ raise_exception('no ' ~ n) }}",
                   "line 1, column 19: the template refuses: no 3");
    assert_refused("{{ 1 | unknown }}", "line 1, column 8: no filter named \"unknown\"");
    assert_refused("{{ 1 is unknown }}", "no test named \"unknown\"");
    assert_refused("{% if 1 %}", "line 1, column 11: expected the block's end");
    assert_refused("{% endif %}", "no tag named \"endif\"");
    assert_refused("{% include 'x' %}", "no tag named \"include\"");
    assert_refused("{{ 1 + }}", "expected an expression, found the tag's end");
    assert_refused("{{ 'a }}", "a string without an end");
    assert_refused("{{ 1 ", "a tag without an end");
    assert_refused("{# x", "a comment without an end");
    assert_refused("{{ ! }}", "means nothing here");
    assert_refused("{% break %}", "outside of a loop");
    assert_refused("{{ 1 + 'a' }}", "int + str is not defined");
    assert_refused("{{ 1 // 0 }}", "division by zero");
    assert_refused("{{ 9223372036854775807 + 1 }}", "too large");
    assert_refused("{% for x in 5 %}{% endfor %}", "\"int\" is nothing to go through");
    assert_refused("{% for a, b in [(1,)] %}{% endfor %}", "1 values for more names");
    assert_refused("{{ 'a'.replace('b') }}", "replace needs 2 arguments");
    assert_refused("{{ 'a' | trim(z=1) }}", "trim takes no argument \"z\"");
    assert_refused("{{ nothing() }}", "\"nothing\" is undefined");
    assert_refused("{% set x = messages %}{% set x.y = 1 %}",
                   "attributes can be set on namespaces");
    assert_refused("{% macro m() %}{% generation %}{% endgeneration %}{% endmacro %}{{ m() }}",
                   "inside of a macro");
}

/* What a template may use is bounded: time, memory, text, depth. */
static void test_chat_bounds(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_refused("{% set x = 'a' * 1000000 %}{% for i in range(90000) %}{% if x.find('b') > 0 %}"
                   "{% endif %}{% endfor %}",
                   "does not end within");
    assert_refused("{% set x = 'a' * 4000000 %}{{ x.strip('b' * 4000000 ~ 'a') }}",
                   "does not end within");
    assert_refused("{% set x = 'a' * 4000000 %}{% set y = 'a' * 2000000 ~ 'b' %}{{ y in x }}",
                   "does not end within");
    assert_refused("{% set x = 'a' * 4000000 %}{% set y = 'a' * 4000000 %}"
                   "{% for i in range(90000) %}{% if x == y %}{% endif %}{% endfor %}",
                   "does not end within");
    assert_refused("{% set x = 'a' * 4000000 %}{% set y = 'a' * 4000000 %}"
                   "{% for i in range(90000) %}{% if x.startswith(y) %}{% endif %}{% endfor %}",
                   "does not end within");
    assert_refused("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
                   "MiB of values");
    assert_refused("{% set x = 'aaaaaaaaaaaaaaaa' * 1000000 %}{{ x * 1000000 }}", "MiB");
    assert_refused("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}"
                   "{% set ns.x = ns.x + ns.x %}{% endfor %}",
                   "MiB of values");
    assert_refused("{{ range(1000000) }}", "a range of more than");
    assert_refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deeper than");
    assert_refused("{% set x = [1] %}{% set y = x.append(x) %}{{ x }}", "nested deeper");
    for (int i = 0; i < 1000; i++)
        buf_str(&b, "{% if 1 %}");
    assert_refused(b.p, "nested deeper");
    b.n = 0;
    buf_str(&b, "{{ ");
    for (int i = 0; i < 100000; i++)
        buf_str(&b, "(");
    for (int i = 0; i < 100000; i++)
        buf_str(&b, ")");
    buf_str(&b, " }}");
    assert_refused(b.p, "nested deeper");
    b.n = 0;
    buf_str(&b, "{{ 1");
    for (int i = 0; i < 100000; i++)
        buf_str(&b, " + 1");
    buf_str(&b, " }}");
    assert_refused(b.p, "nested deeper");
    buf_release(&b);
}

static void assert_answers(const char *template, const char *messages, const char *expected)
{
    char *found = render_of(template, messages, "{}", true);

    assert_string_equal(found, expected);
    free(found);
}

static void test_chat_answers(void **state)
{
    static const char lines[] = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
                                "{% if add_generation_prompt %}<assistant>{% endif %}";
    static const char two[] =
        "[{\"role\":\"user\",\"content\":\"A\"},{\"role\":\"assistant\",\"content\":\"B\"},"
        "{\"role\":\"user\",\"content\":\"C\"},{\"role\":\"assistant\",\"content\":\"DD\"}]";

    (void)state;
    assert_answers(lines, two, "<user>A\n<assistant>B\n<user>C\n<assistant>DD\n[19,2][40,3]");
    assert_answers("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}"
                   "{% endfor %}",
                   talk, "HiYo[0,2][2,2]");
    /* a prompt that goes on otherwise than the answer does */
    assert_answers("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                   "{% if add_generation_prompt %}<assistant><think>{% endif %}",
                   talk, "<user>Hi<assistant>Yo[19,2]");
    /* what comes first depends on what comes last */
    assert_answers("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}", two,
                   "4ABCDD[2,1][4,2]");
    /* and the content is not what is said */
    char *found = render_of("{{ messages | length }}{% for m in messages %}{{ m.content | upper }}"
                            "{% endfor %}",
                            two, "{}", true);
    assert_non_null(strstr(found, "what the assistant says cannot be told"));
    free(found);
}

/* The text with what the assistant says in "[[ ]]"; eos_token is <|eos|>. */
static void assert_said(const char *template, const char *messages, const char *expected)
{
    struct vocab_token token[2] = {
        {{"<s>", 3},     0, VOCAB_CONTROL},
        {{"<|eos|>", 7}, 0, VOCAB_CONTROL}
    };
    const struct vocab v = {.token = token,
                            .n_tokens = 2,
                            .bos = 0,
                            .eos = 1,
                            .unk = -1,
                            .sep = -1,
                            .pad = -1,
                            .mask = -1};
    struct chat_vars vars = {.vocab = &v};
    struct chat_text out;
    struct buf b = {0};
    json_val *m = NULL;
    struct chat *c;
    struct err err;
    size_t at = 0;

    assert_int_equal(json_parse(&m, messages, strlen(messages), &err), 0);
    vars.messages = m;
    assert_int_equal(chat_new(&c, template, strlen(template), &err), 0);
    if (chat_answers(&out, c, &vars, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < out.n_spans; i++) {
        const struct chat_span *s = &out.span[i];
        buf_put(&b, out.text.p + at, s->at - at);
        buf_fmt(&b, "[[%.*s]]", (int)s->n, out.text.p + s->at);
        at = s->at + s->n;
    }
    buf_put(&b, out.text.p + at, out.text.n - at);
    assert_int_equal(buf_check(&b, &err), 0);
    assert_string_equal(b.p, expected);
    buf_release(&b);
    chat_text_release(&out);
    chat_free(c);
    json_free(m);
}

/* How families part turns, in templates of our own. */
static void test_chat_answers_families(void **state)
{
    static const char two[] =
        "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"qZ\"},"
        "{\"role\":\"user\",\"content\":\"C\"},{\"role\":\"assistant\",\"content\":\"Dq\"}]";
    static const char system[] =
        "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"A\"},{\"role\":"
        "\"assistant\",\"content\":\"B\"},{\"role\":\"user\",\"content\":\"C\"},{\"role\":"
        "\"assistant\","
        "\"content\":\"D\"}]";
    static const char thoughts[] = "[{\"role\":\"user\",\"content\":\"A\"},{\"role\":\"assistant\","
                                   "\"content\":\"<think>x</think>B\"}"
                                   ",{\"role\":\"user\",\"content\":\"C\"},{\"role\":\"assistant\","
                                   "\"content\":\"<think>y</think>D\"}"
                                   "]";

    (void)state;
    /* the end of a text where no answer is asked for: phi3 */
    assert_said("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
                "{% if add_generation_prompt %}<|assistant|>{% else %}{{ eos_token }}{% endif %}",
                two,
                "<|user|>q<|end|><|assistant|>[[qZ<|end|>]]<|user|>C<|end|><|assistant|>"
                "[[Dq<|end|><|eos|>]]");
    /* the system's message goes with the last question: mistral-nemo, mistral v3; llama2 has it in the first */
    assert_said(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content %}"
        "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
        "{% if m.role == 'user' %}[INST]{% if s and loop.index0 >= (messages | length) - 2 %}"
        "{{ s }}+{% endif %}{{ m.content }}[/INST]{% else %}{{ m.content }}{{ eos_token }}"
        "{% endif %}{% endfor %}",
        system, "<s>[INST]A[/INST][[B<|eos|>]][INST]S+C[/INST][[D<|eos|>]]");
    /* thoughts are of the last answer alone: qwen3, QwQ */
    assert_said(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
        "{% set parts = m.content.split('</think>') %}{% if loop.last %}<think>"
        "{{ parts[0].split('<think>')[-1] if parts | length > 1 else '' }}</think>{% endif %}"
        "{{ parts[-1] }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        thoughts,
        "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n[[B<|im_end|>\n]]"
        "<|im_start|>user\nC<|im_end|>\n<|im_start|>assistant\n"
        "[[<think>y</think>D<|im_end|>\n]]");
    /* the last turn ends otherwise: gpt-oss */
    assert_said(
        "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}"
        "{{ '<|return|>' if loop.last and m.role == 'assistant' else '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        two,
        "<|start|>user<|message|>q<|end|><|start|>assistant[[<|message|>qZ]]<|end|><|start|>"
        "user<|message|>C<|end|><|start|>assistant[[<|message|>Dq<|return|>]]");
    /* turns of gemma, trimmed */
    assert_said(
        "{{ bos_token }}{% for m in messages %}<start_of_turn>"
        "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>"
        "\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        two,
        "<s><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\n[[qZ<end_of_turn>\n]]"
        "<start_of_turn>user\nC<end_of_turn>\n<start_of_turn>model\n[[Dq<end_of_turn>\n]]");
}

static void test_chat_tokens(void **state)
{
    struct vocab_token token[2] = {
        {{"<s>", 3},  0, VOCAB_CONTROL},
        {{"</s>", 4}, 0, VOCAB_CONTROL}
    };
    struct vocab v = {.token = token, .n_tokens = 2, .bos = 0, .eos = 1, .unk = -1};
    struct chat_vars vars = {.vocab = &v, .has_now = true, .now = 1721996130};
    struct chat_text out;
    struct chat *c;
    struct err err;

    (void)state;
    v.sep = v.pad = v.mask = -1;
    assert_int_equal(chat_of_vocab(&c, &v, &err), ERR_UNSUPPORTED);
    v.chat_template = "{{ bos_token }}{{ strftime_now('%Y-%m-%d') }}{{ eos_token }}{{ pad_token }}";
    assert_int_equal(chat_of_vocab(&c, &v, &err), 0);
    assert_false(chat_marks(c));
    assert_int_equal(chat_render(&out, c, &vars, &err), 0);
    assert_string_equal(out.text.p, "<s>2024-07-26</s>");
    chat_text_release(&out);
    chat_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_whitespace),       cmocka_unit_test(test_chat_values),
        cmocka_unit_test(test_chat_statements),       cmocka_unit_test(test_chat_functions),
        cmocka_unit_test(test_chat_refuses),          cmocka_unit_test(test_chat_bounds),
        cmocka_unit_test(test_chat_answers_families), cmocka_unit_test(test_chat_answers),
        cmocka_unit_test(test_chat_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
