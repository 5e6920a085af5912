#include "tools/opt.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct opt *find(const struct opt *opts, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(opts[i].name) == len && !memcmp(opts[i].name, name, len))
            return &opts[i];
    return NULL;
}

static const char *dashes(const struct opt *o)
{
    return o->name[1] ? "--" : "-";
}

static int set_int(const struct opt *o, const char *text, struct err *err)
{
    char *end;

    errno = 0;
    const long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || (double)v < o->min || (double)v > o->max)
        return err_set(err, ERR_ARG, "%s%s wants a whole number from %.0f to %.0f, not \"%s\"",
                       dashes(o), o->name, o->min, o->max, text);
    *(int64_t *)o->to = v;
    return 0;
}

static int set_num(const struct opt *o, const char *text, struct err *err)
{
    char *end;
    const double v = strtod(text, &end);

    if (end == text || *end || !(v >= o->min) || !(v <= o->max))
        return err_set(err, ERR_ARG, "%s%s wants a number from %g to %g, not \"%s\"", dashes(o),
                       o->name, o->min, o->max, text);
    *(double *)o->to = v;
    return 0;
}

static int set_list(const struct opt *o, const char *text, struct err *err)
{
    struct opt_list *list = o->to;

    if (list->n == OPT_LIST_MAX)
        return err_set(err, ERR_ARG, "%s%s given more than %d times", dashes(o), o->name,
                       OPT_LIST_MAX);
    list->at[list->n++] = text;
    return 0;
}

static int set(const struct opt *o, const char *text, struct err *err)
{
    switch (o->kind) {
    case OPT_INT:
        return set_int(o, text, err);
    case OPT_NUM:
        return set_num(o, text, err);
    case OPT_LIST:
        return set_list(o, text, err);
    case OPT_STR:
        *(const char **)o->to = text;
        return 0;
    case OPT_FLAG:
        break;
    }
    *(bool *)o->to = true;
    return 0;
}

/* One option at argv[*i]; *i moves over its argument. */
static int parse_one(const struct opt *opts, size_t n_opts, int argc, char **argv, int *i,
                     struct err *err)
{
    const char *word = argv[*i];
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const char *equals = word[1] == '-' ? strchr(name, '=') : NULL;
    const size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct opt *o = find(opts, n_opts, name, len);

    if (!o || (word[1] == '-') != (o->name[1] != '\0'))
        return err_set(err, ERR_ARG, "unknown option %.*s", (int)(name - word) + (int)len, word);
    if (o->kind == OPT_FLAG)
        return equals ? err_set(err, ERR_ARG, "--%s takes no value", o->name) : set(o, "", err);
    if (equals)
        return set(o, equals + 1, err);
    if (*i + 1 >= argc)
        return err_set(err, ERR_ARG, "%s%s wants %s", dashes(o), o->name, o->arg);
    return set(o, argv[++*i], err);
}

int opt_parse(const struct opt *opts, size_t n_opts, int argc, char **argv, const char **operand,
              size_t *n_operands, size_t min, size_t max, struct err *err)
{
    bool only_operands = false;

    *n_operands = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_operands && !strcmp(word, "--")) {
            only_operands = true;
        } else if (!only_operands && word[0] == '-' && word[1]) {
            const int rc = parse_one(opts, n_opts, argc, argv, &i, err);
            if (rc)
                return rc;
        } else if (*n_operands == max) {
            return err_set(err, ERR_ARG, "unexpected argument \"%s\"", word);
        } else {
            operand[(*n_operands)++] = word;
        }
    }
    if (*n_operands < min)
        return err_set(err, ERR_ARG, "%zu more argument%s expected", min - *n_operands,
                       min - *n_operands == 1 ? "" : "s");
    return 0;
}

void opt_help(const struct opt *opts, size_t n_opts)
{
    for (size_t i = 0; i < n_opts; i++) {
        const struct opt *o = &opts[i];
        const int n =
            printf("  %s%s%s%s", dashes(o), o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        printf("%*s%s\n", n < 28 ? 28 - n : 1, "", o->help);
    }
}
