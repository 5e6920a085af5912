/* quantize: */

#include "quant/patterns.h"
#include "recipes/recipe_read.h"

#include <string.h>

enum { VARIANTS_MAX = 1000 };

static int find_mix(struct reader *r, const struct mix **to, const struct yaml_node *v)
{
    const char *name = NULL;
    struct err why;
    const int rc = read_text(r, &name, v);

    if (rc || !mix_read(to, name, &why))
        return rc;
    return node_bad(r->err, v, ERR_FORMAT, "%s", why.msg);
}

static int quant_name(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_name(r, &((struct recipe_quant *)to)->name, v);
}

static int quant_mix(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_quant *q = to;

    if (q->mix)
        return node_bad(r->err, v, ERR_FORMAT, "expected either mix or type, found both");
    return find_mix(r, &q->mix, v);
}

/* A type's name, or a mix's for its base type. */
static int quant_type(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_quant *q = to;
    const char *name = NULL;
    int rc = read_text(r, &name, v);

    q->pure = true;
    if (!rc)
        rc = quant_mix(r, q, v);
    if (!rc && mix_of_type(dtype_by_name(name)))
        q->mix = mix_of_type(dtype_by_name(name));
    return rc;
}

static int quant_pure(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_bool(r, &((struct recipe_quant *)to)->pure, v);
}

static int quant_output(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_dtype(r, &((struct recipe_quant *)to)->output_type, v);
}

static int quant_embedding(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_dtype(r, &((struct recipe_quant *)to)->embedding_type, v);
}

static int quant_effort(struct reader *r, void *to, const struct yaml_node *v)
{
    const char *name = NULL;
    struct err why;
    const int rc = read_text(r, &name, v);

    if (rc || !codec_effort_by_name(&((struct recipe_quant *)to)->effort, name, &why))
        return rc;
    return node_bad(r->err, v, ERR_FORMAT, "effort: %s", why.msg);
}

/* `imatrix: false` leaves one variant without what calibrate: found. */
static int quant_imatrix(struct reader *r, void *to, const struct yaml_node *v)
{
    bool yes = false;
    const int rc = read_bool(r, &yes, v);

    ((struct recipe_quant *)to)->no_importance = !yes;
    return rc;
}

static int quant_keep_split(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_bool(r, &((struct recipe_quant *)to)->keep_split, v);
}

static int quant_requantize(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_bool(r, &((struct recipe_quant *)to)->requantize, v);
}

static int check_pattern(struct reader *r, const char *text, const struct yaml_node *v)
{
    struct patterns *one;
    struct err why = {0};
    int rc = patterns_new(&one, 1, r->err);

    if (rc)
        return rc;
    if (patterns_add(one, text, &why))
        rc = node_bad(r->err, v, ERR_FORMAT, "tensor_type: %s", why.msg);
    patterns_free(one);
    return rc;
}

/* "PATTERN=TYPE"; the last '=' divides. */
static int override_text(struct reader *r, struct mix_override *o, const struct yaml_node *v)
{
    const char *eq = v->kind == YAML_SCALAR ? strrchr(v->text, '=') : NULL;
    struct yaml_node type = *v;

    if (!eq || eq == v->text)
        return node_bad(r->err, v, ERR_FORMAT, "tensor_type: expected PATTERN=TYPE");
    type.key = "tensor_type";
    type.text = eq + 1;
    o->pattern = arena_strn(r->arena, v->text, (size_t)(eq - v->text));
    return o->pattern ? read_dtype(r, &o->type, &type) : err_nomem(r->err);
}

/* A list of PATTERN=TYPE, or a map of the two; the first that matches a tensor wins. */
static int quant_tensor_type(struct reader *r, void *to, const struct yaml_node *list)
{
    struct recipe_quant *q = to;
    struct mix_override *o;
    size_t n = 0;
    int rc = 0;

    if (list->kind == YAML_SCALAR)
        return node_bad(r->err, list, ERR_FORMAT,
                        "tensor_type: expected a list, as in [\"ffn_down=Q6_K\"], or patterns and "
                        "types");
    for (const struct yaml_node *v = list->first; v; v = v->next)
        n++;
    o = arena_array(r->arena, n + !n, sizeof(*o));
    if (!o)
        return err_nomem(r->err);
    q->overrides = o;
    for (const struct yaml_node *v = list->first; !rc && v; v = v->next, q->n_overrides++, o++) {
        if (list->kind == YAML_LIST) {
            rc = override_text(r, o, v);
        } else {
            o->pattern = v->key;
            rc = read_dtype(r, &o->type, v);
        }
        if (!rc)
            rc = check_pattern(r, o->pattern, v);
    }
    return rc;
}

static const struct reader_key quant_keys[] = {
    {"name",             quant_name       },
    {"mix",              quant_mix        },
    {"type",             quant_type       },
    {"pure",             quant_pure       },
    {"output_type",      quant_output     },
    {"embedding_type",   quant_embedding  },
    {"tensor_type",      quant_tensor_type},
    {"effort",           quant_effort     },
    {"imatrix",          quant_imatrix    },
    {"keep_split",       quant_keep_split },
    {"allow_requantize", quant_requantize },
    {"method",           NULL             },
    {"target_bpw",       NULL             },
    {"target_size",      NULL             },
};

static int read_quant(struct reader *r, struct recipe_quant *q, const struct yaml_node *v)
{
    int rc = v->kind == YAML_SCALAR ? find_mix(r, &q->mix, v)
                                    : read_map(r, q, v, READER_KEYS(quant_keys));

    if (!rc && !q->mix)
        rc = node_bad(r->err, v, ERR_FORMAT, "expected a mix or type, as in {mix: Q4_K_M}");
    if (!rc && !q->name)
        q->name = mix_name(q->mix);
    return rc;
}

/* One that stands where a list is expected. */
static size_t n_items(const struct yaml_node *v)
{
    size_t n = 0;

    if (v->kind != YAML_LIST)
        return 1;
    for (const struct yaml_node *i = v->first; i; i = i->next)
        n++;
    return n;
}

int read_variants(struct reader *r, struct recipe_quant **to, size_t *n, const struct yaml_node *v)
{
    const size_t room = n_items(v);
    const struct yaml_node *item = v->kind == YAML_LIST ? v->first : v;
    struct recipe_quant *q;

    if (room > VARIANTS_MAX)
        return node_bad(r->err, v, ERR_FORMAT, "%s: more than %d variants", v->key, VARIANTS_MAX);
    q = arena_array(r->arena, room + !room, sizeof(*q));
    if (!q)
        return err_nomem(r->err);
    *to = q;
    for (*n = 0; *n < room; ++*n, item = item->next) {
        const int rc = read_quant(r, &q[*n], item);
        if (rc)
            return rc;
        for (size_t i = 0; i < *n; i++)
            if (!strcmp(q[i].name, q[*n].name))
                return node_bad(r->err, item, ERR_FORMAT,
                                "two variants named \"%s\": give one a name: of its own",
                                q[i].name);
    }
    return 0;
}

int read_quantize(struct reader *r, void *to, const struct yaml_node *list)
{
    struct recipe *out = to;

    if (list->kind != YAML_LIST)
        return node_bad(r->err, list, ERR_FORMAT,
                        "quantize: expected a list, as in [Q8_0, Q4_K_M]");
    return read_variants(r, &out->quant, &out->n_quant, list);
}
