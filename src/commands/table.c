/*
 * Finds rows by name and keeps what is derived from each: its arity, the options in its syntax.
 *
 * Names are looked up on the hot path, so a perfect hash is built once: a multiplier is tried until
 * no two of the (top-level) names share a slot. A look-up is then one multiplication, one slot and
 * one comparison.
 */
#include "commands/table.h"

#include <pthread.h>

#include "commands/options.h"

enum { SLOT_BITS = 9, SLOTS = 1 << SLOT_BITS, TRIES_MAX = 100000 };

struct derived {
    struct argument syntax;
    int arity;
    uint32_t options;
    int subs; /* how many rows that follow are its subcommands */
};

/* Written once, under `once`. */
static struct {
    pthread_once_t once;
    struct arena arena;
    const struct command *rows[COMMANDS_MAX];
    struct derived derived[COMMANDS_MAX];
    int count;
    uint64_t multiplier;
    const struct command *slots[SLOTS];
} table = {.once = PTHREAD_ONCE_INIT};

/* Folds a name to 64 bits, upper and lower case alike: its first and last eight bytes and its
 * length. */
static uint64_t name_fold(struct str name) {
    uint64_t first = 0, last = 0;
    size_t n = name.n < 8 ? name.n : 8;
    memcpy(&first, name.p, n);
    memcpy(&last, name.p + name.n - n, n);
    const uint64_t lower = 0x2020202020202020u;
    return ((first | lower) * 3) ^ ((last | lower) << 1) ^ (name.n << 56);
}

static size_t slot_of(struct str name, uint64_t multiplier) {
    return (size_t)((name_fold(name) * multiplier) >> (64 - SLOT_BITS));
}

static bool slots_fill(uint64_t multiplier) {
    memset(table.slots, 0, sizeof table.slots);
    for (int i = 0; i < table.count; i++) {
        if (table_is_sub(table.rows[i])) continue;
        size_t slot = slot_of(str_of(table.rows[i]->name), multiplier);
        if (table.slots[slot]) return false;
        table.slots[slot] = table.rows[i];
    }
    table.multiplier = multiplier;
    return true;
}

static void add_option(void *arg, struct str token) {
    uint32_t *options = arg;
    *options |= option_bit(token);
}

static void derive(int index) {
    const struct command *row = table.rows[index];
    struct derived *d = &table.derived[index];
    struct err err;
    if (syntax_parse(row->syntax, &table.arena, &d->syntax, &err) != OK) {
        (void)fprintf(stderr, "command %s: %s\n", row->name, err.msg);
        abort(); /* a row is wrong: our mistake, seen at every start and by the unit test */
    }
    int words = d->syntax.words + (table_is_sub(row) ? 2 : 1);
    d->arity = syntax_is_open(&d->syntax) ? -words : words;
    syntax_tokens(&d->syntax, add_option, &d->options);
    if (!table_is_sub(row)) return;
    int container = index;
    while (table_is_sub(table.rows[container])) container--;
    table.derived[container].subs++;
    if (!table.rows[container]->run) table.derived[container].arity = -2;
}

static void build(void) {
    const struct command_rows *sets[] = {&rows_chronos, &rows_keys, &rows_server};
    arena_init(&table.arena);
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        for (int i = 0; i < sets[s]->count; i++) {
            ASSERT(table.count < COMMANDS_MAX);
            table.rows[table.count] = &sets[s]->rows[i];
            derive(table.count++);
        }
    }
    uint64_t multiplier = 0x9e3779b97f4a7c15u;
    for (int i = 0; !slots_fill(multiplier); i++) {
        ASSERT(i < TRIES_MAX);
        multiplier = multiplier * 6364136223846793005u + 1442695040888963407u;
        multiplier |= 1;
    }
}

static void ready(void) {
    (void)pthread_once(&table.once, build);
}

const struct command *table_find(struct str name) {
    ready();
    if (name.n == 0) return NULL;
    const struct command *row = table.slots[slot_of(name, table.multiplier)];
    return row && str_eq_nocase(name, str_of(row->name)) ? row : NULL;
}

const struct command *table_find_sub(const struct command *container, struct str sub) {
    int index = table_index(container);
    size_t prefix = strlen(container->name) + 1;
    for (int i = 1; i <= table.derived[index].subs; i++) {
        const struct command *row = table.rows[index + i];
        if (str_eq_nocase(sub, str_of(row->name + prefix))) return row;
    }
    return NULL;
}

const struct command *table_row(int index) {
    ready();
    return index < table.count ? table.rows[index] : NULL;
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
    return table.derived[table_index(command)].subs > 0;
}

bool table_is_sub(const struct command *command) {
    return strchr(command->name, '|') != NULL;
}

int table_arity(const struct command *command) {
    return table.derived[table_index(command)].arity;
}

bool table_arity_fits(const struct command *command, int argc) {
    int arity = table_arity(command);
    return arity > 0 ? argc == arity : argc >= -arity;
}

uint32_t table_options(const struct command *command) {
    return table.derived[table_index(command)].options;
}

const struct argument *table_syntax(const struct command *command) {
    return &table.derived[table_index(command)].syntax;
}
