/*
 * table: one row per command and per subcommand, the only source of arity, flags, ACL categories,
 * keys, HELP, COMMAND and docs/COMMANDS.md. Rows are read-only; any thread.
 */
#ifndef COMMANDS_TABLE_H
#define COMMANDS_TABLE_H

#include "commands/call.h"

enum command_flag {
    CMD_READONLY = 1 << 0,
    CMD_WRITE = 1 << 1,
    CMD_ADMIN = 1 << 2,
    CMD_FAST = 1 << 3,
    CMD_NO_AUTH = 1 << 4, /* allowed before authentication */
    CMD_STATE = 1 << 5,   /* changes the session: the reactor alone, never inside a batch */
    CMD_REACTOR =
        1 << 6, /* `run` never blocks: the reactor answers, or a worker when it stands in a batch */
    CMD_LOADING = 1 << 7,
    CMD_STALE = 1 << 8,
    CMD_NOSCRIPT = 1 << 9,
    CMD_DENYOOM = 1 << 10,
    CMD_SECRET = 1 << 11, /* arguments are never logged or shown */
};

enum acl_category { /* bits; names as Redis's @read ... and @chronos */
                    ACL_KEYSPACE = 1 << 0,
                    ACL_READ = 1 << 1,
                    ACL_WRITE = 1 << 2,
                    ACL_STRING = 1 << 3,
                    ACL_CONNECTION = 1 << 4,
                    ACL_ADMIN = 1 << 5,
                    ACL_DANGEROUS = 1 << 6,
                    ACL_FAST = 1 << 7,
                    ACL_SLOW = 1 << 8,
                    ACL_CHRONOS = 1 << 9,
                    ACL_TRANSACTION = 1 << 10,
};

struct command {
    const char *name;   /* lower case: "chronos.create", "client"; subcommands "client|id" */
    const char *syntax; /* after the name: "key json [ACTOR actor] [OPID id] ..."; arity and COMMAND
                           DOCS come from it */
    const char *summary;
    const char *reply; /* shape, for the reference: "bulk or null" */
    const char *group; /* connection, server, generic, string, chronos */
    const char *since; /* version of Chronos */
    const char *complexity;
    uint32_t flags, acl;
    int first_key, last_key,
        key_step;          /* 0 0 0: none. For numkeys commands first_key is 0 and key_num is set */
    int key_num;           /* position of numkeys, 0: none */
    command_fn *run;       /* answers by itself */
    command_plan_fn *plan; /* writes: fills a write set ... */
    command_answer_fn *answer; /* ... and answers it when it is committed */
    command_cached_fn *cached; /* [reactor] tries to answer from the cache */
};

/* By name, ASCII case ignored: NULL for none. For a container *ret_sub is the row of argv[1], NULL
 * when it is unknown. */
const struct command *table_find(struct str name);
const struct command *table_find_sub(const struct command *container, struct str sub);
const struct command *
table_row(int index); /* NULL past the end; containers are followed by their subcommands */
bool table_is_container(const struct command *command);
/* As Redis: positive exact, negative at least. */
int table_arity(const struct command *command);

#endif
