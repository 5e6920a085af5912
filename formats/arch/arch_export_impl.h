#ifndef FORMATS_ARCH_ARCH_EXPORT_IMPL_H
#define FORMATS_ARCH_ARCH_EXPORT_IMPL_H

/* What the files of arch_export share. */

#include "formats/arch/arch_conf.h"
#include "formats/arch/arch_export.h"
#include "formats/arch/arch_params_impl.h"

/* One attempt. */
struct attempt {
    const struct arch *a;
    const struct arch_model *m;
    struct arch_params p; /* the file's, completed */
    struct conf c;
    unsigned asked; /* bit i: the i-th `when` of the key rows is asked for */
    bool nested;    /* rope_parameters has an object for each kind of layer */
};

/* dst = the alternative of "a|b" to write: one without rope's objects where there is one. */
bool export_path(char *dst, size_t size, const char *paths);
/* Does the file have the key of a row? */
bool export_has_key(const struct attempt *t, const char *gguf);

/* Parameters that only config.json has, from those the file has: by the rules of the rows
 * that work these out of them. */
void export_solve(struct attempt *t);
/* Rotary scaling's, from divisors among the tensors. */
void export_rope_tensors(struct attempt *t);
void export_rope(struct attempt *t);
/* Lists and numbers that choose by layer. */
int export_choices(struct attempt *t, struct err *err) WARN_UNUSED;

#endif /* FORMATS_ARCH_ARCH_EXPORT_IMPL_H */
