/*
 * recent: the newest entries of the table `item`, in memory until they are written there.
 *
 * A version's row is the truth; `item` is an index that can be derived from it. Written with every
 * version it would cost a page of the log for nearly each, since items are hit at random. So
 * entries gather here and go to the table later, sorted, a slice with every commit (and all of them
 * when nobody writes): neighbours share their page. Up to which row the table is complete stands in
 * `store.indexed`; the rows behind it are read again when the store is opened.
 *
 *     group's rows --pend--> pending --commit--> young --turn--> old --slices--> table
 *
 * and `old` goes through
 *
 *     empty --turn--> unsorted --sort--> sorted --last slice--> complete --turn--> empty
 *
 * Sorting is done by the maintenance thread, so that no commit waits for it. A complete `old` stays
 * until no reader is left whose snapshot is older than the commit that made the table complete.
 * Whatever is here of an item is newer than what the table alone has of it.
 *
 * Threads: pend, commit, abort, turn and slices under the gate; sort in the maintenance thread (or
 * when it has ended); look-ups in any thread.
 */
#ifndef STORE_META_SQLITE_RECENT_H
#define STORE_META_SQLITE_RECENT_H

#include "store/meta_sqlite.h"

enum {
    RECENT_TURN = 32768, /* entries that gather before they are written: a few MiB */
    RECENT_SLICE_MIN = 64,
};

struct recent *recent_new(int64_t turn_entries); /* 0: RECENT_TURN */
void recent_free(struct recent *r);              /* NULL-safe */

/* Entries of the group in flight: the writer sees them, others after recent_commit. */
void recent_pend(struct recent *r, int64_t coll, struct str id, const struct item_entry *e);
void recent_commit(struct recent *r);
void recent_abort(struct recent *r);
/* At open: an entry that is committed already. */
void recent_load(struct recent *r, int64_t coll, struct str id, const struct item_entry *e);

/* Whose entries, as of which commit: the last row that the reader's snapshot is to show. INT64_MAX
 * is the writer, who sees its own pending ones too. */
struct recent_reader;
struct recent_view {
    int64_t coll;
    struct str id; /* for heads: the id to begin after */
    int64_t last_row;
    const struct recent_reader *reader; /* NULL: the writer */
};

/* The greatest ov at or below `ov` that is here. False: look in the table. */
bool recent_floor(struct recent *r, const struct recent_view *v, int64_t ov,
                  struct item_entry *ret);
/* Committed entries from one ov to another, in order of ov; the caller frees *ret. */
int recent_range(struct recent *r, const struct recent_view *v, int64_t from_ov, int64_t to_ov,
                 struct item_entry **ret);
/* The items after v->id, in order of ids, and their heads: at most `limit`; how many. For readers,
 * between recent_reader_begin and _end. */
struct recent_head {
    struct str id; /* in the arena */
    struct item_entry head;
};
int recent_heads(struct recent *r, const struct recent_view *v, struct arena *arena,
                 struct recent_head *ret, int limit);

/* Calls fn for every id of a collection that is here. For the writer. */
void recent_each_id(struct recent *r, int64_t coll, void (*fn)(void *arg, struct str id),
                    void *arg);

/* What is to be written next: calls fn for at most `count` entries, sorted by item. Nothing is
 * forgotten before recent_slice_done, which says whether the commit that carried them was durable.
 * *ret_row: when these were the last ones, the row up to which the table is then complete, or 0. */
enum status recent_slice(struct recent *r, int count,
                         enum status (*fn)(void *arg, int64_t coll, struct str id,
                                           const struct item_entry *e, struct err *err),
                         void *arg, int64_t *ret_row, struct err *err);
void recent_slice_done(struct recent *r, bool durable);
/* Lets what is young be written, when it is enough or (idle) anything at all. True: it waits to be
 * sorted now. */
bool recent_turn(struct recent *r, bool idle);
void recent_sort(struct recent *r);
bool recent_is_empty(struct recent *r); /* any thread */

/* Readers: a snapshot begins (before its first look-up) and ends. `reader` is its place in
 * recent's list, made by recent_reader_new. */
struct recent_reader;
struct recent_reader *recent_reader_new(struct recent *r);
void recent_reader_free(struct recent *r, struct recent_reader *reader); /* NULL-safe */
void recent_reader_begin(struct recent *r, struct recent_reader *reader);
void recent_reader_end(struct recent_reader *reader);

#endif
