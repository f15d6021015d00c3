/*
 * reply: writes RESP2 and RESP3 into a buffer. One writer for both: the protocol version chooses
 * the form (https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md). One
 * thread at a time. Lengths are known before the elements: reply_map(3) is followed by three keys
 * and three values.
 */
#ifndef NET_REPLY_H
#define NET_REPLY_H

#include "base/buf.h"
#include "base/err.h"

struct reply {
    struct buf *out;
    int protocol; /* 2 or 3 */
};

void reply_ok(struct reply *r);                        /* +OK */
void reply_simple(struct reply *r, const char *text);  /* +text */
void reply_int(struct reply *r, int64_t v);            /* :v */
void reply_bulk(struct reply *r, struct str s);        /* $n; STR_NONE is null */
void reply_null(struct reply *r);                      /* $-1 or _ */
void reply_null_array(struct reply *r);                /* *-1 or _ */
void reply_bool(struct reply *r, bool v);              /* :1 or #t */
void reply_double(struct reply *r, double v);          /* bulk or ,v */
void reply_verbatim(struct reply *r, struct str text); /* bulk or =txt: */
void reply_array(struct reply *r, int64_t count);      /* *n */
void reply_set(struct reply *r, int64_t count);        /* *n or ~n */
void reply_map(struct reply *r, int64_t pairs);        /* *2n or %n */
void reply_push(struct reply *r, int64_t count);       /* *n or >n */
void reply_instant(struct reply *r,
                   int64_t at_ms); /* bulk YYYY-MM-DDTHH:MM:SS.mmmZ; TIME_NONE is null */
/* -WORD msg, control characters made blanks, cut at 512 bytes. */
void reply_error(struct reply *r, const struct err *err);
void reply_error_text(struct reply *r, const char *fmt, ...)
    PRINTF(2, 3); /* the whole line without '-' */

/* For maps: a bulk key and its value. */
void reply_pair_str(struct reply *r, const char *key, struct str value);
void reply_pair_int(struct reply *r, const char *key, int64_t value);
void reply_pair_bool(struct reply *r, const char *key, bool value);
void reply_pair_instant(struct reply *r, const char *key, int64_t at_ms);

#endif
