/*
 * CHRONOS.HISTORY, DIFF and BLAME: what an item was.
 *
 * Documents are read in pages, so that a long history never stands in memory whole. Versions are
 * immutable and numbered, so the pages of one answer belong together whatever is written meanwhile.
 */
#include "commands/answer.h"
#include "commands/cmds.h"
#include "config/config.h"
#include "engine/document.h"

enum { POSITION_KEY = 1, HISTORY_DEFAULT = 1000, PAGE = 64 };

/* ---- HISTORY ---- */

static enum status history_range(const struct call *call, const struct options *o,
                                 struct meta_range *ret, struct err *err) {
    int64_t most = call->config->history_entries;
    int64_t limit = HISTORY_DEFAULT < most ? HISTORY_DEFAULT : most;
    if (o->given & OPTION_COUNT) {
        if (o->count > most)
            return err_set(err, ERR_SYNTAX, "COUNT is %lld, the most is %lld", (long long)o->count,
                           (long long)most);
        limit = o->count;
    }
    *ret = (struct meta_range){.from_ov = o->given & OPTION_FROM ? o->from_ov : 0,
                               .to_ov = o->given & OPTION_TO ? o->to_ov : INT64_MAX,
                               .since_ms = o->given & OPTION_SINCE ? o->since_ms : INT64_MIN,
                               .until_ms = o->given & OPTION_UNTIL ? o->until_ms : INT64_MAX,
                               .reverse = o->given & OPTION_REV,
                               .limit = (int)limit};
    return OK;
}

/* Answers the versions of one page with their documents. */
static enum status answer_page(struct call *call, const struct place *place,
                               const struct view *view, struct version *const *page, int count,
                               struct err *err) {
    struct version *docs[PAGE];
    int found = 0;
    int64_t first = page[0]->ov, last = page[count - 1]->ov;
    struct meta_range range = {.from_ov = first < last ? first : last,
                               .to_ov = first < last ? last : first,
                               .since_ms = INT64_MIN,
                               .until_ms = INT64_MAX,
                               .reverse = first > last,
                               .limit = count,
                               .with_doc = true};
    enum status s = read_history(call->worker, place, &range, docs, &found, err);
    if (s != OK) return s;
    for (int i = 0; s == OK && i < count; i++) {
        if (i >= found || docs[i]->ov != page[i]->ov) {
            s = err_set(err, ERR_TRYAGAIN, "the history changed while it was read");
            break;
        }
        struct str doc = STR_NONE;
        if (!version_is_deleted(docs[i])) doc = view_document(view, call->arena, docs[i]->doc);
        answer_entry(call, docs[i], true, doc);
    }
    versions_drop(docs, found);
    return s;
}

static enum status answer_history(struct call *call, const struct place *place,
                                  const struct view *view, bool docs, struct version *const *list,
                                  int count, struct err *err) {
    reply_array(call->reply, count);
    if (!docs) {
        for (int i = 0; i < count; i++) answer_entry(call, list[i], false, STR_NONE);
        return OK;
    }
    for (int i = 0; i < count; i += PAGE) {
        int n = count - i < PAGE ? count - i : PAGE;
        enum status s = answer_page(call, place, view, list + i, n, err);
        if (s != OK) return s;
        if (call->reply->out->overflow)
            return err_set(err, ERR_TOOLARGE,
                           "the answer is larger than server.limits.outputBuffer; ask for fewer "
                           "versions with COUNT");
    }
    return OK;
}

enum status cmd_history(struct call *call, struct err *err) {
    struct options o;
    struct meta_range range;
    struct place place;
    struct view view;
    enum status s = options_parse(call, POSITION_KEY + 1, &o, err);
    if (s == OK) s = history_range(call, &o, &range, err);
    if (s == OK) s = call_item(call, call->argv[POSITION_KEY], false, &place, err);
    if (s == OK) s = view_init(call, place.coll.name, &o, &view, err);
    if (s != OK) return s;
    struct version **list = arena_alloc(call->arena, sizeof(void *) * (size_t)range.limit);
    int count = 0;
    if (place.coll.no != 0) s = read_history(call->worker, &place, &range, list, &count, err);
    if (s != OK) return s;
    s = answer_history(call, &place, &view, o.given & OPTION_DOCS, list, count, err);
    versions_drop(list, count);
    return s;
}

/* ---- DIFF ---- */

/* A version as DIFF sees it: a tombstone has the document that was deleted. */
static enum status diff_side(struct call *call, const struct place *place, int64_t ov,
                             struct version **ret, struct err *err) {
    struct read_what what = {.kind = READ_OV, .ov = ov, .deleted = true};
    enum status s = read_one(call->worker, place, &what, ret, err);
    if (s != OK) return s;
    if (!*ret)
        return err_set(err, ERR_NOTFOUND, "%.*s has no version %lld", STR_FMT(place->answer),
                       (long long)ov);
    return OK;
}

