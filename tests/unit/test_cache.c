/* Proves: the cache finds what was put in, never goes back to an older head, voids fills that a
 * publish overtook, keeps to its bytes, keeps what is read in favour of what is not, and follows a
 * timeline as it grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/cache.h"

static struct version *make(const char *id, int64_t ov, int64_t at_ms, size_t doc_bytes) {
    char *doc = xcalloc(1, doc_bytes + 1);
    memset(doc, 'x', doc_bytes);
    struct version v = {.ov = ov,
                        .at_ms = at_ms,
                        .deleted_ms = TIME_NONE,
                        .id = str_of(id),
                        .doc = {doc, doc_bytes}};
    struct version *made = version_new(&v);
    free(doc);
    return made;
}

static struct cache_item item(const char *id) {
    return (struct cache_item){1, str_of(id)};
}

static void publish(struct cache *c, const char *id, int64_t ov, int64_t at_ms) {
    struct version *v = make(id, ov, at_ms, 100);
    cache_publish(c, 1, v);
    version_unref(v);
}

static int64_t head_ov(struct cache *c, const char *id) {
    struct version *v;
    if (!cache_head(c, item(id), &v)) return -1;
    int64_t ov = v->ov;
    version_unref(v);
    return ov;
}

static void heads_are_found_and_never_go_back(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    assert_int_equal(head_ov(c, "a"), -1);
    publish(c, "a", 0, 10);
    publish(c, "a", 1, 20);
    assert_int_equal(head_ov(c, "a"), 1);
    struct version *old = make("a", 0, 10, 100);
    cache_fill_head(c, 1, old, cache_epoch(c, item("a")));
    version_unref(old);
    assert_int_equal(head_ov(c, "a"), 1);
    struct version *v;
    assert_false(cache_head(c, (struct cache_item){2, STR("a")}, &v)); /* another collection */
    cache_free(c);
}

static void a_fill_that_a_publish_overtook_is_void(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    uint64_t epoch = cache_epoch(c, item("a"));
    publish(c, "a", 1, 20); /* commits after the reader looked at the store ... */
    cache_resize(c, 0);     /* ... and is evicted before the reader fills */
    cache_resize(c, 1 << 20);
    struct version *old = make("a", 0, 10, 100);
    cache_fill_head(c, 1, old, epoch);
    assert_int_equal(head_ov(c, "a"), -1);
    cache_fill_head(c, 1, old, cache_epoch(c, item("a")));
    assert_int_equal(head_ov(c, "a"), 0);
    version_unref(old);
    cache_free(c);
}

static void a_fill_with_a_document_completes_a_head_without(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    struct version bare = {.ov = 3, .deleted_ms = TIME_NONE, .id = STR("a"), .doc = STR_NONE};
    struct version *v = version_new(&bare), *whole = make("a", 3, 0, 50), *found;
    cache_publish(c, 1, v);
    cache_fill_head(c, 1, whole, cache_epoch(c, item("a")));
    assert_true(cache_head(c, item("a"), &found));
    assert_int_equal(found->doc.n, 50);
    version_unref(found);
    version_unref(v);
    version_unref(whole);
    cache_free(c);
}

static void bytes_are_bounded(void **state) {
    (void)state;
    enum { MAX = 1 << 20 };
    struct cache *c = cache_new(MAX);
    char id[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "item%d", i);
        publish(c, id, 0, i);
    }
    int64_t bytes, entries;
    cache_usage(c, &bytes, &entries);
    assert_true(bytes <= MAX && bytes > MAX / 2);
    assert_true(entries > 1000);
    cache_resize(c, 0);
    cache_usage(c, &bytes, &entries);
    assert_int_equal(bytes, 0);
    assert_int_equal(entries, 0);
    cache_free(c);
}

