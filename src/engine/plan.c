/*
 * plan: what one write makes of its item. Reads downwards: plan_write chooses by kind; each kind
 * checks the head, then composes the new version; add_version puts it on the group's list and makes
 * it the item's head, so that the next write is chained to it.
 *
 * Two kinds of failure. A refusal is the write's own (refuse): it is answered with it, and the
 * group goes on. A status that comes back concerns the store and fails the group.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "engine/document.h"
#include "engine/group.h"

enum { KEY_NAME_BYTES = 100 }; /* longest opId that goes into a payload key as it is */

/* One write being planned. */
struct plan {
    struct group *group;
    const struct write_set *set;
    struct write *write;
    struct group_item *item;
};

static enum status plan_create(struct plan *p, struct err *err);
static enum status plan_update(struct plan *p, struct err *err);
static enum status plan_set(struct plan *p, struct err *err);
static enum status plan_enrich(struct plan *p, struct err *err);
static enum status plan_delete(struct plan *p, struct err *err);
static enum status plan_restore(struct plan *p, struct err *err);

enum status plan_write(struct group *g, const struct write_set *set, struct write *write,
                       struct group_item *item, struct err *err) {
    struct plan p = {g, set, write, item};
    switch (write->kind) {
    case WRITE_CREATE:
        return plan_create(&p, err);
    case WRITE_UPDATE:
        return plan_update(&p, err);
    case WRITE_SET:
        return plan_set(&p, err);
    case WRITE_ENRICH:
        return plan_enrich(&p, err);
    case WRITE_DELETE:
        return plan_delete(&p, err);
    case WRITE_RESTORE:
        return plan_restore(&p, err);
    }
    ASSERT(false); /* a kind of write that is not known */
    return OK;
}

/* ---- small steps ---- */

/* The write is refused: `status` is what err_set answered on its own error. */
static enum status refuse(struct plan *p, enum status status) {
    p->write->ret.status = status;
    return OK;
}

/* Nothing to write: the head is the answer. */
static enum status unchanged(struct plan *p) {
    p->write->ret.version = version_ref(p->item->head);
    return OK;
}

static bool is_live(const struct plan *p) {
    return p->item->head && !version_is_deleted(p->item->head);
}

static enum status refuse_absent(struct plan *p) {
    struct write *w = p->write;
    if (!p->item->head)
        return refuse(p, err_set(&w->ret.err, ERR_NOTFOUND, "%.*s", STR_FMT(w->ret.key)));
    return refuse(p, err_set(&w->ret.err, ERR_NOTFOUND,
                             "%.*s is deleted; CHRONOS.UPDATE with UNDELETE or CHRONOS.RESTORE "
                             "brings it back",
                             STR_FMT(w->ret.key)));
}

/* IFOV. True: the head is where it must be. */
static bool check_ov(struct plan *p) {
    struct write *w = p->write;
    if (w->if_ov < 0 || p->item->head->ov == w->if_ov) return true;
    (void)refuse(p, err_set(&w->ret.err, ERR_CONFLICT, "expected ov %lld, current ov %lld",
                            (long long)w->if_ov, (long long)p->item->head->ov));
    return false;
}

/* GETSET and the like answer the live head as it was. */
static enum status keep_prior(struct plan *p, struct err *err) {
    if (!p->write->want_prior || !is_live(p)) return OK;
    enum status s = group_document(p->group, p->item, &p->item->head, err);
    if (s == OK) p->write->ret.prior = version_ref(p->item->head);
    return s;
}

/* Where a new version begins: identity, order, and who asked. */
static enum status begin_version(struct plan *p, enum version_op op, struct version *ret,
                                 struct err *err) {
    const struct write *w = p->write;
    struct meta_numbers n;
    enum status s = group_number(p->group, &p->item->coll, &n, err);
    if (s != OK) return s;
    const struct version *head = p->item->head;
    *ret = (struct version){.ov = head ? head->ov + 1 : 0,
                            .cv = n.cv,
                            .at_ms = n.at_ms,
                            .created_ms = head && op != OP_CREATE ? head->created_ms : n.at_ms,
                            .deleted_ms = TIME_NONE,
                            .op = op,
                            .verb = w->verb,
                            .state = STATE_NEW,
                            .id = p->item->id,
                            .op_id = w->ret.op_id,
                            .actor = w->actor,
                            .reason = w->reason,
                            .function_id = w->function_id};
    ret->payload_ov = ret->ov;
    return OK;
}

