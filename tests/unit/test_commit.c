/* Proves: the commit path over the real embedded store: what each kind of write makes of an item,
 * chaining inside a group, atomic sets, OPIDs, lost swaps, failures at each step (all or nothing,
 * told as such), closed instants, limits, payloads and garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "engine/commit.h"
#include "engine/garbage.h"
#include "engine/internal.h"
#include "engine/read.h"

struct world {
    char dir[64];
    struct engine *engine;
    struct engine_worker *worker;
    struct config *config;
    struct arena arena;
    int answered;
};

static void ignore_wake(void *arg) {
    (void)arg;
}

static void world_open(struct world *w) {
    struct err err;
    struct buf faults;
    buf_init(&faults, 65536);
    struct config_arg args[] = {{STR("payload.inlineMax"), STR("4kb")},
                                {STR("server.limits.queuedWrites"), STR("1000")}};
    assert_int_equal(config_load(NULL, args, 2, &w->config, &faults, &err), OK);
    buf_release(&faults);
    struct meta_sqlite_options options = {.dir = w->dir,
                                          .cache_bytes = 1 << 20,
                                          .wal_bytes = 1 << 20,
                                          .op_keep_ms = 24 * 3600 * 1000,
                                          .index_entries = 4};
    struct meta *meta;
    struct blob_store *blob;
    if (meta_sqlite_open(&options, &meta, &err) != OK) fail_msg("%s", err.msg);
    if (blob_fs_open(w->dir, &blob, &err) != OK) fail_msg("%s", err.msg);
    w->engine = engine_open(meta, blob, w->config, (struct engine_hooks){ignore_wake, NULL});
    w->worker = engine_worker_new(w->engine, &err);
    assert_non_null(w->worker);
}

static void world_close(struct world *w) {
    engine_worker_free(w->worker);
    engine_close(w->engine);
    config_unref(w->config);
}

static int setup(void **state) {
    struct world *w = xcalloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/chronos-commit-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    arena_init(&w->arena);
    world_open(w);
    *state = w;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state) {
    struct world *w = *state;
    fault_disarm_all();
    world_close(w);
    arena_release(&w->arena);
    int rc = nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(w);
    return rc;
}

/* ---- a small language for writes ---- */

static struct place place_of(struct world *w, const char *key_text) {
    struct key key;
    struct place place;
    struct err err;
    assert_int_equal(key_parse(str_of(key_text), &w->arena, &key, &err), OK);
    assert_int_equal(engine_place(w->engine, &key, STR(""), true, &w->arena, &place, &err), OK);
    return place;
}

static struct write make_write(struct world *w, enum write_kind kind, const char *key,
                               const char *doc) {
    return (struct write){.kind = kind,
                          .verb = VERB_UPDATE,
                          .place = place_of(w, key),
                          .doc = str_of(doc),
                          .if_ov = -1};
}

static void on_done(struct write_set *set) {
    ((struct world *)set->arg)->answered++;
}

static struct write_set make_set(struct world *w, struct write *writes, int count) {
    return (struct write_set){
        .writes = writes, .count = count, .config = w->config, .done = on_done, .arg = w};
}

static void submit(struct world *w, struct write_set *set) {
    struct err err;
    assert_int_equal(commit_submit(w->worker, set, &err), OK);
}

static void commit_set(struct world *w, struct write_set *set) {
    int before = w->answered;
    submit(w, set);
    while (commit_lead(w->worker, false))
        ;
    assert_int_equal(w->answered, before + 1);
}

/* One write in a group of its own. Its status; *ret_ov is the ov it answers. */
static enum status one(struct world *w, struct write *write, int64_t *ret_ov) {
    struct write_set set = make_set(w, write, 1);
    commit_set(w, &set);
    if (ret_ov) *ret_ov = write->ret.version ? write->ret.version->ov : -1;
    commit_release(&set);
    return write->ret.status;
}

static enum status quick(struct world *w, enum write_kind kind, const char *key, const char *doc,
                         int64_t *ret_ov) {
    struct write write = make_write(w, kind, key, doc);
    return one(w, &write, ret_ov);
}

