/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * May all devices of a domain exist here, their back ends at work, while it
 * still runs at the source?
 *
 * A disk is opened here before the source's last write: right where a back end
 * keeps nothing of what it reads, or only in this host's page cache, which is
 * dropped between that write and the start (storage.h).
 *
 *   phy, a block device     blkback reads past the page cache          yes
 *   phy, a file             loop: page cache of the file               yes
 *   qemu, raw               page cache of the file or device           yes
 *   qemu, any other format  tables of the image in qemu's memory       no
 *   a script of its own     unknown; DRBD: one primary only            no
 *
 * An interface of a bridge is silent until its domain runs; other scripts may
 * pull its traffic here at once (vif-route: a host route).
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "toolstack/toolstack_libxl.h"

#define DRBD_MAJOR 147u /* Documentation/admin-guide/devices.txt of Linux */

#define WHY(why, ...) snprintf(why, XLM_MESSAGE_MAX / 2, __VA_ARGS__)

static bool is_elsewhere(uint32_t domid, const char *name)
{
    if (domid && domid != (uint32_t)INVALID_DOMID)
        return true;
    return name && name[0] && strcmp(name, "0") && strcmp(name, "Domain-0");
}

/* Is it the script that is taken if none is named? */
static bool is_script(const char *script, const char *usual)
{
    const char *base;

    if (!script || !script[0])
        return true;
    base = strrchr(script, '/');
    return !strcmp(base ? base + 1 : script, usual);
}

static bool is_drbd(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISBLK(st.st_mode) &&
           major(st.st_rdev) == DRBD_MAJOR;
}

static void check_disk(const libxl_device_disk *d, char *why)
{
    const char *vdev = d->vdev ? d->vdev : "?";

    if (d->format == LIBXL_DISK_FORMAT_EMPTY)
        return;
    if (is_elsewhere(d->backend_domid, d->backend_domname))
        WHY(why, "disk %s has its back end in another domain", vdev);
    else if (!is_script(d->script, "block"))
        WHY(why, "disk %s has its own hotplug script %s", vdev, d->script);
    else if (d->format != LIBXL_DISK_FORMAT_RAW)
        WHY(why,
            "disk %s is an image of format %s, whose tables may be open at "
            "one host only",
            vdev, libxl_disk_format_to_string(d->format));
    else if (d->backend != LIBXL_DISK_BACKEND_UNKNOWN &&
             d->backend != LIBXL_DISK_BACKEND_PHY &&
             d->backend != LIBXL_DISK_BACKEND_QDISK)
        WHY(why, "disk %s has back end %s", vdev,
            libxl_disk_backend_to_string(d->backend));
    else if (!d->pdev_path || d->pdev_path[0] != '/')
        WHY(why, "disk %s is no local path", vdev);
    else if (is_drbd(d->pdev_path))
        WHY(why, "disk %s is a DRBD device, which one host has at a time",
            vdev);
}

static void check_nic(const libxl_device_nic *n, char *why)
{
    if (is_elsewhere(n->backend_domid, n->backend_domname))
        WHY(why, "network interface %d has its back end in another domain",
            n->devid);
    else if (!is_script(n->script, "vif-bridge"))
        WHY(why,
            "network interface %d: hotplug script %s may take its traffic "
            "over at once",
            n->devid, n->script);
}

static void check_others(const libxl_domain_config *c, char *why)
{
    const struct {
        const char *what;
        int nr;
    } others[] = {
        { "PCI device", c->num_pcidevs },
        { "device-tree device", c->num_dtdevs },
        { "virtual TPM", c->num_vtpms },
        { "9pfs", c->num_p9s },
        { "PV calls interface", c->num_pvcallsifs },
        { "USB controller", c->num_usbctrls },
        { "display", c->num_vdispls },
        { "channel", c->num_channels },
        { "sound card", c->num_vsnds },
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(*others) && !*why; i++)
        if (others[i].nr)
            WHY(why, "it has a %s, which was never tried so", others[i].what);
}

/* What a serial port leads to is opened here while the source has it open. */
static bool is_own_serial(const char *serial)
{
    return !serial || !strcmp(serial, "pty") || !strcmp(serial, "none") ||
           !strcmp(serial, "null") || !strncmp(serial, "file:", 5);
}

static void check_serial(const libxl_domain_build_info *b, char *why)
{
    const char *other = is_own_serial(b->u.hvm.serial) ? NULL : b->u.hvm.serial;

    for (char **s = b->u.hvm.serial_list; s && *s && !other; s++)
        other = is_own_serial(*s) ? NULL : *s;
    if (other)
        WHY(why, "its serial port is %s, which may be open at one host only",
            other);
}

static bool is_on(libxl_defbool b)
{
    return !libxl_defbool_is_default(b) && libxl_defbool_val(b);
}

static bool has_strings(const libxl_string_list list)
{
    return list && list[0];
}

/* It starts here, and waits for its state: toolstack_libxl_dm.c. */
static void check_dm(const libxl_domain_build_info *b, char *why)
{
    if (b->device_model_version != LIBXL_DEVICE_MODEL_VERSION_UNKNOWN &&
        b->device_model_version != LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN)
        WHY(why, "its device model is %s, which cannot wait for its state",
            libxl_device_model_version_to_string(b->device_model_version));
    else if (is_on(b->device_model_stubdomain))
        WHY(why, "its device model is a domain of its own");
    else if (is_on(b->dm_restrict))
        WHY(why, "its device model is restricted");
    else if (has_strings(b->extra) || has_strings(b->extra_hvm))
        WHY(why, "its device model has arguments of its own");
    else if (b->u.hvm.usbdevice || has_strings(b->u.hvm.usbdevice_list))
        WHY(why, "it has emulated USB devices, which were never tried so");
    else
        check_serial(b, why);
}

void xlm__libxl_check_prebuild(const libxl_domain_config *c,
                               char why[XLM_MESSAGE_MAX / 2])
{
    why[0] = '\0';
    if (c->c_info.type != LIBXL_DOMAIN_TYPE_PV &&
        !libxl_defbool_is_default(c->c_info.hap) &&
        !libxl_defbool_val(c->c_info.hap))
        WHY(why, "it runs without HAP, which was never tried so");
    if (!*why && c->c_info.type == LIBXL_DOMAIN_TYPE_HVM)
        check_dm(&c->b_info, why);
    if (!*why && c->c_info.type == LIBXL_DOMAIN_TYPE_PV &&
        (c->num_vfbs || c->num_vkbs))
        WHY(why, "it has a frame buffer or keyboard, which was never tried so");
    for (int i = 0; i < c->num_disks && !*why; i++)
        check_disk(&c->disks[i], why);
    for (int i = 0; i < c->num_nics && !*why; i++)
        check_nic(&c->nics[i], why);
    if (!*why)
        check_others(c, why);
}

int xlm__ts_check_prebuild(struct xlm__toolstack *t,
                           const struct xlm__config *c,
                           char why[XLM_MESSAGE_MAX / 2])
{
    libxl_domain_config dc;
    int rc = xlm__ts_config_load(xlm__ts(t), c->json, &dc);

    if (!rc)
        xlm__libxl_check_prebuild(&dc, why);
    libxl_domain_config_dispose(&dc);
    return rc;
}
