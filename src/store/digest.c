/*
 * SHA-256 by OpenSSL's EVP interface. Fetching the algorithm and making a context each cost more
 * than hashing a small document, so the algorithm is fetched once per process and every thread
 * keeps one context, freed when the thread ends. EVP fails only when there is no memory or no
 * SHA-256 in the library at all: nothing could go on then, so those are assertions.
 */
#include "store/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/err.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key;
static EVP_MD *sha256;
static _Thread_local EVP_MD_CTX *context;

static void context_free(void *p) {
    EVP_MD_CTX_free(p);
}

static void process_init(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    ASSERT(sha256 != NULL);
    ASSERT(pthread_key_create(&context_key, context_free) == 0);
}

/* This thread's context, ready for new data. */
static EVP_MD_CTX *context_begin(void) {
    if (context == NULL) {
        ASSERT(pthread_once(&once, process_init) == 0);
        context = EVP_MD_CTX_new();
        ASSERT(context != NULL);
        ASSERT(pthread_setspecific(context_key, context) == 0);
    }
    ASSERT(EVP_DigestInit_ex2(context, sha256, NULL) == 1);
    return context;
}

void digest_sha256(struct str data, uint8_t ret[SHA256_BYTES]) {
    EVP_MD_CTX *c = context_begin();
    ASSERT(EVP_DigestUpdate(c, data.p, data.n) == 1);
    ASSERT(EVP_DigestFinal_ex(c, ret, NULL) == 1);
}

void digest_sha256_list(const struct str *parts, int count, uint8_t ret[SHA256_BYTES]) {
    EVP_MD_CTX *c = context_begin();
    for (int i = 0; i < count; i++) {
        uint8_t length[8];
        for (unsigned b = 0; b < 8; b++) {
            length[b] = (uint8_t)((uint64_t)parts[i].n >> (8 * b));
        }
        ASSERT(EVP_DigestUpdate(c, length, sizeof length) == 1);
        ASSERT(EVP_DigestUpdate(c, parts[i].p, parts[i].n) == 1);
    }
    ASSERT(EVP_DigestFinal_ex(c, ret, NULL) == 1);
}

void digest_random(void *ret, size_t bytes) {
    char *p = ret;
    while (bytes > 0) {
        ssize_t n = getrandom(p, bytes, 0);
        if (n < 0 && errno == EINTR) continue;
        ASSERT(n > 0);
        p += n;
        bytes -= (size_t)n;
    }
}
