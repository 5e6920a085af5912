#ifndef DISTILL_SETTINGS_H
#define DISTILL_SETTINGS_H

/* The options of a run by name, for command lines and recipes alike. */

#include "distill/distill.h"

enum setting_kind {
    SETTING_TEXT,   /* const char *, borrowed */
    SETTING_COUNT,  /* whole number */
    SETTING_SIZE,   /* the same, as in 2M */
    SETTING_NUMBER, /* double in [min, max] */
    SETTING_SWITCH, /* bool, true when given */
    SETTING_CHOICE, /* enum */
    SETTING_LOSS,   /* struct loss: its terms */
    SETTING_SEED    /* of everything */
};

struct setting_choice {
    const char *name; /* NULL: the end */
    int value;
};

struct setting {
    const char *name; /* "kv-heads" */
    const char *arg;  /* what help calls its value; NULL: a switch */
    const char *help;
    enum setting_kind kind;
    size_t at, size; /* of the member of struct distill_opts */
    double min, max;
    const struct setting_choice *choices;
    bool path; /* SETTING_TEXT: of a file */
};

enum { SETTINGS_MAX = 64 };

/* In the order help shows them; NULL past the end. */
const struct setting *setting_at(size_t i);
/* By name, where '_' stands for '-' as well; NULL: there is none. */
const struct setting *setting_by_name(const char *name);

/* What holds where nothing is given. */
void distill_defaults(struct distill_opts *o);
/* text of a switch: "true" or "false". Errors: ERR_ARG, what was expected. */
int distill_set(struct distill_opts *o, const struct setting *s, const char *text,
                struct err *err) WARN_UNUSED;

/* Those given (by setting_at's numbers) that say more of another one do nothing without it, or in its place.
 * before: what names are shown with, "--" or "". Errors: ERR_ARG. */
int settings_agree(const bool given[SETTINGS_MAX], const struct distill_opts *o, const char *before,
                   struct err *err) WARN_UNUSED;

#endif /* DISTILL_SETTINGS_H */
