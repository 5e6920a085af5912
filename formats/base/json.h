#ifndef FORMATS_BASE_JSON_H
#define FORMATS_BASE_JSON_H

/* JSON, strictly: cJSON parses, and what it is lax about is refused here
 * (trailing bytes, duplicate keys, NUL in strings, nesting beyond 64). */

#include "formats/base/buf.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value inside a document; cJSON's node, seen only through this header. */
struct cJSON;
typedef struct cJSON json_val;

/* Parse text[0, n) (UTF-8, a BOM is skipped; Python's Infinity is a number). On success *out is owned (json_free).
 * Errors: ERR_FORMAT with line and column, ERR_NOMEM. */
int json_parse(json_val **out, const char *text, size_t n, struct err *err) WARN_UNUSED;

/* The same of a line of JSON Lines: errors count lines from `line`. */
int json_parse_line(json_val **out, const char *text, size_t n, size_t line,
                    struct err *err) WARN_UNUSED;

/* The same from a file; errors name the path. */
int json_load(json_val **out, const char *path, struct err *err) WARN_UNUSED;
void json_free(json_val *doc); /* accepts NULL */

/* All of these accept NULL, as "absent". Keys are case sensitive. */
const json_val *json_get(const json_val *object, const char *key);
/* "a.b.c" walks down objects; "a.0" is a list's first item. */
const json_val *json_path(const json_val *object, const char *path);
/* What kind of value it is. */
bool json_is_object(const json_val *v);
bool json_is_array(const json_val *v);
bool json_is_null(const json_val *v); /* null or absent */
bool json_is_string(const json_val *v);
bool json_is_number(const json_val *v);
bool json_is_bool(const json_val *v);

/* Borrowed; NULL when it is not a string. */
const char *json_str(const json_val *v);
/* false, *out untouched, when v is not a number (a whole number below 2^53). */
bool json_num(const json_val *v, double *out);
bool json_int(const json_val *v, int64_t *out);
bool json_bool(const json_val *v, bool *out);

/* Members of an object or items of an array, in order; json_len counts them. */
const json_val *json_first(const json_val *v);
const json_val *json_next(const json_val *item);
const char *json_key(const json_val *member); /* borrowed */
size_t json_len(const json_val *v);

/* The compact text of v, appended to b. */
int json_print(struct buf *b, const json_val *v, struct err *err) WARN_UNUSED;

/* Writing: appends values to a buffer, with commas and indentation in the right
 * places. The key is NULL inside arrays and at the top. Failure sticks in `b`. */
struct json_out {
    struct buf *b; /* borrowed */
    int depth;     /* open objects and arrays */
    bool has_item; /* the innermost one needs a comma before the next item */
    bool flat;     /* one line, no white space */
};

/* flat: on one line, without white space. Every open needs its close. */
struct json_out json_out_init(struct buf *b, bool flat);
void json_open(struct json_out *j, const char *key, char bracket);     /* '{' or '[' */
void json_close(struct json_out *j, char bracket);                     /* '}' or ']' */
void json_put_str(struct json_out *j, const char *key, const char *s); /* NULL writes null */
void json_put_strn(struct json_out *j, const char *key, const char *s, size_t n);
void json_put_int(struct json_out *j, const char *key, int64_t v);
void json_put_uint(struct json_out *j, const char *key, uint64_t v);
/* Shortest text that reads back as the same double; NaN and inf write null. */
void json_put_num(struct json_out *j, const char *key, double v);
void json_put_bool(struct json_out *j, const char *key, bool v);
/* As json_print; what it lacks memory for shows in the buffer. */
void json_put_val(struct json_out *j, const char *key, const json_val *v);

#endif /* FORMATS_BASE_JSON_H */
