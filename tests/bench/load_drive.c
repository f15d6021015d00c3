/*
 * load_drive: one thread's connections and its event loop.
 *
 *     closed loop:  send P requests -> wait for P replies -> send the next P
 *     open loop:    an instant falls due -> the connection that has had room for longest sends
 *
 * In open loop no list of waiting instants is needed: while no connection has room, `due_ns` stays
 * where it is, in the past, and whoever gets room first takes it. So a stall of the server shows in
 * the latency of every request that fell due meanwhile.
 *
 * Replies are looked at in one buffer per thread; a connection owns memory for bytes only while a
 * reply is in part here, or a request in part sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "bench/load.h"

enum { EVENTS_MAX = 256, INPUT_BYTES = 1 << 18 };
static const uint64_t second_ns = 1000000000U;

struct sent { /* a request in flight */
    uint64_t at_ns, number;
    const struct kind *kind;
};

struct lane;
struct conn {
    struct lane *lane;
    struct sent *ring; /* `pipeline` of them */
    int first, inflight;
    char *rest; /* the beginning of a reply */
    size_t rest_len, rest_cap;
    char *out; /* the end of what was to be sent */
    size_t out_len;
    int fd;
    struct conn *next; /* among those with room, open loop only */
    bool queued;
};

struct lane { /* this thread's part of a set */
    const struct set *set;
    const struct kind *kinds;
    struct conn *conns;
    int conn_count;
    char *scratch; /* `pipeline` requests; of a single kind they stand there for good */
    double gap_ns; /* open loop: mean time between two requests; 0: closed */
    double due_ns; /* when the next one falls due */
    struct conn *room, **room_end;
};

struct driver {
    const struct options *options;
    const struct schedule *schedule;
    struct lane lanes[SETS_MAX];
    struct draw draw;
    uint64_t quota; /* requests that may still be sent */
    uint64_t inflight, progress_ns;
    int epoll_fd;
    char *input;
    size_t input_cap;
    struct tally tally;
};

static void lane_open(struct driver *d, struct lane *l, const struct set *set, int number);
static int connect_to(const struct options *o);
static void wait_for_events(struct driver *d, uint64_t now);
static bool finished(const struct driver *d, uint64_t now);
static void send_due(struct driver *d, uint64_t now);
static void conn_ready(struct driver *d, struct conn *c, uint32_t events);
static void conn_read(struct driver *d, struct conn *c);
static size_t take_reply(struct driver *d, struct conn *c, const char *p, size_t n, uint64_t now);
static void record(struct driver *d, const struct conn *c, const struct sent *s, uint64_t now);
static void reply_unexpected(const struct kind *k, const char *p, size_t n, bool error);
static void conn_next(struct driver *d, struct conn *c, uint64_t now);
static void conn_send(struct driver *d, struct conn *c, int count, uint64_t at_ns);
static size_t build(struct driver *d, struct conn *c, int count, uint64_t at_ns);
static void conn_write(struct driver *d, struct conn *c, const char *p, size_t n);
static void conn_flush(struct driver *d, struct conn *c);
static void want_output(struct driver *d, struct conn *c, bool output);
static void room_push(struct lane *l, struct conn *c);
static struct conn *room_pop(struct lane *l);
static double next_gap(struct driver *d, const struct lane *l);

struct driver *driver_new(const struct options *o, int number, _Atomic uint64_t *seq) {
    struct driver *d = xcalloc(1, sizeof *d);
    d->options = o;
    d->draw = (struct draw){o->seed * 1000003 + (uint64_t)number, seq};
    uint64_t threads = (uint64_t)o->threads;
    d->quota = o->requests / threads + ((uint64_t)number < o->requests % threads);
    if (o->requests == 0) d->quota = UINT64_MAX;
    d->input = xmalloc(d->input_cap = INPUT_BYTES);
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (d->epoll_fd < 0) fatal("epoll_create1: %s", strerror(errno));
    for (int i = 0; i < o->set_count; i++) lane_open(d, &d->lanes[i], &o->sets[i], number);
    return d;
}

