/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frame of a unit test program: test functions and, last in the file,
 *
 *     UNIT_MAIN("bitmap", T(test_bitmap_set_range_crosses_words), ...)
 *
 * An argument on the command line runs only the tests whose name contains it.
 * The last line printed is "bitmap: N passed, N failed" in test functions;
 * tests/run adds those lines up.
 */
#ifndef XLM_TESTS_UNIT_H
#define XLM_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define T(fn) { #fn, fn }
/* clang-format on */

static inline int unit_run(const char *module, const CU_TestInfo *tests,
                           size_t nr_tests, const char *only)
{
    CU_pSuite suite = NULL;
    unsigned failed;
    unsigned run;

    if (CU_initialize_registry() == CUE_SUCCESS)
        suite = CU_add_suite(module, NULL, NULL);
    for (size_t i = 0; suite && i < nr_tests; i++) {
        if (only && !strstr(tests[i].pName, only))
            continue;
        if (!CU_add_test(suite, tests[i].pName, tests[i].pTestFunc))
            suite = NULL;
    }
    if (!suite) {
        fprintf(stderr, "%s: CUnit: %s\n", module, CU_get_error_msg());
        return 99;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("\n%s: %u passed, %u failed\n", module, run - failed, failed);
    /* A program that ran nothing has shown nothing. */
    return failed || !run ? 1 : 0;
}

#define UNIT_MAIN(module, ...)                                                 \
    int main(int argc, char **argv)                                            \
    {                                                                          \
        static const CU_TestInfo tests[] = { __VA_ARGS__ };                    \
        return unit_run(module, tests, sizeof(tests) / sizeof(tests[0]),       \
                        argc > 1 ? argv[1] : NULL);                            \
    }

#endif /* XLM_TESTS_UNIT_H */
