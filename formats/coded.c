#include "formats/coded.h"

#include "formats/base/arena.h"
#include "formats/base/rd.h"
#include "formats/coded/scheme.h"

#include <stdlib.h>
#include <string.h>

struct coded_set {
    struct coded_tensor *tensor; /* owned */
    size_t n;
    struct arena arena; /* names, struct coded and its sides */
};

static const struct coded_scheme coded_schemes[] = {
    {"fp8",                NULL,             fp8_take       },
    {"fbgemm_fp8",         NULL,             fp8_take       },
    {"gptq",               gptq_check,       gptq_take      },
    {"awq",                awq_check,        awq_take       },
    {"compressed-tensors", compressed_check, compressed_take},
    {"bitsandbytes",       NULL,             bnb_take       },
    {"mxfp4",              NULL,             mxfp4_take     },
    {"modelopt",           NULL,             modelopt_take  },
    {NULL,                 NULL,             NULL           },
};

static int unknown_method(const char *method, struct err *err)
{
    char known[256] = "";
    size_t at = 0;

    for (const struct coded_scheme *s = coded_schemes; s->method; s++) {
        const size_t n = strlen(s->method);
        if (at + n + 3 > sizeof(known))
            break;
        memcpy(known + at, at ? ", " : "", at ? 2 : 0);
        at += at ? 2 : 0;
        memcpy(known + at, s->method, n + 1);
        at += n;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "quantization_config: quant_method \"%.60s\" is not supported (pare reads %s)",
                   method, known);
}

static int scheme_find(const struct coded_scheme **out, const json_val *config, struct err *err)
{
    const char *method = json_str(json_get(config, "quant_method"));

    *out = NULL;
    if (!method)
        return err_set(err, ERR_FORMAT, "quantization_config: quant_method is missing");
    for (const struct coded_scheme *s = coded_schemes; s->method; s++)
        if (!strcmp(s->method, method))
            *out = s;
    if (!*out)
        return unknown_method(method, err);
    return (*out)->check ? (*out)->check(config, err) : 0;
}

/* ---- modelopt's own file ---------------------------------------------------------- */

/* Exports of ModelOpt before it wrote quantization_config. */
static int old_modelopt(bool *is, const struct ckpt *c, struct err *err)
{
    struct map map;
    bool found;
    json_val *doc = NULL;
    int rc = ckpt_map(&map, &found, c, "hf_quant_config.json", err);

    *is = false;
    if (rc || !found)
        return rc;
    rc = json_parse(&doc, (const char *)map.data, map.size, err);
    if (rc)
        rc = err_wrap(err, "%s/hf_quant_config.json", ckpt_dir(c));
    else
        *is = !json_is_null(json_path(doc, "quantization.quant_algo"));
    json_free(doc);
    map_release(&map);
    return rc;
}

/* ---- building --------------------------------------------------------------------- */

static void entry_plain(struct coded_tensor *t, const struct ckpt *c, size_t i)
{
    *t = (struct coded_tensor){
        .st = *ckpt_tensor(c, i),
        .map = ckpt_tensor_map(c, i),
        .file = ckpt_tensor_file(c, i),
    };
}

/* The looked-at weight, kept. */
static int entry_coded(struct coded_tensor *t, struct look *l, const struct ckpt *c, size_t i,
                       struct err *err)
{
    struct coded *kept = arena_alloc(l->arena, sizeof(*kept));
    struct coded_side *sides = arena_array(l->arena, l->n_sides + 1, sizeof(*sides));

    entry_plain(t, c, i);
    t->st.name = arena_str(l->arena, l->base);
    if (!kept || !sides || !t->st.name)
        return err_nomem(err);
    memcpy(sides, l->sides, l->n_sides * sizeof(*sides));
    l->c.side = sides;
    l->c.n_side = l->n_sides;
    *kept = l->c;
    t->coded = kept;
    t->st.type = l->type;
    t->st.n_dims = l->n_dims;
    memset(t->st.dims, 0, sizeof(t->st.dims));
    memcpy(t->st.dims, l->dims, (size_t)l->n_dims * sizeof(l->dims[0]));
    return 0;
}

