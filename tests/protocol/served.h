/*
 * served: the server's own program in a folder of its own, for tests over a real socket. The binary
 * is that of the environment's CHRONOS_SERVER, else build/chronos-server.
 */
#ifndef TESTS_PROTOCOL_SERVED_H
#define TESTS_PROTOCOL_SERVED_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

struct served {
    pid_t pid;
    int port;
    char dir[64]; /* the data folder, the settings and the log lie in it */
};

enum { SERVED_WAIT_MS = 30000 }; /* sanitizers and loaded machines are slow */

/* Starts it with these settings (the JSON of a file) and waits until it answers. */
void served_start(struct served *s, const char *settings);
/* Starts it again on the same folder. */
void served_restart(struct served *s);
redisContext *served_connect(const struct served *s);
/* SIGTERM; it must end with status 0 and without a sanitizer's report. The folder stays. */
void served_end(struct served *s);
/* Waits for an end that was asked for otherwise (SHUTDOWN), with the same demands. */
void served_wait_end(struct served *s);
void served_remove(const struct served *s);

#endif
