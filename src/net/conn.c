/*
 * conn: from bytes to requests, from requests to batches, and back.
 *
 *     readable --recv--> [unfinished tail | new bytes] --parse--> request --handler->request-->
 *         DONE: the reply is in `out`          WORKER: joins the batch that is gathered
 *     end of the share: the batch is staged, `out` is sent with one send(2)
 *
 * Bytes are read into one large buffer of the reactor and parsed there. Only what could not be
 * handled (an unfinished request, requests behind a batch in flight) is kept with the connection.
 * A small unfinished tail is copied in front of the next read; a large one is read into its own
 * buffer, which grows with what arrives, not with what was announced.
 *
 * Events are edge-triggered: `readable` remembers that there may be input, so that reading can
 * pause and go on without a system call. A short read means that there is no more, with two
 * exceptions: if the client has shut its side (`hup`), the end of the stream is still to be read;
 * and a reset that came together with the data is reported as nothing but data. The next send
 * would tell; where none follows (`doubt`) one more read does.
 *
 * Order and fairness. While a batch is in flight nothing is parsed, and little is read ahead: the
 * rest waits in the kernel, and cannot wait for ever, since the batch ends without the client's
 * help. Unsent output never stops reading; it makes parsing wait (`held`) as long as the client
 * takes some of it, so that one that reads slowly is not taken for one that does not read. A client
 * that reads nothing (it may want to write its whole pipeline first) is served on, until the limit
 * on its output ends it. What a connection may do in one turn is bounded by its share; what is left
 * is done in the next turn.
 */
#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "config/config.h"

enum {
    BATCH_BYTES = 1024 * 1024,   /* of requests in one batch, about */
    AHEAD_BYTES = 64 * 1024,     /* read while a batch is in flight */
    BIG_BYTES = 32 * 1024,       /* an argument that lacks more is read into its own buffer */
    BIG_READ_BYTES = 256 * 1024, /* at once */
    ROOMY_BYTES = 128 * 1024,    /* a larger buffer with little in it is given back */
    DEAF_MS = 300,               /* a client that takes no byte for so long does not read */
    CLOSE_PATIENCE_MS = 5000,    /* for a client to read its last replies */
};

static void handle(struct conn *c, struct buf *out);
static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

/* --- life --------------------------------------------------------------------------------------*/

struct conn *conn_new(struct net *net, int fd) {
    struct conn *c = xcalloc(1, sizeof(*c));
    c->net = net;
    c->fd = fd;
    c->session.id = ++net->last_id;
    c->session.protocol = 2;
    c->session.authenticated = net->config->password.n == 0;
    c->session.created_ms = c->session.active_ms = net_now_ms(net);
    conn_out_init(c);
    short reads = EV_READ | EV_CLOSED | EV_ET | EV_PERSIST;
    (void)event_assign(&c->read_event, net->base, fd, reads, on_readable, c);
    (void)event_assign(&c->write_event, net->base, fd, EV_WRITE | EV_ET, on_writable, c);
    (void)event_add(&c->read_event, NULL);
    TAILQ_INSERT_TAIL(&net->clients, c, link);
    net->client_count++;
    metric_add(METRIC_CONNECTIONS, 1);
    return c;
}

static void list_ready(struct conn *c) {
    if (c->is_ready) return;
    TAILQ_INSERT_TAIL(&c->net->ready, c, ready_link);
    c->net->ready_count++;
    c->is_ready = true;
}

static void unlist_ready(struct conn *c) {
    if (!c->is_ready) return;
    TAILQ_REMOVE(&c->net->ready, c, ready_link);
    c->net->ready_count--;
    c->is_ready = false;
}

static void hold(struct conn *c) {
    if (c->is_held) return;
    TAILQ_INSERT_TAIL(&c->net->held, c, held_link);
    c->is_held = true;
}

static void unhold(struct conn *c) {
    if (!c->is_held) return;
    TAILQ_REMOVE(&c->net->held, c, held_link);
    c->is_held = false;
}

static void drop_kept(struct conn *c) {
    struct kept *k = c->kept;
    if (k == NULL) return;
    resp_reset(&k->parser);
    if (c->net->parser.room == 0) { /* it was lent to this connection */
        c->net->parser = k->parser;
    } else {
        resp_release(&k->parser);
    }
    buf_release(&k->bytes);
    free(k);
    c->kept = NULL;
}

/* A batch in flight belongs to a worker: only the reactor's own pointer in it may be touched. */
static void forget_batch(struct conn *c) {
    struct net *net = c->net;
    if (c->batch == NULL) return;
    net->blocked--;
    c->batch->conn = NULL;
    if (c->batch_paused) net_stage(net, c->batch); /* its writes happen all the same */
    c->batch = NULL;
}

