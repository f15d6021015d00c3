/*
 * CLIENT: looks at connections, names them, ends them. What it knows of others it asks the net.
 */
#include "commands/cmds.h"
#include "commands/dispatch.h"
#include "commands/sessions.h"

enum { LIST_BYTES = 64 * 1024 * 1024 };

/* ---- this connection ---- */

enum status cmd_client_id(struct call *call, struct err *err) {
    (void)err;
    reply_int(call->reply, call->session->id);
    return OK;
}

static bool is_printable(struct str text) {
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '!' || text.p[i] > '~') return false;
    }
    return true;
}

enum status session_check_name(struct str name, struct err *err) {
    if (!is_printable(name))
        return err_set(err, ERR_SYNTAX,
                       "Client names cannot contain spaces, newlines or special characters.");
    if (name.n >= SESSION_NAME_BYTES)
        return err_set(err, ERR_SYNTAX, "Client names have %d bytes at most.",
                       SESSION_NAME_BYTES - 1);
    return OK;
}

void session_set_name(struct session *session, struct str name) {
    memcpy(session->name, name.p, name.n);
    session->name[name.n] = '\0';
}

enum status cmd_client_setname(struct call *call, struct err *err) {
    enum status s = session_check_name(call->argv[2], err);
    if (s != OK) return s;
    session_set_name(call->session, call->argv[2]);
    reply_ok(call->reply);
    return OK;
}

enum status cmd_client_getname(struct call *call, struct err *err) {
    (void)err;
    const char *name = call->session->name;
    reply_bulk(call->reply, name[0] ? str_of(name) : STR_NONE);
    return OK;
}

enum status cmd_client_setinfo(struct call *call, struct err *err) {
    struct str option = call->argv[2], value = call->argv[3];
    struct session *session = call->session;
    bool name = str_eq_nocase(option, STR("LIB-NAME"));
    if (!name && !str_eq_nocase(option, STR("LIB-VER")))
        return err_set(err, ERR_SYNTAX, "Unrecognized option '%.*s'", STR_FMT(option));
    const char *what = name ? "LIB-NAME" : "LIB-VER";
    if (!is_printable(value))
        return err_set(err, ERR_SYNTAX, "%s cannot contain spaces, newlines or special characters.",
                       what);
    char *field = name ? session->lib_name : session->lib_version;
    size_t room = name ? sizeof session->lib_name : sizeof session->lib_version;
    if (value.n >= room)
        return err_set(err, ERR_SYNTAX, "%s has %zu bytes at most.", what, room - 1);
    memcpy(field, value.p, value.n);
    field[value.n] = '\0';
    reply_ok(call->reply);
    return OK;
}

static enum status on_off(const struct call *call, bool *ret, struct err *err) {
    struct str word = call->argv[2];
    bool on = str_eq_nocase(word, STR("ON"));
    if (!on && !str_eq_nocase(word, STR("OFF"))) return err_set(err, ERR_SYNTAX, "syntax error");
    *ret = on;
    return OK;
}

enum status cmd_client_no_evict(struct call *call, struct err *err) {
    enum status s = on_off(call, &call->session->no_evict, err);
    if (s == OK) reply_ok(call->reply);
    return s;
}

enum status cmd_client_no_touch(struct call *call, struct err *err) {
    enum status s = on_off(call, &call->session->no_touch, err);
    if (s == OK) reply_ok(call->reply);
    return s;
}

enum status cmd_client_reply(struct call *call, struct err *err) {
    struct str word = call->argv[2];
    struct session *session = call->session;
    if (str_eq_nocase(word, STR("ON"))) {
        session->reply = SESSION_REPLY_ON;
        reply_ok(call->reply);
    } else if (str_eq_nocase(word, STR("OFF"))) {
        session->reply = SESSION_REPLY_OFF;
    } else if (str_eq_nocase(word, STR("SKIP"))) {
        if (session->reply != SESSION_REPLY_OFF) session->reply = SESSION_REPLY_SKIP_NEXT;
    } else {
        return err_set(err, ERR_SYNTAX, "syntax error");
    }
    return OK;
}

/* ---- all connections ---- */

static void answer_list(struct call *call, const struct client_filter *filter) {
    struct buf lines;
    buf_init(&lines, LIST_BYTES);
    net_clients(call->app->net, filter, &lines);
    reply_verbatim(call->reply, lines.len ? buf_str(&lines) : STR(""));
    buf_release(&lines);
}

enum status cmd_client_info(struct call *call, struct err *err) {
    (void)err;
    struct client_filter filter = {.ids = &call->session->id, .id_count = 1};
    answer_list(call, &filter);
    return OK;
}

static enum status read_type(struct str word, bool *ret_normal, struct err *err) {
    static const char *const others[] = {"master", "replica", "slave", "pubsub"};
    *ret_normal = str_eq_nocase(word, STR("normal"));
    if (*ret_normal) return OK;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (str_eq_nocase(word, str_of(others[i]))) return OK;
    }
    return err_set(err, ERR_SYNTAX, "Unknown client type '%.*s'", STR_FMT(word));
}

