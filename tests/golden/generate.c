/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Write the golden files of today's version into a directory:
 *     tests/golden/generate tests/golden/v1
 * Only for a new version of the format: the files of a released one never
 * change, and test_golden fails if the writer does.
 */
#include "config.h"

#include <stdio.h>

#include "stream_script.h"

static int write_file(const char *dir, const char *name, const char *role,
                      const struct bytes *b)
{
    char path[512];
    FILE *f;
    int rc;

    snprintf(path, sizeof(path), "%s/%s-%s.bin", dir, name, role);
    f = fopen(path, "wb");
    if (!f) {
        perror(path);
        return 1;
    }
    rc = fwrite(b->data, 1, b->nr, f) != b->nr;
    rc |= fclose(f) != 0;
    if (rc)
        perror(path);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 1;
    }
    for (size_t i = 0; i < nr_scripts; i++) {
        struct bytes s = { 0 }, d = { 0 };

        if (script_run(&scripts[i], &s, &d)) {
            fprintf(stderr, "%s failed\n", scripts[i].name);
            return 1;
        }
        rc |= write_file(argv[1], scripts[i].name, "source", &s);
        if (scripts[i].kind == XLM__KIND_CONTROL)
            rc |= write_file(argv[1], scripts[i].name, "destination", &d);
        bytes_free(&s);
        bytes_free(&d);
    }
    return rc;
}
