/*
 * CHRONOS.CREATE, UPDATE, DELETE, ENRICH, RESTORE and BULK: the request becomes writes, the
 * outcome a map.
 */
#include "commands/answer.h"
#include "commands/cmds.h"
#include "commands/table.h"
#include "commands/writes.h"
#include "config/config.h"
#include "engine/document.h"

enum { POSITION_KEY = 1, POSITION_JSON = 2, BULK_MAX = 100000 };

/* What BULK keeps of an element. */
struct element {
    int write; /* its place among the command's writes, -1: refused */
    struct err *err;
};
struct bulk {
    int count;
    struct element *elements;
};

/* ---- plans ---- */

static enum status parent_of(struct call *call, const struct options *o, struct write *w,
                             struct err *err) {
    if (!(o->given & OPTION_PARENT)) return OK;
    struct key key;
    struct err why;
    enum status s = key_parse_item(o->parent, call->arena, &key, &why);
    if (s != OK) return err_set(err, s, "PARENT: %s", why.msg);
    w->parent_id = key.id;
    w->parent_collection = key.collection;
    return OK;
}

enum status cmd_create_plan(struct call *call, struct write_set *set, struct err *err) {
    struct options o;
    enum status s = options_parse(call, POSITION_JSON + 1, &o, err);
    if (s != OK) return s;
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_CREATE;
    w->verb = VERB_CREATE;
    writes_options(call, &o, w);
    s = writes_object(call, call->argv[POSITION_JSON], &w->doc, err);
    if (s == OK) s = parent_of(call, &o, w, err);
    if (s == OK) s = writes_place(call, call->argv[POSITION_KEY], true, false, &w->place, err);
    if (s != OK) return s;
    w->origin_system = o.origin[0];
    w->origin_collection = o.origin[1];
    w->origin_id = o.origin[2];
    writes_digest(call, w);
    return OK;
}

enum status cmd_update_plan(struct call *call, struct write_set *set, struct err *err) {
    struct options o;
    enum status s = options_parse(call, POSITION_JSON + 1, &o, err);
    if (s != OK) return s;
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_UPDATE;
    w->verb = VERB_UPDATE;
    w->upsert = o.given & OPTION_UPSERT;
    w->undelete = o.given & OPTION_UNDELETE;
    writes_options(call, &o, w);
    s = writes_object(call, call->argv[POSITION_JSON], &w->doc, err);
    if (s == OK) s = writes_place(call, call->argv[POSITION_KEY], w->upsert, true, &w->place, err);
    if (s != OK) return s;
    writes_digest(call, w);
    return OK;
}

enum status cmd_delete_plan(struct call *call, struct write_set *set, struct err *err) {
    struct options o;
    enum status s = options_parse(call, POSITION_KEY + 1, &o, err);
    if (s != OK) return s;
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_DELETE;
    w->verb = VERB_DELETE;
    writes_options(call, &o, w);
    s = writes_place(call, call->argv[POSITION_KEY], false, true, &w->place, err);
    if (s != OK) return s;
    writes_digest(call, w);
    return OK;
}

/* ENRICH takes an object or an array of objects; what is in the array is looked at when it is
 * merged. */
static enum status check_patch(struct str text, struct str *ret, struct err *err) {
    enum status s = json_check(text, DOCUMENT_DEPTH_MAX, err);
    if (s != OK) return s;
    while (text.n > 0 && strchr(" \t\r\n", *text.p)) {
        text.p++;
        text.n--;
    }
    while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1])) text.n--;
    enum json_type type = json_type(text);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return err_set(err, ERR_VALIDATION,
                       "a patch is a JSON object, or an array of them, such as {\"age\":36}");
    *ret = text;
    return OK;
}

enum status cmd_enrich_plan(struct call *call, struct write_set *set, struct err *err) {
    struct options o;
    enum status s = options_parse(call, POSITION_JSON + 1, &o, err);
    if (s != OK) return s;
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_ENRICH;
    w->verb = VERB_ENRICH;
    writes_options(call, &o, w);
    s = check_patch(call->argv[POSITION_JSON], &w->doc, err);
    if (s == OK) s = writes_place(call, call->argv[POSITION_KEY], false, true, &w->place, err);
    if (s != OK) return s;
    writes_digest(call, w);
    return OK;
}

