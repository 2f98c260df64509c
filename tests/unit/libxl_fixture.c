/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libxl_fixture.h"

#include <stdlib.h>
#include <string.h>

libxl_domain_config a, b;

void set_bitmap(libxl_bitmap *map, unsigned char bits)
{
    free(map->map);
    map->size = 1;
    map->map = malloc(1);
    map->map[0] = bits;
}

libxl_device_disk *add_disk(libxl_domain_config *c, const char *vdev,
                            const char *path)
{
    libxl_device_disk *d;

    c->disks = reallocarray(c->disks, (size_t)c->num_disks + 1,
                            sizeof(*c->disks));
    d = &c->disks[c->num_disks++];
    libxl_device_disk_init(d);
    d->backend_domid = 0;
    d->vdev = strdup(vdev);
    d->pdev_path = strdup(path);
    d->readwrite = 1;
    d->format = LIBXL_DISK_FORMAT_RAW;
    d->backend = LIBXL_DISK_BACKEND_PHY;
    return d;
}

libxl_device_nic *add_nic(libxl_domain_config *c, unsigned char last,
                          const char *bridge)
{
    libxl_device_nic *n;

    c->nics = reallocarray(c->nics, (size_t)c->num_nics + 1, sizeof(*c->nics));
    n = &c->nics[c->num_nics++];
    libxl_device_nic_init(n);
    n->backend_domid = 0;
    n->mac[0] = 0x00;
    n->mac[1] = 0x16;
    n->mac[2] = 0x3e;
    n->mac[5] = last;
    n->bridge = strdup(bridge);
    return n;
}

void add_pci(libxl_domain_config *c, uint8_t dev)
{
    c->pcidevs = reallocarray(c->pcidevs, (size_t)c->num_pcidevs + 1,
                              sizeof(*c->pcidevs));
    libxl_device_pci_init(&c->pcidevs[c->num_pcidevs]);
    c->pcidevs[c->num_pcidevs++].dev = dev;
}

static void make(libxl_domain_config *c)
{
    libxl_domain_config_init(c);
    c->c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    c->c_info.name = strdup("g1");
    c->c_info.domid = 5;
    libxl_domain_build_info_init_type(&c->b_info, LIBXL_DOMAIN_TYPE_PVH);
    c->b_info.max_vcpus = 2;
    c->b_info.max_memkb = c->b_info.target_memkb = 131072;
    set_bitmap(&c->b_info.avail_vcpus, 3);
    add_disk(c, "xvda", "/dev/null");
    add_nic(c, 1, "xenbr0");
}

void configs_make(void)
{
    make(&a);
    make(&b);
}

void configs_free(void)
{
    libxl_domain_config_dispose(&a);
    libxl_domain_config_dispose(&b);
}

void set_text(char **where, const char *text)
{
    free(*where);
    *where = text ? strdup(text) : NULL;
}