/* The version joins the group; the item's head is now this one. */
static void add_version(struct plan *p, const struct version *draft) {
    struct group *g = p->group;
    struct version *v = version_new(draft);
    int i = g->made_count++;
    g->made[i] = (struct made){.item = p->item, .before = p->item->head, .version = v};
    g->swaps[i] = (struct meta_swap){.next = v,
                                     .coll = &p->item->coll,
                                     .expected_ov = p->item->head ? p->item->head->ov : -1,
                                     .fresh = p->item->fresh && !p->item->head};
    p->item->head = v;
    p->write->ret.version = version_ref(v);
    p->write->ret.changed = true;
}

static bool is_plain(struct str name) {
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.n > 0 && name.n <= KEY_NAME_BYTES;
}

/* [database/]collection/id/v<ov>/item-<name>.json: the default database has no folder of its own.
 */
static struct str payload_key(struct plan *p, const struct version *draft, struct str name) {
    struct group *g = p->group;
    bool is_default = str_eq(p->item->coll.database, g->engine->config->route);
    struct str database = is_default ? STR("") : p->item->coll.database;
    return arena_printf(g->arena, "%.*s%s%.*s/%.*s/v%lld/item-%.*s.json", STR_FMT(database),
                        is_default ? "" : "/", STR_FMT(p->item->coll.name), STR_FMT(draft->id),
                        (long long)draft->ov, STR_FMT(name));
}

/* A payload above inlineMax goes to the payload store, durably, before any record names it (I2).
 * Its key has the opId in it (I5); what an attempt that failed has left there stays, and this one
 * takes a new name. */
static enum status put_payload(struct plan *p, struct version *draft, struct err *err) {
    struct blob_store *blob = p->group->engine->blob;
    char fresh[OBJECTID_HEX];
    objectid_mint(fresh);
    struct str names[] = {draft->op_id, {fresh, OBJECTID_HEX}};
    enum status s = ERR_EXISTS;
    for (int i = is_plain(draft->op_id) ? 0 : 1; s == ERR_EXISTS && i < 2; i++) {
        draft->blob_key = payload_key(p, draft, names[i]);
        s = blob->ops->put(blob, BLOB_JSON, draft->blob_key, draft->doc, NULL, 0, err);
    }
    if (s != OK) return s;
    metric_add(METRIC_BLOB_PUTS, 1);
    (void)fault_hit(FAULT_BLOBS_PUT); /* for kills: an object that no record names yet */
    draft->bucket = blob->ops->bucket_name(blob, BLOB_JSON);
    return OK;
}

static void add_function(struct plan *p, struct system_fields *system) {
    struct str f = p->write->function_id;
    if (!f.p) return;
    for (int i = 0; i < system->function_count; i++)
        if (str_eq(system->function_ids[i], f)) return;
    struct str *ids =
        arena_alloc(p->group->arena, (size_t)(system->function_count + 1) * sizeof *ids);
    if (system->function_count)
        memcpy(ids, system->function_ids, (size_t)system->function_count * sizeof *ids);
    ids[system->function_count++] = f;
    system->function_ids = ids;
}

static void set_lineage(const struct write *w, struct system_fields *system) {
    if (w->parent_id.p || w->parent_collection.p) {
        system->parent_id = w->parent_id;
        system->parent_collection = w->parent_collection;
    }
    if (w->origin_id.p) {
        system->origin_system = w->origin_system;
        system->origin_id = w->origin_id;
        system->origin_collection = w->origin_collection;
    }
}

/* validation.requiredIndexed of the collection, asked of the document as it will be. */
static enum status check_required(struct plan *p, struct str object) {
    const struct config_collection *c = config_collection(p->set->config, p->item->coll.name);
    struct err *err = &p->write->ret.err;
    for (int i = 0; c && i < c->required_count; i++) {
        struct json_path path;
        enum status s = json_path_parse(c->required[i], p->group->arena, &path, err);
        if (s != OK) return s;
        if (!document_has(object, &path))
            return err_set(err, ERR_VALIDATION,
                           "the document has no value at '%.*s', which "
                           "collectionMaps.%.*s.validation.requiredIndexed demands",
                           STR_FMT(c->required[i]), STR_FMT(c->name));
    }
    return OK;
}

