/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preflight at both ends: the judging. */
#include "config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libxl_fixture.h"
#include "unit.h"

static struct xlm__source_facts src;
static struct xlm__findings *f;

static void begin_source(void)
{
    configs_make();
    src = (struct xlm__source_facts){ .pv_drivers = true,
                                      .feature_suspend = 1 };
    f = xlm__findings_new();
}

static void end_findings(void)
{
    xlm__findings_free(f);
    configs_free();
}

static const struct xlm_finding *found(const char *code)
{
    for (size_t i = 0; i < xlm__findings_count(f); i++)
        if (!strcmp(xlm__findings_get(f, i)->code, code))
            return xlm__findings_get(f, i);
    return NULL;
}

static void expect(const char *code, enum xlm_severity severity,
                   const char *text)
{
    const struct xlm_finding *one = found(code);

    CU_ASSERT_PTR_NOT_NULL_FATAL(one);
    CU_ASSERT_EQUAL(one->severity, severity);
    if (!strstr(one->message, text))
        printf("\n  %s: \"%s\" has no \"%s\"\n", code, one->message, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(one->message, text));
    if (severity == XLM_FINDING_BLOCK)
        CU_ASSERT_NOT_EQUAL(one->advice[0], '\0');
}

/* Judge `a`; exactly this blocks. */
static void source_blocks(const char *code, const char *text)
{
    size_t blocks = 0;

    xlm__libxl_check_source(&a, &src, f);
    expect(code, XLM_FINDING_BLOCK, text);
    for (size_t i = 0; i < xlm__findings_count(f); i++)
        blocks += xlm__findings_get(f, i)->severity == XLM_FINDING_BLOCK;
    CU_ASSERT_EQUAL(blocks, 1);
    end_findings();
}

static void test_libxl_check_source_plain_guest_has_no_findings(void)
{
    begin_source();
    xlm__libxl_check_source(&a, &src, f);
    CU_ASSERT_EQUAL(xlm__findings_count(f), 0);
    end_findings();
}

static void test_libxl_check_source_states_that_cannot_move(void)
{
    begin_source();
    src.dying = true;
    source_blocks("dying", "g1");
    begin_source();
    src.shutdown = true;
    src.shutdown_reason = 3;
    source_blocks("shutdown", "reason 3");
    begin_source();
    src.shutdown = true;
    src.shutdown_reason = 2;
    source_blocks("suspended", "g1 is suspended");
    begin_source();
    src.paused = true;
    source_blocks("paused", "cannot acknowledge");
    begin_source();
    src.feature_suspend = 0;
    source_blocks("no-suspend", "feature-suspend");
}

static void test_libxl_check_source_paused_without_pv_drivers_may_move(void)
{
    begin_source();
    src.paused = true;
    src.pv_drivers = false;
    xlm__libxl_check_source(&a, &src, f);
    CU_ASSERT_EQUAL(xlm__findings_count(f), 0);
    end_findings();
}

static void test_libxl_check_source_unknown_suspend_support_is_a_note(void)
{
    begin_source();
    src.feature_suspend = -1;
    xlm__libxl_check_source(&a, &src, f);
    expect("suspend-unknown", XLM_FINDING_NOTE, "g1");
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    end_findings();
}

static void test_libxl_check_source_passthrough_blocks(void)
{
    begin_source();
    add_pci(&a, 0x1f);
    source_blocks("passthrough-pci", "0000:00:1f.0");
    begin_source();
    a.num_usbdevs = 1;
    a.usbdevs = calloc(1, sizeof(*a.usbdevs));
    libxl_device_usbdev_init(a.usbdevs);
    libxl_device_usbdev_init_type(a.usbdevs, LIBXL_USBDEV_TYPE_HOSTDEV);
    a.usbdevs[0].u.hostdev.hostbus = 3;
    a.usbdevs[0].u.hostdev.hostaddr = 4;
    source_blocks("passthrough-usb", "3.4");
    begin_source();
    a.b_info.num_irqs = 1;
    a.b_info.irqs = calloc(1, sizeof(*a.b_info.irqs));
    source_blocks("passthrough-resources", "1 interrupts");
}

