/*
 * OPIDs: a write request with one takes effect once and always gets its first answer. Looked up
 * before the write is planned, in this group and in the store; noted in the store together with the
 * rows that it made.
 */
#include "base/clock.h"
#include "engine/group.h"

static uint64_t op_hash(const struct write *write) {
    return (str_hash(write->op_id) ^ str_hash(write->place.coll.database)) % GROUP_TABLE;
}

static enum status op_conflict(struct write *write) {
    return err_set(&write->ret.err, ERR_CONFLICT,
                   "OPID %.*s was used for another request; choose a new one",
                   STR_FMT(write->op_id));
}

/* The same OPID earlier in this group: the same outcome. */
static bool replay_from_group(struct group *g, struct write *write) {
    struct group_op *at = g->ops[op_hash(write)];
    while (at && !(str_eq(at->write->op_id, write->op_id) &&
                   str_eq(at->write->place.coll.database, write->place.coll.database)))
        at = at->chain;
    if (!at) return false;
    if (memcmp(at->write->request, write->request, SHA256_BYTES) != 0) {
        write->ret.status = op_conflict(write);
        return true;
    }
    struct str key = write->ret.key;
    write->ret = at->write->ret;
    write->ret.key = key;
    write->ret.replayed = true;
    version_ref(write->ret.version);
    if (write->ret.prior) version_ref(write->ret.prior);
    return true;
}

/* "ov changed restoredFrom"; op_parse reads it. */
static struct str op_answer(struct group *g, const struct write *write) {
    return arena_printf(g->arena, "%lld %d %lld", (long long)write->ret.version->ov,
                        write->ret.changed, (long long)write->ret.restored_from);
}

enum status op_parse(struct str answer, struct op_made *ret, struct err *err) {
    int64_t parts[3];
    for (int i = 0; i < 3; i++) {
        ptrdiff_t blank = str_find_char(answer, ' ');
        size_t n = blank < 0 ? answer.n : (size_t)blank;
        if (!str_to_int((struct str){answer.p, n}, &parts[i]))
            return err_set(err, ERR_CORRUPT, "a noted operation has no readable answer");
        n += blank >= 0;
        answer = (struct str){answer.p + n, answer.n - n};
    }
    *ret = (struct op_made){.ov = parts[0], .changed = parts[1] != 0, .restored_from = parts[2]};
    return OK;
}

/* The same OPID in an earlier group, or before a restart. */
static enum status replay_from_store(struct group *g, struct write *write, bool *ret_replayed,
                                     struct err *err) {
    const struct meta_ops *meta = g->engine->meta->ops;
    struct meta_op op;
    bool found;
    enum status s = meta->op_find(g->worker->session, write->place.coll.database, write->op_id,
                                  g->arena, &op, &found, err);
    *ret_replayed = s == OK && found;
    if (s != OK || !found) return s;
    if (memcmp(op.request, write->request, SHA256_BYTES) != 0) {
        write->ret.status = op_conflict(write);
        return OK;
    }
    struct op_made made = {0};
    struct version *version = NULL;
    s = op_parse(op.answer, &made, err);
    if (s == OK)
        s = meta->by_ov(g->worker->session, &write->place.coll, write->place.id, made.ov, true,
                        &version, err);
    if (s == OK && !version)
        s = err_set(err, ERR_CORRUPT, "the version that OPID %.*s made is missing",
                    STR_FMT(write->op_id));
    if (s == OK && !version_is_deleted(version))
        s = payload_load(g->engine, g->arena, &version, err);
    if (s != OK) {
        version_unref(version);
        return s;
    }
    write->ret.status = OK;
    write->ret.version = version;
    write->ret.changed = made.changed;
    write->ret.restored_from = made.restored_from;
    write->ret.replayed = true;
    return OK;
}

enum status op_replay(struct group *g, struct write *write, bool *ret_replayed, struct err *err) {
    *ret_replayed = write->op_id.p && replay_from_group(g, write);
    if (!write->op_id.p || *ret_replayed) return OK;
    return replay_from_store(g, write, ret_replayed, err);
}

void op_remember(struct group *g, struct write *write) {
    if (!write->op_id.p || write->ret.status != OK || !write->ret.version) return;
    g->op_count++;
    struct group_op *op = arena_zalloc(g->arena, sizeof *op);
    op->write = write;
    op->chain = g->ops[op_hash(write)];
    g->ops[op_hash(write)] = op;
}

enum status op_note(struct group *g, const struct write_set *set, struct err *err) {
    for (int i = 0; i < set->count; i++) {
        struct write *write = &set->writes[i];
        if (!write->op_id.p || write->ret.status != OK || write->ret.replayed ||
            !write->ret.version)
            continue;
        int64_t now_ms = clock_now_ms();
        struct meta_op op = {.op_id = write->op_id,
                             .key = write->ret.key,
                             .at_ms = now_ms,
                             .expires_ms = now_ms + set->config->op_keep_hours * 3600 * 1000,
                             .answer = op_answer(g, write)};
        memcpy(op.request, write->request, SHA256_BYTES);
        enum status s =
            g->engine->meta->ops->group_note(g->meta, write->place.coll.database, &op, 1, err);
        if (s != OK) return s;
    }
    return OK;
}