void conn_close(struct conn *c) {
    struct net *net = c->net;
    forget_batch(c);
    unlist_ready(c);
    unhold(c);
    if (c->state == CONN_LEAVING) {
        TAILQ_REMOVE(&net->leaving, c, link);
    } else {
        TAILQ_REMOVE(&net->clients, c, link);
        net->client_count--;
    }
    (void)event_del(&c->read_event);
    (void)event_del(&c->write_event);
    (void)close(c->fd);
    drop_kept(c);
    conn_out_release(c);
    free(c);
}

static void begin_closing(struct conn *c) {
    if (c->state != CONN_OPEN) return;
    c->state = CONN_CLOSING;
    c->leave_by_ms = net_now_ms(c->net) + CLOSE_PATIENCE_MS;
}

void conn_end(struct conn *c) {
    if (c->state != CONN_OPEN) return;
    begin_closing(c);
    unlist_ready(c);
    unhold(c);
    drop_kept(c);
    (void)conn_flush(c);
}

size_t conn_kept(const struct conn *c) {
    return c->kept == NULL ? 0 : c->kept->bytes.len - c->kept->start;
}

/* --- batches -----------------------------------------------------------------------------------*/

/* Hands the gathered batch over. */
static void submit(struct conn *c) {
    struct net *net = c->net;
    c->batch = net->gather;
    net->gather = NULL;
    c->batch->conn = c;
    net->blocked++;
    net->in_flight++;
    net->tally.batches++;
    net_stage(net, c->batch);
}

/* Lets a request join the batch; the first one opens it. */
static void gather(struct conn *c, const struct request *request) {
    struct net *net = c->net;
    if (net->gather == NULL) {
        net->gather = batch_new(&net->pool, &c->session, net->config, conn_out_max(c));
        net->gather->arrived_us = net->mono_us;
        net->gather_bytes = 0;
        /* The copy's first request is the one whose reply is dropped. */
        if (c->session.reply == SESSION_REPLY_SKIP) c->session.reply = SESSION_REPLY_ON;
    }
    net->gather_bytes += batch_add(net->gather, request);
    bool full = net->gather->count >= net->config->batch_requests;
    if (full || net->gather_bytes >= BATCH_BYTES) submit(c);
}

/* Hands a batch over again that came back with requests left. */
static void resubmit(struct conn *c) {
    c->batch_paused = false;
    net_stage(c->net, c->batch);
}

void conn_batch_back(struct conn *c, struct batch *b) {
    struct net *net = c->net;
    struct buf *out = conn_out_begin(c);
    conn_out_take(out, &b->out);
    if (b->close) begin_closing(c);
    if (b->done < b->count && !b->close && !b->out.overflow) {
        buf_reset(&b->out);
        c->batch_paused = true;
    } else {
        if (b->out.overflow) out->overflow = true;
        c->batch = NULL;
        net->blocked--;
        net->in_flight--;
        batch_free(&net->pool, b);
    }
    handle(c, out);
}

/* --- requests ----------------------------------------------------------------------------------*/

/* A web browser, told to by a page, can send a request to this port whose body holds commands. Its
 * first words give it away. */
static bool is_http(struct str word) {
    if (word.n == 4) return (word.p[0] | 0x20) == 'p' && str_eq_nocase(word, STR("post"));
    return word.n == 5 && (word.p[0] | 0x20) == 'h' && str_eq_nocase(word, STR("host:"));
}

/* One whole request. False: it was not taken; it is asked about again when the batch is back. */
static bool take(struct conn *c, const struct request *request, struct buf *out) {
    struct net *net = c->net;
    if (is_http(request->argv[0])) {
        net_note(net, c, "possible SECURITY ATTACK: it speaks HTTP; connection closed");
        c->state = CONN_BROKEN;
        return true;
    }
    bool authenticated = c->session.authenticated;
    size_t mark = out->len;
    struct reply reply = {.out = out, .protocol = c->session.protocol};
    enum verdict verdict = net->handler.request(net->handler.app, &c->session, net->config, request,
                                                net->gather != NULL, &reply);
    if (verdict == VERDICT_STATE) {
        ASSERT(net->gather != NULL);
        return false;
    }
    c->session.commands++;
    net->tally.commands++;
    if (verdict == VERDICT_WORKER) {
        gather(c, request);
        return true;
    }
    ASSERT(net->gather == NULL);
    net->tally.replies++;
    if (session_drops_reply(&c->session)) buf_cut(out, mark);
    if (verdict == VERDICT_CLOSE || c->session.closing) begin_closing(c);
    if (authenticated != c->session.authenticated) out->max = conn_out_max(c) + c->sent;
    return true;
}

