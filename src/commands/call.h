/*
 * call: one request in execution, and the shapes of functions that the command table names.
 */
#ifndef COMMANDS_CALL_H
#define COMMANDS_CALL_H

#include "engine/commit.h"
#include "engine/engine.h"
#include "engine/read.h"
#include "net/handler.h"

struct command;
struct app; /* what main.c gave to dispatch: engine, net, start time, the published settings */

struct call {
    const struct command *command; /* the row, of the subcommand where there is one */
    int argc;
    const struct str *argv;
    struct session *session; /* the connection's own in the reactor, the batch's copy in a worker */
    const struct config *config;
    struct reply *reply;
    struct arena *arena; /* dies with the batch; in the reactor: with the call */
    struct engine *engine;
    struct engine_worker *worker; /* NULL in the reactor */
    struct app *app;
};

/* Answers into call->reply; a failure's half-written reply is cut back by dispatch, which writes
 * the error. */
typedef enum status command_fn(struct call *call, struct err *err);
/* Fills the set's writes (in the arena) or fails. Does not reply. */
typedef enum status command_plan_fn(struct call *call, struct write_set *set, struct err *err);
/* Answers a committed set. A write's own error is replied with reply_error. */
typedef enum status command_answer_fn(struct call *call, const struct write_set *set,
                                      struct err *err);
/* [reactor] True: answered (a reply or an error is written). False: nothing was written, a worker
 * must run it. */
typedef bool command_cached_fn(struct call *call);

#endif
