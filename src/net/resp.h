/*
 * resp: reads requests of the Redis protocol out of bytes, as they come in. Two forms: arrays of
 * bulk strings (`*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n`), and inline commands (`ECHO "hi"\r\n`), which
 * people type into telnet.
 *
 * The parser never copies an argument of the array form and never looks at a byte twice: a request
 * that is not whole yet is gone on with where it stopped. What it keeps is offsets, so that the
 * bytes may lie elsewhere at the next call. Room for arguments grows with those that came, never
 * with those that were announced.
 *
 * One thread at a time. Nothing here fails but for malformed input, and that ends the connection.
 */
#ifndef NET_RESP_H
#define NET_RESP_H

#include "base/buf.h"
#include "base/str.h"

struct resp_limits {
    int64_t bulk_bytes;   /* longest argument */
    int64_t args;         /* most arguments of a request */
    int64_t inline_bytes; /* longest line: of an inline command, of a length */
    bool unauthenticated; /* the limits are those before authentication: other words */
};

enum resp_result {
    RESP_REQUEST, /* argc and argv hold a whole request */
    RESP_EMPTY,   /* an empty line, `*0` or `*-1`: skip it, no reply */
    RESP_MORE,    /* not whole: call again with the same bytes and more behind them */
    RESP_ERROR,   /* malformed: `error` says how, in Redis's words; nothing more can be read */
};

struct resp_arg {
    size_t at, n; /* offset from the request's first byte, length */
};

struct resp {
    int argc;
    struct str *argv; /* valid after RESP_REQUEST, until the bytes move or the next call */
    char error[64];   /* after RESP_ERROR: the reply's text without "-ERR " */

    struct resp_arg *args; /* those read so far */
    int room;              /* of args and argv */
    int64_t left;          /* arguments that are still to come; 0: between requests */
    int64_t bulk;          /* length of the argument that comes; -1: its length comes first */
    size_t at;             /* the first byte not read yet */
    struct buf words;      /* arguments of an inline command, unquoted */
};

void resp_init(struct resp *r);
void resp_release(struct resp *r); /* NULL-safe; gives memory back and begins anew */

/* Forgets what was read of an unfinished request. Room beyond the ordinary is given back. */
void resp_reset(struct resp *r);

/* Reads one request. `data` begins at the first byte of the request, the one under way or a new
 * one. *ret_used is set with RESP_REQUEST and RESP_EMPTY: the bytes it took. */
enum resp_result resp_next(struct resp *r, const char *data, size_t bytes,
                           const struct resp_limits *limits, size_t *ret_used);

/* After RESP_MORE on this many bytes: how many are certainly missing. 0: not known. */
size_t resp_missing(const struct resp *r, size_t bytes);

#endif
