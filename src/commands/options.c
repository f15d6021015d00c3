/*
 * One row per option: what follows it and where it is kept. options_parse walks the words; `read_*`
 * take what follows.
 */
#include "commands/options.h"

#include "base/clock.h"
#include "commands/table.h"

enum option_kind { KIND_FLAG, KIND_TEXT, KIND_OPID, KIND_ORIGIN, KIND_LIST, KIND_INT, KIND_TIME };

enum { PRESIGN_MAX_S = 7 * 24 * 3600, COUNT_MAX = INT32_MAX };

struct option_row {
    const char *name;
    enum option_kind kind;
    uint32_t bit;
    uint32_t excludes; /* these may not be given beside it */
    size_t at;         /* offset in struct options */
    int64_t min, max;  /* KIND_INT */
};

#define FIELD(member) offsetof(struct options, member)

static const struct option_row rows[] = {
    {.name = "ACTOR", .kind = KIND_TEXT, .bit = OPTION_ACTOR, .at = FIELD(actor)},
    {.name = "REASON", .kind = KIND_TEXT, .bit = OPTION_REASON, .at = FIELD(reason)},
    {.name = "OPID", .kind = KIND_OPID, .bit = OPTION_OPID, .at = FIELD(op_id)},
    {.name = "SYNC", .kind = KIND_FLAG, .bit = OPTION_SYNC},
    {.name = "IFOV", .kind = KIND_INT, .bit = OPTION_IFOV, .at = FIELD(if_ov), .max = INT64_MAX},
    {.name = "PARENT", .kind = KIND_TEXT, .bit = OPTION_PARENT, .at = FIELD(parent)},
    {.name = "ORIGIN", .kind = KIND_ORIGIN, .bit = OPTION_ORIGIN, .at = FIELD(origin)},
    {.name = "FUNC", .kind = KIND_TEXT, .bit = OPTION_FUNC, .at = FIELD(function_id)},
    {.name = "UPSERT", .kind = KIND_FLAG, .bit = OPTION_UPSERT},
    {.name = "UNDELETE", .kind = KIND_FLAG, .bit = OPTION_UNDELETE},
    {.name = "META", .kind = KIND_FLAG, .bit = OPTION_META},
    {.name = "FIELDS", .kind = KIND_LIST, .bit = OPTION_FIELDS},
    {.name = "DELETED", .kind = KIND_FLAG, .bit = OPTION_DELETED},
    {.name = "HIDDEN", .kind = KIND_FLAG, .bit = OPTION_HIDDEN},
    {.name = "PRESIGN",
     .kind = KIND_INT,
     .bit = OPTION_PRESIGN,
     .at = FIELD(presign_s),
     .min = 1,
     .max = PRESIGN_MAX_S},
    {.name = "TEXT", .kind = KIND_FLAG, .bit = OPTION_TEXT},
    {.name = "FROM", .kind = KIND_INT, .bit = OPTION_FROM, .at = FIELD(from_ov), .max = INT64_MAX},
    {.name = "TO", .kind = KIND_INT, .bit = OPTION_TO, .at = FIELD(to_ov), .max = INT64_MAX},
    {.name = "SINCE", .kind = KIND_TIME, .bit = OPTION_SINCE, .at = FIELD(since_ms)},
    {.name = "UNTIL", .kind = KIND_TIME, .bit = OPTION_UNTIL, .at = FIELD(until_ms)},
    {.name = "REV", .kind = KIND_FLAG, .bit = OPTION_REV},
    {.name = "COUNT",
     .kind = KIND_INT,
     .bit = OPTION_COUNT,
     .at = FIELD(count),
     .min = 1,
     .max = COUNT_MAX},
    {.name = "DOCS", .kind = KIND_FLAG, .bit = OPTION_DOCS},
    {.name = "AT", .kind = KIND_TIME, .bit = OPTION_AT, .excludes = OPTION_OV, .at = FIELD(at_ms)},
    {.name = "OV",
     .kind = KIND_INT,
     .bit = OPTION_OV,
     .excludes = OPTION_AT,
     .at = FIELD(ov),
     .max = INT64_MAX},
    {.name = "KEY", .kind = KIND_TEXT, .bit = OPTION_KEY, .at = FIELD(key)},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

static const struct option_row *row_find(struct str name) {
    for (int i = 0; i < ROW_COUNT; i++) {
        if (str_eq_nocase(name, str_of(rows[i].name))) return &rows[i];
    }
    return NULL;
}

static const char *row_name(uint32_t bit) {
    for (int i = 0; i < ROW_COUNT; i++) {
        if (rows[i].bit & bit) return rows[i].name;
    }
    return "";
}

uint32_t option_bit(struct str name) {
    const struct option_row *row = row_find(name);
    return row ? row->bit : 0;
}

/* The names of what a command takes, for the error about what it does not. */
static enum status unknown_option(const struct call *call, struct str word, struct err *err) {
    uint32_t allowed = call->entry->options;
    struct buf names;
    buf_init(&names, ERR_MSG_BYTES);
    for (int i = 0; i < ROW_COUNT; i++) {
        if (rows[i].bit & allowed) buf_printf(&names, "%s%s", names.len ? " " : "", rows[i].name);
    }
    word.n = word.n > 64 ? 64 : word.n;
    if (names.len)
        (void)err_set(err, ERR_SYNTAX, "unknown option '%.*s': %s takes %.*s", STR_FMT(word),
                      call->command->name, STR_FMT(buf_str(&names)));
    else
        (void)err_set(err, ERR_SYNTAX, "unknown option '%.*s': %s takes none", STR_FMT(word),
                      call->command->name);
    buf_release(&names);
    return ERR_SYNTAX;
}

static enum status check_text(struct str text, const char *what, struct err *err) {
    size_t bad;
    if (text.n > OPTION_TEXT_BYTES)
        return err_set(err, ERR_VALIDATION, "%s has %zu bytes, the most is %d", what, text.n,
                       OPTION_TEXT_BYTES);
    if (!str_is_utf8(text, &bad))
        return err_set(err, ERR_VALIDATION, "%s is not valid UTF-8 at its byte %zu", what, bad);
    return OK;
}

enum status argument_opid(struct str text, struct err *err) {
    if (text.n == 0 || text.n > OPTION_OPID_BYTES)
        return err_set(err, ERR_VALIDATION, "an OPID has 1 to %d bytes, not %zu", OPTION_OPID_BYTES,
                       text.n);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c == 0x7f)
            return err_set(err, ERR_VALIDATION, "the OPID has a control character at its byte %zu",
                           i);
    }
    return check_text(text, "the OPID", err);
}

