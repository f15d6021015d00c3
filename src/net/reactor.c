/*
 * reactor: the one thread that owns every socket, and its turns.
 *
 *     wait for events -> handle each (conn.c, listen.c) -> end of the turn:
 *         batches that came back -> their connections
 *         connections with more to do than one share -> one more share each
 *         staged batches -> the workers, all at once
 *         counters -> the metrics
 *
 * Stopping (SIGTERM, SIGINT, net_shutdown): the listening sockets close, no request is read any
 * more, batches in flight are finished and answered, output is sent; limits.shutdown is the end of
 * patience.
 */
#include "net/reactor.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "net/conn.h"
#include "net/listen.h"
#include "net/net.h"

enum {
    SPARE_DESCRIPTORS = 64, /* for files, listeners, workers */
    NOTES_PER_SECOND = 10,
    WATCH_US = 1000,
    LAST_WAIT_US = 100 * 1000, /* for workers to end, at least */
};

/* --- clocks, counters, notes -------------------------------------------------------------------*/

void net_read_clocks(struct net *net) {
    net->now_ms = clock_now_ms();
    net->mono_us = clock_mono_us();
    net->now_known = true;
}

void net_count(struct net *net) {
    struct tally *t = &net->tally;
    if (t->in_bytes != 0) metric_add(METRIC_NET_IN_BYTES, t->in_bytes);
    if (t->out_bytes != 0) metric_add(METRIC_NET_OUT_BYTES, t->out_bytes);
    if (t->commands != 0) metric_add(METRIC_COMMANDS, t->commands);
    if (t->replies != 0) metric_add(METRIC_REACTOR_REPLIES, t->replies);
    if (t->batches != 0) metric_add(METRIC_BATCHES, t->batches);
    *t = (struct tally){0};
}

void net_note(struct net *net, const struct conn *conn, const char *what) {
    int64_t now_ms = net_now_ms(net);
    if (now_ms - net->logged_ms >= 1000) {
        net->logged_ms = now_ms;
        net->log_count = 0;
    }
    if (net->log_count++ >= NOTES_PER_SECOND) return;
    if (conn == NULL) {
        log_line(LOG_WARN, LOG_OPERATION, "%s", what);
    } else {
        log_line(LOG_WARN, LOG_OPERATION, "client %lld %s: %s", (long long)conn->session.id,
                 conn->session.addr, what);
    }
}

/* --- batches -----------------------------------------------------------------------------------*/

void net_stage(struct net *net, struct batch *b) {
    b->next = NULL;
    if (net->staged == NULL) {
        net->staged = b;
    } else {
        net->staged_last->next = b;
    }
    net->staged_last = b;
    net->staged_count++;
}

static void hand_over(struct net *net) {
    if (net->staged == NULL) return;
    workers_push(net->workers, net->staged, net->staged_last, net->staged_count);
    net->staged = net->staged_last = NULL;
    net->staged_count = 0;
}

/* A batch whose client has gone: what is left of it is done all the same, then it ends. */
static void end_orphan(struct net *net, struct batch *b) {
    if (b->done < b->count && !b->close && !b->out.overflow) {
        buf_reset(&b->out);
        net_stage(net, b);
        return;
    }
    net->in_flight--;
    batch_free(&net->pool, b);
}

static void take_back(struct net *net) {
    for (struct batch *b = workers_take_done(net->workers), *next; b != NULL; b = next) {
        next = b->next;
        if (b->conn == NULL) {
            end_orphan(net, b);
        } else {
            conn_batch_back(b->conn, b);
        }
    }
}

/* One more share for each connection that had more to do; those that still have wait for the next
 * turn. */
static void go_on(struct net *net) {
    for (int64_t n = net->ready_count; n > 0 && net->ready_count > 0; n--) {
        conn_go_on(TAILQ_FIRST(&net->ready));
    }
}

/* --- callbacks ---------------------------------------------------------------------------------*/

/* The eventfd is edge-triggered and never read; the end of the turn takes what came back. */
static void on_back(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    (void)arg;
}

static void on_watch(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    (void)arg; /* the end of the turn looks */
}

static void on_term(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    net_shutdown(arg);
}

static void on_hup(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    struct net *net = arg;
    if (net->on_hup != NULL) net->on_hup(net->hup_arg);
}

/* Clients that did nothing for too long, and those that do not take their last replies. */
static void check_clients(struct net *net) {
    int64_t now_ms = net_now_ms(net);
    int64_t idle_ms = net->config->idle_s * 1000;
    net->checked_us = net->mono_us;
    for (struct conn *c = TAILQ_FIRST(&net->clients), *next; c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->batch != NULL) continue;
        bool idle = idle_ms > 0 && now_ms - c->session.active_ms > idle_ms;
        bool stuck = c->state == CONN_CLOSING && now_ms > c->leave_by_ms;
        if (idle || stuck) conn_close(c);
    }
}