static enum status read_ids(struct call *call, int from, int count, struct client_filter *filter,
                            struct err *err) {
    int64_t *ids = arena_alloc(call->arena, sizeof *ids * (size_t)count);
    for (int i = 0; i < count; i++) {
        if (!str_to_int(call->argv[from + i], &ids[i]) || ids[i] < 1)
            return err_set(err, ERR_SYNTAX, "Invalid client ID");
    }
    filter->ids = ids;
    filter->id_count = count;
    return OK;
}

enum status cmd_client_list(struct call *call, struct err *err) {
    struct client_filter filter = {0};
    bool normal = true;
    int at = 2;
    if (call->argc > at + 1 && str_eq_nocase(call->argv[at], STR("TYPE"))) {
        enum status s = read_type(call->argv[at + 1], &normal, err);
        if (s != OK) return s;
        at += 2;
    }
    if (call->argc > at + 1 && str_eq_nocase(call->argv[at], STR("ID"))) {
        enum status s = read_ids(call, at + 1, call->argc - at - 1, &filter, err);
        if (s != OK) return s;
        at = call->argc;
    }
    if (at < call->argc) return err_set(err, ERR_SYNTAX, "syntax error");
    if (normal)
        answer_list(call, &filter);
    else
        reply_verbatim(call->reply, STR(""));
    return OK;
}

/* ---- KILL ---- */

struct kill {
    struct client_filter filter;
    bool normal, skip_me;
};

static enum status yes_no(struct str word, bool *ret, struct err *err) {
    bool yes = str_eq_nocase(word, STR("yes"));
    if (!yes && !str_eq_nocase(word, STR("no"))) return err_set(err, ERR_SYNTAX, "syntax error");
    *ret = yes;
    return OK;
}

static enum status read_user(struct call *call, struct str name, struct kill *kill,
                             struct err *err) {
    if (!str_eq(name, STR("default")))
        return err_set(err, ERR_SYNTAX, "No such user '%.*s'", STR_FMT(name));
    kill->filter.user = arena_dup(call->arena, name).p;
    return OK;
}

static enum status read_max_age(struct str word, struct kill *kill, struct err *err) {
    if (!str_to_int(word, &kill->filter.max_age_s))
        return err_set(err, ERR_SYNTAX, "maxage is not an integer or out of range");
    if (kill->filter.max_age_s <= 0)
        return err_set(err, ERR_SYNTAX, "maxage should be greater than 0");
    return OK;
}

/* One filter: argv[at] and its value. */
static enum status read_filter(struct call *call, int at, struct kill *kill, struct err *err) {
    struct str word = call->argv[at], value = call->argv[at + 1];
    if (str_eq_nocase(word, STR("ID"))) {
        enum status s = read_ids(call, at + 1, 1, &kill->filter, err);
        return s == OK ? OK : err_set(err, ERR_SYNTAX, "client-id should be greater than 0");
    }
    if (str_eq_nocase(word, STR("TYPE"))) return read_type(value, &kill->normal, err);
    if (str_eq_nocase(word, STR("USER"))) return read_user(call, value, kill, err);
    if (str_eq_nocase(word, STR("SKIPME"))) return yes_no(value, &kill->skip_me, err);
    if (str_eq_nocase(word, STR("MAXAGE"))) return read_max_age(value, kill, err);
    if (str_eq_nocase(word, STR("ADDR")))
        kill->filter.addr = arena_dup(call->arena, value).p;
    else if (str_eq_nocase(word, STR("LADDR")))
        kill->filter.laddr = arena_dup(call->arena, value).p;
    else
        return err_set(err, ERR_SYNTAX, "syntax error");
    return OK;
}

/* The connection ends itself when its reply is sent. */
static int64_t end_clients(struct call *call, const struct kill *kill) {
    bool self = false;
    if (!kill->normal) return 0;
    int64_t killed = net_kill(call->app->net, &kill->filter, call->session->id, &self);
    if (self) call->session->closing = true;
    return killed;
}

enum status cmd_client_kill(struct call *call, struct err *err) {
    struct kill kill = {.normal = true, .skip_me = true};
    if (call->argc == 3) { /* the old form: an address, which may be one's own */
        kill.filter.addr = arena_dup(call->arena, call->argv[2]).p;
        if (end_clients(call, &kill) == 0) return err_set(err, ERR_SYNTAX, "No such client");
        reply_ok(call->reply);
        return OK;
    }
    if (call->argc % 2 != 0) return err_set(err, ERR_SYNTAX, "syntax error");
    for (int i = 2; i < call->argc; i += 2) {
        enum status s = read_filter(call, i, &kill, err);
        if (s != OK) return s;
    }
    kill.filter.skip_id = kill.skip_me ? call->session->id : 0;
    reply_int(call->reply, end_clients(call, &kill));
    return OK;
}