/* The bytes are not the protocol: the client is told, and the connection ends. */
static void refuse(struct conn *c, const struct resp *parser, struct buf *out) {
    struct reply reply = {.out = out, .protocol = c->session.protocol};
    if (c->session.reply == SESSION_REPLY_ON) reply_error_text(&reply, "ERR %s", parser->error);
    metric_add(METRIC_ERRORS, 1);
    begin_closing(c);
}

static bool may_parse(const struct conn *c) {
    return c->state == CONN_OPEN && c->batch == NULL && !c->is_held;
}

static bool share_is_used(struct conn *c, const struct buf *out) {
    return c->net->share_in == 0 || out->len >= c->net->share_out;
}

/* Handles requests until they end, a batch is full or the share is used. Returns the bytes used. */
static size_t parse(struct conn *c, struct resp *parser, const char *data, size_t bytes,
                    struct buf *out) {
    struct net *net = c->net;
    size_t used = 0;
    while (used < bytes && may_parse(c)) {
        if (share_is_used(c, out)) {
            c->more = true;
            break;
        }
        size_t n = 0;
        const struct resp_limits *limits = &net->limits[c->session.authenticated];
        enum resp_result result = resp_next(parser, data + used, bytes - used, limits, &n);
        if (result == RESP_MORE) break;
        if (result == RESP_ERROR && net->gather == NULL) {
            refuse(c, parser, out);
            resp_reset(parser); /* it may be the one that all connections share */
            break;
        }
        struct request request = {.argc = parser->argc, .argv = parser->argv};
        if (result == RESP_ERROR || (result == RESP_REQUEST && !take(c, &request, out))) {
            resp_reset(parser); /* it is read again when the batch is back */
            submit(c);
            break;
        }
        used += n;
        net->share_in -= n < net->share_in ? n : net->share_in;
    }
    return used;
}

/* --- input -------------------------------------------------------------------------------------*/

static struct kept *make_kept(struct conn *c) {
    struct kept *k = c->kept = xcalloc(1, sizeof(*k));
    buf_init(&k->bytes, SIZE_MAX / 2); /* limits.queryBuffer is looked at in check_kept */
    resp_init(&k->parser);
    return k;
}

/* Keeps what was not handled of the reactor's buffer, in place of what was kept before. */
static void keep(struct conn *c, const char *data, size_t bytes) {
    struct net *net = c->net;
    if (bytes == 0 || c->state != CONN_OPEN) {
        drop_kept(c);
        return;
    }
    struct kept *k = c->kept;
    if (k == NULL) {
        k = make_kept(c);
        if (net->parser.at > 0) { /* the unfinished request's progress goes along */
            k->parser = net->parser;
            resp_init(&net->parser);
        }
    }
    buf_reset(&k->bytes);
    buf_append(&k->bytes, data, bytes);
    k->start = 0;
}

static void parse_kept(struct conn *c, struct buf *out) {
    struct kept *k = c->kept;
    size_t bytes = k->bytes.len - k->start;
    k->start += parse(c, &k->parser, k->bytes.data + k->start, bytes, out);
    if (k->start == k->bytes.len || c->state != CONN_OPEN) {
        drop_kept(c);
        return;
    }
    if (k->start < k->bytes.len / 2) return;
    buf_consume(&k->bytes, k->start);
    k->start = 0;
    if (k->bytes.cap < ROOMY_BYTES || k->bytes.len > k->bytes.cap / 8) return;
    struct buf smaller;
    buf_init(&smaller, k->bytes.max);
    buf_append_str(&smaller, buf_str(&k->bytes));
    buf_release(&k->bytes);
    k->bytes = smaller;
}

/* Reads; true if there are bytes. */
static bool receive(struct conn *c, char *into, size_t room, size_t *ret_bytes) {
    ssize_t n = recv(c->fd, into, room, 0);
    if (n > 0) {
        *ret_bytes = (size_t)n;
        c->doubt = (size_t)n < room;
        if (c->doubt && !c->hup) c->readable = false;
        c->net->tally.in_bytes += n;
        c->session.active_ms = net_now_ms(c->net);
        return true;
    }
    if (n < 0 && errno == EINTR) return false;
    c->readable = c->doubt = false;
    if (n == 0) {
        c->eof = true;
    } else if (errno != EAGAIN) { /* the client is gone; nothing to say, nobody to say it to */
        c->state = CONN_BROKEN;
    }
    return false;
}

