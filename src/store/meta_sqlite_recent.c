/*
 * Three maps of the same shape: what the group in flight adds, what gathers, and what is being
 * written. Point look-ups are by hash; what needs an order makes it: the writing sorts once, a
 * listing picks the least ids that it has room for.
 */
#include "store/meta_sqlite_recent.h"

#include <stdatomic.h>

enum {
    PENDING_BUCKETS = 512,
    RECENT_BUCKETS = 65536, /* so many that most look-ups of what is not here touch no item */
    LOOK_BATCH = 512,       /* items that a listing looks at before it lets others have the lock */
};

enum old_stage { OLD_EMPTY, OLD_UNSORTED, OLD_SORTED, OLD_COMPLETE };

/* An item's entries, in order of ov. Everything lies in its map's arena. */
struct recent_item {
    struct recent_item *chain, *next;
    uint64_t hash;
    int64_t coll;
    struct item_entry *entries;
    int count, cap;
    struct str id;
};

struct map {
    struct arena arena;
    struct recent_item **buckets;
    size_t bucket_count; /* a power of two */
    struct recent_item *items;
    int item_count;
    int64_t entries, last_row;
};

struct recent_reader {
    struct recent_reader *next;
    _Atomic uint64_t since; /* the epoch in which its snapshot began; 0: it has none */
};

struct recent {
    int64_t turn;       /* entries that gather before they are written */
    struct map pending; /* under the gate */

    pthread_mutex_t lock; /* of young, old, its stage, and readers */
    struct map young, old;
    enum old_stage stage;
    struct recent_reader *readers;
    _Atomic uint64_t epoch;    /* counts the times that the table became complete */
    _Atomic int64_t unwritten; /* entries that the table does not have, durably */

    /* Writing `old`: under the gate. */
    struct recent_item **sorted; /* its items; set by recent_sort */
    int item, entry;             /* what is durable: entries before these */
    int slice_item, slice_entry; /* the same, with the slice that is under way */
    uint64_t complete;           /* the epoch from which on `old` is not needed */
};

/* ---- maps ---- */

static void map_init(struct map *m, size_t bucket_count) {
    arena_init(&m->arena);
    m->bucket_count = bucket_count;
    m->buckets = xcalloc(bucket_count, sizeof(struct recent_item *));
}

static void map_release(struct map *m) {
    arena_release(&m->arena);
    free(m->buckets);
}

static void map_clear(struct map *m) {
    arena_reset(&m->arena);
    memset(m->buckets, 0, m->bucket_count * sizeof(struct recent_item *));
    m->items = NULL;
    m->item_count = 0;
    m->entries = 0;
    m->last_row = 0;
}

/* What an item is found by. */
struct item_key {
    uint64_t hash;
    int64_t coll;
    struct str id;
};

static struct item_key key_of(int64_t coll, struct str id) {
    uint64_t hash = str_hash(id) + (uint64_t)coll * UINT64_C(0x9e3779b97f4a7c15);
    return (struct item_key){.hash = hash, .coll = coll, .id = id};
}

static struct recent_item *map_find(const struct map *m, const struct item_key *k) {
    struct recent_item *item = m->buckets[k->hash & (m->bucket_count - 1)];
    while (item != NULL &&
           !(item->hash == k->hash && item->coll == k->coll && str_eq(item->id, k->id))) {
        item = item->chain;
    }
    return item;
}

static struct recent_item *map_make(struct map *m, const struct item_key *k) {
    struct recent_item *item = arena_zalloc(&m->arena, sizeof *item);
    item->hash = k->hash;
    item->coll = k->coll;
    item->id = arena_dup(&m->arena, k->id);
    struct recent_item **bucket = &m->buckets[item->hash & (m->bucket_count - 1)];
    item->chain = *bucket;
    *bucket = item;
    item->next = m->items;
    m->items = item;
    m->item_count++;
    return item;
}

static void map_add(struct map *m, const struct item_key *k, const struct item_entry *e) {
    struct recent_item *item = map_find(m, k);
    if (item == NULL) item = map_make(m, k);
    if (item->count == item->cap) {
        int cap = item->cap == 0 ? 1 : item->cap * 2;
        struct item_entry *more = arena_alloc(&m->arena, (size_t)cap * sizeof *more);
        if (item->count > 0) memcpy(more, item->entries, (size_t)item->count * sizeof *more);
        item->entries = more;
        item->cap = cap;
    }
    item->entries[item->count++] = *e;
    m->entries++;
    if (e->row > m->last_row) m->last_row = e->row;
}