enum status cmd_diff(struct call *call, struct err *err) {
    struct options o;
    struct place place;
    struct view view;
    int64_t ov1, ov2;
    enum status s = argument_int(call->argv[2], "ov1", 0, INT64_MAX, &ov1, err);
    if (s == OK) s = argument_int(call->argv[3], "ov2", 0, INT64_MAX, &ov2, err);
    if (s == OK) s = options_parse(call, 4, &o, err);
    if (s == OK) s = call_item(call, call->argv[POSITION_KEY], false, &place, err);
    if (s == OK) s = view_init(call, place.coll.name, &o, &view, err);
    if (s != OK) return s;
    struct version *a = NULL, *b = NULL;
    s = diff_side(call, &place, ov1, &a, err);
    if (s == OK) s = diff_side(call, &place, ov2, &b, err);
    if (s == OK)
        reply_bulk(call->reply,
                   document_diff(call->arena, view_document(&view, call->arena, a->doc),
                                 view_document(&view, call->arena, b->doc)));
    version_unref(a);
    version_unref(b);
    return s;
}

/* ---- BLAME ---- */

/* Versions that some leaf was set by: they are kept until the answer is written. */
struct keeper {
    struct version **kept;
    int count, room;
};

static void keep(struct keeper *k, struct arena *arena, struct version *version) {
    if (k->count == k->room) {
        k->room = k->room ? k->room * 2 : PAGE;
        struct version **kept = arena_alloc(arena, sizeof(void *) * (size_t)k->room);
        if (k->count) memcpy(kept, k->kept, sizeof(void *) * (size_t)k->count);
        k->kept = kept;
    }
    k->kept[k->count++] = version;
}

/* Keeps what some leaf names of a page and drops the rest. */
static void keep_named(struct keeper *k, struct arena *arena, const struct blame *b,
                       struct version **page, int count) {
    for (int i = 0; i < count; i++) {
        int leaf = 0;
        while (leaf < b->count && b->leaves[leaf].set_by != page[i]) leaf++;
        if (leaf < b->count)
            keep(k, arena, page[i]);
        else
            version_unref(page[i]);
    }
}

/* Feeds the versions below `ov`, newest first, until every leaf is explained. */
static enum status blame_feed(struct call *call, const struct place *place, int64_t ov,
                              struct blame *b, struct keeper *k, struct err *err) {
    bool open = true;
    while (open && ov > 0) {
        struct version *page[PAGE];
        int count = 0;
        struct meta_range range = {.to_ov = ov - 1,
                                   .since_ms = INT64_MIN,
                                   .until_ms = INT64_MAX,
                                   .reverse = true,
                                   .limit = PAGE,
                                   .with_doc = true};
        enum status s = read_history(call->worker, place, &range, page, &count, err);
        if (s != OK) return s;
        if (count == 0) break;
        ov = page[count - 1]->ov;
        for (int i = 0; i < count && open; i++) {
            if (!version_is_deleted(page[i])) open = blame_step(b, page[i]);
        }
        keep_named(k, call->arena, b, page, count);
    }
    return OK;
}

static void answer_blame(struct call *call, const struct view *view, const struct blame *b) {
    int shown = 0;
    for (int i = 0; i < b->count; i++)
        shown += !view_hides(view, b->leaves[i].pointer, call->arena);
    reply_map(call->reply, shown);
    for (int i = 0; i < b->count; i++) {
        const struct blame_leaf *leaf = &b->leaves[i];
        if (view_hides(view, leaf->pointer, call->arena)) continue;
        reply_bulk(call->reply, leaf->pointer);
        reply_map(call->reply, 4);
        reply_pair_int(call->reply, "ov", leaf->set_by->ov);
        reply_pair_instant(call->reply, "at", leaf->set_by->at_ms);
        reply_pair_str(call->reply, "actor", leaf->set_by->actor);
        reply_pair_str(call->reply, "reason", leaf->set_by->reason);
    }
}

static enum status blame_item(struct call *call, const struct place *place, const struct view *view,
                              const struct json_path *path, struct err *err) {
    struct read_what what = {.kind = READ_HEAD};
    struct version *head;
    enum status s = read_one(call->worker, place, &what, &head, err);
    if (s != OK) return s;
    if (!head) {
        reply_null(call->reply);
        return OK;
    }
    struct blame b;
    struct keeper k = {0};
    keep(&k, call->arena, head);
    blame_init(&b, call->arena, head, path);
    s = b.open > 0 ? blame_feed(call, place, head->ov, &b, &k, err) : OK;
    if (s == OK) answer_blame(call, view, &b);
    versions_drop(k.kept, k.count);
    return s;
}

enum status cmd_blame(struct call *call, struct err *err) {
    struct options o;
    struct place place;
    struct view view;
    struct json_path path, *only = NULL;
    bool has_path = call->argc > 2 && !str_eq_nocase(call->argv[2], STR("HIDDEN"));
    enum status s = options_parse(call, has_path ? 3 : 2, &o, err);
    if (s == OK) s = call_item(call, call->argv[POSITION_KEY], false, &place, err);
    if (s == OK) s = view_init(call, place.coll.name, &o, &view, err);
    if (s == OK && has_path) {
        s = view_path(call, &view, call->argv[2], &path, err);
        only = &path;
    }
    if (s != OK) return s;
    return blame_item(call, &place, &view, only, err);
}
