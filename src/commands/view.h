/*
 * view: what a reader is shown of a document: hidden fields are left out unless HIDDEN is given,
 * FIELDS picks a part. Any thread.
 */
#ifndef COMMANDS_VIEW_H
#define COMMANDS_VIEW_H

#include "base/json.h"
#include "commands/options.h"

struct view {
    struct json_path *hidden; /* left out */
    int hidden_count;
    struct json_path *fields; /* picked, when there are any */
    int field_count;
};

/* Of a collection's documents for this call. options may be NULL: none. ERR: a FIELDS path is no
 * path, or is hidden and HIDDEN was not given. */
MUST_CHECK enum status view_init(const struct call *call, struct str collection,
                                 const struct options *options, struct view *ret, struct err *err);
/* A path that the client names (BLAME): ERR when it is none, or hidden. */
MUST_CHECK enum status view_path(const struct call *call, const struct view *view, struct str text,
                                 struct json_path *ret, struct err *err);
/* Does a JSON Pointer lead to something hidden? */
bool view_hides(const struct view *view, struct str pointer, struct arena *arena);
/* Is every document shown as it is stored? */
static inline bool view_is_whole(const struct view *view) {
    return view->hidden_count == 0 && view->field_count == 0;
}
/* What is shown of a document: a slice of it, or text in the arena. STR_NONE stays. */
struct str view_document(const struct view *view, struct arena *arena, struct str doc);

#endif
