#ifndef FORMATS_ARCH_ARCH_PARAMS_IMPL_H
#define FORMATS_ARCH_ARCH_PARAMS_IMPL_H

/* What arch_params.c, arch_config.c and arch_meta.c share. */

#include "formats/arch/arch_rows.h"

enum { KEY_BYTES = 128 }; /* of a key with the family's name in it */

/* Does the type hold whole numbers? */
bool key_is_whole(enum meta_type type);
/* Is v something the key can hold? The message names it `name`. */
int key_check(const struct arch_key *k, const char *name, double v, struct err *err) WARN_UNUSED;
/* Room for one value for each layer; n must be as many. ARCH_N_LAYER is set already. */
int param_layers(double **out, struct arch_params *p, const char *name, size_t n, struct err *err) WARN_UNUSED;
/* Set a parameter to values by layer. */
void param_set_layers(struct arch_params *p, enum arch_param which, const double *v);
/* The row that ends a set. */
bool key_is_end(const struct arch_key *k);
/* Does the row work its value out of others where its key is absent? */
bool key_works_out(const struct arch_key *k);
/* A fact of the family: it holds whatever a file says. */
bool key_is_fact(const struct arch_key *k);
/* What messages call the row. */
const char *key_label(const struct arch_key *k);
/* The row's own rule for a value that is not there. */
int key_absent(struct arch_params *p, const struct arch_key *k, const char *name, struct err *err) WARN_UNUSED;
/* A parameter without a window's own value. */
double param_plain(const struct arch_params *p, enum arch_param which, size_t layer);
/* Are positions rotated? */
bool params_have_rope(const struct arch_params *p);
/* A model has between one layer and as many as its weights have tensors; `name` is the
 * key that said. */
int params_check_layers(const struct arch_params *p, const char *name, uint64_t most, struct err *err) WARN_UNUSED;
/* What must hold between parameters, wherever they come from. */
int params_check(const struct arch_params *p, struct err *err) WARN_UNUSED;
/* Keys that are lists because some layers lack what they count. */
int params_spread(struct arch_params *p, const struct arch *a, struct err *err) WARN_UNUSED;
/* Windowed layers' values that a GGUF holds in the parameter's list. */
int params_fold(struct arch_params *p, const struct arch *a, struct err *err) WARN_UNUSED;
/* Feed-forwards of layers that share keys and values may be twice as wide. */
int params_widen(struct arch_params *p, struct err *err) WARN_UNUSED;

/* Is text[0, n) one of "a|b"? names NULL: no. */
bool arch_is_named(const char *names, const char *text, size_t n);

#endif /* FORMATS_ARCH_ARCH_PARAMS_IMPL_H */
