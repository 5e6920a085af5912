#include "formats/general.h"

#include "formats/base/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct guess {
    struct meta *meta;
    struct arena *arena;
    const struct yaml_node *card; /* front matter, a map; NULL: none */
    uint64_t n_params;
    struct err *err;
    int rc; /* sticky: the first failure */
};

/* ---- the model card ----------------------------------------------------------------- */

/* The lines between the first "---" and the next, tabs as two spaces; *found: there
 * are such lines. A bare "no" in a list stays text (Norwegian). */
static int front_matter(struct buf *out, const struct map *m)
{
    const char *p = (const char *)m->data, *end = p + m->size;
    bool inside = false;

    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((eol ? eol : end) - p);
        const char *next = eol ? eol + 1 : end;
        if (n && p[n - 1] == '\r')
            n--;
        const bool fence = n == 3 && !memcmp(p, "---", 3);
        if (!inside && !fence)
            return 0;
        if (inside && fence)
            return 1;
        for (size_t i = 0; inside && i < n; i++)
            if (p[i] == '\t')
                buf_str(out, "  ");
            else
                buf_put(out, p + i, 1);
        buf_str(out, "\n"); /* for the first "---" too: line numbers are the file's */
        inside = true;
        p = next;
    }
    return inside;
}

/* g->card; what cannot be read is a warning and no card. */
static int load_card(struct guess *g, const struct ckpt *c, const struct log *log)
{
    struct map m = {0};
    struct buf text = {0};
    struct err why = {0};
    struct yaml_node *root = NULL;
    bool found = false;
    int rc = ckpt_map(&m, &found, c, "README.md", &why);

    if (rc == ERR_NOMEM)
        return err_nomem(g->err);
    if (rc)
        log_warn(log, "%s; the model card is ignored", why.msg);
    if (rc || !found)
        return 0;
    if (front_matter(&text, &m) && text.p && text.p[strspn(text.p, " \n")] && !text.bad) {
        const int bad = yaml_parse(&root, g->arena, text.p, text.n, &why);
        if (bad == ERR_NOMEM)
            rc = err_nomem(g->err);
        else if (bad || root->kind != YAML_MAP)
            log_warn(log, "%s/README.md: front matter ignored: %s", ckpt_dir(c),
                     bad ? why.msg : "it is not a mapping");
        else
            g->card = root;
    }
    if (!rc)
        rc = buf_check(&text, g->err);
    buf_release(&text);
    map_release(&m);
    return rc;
}

/* A member of the card, or NULL. */
static const struct yaml_node *member(const struct guess *g, const char *key)
{
    return g->card ? yaml_get(g->card, key) : NULL;
}

/* "", "~" and null say nothing. */
static bool is_nothing(const struct yaml_node *n)
{
    return !n || (n->kind == YAML_SCALAR && !n->quoted &&
                  (!*n->text || !strcmp(n->text, "~") || !strcmp(n->text, "null") ||
                   !strcmp(n->text, "Null") || !strcmp(n->text, "NULL")));
}

