#include "formats/base/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 32 };

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; owned when have_event */
    bool have_event;
    struct arena *arena;
    struct err *err;
};

static int bad(struct reader *r, const yaml_mark_t *at, const char *what)
{
    return err_set(r->err, ERR_FORMAT, "line %zu, column %zu: %s", at->line + 1, at->column + 1,
                   what);
}

static int advance(struct reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        if (r->parser.error == YAML_MEMORY_ERROR)
            return err_nomem(r->err);
        const yaml_mark_t *at = &r->parser.problem_mark;
        return bad(r, at, r->parser.problem ? r->parser.problem : "not valid YAML");
    }
    r->have_event = true;
    return 0;
}

static int read_node(struct reader *r, struct yaml_node **out, int depth);

static int check_new_key(struct reader *r, const struct yaml_node *map, const char *key)
{
    if (!yaml_get(map, key))
        return 0;
    char what[160];
    (void)snprintf(what, sizeof(what), "duplicate key \"%.100s\"", key);
    return bad(r, &r->event.start_mark, what);
}

/* The node that begins here has neither anchor nor tag. */
static int check_plain(struct reader *r)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (r->event.type == YAML_SCALAR_EVENT) {
        anchor = r->event.data.scalar.anchor;
        tag = r->event.data.scalar.tag;
    } else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        anchor = r->event.data.sequence_start.anchor;
        tag = r->event.data.sequence_start.tag;
    } else if (r->event.type == YAML_MAPPING_START_EVENT) {
        anchor = r->event.data.mapping_start.anchor;
        tag = r->event.data.mapping_start.tag;
    }
    if (anchor)
        return bad(r, &r->event.start_mark, "anchors are not supported");
    return tag ? bad(r, &r->event.start_mark, "tags are not supported") : 0;
}

static int read_key(struct reader *r, const struct yaml_node *map, const char **key)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return bad(r, &r->event.start_mark, "a key must be plain text");
    *key =
        arena_strn(r->arena, (const char *)r->event.data.scalar.value, r->event.data.scalar.length);
    if (!*key)
        return err_nomem(r->err);
    if (strlen(*key) != r->event.data.scalar.length)
        return bad(r, &r->event.start_mark, "a NUL character in a key");
    int rc = check_plain(r);
    if (!rc)
        rc = check_new_key(r, map, *key);
    return rc ? rc : advance(r);
}

/* Items up to `end`; the current event is the first item's, or `end`. */
static int read_items(struct reader *r, struct yaml_node *parent, yaml_event_type_t end, int depth)
{
    struct yaml_node **tail = &parent->first;

    while (r->event.type != end) {
        const char *key = NULL;
        struct yaml_node *item = NULL;
        int rc = parent->kind == YAML_MAP ? read_key(r, parent, &key) : 0;
        if (!rc)
            rc = read_node(r, &item, depth);
        if (rc)
            return rc;
        item->key = key;
        *tail = item;
        tail = &item->next;
    }
    return advance(r);
}

static int read_scalar(struct reader *r, struct yaml_node *node)
{
    node->kind = YAML_SCALAR;
    node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text =
        arena_strn(r->arena, (const char *)r->event.data.scalar.value, r->event.data.scalar.length);
    if (!node->text)
        return err_nomem(r->err);
    if (strlen(node->text) != r->event.data.scalar.length)
        return bad(r, &r->event.start_mark, "a NUL character in a text");
    return advance(r);
}

/* One value; the current event is its first and, after it, the one behind it. */
static int read_node(struct reader *r, struct yaml_node **out, int depth)
{
    struct yaml_node *node = arena_alloc(r->arena, sizeof(*node));
    int rc = check_plain(r);

    if (rc)
        return rc;
    if (!node)
        return err_nomem(r->err);
    if (depth > DEPTH_MAX)
        return bad(r, &r->event.start_mark, "nested more than 32 levels deep");
    node->line = r->event.start_mark.line + 1;
    node->column = r->event.start_mark.column + 1;
    *out = node;
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, node);
    case YAML_SEQUENCE_START_EVENT:
        node->kind = YAML_LIST;
        rc = advance(r);
        return rc ? rc : read_items(r, node, YAML_SEQUENCE_END_EVENT, depth + 1);
    case YAML_MAPPING_START_EVENT:
        node->kind = YAML_MAP;
        rc = advance(r);
        return rc ? rc : read_items(r, node, YAML_MAPPING_END_EVENT, depth + 1);
    case YAML_ALIAS_EVENT:
        return bad(r, &r->event.start_mark, "aliases are not supported");
    default:
        return bad(r, &r->event.start_mark, "expected a value");
    }
}

static int expect(struct reader *r, yaml_event_type_t type, const char *what)
{
    if (r->event.type != type)
        return bad(r, &r->event.start_mark, what);
    return advance(r);
}

static int read_stream(struct reader *r, struct yaml_node **root)
{
    int rc = advance(r);

    if (!rc)
        rc = expect(r, YAML_STREAM_START_EVENT, "expected a document");
    if (!rc)
        rc = expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty");
    if (!rc)
        rc = read_node(r, root, 0);
    if (!rc)
        rc = expect(r, YAML_DOCUMENT_END_EVENT, "expected the end of the document");
    if (!rc && r->event.type != YAML_STREAM_END_EVENT)
        rc = bad(r, &r->event.start_mark, "more than one document");
    return rc;
}

int yaml_parse(struct yaml_node **out, struct arena *arena, const char *text, size_t n,
               struct err *err)
{
    struct reader r = {.arena = arena, .err = err};
    struct yaml_node *root = NULL;

    *out = NULL;
    if (!yaml_parser_initialize(&r.parser))
        return err_nomem(err);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    const int rc = read_stream(&r, &root);
    if (r.have_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (!rc)
        *out = root;
    return rc;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    for (const struct yaml_node *m = map->first; m; m = m->next)
        if (m->key && !strcmp(m->key, key))
            return m;
    return NULL;
}
