/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxenstore's functions over a store in memory: a program that links this
 * file gets them instead of the library's.  No watches, one caller at a time.
 */
#ifndef XLM_TESTS_FAKE_XS_H
#define XLM_TESTS_FAKE_XS_H

#include <stdbool.h>
#include <stddef.h>
#include <xenstore.h>

/* A handle for functions that want one. */
struct xs_handle *fake_xs(void);
/* Empty store, no faults. */
void fake_xs_reset(void);
/* perms: "n5,r0"; NULL: "n0".  Parents are made with permissions "n0". */
void fake_xs_set(const char *path, const void *value, size_t bytes,
                 const char *perms);
void fake_xs_text(const char *path, const char *value);
/* NULL if there is no such node. */
const char *fake_xs_get(const char *path, size_t *bytes_out);
const char *fake_xs_perms(const char *path);
size_t fake_xs_count(void);

/* Faults. */
void fake_xs_fail_call(unsigned nth);   /* 1 = the next one fails, EIO  */
void fake_xs_conflicts(unsigned times); /* commits that say EAGAIN     */
unsigned fake_xs_calls(void);
bool fake_xs_in_transaction(void);

#endif /* XLM_TESTS_FAKE_XS_H */
