/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preflight at the source: gathering, then judging (pure). */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include <xen/hvm/params.h>

#include "base/log.h"
#include "toolstack/toolstack_libxl.h"

#define XLM_MODULE "preflight"

/* An addition that fails for lack of memory would hide a reason to stop;
 * callers see that in the count of findings, so it is remembered. */
#define BLOCK(f, code, advice, ...)                                            \
    ((void)xlm__findings_add(f, XLM_FINDING_BLOCK, code, advice, __VA_ARGS__))
#define WARN(f, code, advice, ...)                                             \
    ((void)xlm__findings_add(f, XLM_FINDING_WARN, code, advice, __VA_ARGS__))
#define NOTE(f, code, advice, ...)                                             \
    ((void)xlm__findings_add(f, XLM_FINDING_NOTE, code, advice, __VA_ARGS__))

static bool is_true(libxl_defbool b)
{
    return !libxl_defbool_is_default(b) && libxl_defbool_val(b);
}

static const char *or_unnamed(const char *s)
{
    return s ? s : "(unnamed)";
}

static void check_state(const libxl_domain_config *c,
                        const struct xlm__source_facts *facts,
                        struct xlm__findings *f)
{
    const char *name = or_unnamed(c->c_info.name);

    if (facts->dying)
        BLOCK(f, "dying", "wait until it is gone", "%s is being destroyed",
              name);
    else if (facts->shutdown &&
             facts->shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        BLOCK(f, "suspended",
              "another migration may own it: see xl lmigrate-recover",
              "%s is suspended", name);
    else if (facts->shutdown)
        BLOCK(f, "shutdown", "start it again, or destroy it",
              "%s has shut down (reason %u)", name, facts->shutdown_reason);
    if (facts->paused && facts->pv_drivers)
        BLOCK(f, "paused",
              "unpause it, or allow it to run for as long as it takes to "
              "suspend: --unpause-to-suspend",
              "%s is paused and cannot acknowledge a suspend request", name);
    if (facts->outstanding_pages)
        WARN(f, "outstanding-pages", "wait until its memory target is reached",
             "%s has a claim on %llu pages that it did not get yet", name,
             (unsigned long long)facts->outstanding_pages);
    if (facts->feature_suspend == 0)
        BLOCK(f, "no-suspend",
              "the guest's kernel needs support for Xen suspend (Linux: "
              "CONFIG_HIBERNATE_CALLBACKS)",
              "%s says that it cannot suspend (control/feature-suspend is 0)",
              name);
    else if (facts->feature_suspend < 0 && facts->pv_drivers)
        NOTE(f, "suspend-unknown", "",
             "%s does not say whether it can suspend "
             "(control/feature-suspend)",
             name);
}

static void check_passthrough(const libxl_domain_config *c,
                              struct xlm__findings *f)
{
    for (int i = 0; i < c->num_pcidevs; i++) {
        const libxl_device_pci *p = &c->pcidevs[i];

        BLOCK(f, "passthrough-pci", "detach it: xl pci-detach",
              "PCI device %04x:%02x:%02x.%x of this host is passed through",
              p->domain, p->bus, p->dev, p->func);
    }
    for (int i = 0; i < c->num_usbdevs; i++)
        BLOCK(f, "passthrough-usb", "detach it: xl usbdev-detach",
              "USB device %u.%u of this host is passed through",
              c->usbdevs[i].u.hostdev.hostbus,
              c->usbdevs[i].u.hostdev.hostaddr);
    if (c->num_dtdevs)
        BLOCK(f, "passthrough-dt", "remove dtdev from the configuration",
              "%d device tree nodes of this host are passed through",
              c->num_dtdevs);
    if (c->num_rdms || c->b_info.num_ioports || c->b_info.num_irqs ||
        c->b_info.num_iomem)
        BLOCK(f, "passthrough-resources",
              "remove ioports, irqs, iomem and rdm from the configuration",
              "the domain uses %d port ranges, %d interrupts, %d memory "
              "ranges of this host",
              c->b_info.num_ioports, c->b_info.num_irqs, c->b_info.num_iomem);
}

static bool nested_hvm(const libxl_domain_config *c)
{
    return is_true(c->b_info.nested_hvm) ||
           (c->b_info.type == LIBXL_DOMAIN_TYPE_HVM &&
            is_true(c->b_info.u.hvm.nested_hvm));
}

static void check_build(const libxl_domain_config *c,
                        const struct xlm__source_facts *facts,
                        struct xlm__findings *f)
{
    const libxl_domain_build_info *b = &c->b_info;