/* The head's document without `_system`, NULL when there is none. */
static const char *doc_of(struct world *w, const char *key, const struct read_what *what) {
    struct place place = place_of(w, key);
    struct version *v;
    struct err err;
    if (read_one(w->worker, &place, what, &v, &err) != OK) fail_msg("%s", err.msg);
    if (!v) return NULL;
    const char *p = strstr(arena_dup(&w->arena, v->doc).p, ",\"_system\"");
    assert_non_null(p);
    struct str user = arena_printf(&w->arena, "%.*s}", (int)(v->doc.n - strlen(p)), v->doc.p);
    version_unref(v);
    return user.p;
}

static const char *head_of(struct world *w, const char *key) {
    return doc_of(w, key, &(struct read_what){.kind = READ_HEAD});
}

static const char *ov_of(struct world *w, const char *key, int64_t ov) {
    return doc_of(w, key, &(struct read_what){.kind = READ_OV, .ov = ov});
}

/* ---- kinds ---- */

static void a_life(void **state) {
    struct world *w = *state;
    int64_t ov;
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":1}", &ov), OK);
    assert_int_equal(ov, 0);
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":1}", &ov), ERR_EXISTS);
    assert_int_equal(quick(w, WRITE_UPDATE, "c:a", "{\"n\":2}", &ov), OK);
    assert_int_equal(ov, 1);
    assert_int_equal(quick(w, WRITE_ENRICH, "c:a", "{\"m\":3}", &ov), OK);
    assert_string_equal(head_of(w, "c:a"), "{\"n\":2,\"m\":3}");
    assert_int_equal(quick(w, WRITE_DELETE, "c:a", NULL, &ov), OK);
    assert_int_equal(ov, 3);
    assert_null(head_of(w, "c:a"));
    assert_int_equal(quick(w, WRITE_DELETE, "c:a", NULL, &ov), ERR_NOTFOUND);
    assert_int_equal(quick(w, WRITE_UPDATE, "c:a", "{\"n\":9}", &ov), ERR_NOTFOUND);
    assert_int_equal(quick(w, WRITE_ENRICH, "c:a", "{\"n\":9}", &ov), ERR_NOTFOUND);
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":9}", &ov), ERR_EXISTS);
    struct write undelete = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":4}");
    undelete.undelete = true;
    assert_int_equal(one(w, &undelete, &ov), OK);
    assert_int_equal(ov, 4);
    assert_string_equal(ov_of(w, "c:a", 0), "{\"n\":1}");
    assert_string_equal(ov_of(w, "c:a", 2), "{\"n\":2,\"m\":3}");
    assert_null(ov_of(w, "c:a", 3));
    assert_null(ov_of(w, "c:a", 5));
    assert_string_equal(head_of(w, "c:a"), "{\"n\":4}");
}

static void set_takes_a_deleted_id_again(void **state) {
    struct world *w = *state;
    int64_t ov;
    struct write set = make_write(w, WRITE_SET, "c:a", "{\"n\":1}");
    assert_int_equal(one(w, &set, &ov), OK);
    assert_int_equal(quick(w, WRITE_DELETE, "c:a", NULL, &ov), OK);
    struct write again = make_write(w, WRITE_SET, "c:a", "{\"n\":2}");
    again.if_absent = true;
    struct write_set s = make_set(w, &again, 1);
    commit_set(w, &s);
    assert_int_equal(again.ret.version->ov, 2);
    assert_int_equal(again.ret.version->op, OP_CREATE);
    commit_release(&s);
}

static void ifov_and_conditions(void **state) {
    struct world *w = *state;
    int64_t ov;
    struct write x = make_write(w, WRITE_UPDATE, "c:a", "{}");
    x.if_ov = 0;
    x.upsert = true;
    assert_int_equal(one(w, &x, &ov), ERR_NOTFOUND);
    x = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":1}");
    x.upsert = true;
    assert_int_equal(one(w, &x, &ov), OK);
    x = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":2}");
    x.if_ov = 5;
    assert_int_equal(one(w, &x, &ov), ERR_CONFLICT);
    assert_string_equal(x.ret.err.msg, "expected ov 5, current ov 0");
    x = make_write(w, WRITE_SET, "c:a", "{\"n\":2}");
    x.if_absent = true;
    assert_int_equal(one(w, &x, &ov), OK);
    assert_false(x.ret.changed);
    x = make_write(w, WRITE_SET, "c:b", "{\"n\":2}");
    x.if_present = true;
    assert_int_equal(one(w, &x, &ov), OK);
    assert_false(x.ret.changed);
    assert_null(head_of(w, "c:b"));
    assert_string_equal(head_of(w, "c:a"), "{\"n\":1}");
}

