#include "quant/patterns.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    const char *text; /* borrowed */
    pcre2_code *code; /* owned */
    bool found;
};

struct patterns {
    pcre2_match_data *match; /* owned */
    size_t n;
    struct pattern at[];
};

int patterns_new(struct patterns **out, size_t n, struct err *err)
{
    struct patterns *p = calloc(1, sizeof(*p) + n * sizeof(p->at[0]));

    *out = NULL;
    if (!p)
        return err_nomem(err);
    p->match = pcre2_match_data_create(1, NULL);
    if (!p->match) {
        free(p);
        return err_nomem(err);
    }
    *out = p;
    return 0;
}

void patterns_free(struct patterns *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        pcre2_code_free(p->at[i].code);
    pcre2_match_data_free(p->match);
    free(p);
}

int patterns_add(struct patterns *p, const char *text, struct err *err)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128];

    pcre2_code *re = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
    if (re) {
        p->at[p->n++] = (struct pattern){.text = text, .code = re};
        return 0;
    }
    (void)pcre2_get_error_message(code, why, sizeof(why));
    return err_set(err, ERR_ARG, "pattern \"%s\": %s at character %zu", text, (const char *)why,
                   (size_t)at + 1);
}

int patterns_find(size_t *first, struct patterns *p, const char *name, struct err *err)
{
    *first = p->n;
    for (size_t i = 0; i < p->n; i++) {
        struct pattern *one = &p->at[i];
        const int rc = pcre2_match(one->code, (PCRE2_SPTR)name, strlen(name), 0, 0, p->match, NULL);
        if (rc == PCRE2_ERROR_NOMATCH)
            continue;
        if (rc < 0) {
            PCRE2_UCHAR why[128];
            (void)pcre2_get_error_message(rc, why, sizeof(why));
            return err_set(err, ERR_ARG, "pattern \"%s\" on %.64s: %s", one->text, name,
                           (const char *)why);
        }
        one->found = true;
        if (*first == p->n)
            *first = i;
    }
    return 0;
}

const char *patterns_unfound(const struct patterns *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (!p->at[i].found)
            return p->at[i].text;
    return NULL;
}
