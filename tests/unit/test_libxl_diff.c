/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between two configurations; lists of numbers; xl.conf. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "libxl_fixture.h"
#include "toolstack/lists.h"
#include "unit.h"

static char diff[256];

static const char *compare(void)
{
    xlm__libxl_config_diff(&a, &b, diff, sizeof(diff));
    return diff;
}

/* ---- differences ---- */

static void test_libxl_diff_equal_ones_do_not_differ(void)
{
    configs_make();
    CU_ASSERT_STRING_EQUAL(compare(), "");
    configs_free();
}

static void test_libxl_diff_what_changes_by_itself_is_ignored(void)
{
    configs_make();
    b.b_info.rtc_timeoffset = 5;
    b.c_info.domid = 9;
    b.disks[0].direct_io_safe = true;
    CU_ASSERT_STRING_EQUAL(compare(), "");
    configs_free();
}

static void test_libxl_diff_attached_disk_is_named(void)
{
    configs_make();
    add_disk(&b, "xvdb", "/dev/vg/b");
    CU_ASSERT_STRING_EQUAL(compare(), "disk xvdb was attached");
    configs_free();
}

static void test_libxl_diff_detached_disk_is_named(void)
{
    configs_make();
    add_disk(&a, "xvdb", "/dev/vg/b");
    CU_ASSERT_STRING_EQUAL(compare(), "disk xvdb was detached");
    configs_free();
}

static void test_libxl_diff_changed_medium_is_named(void)
{
    configs_make();
    set_text(&b.disks[0].pdev_path, "/iso");
    CU_ASSERT_STRING_EQUAL(compare(),
                           "disk xvda was changed from \"/dev/null\" to "
                           "\"/iso\"");
    configs_free();
}

static void test_libxl_diff_nics_are_named_by_mac(void)
{
    configs_make();
    add_nic(&b, 2, "xenbr0");
    CU_ASSERT_STRING_EQUAL(compare(),
                           "network interface 00:16:3e:00:00:02 was attached");
    configs_free();
    configs_make();
    add_nic(&a, 2, "xenbr0");
    CU_ASSERT_STRING_EQUAL(compare(),
                           "network interface 00:16:3e:00:00:02 was detached");
    configs_free();
    configs_make();
    set_text(&b.nics[0].bridge, "br7");
    CU_ASSERT_STRING_EQUAL(compare(), "network interface 00:16:3e:00:00:01 "
                                      "was moved from xenbr0 to br7");
    configs_free();
}

/* Nothing in xl.cfg keeps them from it. */
static void test_libxl_diff_two_nics_may_have_one_mac(void)
{
    configs_make();
    add_nic(&a, 1, "br7");
    add_nic(&b, 1, "br7");
    CU_ASSERT_STRING_EQUAL(compare(), "");
    set_text(&b.nics[1].bridge, "br8");
    CU_ASSERT_STRING_EQUAL(compare(), "network interface 00:16:3e:00:00:01 "
                                      "was moved from br7 to br8");
    configs_free();
}

static void test_libxl_diff_pci_device_is_named(void)
{
    configs_make();
    add_pci(&b, 3);
    CU_ASSERT_STRING_EQUAL(compare(), "PCI device 0000:00:03.0 was attached");
    configs_free();
}

static void test_libxl_diff_memory_is_told_with_both_values(void)
{
    configs_make();
    b.b_info.target_memkb = 65536;
    CU_ASSERT_STRING_EQUAL(
        compare(), "the memory target was changed from 131072 to 65536 KiB");
    configs_free();
    configs_make();
    b.b_info.max_memkb = 262144;
    CU_ASSERT_STRING_EQUAL(
        compare(), "maximum memory was changed from 131072 to 262144 KiB");
    configs_free();
}

static void test_libxl_diff_switched_vcpu_is_named(void)
{
    configs_make();
    set_bitmap(&b.b_info.avail_vcpus, 1);
    CU_ASSERT_STRING_EQUAL(compare(), "vCPU 1 was switched off");
    configs_free();
}

static void test_libxl_diff_new_name_is_told(void)
{
    configs_make();
    set_text(&b.c_info.name, "g2");
    CU_ASSERT_STRING_EQUAL(compare(), "the domain was renamed from g1 to g2");
    configs_free();
}

/* ---- lists of numbers ---- */

static int check_lists(const char *json, char message[XLM_MESSAGE_MAX])
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    int rc = xlm__lists_check(&err, json);

    xlm__errslot_read(&err, message);
    xlm__errslot_destroy(&err);
    return rc;
}

