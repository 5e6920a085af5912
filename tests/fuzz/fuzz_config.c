/* config.json through the rows of the class it names, or through every family's: parameters,
 * their metadata and back, the shapes and made tensors that follow from them. The corpus
 * has a few keys of each family. */

#include "formats/arch/arch.h"
#include "formats/nested.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void shapes(const struct arch *a, const struct arch_params *p)
{
    const struct arch_tensor *row;
    uint64_t dims[4];

    for (size_t i = 0; (row = arch_row(a, i)); i++) {
        (void)arch_dims(dims, row, p, (size_t)arch_int(p, ARCH_N_LAYER, 0) - 1);
        const int n = arch_dims(dims, row, p, ARCH_NO_LAYER);
        if (n != 1 || !arch_makes(row, p) || dims[0] > 4096)
            continue;
        float *made = calloc((size_t)dims[0] + 1, sizeof(*made));
        if (made)
            arch_make(made, (size_t)dims[0], row, p);
        free(made);
    }
}

static void round_trip(const struct arch *a, const struct arch_params *p)
{
    struct arch_params again;
    struct meta meta = {0};
    struct err err = {0};

    if (!arch_params_to_meta(&meta, a, p, &err) &&
        !arch_params_from_meta(&again, a, &meta, 1000, &err))
        arch_params_release(&again);
    meta_release(&meta);
}

static void one(const struct arch *a, const json_val *config)
{
    struct arch_params p;
    struct err err = {0};

    if (arch_params_from_config(&p, a, config, 1000, &err))
        return;
    shapes(a, &p);
    round_trip(a, &p);
    arch_params_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_val *config = NULL;
    struct err err = {0};
    const struct arch *a;

    if (json_parse(&config, (const char *)data, size, &err))
        return 0;
    const struct arch *named = nested_arch(config);
    if (named)
        one(named, nested_config(config));
    for (size_t i = 0; !named && (a = arch_at(i)); i++)
        one(a, config);
    json_free(config);
    return 0;
}
