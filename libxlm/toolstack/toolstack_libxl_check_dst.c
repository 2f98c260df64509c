/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preflight at the destination: judging (pure but for looking at files). */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "toolstack/toolstack_libxl.h"

#define BLOCK(f, code, advice, ...)                                            \
    ((void)xlm__findings_add(f, XLM_FINDING_BLOCK, code, advice, __VA_ARGS__))
#define WARN(f, code, advice, ...)                                             \
    ((void)xlm__findings_add(f, XLM_FINDING_WARN, code, advice, __VA_ARGS__))
#define NOTE(f, code, advice, ...)                                             \
    ((void)xlm__findings_add(f, XLM_FINDING_NOTE, code, advice, __VA_ARGS__))

static const char *or_unnamed(const char *s)
{
    return s ? s : "(unnamed)";
}

static void check_names(const libxl_domain_config *c,
                        const struct xlm__destination_facts *facts,
                        struct xlm__findings *f)
{
    const uint32_t own = c->c_info.domid;

    if (facts->name_taken)
        BLOCK(f, "name-taken", "rename or destroy that domain",
              "a domain called %s is here already", facts->name_taken);
    if (!facts->uuid_domid)
        return;
    /* The source's own copy, when a domain moves within one host. */
    if (facts->uuid_domid == own)
        NOTE(f, "same-host", "",
             "domain %u with the same uuid is here: taken for the source", own);
    else
        BLOCK(f, "uuid-taken",
              "destroy it if it is left from an earlier migration",
              "domain %u here has the same uuid as %s", facts->uuid_domid,
              or_unnamed(c->c_info.name));
}

static void check_memory(const struct xlm__destination_facts *facts,
                         struct xlm__findings *f)
{
    const unsigned long long need = facts->need_kb / 1024;
    const unsigned long long free_mb = facts->free_kb / 1024;

    if (facts->need_kb <= facts->free_kb)
        return;
    if (!facts->autoballoon)
        BLOCK(f, "memory", "shrink or move other domains (xl mem-set)",
              "%llu MiB are needed, %llu MiB are free", need, free_mb);
    else if (facts->need_kb > facts->free_kb + facts->dom0_spare_kb)
        BLOCK(f, "memory", "shrink or move other domains (xl mem-set)",
              "%llu MiB are needed, %llu MiB are free and dom0 can give %llu",
              need, free_mb, (unsigned long long)facts->dom0_spare_kb / 1024);
    else
        NOTE(f, "autoballoon", "",
             "dom0 will give %llu MiB (autoballoon), which takes time",
             need - free_mb);
}

static void check_tools(const libxl_domain_config *c,
                        const struct xlm__destination_facts *facts,
                        struct xlm__findings *f)
{
    if (facts->xl_problem)
        BLOCK(f, "xl-missing", "install xen-utils, or give the path of xl",
              "%s: %s", facts->xl_path, facts->xl_problem);
    if (facts->xl_lock_pid)
        WARN(f, "xl-lock",
             "wait for it, or set autoballoon=\"off\" in "
             "/etc/xen/xl.conf",
             "xl's lock is held by process %ld: the domain will not be built "
             "before it is free",
             facts->xl_lock_pid);
    if (c->c_info.type == LIBXL_DOMAIN_TYPE_HVM && facts->qemu_path &&
        !facts->qemu_found)
        BLOCK(f, "qemu-missing", "install it (Debian: qemu-system-xen)",
              "the device model %s is not here", facts->qemu_path);
    if (c->c_info.ssid_label && c->c_info.ssid_label[0] && !facts->flask)
        BLOCK(f, "xsm-label-unknown", "load the same XSM policy here",
              "XSM label %s is not known here", c->c_info.ssid_label);
}

static bool script_exists(const struct xlm__destination_facts *facts,
                          const char *script, char *path, size_t bytes)
{
    if (script[0] == '/')
        snprintf(path, bytes, "%s", script);
    else
        snprintf(path, bytes, "%s/%s", facts->scripts_dir, script);
    return access(path, X_OK) == 0;
}

