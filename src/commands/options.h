/*
 * options: reads the options of all CHRONOS commands. One table says what each looks like; which of
 * them a command takes is in its row's syntax. Case-insensitive, in any order, after the positional
 * arguments. An unknown, repeated or contradicting option, a bad number or a time is ERR and names
 * the option; a text that breaks a rule is VALIDATION. Any thread.
 */
#ifndef COMMANDS_OPTIONS_H
#define COMMANDS_OPTIONS_H

#include "base/json.h"
#include "commands/call.h"

enum option {
    OPTION_ACTOR = 1 << 0,
    OPTION_REASON = 1 << 1,
    OPTION_OPID = 1 << 2,
    OPTION_SYNC = 1 << 3,
    OPTION_IFOV = 1 << 4,
    OPTION_PARENT = 1 << 5,
    OPTION_ORIGIN = 1 << 6,
    OPTION_FUNC = 1 << 7,
    OPTION_UPSERT = 1 << 8,
    OPTION_UNDELETE = 1 << 9,
    OPTION_META = 1 << 10,
    OPTION_FIELDS = 1 << 11,
    OPTION_DELETED = 1 << 12,
    OPTION_HIDDEN = 1 << 13,
    OPTION_PRESIGN = 1 << 14,
    OPTION_TEXT = 1 << 15,
    OPTION_FROM = 1 << 16,
    OPTION_TO = 1 << 17,
    OPTION_SINCE = 1 << 18,
    OPTION_UNTIL = 1 << 19,
    OPTION_REV = 1 << 20,
    OPTION_COUNT = 1 << 21,
    OPTION_DOCS = 1 << 22,
    OPTION_AT = 1 << 23,
    OPTION_OV = 1 << 24,
    OPTION_KEY = 1 << 25,
};

enum { OPTION_TEXT_BYTES = 1024, OPTION_OPID_BYTES = 128 };

struct options {
    uint32_t given;                                            /* bits of enum option */
    struct str actor, reason, op_id, function_id, parent, key; /* STR_NONE: not given */
    struct str origin[3];                                      /* system, collection, id */
    const struct str *fields; /* slices of argv; parsed by the reader of documents */
    int64_t field_count;
    int64_t if_ov, presign_s, from_ov, to_ov, count, ov;
    int64_t since_ms, until_ms, at_ms;
};

/* Parses call->argv from `from` on by the row of call->command. Borrows from argv. */
MUST_CHECK enum status options_parse(const struct call *call, int from, struct options *ret,
                                     struct err *err);
/* The bit of an option's name, 0 for none. */
uint32_t option_bit(struct str name);

/* Positional arguments. ERR names what it is: "numkeys", "ov". */
MUST_CHECK enum status argument_int(struct str text, const char *what, int64_t min, int64_t max,
                                    int64_t *ret, struct err *err);
MUST_CHECK enum status argument_time(struct str text, const char *what, int64_t *ret_ms,
                                     struct err *err);
/* An OPID: 1 to OPTION_OPID_BYTES of UTF-8 without control characters. */
MUST_CHECK enum status argument_opid(struct str text, struct err *err);

#endif
