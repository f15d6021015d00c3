/*
 * The rows of the CHRONOS commands.
 */
#include "commands/cmds.h"
#include "commands/table.h"

#define WRITE_OPTIONS " [ACTOR actor] [REASON reason] [OPID opid] [SYNC]"
#define READ_OPTIONS                                                                               \
    " [META] [FIELDS n path [path ...]] [DELETED] [HIDDEN] [PRESIGN seconds] [TEXT]"
#define WRITE_FLAGS    CMD_WRITE | CMD_DENYOOM
#define WRITE_ACL      ACL_WRITE | ACL_CHRONOS | ACL_SLOW
#define READ_ACL       ACL_READ | ACL_CHRONOS | ACL_SLOW
#define FIRST_KEY      .first_key = 1, .last_key = 1, .key_step = 1
#define CHRONOS(label) .name = label, .group = "chronos", .since = "0.1.0"

static const struct command rows[] = {
    {CHRONOS("chronos.create"),
     .syntax =
         "key json [PARENT parent-key] [ORIGIN system collection id] [FUNC function]" WRITE_OPTIONS,
     .summary = "Creates an item, version 0. With a collection key the server mints the id; an id "
                "that was ever there is EXISTS.",
     .reply = "map: key, id, ov, cv, createdAt, opId, state",
     .complexity = "O(size of the document)", .flags = WRITE_FLAGS, .acl = WRITE_ACL, FIRST_KEY,
     .key_flags = "RW insert", .plan = cmd_create_plan, .answer = cmd_create_answer},
    {CHRONOS("chronos.update"), .syntax = "key json [UPSERT] [UNDELETE] [IFOV ov]" WRITE_OPTIONS,
     .summary = "Replaces an item's document (never a merge). A deleted item is NOTFOUND unless "
                "UNDELETE is given, one that never was unless UPSERT is.",
     .reply = "map: key, id, ov, cv, updatedAt, opId, state",
     .complexity = "O(size of the document)", .flags = WRITE_FLAGS, .acl = WRITE_ACL, FIRST_KEY,
     .key_flags = "RW update", .plan = cmd_update_plan, .answer = cmd_update_answer},
    {CHRONOS("chronos.delete"), .syntax = "key [IFOV ov]" WRITE_OPTIONS,
     .summary = "Deletes an item logically: one more version; the payload and the history stay. A "
                "second delete is NOTFOUND.",
     .reply = "map: key, id, ov, cv, deletedAt, opId, state", .complexity = "O(1)",
     .flags = WRITE_FLAGS, .acl = WRITE_ACL, FIRST_KEY, .key_flags = "RW delete",
     .plan = cmd_delete_plan, .answer = cmd_delete_answer},
    {CHRONOS("chronos.enrich"), .syntax = "key json [FUNC function] [IFOV ov]" WRITE_OPTIONS,
     .summary =
         "Merges one patch, or a JSON array of patches, deeply into an item: one new version.",
     .reply = "map: key, id, ov, cv, updatedAt, opId, state, functionIds",
     .complexity = "O(size of the document + size of the patches)", .flags = WRITE_FLAGS,
     .acl = WRITE_ACL, FIRST_KEY, .key_flags = "RW access update", .plan = cmd_enrich_plan,
     .answer = cmd_enrich_answer},
    {CHRONOS("chronos.bulk"), .syntax = "key n json [json ...]" WRITE_OPTIONS,
     .summary =
         "Creates n items of a collection in one commit, each answered by itself. OPID names "
         "the whole command, its elements are <opid>.0, <opid>.1, ...",
     .reply = "array of maps (as CHRONOS.CREATE) or errors",
     .complexity = "O(size of the documents)", .flags = WRITE_FLAGS, .acl = WRITE_ACL, FIRST_KEY,
     .key_flags = "RW insert", .plan = cmd_bulk_plan, .answer = cmd_bulk_answer},
    {CHRONOS("chronos.restore"), .syntax = "key <OV ov | AT time> [IFOV ov]" WRITE_OPTIONS,
     .summary = "Writes a new version equal to an old one; undeletes. Restoring to what is already "
                "there changes nothing and says so.",
     .reply = "map: key, id, ov, cv, updatedAt, opId, state, restoredFrom, changed",
     .complexity = "O(size of the document)", .flags = WRITE_FLAGS, .acl = WRITE_ACL, FIRST_KEY,
     .key_flags = "RW update", .plan = cmd_restore_plan, .answer = cmd_restore_answer},
    {CHRONOS("chronos.get"), .syntax = "key" READ_OPTIONS,
     .summary = "An item's document as it is now: exactly the bytes stored, unless FIELDS asks for "
                "a part.",
     .reply =
         "bulk or null; with META or PRESIGN a map or null: doc, id, ov, cv, at, op, verb, "
         "actor, reason, functionId, opId, state, size, checksum, deleted, deletedAt, presigned",
     .complexity = "O(size of the document)", .flags = CMD_READONLY | CMD_FAST,
     .acl = ACL_READ | ACL_CHRONOS | ACL_FAST, FIRST_KEY, .key_flags = "RO access",
     .run = cmd_chronos_get, .cached = cmd_chronos_get_cached},
    {CHRONOS("chronos.getversion"), .syntax = "key ov" READ_OPTIONS,
     .summary = "A version of an item, by its number.", .reply = "as CHRONOS.GET",
     .complexity = "O(size of the document)", .flags = CMD_READONLY, .acl = READ_ACL, FIRST_KEY,
     .key_flags = "RO access", .run = cmd_getversion, .cached = cmd_getversion_cached},
    {CHRONOS("chronos.getasof"), .syntax = "key time" READ_OPTIONS,
     .summary = "An item as it was at an instant: ISO 8601 with a zone, or Unix milliseconds. A "
                "time in the future is an error.",
     .reply = "as CHRONOS.GET", .complexity = "O(log versions + size of the document)",
     .flags = CMD_READONLY, .acl = READ_ACL, FIRST_KEY, .key_flags = "RO access",
     .run = cmd_getasof, .cached = cmd_getasof_cached},
    {CHRONOS("chronos.mget"), .syntax = "numkeys key [key ...] [AT time]" READ_OPTIONS,
     .summary = "Many documents of one snapshot, now or as of an instant.",
     .reply = "array of bulk or null, of maps or null with META",
     .complexity = "O(size of the documents)", .flags = CMD_READONLY, .acl = READ_ACL, .key_num = 1,
     .key_flags = "RO access", .run = cmd_chronos_mget, .cached = cmd_chronos_mget_cached},
    {CHRONOS("chronos.history"),
     .syntax =
         "key [FROM ov] [TO ov] [SINCE time] [UNTIL time] [REV] [COUNT count] [DOCS] [HIDDEN]",
     .summary =
         "An item's versions, oldest first, ends included; 1,000 unless COUNT says otherwise.",
     .reply = "array of maps: ov, cv, at, op, verb, actor, reason, functionId, opId, state, size, "
              "checksum, deleted, deletedAt, with DOCS doc",
     .complexity = "O(versions answered)", .flags = CMD_READONLY, .acl = READ_ACL, FIRST_KEY,
     .key_flags = "RO access", .run = cmd_history},
    {CHRONOS("chronos.diff"), .syntax = "key ov1 ov2 [HIDDEN]",
     .summary = "The JSON Patch (RFC 6902) that turns one version's document into the other's.",
     .reply = "bulk: a JSON array", .complexity = "O(size of the documents)", .flags = CMD_READONLY,
     .acl = READ_ACL, FIRST_KEY, .key_flags = "RO access", .run = cmd_diff},
    {CHRONOS("chronos.blame"), .syntax = "key [path] [HIDDEN]",
     .summary = "For each leaf of the document, or those below a path: the version that set its "
                "present value. A member named hidden is the path /hidden.",
     .reply = "map or null: JSON Pointer -> map: ov, at, actor, reason",
     .complexity = "O(versions * size of the document)", .flags = CMD_READONLY, .acl = READ_ACL,
     FIRST_KEY, .key_flags = "RO access", .run = cmd_blame},
    {CHRONOS("chronos.opstatus"), .syntax = "opid [KEY key]",
     .summary = "What became of a write request: committed, pending, dead (never will be) or "
                "unknown. KEY looks through that item's versions too.",
     .reply = "map: opId, status, key, ov, cv", .complexity = "O(1), with KEY O(versions)",
     .flags = CMD_READONLY, .acl = READ_ACL, .key_word = "KEY", .key_flags = "RO access",
     .run = cmd_opstatus},
    {CHRONOS("chronos.use"), .syntax = "[DEFAULT | route | DB name [TENANT tenant]]",
     .summary = "Sets the connection's route, or shows it. Clients do not replay it when they "
                "reconnect: it is for people and dedicated connections.",
     .reply = "OK; without arguments a map: route, database, from", .complexity = "O(1)",
     .flags = CMD_STATE | CMD_FAST | CMD_NOSCRIPT, .acl = ACL_CONNECTION | ACL_CHRONOS | ACL_FAST,
     .run = cmd_use},
    {CHRONOS("chronos.route"), .syntax = "[key]", .summary = "Where a key goes, and why.",
     .reply = "map: key, collection, id, route, database, backend, from", .complexity = "O(1)",
     .flags = CMD_READONLY | CMD_REACTOR | CMD_FAST, .acl = ACL_READ | ACL_CHRONOS | ACL_FAST,
     FIRST_KEY, .key_flags = "RO", .run = cmd_route},
    {CHRONOS("chronos.admin"), .syntax = "subcommand [argument ...]",
     .summary = "Looks after the server and its stores.", .reply = "by subcommand",
     .complexity = "by subcommand", .flags = CMD_ADMIN | CMD_NOSCRIPT,
     .acl = ACL_ADMIN | ACL_DANGEROUS | ACL_CHRONOS | ACL_SLOW},
    {CHRONOS("chronos.admin|health"), .syntax = "",
     .summary = "Asks each backend whether it is well.",
     .reply =
         "map: ok, backends (array of maps: id, kind, ok, pingUs, payloadPingUs, lag, logBytes, "
         "fileBytes, writable, detail)",
     .complexity = "O(backends)", .flags = CMD_ADMIN | CMD_NOSCRIPT,
     .acl = ACL_ADMIN | ACL_DANGEROUS | ACL_CHRONOS | ACL_SLOW, .run = cmd_admin_health},
    {CHRONOS("chronos.admin|verify"), .syntax = "key",
     .summary =
         "Reads every payload of an item or a collection again and compares checksums, order "
         "and totals.",
     .reply = "map: key, ok, versions, bytes, missing, corrupt, first, created, updated, deleted, "
              "live, totalsAgree",
     .complexity = "O(bytes of all versions)", .flags = CMD_ADMIN | CMD_READONLY | CMD_NOSCRIPT,
     .acl = ACL_ADMIN | ACL_DANGEROUS | ACL_CHRONOS | ACL_SLOW | ACL_READ, .first_key = 2,
     .last_key = 2, .key_step = 1, .key_flags = "RO access", .run = cmd_admin_verify},
    {CHRONOS("chronos.admin|help"), .syntax = "", .summary = "Prints this help.",
     .reply = "array of lines", .complexity = "O(1)",
     .flags = CMD_REACTOR | CMD_LOADING | CMD_STALE, .acl = ACL_CHRONOS | ACL_SLOW,
     .run = cmd_help},
};

const struct command_rows rows_chronos = {rows, sizeof rows / sizeof *rows};
