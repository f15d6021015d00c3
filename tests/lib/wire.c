/*
 * wire: plain sockets with timeouts.
 */
#include "lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { PORT_TRIES = 200 };

static struct sockaddr_in local(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Below the range that the kernel gives to outgoing connections, so that none of another test sits
 * on the port a moment later. */
int wire_free_port(void) {
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t random;
        if (getrandom(&random, sizeof(random), 0) != sizeof(random)) break;
        int port = 10000 + random % 20000;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = local(port);
        bool good = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
        if (fd >= 0) (void)close(fd);
        if (good) return port;
    }
    fail_msg("no free port: %s", strerror(errno));
    return -1;
}

static int prepare(int fd) {
    if (fd < 0) fail_msg("no socket: %s", strerror(errno));
    struct timeval wait = {.tv_sec = WIRE_WAIT_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    return fd;
}

int wire_socket(void) {
    int fd = prepare(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

bool wire_connect(int fd, int port) {
    struct sockaddr_in at = local(port);
    return connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
}

int wire_tcp(int port) {
    int fd = wire_socket();
    if (!wire_connect(fd, port)) fail_msg("cannot connect to port %d: %s", port, strerror(errno));
    return fd;
}

int wire_unix(const char *path) {
    int fd = prepare(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
        fail_msg("cannot connect to %s: %s", path, strerror(errno));
    }
    return fd;
}

void wire_close(int fd) {
    (void)close(fd);
}

void wire_reset(int fd) {
    struct linger now = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void)close(fd);
}

bool wire_try_send(int fd, const void *data, size_t bytes) {
    for (const char *p = data; bytes > 0;) {
        ssize_t n = send(fd, p, bytes, MSG_NOSIGNAL);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) fail_msg("the server takes no more input");
            return false;
        }
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

void wire_send(int fd, const void *data, size_t bytes) {
    if (!wire_try_send(fd, data, bytes)) fail_msg("cannot send: %s", strerror(errno));
}

void wire_say(int fd, const char *text) {
    wire_send(fd, text, strlen(text));
}

/* Reads up to `room` bytes; 0 at the end, or after a reset. */
static size_t read_some(int fd, char *into, size_t room) {
    ssize_t n = recv(fd, into, room, 0);
    if (n < 0 && errno == EAGAIN) fail_msg("no answer within %d ms", WIRE_WAIT_MS);
    return n < 0 ? 0 : (size_t)n;
}

void wire_expect_bytes(int fd, const void *data, size_t bytes) {
    char got[16384];
    for (const char *want = data; bytes > 0;) {
        size_t n = read_some(fd, got, bytes < sizeof(got) ? bytes : sizeof(got));
        if (n == 0) fail_msg("closed before \"%.*s\"", (int)(bytes < 200 ? bytes : 200), want);
        if (memcmp(got, want, n) != 0) {
            fail_msg("got \"%.*s\", not \"%.*s\"", (int)(n < 200 ? n : 200), got,
                     (int)(n < 200 ? n : 200), want);
        }
        want += n;
        bytes -= n;
    }
}

void wire_expect(int fd, const char *text) {
    wire_expect_bytes(fd, text, strlen(text));
}

void wire_line(int fd, char *ret, size_t room) {
    size_t length = 0;
    for (char c; read_some(fd, &c, 1) == 1;) {
        if (c == '\n') {
            if (length > 0 && ret[length - 1] == '\r') length--;
            ret[length] = '\0';
            return;
        }
        if (length + 1 < room) ret[length++] = c;
    }
    fail_msg("closed in the middle of a line");
}

char *wire_bulk(int fd, size_t *ret_bytes) {
    char line[64];
    wire_line(fd, line, sizeof(line));
    long long bytes = -1;
    if (sscanf(line, "$%lld", &bytes) != 1 || bytes < 0) fail_msg("\"%s\" is no bulk", line);
    size_t length = (size_t)bytes;
    char *text = malloc(length + 1);
    if (text == NULL) abort();
    for (size_t got = 0; got < length;) {
        size_t n = read_some(fd, text + got, length - got);
        if (n == 0) fail_msg("closed in the middle of a bulk");
        got += n;
    }
    text[length] = '\0';
    wire_expect(fd, "\r\n");
    *ret_bytes = length;
    return text;
}

void wire_expect_end(int fd) {
    char got[256];
    size_t n = read_some(fd, got, sizeof(got) - 1);
    if (n != 0) fail_msg("got \"%.*s\", not the end", (int)n, got);
}

void wire_skip_to_end(int fd) {
    char got[16384];
    while (read_some(fd, got, sizeof(got)) > 0) {
    }
}

void wire_ask(int fd, const char *text, const char *reply) {
    wire_say(fd, text);
    wire_expect(fd, reply);
}
