#ifndef FORMATS_BASE_HASH_H
#define FORMATS_BASE_HASH_H

/* SHA-256 over OpenSSL's EVP digests. */

#include "formats/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { HASH_HEX_BYTES = 65 }; /* 64 digits and '\0' */

struct hash; /* a running digest */

/* A running digest is owned by the caller (hash_free). */
int hash_new(struct hash **out, struct err *err) WARN_UNUSED;
void hash_add(struct hash *h, const void *data, size_t n);
/* Text, its length first, so that ("ab","c") and ("a","bc") differ. */
void hash_str(struct hash *h, const char *s);
/* Eight bytes, little endian. */
void hash_u64(struct hash *h, uint64_t n);
void hash_f64(struct hash *h, double v);
/* Lower-case digits of everything added; ends the digest. */
int hash_hex(struct hash *h, char hex[HASH_HEX_BYTES], struct err *err) WARN_UNUSED;
void hash_free(struct hash *h); /* accepts NULL */

/* The digest of one piece. */
int hash_of(const void *data, size_t n, char hex[HASH_HEX_BYTES], struct err *err) WARN_UNUSED;
/* Of a file's bytes. Errors: ERR_IO, ERR_NOMEM. */
int hash_file(const char *path, char hex[HASH_HEX_BYTES], struct err *err) WARN_UNUSED;

#endif /* FORMATS_BASE_HASH_H */
