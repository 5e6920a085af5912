/* Order of values, and attributes by their path. */

#include "runtime/chat/chat_parts.h"

#include <string.h>

static int part_of(struct chat_value *v, struct chat_run *r, const struct chat_node *n,
                   struct chat_str name)
{
    bool digits = name.n > 0 && name.n < 10;
    int64_t i = 0;

    for (size_t k = 0; k < name.n; k++) {
        digits = digits && name.p[k] >= '0' && name.p[k] <= '9';
        i = digits ? i * 10 + (name.p[k] - '0') : 0;
    }
    if (v->type == CHAT_UNDEFINED)
        return 0;
    return chat_get_item(v, r, n, *v, digits ? chat_int(i) : chat_text_of(name));
}

int chat_path(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
              struct chat_value v, struct chat_str path)
{
    int rc = 0;

    *out = v;
    for (;;) {
        const char *dot = path.n ? memchr(path.p, '.', path.n) : NULL;
        const size_t k = dot ? (size_t)(dot - path.p) : path.n;
        rc = part_of(out, r, n, (struct chat_str){path.p, k});
        if (rc || !dot)
            return rc;
        path = (struct chat_str){dot + 1, path.n - k - 1};
    }
}

static int folded(struct chat_value *v, struct chat_run *r, bool any_case)
{
    return any_case && v->type == CHAT_STR ? chat_recase(v, r, v->u.s, CHAT_LOWER) : 0;
}

int chat_sort_key(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                  struct chat_value v, const struct chat_order *how)
{
    struct chat_str path = how->attribute;
    struct chat_value list;
    int rc = 0;

    *out = v;
    if (!path.p)
        return folded(out, r, how->any_case);
    if (!memchr(path.p, ',', path.n)) {
        rc = chat_path(out, r, n, v, path);
        return rc ? rc : folded(out, r, how->any_case);
    }
    rc = chat_list_new(&list, r, 2);
    while (!rc) {
        const char *comma = memchr(path.p, ',', path.n);
        const size_t k = comma ? (size_t)(comma - path.p) : path.n;
        struct chat_value part;
        rc = chat_path(&part, r, n, v, (struct chat_str){path.p, k});
        if (!rc)
            rc = folded(&part, r, how->any_case);
        if (!rc)
            rc = chat_list_add(r, list.u.list, part);
        if (!comma)
            break;
        path = (struct chat_str){comma + 1, path.n - k - 1};
    }
    *out = list;
    return rc;
}

struct sorter {
    struct chat_run *r;
    const struct chat_node *n;
    bool reverse;
    struct chat_pair *at, *other; /* key, value */
};

/* at[from, mid) and at[mid, to), each in order, become one. */
static int merge(const struct sorter *s, size_t from, size_t mid, size_t to)
{
    size_t a = from, b = mid, k = from;
    int rc = 0;

    while (!rc && a < mid && b < to) {
        bool second;
        rc = chat_step(s->r, 1);
        if (!rc)
            rc = s->reverse
                     ? chat_compare(&second, s->r, s->n, CHAT_LT, s->at[a].key, s->at[b].key)
                     : chat_compare(&second, s->r, s->n, CHAT_LT, s->at[b].key, s->at[a].key);
        if (!rc)
            s->other[k++] = second ? s->at[b++] : s->at[a++];
    }
    while (a < mid)
        s->other[k++] = s->at[a++];
    while (b < to)
        s->other[k++] = s->at[b++];
    return rc;
}

int chat_sort(struct chat_run *r, const struct chat_node *n, struct chat_list *l,
              const struct chat_order *how)
{
    struct sorter s = {.r = r, .n = n, .reverse = how->reverse};
    int rc = 0;

    if (l->n < 2)
        return 0;
    s.at = chat_alloc(r, l->n * sizeof(*s.at));
    s.other = s.at ? chat_alloc(r, l->n * sizeof(*s.other)) : NULL;
    if (!s.other)
        return r->err->code;
    for (size_t i = 0; !rc && i < l->n; i++) {
        s.at[i].value = l->at[i];
        rc = chat_sort_key(&s.at[i].key, r, n, l->at[i], how);
    }
    for (size_t width = 1; !rc && width < l->n; width *= 2) {
        for (size_t i = 0; !rc && i < l->n; i += 2 * width) {
            const size_t mid = i + width < l->n ? i + width : l->n;
            rc = merge(&s, i, mid, mid + width < l->n ? mid + width : l->n);
        }
        struct chat_pair *t = s.at;
        s.at = s.other;
        s.other = t;
    }
    for (size_t i = 0; !rc && i < l->n; i++)
        l->at[i] = s.at[i].value;
    return rc;
}
