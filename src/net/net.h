/*
 * net: connections. One thread, the reactor, owns every socket; worker threads run what may block;
 * what a request means is the handler's business (net/handler.h). What main.c does:
 *
 *     net = net_open(&options, &err)      addresses are bound, workers' resources made; clients
 *                                         may connect and wait
 *     tell that the server is ready
 *     net_run(net, &err)                  threads start; returns when the server was stopped by
 *                                         SIGTERM, SIGINT or net_shutdown, and all is answered
 *     net_close(net)                      before the engine is closed
 *
 * Handler functions may be called from net_run on, and no more after net_close; worker_new and
 * worker_free are called in net_open and net_close. SIGPIPE is ignored from net_open on.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/err.h"

struct config;
struct handler;
struct net;

struct net_options {
    const struct handler *handler; /* copied */
    const struct config *config;   /* a reference is taken */
    void (*on_hup)(void *arg);     /* reactor: SIGHUP came; NULL: ignored */
    void *arg;
};

/* Main thread. NULL with err set: an address cannot be bound, a worker cannot be made. */
struct net *net_open(const struct net_options *options, struct err *err);

/* Main thread: is the reactor until the server is stopped. Batches in flight are finished and
 * answered, for limits.shutdown at most. An error: it could not start. */
MUST_CHECK enum status net_run(struct net *net, struct err *err);

/* Main thread: ends the workers and closes everything. False: a worker is stuck, or a batch is
 * still parked with the handler; then nothing that they may use can be freed, and the process
 * should end by _exit. NULL-safe. */
MUST_CHECK bool net_close(struct net *net);

#endif
