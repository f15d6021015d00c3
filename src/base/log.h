/*
 * log: JSON lines on stderr or a file, one per event:
 * {"at":"2026-...Z","level":"info","category":"chronos-operation","msg":"...", ...}.
 * Any thread; one write(2) a line. Only main.c, dispatch.c, the sweepers and reactor.c log errors;
 * the rest returns them.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_category {
    LOG_OPERATION,
    LOG_ROUTING,
    LOG_PERFORMANCE,
    LOG_FAILURE
}; /* chronos-operation -routing -performance -error */

/* Path NULL or empty: stderr. Reopens the file (after rotation) when called again. */
MUST_CHECK enum status log_open(const char *path, enum log_level level, struct err *err);
void log_set_level(enum log_level level);
/* debug info warn error off; anything else is false. */
bool log_level_parse(struct str name, enum log_level *ret);
void log_line(enum log_level level, enum log_category category, const char *fmt, ...) PRINTF(3, 4);

#endif
