/*
 * server: starts the real chronos-server for a test, in a temporary folder of its own, and stops it
 * in the way a person would. The binary is $CHRONOS_SERVER, else the one beside the tests' own
 * folder. What goes wrong fails the cmocka test that runs, and shows what the server said.
 */
#ifndef TESTS_LIB_SERVER_H
#define TESTS_LIB_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct redisContext; /* hiredis */

struct server {
    pid_t pid; /* 0: not running */
    int port;
    char folder[64]; /* holds data/, log and the unix socket */
    char socket[80]; /* path of the unix socket */
    char log[80];    /* what the server wrote on stderr */
};

/* Starts it with these settings besides ("--server.workers", "2", ..., NULL; NULL alone: none) and
 * waits until it says that it is ready. */
void server_start(struct server *s, const char *const *args);
/* Starts it again on the same folder, after server_stop_here or server_kill. */
void server_restart(struct server *s, const char *const *args);

/* SIGTERM, then everything that must be true of a server that ended: status 0 within the limit, no
 * report of a sanitizer. The folder stays. */
void server_stop_here(struct server *s);
/* The same, and the folder goes. */
void server_stop(struct server *s);
/* Waits for one that was told to end otherwise; the same checks. */
void server_wait(struct server *s);
void server_kill(struct server *s); /* SIGKILL; the folder stays */
/* Ends one that a failed test left behind, without a check; for teardown. Repeatable. */
void server_clear(struct server *s);

/* Does the log hold this text? */
bool server_said(const struct server *s, const char *text);

/* Connections by hiredis; closed with redisFree. */
struct redisContext *server_redis(const struct server *s);
struct redisContext *server_redis_unix(const struct server *s);

#endif
