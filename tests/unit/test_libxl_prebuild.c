/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which devices may exist at both hosts at once. */
#include "config.h"

#include <stdlib.h>

#include "libxl_fixture.h"
#include "unit.h"

static char why[XLM_MESSAGE_MAX / 2];

static void may(void)
{
    xlm__libxl_check_prebuild(&a, why);
    CU_ASSERT_STRING_EQUAL(why, "");
    configs_free();
}

static void may_not(const char *text)
{
    xlm__libxl_check_prebuild(&a, why);
    if (!strstr(why, text))
        printf("\n  \"%s\" has no \"%s\"\n", why, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, text));
    configs_free();
}

static void test_libxl_prebuild_disk_and_bridge_may(void)
{
    configs_make();
    may();
}

static void test_libxl_prebuild_without_devices_may(void)
{
    configs_make();
    libxl_device_disk_dispose(&a.disks[--a.num_disks]);
    libxl_device_nic_dispose(&a.nics[--a.num_nics]);
    may();
}

static void test_libxl_prebuild_pv_may(void)
{
    configs_make();
    a.c_info.type = LIBXL_DOMAIN_TYPE_PV;
    libxl_defbool_set(&a.c_info.hap, false); /* means nothing there */
    may();
}

static void test_libxl_prebuild_pv_with_frame_buffer_may_not(void)
{
    configs_make();
    a.c_info.type = LIBXL_DOMAIN_TYPE_PV;
    a.vfbs = calloc(1, sizeof(*a.vfbs));
    a.num_vfbs = 1;
    libxl_device_vfb_init(a.vfbs);
    may_not("frame buffer");
}

static void hvm_make(void)
{
    configs_make();
    a.c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    libxl_domain_build_info_dispose(&a.b_info);
    libxl_domain_build_info_init(&a.b_info);
    libxl_domain_build_info_init_type(&a.b_info, LIBXL_DOMAIN_TYPE_HVM);
}

static libxl_string_list one_string(const char *text)
{
    libxl_string_list list = calloc(2, sizeof(*list));

    list[0] = strdup(text);
    return list;
}

static void test_libxl_prebuild_hvm_may(void)
{
    hvm_make();
    may();
    hvm_make();
    a.b_info.device_model_version = LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN;
    libxl_defbool_set(&a.b_info.device_model_stubdomain, false);
    libxl_defbool_set(&a.b_info.dm_restrict, false);
    may();
}

static void test_libxl_prebuild_device_models_that_may_not(void)
{
    hvm_make();
    a.b_info.device_model_version =
        LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL;
    may_not("qemu_xen_traditional");
    hvm_make();
    libxl_defbool_set(&a.b_info.device_model_stubdomain, true);
    may_not("a domain of its own");
    hvm_make();
    libxl_defbool_set(&a.b_info.dm_restrict, true);
    may_not("restricted");
    hvm_make();
    a.b_info.extra_hvm = one_string("-device");
    may_not("arguments of its own");
    hvm_make();
    a.b_info.u.hvm.usbdevice_list = one_string("tablet");
    may_not("USB");
}

static void test_libxl_prebuild_serial_ports(void)
{
    static const char *const own[] = { "pty", "none", "null", "file:/x" };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        hvm_make();
        a.b_info.u.hvm.serial = strdup(own[i]);
        may();
    }
    hvm_make();
    a.b_info.u.hvm.serial = strdup("tcp:console.example:7");
    may_not("serial port is tcp:console.example:7");
    hvm_make();
    a.b_info.u.hvm.serial_list = one_string("/dev/ttyS0");
    may_not("/dev/ttyS0");
}

static void test_libxl_prebuild_shadow_may_not(void)
{
    configs_make();
    libxl_defbool_set(&a.c_info.hap, true);
    may();
    configs_make();
    libxl_defbool_set(&a.c_info.hap, false);
    may_not("HAP");
}

static void test_libxl_prebuild_raw_in_qemu_may(void)
{
    configs_make();
    a.disks[0].backend = LIBXL_DISK_BACKEND_QDISK;
    may();
}

static void test_libxl_prebuild_backend_yet_to_be_chosen_may(void)
{
    configs_make();
    a.disks[0].backend = LIBXL_DISK_BACKEND_UNKNOWN;
    may();
}

static void test_libxl_prebuild_raw_file_may(void)
{
    configs_make();
    add_disk(&a, "xvdb", "/proc/self/exe");
    may();
}

static void test_libxl_prebuild_empty_drive_may(void)
{
    configs_make();
    add_disk(&a, "hdc", "")->format = LIBXL_DISK_FORMAT_EMPTY;
    may();
}

