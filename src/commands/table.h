/*
 * table: one row per command and per subcommand, the only source of arity, options, flags, ACL
 * categories, keys, HELP, COMMAND and docs/COMMANDS.md. The rows stand in table_*.c; this finds
 * them. Rows are read-only; any thread.
 */
#ifndef COMMANDS_TABLE_H
#define COMMANDS_TABLE_H

#include "commands/call.h"
#include "commands/syntax.h"

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
    CMD_SECRET = 1 << 11,  /* arguments are never logged or shown */
    CMD_ATOMIC = 1 << 12,  /* its writes are a set of their own, all or none */
    CMD_FIGURES = 1 << 13, /* the reactor notes the net's figures before a worker runs it */
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
    const char *syntax; /* after the name, as syntax.h reads it; arity, options and COMMAND DOCS
                           come from it */
    const char *summary;
    const char *reply; /* shape, for the reference: "bulk or null" */
    const char *group; /* connection, server, generic, string, chronos */
    const char *since; /* version of Chronos */
    const char *complexity;
    uint32_t flags, acl;
    int first_key, last_key,
        key_step;          /* 0 0 0: none. For numkeys commands first_key is 0 and key_num is set */
    int key_num;           /* position of numkeys, 0: none */
    const char *key_word;  /* an option whose value is a key: "KEY", NULL: none */
    const char *key_flags; /* of its key specs: "RO access", NULL where there are no keys */
    command_fn *run;       /* answers by itself */
    command_plan_fn *plan; /* writes: fills a write set ... */
    command_answer_fn *answer; /* ... and answers it when it is committed */
    command_cached_fn *cached; /* [reactor] tries to answer from the cache */
};

enum { COMMANDS_MAX = 128 }; /* rows in all; more are refused at start */

/* What is derived from a row. */
struct table_entry {
    const struct command *command;
    struct str name;
    int index;        /* 0 .. COMMANDS_MAX - 1 */
    int arity;        /* as Redis: positive exact, negative at least */
    int subs;         /* how many rows that follow are its subcommands */
    uint32_t options; /* bits of enum option (options.h) that the syntax names */
    struct argument syntax;
};

/* By name, ASCII case ignored: NULL for none. Top-level commands; subcommands of a container. */
const struct table_entry *table_lookup(struct str name);
const struct table_entry *table_lookup_sub(const struct table_entry *container, struct str sub);
static inline bool table_entry_fits(const struct table_entry *e, int argc) {
    return e->arity > 0 ? argc == e->arity : argc >= -e->arity;
}

/* The same for those who have rows. */
const struct command *table_find(struct str name);
const struct command *table_find_sub(const struct command *container, struct str sub);
const struct command *
table_row(int index); /* NULL past the end; containers are followed by their subcommands */
int table_index(const struct command *command); /* the other way round */
bool table_is_container(const struct command *command);
bool table_is_sub(const struct command *command);
int table_arity(const struct command *command);
bool table_arity_fits(const struct command *command, int argc);
uint32_t table_options(const struct command *command);
const struct argument *table_syntax(const struct command *command);

/* Where the rows stand. */
struct command_rows {
    const struct command *rows;
    int count;
};
extern const struct command_rows rows_chronos, rows_keys, rows_server;

#endif
