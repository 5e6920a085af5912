/* Recipes: any bytes, with a --set after a NUL byte. */
#include "recipes/recipe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - data) : size;
    char *set = NULL;
    struct recipe r;
    struct err err = {0};

    if (nul) {
        set = calloc(size - n, 1);
        if (!set)
            return 0;
        memcpy(set, nul + 1, size - n - 1);
    }
    const char *const sets[] = {set};
    if (!recipe_parse(&r, "a/b.yaml", (const char *)data, n, sets, set != NULL, &err))
        recipe_release(&r);
    free(set);
    return 0;
}
