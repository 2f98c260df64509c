/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that did not answer a suspend request in time may suspend all the
 * same, later, when nobody wants it any more.  A mark in /run/xen tells the
 * monitor so.  Without the mark a suspended domain is none of its business:
 * "xl save" and "xl migrate" suspend domains too.
 */
#ifndef XLM_TOOLSTACK_LATENESS_H
#define XLM_TOOLSTACK_LATENESS_H

#include <stdbool.h>

void xlm__late_mark(const char *dir, const unsigned char uuid[16]);
void xlm__late_clear(const char *dir, const unsigned char uuid[16]);
bool xlm__late_marked(const char *dir, const unsigned char uuid[16]);

/* Does xl or libxl's helper save or migrate a domain right now?  proc:
 * "/proc", except in tests. */
bool xlm__xl_is_saving(const char *proc);

#endif /* XLM_TOOLSTACK_LATENESS_H */
