#include "recipes/recipe_matrix.h"

#include "formats/base/buf.h"
#include "formats/base/path.h"
#include "recipes/recipe_node.h"

#include <string.h>

/* One key: its values, which of them is the turn's. */
struct dim {
    const char *name;
    const struct yaml_node *values, *at;
    bool outer;  /* multiplies the recipe */
    bool active; /* of what is being expanded now */
};

struct matrix {
    struct dim *dim;
    size_t n;
    const struct yaml_node *exclude; /* a list of maps; NULL: none */
    struct subst subst;
    struct arena *arena;
    struct err *err;
};

static const char *value_of(void *arg, const char *key)
{
    const struct matrix *m = arg;

    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->dim[i].name, key))
            return m->dim[i].at->text;
    return NULL;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int read_dim(struct matrix *m, const struct yaml_node *v)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    if (!*v->key || v->key[strspn(v->key, safe)] || (*v->key >= '0' && *v->key <= '9'))
        return node_bad(m->err, v, ERR_FORMAT,
                        "matrix: \"%.40s\" is no key: expected letters, digits and \"_\"", v->key);
    if (v->kind != YAML_LIST || !v->first)
        return node_bad(m->err, v, ERR_FORMAT, "matrix: %.40s: expected a list of values", v->key);
    size_t n = 0;
    for (const struct yaml_node *x = v->first; x; x = x->next) {
        if (x->kind != YAML_SCALAR)
            return node_bad(m->err, x, ERR_FORMAT, "matrix: %.40s: expected text", v->key);
        if (++n > MATRIX_MAX)
            return node_bad(m->err, x, ERR_FORMAT, "matrix: expected at most %d combinations",
                            MATRIX_MAX);
        for (const struct yaml_node *y = v->first; y != x; y = y->next)
            if (!strcmp(x->text, y->text))
                return node_bad(m->err, x, ERR_FORMAT, "matrix: %.40s: \"%.60s\" twice", v->key,
                                x->text);
    }
    m->dim[m->n++] = (struct dim){.name = v->key, .values = v, .at = v->first};
    return 0;
}

static int read_exclude(struct matrix *m, const struct yaml_node *v)
{
    if (v->kind != YAML_LIST)
        return node_bad(m->err, v, ERR_FORMAT, "matrix: exclude: expected a list");
    m->exclude = v;
    for (const struct yaml_node *x = v->first; x; x = x->next) {
        if (x->kind != YAML_MAP || !x->first)
            return node_bad(m->err, x, ERR_FORMAT, "matrix: exclude: expected keys and values");
        for (const struct yaml_node *k = x->first; k; k = k->next)
            if (k->kind != YAML_SCALAR || !value_of(m, k->key))
                return node_bad(m->err, k, ERR_FORMAT,
                                "matrix: exclude: \"%.40s\": expected one of the matrix's keys "
                                "and a value",
                                k->key);
    }
    return 0;
}

static int read_matrix(struct matrix *m, const struct yaml_node *v)
{
    const struct yaml_node *exclude = NULL;
    size_t n = 0;
    int rc = 0;

    if (v->kind != YAML_MAP || !v->first)
        return node_bad(m->err, v, ERR_FORMAT, "matrix: expected keys with lists of values");
    for (const struct yaml_node *k = v->first; k; k = k->next)
        n++;
    m->dim = arena_array(m->arena, n, sizeof(*m->dim));
    if (!m->dim)
        return err_nomem(m->err);
    for (const struct yaml_node *k = v->first; !rc && k; k = k->next)
        if (!strcmp(k->key, "exclude"))
            exclude = k;
        else
            rc = read_dim(m, k);
    return rc || !exclude ? rc : read_exclude(m, exclude);
}

/* ---- turns ------------------------------------------------------------------------------ */

static void first_turn(struct matrix *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->dim[i].active)
            m->dim[i].at = m->dim[i].values->first;
}

/* The next combination of the dims that are active and `outer`; the last key turns fastest.
 * false: there is none. */
static bool next_turn(struct matrix *m, bool outer)
{
    for (size_t i = m->n; i-- > 0;) {
        struct dim *d = &m->dim[i];
        if (!d->active || d->outer != outer)
            continue;
        d->at = d->at->next;
        if (d->at)
            return true;
        d->at = d->values->first;
    }
    return false;
}

static const struct dim *active(const struct matrix *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->dim[i].active && !strcmp(m->dim[i].name, name))
            return &m->dim[i];
    return NULL;
}

