/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One unit-test program = one module = one CUnit suite.
 *
 *     #include "config.h"
 *     #include "unit.h"
 *
 *     static void test_bitmap_range_past_word_is_set(void) { ... }
 *
 *     static CU_TestInfo tests[] = {
 *         UNIT_TEST(test_bitmap_range_past_word_is_set),
 *         CU_TEST_INFO_NULL,
 *     };
 *     UNIT_MAIN("bitmap", tests)
 *
 * Give a name as argument to run that test only.
 */
#ifndef XLM_TESTS_UNIT_H
#define XLM_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
#define UNIT_TEST(fn) { #fn, fn }
/* clang-format on */
#define UNIT_MAIN(name, tests)                                                 \
    int main(int argc, char **argv)                                            \
    {                                                                          \
        return unit_run(name, tests, argc > 1 ? argv[1] : NULL);               \
    }

/* Leave only the test called `only`; false if there is none. */
static inline int unit_select(CU_TestInfo *tests, const char *only)
{
    for (CU_TestInfo *t = tests; t->pName; t++) {
        if (strcmp(t->pName, only))
            continue;
        tests[0] = *t;
        memset(&tests[1], 0, sizeof(tests[1]));
        return 1;
    }
    fprintf(stderr, "no test %s\n", only);
    return 0;
}

/* Returns the exit status of the program: 0, 1 failed, 99 could not run. */
static inline int unit_run(const char *name, CU_TestInfo *tests,
                           const char *only)
{
    CU_SuiteInfo suites[] = {
        { name, NULL, NULL, NULL, NULL, tests },
        CU_SUITE_INFO_NULL,
    };
    unsigned run, failed;

    if (only && !unit_select(tests, only))
        return 99;
    if (CU_initialize_registry() != CUE_SUCCESS ||
        CU_register_suites(suites) != CUE_SUCCESS)
        return 99;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a crash must not lose the names */
    CU_basic_set_mode(CU_BRM_VERBOSE);
    if (CU_basic_run_tests() != CUE_SUCCESS)
        return 99;
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("%s: %u passed, %u failed\n", name, run - failed, failed);
    return run == 0 || failed ? 1 : 0;
}

/* An empty file of that name. */
static inline void unit_touch(const char *dir, const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
}

#endif /* XLM_TESTS_UNIT_H */
