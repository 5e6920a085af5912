/* Tensors of one value that a GGUF holds as metadata: parameters by layer. */

#include "formats/arch/arch_rows.h"

#include <math.h>

bool arch_match_scalar(enum arch_param *which, int *layer, const struct arch *a, const char *name)
{
    for (const struct arch_scalar *s = a->scalars; s && s->hf; s++)
        if (name_matches(s->hf, name, layer)) {
            *which = s->param;
            return true;
        }
    return false;
}

int arch_set_scalar(struct arch_params *p, enum arch_param which, size_t layer, double v,
                    struct err *err)
{
    const size_t n = (size_t)arch_int(p, ARCH_N_LAYER, 0);
    struct arch_value *value = &p->p[which];

    if (!value->per_layer) {
        double *list = arena_array(&p->arena, n, sizeof(*list));
        if (!list)
            return err_nomem(err);
        for (size_t l = 0; l < n; l++)
            list[l] = (double)NAN;
        *value = (struct arch_value){.set = true, .v = v, .per_layer = list};
    }
    ((double *)(uintptr_t)value->per_layer)[layer] = v; /* allocated here: not const */
    value->v = value->per_layer[0];
    return 0;
}

const struct arch_scalar *arch_lacks_scalar(size_t *layer, const struct arch *a,
                                            const struct arch_params *p)
{
    for (const struct arch_scalar *s = a->scalars; s && s->hf; s++) {
        const struct arch_value *v = &p->p[s->param];
        for (*layer = 0; v->per_layer && *layer < arch_int(p, ARCH_N_LAYER, 0); (*layer)++)
            if (isnan(v->per_layer[*layer]))
                return s;
    }
    return NULL;
}