void driver_run(struct driver *d, const struct schedule *schedule) {
    uint64_t now = now_ns();
    d->schedule = schedule;
    d->progress_ns = now;
    for (int i = 0; i < d->options->set_count; i++) {
        struct lane *l = &d->lanes[i];
        l->due_ns = (double)schedule->start_ns + next_gap(d, l);
        for (int j = 0; j < l->conn_count; j++) conn_next(d, &l->conns[j], now_ns());
    }
    for (now = now_ns(); !finished(d, now); now = now_ns()) {
        send_due(d, now);
        wait_for_events(d, now);
    }
}

const struct tally *driver_tally(const struct driver *d) {
    return &d->tally;
}

void driver_free(struct driver *d) {
    for (int i = 0; i < d->options->set_count; i++) {
        struct lane *l = &d->lanes[i];
        for (int j = 0; j < l->conn_count; j++) {
            close(l->conns[j].fd);
            free(l->conns[j].ring);
            free(l->conns[j].rest);
            free(l->conns[j].out);
        }
        free(l->conns);
        free(l->scratch);
    }
    close(d->epoll_fd);
    free(d->input);
    free(d);
}

/* ---- opening ---- */

static void lane_open(struct driver *d, struct lane *l, const struct set *set, int number) {
    const struct options *o = d->options;
    size_t pipeline = (size_t)set->pipeline;
    l->set = set;
    l->kinds = o->kinds + set->first;
    l->room_end = &l->room;
    l->conn_count = set->clients / o->threads + (number < set->clients % o->threads);
    l->conns = xcalloc((size_t)l->conn_count + 1, sizeof *l->conns);
    l->scratch = xmalloc(set->len_max * pipeline);
    if (set->rate > 0 && l->conn_count > 0)
        l->gap_ns = (double)second_ns / set->rate * set->clients / l->conn_count;
    for (size_t i = 0; i < pipeline; i++)
        memcpy(l->scratch + i * l->kinds->len, l->kinds->bytes, l->kinds->len);
    for (int i = 0; i < l->conn_count; i++) {
        struct conn *c = &l->conns[i];
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = c}};
        c->lane = l;
        c->ring = xcalloc(pipeline, sizeof *c->ring);
        c->fd = connect_to(o);
        if (epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
            fatal("epoll_ctl: %s", strerror(errno));
    }
}

static int connect_to(const struct options *o) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fatal("socket: %s", strerror(errno));
    if (inet_pton(AF_INET, o->host, &to.sin_addr) != 1)
        fatal("--host: an IPv4 address is expected, not '%s'", o->host);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fatal("cannot connect to %s:%d: %s", o->host, o->port, strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* speed only */
    return fd;
}

/* ---- the loop ---- */

static void wait_for_events(struct driver *d, uint64_t now) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t wait = second_ns / 10;
    for (int i = 0; i < d->options->set_count; i++) {
        const struct lane *l = &d->lanes[i];
        if (l->gap_ns == 0 || !l->room) continue;
        uint64_t due = (uint64_t)l->due_ns;
        if (due <= now)
            wait = 0;
        else if (due - now < wait)
            wait = due - now;
    }
    struct timespec timeout = {.tv_sec = 0, .tv_nsec = (long)wait};
    int count = epoll_pwait2(d->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) fatal("epoll_pwait2: %s", strerror(errno));
    for (int i = 0; i < count; i++) conn_ready(d, events[i].data.ptr, events[i].events);
    double silence_s = (double)(now - d->progress_ns) / (double)second_ns;
    if (count == 0 && d->inflight > 0 && now > d->progress_ns && silence_s > d->options->timeout_s)
        fatal("no reply for %.1f s, %llu requests are unanswered", silence_s,
              (unsigned long long)d->inflight);
}

static bool finished(const struct driver *d, uint64_t now) {
    if (d->inflight > 0) return false;
    if (d->quota == 0) return true;
    if (now < d->schedule->end_ns) return false;
    for (int i = 0; i < d->options->set_count; i++)
        if (d->lanes[i].gap_ns > 0 && d->lanes[i].due_ns < (double)d->schedule->end_ns)
            return false;
    return true;
}

