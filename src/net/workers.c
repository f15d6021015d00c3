/*
 * workers: one lock around the queue, a stack of sleepers, and a list of ended batches that needs
 * no lock.
 *
 *     reactor --push--> todo queue --pop--> worker: run --done--> done list --take--> reactor
 *                        ^                    |
 *                        +------ resume ------+ (parked batches, at the front)
 *
 * Waking a thread is the most expensive thing here: tens of microseconds until it runs, a few of
 * the waker's. So the policy is to wake one, and only when nobody is `near`: about to look at the
 * queue by itself, because it was woken just now or began a batch just now, and batches are short
 * unless they show otherwise. A worker inside handler->work is not near: it may be waiting for a
 * commit, and meanwhile others should gather the next.
 *
 *  - New batches wake a sleeper if nobody is near.
 *  - A worker that comes back from a slow batch, and sees more behind the one that it takes now,
 *    wakes one more if nobody else is near. So slow batches spread over the threads, and quick ones
 *    stay with one.
 *  - What is left is a queue in front of workers that all turned out slow after the last push.
 *    While the queue is not empty the reactor looks again every few milliseconds (workers_watch).
 *  - Sleepers form a stack: the one that slept last is woken first, its caches are warm.
 *
 * No wake-up is lost: a worker that found the queue empty remembers `calls`, asks handler->work,
 * and sleeps only if, under the lock, the queue is still empty and no call for work came since.
 *
 * A worker that calls for work itself (a write was submitted in `run`) wakes nobody as long as it
 * may come to it: it will ask handler->work when it finds the queue empty. If it finds another
 * batch there first, it wakes a sleeper then.
 */
#include "net/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/batch.h"

enum {
    SLOW_US = 200,    /* a batch that takes longer is slow */
    WAKING_US = 1000, /* a thread that was woken runs by then */
    BUSY_EVERY = 4,   /* batches between two looks for other work */
};

enum worker_state {
    WORKER_ASLEEP,  /* in the stack */
    WORKER_WAKING,  /* taken off it and signalled */
    WORKER_RUNNING, /* inside handler->run, or on the way to the queue */
    WORKER_WORKING, /* found the queue empty: inside handler->work, or about to sleep */
};

struct worker {
    struct workers *all;
    void *own; /* the handler's resources */
    pthread_t thread;
    pthread_cond_t wake;
    enum worker_state state; /* under the lock, as the next two */
    int64_t since_us;        /* it was woken, or popped last */
    struct worker *below;    /* in the stack of sleepers */
    bool called;             /* its own: it called for work since it last asked handler->work */
    bool resumed;            /* its own: it woke someone for batches that it resumed */
    bool started, joined;
};

struct workers {
    const struct handler *handler;
    struct worker *worker;
    int count;

    pthread_mutex_t lock; /* of the following */
    struct batch *first, *last;
    struct worker *asleep; /* the stack */
    uint64_t calls;        /* how often work was called for */
    bool closing;

    atomic_int queued; /* batches in the queue; written under the lock, read by anyone */

    _Atomic(struct batch *) done; /* newest first */
    int done_fd;
};

static _Thread_local struct worker *current; /* the worker that this thread is, or NULL */

/* --- making and ending -------------------------------------------------------------------------*/

struct workers *workers_new(const struct handler *handler, int count, struct err *err) {
    struct workers *w = xcalloc(1, sizeof(*w));
    w->handler = handler;
    w->worker = xcalloc((size_t)count, sizeof(w->worker[0]));
    (void)pthread_mutex_init(&w->lock, NULL); /* cannot fail on Linux */
    w->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->done_fd < 0) {
        (void)err_set(err, ERR_BACKEND, "cannot make an eventfd: %s", strerror(errno));
        workers_free(w);
        return NULL;
    }
    for (; w->count < count; w->count++) {
        struct worker *one = &w->worker[w->count];
        one->all = w;
        one->own = handler->worker_new(handler->app, w->count, err);
        if (one->own == NULL) {
            workers_free(w);
            return NULL;
        }
        (void)pthread_cond_init(&one->wake, NULL);
    }
    return w;
}

static void free_list(struct batch *b) {
    struct batch_pool pool = {0};
    for (struct batch *next; b != NULL; b = next) {
        next = b->next;
        batch_free(&pool, b);
    }
    batch_pool_release(&pool);
}

