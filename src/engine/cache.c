/*
 * One table of slots per shard. A slot is found by (collection, id, tag): the tag is an ov for a
 * version, or says that the slot holds the head or the timeline. Each slot stands in one of the two
 * queues of its shard.
 */
#include "engine/cache.h"

#include <pthread.h>
#include <sys/queue.h>

enum { SHARDS = 32, TAG_HEAD = -1, TAG_TIMELINE = -2, READS_MAX = 3, GHOSTS_MIN = 256 };
enum { LINE_BYTES = 64, PREFETCH_BYTES = 2048 };

/* The instants of ov first_ov, first_ov + 1, ... */
struct timeline {
    int64_t first_ov;
    int count, room;
    int64_t *at_ms;
};

struct slot {
    struct slot *chain; /* of its bucket */
    TAILQ_ENTRY(slot) link;
    uint64_t hash;
    int64_t coll, tag;
    int64_t bytes;
    uint8_t reads; /* since it was queued, at most READS_MAX */
    bool main;     /* in the main queue */
    struct version *version;
    struct timeline timeline;
    uint32_t id_bytes;
    char id[];
};
TAILQ_HEAD(queue, slot);

struct shard {
    pthread_mutex_t lock;
    struct slot **buckets;
    size_t bucket_count, slots; /* buckets: a power of two */
    struct queue small, main;
    int64_t small_bytes, bytes, bytes_max;
    uint32_t *ghosts; /* fingerprints of what left the small queue unread; one place per hash */
    size_t ghost_count;
    uint64_t epoch; /* publishes so far */
};

struct cache {
    struct shard shards[SHARDS];
};

