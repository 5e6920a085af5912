#include "tools/cmd.h"

int cmd_logits(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    (void)env, (void)argc, (void)argv;
    return err_set(err, ERR_UNSUPPORTED, "being written");
}
