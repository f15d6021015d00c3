/*
 * Plain Redis verbs on items: GET and SET and their kin, DEL, EXISTS, TYPE. They take Redis's
 * options in Redis's words; a value is a JSON object.
 */
#include "commands/answer.h"
#include "commands/cmds.h"
#include "commands/reads.h"
#include "commands/table.h"
#include "commands/writes.h"
#include "config/config.h"

enum { POSITION_KEY = 1, POSITION_JSON = 2, WORK_HERE_BYTES = 16 * 1024 };

/* ---- reading ---- */

/* Answers a document with hidden fields left out. */
static enum status answer_document(struct call *call, struct str collection,
                                   const struct version *version, struct err *err) {
    if (!version) {
        reply_null(call->reply);
        return OK;
    }
    struct view view;
    enum status s = view_init(call, collection, NULL, &view, err);
    if (s == OK) reply_bulk(call->reply, view_document(&view, call->arena, version->doc));
    return s;
}

enum status cmd_get(struct call *call, struct err *err) {
    struct place place;
    struct version *version;
    struct read_what what = {.kind = READ_HEAD};
    enum status s = call_item(call, call->argv[POSITION_KEY], false, &place, err);
    if (s == OK) s = read_one(call->worker, &place, &what, &version, err);
    if (s != OK) return s;
    s = answer_document(call, place.coll.name, version, err);
    version_unref(version);
    return s;
}

bool cmd_get_cached(struct call *call) {
    struct key key;
    struct place place;
    struct view view;
    struct version *version;
    struct err err;
    struct read_what what = {.kind = READ_HEAD};
    if (key_parse_item(call->argv[POSITION_KEY], call->arena, &key, &err) != OK ||
        !engine_place_known(call->engine, &key, call_route(call), &place) ||
        view_init(call, place.coll.name, NULL, &view, &err) != OK ||
        !read_cached(call->engine, &place, &what, &version))
        return false;
    bool here = !version || view_is_whole(&view) || version->size <= WORK_HERE_BYTES;
    if (here)
        reply_bulk(call->reply,
                   version ? view_document(&view, call->arena, version->doc) : STR_NONE);
    version_unref(version);
    return here;
}

enum status cmd_mget(struct call *call, struct err *err) {
    struct many m;
    struct read_what what = {.kind = READ_HEAD};
    enum status s = reads_many(call, call->argv + 1, call->argc - 1, &what, &m, err);
    if (s != OK) return s;
    s = reads_answer(call, &m, NULL, err);
    reads_drop(&m);
    return s;
}

bool cmd_mget_cached(struct call *call) {
    struct many m;
    struct err err;
    struct read_what what = {.kind = READ_HEAD};
    if (!reads_many_cached(call, call->argv + 1, call->argc - 1, &what, &m)) return false;
    bool here = reads_are_short(call, &m) && reads_answer(call, &m, NULL, &err) == OK;
    reads_drop(&m);
    return here;
}

/* The head of one item without its document. */
static enum status head_of(struct call *call, struct version **ret, struct err *err) {
    struct place place;
    struct read_what what = {.kind = READ_HEAD, .no_doc = true};
    enum status s = call_item(call, call->argv[POSITION_KEY], false, &place, err);
    return s == OK ? read_one(call->worker, &place, &what, ret, err) : s;
}

static bool head_cached(struct call *call, struct version **ret) {
    struct read_what what = {.kind = READ_HEAD, .no_doc = true};
    return reads_cached(call, &what, ret);
}

static void answer_strlen(struct call *call, struct version *version) {
    reply_int(call->reply, version ? version->size : 0);
    version_unref(version);
}

enum status cmd_strlen(struct call *call, struct err *err) {
    struct version *version;
    enum status s = head_of(call, &version, err);
    if (s == OK) answer_strlen(call, version);
    return s;
}

bool cmd_strlen_cached(struct call *call) {
    struct version *version;
    bool found = head_cached(call, &version);
    if (found) answer_strlen(call, version);
    return found;
}

static void answer_type(struct call *call, struct version *version) {
    reply_simple(call->reply, version ? "string" : "none");
    version_unref(version);
}

enum status cmd_type(struct call *call, struct err *err) {
    struct version *version;
    enum status s = head_of(call, &version, err);
    if (s == OK) answer_type(call, version);
    return s;
}

