/* Every allocation of parsing a chat template, rendering it, and of finding the assistant's answers. */

#include "runtime/chat.h"
#include "tests/oom/alloc.h"

#include <string.h>

static int use(void *arg, struct err *err)
{
    static const char messages[] = "[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":"
                                   "\"assistant\",\"content\":\"Y\\u00f6\"}]";
    const char *text = arg;
    struct chat_vars vars = {0};
    struct chat_text out = {0};
    struct chat *c = NULL;
    json_val *m = NULL;

    int rc = json_parse(&m, messages, strlen(messages), err);
    vars.messages = m;
    if (!rc)
        rc = chat_new(&c, text, strlen(text), err);
    if (!rc)
        rc = chat_answers(&out, c, &vars, err);
    chat_text_release(&out);
    chat_free(c);
    json_free(m);
    return rc;
}

int main(void)
{
    static char plain[] =
        "{% for m in messages if m %}<{{ m.role }}>{{ m['content'] | trim ~ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}";
    static char all[] =
        "{% set ns = namespace(a=[1, 2][1:], t=(1, {'k': 'v'})) %}{% set ns.a = ns.a + [3] %}"
        "{% macro m(x, y=1) %}{{ x.upper() ~ y }}{{ caller() if caller }}{% endmacro %}{{ m('a') }}"
        "{% call m('b') %}c{% endcall %}{% set b %} x {% endset %}{% filter upper %}{{ b }}"
        "{% endfilter %}{{ messages | map(attribute='role') | sort | join(',') }}"
        "{{ messages | tojson(indent=1, sort_keys=true) }}{{ ns.t }}{{ 'a b'.split() }}"
        "{{ messages | selectattr('role', '==', 'user') | list | length }}{{ 'x' * 3 }}"
        "{{ ['b', 'A'] | unique | list }}{{ 'aba'.replace('b', 'x')[::-1] }}{{ '%s' % 1 }}"
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}";
    struct tap t = {0};

    alloc_each(&t, "chat template", use, plain);
    alloc_each(&t, "chat template with all", use, all);
    return tap_done(&t);
}