/* Open loop: every instant that has passed, as long as a connection has room. */
static void send_due(struct driver *d, uint64_t now) {
    for (int i = 0; i < d->options->set_count; i++) {
        struct lane *l = &d->lanes[i];
        while (l->gap_ns > 0 && l->room && d->quota > 0 && l->due_ns <= (double)now &&
               l->due_ns < (double)d->schedule->end_ns) {
            struct conn *c = room_pop(l);
            conn_send(d, c, 1, (uint64_t)l->due_ns);
            l->due_ns += next_gap(d, l);
            if (c->inflight < l->set->pipeline) room_push(l, c);
        }
    }
}

static void conn_ready(struct driver *d, struct conn *c, uint32_t events) {
    if (events & EPOLLOUT) conn_flush(d, c);
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) conn_read(d, c);
}

static void conn_read(struct driver *d, struct conn *c) {
    if (c->rest_len * 2 > d->input_cap) d->input = xrealloc(d->input, d->input_cap *= 2);
    if (c->rest_len > 0) memcpy(d->input, c->rest, c->rest_len);
    ssize_t got = recv(c->fd, d->input + c->rest_len, d->input_cap - c->rest_len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) fatal("recv: %s", strerror(errno));
    if (got == 0) fatal("the server closed a connection, %d requests unanswered", c->inflight);
    uint64_t now = now_ns();
    size_t len = c->rest_len + (size_t)got, at = 0;
    while (at < len) {
        size_t n = take_reply(d, c, d->input + at, len - at, now);
        if (n == 0) break;
        at += n;
    }
    c->rest_len = len - at;
    if (c->rest_len > c->rest_cap) c->rest = xrealloc(c->rest, c->rest_cap = c->rest_len * 2);
    if (c->rest_len > 0) memcpy(c->rest, d->input + at, c->rest_len);
    conn_next(d, c, now);
}

/* The bytes of the reply at p; 0: it is not all here. */
static size_t take_reply(struct driver *d, struct conn *c, const char *p, size_t n, uint64_t now) {
    if (c->inflight == 0) fatal("a reply that nobody asked for: %.*s", (int)(n < 80 ? n : 80), p);
    const struct sent *s = &c->ring[c->first];
    const struct expect *e = &s->kind->expect;
    bool error = false;
    size_t len = e->len;
    /* A reply that is, byte for byte, the one that is expected needs no parsing. */
    if (!e->bytes || !e->whole || n < len || !kind_accepts(s->kind, s->number, p, len)) {
        enum reply_state state = reply_scan(p, n, &len, &error);
        if (state == REPLY_PARTIAL) return 0;
        bool wrong = state == REPLY_MALFORMED || (error && !d->options->allow_errors) ||
                     (!error && !kind_accepts(s->kind, s->number, p, len));
        if (wrong) reply_unexpected(s->kind, p, n, error);
    }
    d->tally.answered++;
    if (error)
        d->tally.errors++;
    else
        record(d, c, s, now);
    d->progress_ns = now;
    d->inflight--;
    c->inflight--;
    if (++c->first == c->lane->set->pipeline) c->first = 0;
    return len;
}

static void record(struct driver *d, const struct conn *c, const struct sent *s, uint64_t now) {
    const struct schedule *t = d->schedule;
    uint64_t counts_at = c->lane->gap_ns > 0 ? s->at_ns : now;
    if (counts_at >= t->measure_ns && counts_at < t->end_ns)
        hist_add(&d->tally.hists[s->kind->index], now - s->at_ns);
}

/* Ends the program with both the reply and what was expected, control characters escaped. */
static void reply_unexpected(const struct kind *k, const char *p, size_t n, bool error) {
    char shown[2][512];
    struct str texts[2] = {{p, n}, {k->expect.bytes, k->expect.len}};
    for (int i = 0; i < 2; i++) {
        size_t at = 0;
        for (size_t j = 0; j < texts[i].n && at < sizeof shown[i] - 3; j++) {
            char ch = texts[i].p[j];
            if (ch == '\r' || ch == '\n') shown[i][at++] = '\\';
            shown[i][at++] = (char)(ch == '\r' ? 'r' : ch == '\n' ? 'n' : ch);
        }
        shown[i][at] = 0;
    }
    if (error) fatal("error reply to '%s': %s", k->text, shown[0]);
    fatal("unexpected reply to '%s'\n  got      %s\n  expected %s", k->text, shown[0], shown[1]);
}

