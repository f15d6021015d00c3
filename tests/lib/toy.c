/*
 * toy: the handler, and the thread around it.
 */
#include "lib/toy.h"

#include <setjmp.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "lib/wire.h"

enum { MANY_SETTINGS = 16, LARGE_BYTES = 64 * 1024, WAIT_STEP_US = 200 };

static bool is(const struct request *r, const char *name) {
    return str_eq(r->argv[0], str_of(name));
}

static struct str word(const struct request *r, int index) {
    return index < r->argc ? r->argv[index] : STR_NONE;
}

static int64_t number(const struct request *r) {
    int64_t n = 0;
    (void)str_to_int(word(r, 1), &n);
    return n;
}

/* --- the reactor -------------------------------------------------------------------------------*/

static void reply_big(struct reply *reply, int64_t bytes) {
    char *text = xmalloc((size_t)bytes + 1);
    memset(text, 'b', (size_t)bytes);
    reply_bulk(reply, (struct str){text, (size_t)bytes});
    free(text);
}

static void set_reply(struct session *session, struct str mode) {
    if (str_eq(mode, STR("ON"))) session->reply = SESSION_REPLY_ON;
    if (str_eq(mode, STR("OFF"))) session->reply = SESSION_REPLY_OFF;
    if (str_eq(mode, STR("SKIP"))) session->reply = SESSION_REPLY_SKIP_NEXT;
}

static void set_limit(struct toy *toy, struct str args) {
    struct config *changed;
    struct err err;
    struct str pair[2] = {STR("server.limits.args"), args};
    if (config_set(toy->config, pair, 1, &changed, &err) != OK) fail_msg("%s", err.msg);
    config_unref(toy->config);
    toy->config = changed;
    net_config(toy->net, config_ref(changed));
}

static void kill_client(struct toy *toy, struct session *session, const struct request *r,
                        struct reply *reply) {
    int64_t id = str_eq(word(r, 1), STR("SELF")) ? session->id : number(r);
    bool self;
    struct client_filter filter = {.ids = &id, .id_count = 1};
    reply_int(reply, net_kill(toy->net, &filter, session->id, &self));
}

static void list_clients(struct toy *toy, struct reply *reply) {
    struct buf text;
    buf_init(&text, 1 << 20);
    net_clients(toy->net, NULL, &text);
    reply_bulk(reply, buf_str(&text));
    buf_release(&text);
}

static void show_stats(struct toy *toy, struct reply *reply) {
    struct net_stats s;
    net_stats(toy->net, &s);
    reply_array(reply, 3);
    reply_int(reply, s.clients);
    reply_int(reply, s.blocked);
    reply_int(reply, s.out_bytes_max);
}

/* Commands that change the session or look at the server; false: it is none of them. */
static bool run_state(struct toy *toy, struct session *session, const struct request *r,
                      struct reply *reply) {
    if (is(r, "STATE")) {
        reply_simple(reply, "STATE");
    } else if (is(r, "PROTO")) {
        session->protocol = reply->protocol = (int)number(r);
        reply_null(reply);
    } else if (is(r, "LOGIN")) {
        session->authenticated = true;
        reply_ok(reply);
    } else if (is(r, "REPLY")) {
        set_reply(session, word(r, 1));
        reply_ok(reply);
    } else if (is(r, "LIST")) {
        list_clients(toy, reply);
    } else if (is(r, "KILL")) {
        kill_client(toy, session, r, reply);
    } else if (is(r, "STATS")) {
        show_stats(toy, reply);
    } else if (is(r, "LIMIT")) {
        set_limit(toy, word(r, 1));
        reply_ok(reply);
    } else {
        return false;
    }
    return true;
}

static bool is_state(const struct request *r) {
    static const char *const names[] = {"STATE", "PROTO", "LOGIN", "REPLY", "LIST",
                                        "KILL",  "STATS", "LIMIT", "QUIT",  "STOP"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is(r, names[i])) return true;
    }
    return false;
}

