/*
 * toy: the net layer in a thread of the test, under a handler of a few commands, so that its rules
 * can be tried without a store. Commands (upper case only):
 *
 *     PING  ECHO x  BIG n (n bytes)          answered by the reactor; in a batch, by the worker
 *     WORK x  BIGWORK n                      answered by a worker
 *     WAIT x                                 a worker answers it when the gate is open
 *     PARK x                                 is parked; work() resumes it
 *     PARKDONE x                             is parked; work() answers it and gives it back
 *     STATE                                  +STATE, by the reactor, after what came before
 *     PROTO n                                sets the protocol, by the reactor
 *     LOGIN                                  authenticates
 *     REPLY ON|OFF|SKIP                      as CLIENT REPLY
 *     LIST  KILL id|SELF  STATS              CLIENT LIST, CLIENT KILL, net_stats
 *     LIMIT n                                new settings: limits.args n
 *     QUIT  HANGUP (by a worker)             +OK, and the connection ends
 *     STOP                                   net_shutdown
 */
#ifndef TESTS_LIB_TOY_H
#define TESTS_LIB_TOY_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/config.h"
#include "net/handler.h"
#include "net/net.h"

struct toy {
    struct config *config; /* a reference */
    struct net *net;
    pthread_t thread;
    int port;
    bool running;
    enum status ended; /* what net_run returned */

    atomic_bool stop;    /* the next tick stops the server */
    atomic_bool gate;    /* WAIT may go on */
    atomic_int waiting;  /* workers that wait for the gate */
    atomic_long ran;     /* requests that workers answered */
    atomic_long batches; /* batches that workers ended */
    atomic_long tickets; /* work to be done in work(), see toy_add_ticket */
    atomic_long done_tickets;
    atomic_bool chatty;   /* workers give a batch back after each large reply */
    atomic_bool lazy;     /* work() leaves the parked alone */
    int fail_worker;      /* the index of a worker that cannot be made; -1: none */
    pthread_mutex_t lock; /* of the parked */
    struct batch *parked;
};

/* A setting by its path, and its value. */
struct toy_setting {
    const char *path, *value;
};

/* Loads the settings; a free port on 127.0.0.1 unless they say otherwise. */
void toy_init(struct toy *toy, const struct toy_setting *settings, int count);
/* Opens; NULL in toy->net with err set on failure. */
void toy_open(struct toy *toy, struct err *err);
/* Opens, which must succeed, and runs in a thread. */
void toy_start(struct toy *toy, const struct toy_setting *settings, int count);
/* Asks the server to stop, waits for it, closes it, which must succeed. */
void toy_stop(struct toy *toy);
/* Waits until net_run has returned. */
void toy_join(struct toy *toy);
void toy_release(struct toy *toy);

/* Gives back what is parked, answered, in this thread. */
void toy_take_parked(struct toy *toy);
/* Something for work() to do, told by net_wake_worker. */
void toy_add_ticket(struct toy *toy);
/* Waits until the number is reached, or fails. */
void toy_wait_for(atomic_long *number, long at_least);

#endif