/* Entries by role, each role in the checkpoint's order. */
static void put_in_order(struct coded_set *s, const struct coded_tensor *all, const uint8_t *role,
                         size_t n)
{
    static const enum coded_role order[] = {CODED_FIRST, CODED_HERE, CODED_LAST};

    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < n; i++)
            if (role[i] == order[k] || (order[k] == CODED_HERE && role[i] == CODED_PLAIN))
                s->tensor[s->n++] = all[i];
}

static int take_all(struct coded_tensor *all, uint8_t *role, struct coded_set *s,
                    const struct ckpt *c, const struct coded_scheme *scheme, const json_val *config,
                    struct err *err)
{
    for (size_t i = 0; i < ckpt_n_tensors(c); i++) {
        struct look l = {.ckpt = c, .arena = &s->arena, .config = config, .st = ckpt_tensor(c, i)};
        enum coded_role r = CODED_PLAIN;
        int rc = scheme ? scheme->take(&r, &l, err) : 0;
        if (rc)
            return err_wrap(err, "%s/%s", ckpt_dir(c), ckpt_tensor_file(c, i));
        role[i] = (uint8_t)r;
        if (r == CODED_PLAIN || r == CODED_SIDE)
            entry_plain(&all[i], c, i);
        else
            rc = entry_coded(&all[i], &l, c, i, err);
        all[i].turned = r == CODED_FIRST || r == CODED_LAST;
        if (rc)
            return rc;
    }
    return 0;
}

static int build(struct coded_set *s, const struct ckpt *c, const struct coded_scheme *scheme,
                 const json_val *config, struct err *err)
{
    const size_t n = ckpt_n_tensors(c);
    struct coded_tensor *all = calloc(n + !n, sizeof(*all));
    uint8_t *role = calloc(n + !n, 1);
    int rc = 0;

    s->tensor = calloc(n + !n, sizeof(*s->tensor));
    if (!all || !role || !s->tensor)
        rc = err_nomem(err);
    if (!rc)
        rc = take_all(all, role, s, c, scheme, config, err);
    if (!rc)
        put_in_order(s, all, role, n);
    free(all);
    free(role);
    return rc;
}

/* Where configs of different ages and kinds of model keep it. */
static const json_val *find_config(const struct ckpt *c)
{
    static const char *const paths[] = {"quantization_config", "text_config.quantization_config",
                                        "compression_config"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const json_val *v = json_path(ckpt_config(c), paths[i]);
        if (!json_is_null(v))
            return v;
    }
    return NULL;
}

int coded_open(struct coded_set **out, const struct ckpt *c, struct err *err)
{
    static const struct coded_scheme modelopt = {"modelopt", NULL, modelopt_take};
    const json_val *config = find_config(c);
    const struct coded_scheme *scheme = NULL;
    struct coded_set *s = calloc(1, sizeof(*s));
    bool old = false;
    int rc = 0;

    *out = NULL;
    if (!s)
        return err_nomem(err);
    if (config)
        rc = scheme_find(&scheme, config, err);
    if (rc)
        rc = err_wrap(err, "%s/config.json", ckpt_dir(c));
    if (!rc && !config)
        rc = old_modelopt(&old, c, err);
    if (old)
        scheme = &modelopt;
    if (!rc)
        rc = build(s, c, scheme, config, err);
    if (rc)
        goto fail;
    *out = s;
    return 0;

fail:
    coded_free(s);
    return rc;
}

void coded_free(struct coded_set *s)
{
    if (!s)
        return;
    free(s->tensor);
    arena_release(&s->arena);
    free(s);
}

size_t coded_n(const struct coded_set *s)
{
    return s->n;
}

const struct coded_tensor *coded_at(const struct coded_set *s, size_t i)
{
    return &s->tensor[i];
}

bool coded_rowwise(const struct coded *c)
{
    return c->layout != CODED_COL_BITS && c->layout != CODED_COL_AWQ;
}