static void what_is_read_outlives_a_scan(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    char id[32];
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 200; i++) {
            snprintf(id, sizeof id, "hot%d", i);
            if (round == 0)
                publish(c, id, 0, 1);
            else
                assert_int_equal(head_ov(c, id), 0);
        }
    for (int i = 0; i < 50000; i++) {
        snprintf(id, sizeof id, "cold%d", i);
        publish(c, id, 0, 1);
    }
    int kept = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "hot%d", i);
        kept += head_ov(c, id) == 0;
    }
    assert_true(kept > 180);
    cache_free(c);
}

static void an_entry_too_large_for_its_shard_is_not_kept(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    publish(c, "a", 0, 1);
    struct version *big = make("a", 1, 2, 500000);
    cache_publish(c, 1, big);
    assert_int_equal(head_ov(c, "a"), -1); /* the old head must not be found either */
    cache_fill_head(c, 1, big, cache_epoch(c, item("a")));
    cache_fill_version(c, 1, big);
    assert_int_equal(head_ov(c, "a"), -1);
    version_unref(big);
    cache_free(c);
}

static void versions_are_found_by_ov(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    struct version *v = make("a", 7, 70, 10), *found;
    cache_fill_version(c, 1, v);
    version_unref(v);
    assert_true(cache_version(c, item("a"), 7, &found));
    assert_int_equal(found->at_ms, 70);
    version_unref(found);
    assert_false(cache_version(c, item("a"), 8, &found));
    cache_free(c);
}

static int64_t ov_at(struct cache *c, const char *id, int64_t at_ms) {
    int64_t ov = -99;
    return cache_instant(c, item(id), at_ms, &ov) ? ov : -99;
}

static void a_timeline_answers_every_instant_and_grows(void **state) {
    (void)state;
    struct cache *c = cache_new(4 << 20);
    struct meta_point points[100];
    for (int i = 0; i < 100; i++)
        points[i] = (struct meta_point){.ov = i, .at_ms = 1000 + i / 2 * 10};
    assert_int_equal(ov_at(c, "a", 5000), -99);
    cache_fill_timeline(c, item("a"), points, 100, cache_epoch(c, item("a")));
    assert_int_equal(ov_at(c, "a", 999), -1);
    assert_int_equal(ov_at(c, "a", 1000), 1); /* of equal instants the greatest ov */
    assert_int_equal(ov_at(c, "a", 1009), 1);
    assert_int_equal(ov_at(c, "a", 1010), 3);
    assert_int_equal(ov_at(c, "a", 99999), 99);
    for (int i = 100; i < 300; i++) publish(c, "a", i, 2000 + i);
    assert_int_equal(ov_at(c, "a", 1010), 3);
    assert_int_equal(ov_at(c, "a", 2250), 250);
    assert_int_equal(ov_at(c, "a", 99999), 299);
    publish(c, "a", 301, 9000); /* a gap: the timeline is not to be trusted */
    assert_int_equal(ov_at(c, "a", 99999), -99);
    cache_free(c);
}

static void a_timeline_that_a_publish_overtook_is_void(void **state) {
    (void)state;
    struct cache *c = cache_new(1 << 20);
    struct meta_point point = {.ov = 0, .at_ms = 10};
    uint64_t epoch = cache_epoch(c, item("a"));
    publish(c, "a", 1, 20);
    cache_fill_timeline(c, item("a"), &point, 1, epoch);
    assert_int_equal(ov_at(c, "a", 50), -99);
    cache_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_found_and_never_go_back),
        cmocka_unit_test(a_fill_that_a_publish_overtook_is_void),
        cmocka_unit_test(a_fill_with_a_document_completes_a_head_without),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(what_is_read_outlives_a_scan),
        cmocka_unit_test(an_entry_too_large_for_its_shard_is_not_kept),
        cmocka_unit_test(versions_are_found_by_ov),
        cmocka_unit_test(a_timeline_answers_every_instant_and_grows),
        cmocka_unit_test(a_timeline_that_a_publish_overtook_is_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
