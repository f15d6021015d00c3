/*
 * conn_out: the output of a connection, and how it leaves.
 *
 * While a connection is handled its replies go to the reactor's buffer, which is sent with one
 * send(2) at the end; only what the socket does not take moves to the connection's own, which
 * otherwise has no memory. One event sends SEND_BYTES at most, so that one client with much to read
 * does not hold up the others. A client that lets more pile up than limits.outputBuffer is closed
 * without a word: there is no room for one.
 */
#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/metrics.h"
#include "config/config.h"

enum {
    SEND_BYTES = 256 * 1024,
    KEPT_OUTPUT_BYTES = 256 * 1024, /* the reactor's buffer keeps so much between uses */
    COPIED_BYTES = 16 * 1024,       /* less is copied from buffer to buffer, more is swapped */
    HIGH_BYTES = 1024 * 1024,       /* unsent: requests wait until the client reads */
    UNAUTHENTICATED_BYTES = 256 * 1024,
    LEAVE_MS = 1000,  /* for a client to close after us */
    DRAIN_READS = 16, /* at once */
};

void conn_out_init(struct conn *c) {
    buf_init(&c->out, 0);
    c->sent = 0;
}

void conn_out_release(struct conn *c) {
    buf_release(&c->out);
}

size_t conn_unsent(const struct conn *c) {
    return c->out.len - c->sent;
}

size_t conn_out_max(const struct conn *c) {
    size_t max = (size_t)c->net->config->output_buffer_bytes;
    return c->session.authenticated || max < UNAUTHENTICATED_BYTES ? max : UNAUTHENTICATED_BYTES;
}

bool conn_out_is_high(const struct conn *c) {
    size_t half = conn_out_max(c) / 2;
    return conn_unsent(c) > (half < HIGH_BYTES ? half : HIGH_BYTES);
}

struct buf *conn_out_begin(struct conn *c) {
    struct buf *out = conn_unsent(c) > 0 ? &c->out : &c->net->output;
    out->max = conn_out_max(c) + c->sent;
    return out;
}

void conn_out_take(struct buf *out, struct buf *from) {
    if (out->len > 0 || from->len <= COPIED_BYTES || from->len > out->max) {
        buf_append_str(out, buf_str(from));
        return;
    }
    struct buf was = *out;
    out->data = from->data;
    out->len = from->len;
    out->cap = from->cap;
    from->data = was.data;
    from->len = 0;
    from->cap = was.cap;
}

/* Sends once. False: the connection is dead. */
static bool send_some(struct conn *c, const struct buf *out) {
    size_t bytes = out->len - c->sent;
    if (bytes > SEND_BYTES) bytes = SEND_BYTES;
    ssize_t n = send(c->fd, out->data + c->sent, bytes, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c->doubt = false;
    c->sent += (size_t)n;
    c->sent_ms = net_now_ms(c->net);
    c->net->tally.out_bytes += n;
    return true;
}

/* Everything is sent: no memory is kept for it. */
static void out_is_empty(struct conn *c, struct buf *out) {
    c->sent = 0;
    buf_reset(out);
    if (out == &c->out) {
        buf_release(out);
    } else {
        buf_shrink(out, KEPT_OUTPUT_BYTES);
    }
}

/* Something is left: it moves to the connection, and waits until the socket takes more. */
static void out_waits(struct conn *c, struct buf *out) {
    if (out != &c->out) {
        if (out->len - c->sent <= COPIED_BYTES) {
            c->out.max = out->max;
            buf_append(&c->out, out->data + c->sent, out->len - c->sent);
            c->sent = 0;
            buf_reset(out);
        } else {
            c->out = *out;
            buf_init(out, 0);
        }
    } else if (c->sent >= COPIED_BYTES && c->sent >= out->len / 2) {
        buf_consume(out, c->sent);
        c->sent = 0;
    }
    if (c->writes) return;
    c->writes = true;
    (void)event_add(&c->write_event, NULL);
}

/* All is said. The client may not have read it yet: if we closed now with some of its input unread,
 * the kernel would reset the connection and the client might never see the last reply. False: it
 * was closed and is gone. */
static bool leave(struct conn *c) {
    struct net *net = c->net;
    if (c->eof || shutdown(c->fd, SHUT_WR) != 0) {
        conn_close(c);
        return false;
    }
    TAILQ_REMOVE(&net->clients, c, link);
    net->client_count--;
    TAILQ_INSERT_TAIL(&net->leaving, c, link);
    c->state = CONN_LEAVING;
    c->leave_by_ms = net_now_ms(net) + LEAVE_MS;
    conn_drain(c);
    return false;
}

bool conn_flush(struct conn *c) {
    struct buf *out = c->out.len > 0 ? &c->out : &c->net->output;
    if (out->overflow) {
        metric_add(METRIC_SLOW_CLIENTS, 1);
        net_note(c->net, c,
                 "its unread replies exceed server.limits.outputBuffer; connection closed");
        buf_reset(out);
        buf_shrink(out, KEPT_OUTPUT_BYTES);
        conn_close(c);
        return false;
    }
    if (out->len > c->sent && !c->writes && !send_some(c, out)) {
        if (out != &c->out) buf_reset(out);
        conn_close(c);
        return false;
    }
    if (out->len > c->sent) {
        out_waits(c, out);
        return true;
    }
    if (out->len > 0) out_is_empty(c, out);
    return c->state != CONN_CLOSING || c->batch != NULL || leave(c);
}

void conn_drain(struct conn *c) {
    for (int i = 0; i < DRAIN_READS; i++) {
        ssize_t n = recv(c->fd, c->net->input, INPUT_BYTES, 0);
        if (n > 0 || (n < 0 && errno == EINTR)) continue;
        if (n == 0 || errno != EAGAIN) conn_close(c);
        return;
    }
}
