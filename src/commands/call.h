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
struct table_entry;
struct app; /* what main.c gave to dispatch: engine, net, start time, the published settings */

struct call {
    const struct command *command;   /* the row, of the subcommand where there is one */
    const struct table_entry *entry; /* what is derived from it */
    int argc;
    const struct str *argv;
    struct session *session; /* the connection's own in the reactor, the batch's copy in a worker */
    const struct config *config;
    struct reply *reply;
    struct arena *arena; /* dies with the batch; in the reactor: with the call */
    struct engine *engine;
    struct engine_worker *worker; /* NULL in the reactor and in `answer` */
    struct app *app;
    void *memo; /* what `plan` keeps for `answer`, in the arena */
};

/* Answers into call->reply; a failure's half-written reply is cut back by dispatch, which writes
 * the error. */
typedef enum status command_fn(struct call *call, struct err *err);
/* Adds its writes to the set (call_add_write) or fails; what a failed one added is cut back. Does
 * not reply. The set may hold writes of the requests before: it is not to be looked at. */
typedef enum status command_plan_fn(struct call *call, struct write_set *set, struct err *err);
/* Answers its writes, which are all that `set` shows. A write's own error is replied with
 * reply_error. */
typedef enum status command_answer_fn(struct call *call, const struct write_set *set,
                                      struct err *err);
/* [reactor] True: answered (a reply or an error is written). False: nothing was written, a worker
 * must run it. */
typedef bool command_cached_fn(struct call *call);

/* An empty write at the set's end, valid until the next is added. */
struct write *call_add_write(struct call *call, struct write_set *set);

/* The session's route: STR_NONE where it chose none. */
static inline struct str call_route(const struct call *call) {
    return call->session->route[0] ? str_of(call->session->route) : STR_NONE;
}

/* The place of an item's key. ERR_VALIDATION, ERR_NOROUTE. */
MUST_CHECK enum status call_item(struct call *call, struct str text, bool make, struct place *ret,
                                 struct err *err);
/* The place of a collection's key. */
MUST_CHECK enum status call_collection(struct call *call, struct str text, bool make,
                                       struct place *ret, struct err *err);

#endif
