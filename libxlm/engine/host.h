/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who this host is. */
#ifndef XLM_ENGINE_HOST_H
#define XLM_ENGINE_HOST_H

#include <stddef.h>

void xlm__host_name(char *out, size_t bytes);
/* All zero if the kernel does not tell. */
void xlm__host_boot_id(unsigned char out[16]);

#endif /* XLM_ENGINE_HOST_H */
