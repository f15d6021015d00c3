/*
 * listen: binds, accepts, turns away.
 *
 * Accepting is bounded per turn, so that a storm of connections does not starve the clients that
 * are served. When descriptors run out, the listening sockets are left alone until the next tick:
 * clients wait in the kernel's queue, and nothing spins. A client that is turned away (too many, or
 * protected mode) is told why.
 */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/metrics.h"
#include "config/config.h"
#include "net/conn.h"

enum {
    ACCEPTS_PER_TURN = 64,
    KEEPALIVE_PROBES = 3,
    ADDRESS_BYTES = 256, /* of one address in server.bind */
};

struct listener {
    struct listener *next;
    struct net *net;
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a unix socket; or empty */
    struct event *event;
};

/* An address of any family. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

static void on_accept(evutil_socket_t fd, short what, void *arg);

/* --- binding -----------------------------------------------------------------------------------*/

static void add_listener(struct net *net, int fd, const char *path) {
    struct listener *l = xcalloc(1, sizeof(*l));
    l->net = net;
    l->fd = fd;
    (void)snprintf(l->path, sizeof(l->path), "%s", path);
    l->event = event_new(net->base, fd, EV_READ | EV_PERSIST, on_accept, l);
    ASSERT(l->event != NULL);
    (void)event_add(l->event, NULL);
    l->next = net->listeners;
    net->listeners = l;
}

static void set_option(int fd, int level, int option, int value) {
    (void)setsockopt(fd, level, option, &value, sizeof(value)); /* a comfort; works without */
}

static void set_keepalive(int fd, int64_t seconds) {
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
    if (seconds <= 0) return;
    int probe_s = seconds / KEEPALIVE_PROBES > 0 ? (int)(seconds / KEEPALIVE_PROBES) : 1;
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)seconds);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

/* Makes, binds and listens. -1 with errno set. */
static int listen_on(const struct net *net, const struct addrinfo *at) {
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (at->ai_family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_keepalive(fd, net->config->tcp_keepalive_s);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(fd, (int)net->config->tcp_backlog) == 0) {
        return fd;
    }
    int why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

/* Does this machine lack the address, or its whole family? */
static bool is_absent(int why) {
    return why == EADDRNOTAVAIL || why == EAFNOSUPPORT;
}

/* One word of server.bind: an address, a name, `*` for all of IPv4; with '-' in front it may be
 * absent from this machine. */
static enum status bind_address(struct net *net, struct str word, struct err *err) {
    bool optional = word.n > 1 && word.p[0] == '-';
    if (optional) word = (struct str){word.p + 1, word.n - 1};
    if (word.n >= ADDRESS_BYTES) {
        return err_set(err, ERR_SYNTAX, "server.bind: \"%.*s\" is too long", STR_FMT(word));
    }
    char host[ADDRESS_BYTES], port[16];
    bool any = str_eq(word, STR("*"));
    (void)snprintf(host, sizeof(host), "%.*s", any ? 7 : (int)word.n, any ? "0.0.0.0" : word.p);
    if (str_eq(word, STR("::*"))) (void)snprintf(host, sizeof(host), "::");
    (void)snprintf(port, sizeof(port), "%lld", (long long)net->config->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        return err_set(err, ERR_SYNTAX, "server.bind: \"%s\" is no address of this machine: %s",
                       host, gai_strerror(failed));
    }
    int bound = 0, why = 0;
    for (struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        int fd = listen_on(net, at);
        if (fd >= 0) {
            add_listener(net, fd, "");
            bound++;
        } else if (why == 0 || is_absent(why)) {
            why = errno;
        }
    }
    freeaddrinfo(found);
    bool fine = is_absent(why) ? bound > 0 || optional : why == 0;
    if (fine) return OK;
    return err_set(err, ERR_BACKEND, "cannot listen on %s port %s: %s", host, port, strerror(why));
}

static enum status bind_tcp(struct net *net, struct err *err) {
    struct str list = net->config->bind;
    for (size_t i = 0; i < list.n;) {
        size_t from = i;
        while (i < list.n && list.p[i] != ' ') i++;
        if (i > from) {
            enum status s = bind_address(net, (struct str){list.p + from, i - from}, err);
            if (s != OK) return s;
        }
        i++;
    }
    if (net->listeners != NULL) return OK;
    return err_set(err, ERR_SYNTAX,
                   "server.bind names no address of this machine; try 127.0.0.1, or server.port 0 "
                   "for no TCP at all");
}

/* The file of a unix socket whose server died is in the way; one whose server lives, or that is no
 * socket, is not ours to remove. */
static enum status clear_path(const struct sockaddr_un *un, struct err *err) {
    struct stat st;
    if (lstat(un->sun_path, &st) != 0) return OK; /* nothing there; or bind will say what is */
    if (!S_ISSOCK(st.st_mode)) {
        return err_set(err, ERR_BACKEND, "server.unixsocket: %s exists and is no socket",
                       un->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) != 0 &&
                errno == ECONNREFUSED;
    if (fd >= 0) (void)close(fd);
    if (dead && unlink(un->sun_path) == 0) return OK;
    return err_set(err, ERR_BACKEND, "server.unixsocket: another server is listening on %s",
                   un->sun_path);
}

static enum status bind_unix(struct net *net, struct err *err) {
    struct str path = net->config->unixsocket;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (path.n >= sizeof(un.sun_path)) {
        return err_set(err, ERR_SYNTAX, "server.unixsocket: the path is longer than %zu bytes",
                       sizeof(un.sun_path) - 1);
    }
    memcpy(un.sun_path, path.p, path.n);
    enum status s = clear_path(&un, err);
    if (s != OK) return s;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Nobody can connect before listen, so the permissions are in place in time. */
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0;
    if (bound && chmod(un.sun_path, (mode_t)net->config->unixsocket_perm) == 0 &&
        listen(fd, (int)net->config->tcp_backlog) == 0) {
        add_listener(net, fd, un.sun_path);
        return OK;
    }
    s = err_set(err, ERR_BACKEND, "cannot listen on %s: %s", un.sun_path, strerror(errno));
    if (fd >= 0) (void)close(fd);
    if (bound) (void)unlink(un.sun_path);
    return s;
}

enum status listen_open(struct net *net, struct err *err) {
    enum status s = OK;
    if (net->config->port != 0) s = bind_tcp(net, err);
    if (s == OK && net->config->unixsocket.n != 0) s = bind_unix(net, err);
    return s;
}

void listen_close(struct net *net) {
    for (struct listener *l = net->listeners, *next; l != NULL; l = next) {
        next = l->next;
        event_free(l->event);
        (void)close(l->fd);
        if (l->path[0] != '\0') (void)unlink(l->path);
        free(l);
    }
    net->listeners = NULL;
}

void listen_config(struct net *net) {
    for (struct listener *l = net->listeners; l != NULL; l = l->next) {
        if (l->path[0] == '\0') set_keepalive(l->fd, net->config->tcp_keepalive_s);
    }
}

void listen_resume(struct net *net) {
    if (!net->accept_paused) return;
    net->accept_paused = false;
    for (struct listener *l = net->listeners; l != NULL; l = l->next) {
        (void)event_add(l->event, NULL);
    }
}

/* --- accepting ---------------------------------------------------------------------------------*/

static void pause_accepting(struct net *net) {
    net->accept_paused = true;
    for (struct listener *l = net->listeners; l != NULL; l = l->next) (void)event_del(l->event);
    net_note(net, NULL, "no file descriptors are left for new connections; they wait");
}

/* "ip:port", "[ip]:port", or "path:0". */
static void write_address(const struct listener *l, const union address *a,
                          char ret[SESSION_ADDR_BYTES]) {
    char ip[INET6_ADDRSTRLEN] = "";
    if (a->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip));
        (void)snprintf(ret, SESSION_ADDR_BYTES, "%s:%d", ip, ntohs(a->in.sin_port));
    } else if (a->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
        (void)snprintf(ret, SESSION_ADDR_BYTES, "[%s]:%d", ip, ntohs(a->in6.sin6_port));
    } else {
        (void)snprintf(ret, SESSION_ADDR_BYTES, "%s:0", l->path);
    }
}