static void test_libxl_diff_lists_with_possible_numbers_pass(void)
{
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(check_lists("{\"a\": [0, 1048576, [7], \"-1\"], "
                                "\"b\": -5, \"c\": [{\"d\": -1}]}",
                                message),
                    0);
    CU_ASSERT_EQUAL(check_lists("no JSON", message), 0);
}

/* libxl would end the process, or make a bitmap of 256 MiB. */
static void test_libxl_diff_lists_with_others_are_refused(void)
{
    char message[XLM_MESSAGE_MAX];
    char deep[2 * XLM__LIST_DEPTH_MAX];

    CU_ASSERT_EQUAL(check_lists("{\"a\": [1, -1633477512]}", message),
                    XLM_ERR_STREAM);
    CU_ASSERT_STRING_EQUAL(message, "configuration: -1633477512 in a list, 0 "
                                    "to 1048576 are possible");
    CU_ASSERT_EQUAL(check_lists("[1048577]", message), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(check_lists("[99999999999999999999]", message),
                    XLM_ERR_STREAM);
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    CU_ASSERT_EQUAL(check_lists(deep, message), XLM_ERR_STREAM);
    CU_ASSERT_STRING_EQUAL(message, "configuration: more than 64 lists and "
                                    "objects within each other");
}

/* ---- xl.conf ---- */

static struct xlm__xlconf read_conf(const char *text, const char *commandline)
{
    char path[] = "/tmp/xlm-conf-XXXXXX";
    struct xlm__xlconf conf;
    int fd = mkstemp(path);

    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    xlm__xlconf_read(path, commandline, &conf);
    close(fd);
    unlink(path);
    return conf;
}

static void test_libxl_diff_xlconf_settings_are_read(void)
{
    struct xlm__xlconf conf = read_conf(
        "# a comment\nautoballoon=\"on\"\nlockfile=\"/run/x\"\n",
        "dom0_mem=1G");

    CU_ASSERT_TRUE(conf.autoballoon);
    CU_ASSERT_STRING_EQUAL(conf.lockfile, "/run/x");
    CU_ASSERT_FALSE(read_conf("autoballoon=\"off\"\n", "").autoballoon);
    CU_ASSERT_FALSE(read_conf("autoballoon=\"0\"\n", "").autoballoon);
}

static void test_libxl_diff_xlconf_auto_asks_xens_command_line(void)
{
    CU_ASSERT_TRUE(read_conf("autoballoon=\"auto\"\n", "x=1").autoballoon);
    CU_ASSERT_FALSE(
        read_conf("autoballoon=\"auto\"\n", "dom0_mem=1G").autoballoon);
    CU_ASSERT_TRUE(read_conf("\n", NULL).autoballoon);
}

static void test_libxl_diff_xlconf_missing_or_broken_is_the_default(void)
{
    struct xlm__xlconf conf;

    xlm__xlconf_read("/nonexistent/xl.conf", "dom0_mem=1G", &conf);
    CU_ASSERT_FALSE(conf.autoballoon);
    CU_ASSERT_STRING_EQUAL(conf.lockfile, "/var/lock/xl");
    conf = read_conf("autoballoon = = {\n", "");
    CU_ASSERT_TRUE(conf.autoballoon);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_diff_equal_ones_do_not_differ),
    UNIT_TEST(test_libxl_diff_what_changes_by_itself_is_ignored),
    UNIT_TEST(test_libxl_diff_attached_disk_is_named),
    UNIT_TEST(test_libxl_diff_detached_disk_is_named),
    UNIT_TEST(test_libxl_diff_changed_medium_is_named),
    UNIT_TEST(test_libxl_diff_nics_are_named_by_mac),
    UNIT_TEST(test_libxl_diff_two_nics_may_have_one_mac),
    UNIT_TEST(test_libxl_diff_pci_device_is_named),
    UNIT_TEST(test_libxl_diff_memory_is_told_with_both_values),
    UNIT_TEST(test_libxl_diff_switched_vcpu_is_named),
    UNIT_TEST(test_libxl_diff_new_name_is_told),
    UNIT_TEST(test_libxl_diff_lists_with_possible_numbers_pass),
    UNIT_TEST(test_libxl_diff_lists_with_others_are_refused),
    UNIT_TEST(test_libxl_diff_xlconf_settings_are_read),
    UNIT_TEST(test_libxl_diff_xlconf_auto_asks_xens_command_line),
    UNIT_TEST(test_libxl_diff_xlconf_missing_or_broken_is_the_default),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("libxl_diff", tests)