enum status argument_int(struct str text, const char *what, int64_t min, int64_t max, int64_t *ret,
                         struct err *err) {
    int64_t value;
    if (!str_to_int(text, &value))
        return err_set(err, ERR_SYNTAX, "%s is not an integer or out of range", what);
    if (value < min)
        return err_set(err, ERR_SYNTAX, "%s is %lld, the least is %lld", what, (long long)value,
                       (long long)min);
    if (value > max)
        return err_set(err, ERR_SYNTAX, "%s is %lld, the most is %lld", what, (long long)value,
                       (long long)max);
    *ret = value;
    return OK;
}

enum status argument_time(struct str text, const char *what, int64_t *ret_ms, struct err *err) {
    struct err why;
    enum status s = clock_parse(text, ret_ms, &why);
    return s == OK ? OK : err_set(err, s, "%s: %s", what, why.msg);
}

/* FIELDS n path ...: n paths follow. */
static enum status read_fields(const struct call *call, int *at, struct options *ret,
                               struct err *err) {
    int64_t n;
    enum status s = argument_int(call->argv[*at], "FIELDS' count", 1, COUNT_MAX, &n, err);
    if (s != OK) return s;
    (*at)++;
    if (n > call->argc - *at)
        return err_set(err, ERR_SYNTAX, "FIELDS counts %lld paths, but %d words follow",
                       (long long)n, call->argc - *at);
    ret->fields = &call->argv[*at];
    ret->field_count = n;
    *at += (int)n;
    return OK;
}

static enum status read_origin(const struct call *call, int *at, struct options *ret,
                               struct err *err) {
    if (call->argc - *at < 3)
        return err_set(err, ERR_SYNTAX, "ORIGIN takes three words: system, collection, id");
    for (int i = 0; i < 3; i++) {
        ret->origin[i] = call->argv[(*at)++];
        enum status s = check_text(ret->origin[i], "ORIGIN", err);
        if (s != OK) return s;
    }
    return OK;
}

/* What follows the option's name, from argv[*at] on. */
static enum status read_value(const struct call *call, const struct option_row *row, int *at,
                              struct options *ret, struct err *err) {
    if (row->kind == KIND_FLAG) return OK;
    if (*at >= call->argc) return err_set(err, ERR_SYNTAX, "option %s needs a value", row->name);
    void *field = (char *)ret + row->at;
    struct str word = call->argv[*at];
    switch (row->kind) {
    case KIND_LIST:
        return read_fields(call, at, ret, err);
    case KIND_ORIGIN:
        return read_origin(call, at, ret, err);
    case KIND_INT:
        (*at)++;
        return argument_int(word, row->name, row->min, row->max, field, err);
    case KIND_TIME:
        (*at)++;
        return argument_time(word, row->name, field, err);
    case KIND_OPID:
    case KIND_TEXT:
        break;
    case KIND_FLAG:
    default:
        ASSERT(false);
    }
    (*at)++;
    memcpy(field, &word, sizeof word);
    return row->kind == KIND_OPID ? argument_opid(word, err) : check_text(word, row->name, err);
}

enum status options_parse(const struct call *call, int from, struct options *ret, struct err *err) {
    uint32_t allowed = call->entry->options;
    struct options options = {.if_ov = -1};
    for (int at = from; at < call->argc;) {
        const struct option_row *row = row_find(call->argv[at]);
        if (!row || !(row->bit & allowed)) return unknown_option(call, call->argv[at], err);
        if (options.given & row->bit)
            return err_set(err, ERR_SYNTAX, "option %s is given twice", row->name);
        if (options.given & row->excludes)
            return err_set(err, ERR_SYNTAX, "options %s and %s exclude each other",
                           row_name(options.given & row->excludes), row->name);
        at++;
        enum status s = read_value(call, row, &at, &options, err);
        if (s != OK) return s;
        options.given |= row->bit;
    }
    *ret = options;
    return OK;
}
