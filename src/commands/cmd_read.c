/*
 * CHRONOS.GET, GETVERSION, GETASOF and MGET. Each is a question (struct read_what) about a place
 * and a view of the answer; the cached forms ask the cache the same question in the reactor.
 */
#include "commands/answer.h"
#include "commands/cmds.h"
#include "commands/reads.h"
#include "config/config.h"

enum {
    POSITION_KEY = 1,
    POSITION_WHICH = 2,           /* of GETVERSION and GETASOF */
    POSITION_KEYS = 2,            /* of MGET */
    HIDE_HERE_BYTES = 16 * 1024,  /* longest document that the reactor takes apart */
    MANY_HERE = 64,               /* most items that it looks up at once */
    MANY_HERE_BYTES = 256 * 1024, /* and most bytes that it answers then */
};

static enum status refuse_presign(const struct options *o, struct err *err) {
    if (!(o->given & OPTION_PRESIGN)) return OK;
    return err_set(err, ERR_SYNTAX,
                   "PRESIGN: the payload store of this backend is a filesystem, which has no URLs");
}

/* ---- one document ---- */

/* Parses the options of a command that reads one item. */
static enum status read_options(const struct call *call, int from, struct options *o,
                                struct read_what *what, struct err *err) {
    *o = (struct options){0};
    if (call->argc == from) return OK;
    enum status s = options_parse(call, from, o, err);
    if (s == OK) s = refuse_presign(o, err);
    what->deleted = o->given & OPTION_DELETED;
    return s;
}

static enum status what_of(const struct call *call, struct read_what *what, struct err *err) {
    struct str word = call->argv[POSITION_WHICH];
    if (what->kind == READ_OV) return argument_int(word, "ov", 0, INT64_MAX, &what->ov, err);
    if (what->kind == READ_INSTANT) return argument_time(word, "time", &what->at_ms, err);
    return OK;
}

static enum status get(struct call *call, enum read_kind kind, struct err *err) {
    struct read_what what = {.kind = kind};
    struct options o;
    struct view view;
    struct place place;
    struct version *version;
    int from = kind == READ_HEAD ? POSITION_WHICH : POSITION_WHICH + 1;
    enum status s = what_of(call, &what, err);
    if (s == OK) s = read_options(call, from, &o, &what, err);
    if (s == OK) s = call_item(call, call->argv[POSITION_KEY], false, &place, err);
    if (s == OK) s = view_init(call, place.coll.name, &o, &view, err);
    if (s == OK) s = read_one(call->worker, &place, &what, &version, err);
    if (s != OK) return s;
    answer_read(call, version, &o, &view);
    version_unref(version);
    return OK;
}

/* Work on a long document is for a worker. */
static bool is_work_for_worker(const struct version *version, const struct view *view) {
    return version && !view_is_whole(view) && version->size > HIDE_HERE_BYTES;
}

bool reads_cached(struct call *call, struct read_what *what, struct version **ret) {
    struct key key;
    struct place place;
    struct err err;
    return key_parse_item(call->argv[POSITION_KEY], call->arena, &key, &err) == OK &&
           engine_place_known(call->engine, &key, call_route(call), &place) &&
           read_cached(call->engine, &place, what, ret);
}

static bool get_cached(struct call *call, enum read_kind kind) {
    struct read_what what = {.kind = kind};
    struct options o;
    struct view view;
    struct version *version;
    struct err err;
    int from = kind == READ_HEAD ? POSITION_WHICH : POSITION_WHICH + 1;
    if (what_of(call, &what, &err) != OK || read_options(call, from, &o, &what, &err) != OK)
        return false; /* the worker tells what is wrong */
    struct key key;
    struct place place;
    if (key_parse_item(call->argv[POSITION_KEY], call->arena, &key, &err) != OK ||
        !engine_place_known(call->engine, &key, call_route(call), &place) ||
        view_init(call, place.coll.name, &o, &view, &err) != OK ||
        !read_cached(call->engine, &place, &what, &version))
        return false;
    bool here = !is_work_for_worker(version, &view);
    if (here) answer_read(call, version, &o, &view);
    version_unref(version);
    return here;
}

enum status cmd_chronos_get(struct call *call, struct err *err) {
    return get(call, READ_HEAD, err);
}

bool cmd_chronos_get_cached(struct call *call) {
    return get_cached(call, READ_HEAD);
}

enum status cmd_getversion(struct call *call, struct err *err) {
    return get(call, READ_OV, err);
}

bool cmd_getversion_cached(struct call *call) {
    return get_cached(call, READ_OV);
}

enum status cmd_getasof(struct call *call, struct err *err) {
    return get(call, READ_INSTANT, err);
}

