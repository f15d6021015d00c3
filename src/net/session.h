/*
 * session: what a connection has said of itself. Lives in its connection and belongs to the
 * reactor; a batch carries a copy (taken at its first request; state commands never share a batch
 * with others, so it stays true).
 */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include "base/str.h"

enum { SESSION_NAME_BYTES = 128, SESSION_ROUTE_BYTES = 256, SESSION_ADDR_BYTES = 128 };

enum session_reply {
    SESSION_REPLY_ON,
    SESSION_REPLY_OFF,
    SESSION_REPLY_SKIP,
    SESSION_REPLY_SKIP_NEXT
};

struct session {
    int64_t id;         /* CLIENT ID, never used twice */
    int protocol;       /* 2 or 3 */
    int db;             /* SELECT */
    bool authenticated; /* or no password is set */
    bool closing;       /* close when the output so far has been sent (QUIT, a kill) */
    bool unix_socket;
    bool no_evict, no_touch;
    enum session_reply reply;
    int64_t created_ms, active_ms;
    char name[SESSION_NAME_BYTES];
    char lib_name[64], lib_version[64];
    char route[SESSION_ROUTE_BYTES];                          /* CHRONOS.USE; empty: the default */
    char addr[SESSION_ADDR_BYTES], laddr[SESSION_ADDR_BYTES]; /* ip:port, or path:0 */
    const char *last_command; /* a name in the command table, or NULL */
    uint64_t commands;        /* requests so far */
};

/* After a request was run, in the reactor or in a batch (on the batch's copy): is its reply to be
 * dropped (CLIENT REPLY OFF, SKIP)? Called once a request; CLIENT REPLY itself has set `reply` by
 * then, and SKIP moves on from the command to the one behind it. */
static inline bool session_drops_reply(struct session *s) {
    switch (s->reply) {
    case SESSION_REPLY_ON:
        return false;
    case SESSION_REPLY_OFF:
        return true;
    case SESSION_REPLY_SKIP_NEXT:
        s->reply = SESSION_REPLY_SKIP;
        return true;
    case SESSION_REPLY_SKIP:
        s->reply = SESSION_REPLY_ON;
        return true;
    }
    return false;
}

#endif
