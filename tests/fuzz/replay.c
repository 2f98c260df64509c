/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without libFuzzer, under whatever sanitizers the build has:
 *
 *   replay                  all of tests/fuzz/corpus, each input also cut short
 *                           at up to CUTS places
 *   replay TARGET FILE...   these, as they are
 *
 * It gets through, or dies where an input breaks something.
 */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>

#define CUTS      32u
#define INPUT_MAX (1u << 20)

typedef int target_fn(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    target_fn *run;
} targets[] = {
#define ROW(name, most) { #name, fuzz_##name },
    FUZZ_MAP(ROW)
#undef ROW
};
#define NR_TARGETS (sizeof(targets) / sizeof(targets[0]))

/* To be freed. */
static uint8_t *load(const char *path, size_t *size_out)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);

    if (!f || !data) {
        perror(path);
        exit(1);
    }
    *size_out = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    return data;
}

/* Of exactly that size, so that reading further is seen. */
static void run_exact(target_fn *run, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    FUZZ_CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    run(copy, size);
    free(copy);
}

static void replay(target_fn *run, const char *path, bool cut)
{
    size_t size, step;
    uint8_t *data = load(path, &size);

    step = size / CUTS + 1;
    for (size_t n = 0; cut && n < size; n += step)
        run_exact(run, data, n);
    run_exact(run, data, size);
    free(data);
}

static unsigned replay_corpus(const char *name, target_fn *run)
{
    const char *top = getenv("top_srcdir");
    char dir[512], path[1024];
    struct dirent *e;
    unsigned n = 0;
    DIR *d;

    snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", top ? top : ".",
             name);
    d = opendir(dir);
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        /* Should it die, this is the last line. */
        printf("%s\n", path);
        fflush(stdout);
        replay(run, path, true);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static int replay_all(void)
{
    unsigned passed = 0, empty = 0;

    for (size_t i = 0; i < NR_TARGETS; i++) {
        unsigned n = replay_corpus(targets[i].name, targets[i].run);

        passed += n;
        empty += !n;
        printf("%s: %u inputs\n", targets[i].name, n);
    }
    printf("replay: %u passed, %u failed\n", passed, empty);
    return empty != 0;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return replay_all();
    for (size_t i = 0; i < NR_TARGETS; i++) {
        if (strcmp(argv[1], targets[i].name))
            continue;
        for (int k = 2; k < argc; k++)
            replay(targets[i].run, argv[k], false);
        return 0;
    }
    fprintf(stderr, "usage: %s [TARGET FILE...]\n", argv[0]);
    return 2;
}
