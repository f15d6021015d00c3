/*
 * dispatch: from requests to commands and back. Fills in the net's `struct handler`: the reactor
 * asks `request` about every request; workers run batches by `run`. main.c owns the `struct app`.
 */
#ifndef COMMANDS_DISPATCH_H
#define COMMANDS_DISPATCH_H

#include <stdatomic.h>

#include "commands/call.h"

struct docs;    /* docs.c: the replies of COMMAND and COMMAND DOCS, made once */
struct stats;   /* stats.c: calls and errors per command and thread */
struct cursors; /* cursors.c: where SCANs stand */

enum { RUN_ID_BYTES = 40, RATE_SAMPLES = 16 };

/* The net's figures, noted by the reactor for commands that a worker runs. */
struct figures {
    _Atomic int64_t clients, clients_max, blocked, workers, queued, in_bytes_max, out_bytes_max;
    _Atomic int64_t rate; /* commands a second, lately */
};

struct app {
    /* Set by main.c before the first request. */
    struct engine *engine;
    struct net *net;
    const char *executable; /* path of the program, or a link to it, for INFO; may be NULL */

    /* Set by dispatch_init. */
    const struct config *config; /* the published settings: a reference, the reactor's alone */
    int64_t start_ms;
    char run_id[RUN_ID_BYTES + 1];
    struct arena memory; /* what lives as long as the app */
    struct arena arena;  /* of one call in the reactor */
    struct docs *docs;
    struct stats *stats;
    struct cursors *cursors;
    struct figures figures;
    uint64_t seen;    /* requests, for sampling their time in the reactor */
    unsigned rate_at; /* the last ticks, for the rate of commands */
    int64_t rate_us[RATE_SAMPLES], rate_calls[RATE_SAMPLES];
};

/* The struct is zero but for what main.c has set by then. Takes a reference to the settings. net
 * may be NULL in tests. */
void dispatch_init(struct app *app, const struct config *config);
void dispatch_release(struct app *app);
struct handler dispatch_handler(struct app *app);

/* [reactor] New settings are in force: everywhere that keeps some. Takes the reference. Used by
 * CONFIG SET, and by main.c for a reload. */
void dispatch_publish(struct app *app, struct config *config);

#endif
