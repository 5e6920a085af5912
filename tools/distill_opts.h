#ifndef TOOLS_DISTILL_OPTS_H
#define TOOLS_DISTILL_OPTS_H

/* The command line of pare distill as the options of a run. */

#include "distill/distill.h"
#include "tools/cmd.h"

struct distill_cmd {
    struct cmd_common common;
    struct distill_opts o;
    struct opt_list text, freeze;
    struct data_file file[OPT_LIST_MAX];
    char *path[OPT_LIST_MAX]; /* owned; of files with a weight */
    const char *freeze_end[OPT_LIST_MAX + 1];
};

/* To be released also after a failure. Errors: ERR_ARG. */
int distill_cmd_read(struct distill_cmd *out, const struct cmd_env *env, int argc, char **argv,
                     struct err *err) WARN_UNUSED;
/* The student is its teacher: it has all layers and widths, and no mix. */
bool distill_cmd_is_whole(const struct distill_opts *o);
void distill_cmd_release(struct distill_cmd *c);

#endif /* TOOLS_DISTILL_OPTS_H */
