#include "tools/distill_opts.h"

#include "distill/settings.h"

#include <stdlib.h>
#include <string.h>

static int read_texts(struct distill_cmd *c, struct err *err)
{
    for (size_t i = 0; i < c->text.n; i++) {
        const char *text = c->text.at[i], *eq = strrchr(text, '=');
        char *end = NULL;
        const double w = eq ? strtod(eq + 1, &end) : 1;

        c->file[i] = (struct data_file){text, 1};
        if (!eq || eq[1] == '\0' || *end)
            continue; /* a name may have a '=' */
        if (!(w > 0) || !(w <= 1000))
            return err_set(err, ERR_ARG, "--text %s: a weight is more than 0 and at most 1000",
                           text);
        c->path[i] = strndup(text, (size_t)(eq - text));
        if (!c->path[i])
            return err_nomem(err);
        c->file[i] = (struct data_file){c->path[i], w};
    }
    if (!c->text.n)
        return err_set(err, ERR_ARG, "expected a text to train on: --text FILE");
    c->o.data.file = c->file;
    c->o.data.n_files = c->text.n;
    return 0;
}

/* The settings given on the command line. */
static int read_settings(struct distill_opts *o, const char *const *text, const bool *on,
                         struct err *err)
{
    bool given[SETTINGS_MAX] = {false};

    for (size_t i = 0; setting_at(i); i++) {
        const struct setting *s = setting_at(i);
        const char *value = s->arg ? text[i] : on[i] ? "true" : NULL;

        given[i] = value != NULL;
        if (value && distill_set(o, s, value, err))
            return err_wrap(err, "--%s", s->name);
    }
    return settings_agree(given, o, "--", err);
}

bool distill_cmd_is_whole(const struct distill_opts *o)
{
    return student_is_whole(&o->student) && !o->quantize;
}

int distill_cmd_read(struct distill_cmd *c, const struct cmd_env *env, int argc, char **argv,
                     struct err *err)
{
    const char *text[SETTINGS_MAX] = {NULL}, *operand[2];
    bool on[SETTINGS_MAX] = {false};
    struct distill_opts *o = &c->o;
    struct opt opts[SETTINGS_MAX + 2] = {
        {"text",   "FILE[=W]", "text or .jsonl to train on, W times an epoch", OPT_LIST, &c->text,   0,
         0                                                                                               },
        {"freeze", "PATTERN",  "tensors that stay as they are",                OPT_LIST, &c->freeze, 0, 0},
    };
    size_t n = 2;

    *c = (struct distill_cmd){0};
    for (size_t i = 0; setting_at(i); i++) {
        const struct setting *s = setting_at(i);
        opts[n++] = (struct opt){s->name, s->arg, s->help, s->arg ? OPT_STR : OPT_FLAG, NULL, 0, 0};
        opts[n - 1].to = s->arg ? (void *)&text[i] : (void *)&on[i];
    }
    int rc = cmd_options(&c->common, env, opts, n, argc, argv, operand, &n, 2, 2, err);

    if (rc || c->common.done)
        return rc;
    distill_defaults(o);
    o->teacher = operand[0];
    o->out = operand[1];
    o->train.cpu = c->common.cpu;
    o->train.par = c->common.par;
    o->train.log = &env->log;
    for (size_t i = 0; i < c->freeze.n; i++)
        c->freeze_end[i] = c->freeze.at[i];
    o->train.freeze = c->freeze.n ? c->freeze_end : NULL;
    rc = *o->out ? read_texts(c, err) : err_set(err, ERR_ARG, "the output's name is empty");
    return rc ? rc : read_settings(o, text, on, err);
}

void distill_cmd_release(struct distill_cmd *c)
{
    for (size_t i = 0; i < OPT_LIST_MAX; i++)
        free(c->path[i]);
}