/* How many entries have an ov of at most `ov`. */
static int entries_upto(const struct recent_item *item, int64_t ov) {
    int low = 0, high = item->count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (item->entries[mid].ov <= ov) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* The newest of an item's first `count` entries that has at most this row; NULL: none. */
static const struct item_entry *entry_upto(const struct recent_item *item, int count,
                                           int64_t last_row) {
    while (count > 0 && item->entries[count - 1].row > last_row) {
        count--;
    }
    return count == 0 ? NULL : &item->entries[count - 1];
}

static bool map_floor(const struct map *m, const struct item_key *k, int64_t ov, int64_t last_row,
                      struct item_entry *ret) {
    const struct recent_item *item = map_find(m, k);
    if (item == NULL) return false;
    const struct item_entry *e = entry_upto(item, entries_upto(item, ov), last_row);
    if (e != NULL) *ret = *e;
    return e != NULL;
}

/* ---- the life of it ---- */

struct recent *recent_new(int64_t turn_entries) {
    struct recent *r = xcalloc(1, sizeof *r);
    r->turn = turn_entries > 0 ? turn_entries : RECENT_TURN;
    map_init(&r->pending, PENDING_BUCKETS);
    map_init(&r->young, RECENT_BUCKETS);
    map_init(&r->old, RECENT_BUCKETS);
    ASSERT(pthread_mutex_init(&r->lock, NULL) == 0);
    atomic_store(&r->epoch, 1);
    return r;
}

void recent_free(struct recent *r) {
    if (r == NULL) return;
    ASSERT(r->readers == NULL);
    map_release(&r->pending);
    map_release(&r->young);
    map_release(&r->old);
    pthread_mutex_destroy(&r->lock);
    free(r->sorted);
    free(r);
}

void recent_pend(struct recent *r, int64_t coll, struct str id, const struct item_entry *e) {
    struct item_key k = key_of(coll, id);
    map_add(&r->pending, &k, e);
}

void recent_load(struct recent *r, int64_t coll, struct str id, const struct item_entry *e) {
    struct item_key k = key_of(coll, id);
    map_add(&r->young, &k, e);
    atomic_fetch_add(&r->unwritten, 1);
}

void recent_abort(struct recent *r) {
    if (r->pending.entries > 0) map_clear(&r->pending);
}

void recent_commit(struct recent *r) {
    pthread_mutex_lock(&r->lock);
    for (const struct recent_item *item = r->pending.items; item != NULL; item = item->next) {
        struct item_key k = {item->hash, item->coll, item->id};
        for (int i = 0; i < item->count; i++) {
            map_add(&r->young, &k, &item->entries[i]);
        }
    }
    pthread_mutex_unlock(&r->lock);
    atomic_fetch_add(&r->unwritten, r->pending.entries);
    recent_abort(r);
}

/* ---- looking up ---- */

bool recent_floor(struct recent *r, const struct recent_view *v, int64_t ov,
                  struct item_entry *ret) {
    struct item_key k = key_of(v->coll, v->id);
    if (v->last_row == INT64_MAX && map_floor(&r->pending, &k, ov, INT64_MAX, ret)) return true;
    pthread_mutex_lock(&r->lock);
    bool found = map_floor(&r->young, &k, ov, v->last_row, ret) ||
                 map_floor(&r->old, &k, ov, v->last_row, ret);
    pthread_mutex_unlock(&r->lock);
    return found;
}

/* The part of an item's entries from one ov to another, appended to *ret. */
static int copy_range(const struct map *m, const struct recent_view *v, int64_t from_ov,
                      int64_t to_ov, struct item_entry **ret, int count) {
    struct item_key k = key_of(v->coll, v->id);
    const struct recent_item *item = map_find(m, &k);
    if (item == NULL) return count;
    int begin = from_ov == INT64_MIN ? 0 : entries_upto(item, from_ov - 1);
    int end = entries_upto(item, to_ov);
    if (begin >= end) return count;
    *ret = xrealloc(*ret, (size_t)(count + end - begin) * sizeof **ret);
    memcpy(*ret + count, item->entries + begin, (size_t)(end - begin) * sizeof **ret);
    return count + end - begin;
}

int recent_range(struct recent *r, const struct recent_view *v, int64_t from_ov, int64_t to_ov,
                 struct item_entry **ret) {
    *ret = NULL;
    pthread_mutex_lock(&r->lock);
    int count = copy_range(&r->old, v, from_ov, to_ov, ret, 0);
    count = copy_range(&r->young, v, from_ov, to_ov, ret, count);
    pthread_mutex_unlock(&r->lock);
    while (count > 0 && (*ret)[count - 1].row > v->last_row) {
        count--;
    }
    return count;
}

/* Listings. */

/* A heap of the least ids found so far, the greatest of them on top. */
struct least {
    struct recent_head *heads;
    int count, limit;
};

static void least_sift(struct least *l, int at) {
    while (true) {
        int top = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < l->count; child++) {
            if (str_cmp(l->heads[child].id, l->heads[top].id) > 0) top = child;
        }
        if (top == at) return;
        struct recent_head head = l->heads[at];
        l->heads[at] = l->heads[top];
        l->heads[top] = head;
        at = top;
    }
}