/* Text of the first of the card's keys (ends with NULL) that says something. */
static const char *card_text(const struct guess *g, const char *const *keys)
{
    for (; *keys; keys++) {
        const struct yaml_node *n = member(g, *keys);
        if (!is_nothing(n) && n->kind == YAML_SCALAR)
            return n->text;
    }
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------ */

/* Empty texts are not written. */
static void put(struct guess *g, const char *key, const char *text)
{
    if (!g->rc && text && *text)
        g->rc = meta_set_str(g->meta, key, text, g->err);
}

static void put_numbered(struct guess *g, const char *kind, size_t i, const char *what,
                         const char *text)
{
    char key[128];

    (void)snprintf(key, sizeof(key), "general.%s.%zu.%s", kind, i, what);
    put(g, key, text);
}

/* Strings of the named members (scalars or lists), one after another. */
static void put_strings(struct guess *g, const char *key, const char *const *members)
{
    struct buf raw = {0};
    uint64_t n = 0;

    for (; *members; members++) {
        const struct yaml_node *m = member(g, *members);
        if (is_nothing(m) || m->kind == YAML_MAP)
            continue;
        const struct yaml_node *item = m->kind == YAML_LIST ? m->first : m;
        for (; item; item = m->kind == YAML_LIST ? item->next : NULL)
            if (item->kind == YAML_SCALAR) {
                buf_u64(&raw, strlen(item->text));
                buf_str(&raw, item->text);
                n++;
            }
    }
    if (!g->rc)
        g->rc = buf_check(&raw, g->err);
    if (!g->rc && n)
        g->rc = meta_set_array(g->meta, key, META_STR, n, raw.p, raw.n, g->err);
    buf_release(&raw);
}

/* ---- names ---------------------------------------------------------------------------- */

struct names {
    const char *name, *org, *basename, *finetune, *version, *size_label;
};

static const char *either(const char *a, const char *b)
{
    return a ? a : b;
}

static void title(struct guess *g, const char **out, const char *id)
{
    if (*out || !id || g->rc)
        return;
    *out = general_title(g->arena, id);
    if (!*out)
        g->rc = err_nomem(g->err);
}

/* What an id says fills what is not known yet. */
static void fill_names(struct guess *g, struct names *n, const char *id)
{
    struct general_id parts;

    if (g->rc || !id)
        return;
    g->rc = general_id_parse(&parts, g->arena, id, g->n_params, g->err);
    if (g->rc)
        return;
    title(g, &n->name, parts.full);
    title(g, &n->org, parts.org);
    n->basename = either(n->basename, parts.basename);
    n->finetune = either(n->finetune, parts.finetune);
    n->version = either(n->version, parts.version);
    n->size_label = either(n->size_label, parts.size_label);
}

/* A name rather than a path on somebody's disk. */
static const char *config_id(const struct ckpt *c)
{
    const char *id = json_str(json_get(ckpt_config(c), "_name_or_path"));
    const char *slash = id ? strchr(id, '/') : NULL;

    return slash && strchr(slash + 1, '/') ? NULL : id;
}

#define CARD(g, ...) card_text(g, (const char *const[]){__VA_ARGS__, NULL})

static void put_names(struct guess *g, const struct ckpt *c, const char *folder, const char *name,
                      const struct general_size *size)
{
    struct names n = {
        .name = CARD(g, "name", "model_name"),
        .org = CARD(g, "organization", "model_organization"),
        .basename = CARD(g, "basename", "model_basename", "model_type"),
        .finetune = CARD(g, "finetune", "model_finetune"),
        .version = CARD(g, "version", "model_version"),
        .size_label = CARD(g, "size_label", "model_size_label"),
    };

    fill_names(g, &n, config_id(c));
    fill_names(g, &n, folder);
    if (!g->rc && !n.size_label && size->total) {
        n.size_label = general_size_label(g->arena, size);
        if (!n.size_label)
            g->rc = err_nomem(g->err);
    }
    put(g, "general.name", either(name, n.name));
    put(g, "general.author", CARD(g, "author", "model_author", "model_creator"));
    put(g, "general.version", n.version);
    put(g, "general.organization", n.org);
    put(g, "general.finetune", n.finetune);
    put(g, "general.basename", n.basename);
    put(g, "general.description", CARD(g, "description", "model_description"));
    put(g, "general.size_label", n.size_label);
}

/* A license, or several joined by commas. */
static void put_license(struct guess *g)
{
    const struct yaml_node *n = member(g, "license");
    struct buf b = {0};

    if (n && n->kind == YAML_LIST) {
        for (const struct yaml_node *item = n->first; item; item = item->next)
            if (item->kind == YAML_SCALAR)
                buf_fmt(&b, "%s%s", b.n ? "," : "", item->text);
        if (!g->rc)
            g->rc = buf_check(&b, g->err);
        put(g, "general.license", b.p);
    } else {
        put(g, "general.license", CARD(g, "license"));
    }
    buf_release(&b);
    put(g, "general.license.name", CARD(g, "license_name"));
    put(g, "general.license.link", CARD(g, "license_link"));
    put(g, "general.source.url", CARD(g, "url", "model_url"));
    put(g, "general.source.doi", CARD(g, "doi", "model_doi"));
    put(g, "general.source.uuid", CARD(g, "uuid", "model_uuid"));
    put(g, "general.source.repo_url", CARD(g, "repo_url", "model_repo_url"));
}

/* ---- relations: base models and datasets -------------------------------------------------- */

static bool starts(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/* "org/name" behind a Hugging Face URL, or NULL. */
static const char *url_id(const char *url)
{
    const char *id = starts(url, "https://huggingface.co/")  ? url + 23
                     : starts(url, "http://huggingface.co/") ? url + 22
                                                             : NULL;
    const char *slash = id ? strchr(id, '/') : NULL;

    return slash && slash != id && slash[1] && !strchr(slash + 1, '/') ? id : NULL;
}

static void put_related(struct guess *g, const char *kind, size_t i, const char *id)
{
    const bool url = starts(id, "http://") || starts(id, "https://") || starts(id, "ssh://");
    const char *name_id = url ? url_id(id) : id, *repo = url ? id : NULL;
    struct names n = {0};
    struct general_id parts = {0};

    if (name_id && !g->rc)
        g->rc = general_id_parse(&parts, g->arena, name_id, g->n_params, g->err);
    title(g, &n.name, parts.full);
    title(g, &n.org, parts.org);
    if (!url && parts.org && parts.full && !g->rc) {
        repo = arena_fmt(g->arena, "https://huggingface.co/%s/%s", parts.org, parts.full);
        if (!repo)
            g->rc = err_nomem(g->err);
    }
    put_numbered(g, kind, i, "name", n.name);
    put_numbered(g, kind, i, "version", parts.version);
    put_numbered(g, kind, i, "organization", n.org);
    put_numbered(g, kind, i, "repo_url", repo);
}

/* An entry that spells its fields out. */
static void put_spelled(struct guess *g, const char *kind, size_t i, const struct yaml_node *map)
{
    static const char *const fields[] = {"name", "author", "version", "organization", "description",
                                         "url",  "doi",    "uuid",    "repo_url"};

    for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
        const struct yaml_node *v = yaml_get(map, fields[f]);
        if (!is_nothing(v) && v->kind == YAML_SCALAR)
            put_numbered(g, kind, i, fields[f], v->text);
    }
}

/* keys: the card's member names for it, ends with NULL; the first that exists counts. */
static void put_relations(struct guess *g, const char *kind, const char *const *keys)
{
    const struct yaml_node *m = NULL;
    char key[64];
    uint32_t n = 0;

    for (; *keys && !m; keys++)
        m = member(g, *keys);
    if (!m || g->rc)
        return;
    const bool list = m->kind == YAML_LIST;
    const struct yaml_node *first = list ? m->first : (is_nothing(m) ? NULL : m);
    if (first && !list && first->kind == YAML_MAP)
        first = NULL;
    for (const struct yaml_node *e = first; e; e = list ? e->next : NULL)
        n++;
    (void)snprintf(key, sizeof(key), "general.%s.count", kind);
    g->rc = meta_set_u32(g->meta, key, n, g->err);
    size_t i = 0;
    for (const struct yaml_node *e = first; e; e = list ? e->next : NULL, i++)
        if (e->kind == YAML_SCALAR)
            put_related(g, kind, i, e->text);
        else if (e->kind == YAML_MAP)
            put_spelled(g, kind, i, e);
}

/* ---- sampling ------------------------------------------------------------------------------- */

static void put_sampling(struct guess *g, const json_val *config)
{
    static const struct {
        const char *from, *or_from, *key;
        bool whole;
    } rows[] = {
        {"top_k",           NULL,                 "top_k",           true },
        {"top_p",           NULL,                 "top_p",           false},
        {"min_p",           NULL,                 "min_p",           false},
        {"xtc_probability", NULL,                 "xtc_probability", false},
        {"xtc_threshold",   NULL,                 "xtc_threshold",   false},
        {"temperature",     NULL,                 "temp",            false},
        {"penalty_last_n",  NULL,                 "penalty_last_n",  true },
        {"penalty_repeat",  "repetition_penalty", "penalty_repeat",  false},
        {"mirostat",        NULL,                 "mirostat",        true },
        {"mirostat_tau",    NULL,                 "mirostat_tau",    false},
        {"mirostat_eta",    NULL,                 "mirostat_eta",    false},
    };
    char key[64];

    put(g, "general.sampling.sequence", json_str(json_get(config, "sequence")));
    for (size_t i = 0; !g->rc && i < sizeof(rows) / sizeof(rows[0]); i++) {
        const json_val *v = json_get(config, rows[i].from);
        double num;
        if (!v && rows[i].or_from)
            v = json_get(config, rows[i].or_from);
        if (!json_num(v, &num))
            continue;
        (void)snprintf(key, sizeof(key), "general.sampling.%s", rows[i].key);
        if (!rows[i].whole)
            g->rc = meta_set_f32(g->meta, key, (float)num, g->err);
        else if (num >= INT32_MIN && num <= INT32_MAX)
            g->rc = meta_set_i32(g->meta, key, (int32_t)num, g->err);
    }
}

int general_from_checkpoint(struct meta *meta, const struct ckpt *c, const char *folder,
                            const char *name, const struct general_size *size,
                            const struct log *log, struct err *err)
{
    static const char *const base_keys[] = {"base_model", "base_models", "base_model_sources",
                                            NULL};
    static const char *const data_keys[] = {"datasets", "dataset", "dataset_sources", NULL};
    static const char *const tag_keys[] = {"tags", "pipeline_tag", NULL};
    static const char *const language_keys[] = {"languages", "language", NULL};
    struct arena arena = {0};
    struct guess g = {.meta = meta, .arena = &arena, .n_params = size->total, .err = err};

    g.rc = load_card(&g, c, log);
    put_sampling(&g, ckpt_generation_config(c));
    put_names(&g, c, folder, name, size);
    put_license(&g);
    put_relations(&g, "base_model", base_keys);
    put_relations(&g, "dataset", data_keys);
    put_strings(&g, "general.tags", tag_keys);
    put_strings(&g, "general.languages", language_keys);
    arena_release(&arena);
    return g.rc;
}
