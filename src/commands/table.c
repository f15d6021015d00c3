/*
 * Finds rows by name and keeps what is derived from each: its arity, the options in its syntax.
 *
 * Names are looked up on the hot path, so a perfect hash is built once: a multiplier is tried until
 * no two of the (top-level) names share a slot. A look-up is then one multiplication, one slot and
 * one comparison.
 */
#include "commands/table.h"

#include <pthread.h>
#include <stdatomic.h>

#include "commands/options.h"

enum { SLOT_BITS = 9, SLOTS = 1 << SLOT_BITS, TRIES_MAX = 100000 };

/* Written once, under `once`. */
static struct {
    pthread_once_t once;
    atomic_bool built;
    struct arena arena;
    struct table_entry entries[COMMANDS_MAX];
    int count;
    uint64_t multiplier;
    const struct table_entry *slots[SLOTS];
} table = {.once = PTHREAD_ONCE_INIT};

/* Folds a name to 64 bits, upper and lower case alike: its first and last bytes and its length. */
static uint64_t name_fold(struct str name) {
    const uint64_t lower = 0x2020202020202020u;
    uint64_t first = 0, last = 0;
    if (name.n >= 8) {
        memcpy(&first, name.p, 8);
        memcpy(&last, name.p + name.n - 8, 8);
    } else if (name.n >= 4) {
        memcpy(&first, name.p, 4);
        memcpy(&last, name.p + name.n - 4, 4);
    } else {
        for (size_t i = 0; i < name.n; i++) first = first << 8 | (unsigned char)name.p[i];
    }
    return ((first | lower) * 3) ^ ((last | lower) << 1) ^ ((uint64_t)name.n << 56);
}

static size_t slot_of(struct str name, uint64_t multiplier) {
    return (size_t)((name_fold(name) * multiplier) >> (64 - SLOT_BITS));
}

static bool slots_fill(uint64_t multiplier) {
    memset(table.slots, 0, sizeof table.slots);
    for (int i = 0; i < table.count; i++) {
        if (table_is_sub(table.entries[i].command)) continue;
        size_t slot = slot_of(table.entries[i].name, multiplier);
        if (table.slots[slot]) return false;
        table.slots[slot] = &table.entries[i];
    }
    table.multiplier = multiplier;
    return true;
}

static void add_option(void *arg, struct str token) {
    uint32_t *options = arg;
    *options |= option_bit(token);
}

static void derive(struct table_entry *e) {
    struct err err;
    const char *name = e->command->name;
    bool sub = table_is_sub(e->command);
    if (syntax_parse(e->command->syntax, &table.arena, &e->syntax, &err) != OK) {
        (void)fprintf(stderr, "command %s: %s\n", name, err.msg);
        abort(); /* a row is wrong: our mistake, seen at every start and by the unit test */
    }
    int words = e->syntax.words + (sub ? 2 : 1);
    e->arity = syntax_is_open(&e->syntax) ? -words : words;
    e->name = str_of(sub ? strchr(name, '|') + 1 : name);
    syntax_tokens(&e->syntax, add_option, &e->options);
    if (!sub) return;
    struct table_entry *container = e;
    while (table_is_sub(container->command)) container--;
    container->subs++;
    if (!container->command->run) container->arity = -2;
}

static void build(void) {
    const struct command_rows *sets[] = {&rows_chronos, &rows_keys, &rows_server};
    arena_init(&table.arena);
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        for (int i = 0; i < sets[s]->count; i++) {
            ASSERT(table.count < COMMANDS_MAX);
            struct table_entry *e = &table.entries[table.count];
            e->command = &sets[s]->rows[i];
            e->index = table.count++;
            derive(e);
        }
    }
    uint64_t multiplier = 0x9e3779b97f4a7c15u;
    for (int i = 0; !slots_fill(multiplier); i++) {
        ASSERT(i < TRIES_MAX);
        multiplier = multiplier * 6364136223846793005u + 1442695040888963407u;
        multiplier |= 1;
    }
    atomic_store_explicit(&table.built, true, memory_order_release);
}

static inline void ready(void) {
    if (!atomic_load_explicit(&table.built, memory_order_acquire))
        (void)pthread_once(&table.once, build);
}

/* The name of a row has no upper-case letters. */
static inline bool is_name(struct str sent, struct str name) {
    if (sent.n != name.n) return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = sent.p[i];
        if (c >= 'A' && c <= 'Z') c |= 0x20;
        if (c != name.p[i]) return false;
    }
    return true;
}

const struct table_entry *table_lookup(struct str name) {
    ready();
    if (name.n == 0) return NULL;
    const struct table_entry *e = table.slots[slot_of(name, table.multiplier)];
    return e && is_name(name, e->name) ? e : NULL;
}

const struct table_entry *table_lookup_sub(const struct table_entry *container, struct str sub) {
    for (int i = 1; i <= container->subs; i++) {
        if (is_name(sub, container[i].name)) return &container[i];
    }
    return NULL;
}

const struct command *table_find(struct str name) {
    const struct table_entry *e = table_lookup(name);
    return e ? e->command : NULL;
}

const struct command *table_find_sub(const struct command *container, struct str sub) {
    const struct table_entry *e = table_lookup_sub(&table.entries[table_index(container)], sub);
    return e ? e->command : NULL;
}

const struct command *table_row(int index) {
    ready();
    return index < table.count ? table.entries[index].command : NULL;
}

int table_index(const struct command *command) {
    ready();
    const struct command_rows *sets[] = {&rows_chronos, &rows_keys, &rows_server};
    int before = 0;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        ptrdiff_t at = command - sets[s]->rows;
        if (command >= sets[s]->rows && at < sets[s]->count) return before + (int)at;
        before += sets[s]->count;
    }
    ASSERT(false);
    return 0;
}

bool table_is_container(const struct command *command) {
    return table.entries[table_index(command)].subs > 0;
}

bool table_is_sub(const struct command *command) {
    return strchr(command->name, '|') != NULL;
}

int table_arity(const struct command *command) {
    return table.entries[table_index(command)].arity;
}

bool table_arity_fits(const struct command *command, int argc) {
    return table_entry_fits(&table.entries[table_index(command)], argc);
}

uint32_t table_options(const struct command *command) {
    return table.entries[table_index(command)].options;
}

const struct argument *table_syntax(const struct command *command) {
    return &table.entries[table_index(command)].syntax;
}
