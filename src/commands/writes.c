/*
 * From words to writes.
 *
 * The digest of a request is of what it asks for: the command, the place, the document and every
 * option that changes what is written or shown in history. OPID itself and SYNC are left out, so is
 * the order of the options, so a retry may ask for more patience and still be the same request.
 */
#include "commands/writes.h"

#include "commands/table.h"
#include "config/config.h"
#include "engine/document.h"

enum { NUMBERS_BYTES = 96 };

enum status call_item(struct call *call, struct str text, bool make, struct place *ret,
                      struct err *err) {
    struct key key;
    enum status s = key_parse_item(text, call->arena, &key, err);
    if (s != OK) return s;
    return engine_place(call->engine, &key, call_route(call), make, call->arena, ret, err);
}

enum status call_collection(struct call *call, struct str text, bool make, struct place *ret,
                            struct err *err) {
    struct key key;
    enum status s = key_parse_collection(text, call->arena, &key, err);
    if (s != OK) return s;
    return engine_place(call->engine, &key, call_route(call), make, call->arena, ret, err);
}

void writes_options(const struct call *call, const struct options *options, struct write *w) {
    w->actor = options->actor;
    w->reason = options->reason;
    w->function_id = options->function_id;
    w->op_id = options->op_id;
    w->if_ov = options->if_ov;
    w->sync = (options->given & OPTION_SYNC) || call->config->ack == ACK_STORAGE;
}

enum status writes_object(const struct call *call, struct str json, struct str *ret,
                          struct err *err) {
    (void)call;
    return json_check_object(json, DOCUMENT_DEPTH_MAX, ret, err);
}

enum status writes_place(struct call *call, struct str text, bool make, bool item,
                         struct place *ret, struct err *err) {
    struct key key;
    enum status s = item ? key_parse_item(text, call->arena, &key, err)
                         : key_parse(text, call->arena, &key, err);
    if (s != OK) return s;
    struct place place;
    s = engine_place(call->engine, &key, call_route(call), make, call->arena, &place, err);
    if (s != OK) return s;
    if (place.coll.no == 0) return err_set(err, ERR_NOTFOUND, "%.*s", STR_FMT(place.answer));
    *ret = place;
    return OK;
}

void writes_digest(const struct call *call, struct write *w) {
    if (!w->op_id.p) return;
    char numbers[NUMBERS_BYTES];
    int n =
        snprintf(numbers, sizeof numbers, "%lld %d %d %d %lld %lld", (long long)w->if_ov, w->upsert,
                 w->undelete, w->restore_at, (long long)w->restore_ov, (long long)w->restore_ms);
    ASSERT(n > 0 && (size_t)n < sizeof numbers);
    const struct str parts[] = {str_of(call->command->name),
                                w->place.coll.database,
                                w->place.coll.name,
                                w->place.id,
                                w->doc,
                                {numbers, (size_t)n},
                                w->actor,
                                w->reason,
                                w->function_id,
                                w->parent_id,
                                w->parent_collection,
                                w->origin_system,
                                w->origin_collection,
                                w->origin_id};
    digest_sha256_list(parts, sizeof parts / sizeof *parts, w->request);
}

void writes_element(const struct call *call, struct write *w, const uint8_t whole[SHA256_BYTES],
                    int i) {
    if (!w->op_id.p) return;
    w->op_id = arena_printf(call->arena, "%.*s.%d", STR_FMT(w->op_id), i);
    const struct str parts[] = {{(const char *)whole, SHA256_BYTES},
                                w->place.coll.database,
                                w->place.coll.name,
                                w->op_id,
                                w->actor,
                                w->reason};
    digest_sha256_list(parts, sizeof parts / sizeof *parts, w->request);
}
