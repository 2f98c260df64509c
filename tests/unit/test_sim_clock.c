/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal of run intervals, and its checker. */
#include "config.h"

#include "sim_fixture.h"

#define CHECKER "stubs/simxen-clock"

static void journal(const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/runs", sim_dir);
    f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static int checker(const char *args)
{
    const char *top = getenv("top_builddir");
    char cmd[256];
    int status;

    snprintf(cmd, sizeof(cmd), "SIMXEN_CLOCK='%s' '%s/%s' %s >/dev/null 2>&1",
             sim_dir, top ? top : ".", CHECKER, args);
    status = system(cmd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static int verdict(const char *text)
{
    journal(text);
    return checker("check");
}

static void test_clock_move_is_no_double_run(void)
{
    CU_ASSERT_EQUAL(verdict("START 10 aa a 1 0\nBOOT 11 aa a 1 0\n"
                            "STOP 20 aa a 1 5\nSTART 30 aa b 7 5\n"
                            "SEQ 31 aa b 7 5\nSTOP 40 aa b 7 9\n"),
                    0);
}

static void test_clock_overlap_is_found(void)
{
    CU_ASSERT_EQUAL(verdict("START 10 aa a 1 0\nSTART 15 aa b 1 0\n"
                            "STOP 20 aa a 1 5\nSTOP 30 aa b 1 5\n"),
                    1);
    /* Another domain's does not count. */
    CU_ASSERT_EQUAL(verdict("START 10 aa a 1 0\nSTART 15 bb b 1 0\n"), 0);
}

static void test_clock_older_memory_is_found(void)
{
    CU_ASSERT_EQUAL(verdict("START 10 aa a 1 0\nSTOP 20 aa a 1 5\n"
                            "START 30 aa b 1 0\nSEQ 31 aa b 1 4\n"),
                    1);
}

static void append(const char *line)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/runs", sim_dir);
    f = fopen(path, "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(line, f);
    fclose(f);
}

static void test_clock_power_cut_ends_what_ran_there(void)
{
    const char *later = "START 18446744073709551000 aa b 1 0\n";

    journal("START 10 aa a 1 0\nSTART 12 bb c 1 0\n");
    CU_ASSERT_EQUAL(checker("cut a"), 0);
    append(later);
    CU_ASSERT_EQUAL(checker("check"), 0);
    append("START 18446744073709551001 bb b 2 0\n"); /* c has its power */
    CU_ASSERT_EQUAL(checker("check"), 1);
}

static unsigned nr_lines(const char *what)
{
    char path[128], line[256];
    unsigned n = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/runs", sim_dir);
    f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof(line), f))
        n += !strncmp(line, what, strlen(what));
    fclose(f);
    return n;
}

static void test_clock_of_a_domain_is_written(void)
{
    uint32_t d;

    journal("");
    d = sim_new_domain(true, 4, NULL);
    CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_unpausedomain), 0);
    append("START 18446744073709551000 "
           "5a000000000000000000000000000000 other 1 0\n");
    CU_ASSERT_EQUAL(checker("check"), 1);
    journal("");
    CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_pausedomain), 0);
    CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_unpausedomain), 0);
    CU_ASSERT_EQUAL(nr_lines("STOP "), 1);
    CU_ASSERT_EQUAL(nr_lines("START "), 1);
    sim_kill_domain(d);
    CU_ASSERT_EQUAL(nr_lines("STOP "), 2);
    append("START 18446744073709551000 "
           "5a000000000000000000000000000000 other 1 0\n");
    CU_ASSERT_EQUAL(checker("check"), 0);
}

static void test_clock_unreadable_journal_is_no_pass(void)
{
    CU_ASSERT_EQUAL(verdict("START 10 aa\n"), 2);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_clock_move_is_no_double_run),
    UNIT_TEST(test_clock_overlap_is_found),
    UNIT_TEST(test_clock_older_memory_is_found),
    UNIT_TEST(test_clock_power_cut_ends_what_ran_there),
    UNIT_TEST(test_clock_of_a_domain_is_written),
    UNIT_TEST(test_clock_unreadable_journal_is_no_pass),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_clock", tests)
