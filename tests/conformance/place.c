/* Folders for the suites. */
#include "conformance/place.h"

#include <unistd.h>

#include "base/err.h"
#include "conformance/cmocka_all.h"

void place_make(char *ret_path, size_t bytes) {
    const char *root = getenv("TMPDIR");
    if (root == NULL) root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    int n = snprintf(ret_path, bytes, "%s/chronos_test_XXXXXX", root);
    assert_true(n > 0 && (size_t)n < bytes);
    assert_non_null(mkdtemp(ret_path));
}