static void restore_by_ov_and_instant(void **state) {
    struct world *w = *state;
    int64_t ov;
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":1}", &ov), OK);
    int64_t first_ms = clock_now_ms();
    struct err err;
    assert_int_equal(commit_wait_closed(w->engine, first_ms, 1000, &err), OK);
    assert_int_equal(quick(w, WRITE_UPDATE, "c:a", "{\"n\":2}", &ov), OK);
    struct write r = make_write(w, WRITE_RESTORE, "c:a", NULL);
    r.restore_ov = 0;
    assert_int_equal(one(w, &r, &ov), OK);
    assert_int_equal(ov, 2);
    assert_int_equal(r.ret.restored_from, 0);
    assert_string_equal(head_of(w, "c:a"), "{\"n\":1}");
    r = make_write(w, WRITE_RESTORE, "c:a", NULL);
    r.restore_at = true;
    r.restore_ms = first_ms;
    assert_int_equal(one(w, &r, &ov), OK);
    assert_false(r.ret.changed); /* it is there already */
    r = make_write(w, WRITE_RESTORE, "c:a", NULL);
    r.restore_ov = 7;
    assert_int_equal(one(w, &r, &ov), ERR_NOTFOUND);
    assert_int_equal(quick(w, WRITE_DELETE, "c:a", NULL, &ov), OK);
    r = make_write(w, WRITE_RESTORE, "c:a", NULL);
    r.restore_ov = 3;
    assert_int_equal(one(w, &r, &ov), ERR_VALIDATION);
    r = make_write(w, WRITE_RESTORE, "c:a", NULL);
    r.restore_at = true;
    r.restore_ms = clock_now_ms() + 100000;
    assert_int_equal(one(w, &r, &ov), ERR_SYNTAX);
    r = make_write(w, WRITE_RESTORE, "c:a", NULL);
    r.restore_ov = 1;
    assert_int_equal(one(w, &r, &ov), OK);
    assert_string_equal(head_of(w, "c:a"), "{\"n\":2}");
}

/* ---- groups ---- */

static void same_item_writes_are_chained_in_one_group(void **state) {
    struct world *w = *state;
    struct write writes[8];
    writes[0] = make_write(w, WRITE_CREATE, "c:a", "{\"n\":0}");
    writes[1] = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":1}");
    writes[2] = make_write(w, WRITE_ENRICH, "c:a", "{\"m\":1}");
    writes[3] = make_write(w, WRITE_DELETE, "c:a", NULL); /* its payload's row is not known yet */
    writes[4] = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":4}"); /* refused: deleted */
    writes[5] = make_write(w, WRITE_RESTORE, "c:a", NULL);
    writes[5].restore_ov = 2;
    writes[6] = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":6}");
    writes[6].if_ov = 4;
    writes[7] = make_write(w, WRITE_CREATE, "c:b", "{\"n\":7}");
    struct write_set set = make_set(w, writes, 8);
    int64_t groups = metric_get(METRIC_GROUPS), commits = metric_get(METRIC_COMMITS);
    commit_set(w, &set);
    assert_int_equal(metric_get(METRIC_GROUPS) - groups, 1);
    assert_int_equal(metric_get(METRIC_COMMITS) - commits, 1);
    int expect_ov[] = {0, 1, 2, 3, -1, 4, 5, 0};
    int64_t cv = 0, at_ms = writes[0].ret.version->at_ms;
    for (int i = 0; i < 8; i++) {
        if (expect_ov[i] < 0) {
            assert_int_equal(writes[i].ret.status, ERR_NOTFOUND);
            continue;
        }
        assert_int_equal(writes[i].ret.status, OK);
        assert_int_equal(writes[i].ret.version->ov, expect_ov[i]);
        assert_true(writes[i].ret.version->cv > cv);
        cv = writes[i].ret.version->cv;
        assert_int_equal(writes[i].ret.version->at_ms, at_ms);
    }
    commit_release(&set);
    world_close(w);
    world_open(w); /* and all of it is on disk */
    assert_string_equal(ov_of(w, "c:a", 2), "{\"n\":1,\"m\":1}");
    assert_string_equal(ov_of(w, "c:a", 4), "{\"n\":1,\"m\":1}");
    assert_string_equal(head_of(w, "c:a"), "{\"n\":6}");
    struct verify_report report;
    struct err err;
    struct place place = place_of(w, "c");
    assert_int_equal(read_verify(w->worker, &place, &w->arena, &report, &err), OK);
    assert_true(report.totals_agree && report.missing == 0 && report.corrupt == 0);
    assert_int_equal(report.versions, 7);
}

