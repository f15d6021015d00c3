/*
 * CHRONOS.ADMIN HEALTH and VERIFY, CHRONOS.USE and ROUTE, CHRONOS.OPSTATUS.
 */
#include "commands/cmds.h"
#include "commands/options.h"
#include "config/config.h"

/* ---- ADMIN ---- */

enum status cmd_admin_health(struct call *call, struct err *err) {
    struct meta_health health;
    struct err why;
    int64_t blob_us = 0;
    struct reply *r = call->reply;
    (void)err; /* a backend that is ill is an answer, not an error */
    enum status s = engine_health(call->worker, call->arena, &health, &blob_us, &why);
    if (s != OK) health = (struct meta_health){.detail = str_of(why.msg)};
    bool ok = s == OK && health.writable;
    reply_map(r, 2);
    reply_pair_bool(r, "ok", ok);
    reply_bulk(r, STR("backends"));
    reply_array(r, 1);
    reply_map(r, 10);
    reply_pair_str(r, "id", STR("embedded"));
    reply_pair_str(r, "kind", STR("embedded"));
    reply_pair_bool(r, "ok", ok);
    reply_pair_int(r, "pingUs", health.ping_us);
    reply_pair_int(r, "payloadPingUs", blob_us);
    reply_pair_int(r, "lag", 0);
    reply_pair_int(r, "logBytes", health.log_bytes);
    reply_pair_int(r, "fileBytes", health.file_bytes);
    reply_pair_bool(r, "writable", health.writable);
    reply_pair_str(r, "detail", health.detail);
    return OK;
}

enum status cmd_admin_verify(struct call *call, struct err *err) {
    struct key key;
    struct place place;
    struct verify_report v;
    enum status s = key_parse(call->argv[2], call->arena, &key, err);
    if (s == OK)
        s = engine_place(call->engine, &key, call_route(call), false, call->arena, &place, err);
    if (s != OK) return s;
    if (place.coll.no == 0) return err_set(err, ERR_NOTFOUND, "%.*s", STR_FMT(place.answer));
    s = read_verify(call->worker, &place, call->arena, &v, err);
    if (s != OK) return s;
    struct reply *r = call->reply;
    reply_map(r, 12);
    reply_pair_str(r, "key", place.answer);
    reply_pair_bool(r, "ok", v.missing == 0 && v.corrupt == 0 && v.totals_agree);
    reply_pair_int(r, "versions", v.versions);
    reply_pair_int(r, "bytes", v.bytes);
    reply_pair_int(r, "missing", v.missing);
    reply_pair_int(r, "corrupt", v.corrupt);
    reply_pair_str(r, "first", v.first);
    reply_pair_int(r, "created", v.created);
    reply_pair_int(r, "updated", v.updated);
    reply_pair_int(r, "deleted", v.deleted);
    reply_pair_int(r, "live", v.live);
    reply_pair_bool(r, "totalsAgree", v.totals_agree);
    return OK;
}

/* ---- routes ---- */

/* What a session keeps for USE DB name is db:name; shown as the client gave it. */
static struct str route_name(struct str session_route, struct str database) {
    return session_route.p && !str_starts_with(session_route, STR("db:")) ? session_route
                                                                          : database;
}

static enum status show_route(struct call *call, struct err *err) {
    struct str database;
    const char *why;
    enum status s = engine_route(call->engine, STR_NONE, call_route(call), &database, &why, err);
    if (s != OK) return s;
    reply_map(call->reply, 3);
    reply_pair_str(call->reply, "route", route_name(call_route(call), database));
    reply_pair_str(call->reply, "database", database);
    reply_pair_str(call->reply, "from", str_of(why));
    return OK;
}

