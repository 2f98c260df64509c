/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two configurations of one domain, fetched at different times.  Compared is
 * what the other side was built from and an operator can change meanwhile;
 * not what changes by itself (clock offset, node and CPU placement, backends'
 * details).
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "toolstack/toolstack_libxl.h"

struct words {
    char *out;
    size_t bytes;
};

/* The first difference is the one that is told. */
static void say(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct words *w, const char *fmt, ...)
{
    va_list ap;

    if (w->out[0])
        return;
    va_start(ap, fmt);
    vsnprintf(w->out, w->bytes, fmt, ap);
    va_end(ap);
}

static const char *text(const char *s)
{
    return s ? s : "";
}

static bool same(const char *a, const char *b)
{
    return !strcmp(text(a), text(b));
}

static void diff_basics(struct words *w, const libxl_domain_config *a,
                        const libxl_domain_config *b)
{
    const libxl_domain_build_info *x = &a->b_info;
    const libxl_domain_build_info *y = &b->b_info;

    if (!same(a->c_info.name, b->c_info.name))
        say(w, "the domain was renamed from %s to %s", text(a->c_info.name),
            text(b->c_info.name));
    if (x->max_memkb != y->max_memkb)
        say(w, "maximum memory was changed from %llu to %llu KiB",
            (unsigned long long)x->max_memkb, (unsigned long long)y->max_memkb);
    if (x->target_memkb != y->target_memkb)
        say(w, "the memory target was changed from %llu to %llu KiB",
            (unsigned long long)x->target_memkb,
            (unsigned long long)y->target_memkb);
    if (x->max_vcpus != y->max_vcpus)
        say(w, "the number of vCPUs was changed from %d to %d", x->max_vcpus,
            y->max_vcpus);
}

static void diff_vcpus(struct words *w, const libxl_domain_config *a,
                       const libxl_domain_config *b)
{
    const uint32_t bytes = a->b_info.avail_vcpus.size >
                                   b->b_info.avail_vcpus.size
                               ? a->b_info.avail_vcpus.size
                               : b->b_info.avail_vcpus.size;

    /* Not up to max_vcpus, which may be any number. */
    for (int i = 0; i < (int)(8 * bytes) && i < a->b_info.max_vcpus; i++) {
        const int was = libxl_bitmap_test(&a->b_info.avail_vcpus, i);
        const int is = libxl_bitmap_test(&b->b_info.avail_vcpus, i);

        if (!was != !is)
            say(w, "vCPU %d was switched %s", i, is ? "on" : "off");
    }
}

/* From place `at` on: nothing keeps two from being called the same. */
static const libxl_device_disk *find_disk(const libxl_domain_config *c, int at,
                                          const char *vdev)
{
    for (int i = 0; i < c->num_disks; i++) {
        const libxl_device_disk *disk = &c->disks[(at + i) % c->num_disks];

        if (same(disk->vdev, vdev))
            return disk;
    }
    return NULL;
}

static void diff_disks(struct words *w, const libxl_domain_config *a,
                       const libxl_domain_config *b)
{
    for (int i = 0; i < b->num_disks; i++) {
        const libxl_device_disk *is = &b->disks[i];
        const libxl_device_disk *was = find_disk(a, i, is->vdev);

        if (!was)
            say(w, "disk %s was attached", text(is->vdev));
        else if (!same(was->pdev_path, is->pdev_path))
            say(w, "disk %s was changed from \"%s\" to \"%s\"", text(is->vdev),
                text(was->pdev_path), text(is->pdev_path));
        else if (!was->readwrite != !is->readwrite)
            say(w, "disk %s was made %s", text(is->vdev),
                is->readwrite ? "writable" : "read-only");
    }
    for (int i = 0; i < a->num_disks; i++)
        if (!find_disk(b, i, a->disks[i].vdev))
            say(w, "disk %s was detached", text(a->disks[i].vdev));
}

