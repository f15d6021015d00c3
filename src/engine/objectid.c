/*
 * ObjectIds as MongoDB's drivers make them
 * (https://www.mongodb.com/docs/manual/reference/bson-types/#objectid): four bytes of seconds, five
 * random bytes of this process, three of a counter that begins at random.
 */
#include <pthread.h>

#include "base/clock.h"
#include "engine/internal.h"

static uint8_t process_bytes[5];
static atomic_uint_fast32_t counter;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void seed(void) {
    uint32_t start;
    digest_random(process_bytes, sizeof process_bytes);
    digest_random(&start, sizeof start);
    atomic_store(&counter, start);
}

void objectid_mint(char ret[OBJECTID_HEX]) {
    (void)pthread_once(&once, seed); /* cannot fail with a valid control */
    uint32_t seconds = (uint32_t)(clock_now_ms() / 1000);
    uint32_t n = (uint32_t)atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    uint8_t id[12] = {(uint8_t)(seconds >> 24), (uint8_t)(seconds >> 16), (uint8_t)(seconds >> 8),
                      (uint8_t)seconds};
    memcpy(id + 4, process_bytes, sizeof process_bytes);
    id[9] = (uint8_t)(n >> 16);
    id[10] = (uint8_t)(n >> 8);
    id[11] = (uint8_t)n;
    hex_encode(id, sizeof id, ret);
}