static void check_leaving(struct net *net) {
    int64_t now_ms = net_now_ms(net);
    for (struct conn *c; (c = TAILQ_FIRST(&net->leaving)) != NULL;) {
        if (now_ms <= c->leave_by_ms) break; /* all the others came later */
        conn_close(c);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    struct net *net = arg;
    check_leaving(net);
    if (net->mono_us - net->checked_us >= 1000000) check_clients(net);
    struct conn *c, *next;
    for (c = TAILQ_FIRST(&net->held); c != NULL; c = next) {
        next = TAILQ_NEXT(c, held_link);
        conn_held_tick(c);
    }
    listen_resume(net);
    net->handler.tick(net->handler.app);
}

/* --- opening -----------------------------------------------------------------------------------*/

/* Clients need descriptors; ask for enough, and serve as many as there will be. */
static int64_t raise_descriptors(int64_t clients) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return clients;
    rlim_t want = (rlim_t)clients + SPARE_DESCRIPTORS;
    if (limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* looked at next */
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= want) return clients;
    int64_t left = (int64_t)limit.rlim_cur - SPARE_DESCRIPTORS;
    log_line(LOG_WARN, LOG_OPERATION,
             "server.limits.clients is %lld, but the limit on open files (ulimit -n) allows %lld",
             (long long)clients, (long long)(left > 0 ? left : 1));
    return left > 0 ? left : 1;
}

static void apply_limits(struct net *net) {
    const struct config *c = net->config;
    net->limits[1] = (struct resp_limits){
        .bulk_bytes = c->bulk_bytes, .args = c->args_max, .inline_bytes = c->inline_bytes};
    net->limits[0] = net->limits[1];
    net->limits[0].unauthenticated = true;
    net->clients_max = raise_descriptors(c->clients_max);
}

void net_config(struct net *net, const struct config *config) {
    const struct config *old = net->config;
    net->config = config;
    config_unref(old);
    apply_limits(net);
    listen_config(net);
}

/* What libevent has to say is one line of our log. */
static void on_libevent(int severity, const char *what) {
    enum log_level level = severity >= EVENT_LOG_ERR ? LOG_ERROR : LOG_WARN;
    if (severity >= EVENT_LOG_WARN) log_line(level, LOG_FAILURE, "libevent: %s", what);
}

static struct event_base *make_base(void) {
    struct event_config *wish = event_config_new();
    if (wish == NULL) return NULL;
    (void)event_config_set_flag(wish, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    (void)event_config_require_features(wish, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    struct event_base *base = event_base_new_with_config(wish);
    event_config_free(wish);
    return base;
}

static struct event *add_event(struct net *net, int fd, short what, event_callback_fn fn) {
    struct event *e = event_new(net->base, fd, what, fn, net);
    ASSERT(e != NULL && event_add(e, NULL) == 0);
    return e;
}

static void add_events(struct net *net) {
    net->back =
        add_event(net, workers_done_fd(net->workers), EV_READ | EV_ET | EV_PERSIST, on_back);
    net->term = add_event(net, SIGTERM, EV_SIGNAL | EV_PERSIST, on_term);
    net->interrupt = add_event(net, SIGINT, EV_SIGNAL | EV_PERSIST, on_term);
    net->hup = add_event(net, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hup);
    net->watch = event_new(net->base, -1, 0, on_watch, net);
    net->tick = event_new(net->base, -1, EV_PERSIST, on_tick, net);
    ASSERT(net->watch != NULL && net->tick != NULL);
    struct timeval tick = {.tv_usec = TICK_MS * 1000};
    (void)event_add(net->tick, &tick);
}

static void free_events(struct net *net) {
    struct event *all[] = {net->tick, net->watch, net->back, net->term, net->interrupt, net->hup};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL) event_free(all[i]);
    }
}

/* Frees what net_open made, a part of it if it failed. No worker runs, no connection is left. */
static void release(struct net *net) {
    listen_close(net);
    free_events(net);
    workers_free(net->workers);
    batch_pool_release(&net->pool);
    if (net->base != NULL) event_base_free(net->base);
    resp_release(&net->parser);
    buf_release(&net->output);
    free(net->input);
    config_unref(net->config);
    free(net);
}