void workers_free(struct workers *w) {
    if (w == NULL) return;
    for (int i = 0; i < w->count; i++) {
        w->handler->worker_free(w->handler->app, w->worker[i].own);
        (void)pthread_cond_destroy(&w->worker[i].wake);
    }
    free_list(w->first);
    free_list(workers_take_done(w));
    if (w->done_fd >= 0) (void)close(w->done_fd);
    (void)pthread_mutex_destroy(&w->lock);
    free(w->worker);
    free(w);
}

static void *worker_main(void *arg);

/* Signals are the reactor's: the threads inherit a mask that blocks them all. */
enum status workers_start(struct workers *w, struct err *err) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    for (int i = 0; i < w->count && failed == 0; i++) {
        struct worker *one = &w->worker[i];
        one->state = WORKER_RUNNING;
        one->since_us = clock_mono_us();
        failed = pthread_create(&one->thread, NULL, worker_main, one);
        one->started = failed == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) return OK;
    return err_set(err, ERR_BACKEND, "cannot start a worker thread: %s", strerror(failed));
}

static void signal_all(struct workers *w) {
    (void)pthread_mutex_lock(&w->lock);
    w->closing = true;
    for (struct worker *one = w->asleep; one != NULL; one = one->below) {
        one->state = WORKER_WAKING;
        (void)pthread_cond_signal(&one->wake);
    }
    w->asleep = NULL;
    (void)pthread_mutex_unlock(&w->lock);
}

bool workers_stop(struct workers *w, int64_t deadline_us) {
    signal_all(w);
    int64_t wall_us = clock_now_us() + (deadline_us - clock_mono_us());
    struct timespec until = {.tv_sec = wall_us / 1000000, .tv_nsec = wall_us % 1000000 * 1000};
    bool all = true;
    for (int i = 0; i < w->count; i++) {
        struct worker *one = &w->worker[i];
        if (!one->started || one->joined) continue;
        one->joined = pthread_timedjoin_np(one->thread, NULL, &until) == 0;
        all = all && one->joined;
    }
    return all;
}

/* --- waking: under the lock --------------------------------------------------------------------*/

/* Will anyone but `except` look at the queue presently? */
static bool is_near(const struct workers *w, const struct worker *except, int64_t now_us) {
    for (int i = 0; i < w->count; i++) {
        const struct worker *one = &w->worker[i];
        if (one == except) continue;
        int64_t spent_us = now_us - one->since_us;
        if (one->state == WORKER_RUNNING && spent_us <= SLOW_US) return true;
        if (one->state == WORKER_WAKING && spent_us <= WAKING_US) return true;
    }
    return false;
}

/* Takes one off the stack of sleepers; the caller signals it when it has let go of the lock. */
static struct worker *rouse(struct workers *w, int64_t now_us) {
    struct worker *one = w->asleep;
    if (one == NULL) return NULL;
    w->asleep = one->below;
    one->state = WORKER_WAKING;
    one->since_us = now_us;
    return one;
}

static void unlock_and_wake(struct workers *w, struct worker *one) {
    (void)pthread_mutex_unlock(&w->lock);
    if (one != NULL) (void)pthread_cond_signal(&one->wake);
}

/* --- the queue ---------------------------------------------------------------------------------*/

static void count_queued(struct workers *w, int more) {
    int n = atomic_load_explicit(&w->queued, memory_order_relaxed);
    atomic_store_explicit(&w->queued, n + more, memory_order_relaxed);
}

void workers_push(struct workers *w, struct batch *first, struct batch *last, int count) {
    int64_t now_us = clock_mono_us();
    (void)pthread_mutex_lock(&w->lock);
    last->next = NULL;
    if (w->first == NULL) {
        w->first = first;
    } else {
        w->last->next = first;
    }
    w->last = last;
    count_queued(w, count);
    unlock_and_wake(w, is_near(w, NULL, now_us) ? NULL : rouse(w, now_us));
}

void workers_resume(struct workers *w, struct batch *b) {
    int64_t now_us = clock_mono_us();
    bool mine = current != NULL && current->resumed; /* one wake-up for all that it resumes */
    (void)pthread_mutex_lock(&w->lock);
    b->next = w->first;
    w->first = b;
    if (b->next == NULL) w->last = b;
    count_queued(w, 1);
    struct worker *one = mine || is_near(w, NULL, now_us) ? NULL : rouse(w, now_us);
    if (one != NULL && current != NULL) current->resumed = true;
    unlock_and_wake(w, one);
}

