/* Functions that every template can call. */

#include "runtime/chat/chat_parts.h"

#include <string.h>
#include <time.h>

static int do_range(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int64_t from = 0, to, step;
    int rc = chat_arg_int(&to, r, c, 0, 0);

    if (!rc && c->a[1].type != CHAT_ABSENT) {
        from = to;
        rc = chat_arg_int(&to, r, c, 1, 0);
    }
    if (!rc)
        rc = chat_arg_int(&step, r, c, 2, 1);
    if (!rc && !step)
        rc = chat_fail(r, c->node, "a range with a step of 0");
    if (!rc)
        rc = chat_list_new(out, r, 0);
    for (int64_t i = from; !rc && (step > 0 ? i < to : i > to);) {
        if (out->u.list->n == CHAT_RANGE_MAX)
            return chat_fail(r, c->node, "a range of more than %d", CHAT_RANGE_MAX);
        rc = chat_list_add(r, out->u.list, chat_int(i));
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return rc;
}

/* Pairs of a dict and keyword arguments. */
static int do_dict(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    int rc = chat_dict_new(out, r, 0);

    if (rc)
        return rc;
    if (c->n > 1 || (c->n && c->arg[0].type != CHAT_DICT))
        return chat_fail(r, c->node, "a dict can be made of one dict and of names with values");
    for (size_t i = 0; !rc && c->n && i < c->arg[0].u.dict->n; i++)
        rc = chat_dict_put(r, out->u.dict, c->arg[0].u.dict->at[i].key,
                           c->arg[0].u.dict->at[i].value);
    for (size_t i = 0; !rc && i < c->n_keys; i++)
        rc = chat_dict_put(r, out->u.dict, c->key[i].key, c->key[i].value);
    return rc;
}

static int do_namespace(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const int rc = do_dict(out, r, c);

    out->type = CHAT_SPACE;
    return rc;
}

static int do_raise(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    struct chat_str s;
    const int rc = chat_to_str(&s, r, c->a[0]);

    *out = chat_none();
    return rc ? rc
              : chat_fail(r, c->node, "the template refuses: %.*s", (int)(s.n < 200 ? s.n : 200),
                          s.p);
}

static int do_strftime(struct chat_value *out, struct chat_run *r, const struct chat_call *c)
{
    const time_t now = (time_t)r->vars->now;
    struct chat_str format = {"", 0};
    char fmt[128], s[400];
    struct tm tm;
    int rc = chat_arg_str(&format, r, c, 0);

    if (!rc && format.n >= sizeof(fmt))
        rc = chat_fail(r, c->node, "too long a format");
    if (rc)
        return rc;
    memcpy(fmt, format.p, format.n);
    fmt[format.n] = '\0';
    if (!gmtime_r(&now, &tm))
        return chat_fail(r, c->node, "no such date");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const size_t n = strftime(s, sizeof(s), fmt, &tm);
#pragma GCC diagnostic pop
    return chat_str_copy(out, r, s, n);
}

const struct chat_func *chat_global(struct chat_str name)
{
    static const struct chat_func rows[] = {
        {"dict",            do_dict,      "*",               0},
        {"namespace",       do_namespace, "*",               0},
        {"raise_exception", do_raise,     "message",         1},
        {"range",           do_range,     "start stop step", 1},
        {"strftime_now",    do_strftime,  "format",          1},
    };

    return chat_row(rows, sizeof(rows) / sizeof(rows[0]), name);
}