    if (is_true(b->disable_migrate))
        BLOCK(f, "nomigrate", "remove nomigrate=1 from its configuration",
              "the configuration forbids migration (nomigrate)");
    if (b->num_vnuma_nodes)
        BLOCK(f, "vnuma", "remove vnuma from its configuration",
              "%d virtual NUMA nodes: Xen does not restore them",
              b->num_vnuma_nodes);
    if (nested_hvm(c))
        BLOCK(f, "nested-hvm", "remove nestedhvm=1 from its configuration",
              "nested virtualization is on: its state cannot be moved");
    if (facts->pod_entries)
        BLOCK(f, "populate-on-demand",
              "wait until the guest's balloon driver has reached its target",
              "%llu pages are populated on demand: to read them would take "
              "memory that the guest does not have",
              (unsigned long long)facts->pod_entries);
    if (is_true(b->device_model_stubdomain))
        BLOCK(f, "stubdomain", "use a device model in dom0",
              "the device model runs in a stub domain");
    if (b->type == LIBXL_DOMAIN_TYPE_HVM &&
        b->device_model_version ==
            LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL)
        BLOCK(f, "qemu-traditional", "use device_model_version=\"qemu-xen\"",
              "the device model is qemu-xen-traditional");
    if (facts->physmap_nodes)
        BLOCK(f, "qemu-physmap",
              "start the domain anew with a qemu of 3.0 or "
              "later",
              "its qemu keeps memory regions in xenstore (physmap), which are "
              "not moved");
    if (c->c_info.ssid_label && c->c_info.ssid_label[0])
        NOTE(f, "xsm-label", "", "XSM label %s must exist at the destination",
             c->c_info.ssid_label);
}

static void check_disk(const libxl_device_disk *d, struct xlm__findings *f)
{
    const char *vdev = or_unnamed(d->vdev);

    if (d->backend_domid || d->backend_domname)
        BLOCK(f, "driver-domain", "serve it from dom0",
              "disk %s is served by domain %u", vdev, d->backend_domid);
    if (d->specification == LIBXL_DISK_SPECIFICATION_VIRTIO)
        BLOCK(f, "disk-virtio", "use specification=xen",
              "disk %s is a virtio disk", vdev);
    if (d->backend == LIBXL_DISK_BACKEND_TAP)
        BLOCK(f, "disk-tap", "use backendtype=phy or qdisk",
              "disk %s is served by blktap, which cannot be flushed from "
              "here",
              vdev);
    if (!d->is_cdrom && d->readwrite &&
        (d->format == LIBXL_DISK_FORMAT_QCOW2 ||
         d->format == LIBXL_DISK_FORMAT_QCOW ||
         d->format == LIBXL_DISK_FORMAT_VHD ||
         d->format == LIBXL_DISK_FORMAT_QED))
        NOTE(f, "disk-image", "",
             "disk %s (%s) is an image with metadata: both hosts must see "
             "the same file",
             vdev, d->pdev_path ? d->pdev_path : "");
}

static void check_devices(const libxl_domain_config *c, struct xlm__findings *f)
{
    for (int i = 0; i < c->num_disks; i++)
        check_disk(&c->disks[i], f);
    for (int i = 0; i < c->num_nics; i++)
        if (c->nics[i].backend_domid || c->nics[i].backend_domname)
            BLOCK(f, "driver-domain", "serve it from dom0",
                  "network interface %d is served by domain %u",
                  c->nics[i].devid, c->nics[i].backend_domid);
    for (int i = 0; i < c->num_vfbs; i++)
        if (c->vfbs[i].backend_domid || c->vfbs[i].backend_domname)
            BLOCK(f, "driver-domain", "serve it from dom0",
                  "framebuffer %d is served by domain %u", c->vfbs[i].devid,
                  c->vfbs[i].backend_domid);
    if (c->num_p9s)
        WARN(f, "p9fs", "unmount them in the guest first",
             "%d 9pfs shares: open files in them are lost", c->num_p9s);
    if (c->num_vtpms)
        BLOCK(f, "vtpm", "detach it",
              "%d virtual TPMs: their state is in another domain",
              c->num_vtpms);
    if (c->num_pvcallsifs)
        WARN(f, "pvcalls", "close the sockets first",
             "%d PV calls interfaces: open sockets are lost",
             c->num_pvcallsifs);
}

void xlm__libxl_check_source(const libxl_domain_config *c,
                             const struct xlm__source_facts *facts,
                             struct xlm__findings *f)
{
    check_state(c, facts, f);
    check_passthrough(c, f);
    check_build(c, facts, f);
    check_devices(c, f);
}

/* As libxl decides whether to ask the guest, or to just stop it. */
static bool has_pv_drivers(struct xlm__ts *ts, uint32_t domid,
                           const libxl_domain_config *c)
{
    uint64_t callback = 0;

    if (c->c_info.type != LIBXL_DOMAIN_TYPE_HVM || !ts->hv)
        return true;
    if (ts->hv->ops->hvm_param_get(ts->hv, domid, HVM_PARAM_CALLBACK_IRQ,
                                   &callback))
        return true;
    return callback != 0;
}

static int gather_suspend(struct xlm__ts *ts, uint32_t domid)
{
    char *text = xlm__ts_read(ts, "/local/domain/%u/control/feature-suspend",
                              domid);
    int known = -1;

    if (text && !strcmp(text, "1"))
        known = 1;
    else if (text && !strcmp(text, "0"))
        known = 0;
    free(text);
    return known;
}

static bool has_physmap(struct xlm__ts *ts, uint32_t domid)
{
    char path[96];
    unsigned nr = 0;
    char **names;

    snprintf(path, sizeof(path), "/local/domain/0/device-model/%u/physmap",
             domid);
    names = xs_directory(ts->xs, XBT_NULL, path, &nr);
    free(names);
    return names && nr;
}

static int gather(struct xlm__ts *ts, uint32_t domid,
                  const libxl_domain_config *c, struct xlm__source_facts *facts)
{
    libxl_dominfo info;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ts->ctx, &info, domid);
    if (!rc) {
        facts->paused = info.paused;
        facts->shutdown = info.shutdown;
        facts->dying = info.dying;
        facts->shutdown_reason = (unsigned)info.shutdown_reason;
        facts->outstanding_pages = info.outstanding_memkb / 4;
    }
    libxl_dominfo_dispose(&info);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "ask about domain %u", domid);
    facts->pv_drivers = has_pv_drivers(ts, domid, c);
    facts->feature_suspend = gather_suspend(ts, domid);
    facts->physmap_nodes = c->c_info.type == LIBXL_DOMAIN_TYPE_HVM &&
                           has_physmap(ts, domid);
    return 0;
}

/* Left at 0 if it cannot be told: Xen refuses the question for some. */
static void gather_pod(struct xlm__ts *ts, uint32_t domid,
                       const libxl_domain_config *c,
                       struct xlm__source_facts *facts)
{
    uint64_t total;
    uint64_t cache;
    xc_interface *xch;

    if (c->c_info.type == LIBXL_DOMAIN_TYPE_PV)
        return;
    xch = xc_interface_open(&ts->log.vtable, &ts->log.vtable, 0);
    if (xch && xc_domain_get_pod_target(xch, domid, &total, &cache,
                                        &facts->pod_entries))
        facts->pod_entries = 0;
    xc_interface_close(xch);
}

int xlm__ts_check_source(struct xlm__toolstack *t, uint32_t domid,
                         const struct xlm__config *c, struct xlm__findings *f)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__source_facts facts = { 0 };
    libxl_domain_config dc;
    int rc;

    rc = xlm__ts_config_load(ts, c->json, &dc);
    if (!rc)
        rc = gather(ts, domid, &dc, &facts);
    if (!rc) {
        gather_pod(ts, domid, &dc, &facts);
        xlm__libxl_check_source(&dc, &facts, f);
    }
    libxl_domain_config_dispose(&dc);
    return rc;
}
