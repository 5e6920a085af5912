/* distill: */

#include "distill/settings.h"
#include "recipes/recipe_read.h"

#include <string.h>

static int student_name(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_name(r, &((struct recipe_student *)to)->name, v);
}

static int student_text(struct reader *r, void *to, const struct yaml_node *v)
{
    return read_path(r, &((struct recipe_student *)to)->text, v);
}

static int student_then(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_student *s = to;

    return read_variants(r, &s->then, &s->n_then, v);
}

/* What the file says of it, for the key of its step. */
static int note(struct reader *r, struct recipe_student *s, const char *name, const char *text)
{
    s->settings = arena_fmt(r->arena, "%s%s=%s\n", s->settings, name, text);
    return s->settings ? 0 : err_nomem(r->err);
}

/* Every other key is a setting of pare distill. */
static int student_setting(struct reader *r, void *to, const struct yaml_node *v)
{
    struct recipe_student *s = to;
    const struct setting *set = setting_by_name(v->key);
    struct recipe_path path = {0};
    struct err why = {0};
    int rc = v->kind == YAML_SCALAR
                 ? 0
                 : node_bad(r->err, v, ERR_FORMAT, "%s: expected one value", v->key);

    if (!rc && set->path)
        rc = read_path(r, &path, v);
    if (!rc && set->path && !strcmp(set->name, "imatrix"))
        s->imatrix = path;
    else if (!rc && set->path)
        s->from = path;
    if (!rc && distill_set(&s->o, set, set->path ? path.path : v->text, &why))
        rc = node_bad(r->err, v, ERR_FORMAT, "%s: %s", v->key, why.msg);
    return rc ? rc : note(r, s, set->name, v->text);
}

/* Of pare distill, but for those that are about files it leaves. */
static bool is_for_recipes(const struct setting *s)
{
    return strncmp(s->name, "cache", 5) != 0 && strcmp(s->name, "keep") != 0;
}

static int check_settings(struct reader *r, const struct recipe_student *s,
                          const struct yaml_node *v)
{
    bool given[SETTINGS_MAX] = {false};
    struct err why = {0};

    for (const struct yaml_node *k = v->first; k; k = k->next) {
        const struct setting *set = setting_by_name(k->key);
        for (size_t i = 0; set && setting_at(i); i++)
            given[i] = given[i] || setting_at(i) == set;
    }
    return settings_agree(given, &s->o, "", &why) ? node_bad(r->err, v, ERR_FORMAT, "%s", why.msg)
                                                  : 0;
}

static int read_student(struct reader *r, struct recipe_student *s, const struct yaml_node *v)
{
    struct reader_key keys[SETTINGS_MAX + 3] = {
        {"name", student_name},
        {"text", student_text},
        {"then", student_then}
    };
    size_t n = 3;
    int rc = 0;

    for (size_t i = 0; !rc && setting_at(i); i++) {
        char *name = arena_str(r->arena, setting_at(i)->name);
        if (!name)
            return err_nomem(r->err);
        for (char *c = name; *c; c++)
            *c = *c == '-' ? '_' : *c;
        if (is_for_recipes(setting_at(i)))
            keys[n++] = (struct reader_key){name, student_setting};
    }
    distill_defaults(&s->o);
    s->settings = "";
    rc = read_map(r, s, v, keys, n);
    if (!rc)
        rc = check_settings(r, s, v);
    if (!rc && !s->name)
        rc = node_bad(r->err, v, ERR_FORMAT, "expected a name:, as in {name: half, layers: 6}");
    s->where = rc ? NULL : node_place(r->arena, v);
    return rc || s->where ? rc : err_nomem(r->err);
}

int read_distill(struct reader *r, void *to, const struct yaml_node *list)
{
    struct recipe *out = to;
    size_t n = 0;
    int rc = 0;

    if (list->kind != YAML_LIST)
        return node_bad(r->err, list, ERR_FORMAT,
                        "distill: expected a list, as in [{name: half, layers: 6}]");
    for (const struct yaml_node *v = list->first; v; v = v->next)
        n++;
    out->student = arena_array(r->arena, n + !n, sizeof(*out->student));
    if (!out->student)
        return err_nomem(r->err);
    for (const struct yaml_node *v = list->first; !rc && v; v = v->next)
        rc = read_student(r, &out->student[out->n_student++], v);
    return rc;
}

/* ---- as variants ------------------------------------------------------------------------ */

/* What its file is made of. */
static int find_mix(const struct mix **out, struct reader *r, const struct recipe_student *s,
                    const struct yaml_node *list)
{
    struct err why = {0};

    *out = mix_of_type(s->o.type);
    if (s->o.quantize && mix_read(out, s->o.quantize, &why))
        return node_bad(r->err, list, ERR_FORMAT, "%s: quantize: %s", s->name, why.msg);
    return 0;
}

/* A student's file, and what is made from it. */
static int add_variants(struct reader *r, const struct recipe_student *s,
                        const struct yaml_node *list)
{
    struct recipe *out = r->out;
    struct recipe_quant *own = &out->quant[out->n_quant++];

    *own = (struct recipe_quant){.name = s->name, .student = s, .is_student = true};
    const int rc = find_mix(&own->mix, r, s, list);
    if (rc)
        return rc;
    for (size_t i = 0; i < s->n_then; i++) {
        struct recipe_quant *q = &out->quant[out->n_quant++];
        *q = s->then[i];
        q->student = s;
        q->name = arena_fmt(r->arena, "%s-%s", s->name, s->then[i].name);
        if (!q->name)
            return err_nomem(r->err);
    }
    return 0;
}

int join_students(struct reader *r, const struct yaml_node *root)
{
    struct recipe *out = r->out;
    const struct recipe_quant *before = out->quant;
    size_t room = out->n_quant + 1;
    int rc = 0;

    for (size_t i = 0; i < out->n_student; i++)
        room += 1 + out->student[i].n_then;
    out->quant = arena_array(r->arena, room, sizeof(*out->quant));
    if (!out->quant)
        return err_nomem(r->err);
    if (out->n_quant)
        memcpy(out->quant, before, out->n_quant * sizeof(*out->quant));
    for (size_t i = 0; !rc && i < out->n_student; i++) {
        const struct recipe_student *s = &out->student[i];
        if (!s->text.path && !out->calibration.path)
            return node_bad(
                r->err, yaml_get(root, "distill"), ERR_FORMAT,
                "%s: expected a text: to train on, its own or that of calibrate:", s->name);
        rc = add_variants(r, s, yaml_get(root, "distill"));
    }
    for (size_t i = 0; !rc && i < out->n_quant; i++)
        for (size_t j = 0; !rc && j < i; j++)
            if (!strcmp(out->quant[i].name, out->quant[j].name))
                rc = node_bad(r->err, yaml_get(root, "distill"), ERR_FORMAT,
                              "two variants named \"%s\"", out->quant[i].name);
    return rc;
}