bool cmd_type_cached(struct call *call) {
    struct version *version;
    bool found = head_cached(call, &version);
    if (found) answer_type(call, version);
    return found;
}

enum status cmd_exists(struct call *call, struct err *err) {
    struct many m;
    struct read_what what = {.kind = READ_HEAD, .no_doc = true};
    enum status s = reads_many(call, call->argv + 1, call->argc - 1, &what, &m, err);
    if (s != OK) return s;
    int found = 0;
    for (int i = 0; s == OK && i < m.count; i++) {
        found += m.versions[i] != NULL;
        if (m.errs[i].code != OK) s = err_set(err, m.errs[i].code, "%s", m.errs[i].msg);
    }
    reads_drop(&m);
    if (s == OK) reply_int(call->reply, found);
    return s;
}

bool cmd_exists_cached(struct call *call) {
    struct many m;
    struct read_what what = {.kind = READ_HEAD, .no_doc = true};
    if (!reads_many_cached(call, call->argv + 1, call->argc - 1, &what, &m)) return false;
    int found = 0;
    for (int i = 0; i < m.count; i++) found += m.versions[i] != NULL;
    reads_drop(&m);
    reply_int(call->reply, found);
    return true;
}

/* ---- SET and its kin ---- */

/* Adds the write that sets argv[at] to argv[at + 1]. */
static enum status add_set(struct call *call, struct write_set *set, int at, struct write **ret,
                           struct err *err) {
    struct write *w = call_add_write(call, set);
    struct err why;
    enum status s = writes_object(call, call->argv[at + 1], &w->doc, &why);
    if (s != OK)
        return err_set(err, s, "%s; what works: SET users:1 '{\"name\":\"Ada\"}'", why.msg);
    w->kind = WRITE_SET;
    w->verb = VERB_SET;
    w->sync = call->config->ack == ACK_STORAGE;
    s = writes_place(call, call->argv[at], true, true, &w->place, err);
    *ret = w;
    return s;
}

static bool is_expiry(struct str word) {
    static const char *const words[] = {"EX", "PX", "EXAT", "PXAT", "KEEPTTL"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_eq_nocase(word, str_of(words[i]))) return true;
    }
    return false;
}

static enum status set_options(const struct call *call, struct write *w, struct err *err) {
    for (int i = POSITION_JSON + 1; i < call->argc; i++) {
        struct str word = call->argv[i];
        bool *flag = str_eq_nocase(word, STR("NX"))    ? &w->if_absent
                     : str_eq_nocase(word, STR("XX"))  ? &w->if_present
                     : str_eq_nocase(word, STR("GET")) ? &w->want_prior
                                                       : NULL;
        if (!flag && is_expiry(word))
            return err_set(err, ERR_SYNTAX,
                           "option %.*s: expiry is not in this release; SET takes NX, XX and GET",
                           STR_FMT(word));
        if (!flag || *flag) return err_set(err, ERR_SYNTAX, "syntax error");
        *flag = true;
    }
    if (w->if_absent && w->if_present) return err_set(err, ERR_SYNTAX, "syntax error");
    return OK;
}

enum status cmd_set_plan(struct call *call, struct write_set *set, struct err *err) {
    struct write *w, options = {0};
    enum status s = set_options(call, &options, err);
    if (s == OK) s = add_set(call, set, POSITION_KEY, &w, err);
    if (s != OK) return s;
    w->if_absent = options.if_absent;
    w->if_present = options.if_present;
    w->want_prior = options.want_prior;
    return OK;
}

enum status cmd_setnx_plan(struct call *call, struct write_set *set, struct err *err) {
    struct write *w;
    enum status s = add_set(call, set, POSITION_KEY, &w, err);
    if (s == OK) w->if_absent = true;
    return s;
}

enum status cmd_getset_plan(struct call *call, struct write_set *set, struct err *err) {
    struct write *w;
    enum status s = add_set(call, set, POSITION_KEY, &w, err);
    if (s == OK) w->want_prior = true;
    return s;
}

static enum status own_error(const struct write *w, struct err *err) {
    if (w->ret.status != OK) *err = w->ret.err;
    return w->ret.status;
}