int workers_queued(struct workers *w) {
    return atomic_load_explicit(&w->queued, memory_order_relaxed);
}

bool workers_watch(struct workers *w) {
    if (workers_queued(w) == 0) return false;
    int64_t now_us = clock_mono_us();
    (void)pthread_mutex_lock(&w->lock);
    bool wake = w->first != NULL && !is_near(w, NULL, now_us);
    struct worker *one = wake ? rouse(w, now_us) : NULL;
    bool again = w->first != NULL && w->asleep != NULL;
    unlock_and_wake(w, one);
    return again;
}

/* The next batch. NULL: the queue is empty; the caller goes on to handler->work, and *ret_calls is
 * what sleep_on compares. */
static struct batch *pop(struct worker *self, uint64_t *ret_calls) {
    struct workers *w = self->all;
    int64_t now_us = clock_mono_us();
    struct worker *one = NULL;
    (void)pthread_mutex_lock(&w->lock);
    bool slow = self->state == WORKER_RUNNING && now_us - self->since_us > SLOW_US;
    self->since_us = now_us;
    struct batch *b = w->first;
    if (b == NULL) {
        self->state = WORKER_WORKING;
        *ret_calls = w->calls;
    } else {
        self->state = WORKER_RUNNING;
        w->first = b->next;
        count_queued(w, -1);
        bool spread = w->first != NULL && slow && !is_near(w, self, now_us);
        if (self->called || spread) one = rouse(w, now_us);
        if (self->called) w->calls++; /* one that is about to sleep stays awake */
        self->called = false;
    }
    unlock_and_wake(w, one);
    return b;
}

/* Sleeps until it is woken, unless something came up since `calls` was read. False: the end. */
static bool sleep_on(struct worker *self, uint64_t calls) {
    struct workers *w = self->all;
    (void)pthread_mutex_lock(&w->lock);
    bool idle = w->first == NULL && w->calls == calls;
    bool end = idle && w->closing;
    if (idle && !end) {
        self->below = w->asleep;
        w->asleep = self;
        self->state = WORKER_ASLEEP;
        while (self->state == WORKER_ASLEEP) (void)pthread_cond_wait(&self->wake, &w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return !end;
}

void workers_wake(struct workers *w) {
    if (current != NULL) {
        current->called = true;
        return;
    }
    int64_t now_us = clock_mono_us();
    (void)pthread_mutex_lock(&w->lock);
    w->calls++;
    unlock_and_wake(w, rouse(w, now_us));
}

/* --- the way back ------------------------------------------------------------------------------*/

void workers_done(struct workers *w, struct batch *b) {
    struct batch *newest = atomic_load_explicit(&w->done, memory_order_relaxed);
    do {
        b->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&w->done, &newest, b, memory_order_release,
                                                    memory_order_relaxed));
    if (newest != NULL) return; /* whoever made the list begin has told the reactor */
    uint64_t one = 1;
    while (write(w->done_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

struct batch *workers_take_done(struct workers *w) {
    if (atomic_load_explicit(&w->done, memory_order_relaxed) == NULL) return NULL;
    struct batch *newest = atomic_exchange_explicit(&w->done, NULL, memory_order_acquire);
    struct batch *oldest = NULL;
    while (newest != NULL) {
        struct batch *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

int workers_done_fd(const struct workers *w) {
    return w->done_fd;
}

/* --- the thread --------------------------------------------------------------------------------*/

static void *worker_main(void *arg) {
    struct worker *self = arg;
    struct workers *w = self->all;
    const struct handler *handler = w->handler;
    (void)pthread_setname_np(pthread_self(), "worker");
    current = self;
    uint64_t calls = 0;
    for (unsigned turn = 1;; turn++) {
        self->resumed = false;
        struct batch *b = pop(self, &calls);
        if (b != NULL) {
            if (handler->run(handler->app, self->own, b) == RUN_DONE) workers_done(w, b);
            if (turn % BUSY_EVERY == 0) (void)handler->work(handler->app, self->own, true);
            continue;
        }
        self->called = false;
        if (handler->work(handler->app, self->own, false)) continue;
        if (!sleep_on(self, calls)) return NULL;
    }
}
