#include "formats/apart.h"
#include "formats/base/out.h"
#include "tools/cmd.h"
#include "tools/inspect.h"

#include <stdio.h>

static int write_json(const struct inspect *m, const char *to, struct err *err)
{
    struct buf b = {0};
    int rc = m->gguf ? digest_gguf_json(&b, m->gguf, m->tensor, err)
                     : digest_ckpt_json(&b, m->ckpt, m->tensor, err);

    if (!rc)
        rc = out_file(to, b.p, b.n, err);
    buf_release(&b);
    return rc;
}

static int verify(const struct inspect *m, const char *path, struct err *err)
{
    size_t listed = 0;
    const int rc = inspect_compare(&listed, m, path, err);

    if (rc)
        return err_wrap(err, "%s", path);
    if (listed)
        printf("\n%zu tensors read, every sha256 as %s.json lists it\n", m->n_tensors, path);
    else
        printf("\n%zu tensors read; no %s.json lists their sha256\n", m->n_tensors, path);
    return 0;
}

int cmd_inspect(struct cmd_env *env, int argc, char **argv, struct err *err)
{
    bool tensors = false, check = false, families = false;
    const char *json = NULL, *path = NULL;
    struct cmd_common common;
    struct inspect m = {0};
    size_t n;
    const struct opt opts[] = {
        {"tensors",       NULL,   "list every tensor",                                         OPT_FLAG, &tensors, 0, 0},
        {"json",          "FILE", "write all of it, with the sha256 of every tensor",          OPT_STR,  &json,    0, 0},
        {"verify",        NULL,   "read every byte and compare with the sha256 in MODEL.json", OPT_FLAG,
         &check,                                                                                                   0, 0},
        {"architectures", NULL,   "list the architectures pare knows, instead of a file",      OPT_FLAG,
         &families,                                                                                                0, 0},
    };

    int rc = cmd_options(&common, env, opts, N_OF(opts), argc, argv, &path, &n, 0, 1, err);
    if (rc || common.done)
        return rc;
    if (families) {
        inspect_print_families();
        return 0;
    }
    if (!n)
        return err_set(err, ERR_ARG, "usage: pare %s %s (--help lists the options)", env->name,
                       env->usage);
    rc = apart(json, path, false, err);
    if (!rc)
        rc = inspect_open(&m, path, err);
    if (!rc && (json || check))
        rc = digest_hash(m.tensor, m.n_tensors, &common.par, &env->log, err);
    if (!rc && json)
        rc = write_json(&m, json, err);
    if (rc)
        goto out;
    inspect_print_head(&m);
    rc = inspect_print_meta(&m, err);
    if (rc)
        goto out;
    inspect_print_types(&m);
    rc = inspect_print_fit(&m, path, &common.par, err);
    if (rc)
        goto out;
    if (tensors || check)
        rc = inspect_print_tensors(&m, err);
    if (!rc && check)
        rc = verify(&m, path, err);
out:
    inspect_release(&m);
    return rc;
}
