/*
 * digest: SHA-256 (FIPS 180-4) by OpenSSL. The one file of the server that hashes. Any thread.
 */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include "base/str.h"

enum { SHA256_BYTES = 32 };

void digest_sha256(struct str data, uint8_t ret[SHA256_BYTES]);
/* Of several slices, each preceded by its length, so that no two lists have one digest by
 * concatenation. */
void digest_sha256_list(const struct str *parts, int count, uint8_t ret[SHA256_BYTES]);
/* Random bytes of the kernel (getrandom(2)). */
void digest_random(void *ret, size_t bytes);

#endif
