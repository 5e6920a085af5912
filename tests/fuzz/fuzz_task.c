/* Any bytes as a task file: an answer, and when it is yes, every item can be asked; what is read
 * of the first items alone is the same. */

#include "eval/task_file.h"
#include "formats/base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
    const size_t n = strlen(s);
    bool good;

    for (size_t i = 0; i < n;) {
        i += utf8_step(&good, s + i, n - i);
        if (!good)
            abort();
    }
}

static void check_item(const struct task_item *item)
{
    if (!item->n || item->answer >= item->n || !item->line)
        abort();
    for (size_t i = 0; i < item->n; i++) {
        const struct task_request *r = &item->request[i];
        check_text(r->context);
        check_text(r->continuation);
        if (r->continuation[0] != ' ' || r->length > strlen(r->continuation) - 1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? (const char *)data : "";
    struct err err = {0};
    struct task t, two;

    if (task_parse(&t, "f.jsonl", text, size, 0, &err)) {
        if (strncmp(err.msg, "f.jsonl: line ", 14) != 0 || !strstr(err.msg, ", column "))
            abort();
        task_release(&t);
        return 0;
    }
    for (size_t i = 0; i < t.n; i++)
        check_item(&t.item[i]);
    if (task_parse(&two, "f.jsonl", text, size, 2, &err) || two.n > 2 || two.n > t.n ||
        strcmp(two.item[0].request[0].context, t.item[0].request[0].context) != 0)
        abort();
    task_release(&two);
    task_release(&t);
    return 0;
}
