/*
 * SCAN, DBSIZE and RANDOMKEY: the items of one database, the route's.
 *
 * A SCAN walks in key order and remembers the last item that it looked at (cursors.h), so an item
 * that is there all along is answered exactly once, whatever comes and goes beside it. COUNT is how
 * many items one call looks at. A pattern that begins with a collection's name walks that
 * collection only; one that begins with a route walks that route's database, and its keys have the
 * route.
 */
#include "commands/cmds.h"
#include "commands/cursors.h"
#include "commands/dispatch.h"
#include "commands/options.h"
#include "config/config.h"

enum { COUNT_DEFAULT = 10, COUNT_MOST = 10000 };

struct scan {
    struct str pattern; /* of collection:id, without the route; STR_NONE: everything */
    struct str route;   /* that the pattern begins with; STR_NONE */
    struct str only;    /* the one collection that can match; STR_NONE: any */
    int64_t count;
    bool nothing; /* TYPE of something that no item is */
};

static bool is_glob_char(char c) {
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

/* What the pattern says before its first special character. */
static void read_pattern(struct scan *scan, struct str pattern) {
    size_t plain = 0;
    while (plain < pattern.n && !is_glob_char(pattern.p[plain])) plain++;
    struct str head = {pattern.p, plain};
    ptrdiff_t colon = str_find_char(head, ':');
    ptrdiff_t slash = str_find_char(colon < 0 ? head : (struct str){head.p, (size_t)colon}, '/');
    if (slash >= 0) {
        size_t cut = (size_t)slash + 1;
        scan->route = (struct str){pattern.p, (size_t)slash};
        pattern = (struct str){pattern.p + cut, pattern.n - cut};
        colon = colon < 0 ? colon : colon - (ptrdiff_t)cut;
    }
    scan->pattern = pattern;
    if (colon >= 0) scan->only = (struct str){pattern.p, (size_t)colon};
}

static enum status scan_options(const struct call *call, struct scan *scan, struct err *err) {
    scan->count = COUNT_DEFAULT;
    for (int i = 2; i < call->argc; i += 2) {
        struct str word = call->argv[i];
        if (i + 1 == call->argc) return err_set(err, ERR_SYNTAX, "syntax error");
        struct str value = call->argv[i + 1];
        if (str_eq_nocase(word, STR("MATCH"))) {
            read_pattern(scan, value);
        } else if (str_eq_nocase(word, STR("TYPE"))) {
            scan->nothing = !str_eq_nocase(value, STR("string"));
        } else if (str_eq_nocase(word, STR("COUNT"))) {
            if (!str_to_int(value, &scan->count))
                return err_set(err, ERR_SYNTAX, "value is not an integer or out of range");
            if (scan->count < 1) return err_set(err, ERR_SYNTAX, "syntax error");
        } else {
            return err_set(err, ERR_SYNTAX, "syntax error");
        }
    }
    if (scan->count > COUNT_MOST) scan->count = COUNT_MOST; /* a hint, as in Redis */
    return OK;
}

static enum status scan_start(struct call *call, const struct scan *scan, struct str database,
                              struct position *at, struct err *err) {
    struct str text = call->argv[1];
    int64_t cursor;
    if (!str_to_int(text, &cursor) || cursor < 0) return err_set(err, ERR_SYNTAX, "invalid cursor");
    *at = (struct position){0};
    if (cursor == 0) {
        at->collection_bytes = (uint16_t)scan->only.n;
        if (scan->only.n) memcpy(at->collection, scan->only.p, scan->only.n);
        at->database_bytes = (uint16_t)database.n;
        memcpy(at->database, database.p, database.n);
        return OK;
    }
    if (!cursors_get(call->app->cursors, (uint64_t)cursor, at))
        return err_set(err, ERR_SYNTAX,
                       "the cursor has expired or never was: cursors live in this process's memory "
                       "until newer ones take their place. Start again at 0");
    if (!str_eq((struct str){at->database, at->database_bytes}, database))
        return err_set(err, ERR_SYNTAX, "the cursor belongs to a scan of another route");
    at->from = (uint64_t)cursor;
    return OK;
}

static void move_to(struct position *at, const struct meta_item *item) {
    at->collection_bytes = (uint16_t)item->collection.n;
    memcpy(at->collection, item->collection.p, item->collection.n);
    at->id_bytes = (uint16_t)item->id.n;
    memcpy(at->id, item->id.p, item->id.n);
}

static struct str item_key(struct call *call, const struct scan *scan,
                           const struct meta_item *item) {
    if (scan->route.p)
        return arena_printf(call->arena, "%.*s/%.*s:%.*s", STR_FMT(scan->route),
                            STR_FMT(item->collection), STR_FMT(item->id));
    return arena_printf(call->arena, "%.*s:%.*s", STR_FMT(item->collection), STR_FMT(item->id));
}

/* The keys of a page that are to be answered; *ret_past: the walk has left what can match. */
static int pick(struct call *call, const struct scan *scan, const struct meta_item *page, int count,
                struct str *ret_keys, bool *ret_past) {
    int picked = 0;
    *ret_past = false;
    for (int i = 0; i < count && !*ret_past; i++) {
        *ret_past = scan->only.p && !str_eq(page[i].collection, scan->only);
        if (*ret_past || page[i].deleted) continue;
        struct str plain = arena_printf(call->arena, "%.*s:%.*s", STR_FMT(page[i].collection),
                                        STR_FMT(page[i].id));
        if (scan->pattern.p && !str_glob(scan->pattern, plain, false)) continue;
        ret_keys[picked++] = scan->route.p ? item_key(call, scan, &page[i]) : plain;
    }
    return picked;
}

static void answer_scan(struct call *call, uint64_t cursor, const struct str *keys, int count) {
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)cursor);
    reply_array(call->reply, 2);
    reply_bulk(call->reply, (struct str){digits, (size_t)n});
    reply_array(call->reply, count);
    for (int i = 0; i < count; i++) reply_bulk(call->reply, keys[i]);
}

