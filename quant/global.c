#include "quant/global.h"

#include <math.h>
#include <string.h>

#define NVFP4_MOST (6 * 448.0F)

size_t global_count(const struct source *s, const struct source_tensor *t, enum dtype type)
{
    return type == DTYPE_NVFP4 ? source_may_have_global(s, t) : 0;
}

float global_largest(const float *x, size_t n)
{
    float most = 0;

    for (size_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

float global_number(float largest)
{
    const float s = largest / NVFP4_MOST;

    return s >= 0x1p-126F && isfinite(s) ? s : 1.0F;
}

size_t global_of_row(const struct source_tensor *t, size_t n, uint64_t r)
{
    return n > 1 ? (size_t)(r / (source_n_rows(t) / n)) : 0;
}

int global_beside(struct source_tensor *beside, const struct source_tensor *t, const float *global,
                  size_t n, struct arena *arena, struct err *err)
{
    const size_t name = strlen(t->name), base = name - strlen(".weight");
    struct source_part *part = arena_alloc(arena, sizeof(*part));
    char *own = arena_alloc(arena, name + 1);

    if (!part || !own)
        return err_nomem(err);
    memcpy(own, t->name, base);
    memcpy(own + base, ".scale", sizeof(".scale"));
    *part = (struct source_part){(const uint8_t *)global, n * sizeof(*global), NULL};
    *beside = (struct source_tensor){
        .name = own,
        .stored = own,
        .layer = t->layer,
        .type = DTYPE_F32,
        .n_dims = 1,
        .dims = {n, 1, 1, 1},
        .n_parts = 1,
        .part = part,
    };
    return 0;
}