static void test_libxl_check_source_features_that_cannot_move_block(void)
{
    begin_source();
    libxl_defbool_set(&a.b_info.disable_migrate, true);
    source_blocks("nomigrate", "nomigrate");
    begin_source();
    a.b_info.num_vnuma_nodes = 1;
    a.b_info.vnuma_nodes = calloc(1, sizeof(*a.b_info.vnuma_nodes));
    libxl_vnode_info_init(a.b_info.vnuma_nodes);
    source_blocks("vnuma", "1 virtual NUMA");
    begin_source();
    libxl_defbool_set(&a.b_info.nested_hvm, true);
    source_blocks("nested-hvm", "nested");
    begin_source();
    libxl_defbool_set(&a.b_info.device_model_stubdomain, true);
    source_blocks("stubdomain", "stub domain");
    begin_source();
    src.pod_entries = 12;
    source_blocks("populate-on-demand", "12 pages");
    begin_source();
    src.physmap_nodes = true;
    source_blocks("qemu-physmap", "physmap");
    begin_source();
    a.num_vtpms = 1;
    a.vtpms = calloc(1, sizeof(*a.vtpms));
    libxl_device_vtpm_init(a.vtpms);
    source_blocks("vtpm", "1 virtual TPMs");
}

static void test_libxl_check_source_disks_that_cannot_move_block(void)
{
    begin_source();
    a.disks[0].backend_domid = 3;
    source_blocks("driver-domain", "disk xvda is served by domain 3");
    begin_source();
    a.disks[0].specification = LIBXL_DISK_SPECIFICATION_VIRTIO;
    source_blocks("disk-virtio", "xvda");
    begin_source();
    a.disks[0].backend = LIBXL_DISK_BACKEND_TAP;
    source_blocks("disk-tap", "xvda");
    begin_source();
    a.nics[0].backend_domid = 2;
    source_blocks("driver-domain", "domain 2");
}

static void test_libxl_check_source_image_and_claim_are_told(void)
{
    begin_source();
    a.disks[0].format = LIBXL_DISK_FORMAT_QCOW2;
    src.outstanding_pages = 17;
    xlm__libxl_check_source(&a, &src, f);
    expect("disk-image", XLM_FINDING_NOTE, "/dev/null");
    expect("outstanding-pages", XLM_FINDING_WARN, "17 pages");
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    end_findings();
}

/* ---- preflight at the destination ---- */

static struct xlm__destination_facts dst;
static char dir[64], net[80], scripts[80];

static void touch(const char *base, const char *name, mode_t mode)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", base, name);
    file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    chmod(path, mode);
}