static void check_nic(const libxl_device_nic *n,
                      const struct xlm__destination_facts *facts,
                      struct xlm__findings *f)
{
    const char *script = n->script && n->script[0] ? n->script : "vif-bridge";
    char path[512];

    if (!script_exists(facts, script, path, sizeof(path)))
        BLOCK(f, "vif-script-missing", "install it",
              "network interface %d: hotplug script %s is not here", n->devid,
              path);
    if (!n->bridge || !n->bridge[0] || strchr(n->bridge, '/'))
        return;
    /* Open vSwitch writes "bridge.vlan" and "bridge:trunks". */
    if (!strstr(script, "vif-bridge"))
        return;
    snprintf(path, sizeof(path), "%s/%.64s", facts->sys_class_net, n->bridge);
    if (access(path, F_OK))
        BLOCK(f, "bridge-missing",
              "create the bridge, or give another "
              "configuration with -C",
              "network interface %d: bridge %s is not here", n->devid,
              n->bridge);
}

static bool write_protected(const char *path, const struct stat *st)
{
    int fd;
    int ro = 0;

    if (!S_ISBLK(st->st_mode))
        return access(path, W_OK) != 0;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    if (ioctl(fd, BLKROGET, &ro))
        ro = 0;
    close(fd);
    return ro;
}

static void check_disk_path(const libxl_device_disk *d, struct xlm__findings *f)
{
    const char *vdev = or_unnamed(d->vdev);
    struct stat st;

    if (stat(d->pdev_path, &st)) {
        BLOCK(f, "disk-missing",
              "make the same storage visible at the same path",
              "disk %s: %s: %s", vdev, d->pdev_path, strerror(errno));
        return;
    }
    if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
        BLOCK(f, "disk-type", "make the same storage visible at the same path",
              "disk %s: %s is neither a block device nor a file", vdev,
              d->pdev_path);
    else if (d->readwrite && write_protected(d->pdev_path, &st))
        BLOCK(f, "disk-readonly", "make it writable",
              "disk %s: %s cannot be written here", vdev, d->pdev_path);
}

static void check_disk(const libxl_device_disk *d,
                       const struct xlm__destination_facts *facts,
                       struct xlm__findings *f)
{
    char path[512];

    if (d->format == LIBXL_DISK_FORMAT_EMPTY || !d->pdev_path ||
        !d->pdev_path[0])
        return;
    if (d->script && d->script[0]) {
        if (!script_exists(facts, d->script, path, sizeof(path)))
            BLOCK(f, "block-script-missing", "install it",
                  "disk %s: hotplug script %s is not here", or_unnamed(d->vdev),
                  path);
        return;
    }
    if (d->pdev_path[0] == '/')
        check_disk_path(d, f);
    else
        NOTE(f, "disk-unchecked", "", "disk %s: \"%s\" is not a local path",
             or_unnamed(d->vdev), d->pdev_path);
}

static void check_boot_file(const char *what, const char *path,
                            struct xlm__findings *f)
{
    if (path && path[0] == '/' && access(path, R_OK))
        WARN(f, "boot-file-missing", "copy it before the domain reboots",
             "%s %s is not here: the domain cannot be started again", what,
             path);
}

void xlm__libxl_check_destination(const libxl_domain_config *c,
                                  const struct xlm__destination_facts *facts,
                                  struct xlm__findings *f)
{
    check_names(c, facts, f);
    check_memory(facts, f);
    check_tools(c, facts, f);
    for (int i = 0; i < c->num_nics; i++)
        check_nic(&c->nics[i], facts, f);
    for (int i = 0; i < c->num_disks; i++)
        check_disk(&c->disks[i], facts, f);
    check_boot_file("kernel", c->b_info.kernel, f);
    check_boot_file("ramdisk", c->b_info.ramdisk, f);
    check_boot_file("bootloader", c->b_info.bootloader, f);
}