bool cmd_getasof_cached(struct call *call) {
    return get_cached(call, READ_INSTANT);
}

/* ---- many ---- */

/* Answers one element; its own error stands in the array. */
static enum status answer_element(struct call *call, const struct many *m, int i,
                                  const struct options *o, struct err *err) {
    if (m->errs && m->errs[i].code != OK) {
        reply_error(call->reply, &m->errs[i]);
        return OK;
    }
    struct view view;
    enum status s = view_init(call, m->places[i].coll.name, o, &view, err);
    if (s == OK) answer_read(call, m->versions[i], o, &view);
    return s;
}

enum status reads_many(struct call *call, const struct str *keys, int count,
                       const struct read_what *what, struct many *ret, struct err *err) {
    struct many m = {.count = count};
    m.places = arena_alloc(call->arena, sizeof *m.places * (size_t)count);
    m.versions = arena_zalloc(call->arena, sizeof(void *) * (size_t)count);
    m.errs = arena_zalloc(call->arena, sizeof *m.errs * (size_t)count);
    for (int i = 0; i < count; i++) {
        enum status s = call_item(call, keys[i], false, &m.places[i], err);
        if (s != OK) return s;
    }
    enum status s = read_many(call->worker, m.places, count, what, m.versions, m.errs, err);
    if (s == OK) *ret = m;
    return s;
}

bool reads_many_cached(struct call *call, const struct str *keys, int count,
                       const struct read_what *what, struct many *ret) {
    if (count > MANY_HERE) return false;
    struct many m = {.count = count};
    m.places = arena_alloc(call->arena, sizeof *m.places * (size_t)count);
    m.versions = arena_zalloc(call->arena, sizeof(void *) * (size_t)count);
    for (int i = 0; i < count; i++) {
        struct key key;
        struct err err;
        if (key_parse_item(keys[i], call->arena, &key, &err) != OK ||
            !engine_place_known(call->engine, &key, call_route(call), &m.places[i]))
            return false;
    }
    if (!read_many_cached(call->engine, m.places, count, what, m.versions)) return false;
    *ret = m;
    return true;
}

bool reads_are_short(struct call *call, const struct many *m) {
    int64_t bytes = 0;
    for (int i = 0; i < m->count; i++) {
        if (m->versions[i]) bytes += m->versions[i]->size;
    }
    return bytes <= (call->config->collection_count > 0 ? HIDE_HERE_BYTES : MANY_HERE_BYTES);
}

void reads_drop(struct many *m) {
    versions_drop(m->versions, m->count);
}

enum status reads_answer(struct call *call, const struct many *m, const struct options *o,
                         struct err *err) {
    reply_array(call->reply, m->count);
    enum status s = OK;
    for (int i = 0; s == OK && i < m->count; i++) s = answer_element(call, m, i, o, err);
    return s;
}

/* numkeys and the options behind the keys. */
static enum status mget_line(const struct call *call, int *ret_count, struct options *o,
                             struct read_what *what, struct err *err) {
    int64_t n;
    enum status s = argument_int(call->argv[1], "numkeys", 1, INT32_MAX, &n, err);
    if (s != OK) return s;
    if (n > call->argc - POSITION_KEYS)
        return err_set(err, ERR_SYNTAX, "numkeys counts %lld keys, but %d words follow",
                       (long long)n, call->argc - POSITION_KEYS);
    s = options_parse(call, POSITION_KEYS + (int)n, o, err);
    if (s == OK) s = refuse_presign(o, err);
    *ret_count = (int)n;
    *what = (struct read_what){.kind = o->given & OPTION_AT ? READ_INSTANT : READ_HEAD,
                               .at_ms = o->at_ms,
                               .deleted = o->given & OPTION_DELETED};
    return s;
}

enum status cmd_chronos_mget(struct call *call, struct err *err) {
    struct options o = {0};
    struct read_what what;
    struct many m;
    int count;
    enum status s = mget_line(call, &count, &o, &what, err);
    if (s == OK) s = reads_many(call, call->argv + POSITION_KEYS, count, &what, &m, err);
    if (s != OK) return s;
    s = reads_answer(call, &m, &o, err);
    reads_drop(&m);
    return s;
}

bool cmd_chronos_mget_cached(struct call *call) {
    struct options o = {0};
    struct read_what what;
    struct many m;
    struct err err;
    int count;
    if (mget_line(call, &count, &o, &what, &err) != OK || o.field_count > 0 ||
        !reads_many_cached(call, call->argv + POSITION_KEYS, count, &what, &m))
        return false;
    bool here = reads_are_short(call, &m) && reads_answer(call, &m, &o, &err) == OK;
    reads_drop(&m);
    return here;
}
