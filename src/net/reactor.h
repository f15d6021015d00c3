/*
 * reactor: what the files of this layer share about the one thread that owns all sockets: `struct
 * net`, and the conversation between its parts. Only src/net includes this. Everything here is for
 * the reactor's thread alone.
 *
 * A turn is one round of the event loop: callbacks note and handle what the kernel reports, and at
 * its end the reactor takes the batches that came back, goes on with connections that had more to
 * do than one share, and hands all staged batches to the workers at once.
 */
#ifndef NET_REACTOR_H
#define NET_REACTOR_H

#include <event2/event.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "net/batch.h"
#include "net/handler.h"
#include "net/resp.h"
#include "net/workers.h"

struct conn;
struct listener;
TAILQ_HEAD(conn_list, conn);

enum {
    READ_BYTES = 64 * 1024, /* one read(2), and a connection's share of a turn */
    TAIL_BYTES = 16 * 1024, /* an unfinished request up to this is put before the next read */
    INPUT_BYTES = TAIL_BYTES + READ_BYTES,
    SHARE_OUT_BYTES = 1024 * 1024, /* replies that one turn may make for a connection */
    TICK_MS = 100,
};

/* Counted here during a turn, added to the metrics at its end. */
struct tally {
    int64_t in_bytes, out_bytes, commands, replies, batches;
};

struct net {
    struct handler handler;
    const struct config *config; /* a reference */
    void (*on_hup)(void *arg);
    void *hup_arg;

    struct event_base *base;
    struct event *tick, *watch, *back, *term, *interrupt, *hup;
    struct workers *workers;
    struct batch_pool pool;

    struct listener *listeners; /* listen.c */
    bool accept_paused;         /* no descriptors are left; tried again at the next tick */
    int64_t clients_max;        /* the setting, or what the limit on descriptors allows */

    struct conn_list clients; /* in the order they came */
    int64_t client_count, blocked;
    int64_t last_id;
    struct conn_list leaving; /* answered for the last time: wait for the client to close */
    struct conn_list ready;   /* have more to do than fitted into their share */
    struct conn_list held;    /* have more to do, but first their output should shrink */
    int64_t ready_count;      /* in `ready` */

    struct resp_limits limits[2]; /* [1]: of clients that are authenticated */
    char *input;                  /* INPUT_BYTES: every small read goes here */
    struct resp parser;           /* for connections without an unfinished request */
    struct buf output;    /* replies of the connection that is handled, if none are unsent */
    struct batch *gather; /* of the connection that is being handled, or NULL */
    size_t gather_bytes;
    size_t share_in, share_out; /* what is left of this connection's share */

    struct batch *staged, *staged_last; /* to be handed over at the end of the turn */
    int staged_count;
    int64_t in_flight; /* batches with the workers, those of vanished clients too */

    int64_t now_ms, mono_us; /* wall and monotonic clock at the turn's beginning */
    bool now_known;
    int64_t checked_us; /* the last look at every client */
    struct tally tally;
    int64_t logged_ms, log_count; /* see net_note */

    bool stop_asked, stopping;
    int64_t stop_us; /* monotonic: the end, whatever is left */
};

/* Both clocks, read once a turn. */
void net_read_clocks(struct net *net);
static inline int64_t net_now_ms(struct net *net) {
    if (!net->now_known) net_read_clocks(net);
    return net->now_ms;
}

/* Stages a filled batch; it goes to the workers at the end of the turn. */
void net_stage(struct net *net, struct batch *b);
/* Brings the metrics up to date. */
void net_count(struct net *net);
/* One log line about a client, what happened and who it was; at most a few a second. */
void net_note(struct net *net, const struct conn *conn, const char *what);

#endif
