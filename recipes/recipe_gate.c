/* gate: a list of expressions, or for each model a condition, a list of them, or a map of
 * metrics and conditions. */

#include "recipes/recipe_read.h"

/* Where gates of a recipe go while they are read. */
struct gates {
    struct recipe *recipe;
    const struct yaml_node **at; /* where each was written; in the arena */
};

static size_t count(const struct yaml_node *v)
{
    size_t n = v->kind == YAML_SCALAR;

    for (const struct yaml_node *m = v->first; m; m = m->next)
        n += count(m);
    return n;
}

/* A baseline is found from the recipe's folder. */
static int place_baseline(struct reader *r, struct gate *g, const struct yaml_node *v)
{
    struct yaml_node path = *v;
    struct recipe_path found = {0};
    int rc = 0;

    path.text = g->baseline;
    if (g->baseline)
        rc = read_path(r, &found, &path);
    if (!rc && g->baseline)
        g->baseline = found.path;
    return rc;
}

static int add(struct reader *r, struct gates *to, const char *model, const char *metric,
               const struct yaml_node *v)
{
    struct gate *g = &to->recipe->gate[to->recipe->n_gates];
    struct err why = {0};

    if (v->kind != YAML_SCALAR || !*v->text)
        return node_bad(r->err, v, ERR_FORMAT, "gate: expected a condition, as in \"<= 0.03\"");
    if (model ? gate_parse_key(g, r->arena, model, metric, v->text, &why)
              : gate_parse(g, r->arena, v->text, &why)) {
        if (why.code != ERR_NOMEM)
            return node_bad(r->err, v, ERR_FORMAT, "%s", why.msg);
        return err_nomem(r->err);
    }
    to->at[to->recipe->n_gates] = v;
    to->recipe->gate_where[to->recipe->n_gates++] = node_place(r->arena, v);
    if (!to->recipe->gate_where[to->recipe->n_gates - 1])
        return err_nomem(r->err);
    return place_baseline(r, g, v);
}

/* What a model has to meet. */
static int read_model_gates(struct reader *r, struct gates *to, const struct yaml_node *v)
{
    int rc = 0;

    if (v->kind == YAML_SCALAR)
        return add(r, to, v->key, NULL, v);
    for (const struct yaml_node *m = v->first; !rc && m; m = m->next)
        rc = add(r, to, v->key, m->key, m);
    return rc;
}

/* The models that gates name are variants. */
static int check_models(struct reader *r, const struct gates *g)
{
    const struct recipe *out = g->recipe;
    const char **name = arena_array(r->arena, out->n_quant + 1, sizeof(*name));

    if (!name)
        return err_nomem(r->err);
    for (size_t i = 0; i < out->n_quant; i++)
        name[i] = out->quant[i].name;
    for (size_t i = 0; i < out->n_gates; i++) {
        struct err why = {0};
        if (gates_models(&out->gate[i], 1, name, out->n_quant, &why))
            return why.code == ERR_NOMEM ? err_nomem(r->err)
                                         : node_bad(r->err, g->at[i], ERR_FORMAT, "%s", why.msg);
    }
    return 0;
}

int read_gates(struct reader *r, struct recipe *out, const struct yaml_node *v)
{
    const size_t n = count(v);
    struct gates to = {.recipe = out};
    int rc = 0;

    if (v->kind == YAML_SCALAR)
        return node_bad(r->err, v, ERR_FORMAT,
                        "gate: expected a list of conditions, or models and theirs");
    out->gate = arena_array(r->arena, n + 1, sizeof(*out->gate));
    out->gate_where = arena_array(r->arena, n + 1, sizeof(*out->gate_where));
    to.at = arena_array(r->arena, n + 1, sizeof(*to.at));
    if (!out->gate || !out->gate_where || !to.at)
        return err_nomem(r->err);
    for (const struct yaml_node *m = v->first; !rc && m; m = m->next)
        if (v->kind == YAML_MAP)
            rc = read_model_gates(r, &to, m);
        else if (m->kind == YAML_MAP) /* "- Q4_K_M: kld <= 0.03" */
            for (const struct yaml_node *x = m->first; !rc && x; x = x->next)
                rc = read_model_gates(r, &to, x);
        else
            rc = add(r, &to, NULL, NULL, m);
    return rc ? rc : check_models(r, &to);
}
