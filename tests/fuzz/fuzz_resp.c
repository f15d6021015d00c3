/*
 * Fuzzes the reader of requests: whatever the bytes, reading them in one piece and in pieces must
 * give the same requests and the same error, and every argument must lie inside the bytes. The
 * first byte of the input chooses the sizes of the pieces and whether the client is authenticated.
 */
#include <stdint.h>

#include "net/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES = 1 << 16, RECORD_BYTES = 1 << 22 };

/* What is read, with lengths, so that two readings can be compared. */
static void record(const struct resp *r, struct str input, struct buf *out) {
    for (int i = 0; i < r->argc; i++) {
        struct str arg = r->argv[i];
        bool in_input = arg.p >= input.p && arg.p + arg.n <= input.p + input.n;
        bool in_words = r->words.data != NULL && arg.p >= r->words.data &&
                        arg.p + arg.n <= r->words.data + r->words.len;
        ASSERT(in_input || in_words);
        buf_append_int(out, (int64_t)arg.n);
        buf_append_char(out, ':');
        buf_append_str(out, arg);
    }
    buf_append_char(out, '\n');
}

/* Reads the input with more bytes at each step; every step lies elsewhere in memory. */
static void read_all(struct str input, size_t step, const struct resp_limits *limits,
                     struct buf *out) {
    struct resp r;
    resp_init(&r);
    buf_reset(out);
    size_t at = 0;
    for (size_t bytes = step < input.n ? step : input.n;; bytes += step) {
        if (bytes > input.n) bytes = input.n;
        char *copy = xmalloc(bytes + 1);
        memcpy(copy, input.p, bytes);
        enum resp_result result = RESP_MORE;
        while (at < bytes) {
            size_t used = 0;
            result = resp_next(&r, copy + at, bytes - at, limits, &used);
            if (result == RESP_MORE || result == RESP_ERROR) break;
            ASSERT(used > 0 && used <= bytes - at);
            if (result == RESP_REQUEST) record(&r, (struct str){copy + at, used}, out);
            at += used;
        }
        free(copy);
        if (result == RESP_ERROR) buf_printf(out, "!%s", r.error);
        if (result == RESP_ERROR || bytes == input.n) break;
    }
    resp_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > INPUT_BYTES) return 0;
    struct resp_limits limits = {
        .bulk_bytes = 4096, .args = 64, .inline_bytes = 256, .unauthenticated = (data[0] & 1) != 0};
    struct str input = {(const char *)data + 1, size - 1};
    struct buf whole, pieces;
    buf_init(&whole, RECORD_BYTES);
    buf_init(&pieces, RECORD_BYTES);
    size_t step = 1 + (data[0] >> 1);
    if (input.n / step > 512) step = 1 + input.n / 512; /* keep one run short */
    read_all(input, input.n, &limits, &whole);
    read_all(input, step, &limits, &pieces);
    ASSERT(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
