/*
 * handler: the one way up. The net layer knows nothing of commands; main.c fills this in with the
 * functions of commands/dispatch.c. And the one way down for commands that look at connections.
 */
#ifndef NET_HANDLER_H
#define NET_HANDLER_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/reply.h"
#include "net/session.h"

struct config;

struct request {
    int argc;
    const struct str *argv; /* argv[0] is the command's name as sent */
};

enum verdict {
    VERDICT_DONE,   /* answered: the reply is in the buffer */
    VERDICT_WORKER, /* a worker must run it */
    VERDICT_STATE,  /* only while a batch gathers: it cannot join; cut the batch here and ask again
                       when it is back */
    VERDICT_CLOSE,  /* answered, and the connection ends when the output is sent */
};

/* The requests cut from one connection's input, run in order by a worker. Whoever holds the pointer
 * owns it; conn is the reactor's alone. */
struct batch {
    struct batch *next;
    void *conn;         /* reactor only; NULL once the client has gone */
    struct arena arena; /* the requests' bytes and everything that running them needs */
    struct request *requests;
    int count, room;
    int done;                    /* requests answered so far */
    struct session session;      /* a copy */
    const struct config *config; /* a reference, dropped when the batch ends */
    struct buf out;              /* the replies */
    void *state;                 /* the handler's own, in the arena; NULL at first */
    int64_t arrived_us;          /* monotonic */
    bool close;                  /* out: end the connection after the replies */
};

enum run_result {
    RUN_DONE,   /* give the batch back to the reactor: every request is answered, or batch->done
                   of them are and the replies are large: it is run again when they are sent */
    RUN_PARKED, /* it waits for a commit; the handler has it, and will call net_batch_resume */
};

struct handler {
    void *app;
    /* Reactor. One whole request, in stream order. `gathering`: a batch of this connection is being
     * gathered, so nothing may be answered now: only WORKER (joins it) or STATE. Never blocks. */
    enum verdict (*request)(void *app, struct session *session, const struct config *config,
                            const struct request *request, bool gathering, struct reply *reply);
    /* Worker. Runs the batch from batch->done on. */
    enum run_result (*run)(void *app, void *worker, struct batch *batch);
    /* Worker, before it sleeps and now and then when busy: does shared work (leads a commit group).
     * True if it did any. `busy`: other batches wait, so only if work is due. */
    bool (*work)(void *app, void *worker, bool busy);
    /* Worker threads' own resources. NULL with err set: the server does not start. */
    void *(*worker_new)(void *app, int index, struct err *err);
    void (*worker_free)(void *app, void *worker);
    /* Reactor, about ten times a second. */
    void (*tick)(void *app);
};

/* Worker, any: a parked batch can go on (it goes to the front of the queue), or comes back as with
 * RUN_DONE. */
struct net;
void net_batch_resume(struct net *net, struct batch *batch);
void net_batch_done(struct net *net, struct batch *batch);
/* Any thread: sees to it that a worker calls `work` soon: the calling one, when it is a worker that
 * finds nothing else to do; else one that sleeps. */
void net_wake_worker(struct net *net);

/* Reactor only: for CLIENT, INFO, CONFIG and SHUTDOWN. */
struct client_filter { /* CLIENT LIST and KILL; fields left zero do not filter */
    const int64_t *ids;
    int id_count;
    const char *addr, *laddr, *user;
    int64_t max_age_s;
    int64_t skip_id; /* SKIPME yes: the caller's id */
};
struct net_stats {
    int64_t clients, clients_max, blocked; /* blocked: with a batch in flight */
    int64_t workers, queued;               /* batches waiting for a worker */
    int64_t in_bytes_max, out_bytes_max;   /* largest buffers now */
};
void net_clients(struct net *net, const struct client_filter *filter,
                 struct buf *out); /* CLIENT LIST's lines */
int64_t net_kill(struct net *net, const struct client_filter *filter, int64_t self_id,
                 bool *ret_self);
void net_stats(struct net *net, struct net_stats *ret);
void net_shutdown(struct net *net); /* as SIGTERM */
/* Takes over the caller's reference; in force from the next request. */
void net_config(struct net *net, const struct config *config);

#endif