static void test_libxl_prebuild_image_formats_may_not(void)
{
    static const libxl_disk_format formats[] = {
        LIBXL_DISK_FORMAT_QCOW, LIBXL_DISK_FORMAT_QCOW2, LIBXL_DISK_FORMAT_VHD,
        LIBXL_DISK_FORMAT_QED, LIBXL_DISK_FORMAT_UNKNOWN
    };

    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        configs_make();
        add_disk(&a, "xvdb", "/dev/null")->format = formats[i];
        may_not("disk xvdb is an image of format");
    }
}

static void test_libxl_prebuild_blktap_may_not(void)
{
    configs_make();
    a.disks[0].backend = LIBXL_DISK_BACKEND_TAP;
    may_not("disk xvda has back end tap");
}

static void test_libxl_prebuild_scripts_of_disks(void)
{
    configs_make();
    set_text(&a.disks[0].script, "block-drbd");
    may_not("hotplug script block-drbd");
    configs_make();
    set_text(&a.disks[0].script, "/etc/xen/scripts/block-iscsi");
    may_not("block-iscsi");
    configs_make();
    set_text(&a.disks[0].script, "/etc/xen/scripts/block");
    may();
}

static void test_libxl_prebuild_path_that_is_none_may_not(void)
{
    configs_make();
    set_text(&a.disks[0].pdev_path, "drbd:web");
    may_not("no local path");
    configs_make();
    set_text(&a.disks[0].pdev_path, NULL);
    may_not("no local path");
}

static void test_libxl_prebuild_backends_elsewhere_may_not(void)
{
    configs_make();
    a.disks[0].backend_domid = 3;
    may_not("disk xvda has its back end in another domain");
    configs_make();
    set_text(&a.disks[0].backend_domname, "storage");
    may_not("disk xvda has its back end");
    configs_make();
    set_text(&a.disks[0].backend_domname, "Domain-0");
    may();
    configs_make();
    set_text(&a.nics[0].backend_domname, "router");
    may_not("network interface");
}

static void test_libxl_prebuild_scripts_of_interfaces(void)
{
    configs_make();
    set_text(&a.nics[0].script, "vif-route");
    may_not("hotplug script vif-route");
    configs_make();
    set_text(&a.nics[0].script, "/etc/xen/scripts/vif-openvswitch");
    may_not("vif-openvswitch");
    configs_make();
    set_text(&a.nics[0].script, "/etc/xen/scripts/vif-bridge");
    may();
}

static void test_libxl_prebuild_untried_devices_may_not(void)
{
    configs_make();
    add_pci(&a, 3);
    may_not("PCI device");
    configs_make();
    a.vtpms = calloc(1, sizeof(*a.vtpms));
    libxl_device_vtpm_init(a.vtpms);
    a.num_vtpms = 1;
    may_not("virtual TPM");
}

static void test_libxl_prebuild_first_reason_is_told(void)
{
    configs_make();
    add_disk(&a, "xvdb", "/dev/null")->format = LIBXL_DISK_FORMAT_QCOW2;
    set_text(&a.nics[0].script, "vif-route");
    may_not("xvdb");
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_prebuild_disk_and_bridge_may),
    UNIT_TEST(test_libxl_prebuild_without_devices_may),
    UNIT_TEST(test_libxl_prebuild_pv_may),
    UNIT_TEST(test_libxl_prebuild_pv_with_frame_buffer_may_not),
    UNIT_TEST(test_libxl_prebuild_hvm_may),
    UNIT_TEST(test_libxl_prebuild_device_models_that_may_not),
    UNIT_TEST(test_libxl_prebuild_serial_ports),
    UNIT_TEST(test_libxl_prebuild_shadow_may_not),
    UNIT_TEST(test_libxl_prebuild_raw_in_qemu_may),
    UNIT_TEST(test_libxl_prebuild_backend_yet_to_be_chosen_may),
    UNIT_TEST(test_libxl_prebuild_raw_file_may),
    UNIT_TEST(test_libxl_prebuild_empty_drive_may),
    UNIT_TEST(test_libxl_prebuild_image_formats_may_not),
    UNIT_TEST(test_libxl_prebuild_blktap_may_not),
    UNIT_TEST(test_libxl_prebuild_scripts_of_disks),
    UNIT_TEST(test_libxl_prebuild_path_that_is_none_may_not),
    UNIT_TEST(test_libxl_prebuild_backends_elsewhere_may_not),
    UNIT_TEST(test_libxl_prebuild_scripts_of_interfaces),
    UNIT_TEST(test_libxl_prebuild_untried_devices_may_not),
    UNIT_TEST(test_libxl_prebuild_first_reason_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("libxl_prebuild", tests)
