/*
 * Replays the corpus of a fuzz target without libFuzzer, so that any compiler and sanitizer runs
 * it: each file of the folders named on the command line whole, and small ones also cut short at
 * every byte, since a parser's faults sit where its input ends. A fault ends the program.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUT_BYTES = 1024, PATH_BYTES = 4096 };

/* The input lies in memory of exactly its size, so that a sanitizer sees one byte too many. */
static void try_input(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) abort();
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 0;
    }
    (void)fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    size_t size = length > 0 ? (size_t)length : 0;
    uint8_t *data = malloc(size + 1);
    if (!data || fread(data, 1, size, file) != size) abort();
    (void)fclose(file);
    for (size_t cut = 0; size <= CUT_BYTES && cut < size; cut++) try_input(data, cut);
    try_input(data, size);
    free(data);
    return 1;
}

/* Replays the files of a folder; returns how many, and adds those that failed to *failed. */
static int replay_folder(const char *path, int *failed) {
    DIR *folder = opendir(path);
    if (!folder) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        (*failed)++;
        return 0;
    }
    int passed = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[PATH_BYTES];
        if (entry->d_name[0] == '.') continue;
        int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        int good = n > 0 && n < (int)sizeof name && replay_file(name);
        passed += good;
        *failed += !good;
    }
    (void)closedir(folder);
    return passed;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    for (int i = 1; i < argc; i++) passed += replay_folder(argv[i], &failed);
    if (passed == 0) failed++;
    (void)printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
