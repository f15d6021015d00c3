/*
 * answer: the maps that commands answer, each with its fixed order of fields. Any thread.
 */
#ifndef COMMANDS_ANSWER_H
#define COMMANDS_ANSWER_H

#include "commands/view.h"

/* A committed write: key, id, ov, cv, <when>, opId, state, then `extras` pairs that the caller
 * writes. `when` is createdAt, updatedAt or deletedAt. Its own error: fails with it. */
MUST_CHECK enum status answer_write(struct call *call, const struct write *write, const char *when,
                                    int extras, struct err *err);

/* A read's outcome: null, the document, or with META or PRESIGN the map. */
void answer_read(struct call *call, const struct version *version, const struct options *options,
                 const struct view *view);

/* An entry of HISTORY; `doc` is shown with_doc, null for a tombstone. */
void answer_entry(struct call *call, const struct version *version, bool with_doc, struct str doc);

#endif
