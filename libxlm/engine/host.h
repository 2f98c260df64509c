/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who this host is. */
#ifndef XLM_ENGINE_HOST_H
#define XLM_ENGINE_HOST_H

#include <stdbool.h>
#include <stddef.h>

void xlm__host_name(char *out, size_t bytes);
/* All zero if the kernel does not tell. */
void xlm__host_boot_id(unsigned char out[16]);
/* Is that this host's, and has it not been booted since? */
bool xlm__host_is_boot(const unsigned char boot[16]);

#endif /* XLM_ENGINE_HOST_H */
