/* Any bytes as a chat template: an answer, in bounded time and memory, and the same one twice.
 * Bytes before the first "\n\0" are the messages, if they are JSON. */

#include "runtime/chat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char usual[] =
    "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"\\u00fc b\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
    "\"arguments\":{\"a\":1.5,\"b\":[true]}}}]},{\"role\":\"assistant\",\"content\":\"x y\"}]";

static int render(struct chat_text *out, const struct chat *c, const json_val *m, bool answers,
                  struct err *err)
{
    const struct chat_vars v = {.messages = m, .tools = m, .add_generation_prompt = true};
    const int rc = answers ? chat_answers(out, c, &v, err) : chat_render(out, c, &v, err);

    for (size_t i = 0; !rc && i < out->n_spans; i++)
        if (out->span[i].at > out->text.n || out->span[i].n > out->text.n - out->span[i].at)
            abort();
    if (rc && !err->msg[0])
        abort();
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chat_text a = {0}, b = {0};
    struct err err = {0};
    json_val *m = NULL;
    struct chat *c;

    if (size > 4096)
        return 0;
    const uint8_t *cut = size ? memchr(data, '\0', size) : NULL;
    const size_t n = cut ? (size_t)(cut - data) : 0;
    if (!n || json_parse(&m, (const char *)data, n, &err))
        if (json_parse(&m, usual, strlen(usual), &err))
            abort();
    const size_t begin = cut ? n + 1 : 0;
    const char *text = size > begin ? (const char *)data + begin : "";
    if (chat_new(&c, text, size - begin, &err)) {
        if (strncmp(err.msg, "chat template, line ", 20) != 0)
            abort();
    } else {
        const int one = render(&a, c, m, false, &err), two = render(&b, c, m, true, &err);
        if (!one && !two &&
            (a.text.n != b.text.n || (a.text.n && memcmp(a.text.p, b.text.p, a.text.n) != 0)))
            abort();
        chat_text_release(&a);
        chat_text_release(&b);
    }
    chat_free(c);
    json_free(m);
    return 0;
}
