/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks, marks and processes of this host, in directories of our own. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "toolstack/findmonitor.h"
#include "toolstack/hostlock.h"
#include "toolstack/lateness.h"
#include "unit.h"

static const unsigned char uuid[16] = { 1, 2, 3 };
static const unsigned char other[16] = { 4, 5, 6 };
static char dir[64];
static struct xlm__errslot err;

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/xlm-host-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
}

static void end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
    xlm__errslot_destroy(&err);
}

static void test_hostfiles_lock_is_held_until_dropped(void)
{
    struct xlm__hostlock l = XLM__HOSTLOCK_INITIALIZER;

    begin();
    CU_ASSERT_FALSE(xlm__hostlock_held(dir, uuid));
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, uuid, &l), 0);
    CU_ASSERT_TRUE(xlm__hostlock_held(dir, uuid));
    CU_ASSERT_FALSE(xlm__hostlock_held(dir, other));
    xlm__hostlock_drop(&l);
    CU_ASSERT_FALSE(xlm__hostlock_held(dir, uuid));
    CU_ASSERT_NOT_EQUAL(access(l.path, F_OK), 0);
    xlm__hostlock_drop(&l);
    end();
}

static bool is_left(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return !access(path, F_OK);
}

static void test_hostfiles_sweep_removes_locks_of_the_dead(void)
{
    struct xlm__hostlock l = XLM__HOSTLOCK_INITIALIZER;

    begin();
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, uuid, &l), 0);
    unit_touch(dir, "xlm-of-a-dead-one.lock");
    unit_touch(dir, "xlm-of-a-dead-one.monitor");
    unit_touch(dir, "xlm-other.sock");
    unit_touch(dir, "somebody.lock");
    xlm__hostlock_sweep(dir);
    CU_ASSERT_FALSE(is_left("xlm-of-a-dead-one.lock"));
    CU_ASSERT_FALSE(is_left("xlm-of-a-dead-one.monitor"));
    CU_ASSERT_TRUE(is_left("xlm-other.sock") && is_left("somebody.lock"));
    CU_ASSERT_TRUE(xlm__hostlock_held(dir, uuid));
    CU_ASSERT_EQUAL(access(l.path, F_OK), 0);
    xlm__hostlock_drop(&l);
    xlm__hostlock_sweep("/nonexistent");
    end();
}

static void test_hostfiles_second_lock_is_busy_and_names_the_holder(void)
{
    struct xlm__hostlock a = XLM__HOSTLOCK_INITIALIZER;
    struct xlm__hostlock b = XLM__HOSTLOCK_INITIALIZER;
    char message[XLM_MESSAGE_MAX];
    char pid[32];

    begin();
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, uuid, &a), 0);
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, uuid, &b), XLM_ERR_BUSY);
    xlm__errslot_read(&err, message);
    snprintf(pid, sizeof(pid), "process %d ", (int)getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(message, pid));
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, other, &b), 0);
    xlm__hostlock_drop(&a);
    xlm__hostlock_drop(&b);
    end();
}

static void test_hostfiles_lock_of_a_dead_process_is_free(void)
{
    struct xlm__hostlock l = XLM__HOSTLOCK_INITIALIZER;
    int status;
    pid_t pid;

    begin();
    pid = fork();
    if (pid == 0)
        _exit(xlm__hostlock_take(&err, dir, uuid, &l) ? 1 : 0);
    waitpid(pid, &status, 0);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, uuid, &l), 0);
    xlm__hostlock_drop(&l);
    end();
}

static void test_hostfiles_one_monitor_beside_a_migration(void)
{
    struct xlm__hostlock m = XLM__HOSTLOCK_INITIALIZER;
    struct xlm__hostlock a = XLM__HOSTLOCK_INITIALIZER;
    struct xlm__hostlock b = XLM__HOSTLOCK_INITIALIZER;

    begin();
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, dir, uuid, &m), 0);
    CU_ASSERT_TRUE(xlm__hostlock_take_monitor(dir, uuid, &a));
    CU_ASSERT_FALSE(xlm__hostlock_take_monitor(dir, uuid, &b));
    CU_ASSERT_TRUE(xlm__hostlock_take_monitor(dir, other, &b));
    xlm__hostlock_drop(&b);
    xlm__hostlock_drop(&a);
    CU_ASSERT_TRUE(xlm__hostlock_take_monitor(dir, uuid, &b));
    xlm__hostlock_drop(&b);
    xlm__hostlock_drop(&m);
    end();
}

static void test_hostfiles_lock_in_no_directory_is_a_system_error(void)
{
    struct xlm__hostlock l = XLM__HOSTLOCK_INITIALIZER;

    begin();
    CU_ASSERT_EQUAL(xlm__hostlock_take(&err, "/nonexistent", uuid, &l),
                    XLM_ERR_SYSTEM);
    CU_ASSERT_FALSE(xlm__hostlock_held("/nonexistent", uuid));
    end();
}

static void test_hostfiles_late_mark_is_per_domain(void)
{
    begin();
    CU_ASSERT_FALSE(xlm__late_marked(dir, uuid));
    xlm__late_mark(dir, uuid);
    CU_ASSERT_TRUE(xlm__late_marked(dir, uuid));
    CU_ASSERT_FALSE(xlm__late_marked(dir, other));
    xlm__late_clear(dir, uuid);
    CU_ASSERT_FALSE(xlm__late_marked(dir, uuid));
    end();
}

