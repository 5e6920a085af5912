/* Any text as a gate: refused with a message, or read; what it says of itself is read the same
 * again. */

#include "eval/gate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct gate *g, struct arena *arena)
{
    struct gate again;
    struct err err = {0};

    if (gate_parse_key(&again, arena, g->model, NULL, g->text, &err))
        abort();
    if (again.op != g->op || again.ref.metric != g->ref.metric || again.limit != g->limit ||
        again.level != g->level || again.relative != g->relative)
        abort();
    if (!g->baseline != !again.baseline || (g->baseline && strcmp(g->baseline, again.baseline)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);
    struct arena arena = {0};
    struct gate g;
    struct err err = {0};

    if (!text)
        return 0;
    memcpy(text, data, size);
    if (!gate_parse(&g, &arena, text, &err))
        check_again(&g, &arena);
    else if (err.code != ERR_ARG || !err.msg[0])
        abort();
    arena_release(&arena);
    free(text);
    return 0;
}
