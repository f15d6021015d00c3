/*
 * peer: a client of both protocols, for scripts: hiredis of the oldest system that is served reads
 * RESP2 alone. Blocking, with a limit of time; what is no reply fails the cmocka test that runs.
 */
#ifndef TESTS_PROTOCOL_PEER_H
#define TESTS_PROTOCOL_PEER_H

#include <stddef.h>

#include "base/arena.h"

struct peer;

struct peer_reply {
    char type;              /* as on the wire: + - : $ = * % ~ # _ , ( */
    struct str text;        /* + - $ = , ( and the digits of : and # ; STR_NONE: null */
    struct peer_reply *all; /* * % ~ : keys and values in turn */
    size_t count;
};

struct peer *peer_open(int port);
void peer_close(struct peer *p);
/* One command line as an array of bulk strings. */
void peer_send(struct peer *p, int argc, const struct str *argv);
/* The next reply; it lies in the arena. */
struct peer_reply *peer_read(struct peer *p, struct arena *arena);
/* The server closes, with nothing sent before. */
void peer_expect_end(struct peer *p);

#endif
