/*
 * stats: calls, time and errors per command, for INFO. The reactor counts on lines of its own, so
 * that a PING costs no locked instruction; workers share the others. Any thread may read.
 */
#ifndef COMMANDS_STATS_H
#define COMMANDS_STATS_H

#include "base/arena.h"
#include "base/err.h"

struct stats;

enum stats_side { STATS_REACTOR, STATS_WORKER, STATS_SIDES };

struct command_stats {
    int64_t calls, usec, rejected, failed; /* rejected: before it ran; failed: while it ran */
};

struct stats *stats_new(struct arena *arena);
void stats_reset(struct stats *s);
/* The command of this row (table_entry.index) was called; it failed unless status is OK. */
void stats_call(struct stats *s, enum stats_side side, int index, enum status status);
/* `times` calls of it took this long each: one, or as many as a sample stands for. */
void stats_time(struct stats *s, enum stats_side side, int index, int64_t usec, int64_t times);
/* It was refused before it ran. Index -1: there is no such command. */
void stats_reject(struct stats *s, enum stats_side side, int index, enum status status);
/* An element of an array was an error. */
void stats_error(struct stats *s, enum stats_side side, enum status status);

void stats_of(const struct stats *s, int index, struct command_stats *ret);
/* The time that so many of 1,000 calls did not exceed, within a quarter; 0 when none was timed. */
int64_t stats_percentile(const struct stats *s, int index, int per_mille);
int64_t stats_errors(const struct stats *s, enum status status);
int64_t stats_calls(const struct stats *s); /* of all commands */

#endif