/* What reactor and worker answer alike; false: it is none of them. */
static bool run_plain(const struct request *r, struct reply *reply) {
    if (is(r, "PING")) {
        reply_simple(reply, "PONG");
    } else if (is(r, "ECHO")) {
        reply_bulk(reply, word(r, 1));
    } else if (is(r, "BIG")) {
        reply_big(reply, number(r));
    } else {
        return false;
    }
    return true;
}

static enum verdict toy_request(void *app, struct session *session, const struct config *config,
                                const struct request *r, bool gathering, struct reply *reply) {
    struct toy *toy = app;
    (void)config;
    if (gathering) return is_state(r) ? VERDICT_STATE : VERDICT_WORKER;
    session->last_command = "toy";
    if (is(r, "QUIT")) {
        reply_ok(reply);
        return VERDICT_CLOSE;
    }
    if (is(r, "STOP")) {
        net_shutdown(toy->net);
        return VERDICT_CLOSE;
    }
    if (run_state(toy, session, r, reply) || run_plain(r, reply)) return VERDICT_DONE;
    return VERDICT_WORKER;
}

/* --- workers -----------------------------------------------------------------------------------*/

static void park(struct toy *toy, struct batch *b) {
    (void)pthread_mutex_lock(&toy->lock);
    b->next = toy->parked;
    toy->parked = b;
    (void)pthread_mutex_unlock(&toy->lock);
    net_wake_worker(toy->net);
}

static void answer(struct toy *toy, struct batch *b) {
    const struct request *r = &b->requests[b->done];
    size_t mark = b->out.len;
    struct reply reply = {&b->out, b->session.protocol};
    if (is(r, "BIGWORK")) {
        reply_big(&reply, number(r));
    } else if (is(r, "HANGUP")) {
        reply_ok(&reply);
        b->close = true;
    } else if (!run_plain(r, &reply)) {
        reply_bulk(&reply, word(r, 1));
    }
    if (session_drops_reply(&b->session)) buf_cut(&b->out, mark);
    b->done++;
    atomic_fetch_add(&toy->ran, 1);
}

static void wait_for_gate(struct toy *toy) {
    atomic_fetch_add(&toy->waiting, 1);
    while (!atomic_load(&toy->gate)) (void)usleep(WAIT_STEP_US);
    atomic_fetch_sub(&toy->waiting, 1);
}

static enum run_result toy_run(void *app, void *worker, struct batch *b) {
    struct toy *toy = app;
    assert_non_null(worker);
    while (b->done < b->count && !b->close) {
        const struct request *r = &b->requests[b->done];
        if (is(r, "WAIT")) wait_for_gate(toy);
        bool parks = is(r, "PARK") || is(r, "PARKDONE");
        if (parks && b->state == NULL) {
            b->state = toy; /* it is parked once */
            park(toy, b);
            return RUN_PARKED;
        }
        b->state = NULL;
        answer(toy, b);
        if (atomic_load(&toy->chatty) && b->out.len > LARGE_BYTES) break;
    }
    if (b->done == b->count) atomic_fetch_add(&toy->batches, 1);
    return RUN_DONE;
}

/* Is this the batch's last request, to be answered by the one that found it parked? */
static bool ends_here(const struct batch *b) {
    return b->done + 1 == b->count && is(&b->requests[b->done], "PARKDONE");
}

static bool take_parked(struct toy *toy) {
    if (atomic_load(&toy->lazy)) return false;
    (void)pthread_mutex_lock(&toy->lock);
    struct batch *list = toy->parked;
    toy->parked = NULL;
    (void)pthread_mutex_unlock(&toy->lock);
    bool any = list != NULL;
    for (struct batch *b = list, *next; b != NULL; b = next) {
        next = b->next;
        if (ends_here(b)) {
            answer(toy, b);
            atomic_fetch_add(&toy->batches, 1);
            net_batch_done(toy->net, b);
        } else {
            net_batch_resume(toy->net, b);
        }
    }
    return any;
}

void toy_take_parked(struct toy *toy) {
    atomic_store(&toy->lazy, false);
    (void)take_parked(toy);
}

