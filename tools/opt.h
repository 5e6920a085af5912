#ifndef TOOLS_OPT_H
#define TOOLS_OPT_H

/* Command-line options as an array beside the variables they fill. */

#include "formats/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum opt_kind {
    OPT_FLAG, /* bool */
    OPT_INT,  /* int64_t in [min, max] */
    OPT_NUM,  /* double in [min, max] */
    OPT_STR,  /* const char *, borrowed from argv */
    OPT_LIST  /* struct opt_list: may be given several times */
};

enum { OPT_LIST_MAX = 256 };

struct opt_list {
    const char *at[OPT_LIST_MAX]; /* borrowed from argv */
    size_t n;
};

struct opt {
    const char *name; /* "ctx" for --ctx; one letter for -t */
    const char *arg;  /* what help calls the argument; NULL for a flag */
    const char *help;
    enum opt_kind kind;
    void *to;
    double min, max; /* OPT_INT, OPT_NUM */
};

/* Fill the variables. Options and operands may mix; operands end up in
 * operand[0, *n_operands) and must be between min and max in number. `--` ends the
 * options. Errors: ERR_ARG, a sentence for the user. */
int opt_parse(const struct opt *opts, size_t n_opts, int argc, char **argv, const char **operand,
              size_t *n_operands, size_t min, size_t max, struct err *err) WARN_UNUSED;

/* One line per option on stdout. */
void opt_help(const struct opt *opts, size_t n_opts);

#endif /* TOOLS_OPT_H */
