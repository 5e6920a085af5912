#ifndef FORMATS_CODED_SCHEME_H
#define FORMATS_CODED_SCHEME_H

/* What formats/coded.c and the schemes share. A scheme looks at one stored tensor at a
 * time and says what it is: a plain tensor, a side tensor of a weight, or the codes of
 * one. */

#include "formats/base/arena.h"
#include "formats/base/json.h"
#include "formats/coded.h"

enum coded_role {
    CODED_PLAIN, /* not the scheme's */
    CODED_SIDE,  /* read with its weight, or of no use */
    CODED_HERE,  /* a weight, in the place of the tensor itself */
    CODED_FIRST, /* before all others */
    CODED_LAST   /* after all others */
};

enum { CODED_MAX_SIDES = 8 };

/* One tensor being looked at. */
struct look {
    const struct ckpt *ckpt;
    struct arena *arena;        /* of the set */
    const json_val *config;     /* quantization_config */
    const struct st_tensor *st; /* the tensor */
    char base[512];             /* its name without the suffix that look_ends took away */
    struct coded c;             /* to fill */
    int n_dims;                 /* logical shape, slowest first */
    uint64_t dims[3];
    enum dtype type; /* of the logical tensor */
    struct coded_side sides[CODED_MAX_SIDES];
    size_t n_sides;
};

/* Is the config one that the scheme knows? */
typedef int coded_check_fn(const json_val *config, struct err *err);
/* What is l->st? */
typedef int coded_take_fn(enum coded_role *role, struct look *l, struct err *err);

/* One row a scheme: `take` finds out what l->st is; of a weight it fills c, dims and type.
 * Errors without the file's name. */
struct coded_scheme {
    const char *method;    /* quant_method */
    coded_check_fn *check; /* NULL: nothing to check */
    coded_take_fn *take;
};

/* The rows' functions, one file a scheme. */
coded_check_fn gptq_check, awq_check, compressed_check;
coded_take_fn fp8_take, gptq_take, awq_take, compressed_take, bnb_take, mxfp4_take, modelopt_take;

/* Does the tensor's name end with `suffix`? base gets what is before it. */
bool look_ends(struct look *l, const char *suffix);
/* With one of several; the list ends with NULL. */
bool look_ends_any(struct look *l, const char *const *suffixes);

/* base becomes the logical tensor's name: itself and `suffix`. */
void look_named(struct look *l, const char *suffix);

/* scales [groups, out] of any float type, groups by the config's group size: GPTQ's and
 * AWQ's. */
int gptq_scales(struct look *l, struct err *err) WARN_UNUSED;

/* The tensor <base><suffix>, or NULL; it is remembered as a side of the weight. */
const struct st_tensor *look_side(struct look *l, const char *suffix);
/* The same, of this type and shape; a dimension of LOOK_ANY is not compared. Errors:
 * ERR_FORMAT naming both tensors, expected and found. */
#define LOOK_ANY UINT64_MAX
int look_need(const struct st_tensor **out, struct look *l, const char *suffix, enum dtype type,
              int n_dims, const uint64_t *dims, struct err *err) WARN_UNUSED;
/* The message of look_need for a tensor that was found already. */
int look_shape(const struct look *l, const struct st_tensor *t, int n_dims, const uint64_t *dims,
               struct err *err) WARN_UNUSED;
/* Is the tensor itself a matrix of 32-bit words, as packed codes are? */
int look_words(const struct look *l, struct err *err) WARN_UNUSED;
/* F16, BF16 or F32, as scales are. */
int look_float(const struct st_tensor *t, struct err *err) WARN_UNUSED;
/* Number i of an I32 tensor's bytes. */
int32_t look_i32(const uint8_t *data, uint64_t i);
/* The product of its dimensions. */
uint64_t look_values(const struct st_tensor *t);

/* The last two dimensions of the tensor are out and in; three: a stack. Fills dims, rows,
 * out and cols. Errors: ERR_FORMAT. */
int look_matrix(struct look *l, const struct st_tensor *st, struct err *err) WARN_UNUSED;
/* Scales of a matrix by the scale tensor's shape: one; one a row; [rows / bm, cols / bn]
 * rounded up with blocks of [bm, bn] (0, 0: as the shape divides it); each also per matrix
 * of a stack. Any float type, or U8 exponents. */
int look_scale(struct look *l, const struct st_tensor *scale, uint64_t bm, uint64_t bn,
               struct err *err) WARN_UNUSED;
/* The F32 number that every scale is multiplied with or divided by; one a matrix of a stack
 * at most. */
int look_global(struct look *l, const struct st_tensor *global, enum coded_scale kind,
                struct err *err) WARN_UNUSED;
/* A column's group, from an I32 tensor [cols]: checked, and dropped when it is the usual
 * c / cols_per, or -1 for every column. */
int look_index(struct look *l, const struct st_tensor *index, struct err *err) WARN_UNUSED;

#endif /* FORMATS_CODED_SCHEME_H */