static bool excluded(const struct matrix *m)
{
    for (const struct yaml_node *x = m->exclude ? m->exclude->first : NULL; x; x = x->next) {
        bool all = true;
        for (const struct yaml_node *k = x->first; all && k; k = k->next) {
            const struct dim *d = active(m, k->key);
            all = d && !strcmp(d->at->text, k->text);
        }
        if (all)
            return true;
    }
    return false;
}

/* ---- names ------------------------------------------------------------------------------- */

/* What of a value is safe in a file name: of a path the last part. */
static void put_safe(struct buf *b, const char *value)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";
    size_t n = path_len(value), from;

    for (from = n; from && value[from - 1] != '/'; from--)
        ;
    if (n - from > 5 && !strncmp(value + n - 5, ".gguf", 5))
        n -= 5;
    for (size_t i = from; i < n; i++) {
        const char c = value[i];
        buf_put(b, c && strchr(safe, c) && (i > from || c != '.') ? &c : "-", 1);
    }
}

static const char *keep(struct matrix *m, struct buf *b)
{
    const char *text = buf_check(b, m->err) ? NULL : arena_strn(m->arena, b->n ? b->p : "", b->n);

    buf_release(b);
    return text;
}

static const char *suffix_of(struct matrix *m)
{
    struct buf b = {0};

    for (size_t i = 0; i < m->n; i++)
        if (m->dim[i].outer) {
            if (b.n)
                buf_str(&b, "-");
            put_safe(&b, m->dim[i].at->text);
        }
    return keep(m, &b);
}

/* An item that the matrix multiplies by more than its mix: "Q4_K_M-best". */
static int name_item(struct matrix *m, struct yaml_node *item, const struct yaml_node *from)
{
    const struct yaml_node *mix = yaml_get(from, "mix");
    const struct yaml_node *now = yaml_get(item, "mix");
    struct buf b = {0};
    bool more = false;

    if (!mix) {
        mix = yaml_get(from, "type");
        now = yaml_get(item, "type");
    }
    if (item->kind != YAML_MAP || yaml_get(item, "name") || !mix || now->kind != YAML_SCALAR)
        return 0;
    buf_str(&b, now->text);
    for (size_t i = 0; i < m->n; i++)
        if (m->dim[i].active && !m->dim[i].outer && !subst_uses(mix, m->dim[i].name)) {
            more = true;
            buf_str(&b, "-");
            put_safe(&b, m->dim[i].at->text);
        }
    const char *name = keep(m, &b);
    struct yaml_node *node = name ? node_text(m->arena, item, "name", name) : NULL;
    if (!node)
        return err_nomem(m->err);
    if (more)
        node_append(item, node);
    return 0;
}

/* ---- expanding ----------------------------------------------------------------------------- */

static int expand_item(struct yaml_node *to, struct matrix *m, const struct yaml_node *from)
{
    int rc = 0;

    for (size_t i = 0; i < m->n; i++)
        if (!m->dim[i].outer)
            m->dim[i].active = subst_uses(from, m->dim[i].name);
    do {
        struct yaml_node *item;
        if (excluded(m))
            continue;
        rc = subst_tree(&item, m->arena, from, &m->subst, m->err);
        if (!rc)
            rc = name_item(m, item, from);
        if (!rc)
            node_append(to, item);
    } while (!rc && next_turn(m, false));
    for (size_t i = 0; i < m->n; i++)
        if (!m->dim[i].outer)
            m->dim[i].active = false;
    return rc;
}

/* The items of quantize:, as the matrix stands. */
static int expand_items(struct yaml_node *root, struct matrix *m, const struct yaml_node *list)
{
    struct yaml_node *to = node_copy(m->arena, list);
    int rc = 0;

    if (!to)
        return err_nomem(m->err);
    if (list->kind != YAML_LIST)
        rc = subst_tree(&to, m->arena, list, &m->subst, m->err);
    else
        for (const struct yaml_node *v = list->first; !rc && v; v = v->next)
            rc = expand_item(to, m, v);
    if (!rc)
        node_append(root, to);
    return rc;
}

static int expand_branch(struct matrix_branch *out, struct matrix *m, const struct yaml_node *root,
                         const struct yaml_node *quantize)
{
    int rc = subst_tree(&out->root, m->arena, root, &m->subst, m->err);

    if (!rc && quantize)
        rc = expand_items(out->root, m, quantize);
    out->suffix = rc ? NULL : suffix_of(m);
    return rc || out->suffix ? rc : err_nomem(m->err);
}