enum status cmd_restore_plan(struct call *call, struct write_set *set, struct err *err) {
    struct options o;
    enum status s = options_parse(call, POSITION_KEY + 1, &o, err);
    if (s != OK) return s;
    if (!(o.given & (OPTION_OV | OPTION_AT)))
        return err_set(err, ERR_SYNTAX, "RESTORE needs OV n or AT time");
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_RESTORE;
    w->verb = VERB_RESTORE;
    w->restore_at = o.given & OPTION_AT;
    w->restore_ov = o.ov;
    w->restore_ms = o.at_ms;
    writes_options(call, &o, w);
    s = writes_place(call, call->argv[POSITION_KEY], false, true, &w->place, err);
    if (s != OK) return s;
    writes_digest(call, w);
    return OK;
}

/* ---- BULK ---- */

static enum status plan_element(struct call *call, struct write_set *set, const struct place *place,
                                const struct options *o, struct str json, struct err *err) {
    struct write *w = call_add_write(call, set);
    w->kind = WRITE_CREATE;
    w->verb = VERB_CREATE;
    w->place = *place;
    writes_options(call, o, w);
    enum status s = writes_object(call, json, &w->doc, err);
    if (s != OK) set->count--;
    return s;
}

enum status cmd_bulk_plan(struct call *call, struct write_set *set, struct err *err) {
    enum { FIRST = 3 };
    int64_t n;
    enum status s = argument_int(call->argv[2], "n", 1, BULK_MAX, &n, err);
    if (s != OK) return s;
    if (n > call->argc - FIRST)
        return err_set(err, ERR_SYNTAX, "n counts %lld documents, but %d words follow",
                       (long long)n, call->argc - FIRST);
    struct options o;
    struct place place;
    s = options_parse(call, FIRST + (int)n, &o, err);
    if (s == OK) s = call_collection(call, call->argv[POSITION_KEY], true, &place, err);
    if (s != OK) return s;
    struct bulk *bulk = arena_alloc(call->arena, sizeof *bulk);
    bulk->count = (int)n;
    bulk->elements = arena_zalloc(call->arena, sizeof *bulk->elements * (size_t)n);
    uint8_t whole[SHA256_BYTES] = {0};
    if (o.op_id.p) digest_sha256_list(call->argv + 1, FIRST - 1 + (int)n, whole);
    int writes = 0;
    for (int i = 0; i < n; i++) {
        struct err why;
        s = plan_element(call, set, &place, &o, call->argv[FIRST + i], &why);
        bulk->elements[i].write = s == OK ? writes++ : -1;
        if (s == OK) {
            writes_element(call, &set->writes[set->count - 1], whole, i);
            continue;
        }
        bulk->elements[i].err = arena_alloc(call->arena, sizeof why);
        *bulk->elements[i].err = why;
    }
    call->memo = bulk;
    return OK;
}

enum status cmd_bulk_answer(struct call *call, const struct write_set *set, struct err *err) {
    const struct bulk *bulk = call->memo;
    reply_array(call->reply, bulk->count);
    for (int i = 0; i < bulk->count; i++) {
        const struct element *e = &bulk->elements[i];
        struct err why;
        enum status s = OK;
        if (e->write < 0) {
            reply_error(call->reply, e->err);
        } else {
            s = answer_write(call, &set->writes[e->write], "createdAt", 0, &why);
            if (s != OK) reply_error(call->reply, &why);
        }
    }
    (void)err; /* each element is answered by itself */
    return OK;
}

/* ---- answers ---- */

enum status cmd_create_answer(struct call *call, const struct write_set *set, struct err *err) {
    return answer_write(call, set->writes, "createdAt", 0, err);
}

enum status cmd_update_answer(struct call *call, const struct write_set *set, struct err *err) {
    return answer_write(call, set->writes, "updatedAt", 0, err);
}

enum status cmd_delete_answer(struct call *call, const struct write_set *set, struct err *err) {
    return answer_write(call, set->writes, "deletedAt", 0, err);
}

enum status cmd_enrich_answer(struct call *call, const struct write_set *set, struct err *err) {
    enum status s = answer_write(call, set->writes, "updatedAt", 1, err);
    if (s != OK) return s;
    const struct version *v = set->writes->ret.version;
    struct system_fields system = {0};
    if (v->doc.p) document_system(call->arena, v->doc, &system);
    reply_bulk(call->reply, STR("functionIds"));
    reply_array(call->reply, system.function_count);
    for (int i = 0; i < system.function_count; i++) reply_bulk(call->reply, system.function_ids[i]);
    return OK;
}

enum status cmd_restore_answer(struct call *call, const struct write_set *set, struct err *err) {
    enum status s = answer_write(call, set->writes, "updatedAt", 2, err);
    if (s != OK) return s;
    reply_pair_int(call->reply, "restoredFrom", set->writes->ret.restored_from);
    reply_pair_bool(call->reply, "changed", set->writes->ret.changed);
    return OK;
}