static uint64_t slot_hash(struct cache_item item, int64_t tag) {
    uint64_t h = str_hash(item.id) ^ ((uint64_t)item.coll * 0x9e3779b97f4a7c15u);
    h += (uint64_t)(tag + 3) * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

/* An item's head and timeline share a shard, so that a publish takes one lock. Versions are
 * immutable and may lie anywhere: an item with thousands of them spreads over all shards. */
static struct shard *shard_of(struct cache *c, struct cache_item item, int64_t tag) {
    return &c->shards[(slot_hash(item, tag < 0 ? TAG_HEAD : tag) >> 40) & (SHARDS - 1)];
}

static void shard_init(struct shard *s, int64_t bytes_max) {
    pthread_mutex_init(&s->lock, NULL);
    TAILQ_INIT(&s->small);
    TAILQ_INIT(&s->main);
    s->bucket_count = 64;
    s->buckets = xcalloc(s->bucket_count, sizeof *s->buckets);
    s->ghost_count = GHOSTS_MIN;
    s->ghosts = xcalloc(s->ghost_count, sizeof *s->ghosts);
    s->bytes_max = bytes_max;
}

struct cache *cache_new(int64_t bytes_max) {
    struct cache *c = xcalloc(1, sizeof *c);
    for (int i = 0; i < SHARDS; i++) shard_init(&c->shards[i], bytes_max / SHARDS);
    return c;
}

/* A quarter of a shard is the most that one entry may take. */
static bool too_big(const struct shard *s, int64_t bytes) {
    return bytes > s->bytes_max / 4;
}

static struct slot **bucket_of(struct shard *s, uint64_t hash) {
    return &s->buckets[hash & (s->bucket_count - 1)];
}

static struct slot *shard_find(struct shard *s, struct cache_item item, int64_t tag) {
    uint64_t hash = slot_hash(item, tag);
    struct slot *slot = *bucket_of(s, hash);
    while (slot && !(slot->hash == hash && slot->tag == tag && slot->coll == item.coll &&
                     str_eq((struct str){slot->id, slot->id_bytes}, item.id)))
        slot = slot->chain;
    return slot;
}

/* Finds the slot and notes the read. */
static struct slot *shard_read(struct shard *s, struct cache_item item, int64_t tag) {
    struct slot *slot = shard_find(s, item, tag);
    if (slot && slot->reads < READS_MAX) slot->reads++;
    return slot;
}

static void slot_unqueue(struct shard *s, struct slot *slot) {
    TAILQ_REMOVE(slot->main ? &s->main : &s->small, slot, link);
    if (!slot->main) s->small_bytes -= slot->bytes;
    s->bytes -= slot->bytes;
}

static void slot_queue(struct shard *s, struct slot *slot, bool in_main) {
    slot->main = in_main;
    TAILQ_INSERT_TAIL(in_main ? &s->main : &s->small, slot, link);
    if (!in_main) s->small_bytes += slot->bytes;
    s->bytes += slot->bytes;
}

static void slot_free(struct shard *s, struct slot *slot) {
    struct slot **at = bucket_of(s, slot->hash);
    while (*at != slot) at = &(*at)->chain;
    *at = slot->chain;
    s->slots--;
    slot_unqueue(s, slot);
    version_unref(slot->version);
    free(slot->timeline.at_ms);
    free(slot);
}

static uint32_t fingerprint(uint64_t hash) {
    return (uint32_t)(hash >> 32) | 1;
}

static bool ghost_take(struct shard *s, uint64_t hash) {
    uint32_t *ghost = &s->ghosts[hash & (s->ghost_count - 1)];
    if (*ghost != fingerprint(hash)) return false;
    *ghost = 0;
    return true;
}

/* S3-FIFO: the small queue may hold a tenth; what was read there moves to main, what was not leaves
 * a ghost. In main a read buys one more round. */
static void evict_one(struct shard *s) {
    if (s->small_bytes * 10 > s->bytes_max || TAILQ_EMPTY(&s->main)) {
        struct slot *slot = TAILQ_FIRST(&s->small);
        if (!slot) return;
        if (slot->reads > 0) {
            slot_unqueue(s, slot);
            slot->reads = 0;
            slot_queue(s, slot, true);
        } else {
            s->ghosts[slot->hash & (s->ghost_count - 1)] = fingerprint(slot->hash);
            slot_free(s, slot);
        }
        return;
    }
    struct slot *slot = TAILQ_FIRST(&s->main);
    if (slot->reads == 0) {
        slot_free(s, slot);
        return;
    }
    slot->reads--;
    TAILQ_REMOVE(&s->main, slot, link);
    TAILQ_INSERT_TAIL(&s->main, slot, link);
}

static void shard_evict(struct shard *s) {
    while (s->bytes > s->bytes_max && s->slots > 0) evict_one(s);
}

/* Doubles the buckets; ghosts keep pace, and lose what they remember, which costs a few misses. */
static void shard_grow(struct shard *s) {
    size_t count = s->bucket_count * 2;
    struct slot **buckets = xcalloc(count, sizeof *buckets);
    for (size_t i = 0; i < s->bucket_count; i++) {
        for (struct slot *slot = s->buckets[i], *next; slot; slot = next) {
            next = slot->chain;
            slot->chain = buckets[slot->hash & (count - 1)];
            buckets[slot->hash & (count - 1)] = slot;
        }
    }
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_count = count;
    free(s->ghosts);
    s->ghost_count = count > GHOSTS_MIN ? count : GHOSTS_MIN;
    s->ghosts = xcalloc(s->ghost_count, sizeof *s->ghosts);
}

static struct slot *slot_add(struct shard *s, struct cache_item item, int64_t tag) {
    if (s->slots >= s->bucket_count) shard_grow(s);
    struct slot *slot = xcalloc(1, sizeof *slot + item.id.n);
    slot->hash = slot_hash(item, tag);
    slot->coll = item.coll;
    slot->tag = tag;
    slot->bytes = (int64_t)(sizeof *slot + item.id.n);
    slot->id_bytes = (uint32_t)item.id.n;
    memcpy(slot->id, item.id.p, item.id.n);
    slot->chain = *bucket_of(s, slot->hash);
    *bucket_of(s, slot->hash) = slot;
    s->slots++;
    slot_queue(s, slot, ghost_take(s, slot->hash));
    return slot;
}

/* The slot changed its size: the queue's sums follow. */
static void slot_resize(struct shard *s, struct slot *slot, int64_t bytes) {
    s->bytes += bytes - slot->bytes;
    if (!slot->main) s->small_bytes += bytes - slot->bytes;
    slot->bytes = bytes;
}

static void slot_set_version(struct shard *s, struct slot *slot, struct version *version) {
    int64_t old = slot->version ? slot->version->bytes : 0;
    struct version *dropped = slot->version;
    slot->version = version_ref(version);
    slot_resize(s, slot, slot->bytes + version->bytes - old);
    version_unref(dropped);
}

/* The reader will copy the document: its lines are asked for at once, instead of one after the
 * other, which halves the price of a version that lies in memory but in no cache of the
 * processor. */
static void prefetch_version(const struct slot *slot) {
    const char *p = (const char *)slot->version;
    int64_t bytes = slot->bytes < PREFETCH_BYTES ? slot->bytes : PREFETCH_BYTES;
    for (int64_t at = 0; at < bytes; at += LINE_BYTES) __builtin_prefetch(p + at);
}

static bool find_version(struct cache *c, struct cache_item item, int64_t tag,
                         struct version **ret) {
    struct shard *s = shard_of(c, item, tag);
    pthread_mutex_lock(&s->lock);
    struct slot *slot = shard_read(s, item, tag);
    if (slot) {
        prefetch_version(slot);
        *ret = version_ref(slot->version);
    }
    pthread_mutex_unlock(&s->lock);
    return slot != NULL;
}

bool cache_head(struct cache *c, struct cache_item item, struct version **ret) {
    return find_version(c, item, TAG_HEAD, ret);
}

bool cache_version(struct cache *c, struct cache_item item, int64_t ov, struct version **ret) {
    ASSERT(ov >= 0);
    return find_version(c, item, ov, ret);
}

/* The greatest ov with at_ms <= at, -1 for none. Written so that the compiler makes no branch of
 * the comparison: half of thirteen of them would be guessed wrong. */
static int64_t timeline_find(const struct timeline *t, int64_t at_ms) {
    const int64_t *base = t->at_ms;
    size_t left = (size_t)t->count;
    while (left > 1) {
        size_t half = left / 2;
        base += base[half - 1] <= at_ms ? half : 0;
        left -= half;
    }
    int64_t upto = base - t->at_ms + (*base <= at_ms);
    return upto == 0 ? -1 : t->first_ov + upto - 1;
}

bool cache_instant(struct cache *c, struct cache_item item, int64_t at_ms, int64_t *ret_ov) {
    struct shard *s = shard_of(c, item, TAG_HEAD);
    pthread_mutex_lock(&s->lock);
    struct slot *slot = shard_read(s, item, TAG_TIMELINE);
    if (slot) *ret_ov = timeline_find(&slot->timeline, at_ms);
    pthread_mutex_unlock(&s->lock);
    return slot != NULL;
}

/* Grows by one instant; a timeline that would not fit, or that missed a version, is dropped. */
static void timeline_append(struct shard *s, struct slot *slot, const struct version *v) {
    struct timeline *t = &slot->timeline;
    bool full = too_big(s, slot->bytes);
    if (v->ov != t->first_ov + t->count || full) {
        slot_free(s, slot);
        return;
    }
    if (t->count == t->room) {
        int room = t->room * 2;
        t->at_ms = xrealloc(t->at_ms, (size_t)room * sizeof *t->at_ms);
        slot_resize(s, slot, slot->bytes + (int64_t)(room - t->room) * (int64_t)sizeof *t->at_ms);
        t->room = room;
    }
    t->at_ms[t->count++] = v->at_ms;
}

static void publish_head(struct shard *s, struct cache_item item, struct version *head) {
    struct slot *slot = shard_find(s, item, TAG_HEAD);
    if (too_big(s, head->bytes)) {
        if (slot) slot_free(s, slot);
        return;
    }
    if (!slot) slot = slot_add(s, item, TAG_HEAD);
    if (!slot->version || slot->version->ov <= head->ov) slot_set_version(s, slot, head);
}

void cache_publish(struct cache *c, int64_t coll, struct version *head) {
    struct cache_item item = {coll, head->id};
    struct shard *s = shard_of(c, item, TAG_HEAD);
    pthread_mutex_lock(&s->lock);
    s->epoch++;
    publish_head(s, item, head);
    struct slot *timeline = shard_find(s, item, TAG_TIMELINE);
    if (timeline) timeline_append(s, timeline, head);
    shard_evict(s);
    pthread_mutex_unlock(&s->lock);
}

void cache_forget(struct cache *c, struct cache_item item) {
    struct shard *s = shard_of(c, item, TAG_HEAD);
    pthread_mutex_lock(&s->lock);
    s->epoch++;
    struct slot *head = shard_find(s, item, TAG_HEAD);
    if (head) slot_free(s, head);
    struct slot *timeline = shard_find(s, item, TAG_TIMELINE);
    if (timeline) slot_free(s, timeline);
    pthread_mutex_unlock(&s->lock);
}

uint64_t cache_epoch(struct cache *c, struct cache_item item) {
    struct shard *s = shard_of(c, item, TAG_HEAD);
    pthread_mutex_lock(&s->lock);
    uint64_t epoch = s->epoch;
    pthread_mutex_unlock(&s->lock);
    return epoch;
}

void cache_fill_head(struct cache *c, int64_t coll, struct version *head, uint64_t epoch) {
    struct cache_item item = {coll, head->id};
    struct shard *s = shard_of(c, item, TAG_HEAD);
    pthread_mutex_lock(&s->lock);
    struct slot *slot = shard_find(s, item, TAG_HEAD);
    bool newer = slot && (slot->version->ov < head->ov ||
                          (slot->version->ov == head->ov && !slot->version->doc.p));
    if (newer || (!slot && s->epoch == epoch && !too_big(s, head->bytes))) {
        if (!slot) slot = slot_add(s, item, TAG_HEAD);
        slot_set_version(s, slot, head);
        shard_evict(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void cache_fill_version(struct cache *c, int64_t coll, struct version *version) {
    struct cache_item item = {coll, version->id};
    struct shard *s = shard_of(c, item, version->ov);
    pthread_mutex_lock(&s->lock);
    if (!too_big(s, version->bytes)) {
        struct slot *slot = shard_find(s, item, version->ov);
        if (!slot) slot = slot_add(s, item, version->ov);
        if (!slot->version || version->doc.p) slot_set_version(s, slot, version);
        shard_evict(s);
    }
    pthread_mutex_unlock(&s->lock);
}

static void slot_set_timeline(struct shard *s, struct slot *slot, const struct meta_point *points,
                              int count) {
    struct timeline *t = &slot->timeline;
    t->first_ov = points[0].ov;
    t->count = count;
    t->room = count + count / 4 + 4;
    t->at_ms = xcalloc((size_t)t->room, sizeof *t->at_ms);
    for (int i = 0; i < count; i++) t->at_ms[i] = points[i].at_ms;
    slot_resize(s, slot, slot->bytes + (int64_t)t->room * (int64_t)sizeof *t->at_ms);
}

void cache_fill_timeline(struct cache *c, struct cache_item item, const struct meta_point *points,
                         int count, uint64_t epoch) {
    struct shard *s = shard_of(c, item, TAG_HEAD);
    if (count == 0 || points[count - 1].ov != points[0].ov + count - 1) return;
    pthread_mutex_lock(&s->lock);
    if (s->epoch == epoch && !too_big(s, (int64_t)count * 10) &&
        !shard_find(s, item, TAG_TIMELINE)) {
        slot_set_timeline(s, slot_add(s, item, TAG_TIMELINE), points, count);
        shard_evict(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void cache_resize(struct cache *c, int64_t bytes_max) {
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        pthread_mutex_lock(&s->lock);
        s->bytes_max = bytes_max / SHARDS;
        shard_evict(s);
        pthread_mutex_unlock(&s->lock);
    }
}

void cache_usage(struct cache *c, int64_t *ret_bytes, int64_t *ret_entries) {
    int64_t bytes = 0, entries = 0;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        pthread_mutex_lock(&s->lock);
        bytes += s->bytes;
        entries += (int64_t)s->slots;
        pthread_mutex_unlock(&s->lock);
    }
    *ret_bytes = bytes;
    *ret_entries = entries;
}

void cache_free(struct cache *c) {
    if (!c) return;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        s->bytes_max = 0;
        shard_evict(s);
        free(s->buckets);
        free(s->ghosts);
        pthread_mutex_destroy(&s->lock);
    }
    free(c);
}
