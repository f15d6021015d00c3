/*
 * steps: the scripts of test_commands, by group. Each begins with collections of its own.
 */
#ifndef TESTS_PROTOCOL_STEPS_H
#define TESTS_PROTOCOL_STEPS_H

#include "protocol/script.h"

/* What the scripts expect of collectionMaps; beside it server.debug is "local". */
#define STEPS_COLLECTIONS                                                                          \
    "{\"people\": {\"hiddenFields\": [\"secret\", \"list.pin\"]},"                                 \
    "\"strict\": {\"indexedProps\": [\"email\"],"                                                  \
    "\"validation\": {\"requiredIndexed\": [\"email\"]}}}"

extern const struct step steps_write[], steps_opid[], steps_read[], steps_history[];
extern const struct step steps_restore[], steps_hidden[], steps_keys[];
extern const struct step steps_string[], steps_scan[], steps_route[], steps_admin[];
extern const struct step steps_connection[], steps_client[], steps_command[], steps_server[];

#endif
