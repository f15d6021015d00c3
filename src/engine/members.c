/*
 * members: a list, and above MEMBERS_FEW entries an open-addressed table beside it, at most half
 * full. Hashes are kept whole, so entries that only share a place are passed without a look at
 * their text.
 */
#include "engine/members.h"

enum { MEMBERS_FEW = 16 };

static uint64_t key_hash(struct str key, struct str value) {
    (void)value; /* a member is found by its key alone */
    return json_key_hash(key);
}

const struct members_by members_by_key = {key_hash, NULL};

/* What is the same as an entry before it is left out: a list of a million zeros has one place in
 * the table. */
static void table_put(struct members *m, uint32_t i) {
    const struct member *one = &m->list[i];
    uint32_t place = (uint32_t)one->hash & m->mask;
    for (; m->table[place] != 0; place = (place + 1) & m->mask) {
        const struct member *other = &m->list[m->table[place] - 1];
        if (other->hash != one->hash || m->by->same == NULL) continue;
        if (m->by->same(other->text, one->text)) return;
    }
    m->table[place] = i + 1;
}

/* A table with room for twice the members there are. */
static void table_make(struct members *m) {
    uint32_t places = 4 * MEMBERS_FEW;
    while (places < 4 * (uint64_t)m->count) places *= 2;
    m->table = arena_zalloc(m->arena, places * sizeof(*m->table));
    m->mask = places - 1;
    for (uint32_t i = 0; i < m->count; i++) table_put(m, i);
}

/* The first few are kept while the others are counted: a container of few members, and a deep
 * document is made of those, is passed only once. */
void members_list(struct members *m, struct arena *arena, struct str container,
                  const struct members_by *by) {
    struct json_iter it, rest;
    struct member few[MEMBERS_FEW], one = {0};
    *m = (struct members){.arena = arena, .by = by};
    ASSERT(container.n < UINT32_MAX / 4);
    json_iter_init(&it, container);
    for (rest = it; json_next(&it, &one.key, &one.text); m->cap++) {
        if (m->cap >= MEMBERS_FEW) continue;
        few[m->cap] = one;
        rest = it;
    }
    if (m->cap == 0) return;
    m->count = m->cap < MEMBERS_FEW ? m->cap : MEMBERS_FEW;
    m->list = arena_alloc(arena, m->cap * sizeof(one));
    memcpy(m->list, few, m->count * sizeof(one));
    while (m->count < m->cap && json_next(&rest, &one.key, &one.text)) m->list[m->count++] = one;
    for (uint32_t i = 0; i < m->count; i++)
        m->list[i].hash = by->hash(m->list[i].key, m->list[i].text);
    if (m->count > MEMBERS_FEW) table_make(m);
}

void members_add(struct members *m, struct member member) {
    if (m->count == m->cap) {
        ASSERT(m->cap < UINT32_MAX / 4);
        m->cap = m->cap < MEMBERS_FEW ? MEMBERS_FEW : 2 * m->cap;
        struct member *list = arena_alloc(m->arena, m->cap * sizeof(member));
        if (m->count > 0) memcpy(list, m->list, m->count * sizeof(member));
        m->list = list;
    }
    m->list[m->count++] = member;
    if (m->table == NULL ? m->count > MEMBERS_FEW : 2 * (uint64_t)m->count > m->mask) {
        table_make(m);
    } else if (m->table != NULL) {
        table_put(m, m->count - 1);
    }
}

struct member *members_probe(const struct members *m, uint64_t hash, uint32_t *place) {
    while (m->table == NULL && *place < m->count) {
        struct member *one = &m->list[(*place)++];
        if (one->hash == hash) return one;
    }
    while (m->table != NULL) {
        uint32_t i = m->table[((uint32_t)hash + (*place)++) & m->mask];
        if (i == 0) break;
        if (m->list[i - 1].hash == hash) return &m->list[i - 1];
    }
    return NULL;
}

struct member *members_find(const struct members *m, struct str key) {
    uint32_t place = 0;
    uint64_t hash = json_key_hash(key);
    struct member *one;
    while ((one = members_probe(m, hash, &place)) != NULL)
        if (json_keys_equal(one->key, key)) return one;
    return NULL;
}