static void least_add(struct least *l, const struct recent_head *head) {
    if (l->count == l->limit) {
        l->heads[0] = *head;
        least_sift(l, 0);
        return;
    }
    int at = l->count++;
    l->heads[at] = *head;
    for (int up = (at - 1) / 2; at > 0 && str_cmp(l->heads[up].id, l->heads[at].id) < 0;
         at = up, up = (at - 1) / 2) {
        struct recent_head swap = l->heads[up];
        l->heads[up] = l->heads[at];
        l->heads[at] = swap;
    }
}

/* Under the lock: only the writer changes an item, and only under it. */
static void least_consider(struct least *l, const struct recent_view *v,
                           const struct recent_item *item) {
    if (item->coll != v->coll || str_cmp(item->id, v->id) <= 0) return;
    if (l->count == l->limit && str_cmp(item->id, l->heads[0].id) >= 0) return;
    const struct item_entry *e = entry_upto(item, item->count, v->last_row);
    if (e != NULL) least_add(l, &(struct recent_head){item->id, *e});
}

static int head_order(const void *a, const void *b) {
    const struct recent_head *x = a, *y = b;
    return str_cmp(x->id, y->id);
}

/* The least ids of a map, sorted. Its items stay where they are while a reader that needs them has
 * begun, so that the lock can be let go of in between. */
static void least_of(struct recent *r, const struct recent_item *item, const struct recent_view *v,
                     struct least *l) {
    while (item != NULL) {
        pthread_mutex_lock(&r->lock);
        for (int i = 0; i < LOOK_BATCH && item != NULL; i++, item = item->next) {
            least_consider(l, v, item);
        }
        pthread_mutex_unlock(&r->lock);
    }
    qsort(l->heads, (size_t)l->count, sizeof *l->heads, head_order);
}

int recent_heads(struct recent *r, const struct recent_view *v, struct arena *arena,
                 struct recent_head *ret, int limit) {
    ASSERT(v->reader != NULL);
    if (limit <= 0) return 0;
    pthread_mutex_lock(&r->lock);
    const struct recent_item *young_items = r->young.items, *old_items = r->old.items;
    /* Not waited for by recent_turn, and not needed: the reader's snapshot has it all. */
    if (r->stage == OLD_COMPLETE && v->reader->since >= r->complete) old_items = NULL;
    pthread_mutex_unlock(&r->lock);
    if (young_items == NULL && old_items == NULL) return 0;
    struct recent_head *room = arena_alloc(arena, 2 * (size_t)limit * sizeof *room);
    struct least young = {.heads = room, .limit = limit};
    struct least old = {.heads = room + limit, .limit = limit};
    least_of(r, young_items, v, &young);
    least_of(r, old_items, v, &old);
    int count = 0;
    for (int y = 0, o = 0; count < limit && (y < young.count || o < old.count); count++) {
        int order = o == old.count     ? -1
                    : y == young.count ? 1
                                       : str_cmp(young.heads[y].id, old.heads[o].id);
        ret[count] = order <= 0 ? young.heads[y] : old.heads[o]; /* the young one is newer */
        ret[count].id = arena_dup(arena, ret[count].id);
        y += order <= 0;
        o += order >= 0;
    }
    return count;
}

void recent_each_id(struct recent *r, int64_t coll, void (*fn)(void *arg, struct str id),
                    void *arg) {
    const struct recent_item *lists[] = {r->pending.items, r->young.items, r->old.items};
    /* Only the writer, who calls this, changes the maps. */
    for (int i = 0; i < 3; i++) {
        for (const struct recent_item *item = lists[i]; item != NULL; item = item->next) {
            if (item->coll == coll) fn(arg, item->id);
        }
    }
}

/* ---- writing ---- */

static int item_order(const void *a, const void *b) {
    const struct recent_item *x = *(struct recent_item *const *)a;
    const struct recent_item *y = *(struct recent_item *const *)b;
    if (x->coll != y->coll) return x->coll < y->coll ? -1 : 1;
    return str_cmp(x->id, y->id);
}