enum status cmd_scan(struct call *call, struct err *err) {
    struct scan scan = {0};
    struct str database;
    struct position at;
    enum status s = scan_options(call, &scan, err);
    if (s == OK) s = engine_route(call->engine, scan.route, call_route(call), &database, NULL, err);
    if (s == OK) s = scan_start(call, &scan, database, &at, err);
    if (s != OK) return s;
    if (scan.nothing || (scan.only.p && scan.only.n > KEY_COLLECTION_BYTES)) {
        answer_scan(call, 0, NULL, 0);
        return OK;
    }
    struct meta_item *page = arena_alloc(call->arena, sizeof *page * (size_t)scan.count);
    struct str *keys = arena_alloc(call->arena, sizeof *keys * (size_t)scan.count);
    struct str collection = {at.collection_bytes ? at.collection : NULL, at.collection_bytes};
    struct str id = {collection.p ? at.id : NULL, at.id_bytes};
    int count = 0;
    bool past = false;
    struct meta_listing listing = {database, collection, id, (int)scan.count};
    s = read_list(call->worker, &listing, call->arena, page, &count, err);
    if (s != OK) return s;
    int picked = pick(call, &scan, page, count, keys, &past);
    uint64_t cursor = 0;
    if (count == scan.count && !past) {
        move_to(&at, &page[count - 1]);
        cursor = cursors_put(call->app->cursors, &at);
    }
    answer_scan(call, cursor, keys, picked);
    return OK;
}

static enum status own_database(struct call *call, struct str *ret, struct err *err) {
    return engine_route(call->engine, STR_NONE, call_route(call), ret, NULL, err);
}

enum status cmd_dbsize(struct call *call, struct err *err) {
    struct str database;
    int64_t live;
    enum status s = own_database(call, &database, err);
    if (s == OK) s = read_count(call->worker, database, &live, err);
    if (s == OK) reply_int(call->reply, live);
    return s;
}

enum status cmd_randomkey(struct call *call, struct err *err) {
    struct str database;
    struct meta_item item;
    bool found;
    enum status s = own_database(call, &database, err);
    if (s == OK) s = read_random(call->worker, database, call->arena, &item, &found, err);
    if (s != OK) return s;
    if (!found)
        reply_null(call->reply);
    else
        reply_bulk(call->reply, arena_printf(call->arena, "%.*s:%.*s", STR_FMT(item.collection),
                                             STR_FMT(item.id)));
    return OK;
}