static enum status set_route(struct call *call, struct str route, struct err *err) {
    if (route.n >= SESSION_ROUTE_BYTES)
        return err_set(err, ERR_VALIDATION, "a route has %d bytes at most",
                       SESSION_ROUTE_BYTES - 1);
    if (route.n > 0) {
        enum status s = engine_check_route(call->engine, route, err);
        if (s != OK) return s;
        memcpy(call->session->route, route.p, route.n);
    }
    call->session->route[route.n] = '\0';
    reply_ok(call->reply);
    return OK;
}

enum status cmd_use(struct call *call, struct err *err) {
    if (call->argc == 1) return show_route(call, err);
    struct str word = call->argv[1];
    bool by_database = str_eq_nocase(word, STR("DB"));
    if (call->argc == 2 && str_eq_nocase(word, STR("DEFAULT")))
        return set_route(call, STR(""), err);
    if (call->argc == 2 && by_database)
        return err_set(err, ERR_SYNTAX, "USE DB needs the database's name");
    if (call->argc == 2) {
        struct str route = word;
        if (route.n == 0) return err_set(err, ERR_VALIDATION, "the route is empty");
        if (str_starts_with(route, STR("db:")))
            return err_set(err, ERR_NOROUTE, "no route is named so; USE DB name takes a database");
        return set_route(call, route, err);
    }
    if (by_database && call->argc == 3) {
        struct str name = call->argv[2];
        return set_route(call, arena_printf(call->arena, "db:%.*s", STR_FMT(name)), err);
    }
    if (by_database && call->argc == 5 && str_eq_nocase(call->argv[3], STR("TENANT")))
        return err_set(err, ERR_NOROUTE, "this server's databases have no tenants");
    return err_set(err, ERR_SYNTAX, "USE takes DEFAULT, a route, or DB name [TENANT tenant]");
}

enum status cmd_route(struct call *call, struct err *err) {
    struct key key = {0};
    struct str database;
    const char *why;
    enum status s = OK;
    if (call->argc == 2) s = key_parse(call->argv[1], call->arena, &key, err);
    if (s == OK) s = engine_route(call->engine, key.route, call_route(call), &database, &why, err);
    if (s != OK) return s;
    struct str route = key.route.p ? key.route : route_name(call_route(call), database);
    struct reply *r = call->reply;
    reply_map(r, 7);
    reply_pair_str(r, "key", key.text);
    reply_pair_str(r, "collection", key.collection);
    reply_pair_str(r, "id", key.id);
    reply_pair_str(r, "route", route);
    reply_pair_str(r, "database", database);
    reply_pair_str(r, "backend", STR("embedded"));
    reply_pair_str(r, "from", str_of(why));
    return OK;
}

/* ---- OPSTATUS ---- */

static void pair_number(struct reply *r, const char *name, int64_t n) {
    reply_bulk(r, str_of(name));
    if (n < 0)
        reply_null(r);
    else
        reply_int(r, n);
}

enum status cmd_opstatus(struct call *call, struct err *err) {
    struct options o;
    struct place place;
    struct str database, op_id = call->argv[1];
    struct op_answer op = {.ov = -1, .cv = -1};
    enum status s = options_parse(call, 2, &o, err);
    if (s == OK) s = argument_opid(op_id, err);
    if (s == OK) s = engine_route(call->engine, STR_NONE, call_route(call), &database, NULL, err);
    if (s == OK && o.key.p) s = call_item(call, o.key, false, &place, err);
    if (s != OK) return s;
    if (o.key.p) database = place.coll.database;
    bool looks = o.key.p && place.coll.no != 0;
    s = read_op(call->worker, database, op_id, looks ? &place : NULL, call->arena, &op, err);
    if (s != OK) return s;
    bool committed = strcmp(op.status, "committed") == 0;
    reply_map(call->reply, 5);
    reply_pair_str(call->reply, "opId", op_id);
    reply_pair_str(call->reply, "status", str_of(op.status));
    reply_pair_str(call->reply, "key", op.key);
    pair_number(call->reply, "ov", committed ? op.ov : -1);
    pair_number(call->reply, "cv", committed ? op.cv : -1);
    return OK;
}
