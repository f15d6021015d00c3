/*
 * The rows of the plain Redis verbs that work on items, so that caches and tools that know nothing
 * of Chronos are served.
 */
#include "commands/cmds.h"
#include "commands/table.h"

#define WRITE_FLAGS    CMD_WRITE | CMD_DENYOOM
#define FIRST_KEY      .first_key = 1, .last_key = 1, .key_step = 1
#define ALL_KEYS       .first_key = 1, .last_key = -1, .key_step = 1
#define PAIRS_OF_KEYS  .first_key = 1, .last_key = -1, .key_step = 2
#define STRING(label)  .name = label, .group = "string", .since = "0.1.0"
#define GENERIC(label) .name = label, .group = "generic", .since = "0.1.0"

static const struct command rows[] = {
    {STRING("get"), .syntax = "key", .summary = "An item's document.", .reply = "bulk or null",
     .complexity = "O(size of the document)", .flags = CMD_READONLY | CMD_FAST,
     .acl = ACL_READ | ACL_STRING | ACL_FAST, FIRST_KEY, .key_flags = "RO access", .run = cmd_get,
     .cached = cmd_get_cached},
    {STRING("mget"), .syntax = "key [key ...]", .summary = "Many documents, of one snapshot.",
     .reply = "array of bulk or null", .complexity = "O(size of the documents)",
     .flags = CMD_READONLY | CMD_FAST, .acl = ACL_READ | ACL_STRING | ACL_FAST, ALL_KEYS,
     .key_flags = "RO access", .run = cmd_mget, .cached = cmd_mget_cached},
    {STRING("set"), .syntax = "key json [NX | XX] [GET]",
     .summary = "Creates an item or replaces its document, which must be a JSON object. Expiry is "
                "not in this release.",
     .reply = "OK, or null when NX or XX was not met; with GET the document before, or null",
     .complexity = "O(size of the document)", .flags = WRITE_FLAGS,
     .acl = ACL_WRITE | ACL_STRING | ACL_SLOW, FIRST_KEY, .key_flags = "RW access update",
     .plan = cmd_set_plan, .answer = cmd_set_answer},
    {STRING("setnx"), .syntax = "key json", .summary = "Creates an item unless it is there.",
     .reply = "integer: 1 when it was created, 0 when it was there",
     .complexity = "O(size of the document)", .flags = WRITE_FLAGS | CMD_FAST,
     .acl = ACL_WRITE | ACL_STRING | ACL_FAST, FIRST_KEY, .key_flags = "OW insert",
     .plan = cmd_setnx_plan, .answer = cmd_setnx_answer},
    {STRING("getset"), .syntax = "key json", .summary = "As SET with GET.",
     .reply = "bulk: the document before, or null", .complexity = "O(size of the document)",
     .flags = WRITE_FLAGS | CMD_FAST, .acl = ACL_WRITE | ACL_STRING | ACL_FAST, FIRST_KEY,
     .key_flags = "RW access update", .plan = cmd_getset_plan, .answer = cmd_getset_answer},
    {STRING("getdel"), .syntax = "key",
     .summary = "Deletes an item logically and answers its document.", .reply = "bulk or null",
     .complexity = "O(size of the document)", .flags = CMD_WRITE | CMD_FAST,
     .acl = ACL_WRITE | ACL_STRING | ACL_FAST, FIRST_KEY, .key_flags = "RW access delete",
     .plan = cmd_getdel_plan, .answer = cmd_getdel_answer},
    {STRING("mset"), .syntax = "key json [key json ...]",
     .summary = "Sets many items, all or none.", .reply = "OK",
     .complexity = "O(size of the documents)", .flags = WRITE_FLAGS | CMD_ATOMIC,
     .acl = ACL_WRITE | ACL_STRING | ACL_SLOW, PAIRS_OF_KEYS, .key_flags = "OW update",
     .plan = cmd_mset_plan, .answer = cmd_mset_answer},
    {STRING("msetnx"), .syntax = "key json [key json ...]",
     .summary = "Creates many items, all or none: none when one of them is there.",
     .reply = "integer: 1 when all were created, 0 when none was",
     .complexity = "O(size of the documents)", .flags = WRITE_FLAGS | CMD_ATOMIC,
     .acl = ACL_WRITE | ACL_STRING | ACL_SLOW, PAIRS_OF_KEYS, .key_flags = "OW insert",
     .plan = cmd_msetnx_plan, .answer = cmd_msetnx_answer},
    {STRING("strlen"), .syntax = "key",
     .summary = "How many bytes an item's document has, 0 without one.", .reply = "integer",
     .complexity = "O(1)", .flags = CMD_READONLY | CMD_FAST,
     .acl = ACL_READ | ACL_STRING | ACL_FAST, FIRST_KEY, .key_flags = "RO", .run = cmd_strlen,
     .cached = cmd_strlen_cached},
    {GENERIC("del"), .syntax = "key [key ...]",
     .summary = "Deletes items logically: their history stays.",
     .reply = "integer: how many were there", .complexity = "O(keys)", .flags = CMD_WRITE,
     .acl = ACL_KEYSPACE | ACL_WRITE | ACL_SLOW, ALL_KEYS, .key_flags = "RM delete",
     .plan = cmd_del_plan, .answer = cmd_del_answer},
    {GENERIC("unlink"), .syntax = "key [key ...]", .summary = "As DEL.",
     .reply = "integer: how many were there", .complexity = "O(keys)",
     .flags = CMD_WRITE | CMD_FAST, .acl = ACL_KEYSPACE | ACL_WRITE | ACL_FAST, ALL_KEYS,
     .key_flags = "RM delete", .plan = cmd_del_plan, .answer = cmd_del_answer},
    {GENERIC("exists"), .syntax = "key [key ...]",
     .summary = "How many of the keys are live items; one that is named twice counts twice.",
     .reply = "integer", .complexity = "O(keys)", .flags = CMD_READONLY | CMD_FAST,
     .acl = ACL_KEYSPACE | ACL_READ | ACL_FAST, ALL_KEYS, .key_flags = "RO", .run = cmd_exists,
     .cached = cmd_exists_cached},
    {GENERIC("type"), .syntax = "key", .summary = "The type of what a key holds.",
     .reply = "simple string: string, or none", .complexity = "O(1)",
     .flags = CMD_READONLY | CMD_FAST, .acl = ACL_KEYSPACE | ACL_READ | ACL_FAST, FIRST_KEY,
     .key_flags = "RO", .run = cmd_type, .cached = cmd_type_cached},
    {GENERIC("scan"), .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]",
     .summary = "Walks the keys of the route's database (or of the route that MATCH begins with). "
                "An item that is there all along is answered exactly once. Cursors live in this "
                "process's memory: one that has expired is an error, and 0 starts again.",
     .reply = "array: cursor (0 at the end), array of keys",
     .complexity = "O(1) per call, O(items) for a whole walk", .flags = CMD_READONLY,
     .acl = ACL_KEYSPACE | ACL_READ | ACL_SLOW, .run = cmd_scan},
    {GENERIC("randomkey"), .syntax = "",
     .summary = "The key of any live item of the route's database.", .reply = "bulk or null",
     .complexity = "O(1)", .flags = CMD_READONLY, .acl = ACL_KEYSPACE | ACL_READ | ACL_SLOW,
     .run = cmd_randomkey},
    {.name = "dbsize",
     .group = "server",
     .since = "0.1.0",
     .syntax = "",
     .summary = "How many live items the route's database has.",
     .reply = "integer",
     .complexity = "O(collections)",
     .flags = CMD_READONLY | CMD_FAST,
     .acl = ACL_KEYSPACE | ACL_READ | ACL_FAST,
     .run = cmd_dbsize},
};

const struct command_rows rows_keys = {rows, sizeof rows / sizeof *rows};
