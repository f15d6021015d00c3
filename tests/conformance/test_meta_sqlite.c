/* Proves that the embedded store passes the conformance suite, and what is its own: the folder's
 * lock, refusals of bad folders, the log's length, held and counted syncs, a full disk. */
#include "conformance/cmocka_all.h"
#include "conformance/meta_suite.h"
#include "conformance/sqlite_own.h"

int main(int argc, char **argv) {
    struct meta_maker *maker = sqlite_maker();
    struct {
        const char *name;
        int (*run)(struct meta_maker *maker);
    } parts[] = {{"own", sqlite_own},           {"reading", meta_suite_reading},
                 {"tables", meta_suite_tables}, {"threads", meta_suite_threads},
                 {"faults", meta_suite_faults}, {"crashes", meta_suite_crashes}};
    int failed = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (argc > 1 && strcmp(argv[1], parts[i].name) != 0) continue;
        failed += parts[i].run(maker);
    }
    return failed;
}