static void an_atomic_set_is_all_or_nothing(void **state) {
    struct world *w = *state;
    int64_t ov;
    assert_int_equal(quick(w, WRITE_SET, "c:b", "{\"n\":0}", &ov), OK);
    struct write before = make_write(w, WRITE_SET, "c:x", "{\"n\":1}"),
                 after = make_write(w, WRITE_UPDATE, "c:x", "{\"n\":2}");
    struct write writes[3];
    const char *keys[] = {"c:a", "c:x", "c:b"};
    for (int i = 0; i < 3; i++) {
        writes[i] = make_write(w, WRITE_SET, keys[i], "{\"n\":9}");
        writes[i].if_absent = i != 1;
    }
    struct write_set first = make_set(w, &before, 1), refused = make_set(w, writes, 3),
                     last = make_set(w, &after, 1);
    refused.atomic = true;
    submit(w, &first);
    submit(w, &refused);
    submit(w, &last);
    while (commit_lead(w->worker, false))
        ;
    assert_true(refused.refused);
    assert_null(head_of(w, "c:a"));
    assert_string_equal(head_of(w, "c:b"), "{\"n\":0}");
    assert_string_equal(head_of(w, "c:x"), "{\"n\":2}");
    assert_int_equal(after.ret.version->ov, 1);
    commit_release(&first);
    commit_release(&refused);
    commit_release(&last);
    struct write good[2] = {make_write(w, WRITE_SET, "c:p", "{\"n\":1}"),
                            make_write(w, WRITE_SET, "c:q", "{\"n\":2}")};
    struct write_set both = make_set(w, good, 2);
    both.atomic = true;
    commit_set(w, &both);
    assert_false(both.refused);
    commit_release(&both);
    assert_string_equal(head_of(w, "c:q"), "{\"n\":2}");
}

static void a_lost_swap_is_tried_again_without_the_cache(void **state) {
    struct world *w = *state;
    int64_t ov;
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":0}", &ov), OK);
    struct cache_item item = {place_of(w, "c:a").coll.no, STR("a")};
    struct version *stale;
    assert_true(cache_head(w->engine->cache, item, &stale));
    assert_int_equal(quick(w, WRITE_UPDATE, "c:a", "{\"n\":1}", &ov), OK);
    cache_forget(w->engine->cache, item);
    cache_fill_head(w->engine->cache, item.coll, stale, cache_epoch(w->engine->cache, item));
    version_unref(stale);
    assert_int_equal(quick(w, WRITE_UPDATE, "c:a", "{\"n\":2}", &ov), OK);
    assert_int_equal(ov, 2);
    assert_string_equal(ov_of(w, "c:a", 1), "{\"n\":1}");
}

/* ---- OPIDs ---- */

static struct write with_op(struct world *w, const char *key, const char *doc, const char *op) {
    struct write x = make_write(w, WRITE_CREATE, key, doc);
    x.op_id = str_of(op);
    digest_sha256(str_of(doc), x.request);
    return x;
}

