/*
 * conn: a connection: its input, its requests, its output, its end. Reactor only.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <event2/event_struct.h>

#include "net/reactor.h"

/*
 *     OPEN --QUIT, error, stop--> CLOSING --all is sent--> LEAVING --client closes, 1 s--> freed
 *      |  \                          |
 *      |   limit, attack: BROKEN ----+--------------------------> freed
 *      +--- the client closed, all is sent ---------------------> freed
 */
enum conn_state {
    CONN_OPEN,
    CONN_CLOSING, /* no request is read any more: the output is sent, then it leaves */
    CONN_LEAVING, /* all is sent and our side shut: input is thrown away until the client closes */
    CONN_BROKEN,  /* is closed as soon as the function that handles it comes to its end */
};

/* Input that could not be handled at once. Lives only as long as there is any. */
struct kept {
    struct buf bytes;
    size_t start;       /* bytes before it are handled */
    struct resp parser; /* what is known of the unfinished request */
};

struct conn {
    struct net *net;
    int fd;
    enum conn_state state;
    bool readable; /* the kernel may have input that we did not read */
    bool hup;      /* the client has shut its side: read on until the end shows */
    bool doubt;    /* the last read was short, and nothing was sent since: see conn.c */
    bool eof;      /* the end has shown */
    bool more;     /* kept input was not parsed to its end */
    bool writes;   /* waits until the socket takes more */
    bool is_ready; /* in the list of those that have more to do */
    bool is_held;  /* much is unsent: it reads, but parses nothing until the client has read */
    struct event read_event, write_event;
    TAILQ_ENTRY(conn) link; /* clients or leaving */
    TAILQ_ENTRY(conn) ready_link, held_link;
    struct kept *kept;   /* or NULL */
    struct buf out;      /* unsent replies; empty nearly always */
    size_t sent;         /* of them, at the front */
    int64_t sent_ms;     /* when the socket last took some */
    struct batch *batch; /* in flight, or NULL */
    bool batch_paused;   /* it came back with requests left: goes on when output is sent */
    int64_t leave_by_ms; /* CLOSING and LEAVING: the end of patience */
    struct session session;
};

/* Takes the descriptor. The session's addresses are set by the caller. */
struct conn *conn_new(struct net *net, int fd);
void conn_close(struct conn *c); /* at once: frees; a batch in flight loses its connection */

/* A batch came back: sends its replies, goes on with the input. */
void conn_batch_back(struct conn *c, struct batch *b);
/* Goes on with what is left of input, for one share. May close. */
void conn_go_on(struct conn *c);
/* A tick has passed while it was held. If its client reads nothing, it goes on for one share. */
void conn_held_tick(struct conn *c);
/* No more requests: what is in flight is answered, output is sent, then it ends. May close. */
void conn_end(struct conn *c);

size_t conn_unsent(const struct conn *c);
size_t conn_kept(const struct conn *c);

/* conn_out.c */

/* The buffer that replies go to now: the reactor's, or the connection's own while it has some
 * unsent; with the ceiling that holds for this client. */
struct buf *conn_out_begin(struct conn *c);
size_t conn_out_max(const struct conn *c);
/* So much is unsent that its requests should wait until the client reads, or for a moment. */
bool conn_out_is_high(const struct conn *c);
/* Sends what it can; keeps the rest. False: the connection is closed and gone. */
bool conn_flush(struct conn *c);
void conn_out_init(struct conn *c);
void conn_out_release(struct conn *c);
/* Takes another buffer's replies, as if they had been appended to `out`. */
void conn_out_take(struct buf *out, struct buf *from);
/* Throws away what a leaving client still sends. May close. */
void conn_drain(struct conn *c);

#endif
