#ifndef FORMATS_META_H
#define FORMATS_META_H

/* GGUF metadata: typed values by key, in order. Read from a file, or built.
 * Source: ggml/docs/gguf.md. */

#include "formats/base/arena.h"
#include "formats/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wire numbers. */
enum meta_type {
    META_U8 = 0,
    META_I8 = 1,
    META_U16 = 2,
    META_I16 = 3,
    META_U32 = 4,
    META_I32 = 5,
    META_F32 = 6,
    META_BOOL = 7,
    META_STR = 8,
    META_ARRAY = 9,
    META_U64 = 10,
    META_I64 = 11,
    META_F64 = 12,
    META_TYPE_COUNT
};

/* Text with a length: strings in a GGUF have no terminator and may hold NUL. */
struct meta_str {
    const char *p;
    size_t n;
};

/* Elements of an array exactly as they lie in the file (for META_STR: u64
 * length and bytes, one after another). */
struct meta_array {
    enum meta_type elem; /* not META_ARRAY */
    uint64_t n;
    const uint8_t *raw; /* raw_bytes long; validated when the file was parsed */
    size_t raw_bytes;
};

struct meta_kv {
    const char *key; /* '\0'-terminated */
    enum meta_type type;
    union {
        uint64_t u; /* U8 U16 U32 U64 BOOL */
        int64_t i;  /* I8 I16 I32 I64 */
        double f;   /* F32 F64 */
        struct meta_str str;
        struct meta_array array;
    } v;
};

struct meta {
    struct meta_kv *kv; /* owned */
    size_t n, cap;
    struct arena arena; /* keys and values that were set; parsed ones lie in the file */
};

/* All zeros is empty metadata. */
void meta_release(struct meta *m);

/* The published name of a type ("UINT32", as gguf-py says it), NULL outside the enum. */
const char *meta_type_name(enum meta_type t);
/* Bytes of one fixed-size element; 0 for STR and ARRAY. */
size_t meta_type_bytes(enum meta_type t);

/* NULL when absent. */
const struct meta_kv *meta_get(const struct meta *m, const char *key);

/* Readers convert between number types where the value fits; false, *out
 * untouched, when the key is absent or of another kind. */
bool meta_u64(const struct meta *m, const char *key, uint64_t *out);
bool meta_f64(const struct meta *m, const char *key, double *out);
bool meta_bool(const struct meta *m, const char *key, bool *out);
bool meta_str(const struct meta *m, const char *key, struct meta_str *out);
/* NULL when absent or not an array of `elem`. */
const struct meta_array *meta_array(const struct meta *m, const char *key, enum meta_type elem);

/* Strings of an array in order: at = 0 first; false after the last. */
struct meta_strs {
    const uint8_t *p;
    uint64_t left;
};
struct meta_strs meta_strs(const struct meta_array *a);
bool meta_strs_next(struct meta_strs *it, struct meta_str *out);

/* Element i as a pair without a key. Strings are walked from the first: for the long
 * arrays of a vocabulary use meta_strs. */
struct meta_kv meta_element(const struct meta_array *a, uint64_t i);

/* Writers append, or replace a value of the same key. Values are copied. */
int meta_set_u32(struct meta *m, const char *key, uint32_t v, struct err *err) WARN_UNUSED;
int meta_set_i32(struct meta *m, const char *key, int32_t v, struct err *err) WARN_UNUSED;
int meta_set_u64(struct meta *m, const char *key, uint64_t v, struct err *err) WARN_UNUSED;
int meta_set_u16(struct meta *m, const char *key, uint16_t v, struct err *err) WARN_UNUSED;
int meta_set_f32(struct meta *m, const char *key, float v, struct err *err) WARN_UNUSED;
int meta_set_bool(struct meta *m, const char *key, bool v, struct err *err) WARN_UNUSED;
int meta_set_str(struct meta *m, const char *key, const char *s, struct err *err) WARN_UNUSED;
int meta_set_strn(struct meta *m, const char *key, const char *s, size_t n,
                  struct err *err) WARN_UNUSED;
/* n elements of `elem`; raw is their payload as in the file. */
int meta_set_array(struct meta *m, const char *key, enum meta_type elem, uint64_t n,
                   const void *raw, size_t raw_bytes, struct err *err) WARN_UNUSED;
/* The same value of the same type? Either may be NULL: absent. */
bool meta_same(const struct meta_kv *a, const struct meta_kv *b);
/* A copy of a value from other metadata. */
int meta_set_kv(struct meta *m, const struct meta_kv *kv, struct err *err) WARN_UNUSED;
void meta_remove(struct meta *m, const char *key);

#endif /* FORMATS_META_H */
