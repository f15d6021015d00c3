/*
 * Errors: one status per error word of the protocol, and an object for the words.
 *
 * A function that can fail returns `enum status`, is MUST_CHECK, and takes `struct err *err` last.
 * It fails with `return err_set(err, ERR_CONFLICT, "expected ov %lld, ...", ...)`: code and words
 * are set where the facts are known. On success `err` is untouched; on failure outputs are
 * untouched. Any thread. Nothing here allocates.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The word that a client sees is status_word(); the order is that of the table in err.c. */
enum status {
    OK = 0,
    ERR_SYNTAX,     /* ERR: what the command line alone tells */
    ERR_NOTFOUND,   /* the item or version is not there */
    ERR_EXISTS,     /* the item is there already */
    ERR_CONFLICT,   /* IFOV lost, or an OPID was used for another request */
    ERR_VALIDATION, /* a key, id, document, patch or text breaks a rule */
    ERR_TOOLARGE,   /* a named limit was reached */
    ERR_NOROUTE,    /* unknown route, tenant or tier */
    ERR_PRUNED,     /* retention removed this version */
    ERR_BACKEND,    /* a store failed for good */
    ERR_TRYAGAIN,   /* down or overloaded, certainly nothing applied */
    ERR_TIMEDOUT,   /* outcome unknown */
    ERR_LOCKED,
    ERR_CORRUPT, /* checksum mismatch */
    ERR_NOAUTH,
    ERR_WRONGPASS,
    ERR_NOPERM,
    ERR_NOPROTO,
    ERR_EXECABORT,
    ERR_READONLY,
    ERR_INTERNAL, /* ERR internal error: our mistake */
    STATUS_COUNT
};

enum { ERR_MSG_BYTES = 512 }; /* longest message with its NUL; a longer one is cut at a character */

struct err {
    enum status code;
    char msg[ERR_MSG_BYTES]; /* one line of UTF-8, without CR, LF or other control characters */
};

/* Sets code and words and returns code, so that `return err_set(...)` reads well. err may be NULL.
 */
enum status err_set(struct err *err, enum status code, const char *fmt, ...) PRINTF(3, 4);

/* The protocol's word of a status: "ERR", "NOTFOUND", ... */
const char *status_word(enum status code);

/* May a client retry by itself: certainly nothing was applied. */
bool status_is_retryable(enum status code);

/* ASSERT is for our mistakes, never for input or the world. Always on: prints the place, aborts. */
#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void assert_failed(const char *what, const char *file, int line);

/* Small allocations do not fail: these abort. Sizes a client chooses are checked against a limit
 * first. */
void *xmalloc(size_t bytes);
void *xcalloc(size_t count, size_t bytes);
void *xrealloc(void *p, size_t bytes);

#endif