static void begin_destination(void)
{
    char disk[160];

    configs_make();
    f = xlm__findings_new();
    snprintf(dir, sizeof(dir), "/tmp/xlm-dst-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(net, sizeof(net), "%s/net", dir);
    snprintf(scripts, sizeof(scripts), "%s/scripts", dir);
    mkdir(net, 0700);
    mkdir(scripts, 0700);
    touch(net, "xenbr0", 0600);
    touch(scripts, "vif-bridge", 0700);
    touch(dir, "disk", 0600);
    snprintf(disk, sizeof(disk), "%s/disk", dir);
    set_text(&a.disks[0].pdev_path, disk);
    dst = (struct xlm__destination_facts){
        .sys_class_net = net,
        .scripts_dir = scripts,
        .need_kb = 1000,
        .free_kb = 1000,
        .xl_path = "/usr/sbin/xl",
    };
}

static void end_destination(void)
{
    char command[128];

    end_findings();
    snprintf(command, sizeof(command), "rm -r %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void destination_blocks(const char *code, const char *text)
{
    size_t blocks = 0;

    xlm__libxl_check_destination(&a, &dst, f);
    expect(code, XLM_FINDING_BLOCK, text);
    for (size_t i = 0; i < xlm__findings_count(f); i++)
        blocks += xlm__findings_get(f, i)->severity == XLM_FINDING_BLOCK;
    CU_ASSERT_EQUAL(blocks, 1);
    end_destination();
}

static void test_libxl_check_destination_ready_host_has_no_findings(void)
{
    begin_destination();
    xlm__libxl_check_destination(&a, &dst, f);
    CU_ASSERT_EQUAL(xlm__findings_count(f), 0);
    end_destination();
}

static void test_libxl_check_destination_names_and_uuids_block(void)
{
    begin_destination();
    dst.name_taken = "g1--incoming";
    destination_blocks("name-taken", "g1--incoming");
    begin_destination();
    dst.uuid_domid = 12;
    destination_blocks("uuid-taken", "domain 12");
}

static void test_libxl_check_destination_same_host_is_a_note(void)
{
    begin_destination();
    dst.uuid_domid = 5; /* as the configuration says */
    xlm__libxl_check_destination(&a, &dst, f);
    expect("same-host", XLM_FINDING_NOTE, "domain 5");
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    end_destination();
}

static void test_libxl_check_destination_memory_is_counted(void)
{
    begin_destination();
    dst.need_kb = 2048 * 1024;
    dst.free_kb = 1024 * 1024;
    destination_blocks("memory", "2048 MiB are needed, 1024 MiB are free");
    begin_destination();
    dst.need_kb = 2048 * 1024;
    dst.free_kb = 1024 * 1024;
    dst.autoballoon = true;
    dst.dom0_spare_kb = 1023 * 1024;
    destination_blocks("memory", "dom0 can give 1023");
    begin_destination();
    dst.need_kb = 2048 * 1024;
    dst.free_kb = 1024 * 1024;
    dst.autoballoon = true;
    dst.dom0_spare_kb = 1024 * 1024;
    xlm__libxl_check_destination(&a, &dst, f);
    expect("autoballoon", XLM_FINDING_NOTE, "1024 MiB");
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    end_destination();
}

static void test_libxl_check_destination_missing_tools_block(void)
{
    begin_destination();
    dst.xl_problem = "No such file or directory";
    destination_blocks("xl-missing", "/usr/sbin/xl: No such");
    begin_destination();
    a.c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    dst.qemu_path = "/usr/bin/qemu";
    destination_blocks("qemu-missing", "/usr/bin/qemu");
    begin_destination();
    set_text(&a.c_info.ssid_label, "system_u:system_r:domU_t");
    destination_blocks("xsm-label-unknown", "domU_t");
}

static void test_libxl_check_destination_held_lock_warns(void)
{
    begin_destination();
    dst.xl_lock_pid = 4711;
    xlm__libxl_check_destination(&a, &dst, f);
    expect("xl-lock", XLM_FINDING_WARN, "4711");
    end_destination();
}

static void test_libxl_check_destination_network_must_be_there(void)
{
    begin_destination();
    set_text(&a.nics[0].bridge, "br9");
    destination_blocks("bridge-missing", "br9");
    begin_destination();
    set_text(&a.nics[0].script, "vif-route");
    destination_blocks("vif-script-missing", "scripts/vif-route");
}

static void test_libxl_check_destination_disks_must_be_there(void)
{
    begin_destination();
    set_text(&a.disks[0].pdev_path, "/nonexistent/disk");
    destination_blocks("disk-missing", "xvda: /nonexistent/disk");
    begin_destination();
    set_text(&a.disks[0].pdev_path, dir);
    destination_blocks("disk-type", dir);
    begin_destination();
    set_text(&a.disks[0].script, "block-drbd");
    destination_blocks("block-script-missing", "scripts/block-drbd");
}

static void test_libxl_check_destination_empty_drive_needs_nothing(void)
{
    begin_destination();
    a.disks[0].format = LIBXL_DISK_FORMAT_EMPTY;
    set_text(&a.disks[0].pdev_path, "");
    xlm__libxl_check_destination(&a, &dst, f);
    CU_ASSERT_EQUAL(xlm__findings_count(f), 0);
    end_destination();
}

static void test_libxl_check_destination_missing_kernel_warns(void)
{
    begin_destination();
    set_text(&a.b_info.kernel, "/nonexistent/vmlinuz");
    xlm__libxl_check_destination(&a, &dst, f);
    expect("boot-file-missing", XLM_FINDING_WARN, "/nonexistent/vmlinuz");
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    end_destination();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_check_source_plain_guest_has_no_findings),
    UNIT_TEST(test_libxl_check_source_states_that_cannot_move),
    UNIT_TEST(test_libxl_check_source_paused_without_pv_drivers_may_move),
    UNIT_TEST(test_libxl_check_source_unknown_suspend_support_is_a_note),
    UNIT_TEST(test_libxl_check_source_passthrough_blocks),
    UNIT_TEST(test_libxl_check_source_features_that_cannot_move_block),
    UNIT_TEST(test_libxl_check_source_disks_that_cannot_move_block),
    UNIT_TEST(test_libxl_check_source_image_and_claim_are_told),
    UNIT_TEST(test_libxl_check_destination_ready_host_has_no_findings),
    UNIT_TEST(test_libxl_check_destination_names_and_uuids_block),
    UNIT_TEST(test_libxl_check_destination_same_host_is_a_note),
    UNIT_TEST(test_libxl_check_destination_memory_is_counted),
    UNIT_TEST(test_libxl_check_destination_missing_tools_block),
    UNIT_TEST(test_libxl_check_destination_held_lock_warns),
    UNIT_TEST(test_libxl_check_destination_network_must_be_there),
    UNIT_TEST(test_libxl_check_destination_disks_must_be_there),
    UNIT_TEST(test_libxl_check_destination_empty_drive_needs_nothing),
    UNIT_TEST(test_libxl_check_destination_missing_kernel_warns),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("libxl_check", tests)
