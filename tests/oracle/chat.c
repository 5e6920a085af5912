/* chat TEMPLATE CASE.json: what runtime/chat makes of a template and variables, for chat.py.
 * CASE: {"messages", "tools", "more", "prompt", "now"}. A line of spans, and the text. */

#include "runtime/chat.h"
#include "formats/base/map.h"

#include <stdio.h>

static int render(const char *text, size_t n, const json_val *v, bool answers, struct err *err)
{
    struct chat_vars vars = {.messages = json_get(v, "messages"),
                             .tools = json_get(v, "tools"),
                             .more = json_get(v, "more")};
    struct chat_text out = {0};
    struct chat *c;

    (void)json_bool(json_get(v, "prompt"), &vars.add_generation_prompt);
    vars.has_now = json_int(json_get(v, "now"), &vars.now);
    int rc = chat_new(&c, text, n, err);
    if (!rc)
        rc = answers ? chat_answers(&out, c, &vars, err) : chat_render(&out, c, &vars, err);
    for (size_t i = 0; !rc && i < out.n_spans; i++)
        printf("%zu %zu ", out.span[i].at, out.span[i].n);
    if (!rc)
        printf("\n%.*s", (int)out.text.n, out.text.p ? out.text.p : "");
    chat_text_release(&out);
    chat_free(c);
    return rc;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct map map = {0};
    json_val *v = NULL;
    int rc = argc >= 3 ? map_open(&map, argv[1], &err) : err_set(&err, ERR_ARG, "two files");

    if (!rc)
        rc = json_load(&v, argv[2], &err);
    if (!rc)
        rc = render((const char *)map.data, map.size, v, argc > 3, &err);
    if (rc)
        printf("error: %s\n", err.msg);
    json_free(v);
    map_release(&map);
    return rc != 0;
}
