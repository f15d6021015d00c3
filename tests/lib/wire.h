/*
 * wire: a client that speaks raw bytes, for tests of what happens on the socket. Blocking, with a
 * limit of time on everything; what does not come as expected fails the cmocka test that runs.
 */
#ifndef TESTS_LIB_WIRE_H
#define TESTS_LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>

enum { WIRE_WAIT_MS = 20000 }; /* sanitizers and loaded machines are slow */

/* A port that nobody listens on now. */
int wire_free_port(void);

/* Connected sockets. */
int wire_tcp(int port);
int wire_unix(const char *path);
int wire_socket(void);               /* TCP, not connected */
bool wire_connect(int fd, int port); /* false: refused */
void wire_close(int fd);
void wire_reset(int fd); /* closes with RST, as a client that crashed */

void wire_send(int fd, const void *data, size_t bytes);
void wire_say(int fd, const char *text);
/* Sends what the peer takes; false when it has closed. */
bool wire_try_send(int fd, const void *data, size_t bytes);

/* Reads exactly this, or fails. */
void wire_expect_bytes(int fd, const void *data, size_t bytes);
void wire_expect(int fd, const char *text);
/* Reads one line without its end; NUL-terminated, cut at `room`. */
void wire_line(int fd, char *ret, size_t room);
/* Reads a bulk string; the caller frees it. */
char *wire_bulk(int fd, size_t *ret_bytes);
/* The peer closes, with nothing sent before. */
void wire_expect_end(int fd);
/* The peer closes; whatever it sent before is skipped. */
void wire_skip_to_end(int fd);
/* wire_say and wire_expect. */
void wire_ask(int fd, const char *text, const char *reply);

#endif
