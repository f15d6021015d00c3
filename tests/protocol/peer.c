/*
 * A reader with one buffer; replies are read by recursion, since the server's are a few levels
 * deep.
 */
#include "protocol/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/buf.h"
#include "lib/wire.h"

enum { BUFFER_BYTES = 64 * 1024, LINE_BYTES = 4096, SENT_BYTES = 64 * 1024 * 1024 };

struct peer {
    int fd;
    size_t start, end;
    char data[BUFFER_BYTES];
};

struct peer *peer_open(int port) {
    struct peer *p = xcalloc(1, sizeof *p);
    p->fd = wire_tcp(port);
    return p;
}

void peer_close(struct peer *p) {
    wire_close(p->fd);
    free(p);
}

void peer_send(struct peer *p, int argc, const struct str *argv) {
    struct buf out;
    buf_init(&out, SENT_BYTES);
    buf_printf(&out, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        buf_printf(&out, "$%zu\r\n", argv[i].n);
        buf_append_str(&out, argv[i]);
        buf_append_str(&out, STR("\r\n"));
    }
    assert_false(out.overflow);
    wire_send(p->fd, out.data, out.len);
    buf_release(&out);
}

static void fill(struct peer *p) {
    ssize_t n = recv(p->fd, p->data, sizeof p->data, 0);
    if (n <= 0) fail_msg("the server sent nothing more");
    p->start = 0;
    p->end = (size_t)n;
}

static void read_bytes(struct peer *p, char *ret, size_t bytes) {
    while (bytes > 0) {
        if (p->start == p->end) fill(p);
        size_t n = p->end - p->start < bytes ? p->end - p->start : bytes;
        memcpy(ret, p->data + p->start, n);
        p->start += n;
        ret += n;
        bytes -= n;
    }
}

/* Without its end. */
static struct str read_line(struct peer *p, struct arena *arena) {
    char line[LINE_BYTES];
    size_t n = 0;
    do {
        assert_true(n < sizeof line);
        read_bytes(p, &line[n++], 1);
    } while (line[n - 1] != '\n');
    assert_true(n >= 2 && line[n - 2] == '\r');
    return arena_dup(arena, (struct str){line, n - 2});
}

static int64_t number(struct str text) {
    int64_t n = 0;
    if (!str_to_int(text, &n)) fail_msg("'%.*s' is no length", STR_FMT(text));
    return n;
}

static struct str read_bulk(struct peer *p, struct arena *arena, int64_t n) {
    if (n < 0) return STR_NONE;
    char *bytes = arena_alloc(arena, (size_t)n + 2);
    read_bytes(p, bytes, (size_t)n + 2);
    assert_memory_equal(bytes + n, "\r\n", 2);
    bytes[n] = '\0';
    return (struct str){bytes, (size_t)n};
}

static void read_into(struct peer *p, struct arena *arena, struct peer_reply *r) {
    struct str line = read_line(p, arena);
    assert_true(line.n > 0);
    *r = (struct peer_reply){.type = line.p[0], .text = {line.p + 1, line.n - 1}};
    if (r->type == '_') r->text = STR_NONE;
    if (r->type == '$' || r->type == '=') r->text = read_bulk(p, arena, number(r->text));
    if (r->type != '*' && r->type != '%' && r->type != '~') return;
    int64_t count = number(r->text);
    if (count < 0) {
        r->text = STR_NONE;
        return;
    }
    r->count = (size_t)count * (r->type == '%' ? 2 : 1);
    r->all = arena_alloc(arena, sizeof *r->all * (r->count + 1));
    for (size_t i = 0; i < r->count; i++) read_into(p, arena, &r->all[i]);
}

struct peer_reply *peer_read(struct peer *p, struct arena *arena) {
    struct peer_reply *r = arena_alloc(arena, sizeof *r);
    read_into(p, arena, r);
    return r;
}

void peer_expect_end(struct peer *p) {
    assert_int_equal(p->start, p->end);
    wire_expect_end(p->fd);
}
