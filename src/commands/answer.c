/*
 * META and HISTORY tell the same of a version, in the same order; META has the id and the document
 * besides.
 */
#include "commands/answer.h"

enum { VERSION_PAIRS = 14, ID_PAIRS = 1, DOC_PAIRS = 1, PRESIGNED_PAIRS = 1, WRITE_PAIRS = 7 };

enum status answer_write(struct call *call, const struct write *write, const char *when, int extras,
                         struct err *err) {
    if (write->ret.status != OK) {
        *err = write->ret.err;
        return write->ret.status;
    }
    const struct version *v = write->ret.version;
    struct reply *r = call->reply;
    reply_map(r, WRITE_PAIRS + extras);
    reply_pair_str(r, "key", write->ret.key);
    reply_pair_str(r, "id", v->id);
    reply_pair_int(r, "ov", v->ov);
    reply_pair_int(r, "cv", v->cv);
    reply_pair_instant(r, when, v->at_ms);
    reply_pair_str(r, "opId", write->ret.op_id);
    reply_pair_str(r, "state", str_of(version_state_name(v->state)));
    return OK;
}

static void reply_checksum(struct reply *r, const struct version *v) {
    char hex[SHA256_BYTES * 2];
    hex_encode(v->checksum, SHA256_BYTES, hex);
    reply_pair_str(r, "checksum", (struct str){hex, sizeof hex});
}

/* An erased version has no payload any more: nothing is told of it. */
static void reply_version(struct reply *r, const struct version *v) {
    reply_pair_int(r, "ov", v->ov);
    reply_pair_int(r, "cv", v->cv);
    reply_pair_instant(r, "at", v->at_ms);
    reply_pair_str(r, "op", str_of(version_op_name(v->op)));
    reply_pair_str(r, "verb", str_of(version_verb_name(v->verb)));
    reply_pair_str(r, "actor", v->actor);
    reply_pair_str(r, "reason", v->reason);
    reply_pair_str(r, "functionId", v->function_id);
    reply_pair_str(r, "opId", v->op_id);
    reply_pair_str(r, "state", str_of(version_state_name(v->state)));
    reply_pair_int(r, "size", v->size);
    reply_checksum(r, v);
    reply_pair_bool(r, "deleted", version_is_deleted(v));
    reply_pair_instant(r, "deletedAt", v->deleted_ms);
}

void answer_read(struct call *call, const struct version *version, const struct options *options,
                 const struct view *view) {
    struct reply *r = call->reply;
    if (!version) {
        reply_null(r);
        return;
    }
    struct str doc = view_document(view, call->arena, version->doc);
    if (!options || !(options->given & (OPTION_META | OPTION_PRESIGN))) {
        reply_bulk(r, doc);
        return;
    }
    reply_map(r, DOC_PAIRS + ID_PAIRS + VERSION_PAIRS + PRESIGNED_PAIRS);
    reply_pair_str(r, "doc", doc);
    reply_pair_str(r, "id", version->id);
    reply_version(r, version);
    reply_pair_str(r, "presigned", STR_NONE);
}

void answer_entry(struct call *call, const struct version *version, bool with_doc, struct str doc) {
    reply_map(call->reply, VERSION_PAIRS + (with_doc ? DOC_PAIRS : 0));
    reply_version(call->reply, version);
    if (with_doc) reply_pair_str(call->reply, "doc", doc);
}