static bool is_local(const union address *a) {
    static const uint8_t mapped[13] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
    if (a->any.sa_family == AF_INET) return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
    if (a->any.sa_family != AF_INET6) return true;
    const struct in6_addr *ip = &a->in6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) || memcmp(ip->s6_addr, mapped, sizeof(mapped)) == 0;
}

/* Why this client is not let in, or STR_NONE. */
static struct str objection(const struct net *net, const union address *peer) {
    const struct config *config = net->config;
    if (net->client_count >= net->clients_max) {
        return STR("-ERR max number of clients reached\r\n");
    }
    if (!config->protected_mode || config->password.n > 0 || is_local(peer)) return STR_NONE;
    return STR("-DENIED Chronos is running in protected mode: no password is set, so it talks to "
               "clients on its own machine only. To let others in, set server.password, or, in a "
               "network where everybody may do everything, server.protectedMode false.\r\n");
}

static void admit(struct listener *l, int fd, const union address *peer) {
    struct net *net = l->net;
    struct str why = objection(net, peer);
    if (why.p != NULL) {
        metric_add(METRIC_REJECTED, 1);
        (void)send(fd, why.p, why.n, MSG_NOSIGNAL); /* as a courtesy: it may have gone */
        (void)close(fd);
        return;
    }
    struct conn *c = conn_new(net, fd);
    c->session.unix_socket = l->path[0] != '\0';
    union address own = *peer;
    socklen_t bytes = sizeof(own);
    if (!c->session.unix_socket) (void)getsockname(fd, &own.any, &bytes);
    write_address(l, peer, c->session.addr);
    write_address(l, &own, c->session.laddr);
}

static void on_accept(evutil_socket_t fd, short what, void *arg) {
    (void)what;
    struct listener *l = arg;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        union address peer = {.storage = {0}};
        socklen_t bytes = sizeof(peer);
        int client = accept4(fd, &peer.any, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            if (bytes < sizeof(peer.any.sa_family)) peer.any.sa_family = AF_UNIX;
            admit(l, client, &peer);
            continue;
        }
        int why = errno;
        if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM) {
            pause_accepting(l->net);
        }
        if (why == EAGAIN || l->net->accept_paused) return;
        /* otherwise this one client has gone again (ECONNABORTED, a network error): the next */
    }
}
