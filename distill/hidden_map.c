#include "distill/hidden_map.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

/* A block below n, and what follows its number; NULL: no number, or none below n. */
static const char *block(size_t *out, const char *s, size_t n)
{
    char *end;
    uintmax_t v;

    if (!isdigit((unsigned char)*s))
        return NULL;
    v = strtoumax(s, &end, 10);
    *out = (size_t)v;
    return v < n ? end : NULL;
}

static int read_pairs(struct hidden_map *m, const char *text, size_t n_student, size_t n_teacher,
                      struct err *err)
{
    for (const char *s = text;; s++) {
        size_t a = 0, b = 0;
        s = block(&a, s, n_student);
        s = s && *s == ':' ? block(&b, s + 1, n_teacher) : NULL;
        if (!s || (*s && *s != ','))
            return err_set(err, ERR_ARG,
                           "hidden-map \"%.64s\": expected blocks of the student (0 to %zu) and of "
                           "the teacher (0 to %zu), as in 0:2,4:14",
                           text, n_student - 1, n_teacher - 1);
        for (size_t i = 0; i < m->n; i++)
            if (m->student[i] == a)
                return err_set(err, ERR_ARG, "hidden-map \"%.64s\": block %zu comes twice", text,
                               a);
        m->student[m->n] = a;
        m->teacher[m->n++] = b;
        if (!*s)
            return 0;
    }
}

int hidden_map_read(struct hidden_map *out, const char *text, size_t n_student, size_t n_teacher,
                    struct err *err)
{
    int rc = 0;

    *out = (struct hidden_map){.student = calloc(n_student + 1, sizeof(*out->student)),
                               .teacher = calloc(n_student + 1, sizeof(*out->teacher))};
    if (!out->student || !out->teacher)
        rc = err_nomem(err);
    else if (text)
        rc = read_pairs(out, text, n_student, n_teacher, err);
    else if (n_student > n_teacher)
        rc = err_set(err, ERR_ARG,
                     "a loss of residual streams: the student has %zu blocks, its teacher %zu; "
                     "say which to compare by hidden-map",
                     n_student, n_teacher);
    for (; !rc && !text && out->n < n_student; out->n++) {
        out->student[out->n] = out->n;
        out->teacher[out->n] = ((out->n + 1) * n_teacher + n_student / 2) / n_student - 1;
    }
    if (rc)
        hidden_map_release(out);
    return rc;
}

void hidden_map_release(struct hidden_map *m)
{
    free(m->student);
    free(m->teacher);
    *m = (struct hidden_map){0};
}
