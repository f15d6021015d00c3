/*
 * workers: the threads that may block, the queue of batches that leads to them, and the list that
 * leads back. The reactor pushes what it staged in one turn; workers pop one batch at a time; ended
 * batches wait in a list that the reactor takes whole, told by an eventfd that is written only when
 * the list was empty.
 *
 * Functions say who may call them. Whoever holds a batch owns it: after a push, a resume or a done
 * the caller does not touch it again.
 */
#ifndef NET_WORKERS_H
#define NET_WORKERS_H

#include "net/handler.h"

struct workers;

/* Main thread. Makes the workers' resources (handler->worker_new), no threads yet. NULL with err
 * set. */
struct workers *workers_new(const struct handler *handler, int count, struct err *err);
/* Main thread: starts the threads. */
MUST_CHECK enum status workers_start(struct workers *w, struct err *err);
/* Main thread: lets them end once the queue is empty, and waits for them until the deadline
 * (monotonic). False: some are still at work; then the workers must not be freed. */
bool workers_stop(struct workers *w, int64_t deadline_us);
void workers_free(struct workers *w); /* NULL-safe; frees batches that nobody took */

/* Reactor. */
void workers_push(struct workers *w, struct batch *first, struct batch *last, int count);
struct batch *workers_take_done(struct workers *w); /* a list by `next`, oldest first; or NULL */
int workers_done_fd(const struct workers *w);       /* readable when something was added */
int workers_queued(struct workers *w);
/* Wakes one more worker when those that are awake have not looked at the queue for a while. True:
 * ask again in a millisecond. */
bool workers_watch(struct workers *w);

/* Any worker; any thread. */
void workers_resume(struct workers *w, struct batch *b);
void workers_done(struct workers *w, struct batch *b);
void workers_wake(struct workers *w);

#endif
