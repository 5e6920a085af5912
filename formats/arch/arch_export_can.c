/* Sizes that a config.json has no key for, and works out of others, and those that its class refuses. */

#include "formats/arch/arch_export.h"

#include "formats/arch/arch_params_impl.h"

#include <inttypes.h>
#include <string.h>

/* The row that works the parameter out; NULL: it has a key, or no rule that always holds. */
static const struct arch_key *rule_of(const struct arch *a, enum arch_param which)
{
    const struct arch_key *rule = NULL;

    for (const struct arch_key *const *set = a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++) {
            if (k->param != which)
                continue;
            if (k->config)
                return NULL;
            if (!rule && key_works_out(k) && !k->when && !k->gguf_layers)
                rule = k;
        }
    return rule;
}

bool arch_export_refuses(const struct arch *a, const struct arch_params *p)
{
    const uint64_t heads = arch_most(p, ARCH_N_HEAD);

    return a->whole_heads && heads && arch_int(p, ARCH_N_EMBD, 0) % heads;
}

/* Is a row of this name left that takes the width? */
static int check_width(const struct arch *a, const struct arch_params *p, struct err *err)
{
    const struct arch *o;

    if (!arch_export_refuses(a, p))
        return 0;
    for (size_t i = 0; (o = arch_at(i)); i++)
        if (!strcmp(o->name, a->name) && !o->gguf_if && !arch_export_refuses(o, p))
            return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "transformers takes no %s of width %" PRIu64 " with %" PRIu64
                   " heads: expected a multiple",
                   a->classes[0], arch_int(p, ARCH_N_EMBD, 0), arch_most(p, ARCH_N_HEAD));
}

int arch_export_can(const struct arch *a, const struct arch_params *p, struct err *err)
{
    static const struct {
        enum arch_param param;
        const char *name;
    } sizes[] = {
        {ARCH_N_FF,      "ffn"            },
        {ARCH_N_HEAD_KV, "key-value heads"},
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const enum arch_param which = sizes[i].param;
        const struct arch_key *rule = rule_of(a, which);
        struct arch_params worked_out = *p;
        if (!rule)
            continue;
        worked_out.p[which] = (struct arch_value){0};
        const int rc = key_absent(&worked_out, rule, sizes[i].name, err);
        if (rc)
            return rc;
        if (arch_most(p, which) != arch_most(&worked_out, which))
            return err_set(err, ERR_UNSUPPORTED,
                           "a config.json of %s cannot say %s %" PRIu64
                           ": it has no key for it, and %" PRIu64 " is what follows",
                           a->name, sizes[i].name, arch_most(p, which),
                           arch_most(&worked_out, which));
    }
    return check_width(a, p, err);
}
