/*
 * Measures json_check, in MB/s, on documents of about 1 KiB: an ordinary one (short keys, numbers,
 * texts, a list of objects), one that is indented, one whose text is not ASCII, one long string.
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

enum { ROUNDS = 5, ROUND_US = 200000 };

static const char ordinary[] =
    "{\"id\":\"64b7f0c2a1d3e4f5a6b7c8d9\",\"name\":\"Ada Lovelace\",\"email\":\"ada@example.org\","
    "\"age\":36,\"active\":true,\"score\":98.75,\"tags\":[\"engineer\",\"poet\",\"analyst\"],"
    "\"address\":{\"street\":\"12 St James's Square\",\"city\":\"London\",\"zip\":\"SW1Y 4JH\","
    "\"geo\":{\"lat\":51.507351,\"lon\":-0.127758}},\"orders\":[{\"sku\":\"A-1001\",\"quantity\":2,"
    "\"price\":19.99,\"note\":null},{\"sku\":\"B-2040\",\"quantity\":1,\"price\":249.0,\"note\":"
    "\"leave it with the "
    "porter\"},{\"sku\":\"C-0007\",\"quantity\":12,\"price\":0.5,\"note\":null}],"
    "\"createdAt\":\"2026-01-15T09:30:00.000Z\",\"updatedAt\":\"2026-02-20T18:45:12.345Z\","
    "\"description\":\"The first to see that a machine that calculates might do more than sums: it "
    "might weave patterns as the loom weaves flowers and "
    "leaves.\",\"settings\":{\"theme\":\"dark\","
    "\"language\":\"en\",\"notifications\":{\"email\":true,\"sms\":false,\"push\":true}},"
    "\"history\":[1815,1833,1842,1843,1852],\"parentId\":null,\"version\":7,\"checksum\":"
    "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}";

static const char indented[] =
    "{\n    \"name\": \"Ada\",\n    \"tags\": [\n        \"engineer\",\n        \"poet\"\n    ],\n"
    "    \"address\": {\n        \"city\": \"London\",\n        \"zip\": \"SW1Y 4JH\"\n    },\n"
    "    \"a\": 1,\n    \"b\": 2.5,\n    \"c\": false\n}\n";

static void measure(const char *name, struct str text) {
    struct err err;
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_mono_us(), passed = 0, checks = 0;
        while (passed < ROUND_US) {
            for (int i = 0; i < 1000; i++) ASSERT(json_check(text, 128, &err) == OK);
            checks += 1000;
            passed = clock_mono_us() - start;
        }
        double rate = (double)checks * (double)text.n / (double)passed;
        if (rate > best) best = rate;
    }
    printf("%-10s %5zu bytes %8.0f MB/s\n", name, text.n, best);
}

int main(void) {
    struct buf text, other;
    buf_init(&text, 1 << 20);
    buf_init(&other, 1 << 20);
    measure("ordinary", str_of(ordinary));
    measure("indented", str_of(indented));
    buf_append_str(&text, STR("{\"text\":\""));
    buf_append_str(&other, STR("{\"text\":\""));
    for (int i = 0; i < 128; i++) buf_append_str(&text, STR("plain te"));
    for (int i = 0; i < 128; i++) buf_append_str(&other, STR("\xC3\xA4\xE6\xBC\xA2\xE5\xAD\x97"));
    buf_append_str(&text, STR("\"}"));
    buf_append_str(&other, STR("\"}"));
    measure("string", buf_str(&text));
    measure("not ASCII", buf_str(&other));
    buf_release(&text);
    buf_release(&other);
    return 0;
}
