/* Any bytes as YAML: an answer, and a tree that can be walked. */

#include "formats/base/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct yaml_node *n)
{
    size_t sum = n->line + n->column;

    if (n->kind == YAML_SCALAR)
        sum += strlen(n->text);
    for (const struct yaml_node *c = n->first; c; c = c->next) {
        if ((n->kind == YAML_MAP) != (c->key != NULL))
            abort();
        sum += walk(c);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct yaml_node *root;
    struct err err;

    if (!yaml_parse(&root, &a, (const char *)data, size, &err)) {
        volatile size_t sum = walk(root);
        (void)sum;
    } else if (root || !err.msg[0]) {
        abort();
    }
    arena_release(&a);
    return 0;
}