/* An NX or XX that was not met leaves no version; a write that skipUnchanged left out does. */
static bool is_set(const struct write *w) {
    return w->ret.version != NULL;
}

enum status cmd_set_answer(struct call *call, const struct write_set *set, struct err *err) {
    const struct write *w = set->writes;
    enum status s = own_error(w, err);
    if (s != OK) return s;
    if (w->want_prior) return answer_document(call, w->place.coll.name, w->ret.prior, err);
    if (is_set(w))
        reply_ok(call->reply);
    else
        reply_null(call->reply);
    return OK;
}

enum status cmd_setnx_answer(struct call *call, const struct write_set *set, struct err *err) {
    enum status s = own_error(set->writes, err);
    if (s == OK) reply_int(call->reply, is_set(set->writes));
    return s;
}

enum status cmd_getset_answer(struct call *call, const struct write_set *set, struct err *err) {
    enum status s = own_error(set->writes, err);
    if (s != OK) return s;
    return answer_document(call, set->writes->place.coll.name, set->writes->ret.prior, err);
}

/* ---- MSET ---- */

static enum status plan_pairs(struct call *call, struct write_set *set, bool if_absent,
                              struct err *err) {
    if (call->argc % 2 == 0)
        return err_set(err, ERR_SYNTAX, "wrong number of arguments for '%s' command",
                       call->command->name);
    for (int i = 1; i < call->argc; i += 2) {
        struct write *w;
        enum status s = add_set(call, set, i, &w, err);
        if (s != OK) return s;
        w->if_absent = if_absent;
    }
    return OK;
}

/* All or none: the first error is the command's. */
static enum status set_error(const struct write_set *set, struct err *err) {
    for (int i = 0; i < set->count; i++) {
        enum status s = own_error(&set->writes[i], err);
        if (s != OK) return s;
    }
    return OK;
}

enum status cmd_mset_plan(struct call *call, struct write_set *set, struct err *err) {
    return plan_pairs(call, set, false, err);
}

enum status cmd_mset_answer(struct call *call, const struct write_set *set, struct err *err) {
    enum status s = set_error(set, err);
    if (s == OK) reply_ok(call->reply);
    return s;
}

enum status cmd_msetnx_plan(struct call *call, struct write_set *set, struct err *err) {
    return plan_pairs(call, set, true, err);
}

enum status cmd_msetnx_answer(struct call *call, const struct write_set *set, struct err *err) {
    enum status s = set_error(set, err);
    if (s == OK) reply_int(call->reply, !set->refused);
    return s;
}

/* ---- deleting ---- */

/* Adds the write that deletes an item; a collection that is not there has none. */
static enum status add_delete(struct call *call, struct write_set *set, struct str key,
                              bool want_prior, struct err *err) {
    struct place place;
    enum status s = call_item(call, key, false, &place, err);
    if (s != OK || place.coll.no == 0) return s;
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_DELETE;
    w->verb = VERB_DEL;
    w->place = place;
    w->want_prior = want_prior;
    return OK;
}

enum status cmd_getdel_plan(struct call *call, struct write_set *set, struct err *err) {
    return add_delete(call, set, call->argv[POSITION_KEY], true, err);
}

enum status cmd_getdel_answer(struct call *call, const struct write_set *set, struct err *err) {
    const struct write *w = set->writes;
    if (set->count == 0 || w->ret.status == ERR_NOTFOUND) {
        reply_null(call->reply);
        return OK;
    }
    enum status s = own_error(w, err);
    return s == OK ? answer_document(call, w->place.coll.name, w->ret.prior, err) : s;
}

enum status cmd_del_plan(struct call *call, struct write_set *set, struct err *err) {
    for (int i = 1; i < call->argc; i++) {
        enum status s = add_delete(call, set, call->argv[i], false, err);
        if (s != OK) return s;
    }
    return OK;
}

enum status cmd_del_answer(struct call *call, const struct write_set *set, struct err *err) {
    int deleted = 0;
    for (int i = 0; i < set->count; i++) {
        if (set->writes[i].ret.status == ERR_NOTFOUND) continue;
        enum status s = own_error(&set->writes[i], err);
        if (s != OK) return s;
        deleted++;
    }
    reply_int(call->reply, deleted);
    return OK;
}