/* A process as /proc shows it.  args are ended by '\1' each. */
static void add_process(int pid, const char *comm, const char *args,
                        const char *log)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%d", dir, pid);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%d/fd", dir, pid);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%d/comm", dir, pid);
    f = fopen(path, "w");
    fprintf(f, "%s\n", comm);
    fclose(f);
    snprintf(path, sizeof(path), "%s/%d/cmdline", dir, pid);
    f = fopen(path, "w");
    for (; *args; args++)
        fputc(*args == '\1' ? 0 : *args, f);
    fclose(f);
    snprintf(path, sizeof(path), "%s/%d/fd/0", dir, pid);
    CU_ASSERT_EQUAL(symlink("/dev/null", path), 0);
    snprintf(path, sizeof(path), "%s/%d/fd/1", dir, pid);
    CU_ASSERT_EQUAL(symlink(log, path), 0);
}

static void test_hostfiles_monitor_is_found_by_its_log(void)
{
    begin();
    add_process(10, "bash", "bash\1", "/var/log/xen/xl-g1.log");
    CU_ASSERT_FALSE(xlm__find_monitor(dir, "g1"));
    add_process(11, "xl", "xl\1create\1", "/var/log/xen/xl-g1.log");
    CU_ASSERT_TRUE(xlm__find_monitor(dir, "g1"));
    CU_ASSERT_FALSE(xlm__find_monitor(dir, "g"));
    CU_ASSERT_FALSE(xlm__find_monitor(dir, "g12"));
    end();
}

static void test_hostfiles_monitor_of_an_arrived_domain_is_found(void)
{
    begin();
    add_process(11, "xl", "xl\1", "/var/log/xen/xl-g1--incoming.log");
    CU_ASSERT_TRUE(xlm__find_monitor(dir, "g1"));
    CU_ASSERT_TRUE(xlm__find_xl_daemon(dir, "g1"));
    end();
}

static void test_hostfiles_our_own_monitor_is_found(void)
{
    begin();
    add_process(11, "xl-lmigrate-mon", "x\1",
                "/var/log/xen/xlm-monitor-g1.log");
    CU_ASSERT_TRUE(xlm__find_monitor(dir, "g1"));
    CU_ASSERT_FALSE(xlm__find_xl_daemon(dir, "g1"));
    end();
}

static void test_hostfiles_monitor_with_rotated_log_is_found(void)
{
    begin();
    add_process(11, "xl", "xl\1", "/var/log/xen/xl-g1.log.1 (deleted)");
    CU_ASSERT_TRUE(xlm__find_monitor(dir, "g1"));
    end();
}

static void test_hostfiles_saving_xl_is_noticed(void)
{
    begin();
    add_process(11, "xl", "xl\1create\1g1.cfg\1", "/x");
    add_process(12, "bash", "bash\1-c\1save\1", "/x");
    CU_ASSERT_FALSE(xlm__xl_is_saving(dir));
    add_process(13, "xl", "xl\1-v\1save\1g1\1", "/x");
    CU_ASSERT_TRUE(xlm__xl_is_saving(dir));
    end();
}

static void test_hostfiles_migrating_xl_is_noticed(void)
{
    begin();
    add_process(13, "xl", "xl\1migrate\1g1\1hostb\1", "/x");
    CU_ASSERT_TRUE(xlm__xl_is_saving(dir));
    end();
}

static void test_hostfiles_save_helper_is_noticed(void)
{
    begin();
    add_process(13, "libxl-save-help", "libxl-save-helper\1", "/x");
    CU_ASSERT_TRUE(xlm__xl_is_saving(dir));
    end();
}

static void test_hostfiles_unreadable_proc_counts_as_saving(void)
{
    CU_ASSERT_TRUE(xlm__xl_is_saving("/nonexistent"));
    CU_ASSERT_FALSE(xlm__find_monitor("/nonexistent", "g1"));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_hostfiles_lock_is_held_until_dropped),
    UNIT_TEST(test_hostfiles_sweep_removes_locks_of_the_dead),
    UNIT_TEST(test_hostfiles_second_lock_is_busy_and_names_the_holder),
    UNIT_TEST(test_hostfiles_lock_of_a_dead_process_is_free),
    UNIT_TEST(test_hostfiles_one_monitor_beside_a_migration),
    UNIT_TEST(test_hostfiles_lock_in_no_directory_is_a_system_error),
    UNIT_TEST(test_hostfiles_late_mark_is_per_domain),
    UNIT_TEST(test_hostfiles_monitor_is_found_by_its_log),
    UNIT_TEST(test_hostfiles_monitor_of_an_arrived_domain_is_found),
    UNIT_TEST(test_hostfiles_our_own_monitor_is_found),
    UNIT_TEST(test_hostfiles_monitor_with_rotated_log_is_found),
    UNIT_TEST(test_hostfiles_saving_xl_is_noticed),
    UNIT_TEST(test_hostfiles_migrating_xl_is_noticed),
    UNIT_TEST(test_hostfiles_save_helper_is_noticed),
    UNIT_TEST(test_hostfiles_unreadable_proc_counts_as_saving),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("hostfiles", tests)