/* A version with a document of its own: `object` with `_system` composed for it. */
static enum status add_document(struct plan *p, enum version_op op, struct str object,
                                struct system_fields *system, struct err *err) {
    struct version draft;
    enum status s = check_required(p, object);
    if (s != OK) return refuse(p, s);
    s = begin_version(p, op, &draft, err);
    if (s != OK) return s;
    if (system->inserted_ms == TIME_NONE) system->inserted_ms = draft.at_ms;
    system->updated_ms = draft.at_ms;
    system->deleted_ms = TIME_NONE;
    system->state = draft.state;
    add_function(p, system);
    set_lineage(p->write, system);
    draft.doc = document_compose(p->group->arena, object, system);
    draft.size = (int64_t)draft.doc.n;
    if (draft.size > p->set->config->bulk_bytes)
        return refuse(p, err_set(&p->write->ret.err, ERR_TOOLARGE,
                                 "the document has %lld bytes with its _system, the limit is %lld "
                                 "(server.limits.bulk)",
                                 (long long)draft.size, (long long)p->set->config->bulk_bytes));
    digest_sha256(draft.doc, draft.checksum);
    if (draft.size > p->set->config->inline_max_bytes) {
        s = put_payload(p, &draft, &p->write->ret.err);
        if (s != OK) return refuse(p, s);
    }
    add_version(p, &draft);
    return OK;
}

static struct system_fields system_none(void) {
    return (struct system_fields){
        .inserted_ms = TIME_NONE, .updated_ms = TIME_NONE, .deleted_ms = TIME_NONE};
}

/* The head's `_system`, which a new version keeps. */
static enum status head_system(struct plan *p, struct system_fields *ret, struct err *err) {
    enum status s = group_document(p->group, p->item, &p->item->head, err);
    if (s == OK) document_system(p->group->arena, p->item->head->doc, ret);
    return s;
}

/* ---- the kinds ---- */

static enum status plan_create(struct plan *p, struct err *err) {
    struct write *w = p->write;
    if (p->item->head)
        return refuse(
            p,
            err_set(&w->ret.err, ERR_EXISTS, "%.*s%s", STR_FMT(w->ret.key),
                    is_live(p) ? "" : " (deleted; CHRONOS.UPDATE with UNDELETE brings it back)"));
    struct system_fields system = system_none();
    return add_document(p, OP_CREATE, w->doc, &system, err);
}

/* Replaces the document of the head, live or not; `_system` keeps insertedAt, lineage and
 * functionIds. */
static enum status replace(struct plan *p, struct err *err) {
    struct system_fields system;
    enum status s = head_system(p, &system, err);
    if (s != OK) return s;
    if (p->set->config->skip_unchanged && is_live(p) &&
        document_equal(p->group->arena, p->item->head->doc, p->write->doc))
        return unchanged(p);
    return add_document(p, OP_UPDATE, p->write->doc, &system, err);
}

static enum status plan_update(struct plan *p, struct err *err) {
    struct write *w = p->write;
    if (!p->item->head && w->upsert && w->if_ov < 0) {
        struct system_fields system = system_none();
        return add_document(p, OP_CREATE, w->doc, &system, err);
    }
    if (!p->item->head || (!is_live(p) && !w->undelete)) return refuse_absent(p);
    if (!check_ov(p)) return OK;
    return replace(p, err);
}

/* As Redis: a deleted item is a free key, its next version is a CREATE. */
static enum status plan_set(struct plan *p, struct err *err) {
    struct write *w = p->write;
    bool live = is_live(p);
    enum status s = keep_prior(p, err);
    if (s != OK) return s;
    if ((w->if_absent && live) || (w->if_present && !live)) return OK;
    if (live) return replace(p, err);
    struct system_fields system = system_none();
    return add_document(p, OP_CREATE, w->doc, &system, err);
}

static enum status plan_enrich(struct plan *p, struct err *err) {
    struct write *w = p->write;
    if (!is_live(p)) return refuse_absent(p);
    if (!check_ov(p)) return OK;
    struct system_fields system;
    enum status s = head_system(p, &system, err);
    if (s != OK) return s;
    struct str merged;
    s = document_merge(p->group->arena, p->item->head->doc, w->doc,
                       (size_t)p->set->config->bulk_bytes, &merged, &w->ret.err);
    if (s != OK) return refuse(p, s);
    if (p->set->config->skip_unchanged &&
        document_equal(p->group->arena, p->item->head->doc, merged))
        return unchanged(p);
    return add_document(p, OP_UPDATE, merged, &system, err);
}

/* A version that has no payload of its own but shares another's. Payload and record must be known
 * to the store. */
static enum status share_payload(struct plan *p, const struct version *source,
                                 struct version *draft, struct err *err) {
    if (source->payload_row == 0 && !source->blob_key.p) {
        ASSERT(!p->group->atomic); /* atomic sets hold plain SETs only */
        enum status s = group_swap(p->group, err);
        if (s != OK) return s;
    }
    draft->payload_row = source->payload_row;
    draft->payload_ov = source->payload_ov;
    draft->bucket = source->bucket;
    draft->blob_key = source->blob_key;
    draft->size = source->size;
    draft->doc = source->doc;
    memcpy(draft->checksum, source->checksum, sizeof draft->checksum);
    return OK;
}