static const libxl_device_nic *find_nic(const libxl_domain_config *c, int at,
                                        const libxl_mac *mac)
{
    for (int i = 0; i < c->num_nics; i++) {
        const libxl_device_nic *nic = &c->nics[(at + i) % c->num_nics];

        if (!memcmp(&nic->mac, mac, sizeof(*mac)))
            return nic;
    }
    return NULL;
}

#define MAC_FMT      "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_BYTES(m) (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]

static void diff_nics(struct words *w, const libxl_domain_config *a,
                      const libxl_domain_config *b)
{
    for (int i = 0; i < b->num_nics; i++) {
        const libxl_device_nic *is = &b->nics[i];
        const libxl_device_nic *was = find_nic(a, i, &is->mac);

        if (!was)
            say(w, "network interface " MAC_FMT " was attached",
                MAC_BYTES(is->mac));
        else if (!same(was->bridge, is->bridge))
            say(w, "network interface " MAC_FMT " was moved from %s to %s",
                MAC_BYTES(is->mac), text(was->bridge), text(is->bridge));
    }
    for (int i = 0; i < a->num_nics; i++)
        if (!find_nic(b, i, &a->nics[i].mac))
            say(w, "network interface " MAC_FMT " was detached",
                MAC_BYTES(a->nics[i].mac));
}

static bool same_pci(const libxl_device_pci *x, const libxl_device_pci *y)
{
    return x->domain == y->domain && x->bus == y->bus && x->dev == y->dev &&
           x->func == y->func;
}

static bool has_pci(const libxl_domain_config *c, const libxl_device_pci *pci)
{
    for (int i = 0; i < c->num_pcidevs; i++)
        if (same_pci(&c->pcidevs[i], pci))
            return true;
    return false;
}

static void diff_pci(struct words *w, const libxl_domain_config *a,
                     const libxl_domain_config *b)
{
    for (int i = 0; i < b->num_pcidevs; i++) {
        const libxl_device_pci *p = &b->pcidevs[i];

        if (!has_pci(a, p))
            say(w, "PCI device %04x:%02x:%02x.%x was attached", p->domain,
                p->bus, p->dev, p->func);
    }
    for (int i = 0; i < a->num_pcidevs; i++) {
        const libxl_device_pci *p = &a->pcidevs[i];

        if (!has_pci(b, p))
            say(w, "PCI device %04x:%02x:%02x.%x was detached", p->domain,
                p->bus, p->dev, p->func);
    }
}

static void diff_count(struct words *w, const char *what, int was, int is)
{
    if (was != is)
        say(w, "the number of %s was changed from %d to %d", what, was, is);
}

/* Kinds that nobody attaches in passing: their number must do. */
static void diff_rest(struct words *w, const libxl_domain_config *a,
                      const libxl_domain_config *b)
{
    diff_count(w, "virtual framebuffers", a->num_vfbs, b->num_vfbs);
    diff_count(w, "virtual keyboards", a->num_vkbs, b->num_vkbs);
    diff_count(w, "USB controllers", a->num_usbctrls, b->num_usbctrls);
    diff_count(w, "USB devices", a->num_usbdevs, b->num_usbdevs);
    diff_count(w, "virtual TPMs", a->num_vtpms, b->num_vtpms);
    diff_count(w, "9pfs shares", a->num_p9s, b->num_p9s);
    diff_count(w, "channels", a->num_channels, b->num_channels);
    diff_count(w, "virtual displays", a->num_vdispls, b->num_vdispls);
    diff_count(w, "virtual sound cards", a->num_vsnds, b->num_vsnds);
}

void xlm__libxl_config_diff(const libxl_domain_config *a,
                            const libxl_domain_config *b, char *out,
                            size_t bytes)
{
    struct words w = { out, bytes };

    out[0] = '\0';
    diff_disks(&w, a, b);
    diff_nics(&w, a, b);
    diff_pci(&w, a, b);
    diff_rest(&w, a, b);
    diff_basics(&w, a, b);
    diff_vcpus(&w, a, b);
}
