/* Proves that a version is one independent block, counted, and that digests are those of FIPS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "store/version.h"

static struct version sample(void) {
    struct version v = {.ov = 3,
                        .cv = 9,
                        .at_ms = 1000,
                        .created_ms = 500,
                        .deleted_ms = TIME_NONE,
                        .size = 2,
                        .row = 7,
                        .payload_row = 7,
                        .payload_ov = 3,
                        .op = OP_UPDATE,
                        .verb = VERB_ENRICH,
                        .state = STATE_NEW};
    v.id = STR("item");
    v.op_id = STR("op");
    v.reason = STR("");
    v.doc = STR("{}");
    return v;
}

static void assert_str(struct str got, struct str want) {
    assert_int_equal(got.p == NULL, want.p == NULL);
    assert_true(str_eq(got, want));
}

static void test_copy_is_independent(void **state) {
    (void)state;
    char id[] = "item";
    struct version from = sample();
    from.id.p = id;
    struct version *v = version_new(&from);
    id[0] = 'X';
    assert_str(v->id, STR("item"));
    assert_str(v->op_id, STR("op"));
    assert_str(v->reason, STR(""));
    assert_str(v->actor, STR_NONE);
    assert_str(v->bucket, STR_NONE);
    assert_str(v->doc, STR("{}"));
    assert_int_equal(v->ov, 3);
    assert_int_equal(v->verb, VERB_ENRICH);
    assert_int_equal(v->refs, 1);
    assert_int_equal(v->bytes, (int64_t)sizeof *v + 4 + 2 + 2);
    assert_false(version_is_deleted(v));
    version_unref(v);
}

static void test_without_document(void **state) {
    (void)state;
    struct version from = sample();
    from.doc = STR_NONE;
    struct version *v = version_new(&from);
    assert_str(v->doc, STR_NONE);
    version_unref(v);
    version_unref(NULL);
}

static void test_room(void **state) {
    (void)state;
    struct version from = sample();
    char *room;
    struct version *v = version_new_with_room(&from, 1000, &room);
    memset(room, 'd', 1000);
    assert_int_equal(v->doc.n, 1000);
    assert_ptr_equal(v->doc.p, room);
    assert_str(v->id, STR("item"));
    struct version *again = version_ref(v);
    assert_ptr_equal(again, v);
    version_unref(v);
    assert_int_equal(again->doc.p[999], 'd');
    version_unref(again);
}

static void *copies(void *arg) {
    struct version *v = arg;
    for (int i = 0; i < 10000; i++) {
        version_unref(version_ref(v));
        version_unref(version_new(v));
    }
    return NULL;
}

static void test_shared_by_threads(void **state) {
    (void)state;
    struct version from = sample();
    struct version *v = version_new(&from);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, copies, v), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(v->refs, 1);
    version_unref(v);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(version_op_name(OP_ERASE), "ERASE");
    assert_string_equal(version_op_name(OP_CREATE), "CREATE");
    assert_string_equal(version_verb_name(VERB_DEL), "DEL");
    assert_string_equal(version_verb_name(VERB_ENRICH), "ENRICH");
    assert_string_equal(version_state_name(STATE_NEW_NOT_SYNCHED), "new-not-synched");
    assert_string_equal(version_state_name(STATE_PROCESSED), "processed");
}

static void assert_digest(const uint8_t got[SHA256_BYTES], const char *want) {
    char text[2 * SHA256_BYTES + 1];
    hex_encode(got, SHA256_BYTES, text);
    text[2 * SHA256_BYTES] = '\0';
    assert_string_equal(text, want);
}

/* The examples of FIPS 180-4, and the empty message. */
static void test_sha256(void **state) {
    (void)state;
    static const struct {
        const char *data, *digest;
    } table[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t digest[SHA256_BYTES];
        digest_sha256(str_of(table[i].data), digest);
        assert_digest(digest, table[i].digest);
    }
}

static void test_sha256_list(void **state) {
    (void)state;
    const struct str ab_c[] = {STR("ab"), STR("c")};
    const struct str a_bc[] = {STR("a"), STR("bc")};
    uint8_t one[SHA256_BYTES], two[SHA256_BYTES], joined[SHA256_BYTES];
    digest_sha256_list(ab_c, 2, one);
    digest_sha256_list(a_bc, 2, two);
    assert_memory_not_equal(one, two, SHA256_BYTES);
    digest_sha256(STR("\x02\0\0\0\0\0\0\0"
                      "ab"
                      "\x01\0\0\0\0\0\0\0"
                      "c"),
                  joined);
    assert_memory_equal(one, joined, SHA256_BYTES);
    digest_sha256_list(NULL, 0, one);
    assert_digest(one, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_random(void **state) {
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0};
    digest_random(a, sizeof a);
    digest_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    digest_random(a, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_is_independent),
        cmocka_unit_test(test_without_document),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_shared_by_threads),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_sha256_list),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
