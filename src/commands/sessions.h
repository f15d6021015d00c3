/*
 * sessions: what HELLO and CLIENT change of a session. Reactor.
 */
#ifndef COMMANDS_SESSIONS_H
#define COMMANDS_SESSIONS_H

#include "base/err.h"
#include "net/session.h"

/* A connection's name: printable, without blanks, short enough. Empty takes the name away. */
MUST_CHECK enum status session_check_name(struct str name, struct err *err);
void session_set_name(struct session *session, struct str name);

#endif