static int add_text(struct matrix *m, struct yaml_node *root, const char *key, const char *text)
{
    const struct dim *d = NULL;

    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->dim[i].name, key))
            d = &m->dim[i];
    if (!d)
        return 0;
    struct yaml_node *node = node_text(m->arena, d->values, key, text);
    if (!node)
        return err_nomem(m->err);
    node_append(root, node);
    return 0;
}

/* `matrix: {model: [...], mix: [...]}` alone says what is meant. */
static int imply(struct matrix *m, struct yaml_node *root, const struct yaml_node *at)
{
    int rc = yaml_get(root, "model") ? 0 : add_text(m, root, "model", "${matrix.model}");

    if (rc || yaml_get(root, "quantize"))
        return rc;
    struct yaml_node *list = node_copy(m->arena, at), *item = node_copy(m->arena, at);
    if (!list || !item)
        return err_nomem(m->err);
    list->kind = YAML_LIST;
    list->key = "quantize";
    item->key = NULL;
    rc = add_text(m, item, "mix", "${matrix.mix}");
    if (!rc && !item->first)
        rc = add_text(m, item, "type", "${matrix.type}");
    if (!rc && item->first) {
        node_append(list, item);
        node_append(root, list);
    }
    return rc;
}

static int sort_dims(struct matrix *m, const struct yaml_node *root,
                     const struct yaml_node *quantize, size_t *branches)
{
    size_t all = 1;

    *branches = 1;
    for (size_t i = 0; i < m->n; i++) {
        struct dim *d = &m->dim[i];
        size_t n = 0;
        d->outer = d->active = subst_uses(root, d->name);
        if (!d->outer && !(quantize && subst_uses(quantize, d->name)))
            return node_bad(m->err, d->values, ERR_FORMAT, "matrix: nothing names ${matrix.%.40s}",
                            d->name);
        for (const struct yaml_node *v = d->values->first; v && n <= MATRIX_MAX; v = v->next)
            n++;
        all *= n;
        *branches *= d->outer ? n : 1;
        if (all > MATRIX_MAX)
            return node_bad(m->err, d->values, ERR_FORMAT,
                            "matrix: expected at most %d combinations", MATRIX_MAX);
    }
    return 0;
}

static int check_suffixes(struct matrix *m, const struct matrix_branch *b, size_t n,
                          const struct yaml_node *at)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(b[i].suffix, b[k].suffix))
                return node_bad(m->err, at, ERR_FORMAT,
                                "matrix: two combinations would both be written to \"%.60s\"",
                                b[i].suffix);
    return 0;
}

static int expand(struct matrix_branch **out, size_t *n, struct matrix *m, struct yaml_node *root,
                  const struct yaml_node *at)
{
    const struct yaml_node *name = yaml_get(root, "name");
    struct yaml_node *quantize;
    size_t branches;
    bool named = false;
    int rc = imply(m, root, at);

    if (rc)
        return rc;
    quantize = node_take(root, "quantize");
    rc = sort_dims(m, root, quantize, &branches);
    if (rc)
        return rc;
    for (size_t i = 0; name && i < m->n; i++)
        named = named || subst_uses(name, m->dim[i].name);
    *out = arena_array(m->arena, branches, sizeof(**out));
    if (!*out)
        return err_nomem(m->err);
    first_turn(m);
    do {
        if (excluded(m))
            continue;
        (*out)[*n].named = named;
        rc = expand_branch(&(*out)[(*n)++], m, root, quantize);
    } while (!rc && next_turn(m, true));
    if (!rc && !*n)
        rc = node_bad(m->err, at, ERR_FORMAT, "matrix: exclude: leaves nothing");
    return rc ? rc : check_suffixes(m, *out, *n, at);
}

int matrix_expand(struct matrix_branch **out, size_t *n, struct arena *arena,
                  struct yaml_node *root, const struct subst *env, struct err *err)
{
    struct matrix m = {.subst = *env, .arena = arena, .err = err};
    struct yaml_node *at = node_take(root, "matrix"), *values;
    int rc;

    *n = 0;
    if (!at) {
        *out = arena_array(arena, 1, sizeof(**out));
        if (!*out)
            return err_nomem(err);
        (*out)->suffix = "";
        *n = 1;
        return subst_tree(&(*out)->root, arena, root, env, err);
    }
    rc = subst_tree(&values, arena, at, env, err);
    if (!rc)
        rc = read_matrix(&m, values);
    m.subst.matrix = value_of;
    m.subst.matrix_arg = &m;
    return rc ? rc : expand(out, n, &m, root, values);
}
