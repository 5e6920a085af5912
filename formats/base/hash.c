#include "formats/base/hash.h"

#include "formats/base/map.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hash {
    EVP_MD_CTX *ctx; /* owned */
    bool bad;
};

int hash_new(struct hash **out, struct err *err)
{
    struct hash *h = calloc(1, sizeof(*h));

    *out = NULL;
    if (!h)
        return err_nomem(err);
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL)) {
        hash_free(h);
        return err_set(err, ERR_NOMEM, "cannot start a SHA-256 digest");
    }
    *out = h;
    return 0;
}

void hash_add(struct hash *h, const void *data, size_t n)
{
    if (n && !EVP_DigestUpdate(h->ctx, data, n))
        h->bad = true;
}

void hash_str(struct hash *h, const char *s)
{
    const uint64_t n = strlen(s);

    hash_add(h, &n, sizeof(n));
    hash_add(h, s, n);
}

void hash_u64(struct hash *h, uint64_t n)
{
    uint8_t wire[8];

    for (int i = 0; i < 8; i++)
        wire[i] = (uint8_t)(n >> (8 * i));
    hash_add(h, wire, sizeof(wire));
}

void hash_f64(struct hash *h, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    hash_u64(h, bits);
}

int hash_hex(struct hash *h, char hex[HASH_HEX_BYTES], struct err *err)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (h->bad || !EVP_DigestFinal_ex(h->ctx, md, &n) || n != 32)
        return err_set(err, ERR_NOMEM, "SHA-256 failed");
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", md[i]);
    return 0;
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

int hash_of(const void *data, size_t n, char hex[HASH_HEX_BYTES], struct err *err)
{
    struct hash *h;
    int rc = hash_new(&h, err);

    if (rc)
        return rc;
    hash_add(h, data, n);
    rc = hash_hex(h, hex, err);
    hash_free(h);
    return rc;
}

int hash_file(const char *path, char hex[HASH_HEX_BYTES], struct err *err)
{
    struct map m = {0};
    int rc = map_open(&m, path, err);

    if (!rc)
        rc = hash_of(m.data, m.size, hex, err);
    map_release(&m);
    return rc;
}