static void an_opid_takes_effect_once(void **state) {
    struct world *w = *state;
    struct write writes[3] = {with_op(w, "c:", "{\"n\":1}", "op1"),
                              with_op(w, "c:", "{\"n\":1}", "op1"),
                              with_op(w, "c:", "{\"n\":2}", "op1")};
    struct write_set set = make_set(w, writes, 3);
    commit_set(w, &set);
    assert_int_equal(writes[0].ret.status, OK);
    assert_int_equal(writes[1].ret.status, OK);
    assert_true(writes[1].ret.replayed);
    assert_int_equal(writes[1].ret.version->cv, writes[0].ret.version->cv);
    assert_int_equal(writes[2].ret.status, ERR_CONFLICT);
    int64_t cv = writes[0].ret.version->cv;
    struct str id = arena_dup(&w->arena, writes[0].ret.version->id);
    commit_release(&set);
    world_close(w);
    world_open(w);
    struct write again = with_op(w, "c:", "{\"n\":1}", "op1");
    struct write_set second = make_set(w, &again, 1);
    commit_set(w, &second);
    assert_int_equal(again.ret.status, OK);
    assert_true(again.ret.replayed);
    assert_int_equal(again.ret.version->cv, cv);
    assert_true(str_eq(again.ret.version->id, id));
    commit_release(&second);
    struct op_answer answer;
    struct err err;
    assert_int_equal(read_op(w->worker, STR("chronos"), STR("op1"), NULL, &w->arena, &answer, &err),
                     OK);
    assert_string_equal(answer.status, "committed");
    assert_int_equal(answer.cv, cv);
    assert_int_equal(read_op(w->worker, STR("chronos"), STR("op2"), NULL, &w->arena, &answer, &err),
                     OK);
    assert_string_equal(answer.status, "unknown");
}

/* ---- failures ---- */

static void each_failing_step_applies_nothing(void **state) {
    struct world *w = *state;
    int64_t ov;
    static const char *const points[] = {"group_taken", "group_planned", "swapped",
                                         "sqlite_step", "file_write",    "file_fsync"};
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":0}", &ov), OK);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct err err;
        assert_int_equal(fault_arm(str_of(points[i]), STR("fail"), 1, false, &err), OK);
        struct write x = make_write(w, WRITE_UPDATE, "c:a", "{\"n\":\"lost\"}");
        enum status s = one(w, &x, &ov);
        if (s != ERR_TRYAGAIN) fail_msg("%s: %s %s", points[i], status_word(s), x.ret.err.msg);
        fault_disarm_all();
        assert_string_equal(head_of(w, "c:a"), "{\"n\":0}");
    }
    assert_int_equal(quick(w, WRITE_UPDATE, "c:a", "{\"n\":1}", &ov), OK);
    assert_int_equal(ov, 1);
}

static void a_full_queue_and_a_late_set(void **state) {
    struct world *w = *state;
    struct write many[1000], more = make_write(w, WRITE_CREATE, "c:", "{}");
    struct err err;
    for (int i = 0; i < 1000; i++) many[i] = make_write(w, WRITE_CREATE, "c:", "{}");
    struct write_set big = make_set(w, many, 1000), small = make_set(w, &more, 1);
    submit(w, &big);
    assert_int_equal(commit_submit(w->worker, &small, &err), ERR_TRYAGAIN);
    big.deadline_us = 0; /* as if it had waited too long */
    while (commit_lead(w->worker, false))
        ;
    assert_int_equal(many[999].ret.status, ERR_TRYAGAIN);
    assert_int_equal(w->answered, 1);
    commit_release(&big);
}

static void an_instant_closes_when_it_is_over(void **state) {
    struct world *w = *state;
    struct err err;
    int64_t now_ms = clock_now_ms();
    assert_true(commit_closed(w->engine, now_ms - 10));
    assert_false(commit_closed(w->engine, now_ms + 10000));
    assert_int_equal(commit_wait_closed(w->engine, now_ms + 10000, 20, &err), ERR_TRYAGAIN);
    assert_int_equal(commit_wait_closed(w->engine, now_ms, 1000, &err), OK);
}

/* ---- payloads and garbage ---- */

