#ifndef FORMATS_BASE_JSON_NODE_H
#define FORMATS_BASE_JSON_NODE_H

/* A value inside a parsed document: what json_parse makes and json.h's readers see. */

#include "formats/base/json.h"

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* Texts lie in the document's copy of the source, decoded in place. */
struct json_node {
    const char *key;        /* of a member; else NULL */
    struct json_node *next; /* in the same object or array */
    union {
        const char *text;
        double number;
        struct json_node *first; /* of n */
    } v;
    enum json_kind kind;
    uint32_t n; /* members or items */
};

#endif /* FORMATS_BASE_JSON_NODE_H */