static enum status add_shared(struct plan *p, enum version_op op, const struct version *source,
                              bool deleted, struct err *err) {
    struct version draft;
    enum status s = begin_version(p, op, &draft, err);
    if (s == OK) s = share_payload(p, source, &draft, err);
    if (s != OK) return s;
    if (deleted) draft.deleted_ms = draft.at_ms;
    add_version(p, &draft);
    return OK;
}

static enum status plan_delete(struct plan *p, struct err *err) {
    if (!is_live(p)) return refuse_absent(p);
    if (!check_ov(p)) return OK;
    enum status s = keep_prior(p, err);
    if (s != OK) return s;
    return add_shared(p, OP_DELETE, p->item->head, true, err);
}

/* ---- RESTORE ---- */

/* A version that this group made of the item. */
static struct version *made_version(struct plan *p, int64_t ov) {
    for (int i = p->group->made_count - 1; i >= 0; i--)
        if (p->group->made[i].item == p->item && p->group->made[i].version->ov == ov)
            return p->group->made[i].version;
    return NULL;
}

static enum status target_by_ov(struct plan *p, int64_t ov, struct version **ret, struct err *err) {
    struct group *g = p->group;
    struct version *found = made_version(p, ov);
    if (!found && p->item->head->ov == ov) found = p->item->head;
    if (found) {
        *ret = version_ref(found);
        return OK;
    }
    if (ov < 0 || ov > p->item->head->ov) {
        *ret = NULL;
        return OK;
    }
    return g->engine->meta->ops->by_ov(g->worker->session, &p->item->coll, p->item->id, ov, true,
                                       ret, err);
}

/* The version of the instant: what this group made is of the group's instant, which lies in the
 * present. */
static enum status target_by_instant(struct plan *p, struct version **ret, struct err *err) {
    struct group *g = p->group;
    const struct write *w = p->write;
    if (p->item->head->at_ms <= w->restore_ms) {
        *ret = version_ref(p->item->head);
        return OK;
    }
    return g->engine->meta->ops->by_instant(g->worker->session, &p->item->coll, p->item->id,
                                            w->restore_ms, true, ret, err);
}

static enum status restore_to(struct plan *p, struct version *target, struct err *err) {
    struct write *w = p->write;
    bool deleted = version_is_deleted(target);
    if (deleted && !w->restore_at)
        return refuse(
            p,
            err_set(&w->ret.err, ERR_VALIDATION,
                    "ov %lld is a deletion; CHRONOS.DELETE deletes, AT restores to a deleted state",
                    (long long)target->ov));
    w->ret.restored_from = target->ov;
    if (deleted)
        return is_live(p) ? add_shared(p, OP_RESTORE, p->item->head, true, err) : unchanged(p);
    if (is_live(p)) {
        enum status s = group_document(p->group, p->item, &p->item->head, err);
        if (s != OK) return s;
        if (document_equal(p->group->arena, p->item->head->doc, target->doc)) return unchanged(p);
    }
    return add_shared(p, OP_RESTORE, target, false, err);
}

static enum status plan_restore(struct plan *p, struct err *err) {
    struct write *w = p->write;
    if (!p->item->head) return refuse_absent(p);
    if (!check_ov(p)) return OK;
    int64_t now_ms = clock_now_ms();
    if (w->restore_at && w->restore_ms > now_ms && w->restore_ms > p->item->head->at_ms)
        return refuse(p, err_set(&w->ret.err, ERR_SYNTAX, "AT lies in the future"));
    struct version *target;
    enum status s = w->restore_at ? target_by_instant(p, &target, err)
                                  : target_by_ov(p, w->restore_ov, &target, err);
    if (s != OK) return s;
    if (!target && w->restore_at)
        return refuse(p, err_set(&w->ret.err, ERR_NOTFOUND,
                                 "%.*s has no version at or before this instant",
                                 STR_FMT(w->ret.key)));
    if (!target)
        return refuse(p, err_set(&w->ret.err, ERR_NOTFOUND,
                                 "%.*s has no ov %lld; its versions are 0 to %lld",
                                 STR_FMT(w->ret.key), (long long)w->restore_ov,
                                 (long long)p->item->head->ov));
    s = version_is_deleted(target) ? OK : group_document(p->group, p->item, &target, err);
    if (s == OK && !version_is_deleted(target)) s = payload_verify(target, err);
    if (s == OK) s = restore_to(p, target, err);
    version_unref(target);
    return s;
}