struct net *net_open(const struct net_options *options, struct err *err) {
    struct net *net = xcalloc(1, sizeof(*net));
    net->handler = *options->handler;
    net->config = config_ref(options->config);
    net->on_hup = options->on_hup;
    net->hup_arg = options->arg;
    TAILQ_INIT(&net->clients);
    TAILQ_INIT(&net->leaving);
    TAILQ_INIT(&net->ready);
    TAILQ_INIT(&net->held);
    net->input = xmalloc(INPUT_BYTES);
    resp_init(&net->parser);
    buf_init(&net->output, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    apply_limits(net);
    event_set_log_callback(on_libevent);
    net->base = make_base();
    if (net->base == NULL) {
        (void)err_set(err, ERR_BACKEND, "cannot make an event loop: epoll is not available");
        goto failed;
    }
    net->workers = workers_new(&net->handler, (int)net->config->workers, err);
    if (net->workers == NULL) goto failed;
    add_events(net);
    if (listen_open(net, err) != OK) goto failed;
    return net;
failed:
    release(net);
    return NULL;
}

/* --- running -----------------------------------------------------------------------------------*/

void net_shutdown(struct net *net) {
    net->stop_asked = true; /* acted on at the end of the turn: a connection may be being handled */
}

/* Bytes that nobody will read make the kernel end the connection by a reset, and a reset takes away
 * what the client has not read yet: such a connection must leave in order. */
static bool has_input(const struct conn *c) {
    int bytes = 0;
    return conn_kept(c) > 0 || (ioctl(c->fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

static void begin_stop(struct net *net) {
    net->stopping = true;
    net_read_clocks(net);
    net->stop_us = net->mono_us + net->config->shutdown_ms * 1000;
    listen_close(net);
    for (struct conn *c = TAILQ_FIRST(&net->clients), *next; c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->batch == NULL && conn_unsent(c) == 0 && !has_input(c)) {
            conn_close(c);
        } else {
            conn_end(c);
        }
    }
}

static bool is_stopped(struct net *net) {
    if (!net->stopping) return false;
    bool quiet = TAILQ_EMPTY(&net->clients) && TAILQ_EMPTY(&net->leaving) && net->in_flight == 0;
    return quiet || clock_mono_us() >= net->stop_us;
}

static void end_turn(struct net *net) {
    take_back(net);
    go_on(net);
    if (net->stop_asked && !net->stopping) begin_stop(net);
    hand_over(net);
    if (workers_watch(net->workers)) {
        struct timeval soon = {.tv_usec = WATCH_US};
        (void)event_add(net->watch, &soon);
    }
    net_count(net);
    net->now_known = false;
}

enum status net_run(struct net *net, struct err *err) {
    enum status s = workers_start(net->workers, err);
    if (s != OK) return s;
    while (!is_stopped(net)) {
        int flags = EVLOOP_ONCE | (net->ready_count > 0 ? EVLOOP_NONBLOCK : 0);
        if (event_base_loop(net->base, flags) < 0) {
            return err_set(err, ERR_BACKEND, "the event loop failed: %s", strerror(errno));
        }
        end_turn(net);
    }
    return OK;
}

/* --- closing -----------------------------------------------------------------------------------*/

static void close_all(struct conn_list *list) {
    for (struct conn *c; (c = TAILQ_FIRST(list)) != NULL;) conn_close(c);
}

/* Batches that came back when nobody looked any more. */
static void take_last(struct net *net) {
    for (struct batch *b = workers_take_done(net->workers), *next; b != NULL; b = next) {
        next = b->next;
        net->in_flight--;
        batch_free(&net->pool, b);
    }
}

bool net_close(struct net *net) {
    if (net == NULL) return true;
    listen_close(net);
    close_all(&net->clients);
    close_all(&net->leaving);
    hand_over(net);
    int64_t now_us = clock_mono_us();
    int64_t end_us = net->stop_us > now_us ? net->stop_us : now_us;
    if (!workers_stop(net->workers, end_us + LAST_WAIT_US)) {
        log_line(LOG_ERROR, LOG_FAILURE, "a worker did not end within server.limits.shutdown");
        return false;
    }
    take_last(net);
    if (net->in_flight > 0) {
        log_line(LOG_ERROR, LOG_FAILURE,
                 "%lld batches still wait for their commit after server.limits.shutdown",
                 (long long)net->in_flight);
        return false;
    }
    release(net);
    return true;
}

/* --- for workers and any thread ----------------------------------------------------------------*/

void net_batch_resume(struct net *net, struct batch *batch) {
    workers_resume(net->workers, batch);
}

void net_batch_done(struct net *net, struct batch *batch) {
    workers_done(net->workers, batch);
}

void net_wake_worker(struct net *net) {
    workers_wake(net->workers);
}