static bool take_ticket(struct toy *toy) {
    long left = atomic_load(&toy->tickets);
    while (left > 0) {
        if (!atomic_compare_exchange_weak(&toy->tickets, &left, left - 1)) continue;
        atomic_fetch_add(&toy->done_tickets, 1);
        return true;
    }
    return false;
}

static bool toy_work(void *app, void *worker, bool busy) {
    (void)worker;
    (void)busy;
    bool parked = take_parked(app);
    return take_ticket(app) || parked;
}

static void *toy_worker_new(void *app, int index, struct err *err) {
    struct toy *toy = app;
    if (index == toy->fail_worker) {
        (void)err_set(err, ERR_BACKEND, "worker %d cannot be made", index);
        return NULL;
    }
    return xmalloc(1);
}

static void toy_worker_free(void *app, void *worker) {
    (void)app;
    free(worker);
}

static void toy_tick(void *app) {
    struct toy *toy = app;
    if (atomic_load(&toy->stop)) net_shutdown(toy->net);
}

/* --- the thread --------------------------------------------------------------------------------*/

void toy_init(struct toy *toy, const struct toy_setting *settings, int count) {
    *toy = (struct toy){.fail_worker = -1, .port = wire_free_port()};
    (void)pthread_mutex_init(&toy->lock, NULL);
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", toy->port);
    struct config_arg args[MANY_SETTINGS] = {{STR("server.port"), str_of(port)}};
    int n = 1;
    for (int i = 0; i < count; i++) {
        args[n++] = (struct config_arg){str_of(settings[i].path), str_of(settings[i].value)};
    }
    struct buf faults;
    struct err err;
    buf_init(&faults, 1 << 16);
    if (config_load(NULL, args, n, &toy->config, &faults, &err) != OK) {
        fail_msg("%s: %.*s", err.msg, STR_FMT(buf_str(&faults)));
    }
    buf_release(&faults);
}

void toy_open(struct toy *toy, struct err *err) {
    static const struct handler calls = {.request = toy_request,
                                         .run = toy_run,
                                         .work = toy_work,
                                         .worker_new = toy_worker_new,
                                         .worker_free = toy_worker_free,
                                         .tick = toy_tick};
    struct handler handler = calls;
    handler.app = toy;
    struct net_options options = {.handler = &handler, .config = toy->config};
    toy->net = net_open(&options, err);
}

static void *toy_main(void *arg) {
    struct toy *toy = arg;
    struct err err;
    toy->ended = net_run(toy->net, &err);
    return NULL;
}

void toy_start(struct toy *toy, const struct toy_setting *settings, int count) {
    struct err err;
    toy_init(toy, settings, count);
    toy_open(toy, &err);
    if (toy->net == NULL) fail_msg("%s", err.msg);
    assert_int_equal(pthread_create(&toy->thread, NULL, toy_main, toy), 0);
    toy->running = true;
}

void toy_join(struct toy *toy) {
    if (!toy->running) return;
    assert_int_equal(pthread_join(toy->thread, NULL), 0);
    toy->running = false;
    assert_int_equal(toy->ended, OK);
}

void toy_release(struct toy *toy) {
    config_unref(toy->config);
    (void)pthread_mutex_destroy(&toy->lock);
}

void toy_stop(struct toy *toy) {
    atomic_store(&toy->stop, true);
    atomic_store(&toy->gate, true);
    toy_join(toy);
    assert_true(net_close(toy->net));
    toy_release(toy);
}

void toy_add_ticket(struct toy *toy) {
    atomic_fetch_add(&toy->tickets, 1);
    net_wake_worker(toy->net);
}

void toy_wait_for(atomic_long *n, long at_least) {
    int64_t end_us = clock_mono_us() + (int64_t)WIRE_WAIT_MS * 1000;
    while (atomic_load(n) < at_least) {
        if (clock_mono_us() > end_us) fail_msg("%ld did not become %ld", *n, at_least);
        (void)usleep(WAIT_STEP_US);
    }
}
