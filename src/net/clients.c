/*
 * clients: what commands see of connections: CLIENT LIST, CLIENT KILL, the numbers in INFO.
 * Reactor only.
 */
#include "net/conn.h"

#include "config/config.h"

/* The letters of CLIENT LIST's flags. */
static void write_flags(const struct conn *c, struct buf *out) {
    size_t before = out->len;
    if (c->batch != NULL) buf_append_char(out, 'b');
    if (c->state == CONN_CLOSING || c->session.closing) buf_append_char(out, 'c');
    if (c->session.unix_socket) buf_append_char(out, 'U');
    if (c->session.no_evict) buf_append_char(out, 'e');
    if (c->session.no_touch) buf_append_char(out, 'T');
    if (out->len == before) buf_append_char(out, 'N');
}

static size_t memory_of(const struct conn *c) {
    size_t bytes = sizeof(*c) + c->out.cap;
    if (c->kept != NULL) bytes += sizeof(*c->kept) + c->kept->bytes.cap;
    return bytes;
}

static void write_line(const struct conn *c, int64_t now_ms, struct buf *out) {
    const struct session *s = &c->session;
    buf_printf(out,
               "id=%lld addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=", (long long)s->id,
               s->addr, s->laddr, c->fd, s->name, (long long)((now_ms - s->created_ms) / 1000),
               (long long)((now_ms - s->active_ms) / 1000));
    write_flags(c, out);
    size_t kept = conn_kept(c);
    size_t unsent = conn_unsent(c);
    buf_printf(out, " db=%d sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=%zu qbuf-free=%zu ", s->db,
               kept, c->kept == NULL ? 0 : c->kept->bytes.cap - c->kept->bytes.len);
    buf_printf(out, "argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=%d omem=%zu tot-mem=%zu ",
               unsent > 0, c->out.cap, memory_of(c));
    buf_printf(out, "events=%s cmd=%s user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
               c->writes ? "rw" : "r", s->last_command != NULL ? s->last_command : "NULL",
               s->protocol, s->lib_name, s->lib_version);
}

static bool has_id(const struct client_filter *f, int64_t id) {
    for (int i = 0; i < f->id_count; i++) {
        if (f->ids[i] == id) return true;
    }
    return false;
}

static bool matches(const struct conn *c, const struct client_filter *f, int64_t now_ms) {
    const struct session *s = &c->session;
    if (f == NULL) return true;
    if (f->ids != NULL && !has_id(f, s->id)) return false;
    if (f->addr != NULL && strcmp(f->addr, s->addr) != 0) return false;
    if (f->laddr != NULL && strcmp(f->laddr, s->laddr) != 0) return false;
    if (f->user != NULL && strcmp(f->user, "default") != 0) return false;
    if (f->max_age_s != 0 && (now_ms - s->created_ms) / 1000 < f->max_age_s) return false;
    return f->skip_id == 0 || f->skip_id != s->id;
}

void net_clients(struct net *net, const struct client_filter *filter, struct buf *out) {
    int64_t now_ms = net_now_ms(net);
    for (struct conn *c = TAILQ_FIRST(&net->clients); c != NULL; c = TAILQ_NEXT(c, link)) {
        if (matches(c, filter, now_ms)) write_line(c, now_ms, out);
    }
}

/* The client that asks is in the middle of being handled: it ends when its answer is sent. */
int64_t net_kill(struct net *net, const struct client_filter *filter, int64_t self_id,
                 bool *ret_self) {
    int64_t now_ms = net_now_ms(net);
    int64_t killed = 0;
    *ret_self = false;
    for (struct conn *c = TAILQ_FIRST(&net->clients), *next; c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (!matches(c, filter, now_ms)) continue;
        killed++;
        if (c->session.id == self_id) {
            c->session.closing = true;
            *ret_self = true;
        } else {
            conn_close(c);
        }
    }
    return killed;
}

void net_stats(struct net *net, struct net_stats *ret) {
    net_count(net);
    *ret = (struct net_stats){
        .clients = net->client_count,
        .clients_max = net->clients_max,
        .blocked = net->blocked,
        .workers = net->config->workers,
        .queued = workers_queued(net->workers) + net->staged_count,
    };
    for (struct conn *c = TAILQ_FIRST(&net->clients); c != NULL; c = TAILQ_NEXT(c, link)) {
        int64_t in = (int64_t)conn_kept(c), out = (int64_t)conn_unsent(c);
        if (in > ret->in_bytes_max) ret->in_bytes_max = in;
        if (out > ret->out_bytes_max) ret->out_bytes_max = out;
    }
}
