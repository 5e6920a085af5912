/* Recipes: any bytes, with a --set after a NUL byte. */
#include "recipes/recipe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *variable(void *arg, const char *name)
{
    (void)arg;
    return *name == 'V' ? "value" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - data) : size;
    char *set = NULL;
    struct recipe_list r;
    struct err err = {0};

    if (nul) {
        set = calloc(size - n, 1);
        if (!set)
            return 0;
        memcpy(set, nul + 1, size - n - 1);
    }
    const char *const sets[] = {set};
    const struct recipe_opts opts = {.sets = sets, .n_sets = set != NULL, .env = variable};
    if (!recipe_parse(&r, "a/b.yaml", (const char *)data, n, &opts, &err))
        recipe_release(&r);
    free(set);
    return 0;
}
