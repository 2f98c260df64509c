/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two equal configurations of a small PVH guest, for tests to change. */
#ifndef XLM_TESTS_LIBXL_FIXTURE_H
#define XLM_TESTS_LIBXL_FIXTURE_H

#include "toolstack/toolstack_libxl.h"

extern libxl_domain_config a, b;

/* One disk xvda (/dev/null), one nic 00:16:3e:00:00:01 on xenbr0, domid 5. */
void configs_make(void);
void configs_free(void);

void set_bitmap(libxl_bitmap *map, unsigned char bits);
void set_text(char **where, const char *text);
libxl_device_disk *add_disk(libxl_domain_config *c, const char *vdev,
                            const char *path);
libxl_device_nic *add_nic(libxl_domain_config *c, unsigned char last,
                          const char *bridge);
void add_pci(libxl_domain_config *c, uint8_t dev);

#endif /* XLM_TESTS_LIBXL_FIXTURE_H */