static void large_payloads_and_their_garbage(void **state) {
    struct world *w = *state;
    char *doc = xcalloc(1, 10001);
    snprintf(doc, 10001, "{\"text\":\"%09900d\"}", 7);
    int64_t ov, removed;
    struct err err;
    assert_int_equal(quick(w, WRITE_CREATE, "c:big", doc, &ov), OK);
    assert_int_equal(fault_arm(STR("group_planned"), STR("fail"), 1, false, &err), OK);
    assert_int_equal(quick(w, WRITE_CREATE, "c:lost", doc, &ov), ERR_TRYAGAIN);
    fault_disarm_all();
    assert_int_equal(fault_arm(STR("blob_fsync"), STR("fail"), 1, false, &err), OK);
    struct write two[2] = {make_write(w, WRITE_CREATE, "c:bad", doc),
                           make_write(w, WRITE_CREATE, "c:good", "{\"n\":1}")};
    struct write_set set = make_set(w, two, 2);
    commit_set(w, &set);
    assert_int_equal(two[0].ret.status, ERR_TRYAGAIN);
    assert_int_equal(two[1].ret.status, OK);
    commit_release(&set);
    fault_disarm_all();
    assert_int_equal(garbage_sweep(w->worker, 3600 * 1000, &removed, &err), OK);
    assert_int_equal(removed, 0); /* young objects may belong to a commit in flight */
    usleep(2000);
    assert_int_equal(garbage_sweep(w->worker, 0, &removed, &err), OK);
    assert_int_equal(removed, 1);
    world_close(w);
    world_open(w);
    assert_string_equal(head_of(w, "c:big"), doc);
    assert_null(head_of(w, "c:lost"));
    assert_null(head_of(w, "c:bad"));
    free(doc);
}

/* Changes a byte of a stored document, as a failing disk would. */
static void damage(struct world *w, const char *id) {
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chronos.db", w->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *sql = sqlite3_mprintf("UPDATE version SET doc = CAST(replace(CAST(doc AS TEXT), '\"n\"', "
                                "'\"m\"') AS BLOB) WHERE CAST(id AS TEXT) = %Q",
                                id);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_free(sql);
    sqlite3_close(db);
}

static void a_damaged_document_fails_its_own_writes_only(void **state) {
    struct world *w = *state;
    int64_t ov;
    assert_int_equal(quick(w, WRITE_CREATE, "c:a", "{\"n\":1}", &ov), OK);
    assert_int_equal(quick(w, WRITE_CREATE, "c:b", "{\"n\":1}", &ov), OK);
    world_close(w);
    damage(w, "a");
    world_open(w);
    struct write two[2] = {make_write(w, WRITE_ENRICH, "c:a", "{\"x\":1}"),
                           make_write(w, WRITE_UPDATE, "c:b", "{\"n\":2}")};
    struct write_set set = make_set(w, two, 2);
    commit_set(w, &set);
    assert_int_equal(two[0].ret.status, ERR_CORRUPT);
    assert_int_equal(two[1].ret.status, OK);
    commit_release(&set);
    struct place place = place_of(w, "c:a");
    struct version *v;
    struct err err;
    assert_int_equal(read_one(w->worker, &place, &(struct read_what){.kind = READ_HEAD}, &v, &err),
                     ERR_CORRUPT);
    struct write restore = make_write(w, WRITE_RESTORE, "c:a", NULL);
    assert_int_equal(one(w, &restore, &ov), ERR_CORRUPT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_life),
        TEST(set_takes_a_deleted_id_again),
        TEST(ifov_and_conditions),
        TEST(restore_by_ov_and_instant),
        TEST(same_item_writes_are_chained_in_one_group),
        TEST(an_atomic_set_is_all_or_nothing),
        TEST(a_lost_swap_is_tried_again_without_the_cache),
        TEST(an_opid_takes_effect_once),
        TEST(each_failing_step_applies_nothing),
        TEST(a_full_queue_and_a_late_set),
        TEST(an_instant_closes_when_it_is_over),
        TEST(large_payloads_and_their_garbage),
        TEST(a_damaged_document_fails_its_own_writes_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
