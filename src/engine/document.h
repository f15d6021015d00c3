/*
 * document: the rules of documents as text (SPEC §3.8, §3.9, §4, §9): the server's `_system`, deep
 * merge, FIELDS, hidden fields, JSON Patch, blame. Everything works on slices of the text, so that
 * untouched parts keep their bytes. Inputs were accepted by json_check_object. Results lie in the
 * arena (or are slices of the input). Any thread.
 */
#ifndef ENGINE_DOCUMENT_H
#define ENGINE_DOCUMENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "store/version.h"

enum { DOCUMENT_DEPTH_MAX = 128 };

/* What `_system` says. Absent members are TIME_NONE or STR_NONE and are not written. */
struct system_fields {
    int64_t inserted_ms, updated_ms, deleted_ms;
    enum version_state state;
    const struct str *function_ids; /* texts */
    int function_count;
    struct str parent_id, parent_collection;
    struct str origin_system, origin_id,
        origin_collection; /* originId, originCollection; originSystem is ours */
};

/* The client's document with `_system` as its last member: a top-level `_system` of the client is
 * cut out with its comma, ours is inserted directly after the last byte of the last member; no
 * other byte changes. */
struct str document_compose(struct arena *arena, struct str object,
                            const struct system_fields *system);
/* The document without its top-level `_system` (the same slice when there is none at all). */
struct str document_without_system(struct arena *arena, struct str object);
/* Reads `_system` of a stored document; members that are missing or of another type are absent, a
 * state that is missing or unknown reads as STATE_NEW_NOT_SYNCHED. Strings are slices of the
 * document or in the arena. */
void document_system(struct arena *arena, struct str object, struct system_fields *ret);

/* Deep merge (SPEC §4) of one patch (an object) or of an array of patches, left to right, into
 * base; `_system` takes no part. Untouched members keep their bytes, order and blanks; new members
 * are appended. In arrays, objects with the same `id` (else `_id`; null counts as none) are merged.
 * The result is no deeper than base and patch are. ERR_VALIDATION: not an object or an array of
 * objects, empty array; ERR_TOOLARGE: result longer than max_bytes. */
MUST_CHECK enum status document_merge(struct arena *arena, struct str base, struct str patches,
                                      size_t max_bytes, struct str *ret, struct err *err);

/*
 * What a path names: a dotted segment that is a number is the index of an element; besides, dotted
 * paths go through an array into each of its elements that is an object. A JSON Pointer names one
 * value.
 *
 * FIELDS: an object with only what the paths name, in the document's order and nesting, keys and
 * values with their bytes, no blanks between. A path that names nothing adds nothing: containers
 * and elements without anything named are left out. */
struct str document_project(struct arena *arena, struct str object, const struct json_path *paths,
                            int count);
/* The document without what the paths name (hidden fields), each with its comma; everything else
 * keeps its bytes. The same slice when nothing is named. */
struct str document_hide(struct arena *arena, struct str object, const struct json_path *paths,
                         int count);
/* Does the path name a value that is not null (requiredIndexed)? */
bool document_has(struct str object, const struct json_path *path);

/* RFC 6902: a patch of add, remove and replace that turns a into b, `_system` taking no part.
 * Minimal in a practical sense: equal values are not touched, arrays share their common beginning
 * and end. A container whose many operations would be far longer than itself is replaced whole. */
struct str document_diff(struct arena *arena, struct str a, struct str b);

/* Equal in meaning, `_system` taking no part. */
bool document_equal(struct arena *arena, struct str a, struct str b);

/* Blame: for each leaf (scalar or empty container) of the newest document the version that set its
 * present value. Fed with the versions from the newest to the oldest; a leaf whose value (at its
 * JSON Pointer) differs from the next older version's, or is absent there, was set by the newer
 * one. */
struct blame_leaf {
    struct str pointer; /* RFC 6901 */
    struct str value;
    const struct version *set_by; /* borrowed from the caller */
    bool open;                    /* an older version may still turn out to have set it */
};
struct blame {
    struct arena *arena;
    struct str newest;            /* the document, without `_system` */
    const struct json_path *path; /* borrowed; NULL: all leaves */
    struct blame_leaf *leaves;    /* in the order of the document */
    int count, cap;
    int open; /* leaves still to be explained */
};
/* Leaves of `newest` below `path` (NULL: all); of several values when a dotted path goes through an
 * array. */
void blame_init(struct blame *b, struct arena *arena, const struct version *newest,
                const struct json_path *path);
/* The next older version. Deleted versions are passed over by the caller. False when nothing is
 * open any more. */
bool blame_step(struct blame *b, const struct version *older);

#endif