/* Nobody's snapshot is older than the commit that made the table complete. */
static bool readers_passed(const struct recent *r) {
    for (struct recent_reader *reader = r->readers; reader != NULL; reader = reader->next) {
        uint64_t since = atomic_load(&reader->since);
        if (since != 0 && since < r->complete) return false;
    }
    return true;
}

bool recent_turn(struct recent *r, bool idle) {
    pthread_mutex_lock(&r->lock);
    if (r->stage == OLD_COMPLETE && readers_passed(r)) {
        map_clear(&r->old);
        r->stage = OLD_EMPTY;
    }
    bool turn = r->stage == OLD_EMPTY && r->young.entries >= (idle ? 1 : r->turn);
    if (turn) {
        struct map empty = r->old;
        r->old = r->young;
        r->young = empty;
        r->stage = OLD_UNSORTED;
    }
    pthread_mutex_unlock(&r->lock);
    return turn;
}

void recent_sort(struct recent *r) {
    pthread_mutex_lock(&r->lock);
    bool unsorted = r->stage == OLD_UNSORTED;
    pthread_mutex_unlock(&r->lock);
    if (!unsorted) return;
    /* Nobody changes `old` in this stage. */
    struct recent_item **sorted = xcalloc((size_t)r->old.item_count, sizeof(struct recent_item *));
    int count = 0;
    for (struct recent_item *item = r->old.items; item != NULL; item = item->next) {
        sorted[count++] = item;
    }
    qsort(sorted, (size_t)count, sizeof(struct recent_item *), item_order);
    pthread_mutex_lock(&r->lock);
    r->sorted = sorted;
    r->item = r->entry = r->slice_item = r->slice_entry = 0;
    r->stage = OLD_SORTED;
    pthread_mutex_unlock(&r->lock);
}

static bool is_sorted(struct recent *r) {
    pthread_mutex_lock(&r->lock);
    bool sorted = r->stage == OLD_SORTED;
    pthread_mutex_unlock(&r->lock);
    return sorted;
}

enum status recent_slice(struct recent *r, int count,
                         enum status (*fn)(void *arg, int64_t coll, struct str id,
                                           const struct item_entry *e, struct err *err),
                         void *arg, int64_t *ret_row, struct err *err) {
    *ret_row = 0;
    if (!is_sorted(r)) return OK;
    for (; count > 0 && r->slice_item < r->old.item_count; count--) {
        const struct recent_item *item = r->sorted[r->slice_item];
        enum status st = fn(arg, item->coll, item->id, &item->entries[r->slice_entry], err);
        if (st != OK) return st;
        if (++r->slice_entry < item->count) continue;
        r->slice_item++;
        r->slice_entry = 0;
    }
    if (r->slice_item == r->old.item_count) *ret_row = r->old.last_row;
    return OK;
}

void recent_slice_done(struct recent *r, bool durable) {
    if (!is_sorted(r)) return;
    if (!durable) {
        r->slice_item = r->item;
        r->slice_entry = r->entry;
        return;
    }
    r->item = r->slice_item;
    r->entry = r->slice_entry;
    if (r->item < r->old.item_count) return;
    free(r->sorted);
    r->sorted = NULL;
    atomic_fetch_sub(&r->unwritten, r->old.entries);
    pthread_mutex_lock(&r->lock);
    r->complete = atomic_fetch_add(&r->epoch, 1) + 1;
    r->stage = OLD_COMPLETE;
    pthread_mutex_unlock(&r->lock);
}

bool recent_is_empty(struct recent *r) {
    return atomic_load(&r->unwritten) == 0;
}

/* ---- readers ---- */

struct recent_reader *recent_reader_new(struct recent *r) {
    struct recent_reader *reader = xcalloc(1, sizeof *reader);
    pthread_mutex_lock(&r->lock);
    reader->next = r->readers;
    r->readers = reader;
    pthread_mutex_unlock(&r->lock);
    return reader;
}

void recent_reader_free(struct recent *r, struct recent_reader *reader) {
    if (reader == NULL) return;
    pthread_mutex_lock(&r->lock);
    struct recent_reader **at = &r->readers;
    while (*at != reader) {
        at = &(*at)->next;
    }
    *at = reader->next;
    pthread_mutex_unlock(&r->lock);
    free(reader);
}

void recent_reader_begin(struct recent *r, struct recent_reader *reader) {
    atomic_store(&reader->since, atomic_load(&r->epoch));
}

void recent_reader_end(struct recent_reader *reader) {
    atomic_store(&reader->since, 0);
}
