#ifndef TOOLS_CMD_H
#define TOOLS_CMD_H

/* A command is one file, cmd_<name>.c, with one function and one row in main.c. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "tools/opt.h"

#include <stdbool.h>
#include <stdint.h>

/* What main prepares for every command. */
struct cmd_env {
    const char *name;  /* of the command */
    const char *usage; /* its operands, for messages and help */
    struct log log;    /* warnings to stderr, progress to a terminal, SIGINT */
};

/* argv[0] is the command's name. 0 or an error; main prints it and chooses the exit
 * status (ERR_ARG from cmd_options: 2, ERR_GATE: 3, others: 1). */
typedef int cmd_fn(struct cmd_env *env, int argc, char **argv, struct err *err);

/* opt_parse with the options every command has appended (-t, --cpu, --help).
 * *done is set when --help was printed: return 0 at once. */
struct cmd_common {
    struct par par;
    unsigned cpu; /* enum cpu_flag bits allowed */
    bool done;
};
int cmd_options(struct cmd_common *out, const struct cmd_env *env, const struct opt *opts,
                size_t n_opts, int argc, char **argv, const char **operand, size_t *n_operands,
                size_t min, size_t max, struct err *err) WARN_UNUSED;

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

cmd_fn cmd_bench;
cmd_fn cmd_cache;
cmd_fn cmd_codec;
cmd_fn cmd_compare;
cmd_fn cmd_convert;
cmd_fn cmd_diff;
cmd_fn cmd_distill;
cmd_fn cmd_eval;
cmd_fn cmd_export;
cmd_fn cmd_generate;
cmd_fn cmd_history;
cmd_fn cmd_imatrix;
cmd_fn cmd_inspect;
cmd_fn cmd_logits;
cmd_fn cmd_quantize;
cmd_fn cmd_run;
cmd_fn cmd_tokenize;

#endif /* TOOLS_CMD_H */