/* Reads into the connection's own buffer: the rest of something large. */
static void read_big(struct conn *c, size_t missing, struct buf *out) {
    struct kept *k = c->kept;
    buf_consume(&k->bytes, k->start);
    k->start = 0;
    size_t came = k->bytes.len;
    size_t room = missing < came ? missing : came;
    if (room < READ_BYTES) room = READ_BYTES;
    if (room > BIG_READ_BYTES) room = BIG_READ_BYTES;
    (void)buf_reserve(&k->bytes, room);
    size_t bytes;
    if (!receive(c, k->bytes.data + came, room, &bytes)) return;
    k->bytes.len += bytes;
    parse_kept(c, out);
}

/* Reads once, and handles or keeps what came. */
static void read_once(struct conn *c, struct buf *out) {
    struct net *net = c->net;
    size_t bytes;
    if (!may_parse(c)) {
        if (!receive(c, net->input, READ_BYTES, &bytes)) return;
        struct kept *k = c->kept != NULL ? c->kept : make_kept(c);
        buf_append(&k->bytes, net->input, bytes);
        return;
    }
    struct kept *k = c->kept;
    size_t tail = conn_kept(c);
    size_t missing = k == NULL ? 0 : resp_missing(&k->parser, tail);
    if (tail > TAIL_BYTES || missing > BIG_BYTES) {
        read_big(c, missing, out);
        return;
    }
    if (tail > 0) memcpy(net->input, k->bytes.data + k->start, tail);
    if (!receive(c, net->input + tail, READ_BYTES, &bytes)) return;
    bytes += tail;
    size_t used = parse(c, k == NULL ? &net->parser : &k->parser, net->input, bytes, out);
    keep(c, net->input + used, bytes - used);
}

/* --- one share ---------------------------------------------------------------------------------*/

static size_t query_max(const struct conn *c) {
    return (size_t)c->net->config->query_buffer_bytes;
}

static bool may_read(const struct conn *c) {
    if (!c->readable || c->state != CONN_OPEN || c->more) return false;
    if (c->batch != NULL) return conn_kept(c) < AHEAD_BYTES;
    return !c->is_held || conn_kept(c) < query_max(c);
}

/* One unfinished request may not be larger than server.limits.queryBuffer. */
static void check_kept(struct conn *c) {
    if (!may_parse(c) || c->more) return;
    if (conn_kept(c) <= query_max(c)) return;
    net_note(c->net, c, "a request is larger than server.limits.queryBuffer; connection closed");
    c->state = CONN_BROKEN;
}

/* Does one share of what there is to do, sends, and decides how it goes on. May close. */
static void handle(struct conn *c, struct buf *out) {
    struct net *net = c->net;
    size_t limit = conn_out_max(c);
    net->share_in = READ_BYTES;
    net->share_out = out->len + (limit / 2 < SHARE_OUT_BYTES ? limit / 2 : SHARE_OUT_BYTES);
    c->more = false;
    if (c->kept != NULL && may_parse(c)) parse_kept(c, out);
    if (may_read(c)) read_once(c, out);
    if (net->gather != NULL) submit(c);
    check_kept(c);
    if (c->state == CONN_BROKEN) {
        if (out != &c->out) buf_reset(out);
        conn_close(c);
        return;
    }
    if (c->eof && c->batch == NULL && !c->more && !c->is_held) begin_closing(c);
    if (!conn_flush(c)) return;
    if (c->doubt && c->batch == NULL && conn_unsent(c) == 0) {
        c->doubt = false;
        c->readable = true;
    }
    bool high = conn_out_is_high(c);
    if (c->batch_paused && !high) resubmit(c);
    if (c->state != CONN_OPEN) return;
    if (high && conn_kept(c) < query_max(c)) hold(c);
    if (may_read(c) || (c->more && may_parse(c))) list_ready(c);
}

void conn_go_on(struct conn *c) {
    unlist_ready(c);
    handle(c, conn_out_begin(c));
}

void conn_held_tick(struct conn *c) {
    if (net_now_ms(c->net) - c->sent_ms < DEAF_MS) return;
    unhold(c);
    if (c->batch_paused) {
        resubmit(c);
    } else {
        list_ready(c);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    struct conn *c = arg;
    c->readable = true;
    if ((what & EV_CLOSED) != 0) c->hup = true;
    if (c->state == CONN_LEAVING) {
        conn_drain(c);
    } else if (c->state == CONN_OPEN && !c->is_ready) {
        handle(c, conn_out_begin(c));
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    struct conn *c = arg;
    c->writes = false;
    if (!conn_flush(c) || conn_out_is_high(c)) return;
    if (c->batch_paused) resubmit(c);
    if (!c->is_held) return;
    unhold(c);
    list_ready(c);
}