/* ---- sending ---- */

/* Whatever this connection may do now that a reply has come, or at the start. */
static void conn_next(struct driver *d, struct conn *c, uint64_t now) {
    const struct set *set = c->lane->set;
    if (c->lane->gap_ns > 0) {
        if (c->inflight < set->pipeline && !c->queued) room_push(c->lane, c);
        return;
    }
    if (c->inflight > 0 || d->quota == 0 || now >= d->schedule->end_ns) return;
    uint64_t most = (uint64_t)set->pipeline;
    conn_send(d, c, (int)(d->quota < most ? d->quota : most), now);
}

static void conn_send(struct driver *d, struct conn *c, int count, uint64_t at_ns) {
    if (d->inflight == 0 && at_ns > d->progress_ns) d->progress_ns = at_ns;
    size_t n = build(d, c, count, at_ns);
    d->inflight += (uint64_t)count;
    d->tally.sent += (uint64_t)count;
    d->quota -= (uint64_t)count;
    conn_write(d, c, c->lane->scratch, n);
}

/* The bytes of `count` requests into the scratch, and their notes into the ring. */
static size_t build(struct driver *d, struct conn *c, int count, uint64_t at_ns) {
    struct lane *l = c->lane;
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        const struct kind *k = l->kinds;
        if (l->set->count > 1) {
            uint64_t ticket = ((draw_random(&d->draw) >> 32) * l->set->weights) >> 32;
            for (; ticket >= k->weight; k++) ticket -= k->weight;
            memcpy(l->scratch + n, k->bytes, k->len);
        }
        int slot = c->first + c->inflight++;
        if (slot >= l->set->pipeline) slot -= l->set->pipeline;
        c->ring[slot] = (struct sent){at_ns, kind_fill(k, l->scratch + n, &d->draw), k};
        n += k->len;
    }
    return n;
}

/* Sends what the socket takes and keeps the rest for when it takes more. */
static void conn_write(struct driver *d, struct conn *c, const char *p, size_t n) {
    ssize_t done = 0;
    if (c->out_len == 0) {
        done = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done == (ssize_t)n) return;
        if (done < 0 && errno != EAGAIN && errno != EINTR) fatal("send: %s", strerror(errno));
        if (done < 0) done = 0;
        want_output(d, c, true);
    }
    size_t left = n - (size_t)done;
    c->out = xrealloc(c->out, c->out_len + left);
    memcpy(c->out + c->out_len, p + done, left);
    c->out_len += left;
}

static void conn_flush(struct driver *d, struct conn *c) {
    ssize_t done = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN && errno != EINTR) fatal("send: %s", strerror(errno));
    if (done <= 0) return;
    c->out_len -= (size_t)done;
    if (c->out_len > 0)
        memmove(c->out, c->out + done, c->out_len);
    else
        want_output(d, c, false);
}

static void want_output(struct driver *d, struct conn *c, bool output) {
    struct epoll_event event = {.events = output ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data = {.ptr = c}};
    if (epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) < 0)
        fatal("epoll_ctl: %s", strerror(errno));
}

/* Connections with room wait in a line, so that all of them are used in turn. */
static void room_push(struct lane *l, struct conn *c) {
    c->next = NULL;
    c->queued = true;
    *l->room_end = c;
    l->room_end = &c->next;
}

static struct conn *room_pop(struct lane *l) {
    struct conn *c = l->room;
    l->room = c->next;
    if (!l->room) l->room_end = &l->room;
    c->queued = false;
    return c;
}

/* Independent clients together make a Poisson process: exponential gaps. */
static double next_gap(struct driver *d, const struct lane *l) {
    if (l->set->even || l->gap_ns == 0) return l->gap_ns;
    double uniform = (double)((draw_random(&d->draw) >> 11) + 1) * 0x1p-53;
    return -log(uniform) * l->gap_ns;
}
